//! What this broker says of itself in ZooKeeper (`/brokers/ids/<id>`), and the wait for a predecessor's node to go.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::start::StartError;
use crate::base::{BrokerId, Env};
use crate::config::BrokerConfig;
use crate::zk::session::{Session, SessionId};
use crate::zk::store;
use crate::zk::store::brokers::RegisterError;
use crate::zk::znode::broker_ids::{self, BrokerNode, EndpointNode};

/// The registration, the same in every session but for its time.
pub type Node = BrokerNode;

/// JSON version from `inter.broker.protocol.version` 2.7 on; 2.8 is the oldest served.
const NODE_VERSION: i32 = 5;

/// How much longer than a session timeout another's node is waited for: the server expires sessions in ticks.
const EXPIRY_SLACK: Duration = Duration::from_secs(2);

/// Builds the registration from the advertised listeners. A port of 0 becomes the bound one, a missing host the machine's name.
///
/// # Errors
/// A machine without a name.
pub fn node(
    env: &Env,
    id: BrokerId,
    config: &BrokerConfig,
    bound: &BTreeMap<Arc<str>, SocketAddr>,
) -> Result<Node, StartError> {
    let mut endpoints = Vec::with_capacity(config.advertised_listeners.len());
    for listener in &config.advertised_listeners {
        let port = match listener.port {
            0 => bound.get(listener.name.as_str()).map_or(0, SocketAddr::port),
            port => port,
        };
        let host = match &listener.host {
            Some(host) => host.clone(),
            None => own_name()?,
        };
        endpoints.push(EndpointNode {
            listener: listener.name.clone(),
            protocol: listener.protocol.name().into(),
            host,
            port: i32::from(port),
        });
    }
    Ok(BrokerNode {
        id,
        version: NODE_VERSION,
        endpoints,
        rack: config.broker_rack.clone(),
        jmx_port: -1,
        timestamp_ms: env.clock.wall_ms(),
        features: Default::default(),
    })
}

fn own_name() -> Result<String, StartError> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() {
        return Err(StartError::Message("this machine has no name: set advertised.listeners".into()));
    }
    Ok(name)
}

/// Says so when clients elsewhere can't reach what is registered. Asks the resolver, which may take its time: never in the way of a
/// registration.
pub async fn warn_of_unreachable(node: Node) {
    for endpoint in &node.endpoints {
        let (host, port) = (endpoint.host.as_str(), u16::try_from(endpoint.port).unwrap_or(0));
        match tokio::net::lookup_host((host, port)).await.map(|mut found| found.all(|a| is_loopback(a.ip()))) {
            Ok(false) => {}
            Ok(true) => tracing::warn!(
                listener = endpoint.listener,
                host,
                "the registered host is a loopback address: clients and brokers on other machines can't connect; set advertised.listeners"
            ),
            Err(error) => tracing::warn!(
                listener = endpoint.listener, host, %error,
                "the registered host does not resolve here: clients may not find it; set advertised.listeners"
            ),
        }
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// No other broker may advertise the same address: clients would mix them up.
///
/// # Errors
/// Names the other broker.
pub async fn refuse_shared_endpoints(session: &Session, node: &Node) -> Result<(), StartError> {
    for other in store::brokers::all(session).await?.into_iter().filter(|other| other.node.id != node.id) {
        for theirs in &other.node.endpoints {
            if let Some(ours) = node.endpoints.iter().find(|ours| ours.host == theirs.host && ours.port == theirs.port)
            {
                return Err(StartError::Message(format!(
                    "Configured end points {}:{} in advertised listeners are already registered by broker {}: give each broker its own",
                    ours.host, ours.port, other.node.id
                )));
            }
        }
    }
    Ok(())
}

/// Registers and returns the broker epoch. A node of another session is waited out for a session timeout: a broker that was killed
/// leaves one behind; a broker that lives renews it.
///
/// # Errors
/// "id in use", or ZooKeeper's.
pub async fn register(session: &Session, node: &Node, previous: &[SessionId]) -> Result<i64, StartError> {
    let patience = session.timeout() + EXPIRY_SLACK;
    match store::brokers::register_or_wait(session, node, previous, patience).await {
        Ok(epoch) => {
            tracing::info!(epoch, "registered broker {} with {:?}", node.id, addresses(node));
            Ok(epoch)
        }
        Err(RegisterError::InUse { owner, .. }) => Err(StartError::Message(format!(
            "broker.id {id} is in use: {} belongs to the live ZooKeeper session {owner} of another broker. Give this broker another id, \
             or stop the other one",
            broker_ids::path(node.id),
            id = node.id
        ))),
        Err(RegisterError::Store(error)) => Err(error.into()),
    }
}

/// What is registered, as in the configuration.
pub fn addresses(node: &Node) -> Vec<String> {
    node.endpoints.iter().map(|e| format!("{}://{}:{}", e.listener, e.host, e.port)).collect()
}

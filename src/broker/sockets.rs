//! Sockets by the configuration: binding listeners, what connections may take, how many there may be.

use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use super::start::StartError;
use crate::base::Env;
use crate::client::Target;
use crate::config::listeners::ListenerLimits;
use crate::config::{BrokerConfig, Listener};
use crate::server::{BoundListener, ConnectionBounds, ConnectionLimits, ListenerBounds, RequestBudget, ServerOptions};

/// Bytes of requests in flight when `queued.max.request.bytes` does not say: five of the largest requests that are allowed, at least
/// what a hundred busy producers keep in flight.
const DEFAULT_BUDGET_REQUESTS: usize = 5;

/// Binds all listeners.
///
/// # Errors
/// The first that can't be bound, with its address.
pub(super) async fn bind_all(env: &Env, config: &BrokerConfig) -> Result<Vec<BoundListener>, StartError> {
    let mut bound = Vec::with_capacity(config.listeners.len());
    for listener in &config.listeners {
        bound.push(bind(env, listener, config).await.map_err(StartError::Listen)?);
    }
    Ok(bound)
}

/// Binds one.
///
/// # Errors
/// The system's, with the address.
pub(super) async fn bind(env: &Env, listener: &Listener, config: &BrokerConfig) -> io::Result<BoundListener> {
    let host = listener.host.as_deref().unwrap_or("");
    BoundListener::bind(env, &listener.name, host, listener.port, config.socket_listen_backlog_size).await
}

/// Where this broker reaches itself: the bound address of the inter-broker listener, whatever is advertised.
pub(super) fn own_address(config: &BrokerConfig, bound: &[BoundListener]) -> Result<Target, StartError> {
    let name = config.control_plane_listener.as_ref().unwrap_or(&config.inter_broker_listener);
    let listener = bound.iter().find(|l| *l.name == **name);
    let address = listener.ok_or_else(|| StartError::Message(format!("no listener is named {name}")))?.address;
    let host = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        // Bound to all addresses of both families: the older one is there wherever the newer one is.
        std::net::IpAddr::V6(_) => std::net::Ipv4Addr::LOCALHOST.into(),
    };
    Ok(Target::new(host.to_string(), address.port()))
}

/// What connections of all listeners share.
pub(super) async fn options(env: &Env, config: &BrokerConfig) -> ServerOptions {
    let max_request_bytes = usize::try_from(config.socket_request_max_bytes).unwrap_or(0);
    let budget = match usize::try_from(config.queued_max_request_bytes) {
        Ok(bytes) if bytes > 0 => bytes,
        _ => max_request_bytes.saturating_mul(DEFAULT_BUDGET_REQUESTS),
    };
    raise_file_limit();
    ServerOptions {
        max_request_bytes,
        max_idle: match u64::try_from(config.connections_max_idle_ms) {
            Ok(idle) => Duration::from_millis(idle).min(NEVER_IDLE),
            Err(_) => NEVER_IDLE, // negative switches it off (Kafka's Selector)
        },
        budget: RequestBudget::new(budget),
        limits: ConnectionLimits::new(bounds(env, config).await, env.rng.seed()),
    }
}

/// How many connections there may be. Asks the resolver for the hosts of `max.connections.per.ip.overrides`.
pub(super) async fn bounds(env: &Env, config: &BrokerConfig) -> ConnectionBounds {
    let count = |value: i32| usize::try_from(value).unwrap_or(0);
    let rate = |value: i32| (value != i32::MAX).then(|| u32::try_from(value).unwrap_or(0));
    let mut overrides = env.rng.seed().map();
    for (host, most) in config.max_connections_per_ip_overrides.clone() {
        // Kafka resolves names here too; a name that does not resolve must not stop the start.
        let name = host.clone();
        let found = env.tasks.blocking(move || (name.as_str(), 0).to_socket_addrs().map(Vec::from_iter)).await;
        match found {
            Ok(addresses) => overrides.extend(addresses.into_iter().map(|a| (a.ip().to_canonical(), count(most)))),
            Err(error) => {
                tracing::warn!(host, %error, "max.connections.per.ip.overrides names a host that does not resolve");
            }
        }
    }
    let windows = |n: i32| u32::try_from(n).unwrap_or(1);
    let window = Duration::from_secs(windows(config.quota_window_size_seconds).into());
    let listener = |(name, limits): (&String, &ListenerLimits)| {
        let total = count(limits.max_connections);
        (Arc::from(name.as_str()), ListenerBounds { total, rate: rate(limits.max_connection_creation_rate) })
    };
    ConnectionBounds {
        total: count(config.max_connections).min(allowed_files() / FILES_PER_CONNECTION),
        per_ip: count(config.max_connections_per_ip),
        overrides,
        rate: rate(config.max_connection_creation_rate),
        burst: window * windows(config.quota_window_num).saturating_sub(1),
        max_wait: window,
        listeners: config.listener_limits.iter().map(listener).collect(),
        protected: (config.listeners.len() > 1).then(|| Arc::from(config.inter_broker_listener.as_str())),
    }
}

/// Longer than any broker runs, and no deadline computed from it overflows.
const NEVER_IDLE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A log segment and a connection take a file descriptor each; below this a middling broker runs out.
const WANTED_FILES: u64 = 100_000;

/// Of so many files that may be open, one may be a connection: a flood of them must not take the files that logs are opened and written
/// with, which would take the log directories offline.
const FILES_PER_CONNECTION: usize = 2;

/// How many files this process may have open.
fn allowed_files() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

/// Takes as many file descriptors as the system gives.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum;
    if limit.current < most || most.is_none() {
        let wanted = Rlimit { current: most.or(Some(WANTED_FILES)), maximum: most };
        if let Err(error) = setrlimit(Resource::Nofile, wanted) {
            tracing::warn!(%error, "could not raise the limit of open files");
        }
    }
    if let Some(files) = getrlimit(Resource::Nofile).current
        && files < WANTED_FILES
    {
        tracing::warn!(files, "few open files are allowed: raise the limit (ulimit -n) to {WANTED_FILES} or more");
    }
}

//! The tools' admin client: finds the cluster through its bootstrap servers and brings each request to the broker it is for.
//!
//! | file | what |
//! |---|---|
//! | here | connections, metadata of brokers, retries |
//! | [`config`] | bootstrap servers, `--command-config` |
//! | [`cluster`] | brokers, versions, log directories, topics' names and descriptions |
//! | [`topics`] | create, delete, grow |
//! | [`reassignments`] | moves between brokers and between log directories |
//! | [`configs`] | describe and alter |
//! | [`quotas`] | client quotas, SCRAM credentials |
//! | [`offsets`] | list offsets, delete records: to the leaders |
//! | [`groups`] | consumer groups: to their coordinators |
//! | [`transactions`] | transactions: to their coordinators; producers: to the leaders |
//!
//! A call is tried until it is answered or `default.api.timeout.ms` is over, as Java's does, and in the highest version that both sides
//! know. One request is in flight at a time. Beware: a try whose connection broke is repeated, though the broker may have acted on it.

pub mod cluster;
pub mod config;
pub mod configs;
pub mod elections;
pub mod groups;
pub mod offsets;
pub mod quotas;
pub mod reassignments;
pub mod topics;
pub mod transactions;

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::{BrokerId, Env, ErrorCode};
use crate::client::{BrokerClient, ClientError, ClientOptions, Target};
use crate::tools::console::Console;
use crate::tools::java::Exception;
use crate::wire::{ApiKey, MetadataRequest, MetadataResponse, Request};

pub use config::{AdminConfig, load_properties};
pub use elections::Elections;

/// "None", where a broker's id stands on the wire.
const NO_BROKER: BrokerId = -1;

/// A broker, as Java's `Node`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// `broker.id`.
    pub id: BrokerId,
    /// Advertised host.
    pub host: String,
    /// Advertised port.
    pub port: u16,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// Whom a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum To {
    /// Any broker.
    Any,
    /// The active controller.
    Controller,
    /// This one.
    Broker(BrokerId),
}

/// A connection of the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slot {
    Bootstrap(usize),
    Broker(BrokerId),
}

/// See the head of the file.
pub struct AdminClient {
    config: AdminConfig,
    console: Console,
    bootstrap: Vec<BrokerClient>,
    /// The bootstrap server whose turn it is.
    next_bootstrap: usize,
    brokers: BTreeMap<BrokerId, BrokerClient>,
    nodes: Vec<Node>,
    controller: Option<BrokerId>,
    env: Env,
}

/// Runs a command's future on this thread.
///
/// # Errors
/// When the system gives no poller.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Exception> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Exception::new("java.io.IOException", e.to_string()))?;
    Ok(runtime.block_on(future))
}

impl AdminClient {
    /// A client; nothing is sent before the first call. Inside a runtime ([`block_on`]).
    pub fn new(config: AdminConfig, console: Console) -> Self {
        Self::with_env(Env::current(), config, console)
    }

    /// The same on a network and clock of the caller's.
    pub fn with_env(env: Env, config: AdminConfig, console: Console) -> Self {
        let bootstrap = config.bootstrap.iter().map(|t| connection(&env, &config, t.clone())).collect();
        Self {
            config,
            console,
            bootstrap,
            next_bootstrap: 0,
            brokers: BTreeMap::new(),
            nodes: Vec::new(),
            controller: None,
            env,
        }
    }

    /// Sends a request until it is answered. `build` makes it for a version and a time-out in milliseconds; `again` tells from an answer
    /// whether it is one of "not I" or "not now". `name` is Java's name of the call, for its errors.
    async fn call<Q: Request>(
        &mut self,
        name: &str,
        to: To,
        ours: RangeInclusive<i16>,
        build: impl Fn(i16, i32) -> Q,
        again: impl Fn(&Q::Response) -> Option<ErrorCode>,
    ) -> Result<Q::Response, Exception> {
        let deadline = Instant::now() + self.config.api_timeout;
        let mut pause = self.config.retry_backoff;
        let mut last = None;
        loop {
            if let Some(slot) = self.find(to).await {
                let left = deadline.saturating_duration_since(Instant::now()).min(self.config.request_timeout);
                let timeout_ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
                match self.send(slot, ours.clone(), |version| build(version, timeout_ms)).await {
                    Ok(answer) => match again(&answer) {
                        None => return Ok(answer),
                        Some(code) => {
                            last = Some(Exception::of_code(code, None));
                            self.forget();
                        }
                    },
                    Err(error) => last = self.after(slot, error, last)?,
                }
            }
            if Instant::now() + pause >= deadline {
                return Err(gave_up(name, last));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.config.retry_backoff_max);
        }
    }

    /// What a failed try means: an error that no other try would change, or what to remember.
    fn after(
        &mut self,
        slot: Slot,
        error: ClientError,
        last: Option<Exception>,
    ) -> Result<Option<Exception>, Exception> {
        match error {
            ClientError::Unsupported { api, ours, theirs, .. } => Err(unsupported(api, &ours, theirs)),
            ClientError::Encode(why) => Err(Exception::unsupported(why.to_string())),
            ClientError::Connect { target, .. } => {
                self.warn_of(slot, &target);
                self.forget();
                Ok(last)
            }
            ClientError::Closed { .. } | ClientError::BadAnswer { .. } => {
                self.forget();
                Ok(Some(Exception::new(
                    "org.apache.kafka.common.errors.DisconnectException",
                    format!("Cancelled request because the connection was closed: {error}"),
                )))
            }
            ClientError::Timeout { .. } => {
                self.forget();
                Ok(Some(Exception::timeout(error.to_string())))
            }
        }
    }

    /// Java's warning of a broker that can't be reached.
    fn warn_of(&self, slot: Slot, target: &Target) {
        let (id, client) = match slot {
            Slot::Bootstrap(i) => (-1 - i32::try_from(i).unwrap_or(0), &self.config.client_id),
            Slot::Broker(id) => (id, &self.config.client_id),
        };
        let text = format!(
            "[AdminClient clientId={client}] Connection to node {id} ({target}) could not be established. Node may not be available."
        );
        self.console.log("WARN", text, "org.apache.kafka.clients.NetworkClient");
    }

    /// Brokers and controller are asked for again before the next try.
    fn forget(&mut self) {
        self.nodes.clear();
        self.controller = None;
        self.next_bootstrap = (self.next_bootstrap + 1) % self.bootstrap.len().max(1);
    }

    /// The connection a request goes to, with metadata asked for where it is needed; `None` while there is none.
    async fn find(&mut self, to: To) -> Option<Slot> {
        if to == To::Any {
            // Whoever answered before: no broker is better than another.
            let connected = self.nodes.iter().find(|n| self.brokers.get(&n.id).is_some_and(BrokerClient::is_connected));
            return Some(connected.map_or(Slot::Bootstrap(self.next_bootstrap), |n| Slot::Broker(n.id)));
        }
        if self.nodes.is_empty() {
            self.refresh().await?;
        }
        let id = match to {
            To::Controller => self.controller?,
            To::Broker(id) => id,
            To::Any => return None,
        };
        if self.nodes.iter().any(|n| n.id == id) {
            return Some(Slot::Broker(id));
        }
        self.forget();
        None
    }

    /// Asks a bootstrap server for brokers and controller. `None` when it does not answer; what is wrong with it was said.
    async fn refresh(&mut self) -> Option<()> {
        let slot = Slot::Bootstrap(self.next_bootstrap);
        let ours = 1..=ApiKey::Metadata.max_version();
        let build = |version: i16| MetadataRequest {
            topics: Some(Vec::new()),
            allow_auto_topic_creation: version < 4,
            ..Default::default()
        };
        match self.send(slot, ours, build).await {
            Ok(answer) => {
                self.take_brokers(&answer);
                (!self.nodes.is_empty()).then_some(())
            }
            Err(error) => {
                let _ = self.after(slot, error, None); // the call itself meets what can't be mended
                None
            }
        }
    }

    /// Takes over the brokers and the controller of an answer.
    fn take_brokers(&mut self, answer: &MetadataResponse) {
        self.controller = Some(answer.controller_id).filter(|id| *id != NO_BROKER);
        self.nodes = answer
            .brokers
            .iter()
            .map(|b| Node {
                id: b.node_id,
                host: b.host.to_string(),
                port: u16::try_from(b.port).unwrap_or(0),
                rack: b.rack.as_ref().map(ToString::to_string),
            })
            .collect();
        for node in &self.nodes {
            let target = Target::new(node.host.clone(), node.port);
            let fresh = || connection(&self.env, &self.config, target.clone());
            self.brokers.entry(node.id).or_insert_with(fresh).retarget(target.clone());
        }
    }

    async fn send<Q: Request>(
        &mut self,
        slot: Slot,
        ours: RangeInclusive<i16>,
        build: impl FnOnce(i16) -> Q,
    ) -> Result<Q::Response, ClientError> {
        let client = match slot {
            Slot::Bootstrap(i) => self.bootstrap.get_mut(i),
            Slot::Broker(id) => self.brokers.get_mut(&id),
        };
        match client {
            Some(client) => client.send_negotiated(ours, build).await,
            None => {
                Err(ClientError::Connect { target: Target::new("", 0), source: std::io::ErrorKind::NotFound.into() })
            }
        }
    }
}

fn connection(env: &Env, config: &AdminConfig, target: Target) -> BrokerClient {
    let options = ClientOptions {
        connect_timeout: config.connect_timeout,
        request_timeout: config.request_timeout,
        ..ClientOptions::new(config.client_id.clone())
    };
    BrokerClient::new(env.clone(), target, options)
}

/// All versions of an API that we know.
fn all(api: ApiKey) -> RangeInclusive<i16> {
    api.versions()
}

/// An answer that needs no second look.
fn never<R>(_: &R) -> Option<ErrorCode> {
    None
}

/// A code that says "the controller has moved".
fn not_controller(code: i16) -> Option<ErrorCode> {
    Some(ErrorCode::from_code(code)).filter(|code| *code == ErrorCode::NotController)
}

/// The result of one item of an answer.
fn checked(code: i16, message: Option<&str>) -> Result<(), Exception> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        code => Err(Exception::of_code(code, message)),
    }
}

fn gave_up(name: &str, last: Option<Exception>) -> Exception {
    match last {
        None => Exception::timeout(format!("Timed out waiting for a node assignment. Call: {name}")),
        Some(cause) => Exception::timeout(format!("Call(callName={name}) timed out: {cause}")).because(cause),
    }
}

/// Java names an API here by its constant: `DESCRIBE_CLUSTER`.
fn unsupported(api: ApiKey, ours: &RangeInclusive<i16>, theirs: Option<(i16, i16)>) -> Exception {
    let mut constant = String::new();
    for c in api.name().chars() {
        if c.is_ascii_uppercase() && !constant.is_empty() {
            constant.push('_');
        }
        constant.push(c.to_ascii_uppercase());
    }
    Exception::unsupported(match theirs {
        None => format!("The node does not support {constant}"),
        Some((min, max)) => format!(
            "The node does not support {constant} with version in range [{},{}]. The supported range is [{min},{max}].",
            ours.start(),
            ours.end()
        ),
    })
}

/// The shortest pause that a loop of ours makes between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

//! What librdkafka says while it works, in the words of Kafka's tools on standard error; and where delivery reports go.
//!
//! librdkafka calls these from threads of its own. A broker that can't be reached is told as Java's `NetworkClient` does, at most once a
//! second: librdkafka tells each try twice, in its log and as an error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::time::Instant;

use crate::base::ErrorCode;
use crate::tools::console::Console;

/// Least time between two lines about brokers out of reach.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(1);

/// Says what a client meets.
pub struct Voice {
    console: Console,
    /// `[Producer clientId=console-producer]`.
    prefix: String,
    warned: Mutex<Option<Instant>>,
}

impl Voice {
    /// For a client that Java would call by this prefix.
    pub fn new(console: Console, prefix: impl Into<String>) -> Self {
        Self { console, prefix: prefix.into(), warned: Mutex::new(None) }
    }

    /// `[Producer clientId=X]`.
    pub fn producer(console: Console, client_id: &str) -> Self {
        Self::new(console, format!("[Producer clientId={client_id}]"))
    }

    /// `[Consumer clientId=X, groupId=Y]`.
    pub fn consumer(console: Console, client_id: &str, group_id: &str) -> Self {
        Self::new(console, format!("[Consumer clientId={client_id}, groupId={group_id}]"))
    }

    /// A warning of the network client.
    pub fn warn(&self, text: impl std::fmt::Display) {
        self.console.log("WARN", format_args!("{} {text}", self.prefix), "org.apache.kafka.clients.NetworkClient");
    }

    /// Java's warning of a topic that is missing or has no leader yet. 0 was ApiVersions: this is a connection's second request.
    pub fn topic_issue(&self, topic: &str, code: RDKafkaErrorCode) {
        let name = i16::try_from(code as i32).ok().filter(|code| *code > 0).map(ErrorCode::from_code);
        let name = name.unwrap_or(ErrorCode::UnknownTopicOrPartition).name();
        self.warn(format_args!(
            "The metadata response from the cluster reported a recoverable issue with correlation id 1 : {{{topic}={name}}}"
        ));
    }

    /// `host:port/1: Connect to ... failed: Connection refused (after 0ms in state CONNECT)` as Java has it.
    fn unreachable(&self, reason: &str) {
        let now = Instant::now();
        let mut warned = self.warned.lock();
        if warned.is_some_and(|at| now.duration_since(at) < BETWEEN_WARNINGS) {
            return;
        }
        *warned = Some(now);
        let (broker, why) = reason.split_once(": ").unwrap_or((reason, ""));
        // librdkafka names a broker `host:port/id`, one it only bootstraps from `host:port/bootstrap`; a listener's protocol is in front.
        let broker = broker.rsplit_once("://").map_or(broker, |(_, broker)| broker);
        let (address, id) = broker.rsplit_once('/').unwrap_or((broker, "bootstrap"));
        let id = if id == "bootstrap" { "-1" } else { id };
        let why = why.split_once(" (after ").map_or(why, |(why, _)| why);
        self.warn(format_args!(
            "Connection to node {id} ({address}) could not be established. Node may not be available. {why}"
        ));
    }
}

impl ClientContext for Voice {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Failed connections come as errors too; what a setting does or doesn't is told where it is read; a producer's id is asked for
        // again.
        if matches!(facility, "FAIL" | "ERROR" | "CONFWARN" | "GETPID")
            || level as i32 > RDKafkaLogLevel::Warning as i32
        {
            return;
        }
        self.console.log("WARN", format_args!("{} {message}", self.prefix), &format!("librdkafka.{facility}"));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => {}
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut,
            ) => self.unreachable(reason),
            Some(code @ (RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)) => {
                // `Subscribed topic not available: nothere: Broker: Unknown topic or partition`.
                let topic = reason.split(": ").nth(1).unwrap_or(reason);
                self.topic_issue(topic, code);
            }
            _ => self.console.log("ERROR", format_args!("{} {reason}", self.prefix), "org.apache.kafka.clients"),
        }
    }
}

/// Called for each record that was acknowledged or given up, from the thread that polls.
pub trait Delivered: Send + Sync + 'static {
    /// What travels with a record.
    type Tag: Send + Sync + 'static;
    /// The record is at the broker, or lost.
    fn delivered(&self, result: &DeliveryResult<'_>, tag: Self::Tag);
}

/// A producer's context: a voice and what is done with delivery reports.
pub struct Reports<D: Delivered> {
    voice: Voice,
    /// Whoever is told.
    pub to: D,
}

impl<D: Delivered> Reports<D> {
    /// A context.
    pub fn new(voice: Voice, to: D) -> Self {
        Self { voice, to }
    }

    /// The voice.
    pub fn voice(&self) -> &Voice {
        &self.voice
    }
}

impl<D: Delivered> ClientContext for Reports<D> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.voice.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }
}

impl<D: Delivered> ProducerContext for Reports<D> {
    type DeliveryOpaque = Box<D::Tag>;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: Self::DeliveryOpaque) {
        self.to.delivered(result, *tag);
    }
}

/// Told of a group's assignments, from the thread that polls.
pub trait Rebalanced: Send + Sync + 'static {
    /// Partitions were given to this member; it reads them from now on.
    fn assigned(&self, _partitions: &TopicPartitionList) {}
    /// Partitions are taken from it.
    fn revoked(&self, _partitions: &TopicPartitionList) {}
}

/// Nobody is told.
impl Rebalanced for () {}

/// A consumer's context.
pub struct Group<R: Rebalanced> {
    voice: Voice,
    joined: AtomicBool,
    /// Whoever is told.
    pub to: R,
}

impl<R: Rebalanced> Group<R> {
    /// A context.
    pub fn new(voice: Voice, to: R) -> Self {
        Self { voice, joined: AtomicBool::new(false), to }
    }

    /// Whether the group has given this member partitions, if only none.
    pub fn has_joined(&self) -> bool {
        self.joined.load(Ordering::Acquire)
    }
}

impl<R: Rebalanced> ClientContext for Group<R> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.voice.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }
}

impl<R: Rebalanced> ConsumerContext for Group<R> {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, change: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = change {
            self.to.revoked(partitions);
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, change: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = change {
            self.joined.store(true, Ordering::Release);
            self.to.assigned(partitions);
        }
    }
}

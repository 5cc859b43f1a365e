//! A consumer: made, polled one record at a time, left as a member of a group leaves.

use std::cell::RefCell;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::BorrowedMessage;
use tokio::time::Instant;

use super::context::{Group, Rebalanced};
use super::errors;
use super::stop::{LOOK, Stop};
use crate::base::topic_names::is_internal;
use crate::tools::java::Exception;
use crate::tools::topic_filter::TopicFilter;

/// Longest wait for a group to be left and last offsets to be committed. A broker that is gone must not hold a tool up.
const LEAVING: Duration = Duration::from_secs(5);
/// How often topics are looked for by pattern: while there is none, and `metadata.max.age.ms` otherwise.
const LOOK_FOR_TOPICS: Duration = Duration::from_secs(1);
/// How long joining is hurried, and how often. A group that is being rebalanced takes its own time after that.
const HURRY: Duration = Duration::from_secs(2);
const HURRY_EVERY: Duration = Duration::from_millis(5);

/// See the head of the file.
pub struct Consumer<R: Rebalanced = ()> {
    inner: std::mem::ManuallyDrop<BaseConsumer<Group<R>>>,
    stop: Stop,
    /// Looked at and changed by the one thread that polls.
    pattern: RefCell<Option<Pattern>>,
    /// A subscribed topic, until the group is joined or joining has its time.
    joining: RefCell<Option<Joining>>,
}

struct Joining {
    topic: String,
    since: Instant,
}

/// A subscription by pattern: which names match is Java's regular expression's matter, so it is decided here.
struct Pattern {
    filter: TopicFilter,
    names: Vec<String>,
    looked: Instant,
    max_age: Duration,
}

/// What a wait ended with.
pub enum Polled<'a> {
    /// A record.
    Record(Box<BorrowedMessage<'a>>),
    /// The time was over.
    Nothing,
    /// A signal came.
    Stopped,
}

impl<R: Rebalanced> Consumer<R> {
    /// Makes one. `stop` ends its waits.
    ///
    /// # Errors
    /// What librdkafka finds wrong with the configuration.
    pub fn new(config: &ClientConfig, context: Group<R>, stop: Stop) -> Result<Self, Exception> {
        let inner = BaseConsumer::from_config_and_context(config, context).map_err(|error| {
            Exception::new("org.apache.kafka.common.KafkaException", "Failed to construct kafka consumer")
                .because(Exception::new("org.apache.kafka.common.config.ConfigException", error.to_string()))
        })?;
        Ok(Self {
            inner: std::mem::ManuallyDrop::new(inner),
            stop,
            pattern: RefCell::new(None),
            joining: RefCell::new(None),
        })
    }

    /// librdkafka's consumer.
    pub fn inner(&self) -> &BaseConsumer<Group<R>> {
        &self.inner
    }

    /// Subscribes to a topic by name.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn subscribe(&self, topics: &[&str]) -> Result<(), Exception> {
        self.inner.subscribe(topics).map_err(|error| errors::exception(&error))?;
        *self.joining.borrow_mut() =
            topics.first().map(|topic| Joining { topic: (*topic).to_owned(), since: Instant::now() });
        Ok(())
    }

    /// librdkafka's main thread looks at a group's state when an answer comes, and otherwise once a second. So while the group is being
    /// joined there are answers: without them joining takes that second. Whether it goes on.
    fn hurry(&self) -> bool {
        let mut joining = self.joining.borrow_mut();
        let Some(Joining { topic, since }) = joining.as_ref() else { return false };
        if self.inner.context().has_joined() || since.elapsed() > HURRY {
            *joining = None;
            return false;
        }
        let _ = self.inner.fetch_metadata(Some(topic), HURRY_EVERY * 10);
        true
    }

    /// Subscribes to the topics whose whole name matches, and to those that come later. Internal ones are left out, as in Java.
    ///
    /// # Errors
    /// For what is no regular expression.
    pub fn subscribe_to_pattern(&self, pattern: &str, max_age: Duration) -> Result<(), Exception> {
        let filter = TopicFilter::exactly(pattern)?;
        let looked = Instant::now();
        *self.pattern.borrow_mut() = Some(Pattern { filter, names: Vec::new(), looked, max_age });
        self.look_for_topics(true)
    }

    fn look_for_topics(&self, now: bool) -> Result<(), Exception> {
        let mut pattern = self.pattern.borrow_mut();
        let Some(pattern) = pattern.as_mut() else { return Ok(()) };
        let age = if pattern.names.is_empty() { LOOK_FOR_TOPICS } else { pattern.max_age };
        if !now && pattern.looked.elapsed() < age {
            return Ok(());
        }
        pattern.looked = Instant::now();
        let Ok(metadata) = self.inner.fetch_metadata(None, LOOK_FOR_TOPICS) else { return Ok(()) };
        let mut names: Vec<String> = metadata.topics().iter().map(|t| t.name().to_owned()).collect();
        names.retain(|name| pattern.filter.allows(name) && !is_internal(name));
        names.sort();
        if names != pattern.names && !names.is_empty() {
            let list: Vec<&str> = names.iter().map(String::as_str).collect();
            self.subscribe(&list)?;
            pattern.names = names;
        }
        Ok(())
    }

    /// A record that is there already; does not wait.
    ///
    /// # Errors
    /// librdkafka's, for a partition that can't be read.
    pub fn ready(&self) -> Result<Option<BorrowedMessage<'_>>, Exception> {
        self.poll(Duration::ZERO)
    }

    /// The record was dealt with: the next commit, where that is automatic, covers it and all before it in its partition.
    pub fn done(&self, record: &BorrowedMessage<'_>) {
        // Fails for a partition that was taken away meanwhile, which is its next owner's to commit.
        let _ = self.inner.store_offset_from_message(record);
    }

    /// Waits for a record until `until`; for ever without.
    ///
    /// # Errors
    /// librdkafka's, for a partition that can't be read.
    pub fn wait(&self, until: Option<Instant>) -> Result<Polled<'_>, Exception> {
        loop {
            if self.stop.asked() {
                return Ok(Polled::Stopped);
            }
            self.look_for_topics(false)?;
            let look = if self.hurry() { HURRY_EVERY } else { LOOK };
            let left = until.map_or(look, |until| until.saturating_duration_since(Instant::now()).min(look));
            match self.poll(left)? {
                Some(record) => return Ok(Polled::Record(Box::new(record))),
                None if until.is_some_and(|until| Instant::now() >= until) => return Ok(Polled::Nothing),
                None => {}
            }
        }
    }

    fn poll(&self, left: Duration) -> Result<Option<BorrowedMessage<'_>>, Exception> {
        match self.inner.poll(left) {
            Some(Ok(record)) => Ok(Some(record)),
            Some(Err(error)) if is_passing(&error) => Ok(None),
            Some(Err(error)) => Err(errors::exception(&error)),
            None => Ok(None),
        }
    }

    /// Leaves the group, with the offsets of what was read committed where that is automatic.
    pub fn leave(&self) {
        let end = Instant::now() + LEAVING;
        if self.inner.close_queue().is_ok() {
            while !self.inner.closed() && Instant::now() < end {
                let _ = self.inner.poll(Duration::from_millis(5));
            }
        }
    }
}

/// What mends itself, and what the context has told: a topic that is being made, brokers out of reach.
fn is_passing(error: &rdkafka::error::KafkaError) -> bool {
    use rdkafka::error::RDKafkaErrorCode::*;
    matches!(
        error.rdkafka_error_code(),
        Some(
            UnknownTopicOrPartition
                | UnknownTopic
                | UnknownPartition
                | LeaderNotAvailable
                | BrokerTransportFailure
                | AllBrokersDown
                | Resolve
                | OperationTimedOut
                | NotCoordinator
                | CoordinatorNotAvailable
                | CoordinatorLoadInProgress
                | RebalanceInProgress
        )
    )
}

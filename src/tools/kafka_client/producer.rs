//! A producer that reports each record: made, fed against a full buffer, drained.
//!
//! Its reports are handed out by a thread of its own, so that a tool may wait for its input meanwhile.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use tokio::time::Instant;

use super::context::{Delivered, Reports};
use super::errors;
use crate::tools::java::Exception;

/// Pause while the buffer is full or records are under way.
const LOOK: Duration = Duration::from_millis(1);

/// See the head of the file.
pub struct Producer<D: Delivered> {
    inner: std::mem::ManuallyDrop<ThreadedProducer<Reports<D>>>,
    /// `max.block.ms`.
    max_block: Duration,
    /// `max.request.size`.
    max_request: usize,
    /// `enable.idempotence`.
    idempotent: bool,
}

/// A record of the default kind.
pub type Record<'a, D> = BaseRecord<'a, [u8], [u8], Box<<D as Delivered>::Tag>>;

impl<D: Delivered> Producer<D> {
    /// Makes one; it connects by itself.
    ///
    /// # Errors
    /// What librdkafka finds wrong with the configuration.
    pub fn new(config: &ClientConfig, context: Reports<D>) -> Result<Self, Exception> {
        let setting = |key: &str, default: u64| config.get(key).and_then(|v| v.parse().ok()).unwrap_or(default);
        let inner = ThreadedProducer::from_config_and_context(config, context).map_err(|error| {
            Exception::new("org.apache.kafka.common.KafkaException", "Failed to construct kafka producer")
                .because(Exception::new("org.apache.kafka.common.config.ConfigException", error.to_string()))
        })?;
        Ok(Self {
            inner: std::mem::ManuallyDrop::new(inner),
            max_block: Duration::from_millis(setting("topic.metadata.propagation.max.ms", 60_000)),
            max_request: usize::try_from(setting("message.max.bytes", 1_048_576)).unwrap_or(usize::MAX),
            idempotent: config.get("enable.idempotence") == Some("true"),
        })
    }

    /// librdkafka's producer.
    pub fn inner(&self) -> &ThreadedProducer<Reports<D>> {
        &self.inner
    }

    /// Whoever is told of deliveries.
    pub fn reports(&self) -> &D {
        &self.inner.client().context().to
    }

    /// Asks for a topic's partitions, as Java's producer does before its first record, and says what it says of one that is missing. One
    /// that is being made is not told of: whether it has a leader already is a matter of microseconds. `true` when records may go.
    pub fn look_up(&self, topic: &str, timeout: Duration) -> bool {
        let Ok(metadata) = self.inner.client().fetch_metadata(Some(topic), timeout) else { return false };
        // With the first answer librdkafka renames its connection, and may miss the moment to ask for a producer id: the next one would
        // come half a second later. Another answer makes it ask at once.
        if self.idempotent {
            let _ = self.inner.client().fetch_metadata(Some(topic), timeout);
        }
        let error = metadata.topics().iter().find(|t| t.name() == topic).and_then(|t| t.error());
        let Some(error) = error.map(RDKafkaErrorCode::from) else { return true };
        if error != RDKafkaErrorCode::LeaderNotAvailable {
            self.inner.client().context().voice().topic_issue(topic, error);
        }
        false
    }

    /// Hands a record over. Waits up to `max.block.ms` for room in the buffer.
    ///
    /// # Errors
    /// What keeps the record from ever being sent; it has no report then.
    pub fn send(&self, mut record: Record<'_, D>) -> Result<(), Exception> {
        let mut since = None;
        loop {
            match self.inner.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    let since = *since.get_or_insert_with(Instant::now);
                    if since.elapsed() > self.max_block {
                        return Err(Exception::timeout(format!(
                            "Failed to allocate memory within the configured max blocking time {} ms.",
                            self.max_block.as_millis()
                        )));
                    }
                    self.inner.poll(LOOK);
                    record = back;
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), back)) => {
                    let size = |bytes: Option<&[u8]>| bytes.map_or(0, |b| b.to_bytes().len());
                    // Java counts its own framing in: close enough to tell by how much.
                    let size = size(back.key) + size(back.payload) + 70;
                    return Err(Exception::new(
                        "org.apache.kafka.common.errors.RecordTooLargeException",
                        format!(
                            "The message is {size} bytes when serialized which is larger than {}, which is the value of the \
                             max.request.size configuration.",
                            self.max_request
                        ),
                    ));
                }
                Err((error, _)) => return Err(errors::exception(&error)),
            }
        }
    }

    /// Waits until every record has been reported, which each is by `delivery.timeout.ms`, or `give_up` says so.
    pub fn drain(&self, mut give_up: impl FnMut() -> bool) {
        while self.inner.in_flight_count() > 0 && !give_up() {
            self.inner.poll(LOOK);
        }
    }
}

//! Batches that a connection's producers were refused, so that the ones behind them do not take their place.
//!
//! An idempotent producer has several batches in flight. When the first is refused for now (this broker does not lead yet, or there are
//! too few replicas) and the second comes a moment later, a log that knows the producer refuses it too: a sequence is missing. One that
//! does not know the producer takes any first sequence (`ProducerAppendInfo.checkSequence`, KIP-360). The first batch can then never
//! get in, and librdkafka takes the second's success for the first's: it reports records as written that are nowhere. Kafka closes
//! this for transactions once they are being verified (KIP-890); here it is closed for every producer. They send the second again, as
//! after any gap.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::base::topic_names::MAX_LENGTH;
use crate::base::{ErrorCode, TopicPartition};
use crate::record::Batches;
use crate::record::batch::is_later_sequence;
use crate::txn::Producer;

/// What was in flight behind a refused batch is here by then: producers give a request up, and its connection, after
/// `request.timeout.ms`, 30 s by default.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Batches remembered a connection. One more is treated as Kafka does.
const MOST: usize = 4096;

/// The first sequence of a batch, and whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// An idempotent or transactional producer.
    pub producer: Producer,
    /// Of the batch's first record.
    pub sequence: i32,
    /// Part of a transaction.
    pub transactional: bool,
}

impl Sent {
    /// Of the first batch; none without a producer id.
    pub fn first(records: &[u8]) -> Option<Self> {
        let batch = Batches::new(records).next()?.ok().filter(|batch| batch.magic() == 2 && batch.has_producer())?;
        Some(Self {
            producer: Producer { id: batch.producer_id(), epoch: batch.producer_epoch() },
            sequence: batch.base_sequence(),
            transactional: batch.is_transactional(),
        })
    }
}

/// The lowest sequence of each producer and partition that was refused for now and has not been tried again.
#[derive(Debug, Default)]
pub struct RefusedSequences {
    lowest: Mutex<HashMap<(TopicPartition, Producer), Lowest>>,
}

#[derive(Clone, Copy, Debug)]
struct Lowest {
    sequence: i32,
    since: Instant,
}

impl RefusedSequences {
    /// The sequence that a log which does not know the producer must see first, if one was refused lately.
    pub fn awaited(&self, id: &TopicPartition, sent: Sent, now: Instant) -> Option<i32> {
        let lowest = self.lowest.lock();
        if lowest.is_empty() {
            return None; // as good as always: no key is made
        }
        let found = lowest.get(&(id.clone(), sent.producer))?;
        (now.duration_since(found.since) < REMEMBERED).then_some(found.sequence)
    }

    /// What became of the batch: a producer sends again what is refused for now, and anything else ends the wait for it.
    pub fn note(&self, id: &TopicPartition, sent: Sent, refusal: Option<ErrorCode>, now: Instant) {
        let mut lowest = self.lowest.lock();
        match refusal {
            Some(code) if is_for_now(code) => {
                if lowest.len() >= MOST {
                    lowest.retain(|_, refused| now.duration_since(refused.since) < REMEMBERED);
                }
                if lowest.len() >= MOST || id.topic.len() > MAX_LENGTH {
                    return;
                }
                let new = Lowest { sequence: sent.sequence, since: now };
                let kept = lowest.entry((id.clone(), sent.producer)).or_insert(new);
                if !is_later_sequence(sent.sequence, kept.sequence) {
                    *kept = new;
                }
            }
            Some(ErrorCode::OutOfOrderSequenceNumber) => {} // of a later one
            _ if lowest.is_empty() => {}
            _ => {
                lowest.remove(&(id.clone(), sent.producer));
            }
        }
    }
}

/// Refused before anything was written, and worth trying again.
fn is_for_now(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::KafkaStorageError
    )
}

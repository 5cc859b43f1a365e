//! The state itself: checking a batch against it and applying it. Pure, time passed in.

use std::collections::{BTreeMap, VecDeque};

use super::error::ProducerError;
use crate::record::batch::is_later_sequence;

/// Batches remembered a producer, as many as a client may have in flight (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
const BATCHES: usize = 5;

/// The epoch of a producer that is not known.
const NO_EPOCH: i16 = -1;

/// Who appends: decides how strict the checks are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A producer: everything is checked.
    Client,
    /// A coordinator (offset commits, markers): no sequences.
    Coordinator,
    /// A leader's log, or this log being read again: the facts are taken as they are.
    Replication,
}

/// What the state needs to know of a batch with a producer id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchFacts {
    /// Producer id, not negative.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Sequence of the first record, -1 none.
    pub first_sequence: i32,
    /// Sequence of the last record, -1 none.
    pub last_sequence: i32,
    /// Offset of the first record.
    pub first_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Largest record timestamp.
    pub timestamp: i64,
    /// Part of a transaction.
    pub transactional: bool,
    /// A control batch; then `marker` tells what it says.
    pub control: bool,
    /// The end marker in a control batch; `None` when compaction emptied it.
    pub marker: Option<Marker>,
}

/// The end of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marker {
    /// Commit, or abort.
    pub commit: bool,
    /// Epoch of the coordinator that wrote it.
    pub coordinator_epoch: i32,
}

/// What the check found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// New: append it.
    Append,
    /// Written before, with these first and last offsets and this timestamp: answer them, append nothing.
    Duplicate {
        /// First offset then.
        first_offset: i64,
        /// Last offset then.
        last_offset: i64,
        /// Timestamp then.
        timestamp: i64,
    },
}

/// A transaction that a marker ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompletedTxn {
    /// Whose.
    pub producer_id: i64,
    /// Its first offset.
    pub first_offset: i64,
    /// The marker's offset.
    pub last_offset: i64,
    /// Aborted.
    pub aborted: bool,
}

/// Proof that a transaction was verified with its coordinator after which nothing ended it (KIP-890).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerificationGuard(u64);

/// One remembered batch; its first sequence and offset follow from the delta.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Batch {
    pub(super) last_sequence: i32,
    pub(super) last_offset: i64,
    pub(super) offset_delta: i32,
    pub(super) timestamp: i64,
}

impl Batch {
    fn first_sequence(&self) -> i32 {
        let (last, delta) = (self.last_sequence, self.offset_delta);
        match last < delta {
            _ if last < 0 => last,                 // a batch without sequences
            true => i32::MAX - (delta - last) + 1, // wrapped: 2^31-1 is followed by 0
            false => last - delta,
        }
    }
}

/// What is known of one producer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Producer {
    pub(super) epoch: i16,
    pub(super) batches: VecDeque<Batch>,
    pub(super) coordinator_epoch: i32,
    pub(super) timestamp: i64,
    pub(super) txn_first: Option<i64>,
}

impl Producer {
    fn new() -> Self {
        Self { epoch: NO_EPOCH, batches: VecDeque::new(), coordinator_epoch: -1, timestamp: -1, txn_first: None }
    }

    fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(-1, |b| b.last_sequence)
    }

    fn set_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }
}

/// One line of DescribeProducers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerSummary {
    /// Producer id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Last sequence, -1 none.
    pub last_sequence: i32,
    /// Time of its last batch or marker, -1 none.
    pub last_timestamp: i64,
    /// Epoch of the coordinator of its last marker, -1 none.
    pub coordinator_epoch: i32,
    /// First offset of the open transaction, -1 none.
    pub txn_first_offset: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Verification {
    guard: u64,
    epoch: i16,
    lowest_sequence: i32,
    since_ms: i64,
}

/// All producers of a log.
#[derive(Clone, Debug, Default)]
pub struct Producers {
    pub(super) known: BTreeMap<i64, Producer>,
    verifications: BTreeMap<i64, Verification>,
    next_guard: u64,
    /// State is that of the log up to here, exclusive (`mapEndOffset`).
    end: i64,
}

impl Producers {
    /// Nobody, for a log that starts at `end`.
    pub fn new(end: i64) -> Self {
        Self { end, ..Self::default() }
    }

    /// The state is that of the log up to here, exclusive.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// The log moved on to `end`.
    pub fn set_end(&mut self, end: i64) {
        self.end = end;
    }

    /// True when nobody is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Checks a batch that would be appended. `guard` is the request's; `verify` says whether a transaction needs one. `awaited` is the
    /// sequence that a producer unknown here has to begin with, or a lower one, when that is known.
    ///
    /// # Errors
    /// The batch does not fit.
    pub fn check(
        &self,
        batch: &BatchFacts,
        origin: Origin,
        verify: bool,
        guard: Option<VerificationGuard>,
        awaited: Option<i32>,
    ) -> Result<Outcome, ProducerError> {
        let fresh = Producer::new();
        let known = self.known.get(&batch.producer_id);
        let current = known.unwrap_or(&fresh);
        if origin == Origin::Replication {
            return Ok(Outcome::Append);
        }
        if origin == Origin::Client
            && current.epoch == batch.epoch
            && let Some(same) = current
                .batches
                .iter()
                .find(|b| b.first_sequence() == batch.first_sequence && b.last_sequence == batch.last_sequence)
            && !batch.control
        {
            return Ok(Outcome::Duplicate {
                first_offset: same.last_offset - i64::from(same.offset_delta),
                last_offset: same.last_offset,
                timestamp: same.timestamp,
            });
        }
        let (producer_id, offset) = (batch.producer_id, batch.first_offset);
        if batch.epoch < current.epoch {
            return Err(ProducerError::InvalidEpoch {
                producer_id,
                offset,
                epoch: batch.epoch,
                current: current.epoch,
            });
        }
        if batch.control {
            return match batch.marker {
                Some(marker) if marker.coordinator_epoch < current.coordinator_epoch => {
                    Err(ProducerError::CoordinatorFenced {
                        producer_id,
                        epoch: marker.coordinator_epoch,
                        current: current.coordinator_epoch,
                    })
                }
                _ => Ok(Outcome::Append),
            };
        }
        let verification = self.verifications.get(&producer_id);
        let ongoing = current.txn_first.is_some() && current.epoch == batch.epoch;
        if batch.transactional && verify && !ongoing {
            let matches = verification.is_some_and(|v| Some(VerificationGuard(v.guard)) == guard);
            if !matches {
                let reason = "the record was not part of an ongoing transaction, and was not verified";
                return Err(ProducerError::InvalidTxn { producer_id, reason });
            }
        }
        if origin == Origin::Client {
            let out_of_order =
                |last| ProducerError::OutOfOrder { producer_id, offset, sequence: batch.first_sequence, last };
            if batch.transactional && verification.is_some_and(|v| batch.first_sequence > v.lowest_sequence) {
                return Err(out_of_order(current.last_sequence()));
            }
            if current.epoch == NO_EPOCH
                && awaited.is_some_and(|awaited| is_later_sequence(batch.first_sequence, awaited))
            {
                return Err(out_of_order(current.last_sequence()));
            }
            if batch.epoch != current.epoch {
                if batch.first_sequence != 0 && current.epoch != NO_EPOCH {
                    return Err(out_of_order(current.last_sequence()));
                }
            } else {
                let last = current.last_sequence();
                let follows = i64::from(batch.first_sequence) == i64::from(last) + 1
                    || (batch.first_sequence == 0 && last == i32::MAX);
                if current.epoch != NO_EPOCH && !follows {
                    return Err(out_of_order(last));
                }
            }
        }
        if !batch.transactional && current.txn_first.is_some() {
            let reason = "expected transactional write: its transaction is open";
            return Err(ProducerError::InvalidTxn { producer_id, reason });
        }
        Ok(Outcome::Append)
    }

    /// Takes a batch that is in the log now. Returns the first offset when it opened a transaction, and what a marker completed.
    pub fn apply(&mut self, batch: &BatchFacts) -> (Option<i64>, Option<CompletedTxn>) {
        self.end = self.end.max(batch.last_offset + 1);
        if batch.transactional {
            // A marker ends the transaction, a data batch has a first offset now: either way the guard has done its work.
            self.verifications.remove(&batch.producer_id);
        }
        if batch.control {
            let Some(marker) = batch.marker else { return (None, None) };
            let producer = self.known.entry(batch.producer_id).or_insert_with(Producer::new);
            let completed = producer.txn_first.take().map(|first_offset| CompletedTxn {
                producer_id: batch.producer_id,
                first_offset,
                last_offset: batch.last_offset,
                aborted: !marker.commit,
            });
            producer.set_epoch(batch.epoch);
            producer.coordinator_epoch = marker.coordinator_epoch;
            producer.timestamp = batch.timestamp;
            return (None, completed);
        }
        let producer = self.known.entry(batch.producer_id).or_insert_with(Producer::new);
        producer.set_epoch(batch.epoch);
        if producer.batches.len() == BATCHES {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Batch {
            last_sequence: batch.last_sequence,
            last_offset: batch.last_offset,
            offset_delta: i32::try_from(batch.last_offset - batch.first_offset).unwrap_or(i32::MAX),
            timestamp: batch.timestamp,
        });
        producer.timestamp = batch.timestamp;
        if batch.transactional && producer.txn_first.is_none() {
            producer.txn_first = Some(batch.first_offset);
            return (Some(batch.first_offset), None);
        }
        (None, None)
    }

    /// First offsets of open transactions with their producers.
    pub fn open_txns(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.known.iter().filter_map(|(id, p)| p.txn_first.map(|first| (first, *id)))
    }

    /// Every producer's id, the last offset of its last data batch, and its epoch.
    pub fn last_records(&self) -> impl Iterator<Item = (i64, Option<i64>, i16)> + '_ {
        self.known.iter().map(|(id, p)| (*id, p.batches.back().map(|b| b.last_offset).filter(|o| *o >= 0), p.epoch))
    }

    /// True when this producer, in this epoch, has an open transaction here.
    pub fn has_open_txn(&self, producer_id: i64, epoch: i16) -> bool {
        self.known.get(&producer_id).is_some_and(|p| p.epoch == epoch && p.txn_first.is_some())
    }

    /// Starts (or joins) the verification of a transaction; `None` when it is open already and needs none.
    pub fn start_verification(
        &mut self,
        producer_id: i64,
        sequence: i32,
        epoch: i16,
        now_ms: i64,
    ) -> Option<VerificationGuard> {
        if self.has_open_txn(producer_id, epoch) {
            return None;
        }
        let next = self.next_guard + 1;
        let entry = self.verifications.entry(producer_id).or_insert_with(|| {
            self.next_guard = next;
            Verification { guard: next, epoch, lowest_sequence: sequence, since_ms: now_ms }
        });
        if epoch > entry.epoch {
            (entry.epoch, entry.lowest_sequence) = (epoch, sequence);
        } else if epoch == entry.epoch {
            entry.lowest_sequence = entry.lowest_sequence.min(sequence);
        }
        Some(VerificationGuard(entry.guard))
    }

    /// Forgets producers (without open transaction) and verifications that were silent for `expiration_ms`.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.known.retain(|_, p| p.txn_first.is_some() || now_ms.saturating_sub(p.timestamp) < expiration_ms);
        self.verifications.retain(|_, v| now_ms.saturating_sub(v.since_ms) < expiration_ms);
    }

    /// For DescribeProducers, by id.
    pub fn summaries(&self) -> Vec<ProducerSummary> {
        let summary = |(id, p): (&i64, &Producer)| ProducerSummary {
            producer_id: *id,
            epoch: p.epoch,
            last_sequence: p.last_sequence(),
            last_timestamp: p.timestamp,
            coordinator_epoch: p.coordinator_epoch,
            txn_first_offset: p.txn_first.unwrap_or(-1),
        };
        self.known.iter().map(summary).collect()
    }
}

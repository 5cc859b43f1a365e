//! One transactional id as a pure state machine: requests and time in, [`Change`]s out.
//!
//! A change is decided here, written to the log by the shell, and takes effect when that is done ([`Transaction::written`]): until then
//! it is *pending* and every other request for the id is told CONCURRENT_TRANSACTIONS. Kafka's classes: `TransactionMetadata`,
//! `TransactionCoordinator`. Beware: a refused write leaves the state as it was, except that the epoch which fences a producer stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::record::TxnValue;
use super::state::State;
use crate::base::{ErrorCode, TopicPartition};

/// The producer has no epoch yet.
const NO_EPOCH: i16 = -1;
const NO_PRODUCER: i64 = -1;

/// Nobody is given a higher epoch than this, so that one is left to fence him with.
const LAST_EPOCH: i16 = i16::MAX - 1;

/// Who a request says it is from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Producer {
    /// Producer id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
}

/// A transactional id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// Its name.
    pub id: Arc<str>,
    /// The producer that may write; epoch -1 before the first record.
    pub producer: Producer,
    /// The producer before the last InitProducerId that brought the id it knew (KIP-360): asks again when it missed the answer. Not
    /// written down, so forgotten with the coordinator.
    pub last: Producer,
    /// How long a transaction may last.
    pub timeout_ms: i32,
    /// State.
    pub state: State,
    /// What is being written.
    pub pending: Option<State>,
    /// What the transaction has written to; from Prepare on those that lack their marker.
    pub partitions: BTreeSet<TopicPartition>,
    /// When the transaction began, ms since 1970; -1 before the first.
    pub start_ms: i64,
    /// When the state was decided, ms since 1970.
    pub updated_ms: i64,
    /// An epoch was raised to fence a producer and could not be written: it is not raised again for the next try.
    pub failed_fence: bool,
}

/// What a transactional id becomes once it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// State.
    pub to: State,
    /// The producer.
    pub producer: Producer,
    /// The producer before.
    pub last: Producer,
    /// How long a transaction may last.
    pub timeout_ms: i32,
    /// All partitions.
    pub partitions: BTreeSet<TopicPartition>,
    /// When the transaction began.
    pub start_ms: i64,
    /// When this was decided.
    pub updated_ms: i64,
    /// The producer's epoch was raised for it.
    pub fences: bool,
}

/// What an InitProducerId leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Init {
    /// Write this and answer its producer.
    Write(Change),
    /// A transaction was open: its end is written, and the client asks again.
    Fence(Change),
}

impl Change {
    /// The record's value.
    pub fn value(&self) -> TxnValue {
        TxnValue {
            producer_id: self.producer.id,
            producer_epoch: self.producer.epoch,
            timeout_ms: self.timeout_ms,
            state: self.to,
            partitions: self.partitions.clone(),
            updated_ms: self.updated_ms,
            start_ms: self.start_ms,
        }
    }
}

impl Transaction {
    /// An id that nobody has used: its first InitProducerId gives epoch 0.
    pub fn new(id: Arc<str>, producer_id: i64, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            id,
            producer: Producer { id: producer_id, epoch: NO_EPOCH },
            last: Producer { id: NO_PRODUCER, epoch: NO_EPOCH },
            timeout_ms,
            state: State::Empty,
            pending: None,
            partitions: BTreeSet::new(),
            start_ms: -1,
            updated_ms: now_ms,
            failed_fence: false,
        }
    }

    /// An id from its record.
    pub fn load(id: Arc<str>, value: TxnValue) -> Self {
        Self {
            producer: Producer { id: value.producer_id, epoch: value.producer_epoch },
            state: value.state,
            partitions: value.partitions,
            start_ms: value.start_ms,
            ..Self::new(id, value.producer_id, value.timeout_ms, value.updated_ms)
        }
    }

    /// InitProducerId. `known` is what the producer had before, if it says so; `fresh` gives a producer id that nobody has.
    ///
    /// # Errors
    /// CONCURRENT_TRANSACTIONS, PRODUCER_FENCED; COORDINATOR_LOAD_IN_PROGRESS while there is no fresh id.
    pub fn init(
        &mut self,
        timeout_ms: i32,
        known: Option<Producer>,
        now_ms: i64,
        fresh: impl FnOnce() -> Option<i64>,
    ) -> Result<Init, ErrorCode> {
        if self.pending.is_some() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        if let Some(known) = known {
            // The last one with its epochs used up: perhaps it missed the answer that gave it the id of now.
            let is_retry = known.id == self.last.id && known.epoch >= LAST_EPOCH;
            if self.producer.epoch != NO_EPOCH && known.id != self.producer.id && !is_retry {
                return Err(ErrorCode::ProducerFenced);
            }
        }
        match self.state {
            State::PrepareCommit | State::PrepareAbort => Err(ErrorCode::ConcurrentTransactions),
            State::Ongoing => self.fence(now_ms).map(Init::Fence),
            State::Empty | State::CompleteCommit | State::CompleteAbort => {
                let (producer, last) = self.next_producer(known, fresh)?;
                let change = Change {
                    producer,
                    last,
                    timeout_ms,
                    partitions: BTreeSet::new(),
                    start_ms: -1,
                    ..self.change(State::Empty, now_ms)
                };
                Ok(Init::Write(self.prepare(change)))
            }
            State::Dead | State::PrepareEpochFence => Err(ErrorCode::ConcurrentTransactions), // about to be forgotten
        }
    }

    /// The producer after an InitProducerId of an id at rest, and the one that may ask once more.
    fn next_producer(
        &self,
        known: Option<Producer>,
        fresh: impl FnOnce() -> Option<i64>,
    ) -> Result<(Producer, Producer), ErrorCode> {
        let Producer { id, epoch } = self.producer;
        let next = |last_epoch| {
            let last = Producer { id, epoch: last_epoch };
            if epoch >= LAST_EPOCH {
                let id = fresh().ok_or(ErrorCode::CoordinatorLoadInProgress)?;
                Ok((Producer { id, epoch: 0 }, last))
            } else {
                Ok((Producer { id, epoch: epoch + 1 }, last))
            }
        };
        match known {
            None => next(NO_EPOCH),
            Some(known) if epoch == NO_EPOCH || known.epoch == epoch => next(epoch),
            // It has asked before and missed the answer.
            Some(known) if known.epoch == self.last.epoch => Ok((self.producer, self.last)),
            Some(_) => Err(ErrorCode::ProducerFenced),
        }
    }

    /// AddPartitionsToTxn, AddOffsetsToTxn; none when there is nothing to write.
    ///
    /// # Errors
    /// INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS.
    pub fn add_partitions(
        &mut self,
        who: Producer,
        partitions: BTreeSet<TopicPartition>,
        now_ms: i64,
    ) -> Result<Option<Change>, ErrorCode> {
        self.check(who)?;
        if self.pending.is_some() || self.state.is_prepared() || self.state == State::Dead {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        if self.state == State::Ongoing && partitions.is_subset(&self.partitions) {
            return Ok(None);
        }
        let start_ms = if self.state.is_at_rest() { now_ms } else { self.start_ms };
        let mut all = self.partitions.clone();
        all.extend(partitions);
        let change = Change { partitions: all, start_ms, ..self.change(State::Ongoing, now_ms) };
        Ok(Some(self.prepare(change)))
    }

    /// Is the partition in the open transaction (KIP-890)? A pending change does not matter: the leader looks again when it appends.
    ///
    /// # Errors
    /// The same, and TRANSACTION_ABORTABLE for a partition that is not in it.
    pub fn verify(&self, who: Producer, partition: &TopicPartition) -> Result<(), ErrorCode> {
        self.check(who)?;
        if self.state.is_prepared() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        if self.partitions.contains(partition) { Ok(()) } else { Err(ErrorCode::TransactionAbortable) }
    }

    /// EndTxn; none when it has ended in this way already.
    ///
    /// # Errors
    /// INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS, INVALID_TXN_STATE.
    pub fn end(&mut self, who: Producer, commit: bool, now_ms: i64) -> Result<Option<Change>, ErrorCode> {
        self.check(who)?;
        if self.pending.is_some() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        match (self.state, commit) {
            (State::Ongoing, _) => {
                let to = if commit { State::PrepareCommit } else { State::PrepareAbort };
                let change = self.change(to, now_ms);
                Ok(Some(self.prepare(change)))
            }
            (State::CompleteCommit, true) | (State::CompleteAbort, false) => Ok(None),
            (State::PrepareCommit, true) | (State::PrepareAbort, false) => Err(ErrorCode::ConcurrentTransactions),
            _ => Err(ErrorCode::InvalidTxnState),
        }
    }

    /// The abort of a transaction that has lasted too long, under an epoch that its producer does not have.
    pub fn time_out(&mut self, now_ms: i64) -> Option<Change> {
        let is_over = self.start_ms.saturating_add(self.timeout_ms.into()) < now_ms;
        if self.pending.is_some() || self.state != State::Ongoing || !is_over {
            return None;
        }
        self.fence(now_ms).ok()
    }

    /// Raises the epoch, in memory at once, and aborts (`prepareFenceProducerEpoch` and the `EndTxn` that follows).
    fn fence(&mut self, now_ms: i64) -> Result<Change, ErrorCode> {
        if !self.failed_fence {
            // There is always one left: see LAST_EPOCH.
            self.producer.epoch = self.producer.epoch.checked_add(1).ok_or(ErrorCode::UnknownServerError)?;
        }
        self.last.epoch = NO_EPOCH;
        let change = Change { fences: true, ..self.change(State::PrepareAbort, now_ms) };
        Ok(self.prepare(change))
    }

    /// The end of the transaction, to be written when the last marker is. Call it when the decision is written.
    pub fn complete(&mut self, now_ms: i64) -> Option<Change> {
        let to = match self.state {
            State::PrepareCommit => State::CompleteCommit,
            State::PrepareAbort => State::CompleteAbort,
            _ => return None,
        };
        if self.pending.is_some() {
            return None;
        }
        self.failed_fence = false;
        let change = Change { partitions: BTreeSet::new(), ..self.change(to, now_ms) };
        Some(self.prepare(change))
    }

    /// The partition has its marker, or is gone. True when it was the last one.
    pub fn marker_written(&mut self, partition: &TopicPartition) -> bool {
        self.state.is_prepared() && self.partitions.remove(partition) && self.partitions.is_empty()
    }

    /// Marks an id at rest that was not touched for so long; a tombstone is to be written then.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) -> bool {
        let is_over = self.updated_ms <= now_ms.saturating_sub(expiration_ms);
        let expires = self.pending.is_none() && self.state.is_at_rest() && is_over;
        if expires {
            self.pending = Some(State::Dead);
        }
        expires
    }

    /// The change is written and replicated: it counts.
    pub fn written(&mut self, change: &Change) {
        debug_assert_eq!(self.pending, Some(change.to), "{self:?} becomes {change:?}");
        self.pending = None;
        self.state = change.to;
        self.producer = change.producer;
        self.updated_ms = change.updated_ms;
        match change.to {
            State::Empty => {
                self.last = change.last;
                self.timeout_ms = change.timeout_ms;
            }
            State::Ongoing | State::CompleteCommit | State::CompleteAbort => {
                self.start_ms = change.start_ms;
                self.partitions.clone_from(&change.partitions);
            }
            // Its partitions are those that lack a marker, from now on.
            State::PrepareCommit | State::PrepareAbort | State::Dead | State::PrepareEpochFence => {}
        }
    }

    /// The change was not written: things are as they were.
    pub fn not_written(&mut self, change: &Change) {
        self.pending = None;
        self.failed_fence |= change.fences;
    }

    fn check(&self, who: Producer) -> Result<(), ErrorCode> {
        if who.id != self.producer.id {
            Err(ErrorCode::InvalidProducerIdMapping)
        } else if who.epoch != self.producer.epoch || who.epoch == NO_EPOCH {
            Err(ErrorCode::ProducerFenced) // also while nobody has an epoch: the first record was not written
        } else {
            Ok(())
        }
    }

    /// Nothing but the state and the time changes.
    fn change(&self, to: State, now_ms: i64) -> Change {
        Change {
            to,
            producer: self.producer,
            last: self.last,
            timeout_ms: self.timeout_ms,
            partitions: self.partitions.clone(),
            start_ms: self.start_ms,
            updated_ms: now_ms,
            fences: false,
        }
    }

    fn prepare(&mut self, change: Change) -> Change {
        self.pending = Some(change.to);
        change
    }
}

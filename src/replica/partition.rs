//! One hosted partition: id, log, state, waiters.
//!
//! The state is changed through [`Partition::change`] only: when the guard goes, the high watermark is recomputed and published, and
//! whoever waits is woken. Beware: no I/O under the guard.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::high_watermark;
use super::state::{Role, State};
use super::wait::Waiters;
use crate::base::metrics::TopicMetrics;
use crate::base::{BrokerId, ErrorCode, TopicPartition};
use crate::log::{Log, LogError, LogRead, LogWriter, ReadRequest};

/// A replica on this broker.
#[derive(Debug)]
pub struct Partition {
    /// Its name.
    pub id: TopicPartition,
    /// Replaced when the log has moved to another directory, with both append mutexes and the state held.
    log: ArcSwap<Log>,
    /// What is counted of its topic.
    pub metrics: Arc<TopicMetrics>,
    /// Requests that wait for it.
    pub waiters: Waiters,
    me: BrokerId,
    state: RwLock<State>,
}

/// The state, held for a change.
pub struct StateGuard<'a> {
    partition: &'a Partition,
    state: RwLockWriteGuard<'a, State>,
    wake_all: bool,
}

impl Partition {
    /// A replica of which the controller has said nothing yet.
    pub fn new(id: TopicPartition, log: Arc<Log>, me: BrokerId, metrics: Arc<TopicMetrics>) -> Self {
        let log = ArcSwap::new(log);
        Self { id, log, metrics, waiters: Waiters::default(), me, state: RwLock::default() }
    }

    /// Its log, as of now: when it has moved to another directory it is another one, and the old one refuses everything.
    pub fn log(&self) -> Arc<Log> {
        self.log.load_full()
    }

    /// The append mutex of the log that is the partition's while it is held.
    pub async fn lock(&self) -> LogWriter {
        loop {
            let writer = self.log().lock().await;
            if self.has(writer.log()) {
                return writer;
            }
        }
    }

    /// Is this (still) the partition's log?
    pub fn has(&self, log: &Arc<Log>) -> bool {
        Arc::ptr_eq(log, &self.log())
    }

    /// The log has moved. Both append mutexes are held.
    pub(super) fn replace_log(&self, log: &Arc<Log>) {
        let state = self.change(); // held, so that the high watermark moves in no other log meanwhile
        log.set_high_watermark(self.log().high_watermark());
        self.log.store(Arc::clone(log));
        drop(state);
    }

    /// Reads from the log, where it lies now. Blocks.
    ///
    /// # Errors
    /// As [`Log::read_blocking`].
    pub fn read_blocking(&self, ask: ReadRequest) -> Result<LogRead, LogError> {
        loop {
            let log = self.log();
            match log.read_blocking(ask) {
                Err(LogError::Gone(_)) if !self.has(&log) => {}
                found => return found,
            }
        }
    }

    /// Does this replica lack records that it has had? From being made anew for an old partition, until it has all that its leader has
    /// committed. While it does, it must not lead: the others would cut their logs to its.
    pub fn is_refilling(&self) -> bool {
        self.log().is_refilling()
    }

    /// The state, for looking.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// The state, for a change of role, epoch, replicas or directory: everyone who waits looks again afterwards.
    pub fn change(&self) -> StateGuard<'_> {
        StateGuard { partition: self, state: self.state.write(), wake_all: true }
    }

    /// The state, for a change that only the watermarks may follow from: a follower's fetch.
    pub fn touch(&self) -> StateGuard<'_> {
        StateGuard { partition: self, state: self.state.write(), wake_all: false }
    }

    /// After an append: moves the high watermark if the rule allows, and wakes those who waited for it.
    pub fn advance(&self) {
        drop(self.touch());
    }

    /// Gives the current leader epoch its start, at the end of the log, if that has not been done. Called with the append mutex held,
    /// before anything is appended in the epoch.
    ///
    /// # Errors
    /// Of writing the epoch checkpoint.
    pub async fn settle(&self, writer: &mut LogWriter) -> Result<(), LogError> {
        let epoch = {
            let state = self.state();
            if state.role != Role::Leader || state.epoch_start.is_some() {
                return Ok(());
            }
            state.leader_epoch
        };
        writer.assign_epoch(epoch).await?;
        let start = writer.leo();
        let mut state = self.change();
        if state.role == Role::Leader && state.leader_epoch == epoch {
            state.epoch_start = Some(start);
        }
        Ok(())
    }

    /// The end of what a consumer may read: high watermark, or last stable offset.
    pub fn readable_end(&self, committed_transactions_only: bool) -> i64 {
        if committed_transactions_only { self.log().last_stable_offset() } else { self.log().high_watermark() }
    }

    /// True while the high watermark of a new leader has not reached the start of its epoch: its "latest" offset could go back.
    pub fn is_catching_up(&self) -> bool {
        let state = self.state();
        match state.epoch_start {
            None => state.role == Role::Leader,
            Some(start) => self.log().high_watermark() < start,
        }
    }

    /// In service, in the epoch that a client knows, whatever its role?
    ///
    /// # Errors
    /// The partition's code: KAFKA_STORAGE_ERROR, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH.
    pub fn check_readable(&self, known_epoch: i32) -> Result<(), ErrorCode> {
        let state = self.state();
        if state.offline {
            return Err(ErrorCode::KafkaStorageError);
        }
        state.check_epoch(known_epoch)
    }

    /// Leader of the epoch that a client knows?
    ///
    /// # Errors
    /// The partition's code: KAFKA_STORAGE_ERROR, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER.
    pub fn check_leader(&self, known_epoch: i32) -> Result<(), ErrorCode> {
        self.check_readable(known_epoch)?;
        self.state().check_leader()
    }
}

impl StateGuard<'_> {
    /// Everyone who waits looks again afterwards, also after a [`Partition::touch`].
    pub fn wake_all(&mut self) {
        self.wake_all = true;
    }
}

impl Deref for StateGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        let Partition { waiters, me, .. } = self.partition;
        let log = self.partition.log();
        let log_end = log.leo();
        let current = log.high_watermark();
        let next = high_watermark::next(self, *me, log_end, current, log.config().min_insync_replicas);
        let committed = next.map_or(current, |next| log.set_high_watermark(next));
        if self.wake_all {
            waiters.wake_all();
        } else {
            waiters.wake(committed, log_end);
        }
    }
}

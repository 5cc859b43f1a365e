//! Which transactions the cleaner is in the middle of, as it walks a log: what was aborted goes, a marker goes after its data. Pure.
//!
//! Kafka's `CleanedTransactionMetadata`. One for the map (aborted records hide no others) and one for the copy of all groups, which also
//! tells which entries the abort index of the new segment keeps.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::log::txn_index::AbortEntry;
use crate::record::{Batch, ControlType, RecordError, Scratch};

/// The transactions under way at the cleaner's place in the log.
#[derive(Debug, Default)]
pub struct CleanedTxns {
    committed: BTreeSet<i64>,
    aborted: BTreeMap<i64, Aborted>,
    /// Those ahead, by first offset.
    ahead: BinaryHeap<Reverse<Ahead>>,
}

#[derive(Debug)]
struct Aborted {
    entry: AbortEntry,
    /// One of its batches was there.
    seen: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ahead {
    first_offset: i64,
    producer_id: i64,
    last_offset: i64,
    last_stable_offset: i64,
}

/// What a batch is to the cleaner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchFate {
    /// Nothing of it is needed: data of an aborted transaction, or the marker of one that has no data left.
    pub discard: bool,
    /// An abort marker that stays, for the abort index.
    pub abort: Option<AbortEntry>,
}

const KEPT: BatchFate = BatchFate { discard: false, abort: None };
const DISCARDED: BatchFate = BatchFate { discard: true, abort: None };

impl CleanedTxns {
    /// Nothing under way.
    pub fn new() -> Self {
        Self::default()
    }

    /// Aborted transactions of what comes next; those that reach over segments may come again.
    pub fn add_aborted(&mut self, entries: &[AbortEntry]) {
        self.ahead.extend(entries.iter().map(|e| {
            Reverse(Ahead {
                first_offset: e.first_offset,
                producer_id: e.producer_id,
                last_offset: e.last_offset,
                last_stable_offset: e.last_stable_offset,
            })
        }));
    }

    /// The next batch of the log.
    ///
    /// # Errors
    /// A control batch whose record does not parse.
    pub fn on_batch(&mut self, batch: &Batch<'_>, scratch: &mut Scratch) -> Result<BatchFate, RecordError> {
        self.reach(batch.last_offset());
        if batch.is_control() { self.on_marker(batch, scratch) } else { Ok(self.on_data(batch)) }
    }

    fn reach(&mut self, offset: i64) {
        while let Some(Reverse(next)) = self.ahead.peek()
            && next.first_offset <= offset
        {
            let Some(Reverse(next)) = self.ahead.pop() else { return };
            let entry = AbortEntry {
                producer_id: next.producer_id,
                first_offset: next.first_offset,
                last_offset: next.last_offset,
                last_stable_offset: next.last_stable_offset,
            };
            self.aborted.entry(next.producer_id).or_insert(Aborted { entry, seen: false });
        }
    }

    fn on_data(&mut self, batch: &Batch<'_>) -> BatchFate {
        if !batch.is_transactional() {
            return KEPT;
        }
        match self.aborted.get_mut(&batch.producer_id()) {
            Some(aborted) => {
                aborted.seen = true;
                DISCARDED
            }
            None => {
                self.committed.insert(batch.producer_id());
                KEPT
            }
        }
    }

    fn on_marker(&mut self, batch: &Batch<'_>, scratch: &mut Scratch) -> Result<BatchFate, RecordError> {
        let Some(record) = batch.records(scratch)?.next().transpose()? else {
            return Ok(DISCARDED); // emptied by an earlier pass
        };
        let key = record.key.ok_or(RecordError::BadRecord("control record without key"))?;
        Ok(match ControlType::of_key(key)? {
            // The marker stays until a pass has seen no batch of its transaction.
            ControlType::Abort => match self.aborted.remove(&batch.producer_id()) {
                Some(aborted) if aborted.seen => BatchFate { discard: false, abort: Some(aborted.entry) },
                _ => DISCARDED,
            },
            ControlType::Commit => BatchFate { discard: !self.committed.remove(&batch.producer_id()), abort: None },
            ControlType::Other(_) => KEPT,
        })
    }
}

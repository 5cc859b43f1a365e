//! What stays: the rules for a batch and for a record. Pure.
//!
//! Kafka's `Cleaner.cleanInto` and `shouldRetainRecord`. A record stays when the map knows no later one of its key. A tombstone stays until
//! the horizon that its batch got in the first pass that saw it, a marker until the horizon that it got when no data of its transaction
//! was left. A batch without records stays, empty, while it carries what is nowhere else: a producer's last sequence or epoch, or the end
//! of the cleaned section.

use std::collections::BTreeMap;

use crate::record::Batch;
use crate::record::filter::{FilterOptions, JUDGED, KeyAt, Retention};

use super::offset_map::{KeyHash, OffsetMap};
use super::txns::BatchFate;

/// The last that a producer wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastRecord {
    /// Last offset of its last data batch; none when only a marker is known.
    pub data_offset: Option<i64>,
    /// Its epoch.
    pub epoch: i16,
}

/// The producers that a log still knows.
pub type LastRecords = BTreeMap<i64, LastRecord>;

/// What one group of segments is cleaned by.
#[derive(Debug)]
pub struct Rules<'a> {
    /// Last offsets of the dirty section's keys.
    pub map: &'a OffsetMap,
    /// Producers to be kept.
    pub producers: &'a LastRecords,
    /// The wall clock when the pass began.
    pub now_ms: i64,
    /// What a horizon set now says: now and `delete.retention.ms`.
    pub new_horizon_ms: i64,
    /// Formats 0 and 1 have no horizon: their tombstones go by the age of their segment.
    pub keep_old_tombstones: bool,
    /// Where the section that may be cleaned ends.
    pub upper_bound: i64,
}

/// The verdict on a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchRule {
    /// For the filter.
    pub options: FilterOptions,
    /// None of its records stays.
    pub discard_records: bool,
    horizon_ms: Option<i64>,
    control: bool,
    old: bool,
}

impl Rules<'_> {
    /// What becomes of a batch.
    pub fn batch(&self, batch: &Batch<'_>, fate: BatchFate) -> BatchRule {
        let (control, horizon_ms) = (batch.is_control(), batch.delete_horizon_ms());
        // A marker without data waits for its horizon; aborted data goes at once.
        let discard_records = fate.discard && (!control || horizon_ms.is_some_and(|h| h <= self.now_ms));
        let old = batch.magic() < 2;
        let retention = if !old && (self.is_last_of_producer(batch) || batch.next_offset() == self.upper_bound) {
            Retention::RetainEmpty
        } else if discard_records {
            Retention::Delete
        } else {
            Retention::DeleteEmpty
        };
        let empty_txn_marker = control && fate.discard;
        let options = FilterOptions { retention, new_horizon_ms: self.new_horizon_ms, empty_txn_marker };
        BatchRule { options, discard_records, horizon_ms, control, old }
    }

    fn is_last_of_producer(&self, batch: &Batch<'_>) -> bool {
        let last = if batch.has_producer() { self.producers.get(&batch.producer_id()) } else { None };
        last.is_some_and(|last| match last.data_offset {
            Some(offset) => batch.last_offset() == offset,
            None => batch.is_control() && batch.producer_epoch() == last.epoch,
        })
    }

    /// Which of some records of that batch stay, at most [`JUDGED`]: their bits.
    pub fn keeps(&self, of: &BatchRule, records: &[KeyAt<'_>]) -> u32 {
        if of.discard_records || of.control {
            return if of.discard_records { 0 } else { u32::MAX };
        }
        let tombstones_stay =
            if of.old { self.keep_old_tombstones } else { of.horizon_ms.is_none_or(|h| self.now_ms < h) };
        let (mut kept, mut unknown) = (0, Unknown::default());
        for (i, record) in records.iter().enumerate() {
            if record.offset > self.map.latest_offset() {
                kept |= 1 << i;
                continue;
            }
            // A record without a key can't be the last of its key: such are left from when the topic was not compacted.
            let Some(key) = record.key else { continue };
            if !record.has_value && !tombstones_stay {
                continue;
            }
            match self.map.is_superseded(record.offset) {
                Some(superseded) => kept |= u32::from(!superseded) << i,
                None => unknown.add(i, self.map.hash(key, record.offset)),
            }
        }
        kept | unknown.lasts(self.map)
    }
}

/// Records that the map has to be asked about.
struct Unknown {
    bits: u32,
    len: usize,
    keys: [KeyHash; JUDGED],
}

impl Default for Unknown {
    fn default() -> Self {
        Self { bits: 0, len: 0, keys: [KeyHash::default(); JUDGED] }
    }
}

impl Unknown {
    fn add(&mut self, i: usize, key: KeyHash) {
        self.keys[self.len] = key;
        self.len += 1;
        self.bits |= 1 << i;
    }

    /// The bits of those that are the last of their key.
    fn lasts(mut self, map: &OffsetMap) -> u32 {
        let mut lasts = 0;
        map.get_all(&self.keys[..self.len], |key, last| {
            let bit = self.bits & self.bits.wrapping_neg();
            self.bits ^= bit;
            lasts |= if key.offset >= last { bit } else { 0 };
        });
        lasts
    }
}

//! Transactions that hold back the last stable offset: open ones, and ended ones whose marker is not yet replicated. Pure.
//!
//! Shared between the appender (opens, ends) and whoever raises the high watermark (forgets the replicated), under a leaf mutex.

use std::collections::BTreeMap;

/// First offsets of transactions that readers with `read_committed` must not pass.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OpenTxns {
    /// First offset to producer id.
    open: BTreeMap<i64, i64>,
    /// First offset to the marker's offset.
    unreplicated: BTreeMap<i64, i64>,
}

impl OpenTxns {
    /// A transaction of `producer_id` starts at `first`.
    pub fn begin(&mut self, first: i64, producer_id: i64) {
        self.open.insert(first, producer_id);
    }

    /// The transaction that started at `first` ended with the marker at `last`. Returns the last stable offset as the abort index stores
    /// it: the first offset of the next open transaction of another producer, or the one after the marker.
    pub fn end(&mut self, first: i64, last: i64, producer_id: i64) -> i64 {
        let stable = self.open.iter().find(|(_, p)| **p != producer_id).map_or(last + 1, |(first, _)| *first);
        self.open.remove(&first);
        self.unreplicated.insert(first, last);
        stable
    }

    /// The high watermark is `hw`: ended transactions whose marker lies below hold nothing back any more.
    pub fn replicated(&mut self, hw: i64) {
        self.unreplicated.retain(|_, last| *last >= hw);
    }

    /// The first offset that is not stable.
    pub fn first_unstable(&self) -> Option<i64> {
        let open = self.open.keys().next();
        let ended = self.unreplicated.keys().next();
        match (open, ended) {
            (Some(a), Some(b)) => Some(*a.min(b)),
            (a, b) => a.or(b).copied(),
        }
    }

    /// Replaces what is open (after a reload); what ended at or after `end` is forgotten.
    pub fn reset(&mut self, open: impl IntoIterator<Item = (i64, i64)>, end: i64) {
        self.open = open.into_iter().collect();
        self.unreplicated.retain(|_, last| *last < end);
    }
}

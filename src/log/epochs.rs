//! Leader epochs of a log: which epoch started at which offset (KIP-101, KIP-279). Pure; `Log` keeps one and writes it down.
//!
//! Entries ascend in epoch and in offset. Facts: storage section 8; Kafka's `LeaderEpochFileCache`.

/// Epoch starts, ascending.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Epochs {
    entries: Vec<(i32, i64)>,
}

/// The answer to "where does this epoch end": epoch -1 and offset -1 when unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochEnd {
    /// The epoch that the answer is about: the asked one, or the largest below it.
    pub epoch: i32,
    /// First offset after it.
    pub end_offset: i64,
}

impl EpochEnd {
    /// Nothing is known.
    pub const UNKNOWN: EpochEnd = EpochEnd { epoch: -1, end_offset: -1 };
}

impl Epochs {
    /// From a checkpoint's lines. Entries that go back are assigned as they come, so what they contradict is dropped.
    pub fn from_entries(entries: &[(i32, i64)]) -> Self {
        let mut epochs = Self::default();
        for (epoch, start) in entries {
            epochs.assign(*epoch, *start);
        }
        epochs
    }

    /// The lines of the checkpoint.
    pub fn entries(&self) -> &[(i32, i64)] {
        &self.entries
    }

    /// Epoch `epoch` starts at `start`: ignored when that is known already (or says nothing new); what it contradicts is removed. Returns
    /// whether anything changed.
    pub fn assign(&mut self, epoch: i32, start: i64) -> bool {
        if epoch < 0 || start < 0 {
            return false;
        }
        if let Some((latest, since)) = self.entries.last()
            && *latest == epoch
            && start >= *since
        {
            return false;
        }
        self.entries.retain(|(e, s)| *e < epoch && *s < start);
        self.entries.push((epoch, start));
        true
    }

    /// The latest epoch.
    pub fn latest(&self) -> Option<i32> {
        self.entries.last().map(|(e, _)| *e)
    }

    /// Where an epoch started.
    pub fn start_of(&self, epoch: i32) -> Option<i64> {
        self.entries.iter().find(|(e, _)| *e == epoch).map(|(_, s)| *s)
    }

    /// The epoch in which `offset` was written.
    pub fn at(&self, offset: i64) -> Option<i32> {
        let after = self.entries.partition_point(|(_, s)| *s <= offset);
        after.checked_sub(1).map(|i| self.entries[i].0)
    }

    /// Where `epoch` ends in a log that ends at `leo`.
    pub fn end_offset_for(&self, epoch: i32, leo: i64) -> EpochEnd {
        if epoch < 0 {
            return EpochEnd::UNKNOWN;
        }
        if self.latest() == Some(epoch) {
            return EpochEnd { epoch, end_offset: leo };
        }
        let higher = self.entries.partition_point(|(e, _)| *e <= epoch);
        match (self.entries.get(higher), higher.checked_sub(1)) {
            (None, _) => EpochEnd::UNKNOWN, // the asked epoch is above all we know
            (Some((_, start)), None) => EpochEnd { epoch, end_offset: *start },
            (Some((_, start)), Some(floor)) => EpochEnd { epoch: self.entries[floor].0, end_offset: *start },
        }
    }

    /// The log was cut at `end`: epochs that start at or after it are gone. Returns whether anything changed.
    pub fn truncate_end(&mut self, end: i64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(_, s)| *s < end);
        before != self.entries.len()
    }

    /// The log starts at `start` now: epochs that end at or before it are gone, the first one left starts there. Returns whether anything
    /// changed.
    pub fn truncate_start(&mut self, start: i64) -> bool {
        let below = self.entries.partition_point(|(_, s)| *s <= start);
        let Some(floor) = below.checked_sub(1) else { return false };
        let changed = floor > 0 || self.entries[floor].1 < start;
        self.entries.drain(..floor);
        self.entries[0].1 = start;
        changed
    }

    /// Forgets all. Returns whether anything changed.
    pub fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.entries).is_empty()
    }
}

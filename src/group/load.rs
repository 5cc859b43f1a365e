//! A coordinator's memory from its log: the last record of each key counts, transactions count when their marker says so.
//!
//! Fed with the batches of one partition of `__consumer_offsets`, in order (`GroupMetadataManager.doLoadGroupsAndOffsets`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::offsets::{Committed, Place};
use super::record::{GroupValue, Key, OffsetValue};
use crate::record::{Batch, ControlType, RecordError, Scratch};

/// What the log says.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Group records by id.
    pub groups: BTreeMap<Arc<str>, GroupValue>,
    /// Offsets by group.
    pub offsets: BTreeMap<Arc<str>, BTreeMap<Place, Committed>>,
    /// Transactions whose marker has not come, by producer id.
    pub open: BTreeMap<i64, Vec<Change>>,
    scratch: Scratch,
}

/// A group's offset set, or forgotten.
pub type Change = (Arc<str>, Place, Option<Committed>);

impl Loaded {
    /// Takes in one batch.
    ///
    /// # Errors
    /// The batch is broken, or a value of a known version can't be read.
    pub fn see(&mut self, batch: &Batch<'_>) -> Result<(), RecordError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let seen = self.see_records(batch, &mut scratch);
        self.scratch = scratch;
        seen
    }

    fn see_records(&mut self, batch: &Batch<'_>, scratch: &mut Scratch) -> Result<(), RecordError> {
        let producer = batch.producer_id();
        for record in batch.records(scratch)? {
            let record = record?;
            let Some(key) = record.key else { continue };
            if batch.is_control() {
                let changes = self.open.remove(&producer).unwrap_or_default();
                if ControlType::of_key(key)? == ControlType::Commit {
                    changes.into_iter().for_each(|change| self.apply(change));
                }
                continue;
            }
            match Key::read(key)? {
                Key::Offset { group, topic, partition } => {
                    let Some(value) = known(record.offset, record.value.map(OffsetValue::read))? else { continue };
                    let committed = value.map(|value| Committed { value, record_offset: record.offset });
                    let change = (group, (topic, partition), committed);
                    if batch.is_transactional() {
                        self.open.entry(producer).or_default().push(change);
                    } else {
                        self.apply(change);
                    }
                }
                Key::Group { group } => match known(record.offset, record.value.map(GroupValue::read))? {
                    Some(Some(value)) => {
                        self.groups.insert(group, value);
                    }
                    Some(None) => {
                        self.groups.remove(&group);
                    }
                    None => {}
                },
                Key::Unknown(version) => skipped(record.offset, version),
            }
        }
        Ok(())
    }

    /// A transaction's offset does not undo one that was written after it.
    fn apply(&mut self, (group, place, committed): Change) {
        let offsets = self.offsets.entry(group.clone()).or_default();
        match committed {
            Some(committed) => {
                let newer = offsets.get(&place).is_some_and(|known| known.record_offset > committed.record_offset);
                if !newer {
                    offsets.insert(place, committed);
                }
            }
            None => {
                offsets.remove(&place);
            }
        }
        if offsets.is_empty() {
            self.offsets.remove(&group);
        }
    }
}

/// A value that can be read, or `Some(None)` for a tombstone. A value of a later version counts as not written: what was before it holds.
/// (Kafka's load fails there, and it coordinates as if nothing had been written.)
fn known<T>(offset: i64, read: Option<Result<T, RecordError>>) -> Result<Option<Option<T>>, RecordError> {
    match read {
        Some(Err(RecordError::UnknownVersion(version))) => {
            skipped(offset, version);
            Ok(None)
        }
        read => read.transpose().map(Some),
    }
}

fn skipped(offset: i64, version: i16) {
    tracing::warn!(version, offset, "skipped a group record of an unknown version");
}

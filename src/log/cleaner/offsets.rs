//! `cleaner-offset-checkpoint` of a log directory: how far each of its logs was cleaned. Part of its [`Home`].
//!
//! Changes are rare: the end of a pass, a truncation, a deletion, a move. Taking one down is a moment; writing the file blocks.

use parking_lot::Mutex;

use crate::base::TopicPartition;
use crate::log::checkpoint::{self, Offsets};
use crate::log::error::LogError;
use crate::log::home::Home;

/// What the file says, or will.
#[derive(Debug, Default)]
pub struct CleanerOffsets {
    offsets: Mutex<Offsets>,
    /// Held while the file is written, so that an older content never replaces a newer one. Before `offsets`.
    file: Mutex<()>,
}

impl Home {
    /// Takes what the file said at start.
    pub(in crate::log) fn load_cleaner_offsets(&self, offsets: Offsets) {
        *self.cleaner_offsets.offsets.lock() = offsets;
    }

    /// Up to where a log was cleaned.
    pub(in crate::log) fn cleaned_up_to(&self, partition: &TopicPartition) -> Option<i64> {
        self.cleaner_offsets.offsets.lock().get(partition).copied()
    }

    /// A log was cleaned up to `offset`; `None` forgets it. In memory; true when that is news for the file.
    pub(in crate::log) fn note_cleaned_up_to(&self, partition: &TopicPartition, offset: Option<i64>) -> bool {
        let mut offsets = self.cleaner_offsets.offsets.lock();
        match offset {
            Some(offset) => offsets.insert(partition.clone(), offset) != Some(offset),
            None => offsets.remove(partition).is_some(),
        }
    }

    /// A log is about to be cut at `offset`: what is written there from now on was not cleaned. On return the file says so. Blocks.
    ///
    /// # Errors
    /// Storage.
    pub(in crate::log) fn lower_cleaned_up_to(&self, partition: &TopicPartition, offset: i64) -> Result<(), LogError> {
        match self.cleaner_offsets.offsets.lock().get_mut(partition) {
            Some(cleaned) if *cleaned > offset => *cleaned = offset,
            _ => return Ok(()),
        }
        self.write_cleaner_offsets()
    }

    /// Writes the file. On return it is on the device. Blocks.
    ///
    /// # Errors
    /// Storage.
    pub(in crate::log) fn write_cleaner_offsets(&self) -> Result<(), LogError> {
        let _writing = self.cleaner_offsets.file.lock();
        self.check()?;
        let text = checkpoint::write_offsets(&self.cleaner_offsets.offsets.lock());
        let path = self.path().join(checkpoint::CLEANER);
        let written = self.shared().disk.replace(&path, text.as_bytes());
        written.map_err(|e| self.fail("writing cleaner-offset-checkpoint", &e))
    }
}

//! The files beside the segments: the topic's id in `partition.metadata`, the epochs in `leader-epoch-checkpoint`.
//!
//! They are written in the background, a second behind at most, when a record needs them, and at the end. Where there are many logs, all
//! contents are written first and then synced one after the other: the first sync commits the journal of the file system for
//! all of them, which otherwise is done once for each.

use std::sync::atomic::Ordering;

use crate::base::TopicId;
use crate::disk::temporary;

use super::checkpoint;
use super::error::LogError;
use super::meta;
use super::partition_log::Log;

/// How a file beside the segments is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Notes {
    /// At once, and on the device.
    Now,
    /// Only its content, under a temporary name, for who brings all of the directory to the device.
    Prepared,
    /// The same, on its way to the device.
    Begun,
}

impl Log {
    /// Id of the topic, from `partition.metadata`.
    pub fn topic_id(&self) -> Option<TopicId> {
        *self.topic_id.lock()
    }

    /// Notes the topic's id where there is none, and writes it down. Blocks. After a loss of power it may be missing, and is assigned again.
    ///
    /// # Errors
    /// Another id is there; storage.
    pub fn assign_topic_id(&self, id: TopicId) -> Result<(), LogError> {
        self.note_topic_id(id)?;
        self.write_topic_id()
    }

    /// Notes the topic's id where there is none; it is written down in the background, or before the first record, as Kafka does.
    ///
    /// # Errors
    /// Another id is there; the log is closed.
    pub(super) fn note_topic_id(&self, id: TopicId) -> Result<(), LogError> {
        let mut current = self.topic_id.lock();
        match *current {
            Some(found) if found == id => Ok(()),
            Some(found) => {
                Err(LogError::InconsistentTopicId { partition: self.partition.clone(), found, expected: id })
            }
            None => {
                self.check_open()?;
                *current = Some(id);
                self.topic_id_dirty.store(true, Ordering::Release);
                Ok(())
            }
        }
    }

    /// Before the first record, and in the background. Holds no lock that a lane waits for.
    pub(super) fn write_topic_id(&self) -> Result<(), LogError> {
        if !self.topic_id_dirty.load(Ordering::Acquire) {
            return Ok(());
        }
        self.note_topic_id_down(Notes::Now)
    }

    /// Until the file has its name it counts as behind, so that no record comes before it.
    fn note_topic_id_down(&self, how: Notes) -> Result<(), LogError> {
        let mut prepared = self.notes_file.lock();
        if self.deleted.load(Ordering::Acquire) || !self.topic_id_dirty.load(Ordering::Acquire) {
            return Ok(());
        }
        let Some(id) = self.topic_id() else { return Ok(()) };
        self.home.check()?;
        let text = meta::write_partition_metadata(id);
        self.write_note(meta::PARTITION_METADATA, &text, how, &mut prepared)?;
        if how == Notes::Now {
            self.topic_id_dirty.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// The names of epochs are on the device too, on return from [`Notes::Now`]; a topic's id may be assigned again.
    fn write_note(
        &self,
        name: &'static str,
        text: &str,
        how: Notes,
        prepared: &mut Vec<&'static str>,
    ) -> Result<(), LogError> {
        let (path, disk) = (self.dir_path().join(name), &self.shared().disk);
        prepared.retain(|other| *other != name); // what was prepared is older
        let written = match how {
            Notes::Now if name == checkpoint::LEADER_EPOCH => disk.replace(&path, text.as_bytes()),
            Notes::Now => disk.swap_in(&path, text.as_bytes()),
            Notes::Prepared => disk.write_unsynced(&temporary(&path), text.as_bytes()),
            Notes::Begun => disk.write_begun(&temporary(&path), text.as_bytes()),
        };
        written.map_err(|e| self.home.fail(&format!("writing {name}"), &e))?;
        if how != Notes::Now {
            prepared.push(name);
        }
        Ok(())
    }

    /// Is a file beside the segments, `partition.metadata` or the epochs, behind what is known?
    pub(super) fn is_behind(&self) -> bool {
        self.topic_id_dirty.load(Ordering::Acquire) || self.epochs_dirty.load(Ordering::Acquire)
    }

    /// Writes down what [`Log::is_behind`] tells of. Blocks. Unless it is [`Notes::Now`], the files have their names only after
    /// [`Log::adopt_notes`].
    ///
    /// # Errors
    /// Storage.
    pub(super) fn write_notes(&self, how: Notes) -> Result<(), LogError> {
        self.note_topic_id_down(how)?;
        self.note_epochs_down(how)
    }

    /// The second step of [`Log::write_notes`], behind a sync of the whole directory or, where it was [`Notes::Begun`], with one of each
    /// file here.
    pub(super) fn adopt_notes(&self, how: Notes) -> Result<(), LogError> {
        let mut prepared = self.notes_file.lock();
        let names = std::mem::take(&mut *prepared);
        if self.deleted.load(Ordering::Acquire) {
            return Ok(());
        }
        let (dir, disk) = (self.dir_path(), &self.shared().disk);
        for name in names {
            let path = dir.join(name);
            let temp = temporary(&path);
            let synced = if how == Notes::Begun { disk.open(&temp).and_then(|file| file.sync()) } else { Ok(()) };
            let named = synced.and_then(|()| disk.rename(&temp, &path)).and_then(|()| match how {
                Notes::Begun if name == checkpoint::LEADER_EPOCH => disk.sync_dir(&dir),
                _ => Ok(()),
            });
            named.map_err(|e| self.home.fail(&format!("naming {name}"), &e))?;
            if name == meta::PARTITION_METADATA {
                self.topic_id_dirty.store(false, Ordering::Release);
            }
        }
        Ok(())
    }

    /// Writes the epochs down if the file is behind. Blocks; on return they are on the device.
    ///
    /// # Errors
    /// Storage.
    pub fn write_epochs(&self) -> Result<(), LogError> {
        self.note_epochs_down(Notes::Now)
    }

    fn note_epochs_down(&self, how: Notes) -> Result<(), LogError> {
        let mut prepared = self.notes_file.lock();
        let is_behind = self.epochs_dirty.swap(false, Ordering::AcqRel) || prepared.contains(&checkpoint::LEADER_EPOCH);
        if self.deleted.load(Ordering::Acquire) || !is_behind {
            return Ok(());
        }
        let text = checkpoint::write_epochs(self.epochs.read().entries());
        let written =
            self.home.check().and_then(|()| self.write_note(checkpoint::LEADER_EPOCH, &text, how, &mut prepared));
        if written.is_err() {
            self.epochs_dirty.store(true, Ordering::Release);
        }
        written
    }
}

//! The files beside the segments: the topic's id in `partition.metadata`, the epochs in `leader-epoch-checkpoint`.
//!
//! They are written in the background, a second behind at most, and at the end; the topic's id also before the first record, which waits for
//! its name, not for the device. Where there are many logs, each step is done for all before the next one: the first sync of a step commits
//! the journal of the file system for all of them, which otherwise is done once for each.

use std::path::Path;
use std::sync::Arc;
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
    /// On its way to the device, and under its name: a process that is killed leaves it behind, a loss of power may not.
    Named,
}

/// A file that was written, and is not yet on the device under its name.
#[derive(Debug)]
pub(super) struct Unsettled {
    name: &'static str,
    is_synced: bool,
    is_named: bool,
}

/// Brings to the device what [`Log::write_notes`] began of many logs.
///
/// # Errors
/// Storage: that directory is offline then.
pub(super) fn settle(logs: &[Arc<Log>]) -> Result<(), LogError> {
    logs.iter().try_for_each(|log| log.sync_notes())?;
    logs.iter().try_for_each(|log| log.name_notes())?;
    logs.iter().try_for_each(|log| log.keep_names())
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
        self.note_topic_id_down(Notes::Now)
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
                self.topic_id_unnamed.store(true, Ordering::Release);
                Ok(())
            }
        }
    }

    /// Before the first record. Holds no lock that a lane waits for, and does not wait for the device.
    pub(super) fn name_topic_id(&self) -> Result<(), LogError> {
        if !self.topic_id_unnamed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.note_topic_id_down(Notes::Named)
    }

    /// Until the file is on the device it counts as behind; until it has its name no record comes before it.
    fn note_topic_id_down(&self, how: Notes) -> Result<(), LogError> {
        let mut unsettled = self.unsettled.lock();
        if self.deleted.load(Ordering::Acquire) || !self.topic_id_dirty.load(Ordering::Acquire) {
            return Ok(());
        }
        let is_named = unsettled.iter().any(|note| note.name == meta::PARTITION_METADATA && note.is_named);
        if is_named && how != Notes::Now {
            return Ok(()); // a topic's id does not change
        }
        let Some(id) = self.topic_id() else { return Ok(()) };
        self.home.check()?;
        let text = meta::write_partition_metadata(id);
        self.write_note(meta::PARTITION_METADATA, &text, how, &mut unsettled)?;
        if how == Notes::Now {
            self.topic_id_dirty.store(false, Ordering::Release);
        }
        if matches!(how, Notes::Now | Notes::Named) {
            self.topic_id_unnamed.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// The names of epochs are on the device too, on return from [`Notes::Now`]; a topic's id may be assigned again.
    fn write_note(
        &self,
        name: &'static str,
        text: &str,
        how: Notes,
        unsettled: &mut Vec<Unsettled>,
    ) -> Result<(), LogError> {
        let (path, disk) = (self.dir_path().join(name), &self.shared().disk);
        let temp = temporary(&path);
        unsettled.retain(|note| note.name != name); // that was older
        let written = match how {
            Notes::Now if name == checkpoint::LEADER_EPOCH => disk.replace(&path, text.as_bytes()),
            Notes::Now => disk.swap_in(&path, text.as_bytes()),
            Notes::Prepared => disk.write_unsynced(&temp, text.as_bytes()),
            Notes::Begun => disk.write_begun(&temp, text.as_bytes()),
            Notes::Named => disk.write_begun(&temp, text.as_bytes()).and_then(|()| disk.rename(&temp, &path)),
        };
        written.map_err(|e| self.home.fail(&format!("writing {name}"), &e))?;
        if how != Notes::Now {
            unsettled.push(Unsettled { name, is_synced: false, is_named: how == Notes::Named });
        }
        Ok(())
    }

    /// Is a file beside the segments, `partition.metadata` or the epochs, behind what is known?
    pub(super) fn is_behind(&self) -> bool {
        self.topic_id_dirty.load(Ordering::Acquire) || self.epochs_dirty.load(Ordering::Acquire)
    }

    /// Writes down what [`Log::is_behind`] tells of. Blocks. Unless it is [`Notes::Now`], [`settle`] or [`Log::adopt_notes`] finish it.
    ///
    /// # Errors
    /// Storage.
    pub(super) fn write_notes(&self, how: Notes) -> Result<(), LogError> {
        self.note_topic_id_down(how)?;
        self.note_epochs_down(how)
    }

    /// Gives what was [`Notes::Prepared`] its names, behind a sync of the whole directory.
    pub(super) fn adopt_notes(&self) -> Result<(), LogError> {
        self.unsettled.lock().iter_mut().for_each(|note| note.is_synced = true);
        self.name_notes()?;
        self.unsettled.lock().clear();
        Ok(())
    }

    fn sync_notes(&self) -> Result<(), LogError> {
        self.for_unsettled(|note, path| {
            if !note.is_synced {
                let at = if note.is_named { path.to_path_buf() } else { temporary(path) };
                self.shared().disk.open(&at)?.sync()?;
                note.is_synced = true;
            }
            Ok(())
        })
    }

    fn name_notes(&self) -> Result<(), LogError> {
        self.for_unsettled(|note, path| {
            if !note.is_synced {
                return Ok(());
            }
            if !note.is_named {
                self.shared().disk.rename(&temporary(path), path)?;
                note.is_named = true;
            }
            if note.name == meta::PARTITION_METADATA {
                self.topic_id_unnamed.store(false, Ordering::Release);
                self.topic_id_dirty.store(false, Ordering::Release);
            }
            Ok(())
        })
    }

    /// A topic's id may be missing after a loss of power, the epochs may not.
    fn keep_names(&self) -> Result<(), LogError> {
        let mut unsettled = self.unsettled.lock();
        let is_done = |note: &Unsettled| note.is_synced && note.is_named;
        if unsettled.iter().any(|note| is_done(note) && note.name == checkpoint::LEADER_EPOCH)
            && !self.deleted.load(Ordering::Acquire)
        {
            let synced = self.shared().disk.sync_dir(&self.dir_path());
            synced.map_err(|e| self.home.fail("keeping the names of notes", &e))?;
        }
        unsettled.retain(|note| !is_done(note));
        unsettled.shrink_to_fit(); // there are thousands of logs
        Ok(())
    }

    fn for_unsettled(
        &self,
        mut step: impl FnMut(&mut Unsettled, &Path) -> std::io::Result<()>,
    ) -> Result<(), LogError> {
        let mut unsettled = self.unsettled.lock();
        if self.deleted.load(Ordering::Acquire) {
            unsettled.clear();
        }
        let dir = self.dir_path();
        for note in unsettled.iter_mut() {
            step(note, &dir.join(note.name)).map_err(|e| self.home.fail(&format!("writing {}", note.name), &e))?;
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
        let mut unsettled = self.unsettled.lock();
        let is_unsettled = unsettled.iter().any(|note| note.name == checkpoint::LEADER_EPOCH);
        let is_behind = self.epochs_dirty.swap(false, Ordering::AcqRel) || is_unsettled;
        if self.deleted.load(Ordering::Acquire) || !is_behind {
            return Ok(());
        }
        let text = checkpoint::write_epochs(self.epochs.read().entries());
        let written =
            self.home.check().and_then(|()| self.write_note(checkpoint::LEADER_EPOCH, &text, how, &mut unsettled));
        if written.is_err() {
            self.epochs_dirty.store(true, Ordering::Release);
        }
        written
    }
}

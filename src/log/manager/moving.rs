//! Moves of logs between directories (KIP-113): the log to be, its step into the place of the old one, and what a kill in that step leaves.
//!
//! `replica/moves` copies; here is what changes names. While a log is moved it is not compacted: what was copied would not be what the
//! checkpoint calls clean. For a moment of the last step both logs bear the partition's name, as in Kafka, whose next start would be
//! refused then. Here the new one holds a file that says whose place it takes, so that the next start can take the step's other half.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::TopicPartition;
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::log::epochs::Epochs;
use crate::log::error::LogError;
use crate::log::home::Home;
use crate::log::names::{self, DirKind, FileKind};
use crate::log::notes::Notes;
use crate::log::partition_log::{Log, LogWriter};

use super::{LogManager, set_cleaned};

/// Lies in the directory of a log that takes another's place until that one has another name. Kafka looks at no file of this name.
const REPLACES: &str = "replaces";
/// More than a path and two numbers.
const MAX_REPLACES_BYTES: usize = 8192;

/// The last step of a move: both logs are held, nothing is appended to either. Dropped without [`Promotion::finish`] nothing has happened.
#[derive(Debug)]
pub struct Promotion<'a> {
    manager: &'a Arc<LogManager>,
    _changing: tokio::sync::MutexGuard<'a, ()>,
    /// The log in service.
    pub old: LogWriter,
    /// The one that takes its place.
    pub future: LogWriter,
}

impl LogManager {
    /// Makes the log that a partition moves to, in `dir`; the one that is there if there is. On return the partition's log is not being
    /// compacted any more, and will not be until the move has ended.
    ///
    /// # Errors
    /// The directory is not usable; storage.
    pub async fn create_future(
        self: &Arc<Self>,
        partition: &TopicPartition,
        config: Arc<LogConfig>,
        dir: &Path,
    ) -> Result<Arc<Log>, LogError> {
        let _changing = self.changing.lock().await;
        if let Some(log) = self.get_future(partition) {
            return Ok(log);
        }
        let home = self.choose(Some(dir))?;
        let name = names::future_name(partition, self.shared.env.rng.uuid());
        let log = self.make(&home, partition, &name, config, true).await?;
        if let Some(id) = self.get(partition).and_then(|current| current.topic_id()) {
            let here = Arc::clone(&log);
            log.gate().run(move || here.assign_topic_id(id)).await?;
        }
        self.futures.write().insert(partition.clone(), Arc::clone(&log));
        self.cleaning.end_of_pass(partition).await;
        Ok(log)
    }

    /// True while a partition is being moved.
    pub(super) fn is_moving(&self, partition: &TopicPartition) -> bool {
        self.futures.read().contains_key(partition)
    }

    /// Ends a move: the log it was to go to is deleted.
    ///
    /// # Errors
    /// Storage.
    pub async fn delete_future(self: &Arc<Self>, partition: &TopicPartition) -> Result<(), LogError> {
        let _changing = self.changing.lock().await;
        self.delete_future_locked(partition).await
    }

    pub(super) async fn delete_future_locked(&self, partition: &TopicPartition) -> Result<(), LogError> {
        let log = self.futures.write().remove(partition);
        match log {
            Some(log) => self.retire(&mut log.lock().await).await,
            None => Ok(()),
        }
    }

    /// Lets go of the logs that partitions were being moved to in a directory that failed, without touching the disk.
    pub fn forget_futures_in(&self, dir: &Path) -> Vec<TopicPartition> {
        let gone = self.futures.write().extract_if(.., |_, log| log.home().path() == dir).collect::<Vec<_>>();
        gone.into_iter().map(|(partition, _)| partition).collect()
    }

    /// Begins the last step of a move to `future`; none when that is not, or no longer, where the partition is being moved to.
    pub async fn begin_promotion(self: &Arc<Self>, future: &Arc<Log>) -> Option<Promotion<'_>> {
        let changing = self.changing.lock().await;
        let partition = future.partition();
        let wanted = self.get_future(partition).is_some_and(|log| Arc::ptr_eq(&log, future));
        if !wanted || *self.stopping.borrow() {
            return None;
        }
        let old = self.get(partition)?.lock().await;
        let future = future.lock().await;
        Some(Promotion { manager: self, _changing: changing, old, future })
    }

    /// Finishes last steps that a kill has interrupted: of two logs of one partition, the one that says so takes the other's place, if that
    /// is still as it was then. Before anything is loaded; blocks.
    pub(super) fn finish_promotions(&self) {
        let disk = &self.shared.disk;
        let mut first: BTreeMap<TopicPartition, (Arc<Home>, PathBuf)> = BTreeMap::new();
        for home in self.homes.iter().filter(|home| home.is_online()) {
            let Ok(entries) = disk.list(home.path()) else { continue }; // loading finds the same, and says so
            for entry in entries.into_iter().filter(|entry| entry.is_dir) {
                let Some((partition, DirKind::Current)) = names::parse_dir(&entry.name) else { continue };
                let dir = home.path().join(&entry.name);
                let Some((other_home, other)) = first.insert(partition.clone(), (Arc::clone(home), dir.clone())) else {
                    continue;
                };
                let this_home = Arc::clone(home);
                let (goes_home, goes, stays) = match (claim(disk, &other, &dir), claim(disk, &dir, &other)) {
                    (Claim::Holds, _) | (_, Claim::Outdated) => (this_home, dir, other),
                    (_, Claim::Holds) | (Claim::Outdated, _) => (other_home, other, dir),
                    (Claim::None, Claim::None) => continue, // two logs of one partition: loading refuses to choose
                };
                let to = goes_home.path().join(names::delete_name(&partition, self.shared.env.rng.uuid()));
                let renamed = disk.rename(&goes, &to).and_then(|()| disk.sync_dir(goes_home.path()));
                let done = renamed.and_then(|()| match disk.exists(&stays.join(REPLACES)) {
                    true => disk.remove_file(&stays.join(REPLACES)),
                    false => Ok(()),
                });
                match done {
                    Ok(()) => {
                        tracing::info!(%partition, log = %stays.display(), "a move that was interrupted has ended")
                    }
                    Err(error) => {
                        goes_home.fail("ending a move", &error);
                    }
                }
            }
        }
    }
}

impl Promotion<'_> {
    /// Puts the new log in the place of the old one, with its high watermark, epochs and cleaner's offset, and deletes the old one.
    /// `publish` gives it to whoever holds the old one, while nothing can be appended; and the old one back, when the new one's directory
    /// failed meanwhile: whoever takes the partitions of that one offline has passed by this one. False, and nothing has happened, when it
    /// has not all that the old one has.
    ///
    /// # Errors
    /// Storage; the old log is still the partition's.
    pub async fn finish(mut self, mut publish: impl FnMut(&Arc<Log>)) -> Result<bool, LogError> {
        let manager = Arc::clone(self.manager);
        let (old, future) = (Arc::clone(self.old.log()), Arc::clone(self.future.log()));
        old.check_open()?;
        if old.leo() != future.leo() {
            return Ok(false);
        }
        let partition = old.partition().clone();
        // A failure from here to the new name must leave the old log as the one there is.
        set_cleaned(&future, old.home().cleaned_up_to(&partition)).await?;
        // Nothing may be left of an earlier move the other way.
        self.old.run(|log, _| log.forget_replaced()).await?;
        let (from, name) = (Arc::clone(&old), names::dir_name(&partition));
        self.future
            .run(move |log, _| {
                // The leader's epochs, also those without a record. The same records: the same epochs.
                let epochs = Epochs::from_entries(from.epochs.read().entries());
                log.change_epochs(|own| {
                    *own = epochs;
                    true
                });
                if let Some(id) = from.topic_id() {
                    log.note_topic_id(id)?;
                }
                log.write_notes(Notes::Now)?;
                log.note_replaced(&from)?;
                log.move_dir(&name)?;
                log.future.store(false, Ordering::Release);
                Ok::<(), LogError>(())
            })
            .await?;
        {
            let (mut current, mut futures) = (manager.current.write(), manager.futures.write());
            // Who changes configs sees the one log or the other in the maps: what this one has missed it gets here.
            future.set_config(old.config());
            futures.remove(&partition);
            current.insert(partition.clone(), Arc::clone(&future));
        }
        future.set_high_watermark(old.high_watermark());
        publish(&future);
        if let Err(error) = future.home().check() {
            manager.current.write().insert(partition.clone(), Arc::clone(&old));
            publish(&old);
            return Err(error);
        }
        tracing::info!(%partition, from = %old.dir().display(), to = %future.dir().display(), "moved");
        // From here on the move has been made, whatever becomes of the old log and the checkpoints: their directory tells.
        if let Err(error) = self.tidy_up(&manager, &future).await {
            tracing::error!(%partition, %error, "a moved partition's old log is left behind");
        }
        Ok(true)
    }

    async fn tidy_up(&mut self, manager: &Arc<LogManager>, future: &Arc<Log>) -> Result<(), LogError> {
        manager.retire(&mut self.old).await?;
        self.future.run(|log, _| log.forget_replaced()).await?;
        let (manager, home) = (Arc::clone(manager), Arc::clone(future.home()));
        future.gate().run_long(move || manager.write_checkpoints(&home)).await
    }
}

impl Log {
    /// Writes down whose place this log is about to take. Not where files are as long as they will be from the start on: there one can't
    /// see whether the old log was written to since. Blocks.
    fn note_replaced(&self, old: &Log) -> Result<(), LogError> {
        if old.config().preallocate {
            return Ok(());
        }
        let (disk, dir) = (&self.shared().disk, old.dir_path());
        let state = newest_file(disk, &dir).map_err(|e| old.home.fail("looking at a log that is replaced", &e))?;
        let text = format!("{}\n{state}\n", dir.display());
        let path = self.dir_path().join(REPLACES);
        disk.replace(&path, text.as_bytes()).map_err(|e| self.home.fail("noting which log is replaced", &e))
    }

    fn forget_replaced(&self) -> Result<(), LogError> {
        let (disk, path) = (&self.shared().disk, self.dir_path().join(REPLACES));
        if !disk.exists(&path) {
            return Ok(());
        }
        disk.remove_file(&path).map_err(|e| self.home.fail("forgetting which log was replaced", &e))
    }
}

/// What a log says of taking another's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claim {
    /// Nothing, or nothing that can be decided.
    None,
    /// It takes its place.
    Holds,
    /// It was about to; but the other has been written to since, so that the step was given up: its directory had failed.
    Outdated,
}

/// What the log in `new` says of the one in `old`.
fn claim(disk: &Disk, new: &Path, old: &Path) -> Claim {
    let Ok(text) = disk.read(&new.join(REPLACES), MAX_REPLACES_BYTES) else { return Claim::None };
    let text = String::from_utf8_lossy(&text);
    let Some((path, noted)) = text.trim_end().rsplit_once('\n') else { return Claim::None };
    let (Some(noted), Some(now)) = (parse_state(noted), newest_file(disk, old).ok().and_then(|s| parse_state(&s)))
    else {
        return Claim::None;
    };
    match path == old.display().to_string() {
        true if now == noted => Claim::Holds,
        true if now > noted => Claim::Outdated,
        _ => Claim::None, // shorter: power was lost, and what it lacks the other may have
    }
}

/// Base offset and length, as [`newest_file`] writes them.
fn parse_state(text: &str) -> Option<(i64, u64)> {
    let (base, len) = text.split_once(' ')?;
    Some((base.parse().ok()?, len.parse().ok()?))
}

/// The newest segment file of a log and its length: anything that is appended changes it.
fn newest_file(disk: &Disk, dir: &Path) -> io::Result<String> {
    let entries = disk.list(dir)?;
    let bases = entries.iter().filter_map(|entry| names::parse_file(&entry.name));
    let newest = bases.filter(|(_, kind)| *kind == FileKind::Log).map(|(base, _)| base).max();
    let Some(base) = newest else { return Ok(String::new()) };
    Ok(format!("{base} {}", disk.open(&names::file_path(dir, base, FileKind::Log))?.len()?))
}

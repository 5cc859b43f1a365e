//! All logs of a broker over its log directories: found at start, made, deleted, moved, checkpointed, closed.
//!
//! Called by `replica` and `broker`. The maps are locks of their own, never held while a log's mutex is awaited or a disk is called.
//! A directory that fails keeps its logs in the maps: they answer storage errors until the replicas let go. `load` builds it, `background`
//! and `cleaning` keep it, `moving` moves logs from one directory to another, `stop` ends it. Kafka's `LogManager`.

mod background;
mod cleaning;
mod load;
mod moving;
mod prepare;
mod stop;

pub use moving::Promotion;
pub use prepare::NewLog;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::base::{TopicId, TopicPartition};
use crate::config::LogConfig;
use crate::disk::Lock;

use self::cleaning::Cleaning;
use super::checkpoint::{self, Offsets};
use super::cleaner::CleanerConfig;
use super::error::LogError;
use super::home::{Home, Shared};
use super::names;
use super::open::{CancelFlag, OpenOptions};
use super::partition_log::{Log, LogWriter};

/// What the manager is told by the broker's configuration; times in ms.
#[derive(Clone, Debug)]
pub struct ManagerConfig {
    /// `num.recovery.threads.per.data.dir` at the start; [`LogManager::set_recovery_threads`] changes it.
    pub recovery_threads_per_dir: usize,
    /// `log.retention.check.interval.ms`.
    pub retention_check_ms: u64,
    /// `log.flush.scheduler.interval.ms`.
    pub flush_check_ms: u64,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_checkpoint_ms: u64,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub start_offset_checkpoint_ms: u64,
    /// `log.initial.task.delay.ms`.
    pub initial_task_delay_ms: u64,
    /// `producer.id.expiration.ms`.
    pub producer_expiration_ms: i64,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_expiration_check_ms: u64,
    /// `transaction.partition.verification.enable`.
    pub verify_transactions: bool,
    /// Inline disk calls at a time: the machine's cores.
    pub cores: usize,
    /// `log.cleaner.*`.
    pub cleaner: CleanerConfig,
}

impl Default for ManagerConfig {
    fn default() -> Self {
        Self {
            recovery_threads_per_dir: 1,
            retention_check_ms: 300_000,
            flush_check_ms: u64::MAX,
            recovery_checkpoint_ms: 60_000,
            start_offset_checkpoint_ms: 60_000,
            initial_task_delay_ms: 30_000,
            producer_expiration_ms: 86_400_000,
            producer_expiration_check_ms: 600_000,
            verify_transactions: true,
            cores: 2,
            cleaner: CleanerConfig::default(),
        }
    }
}

/// One directory for DescribeLogDirs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirStatus {
    /// As configured.
    pub path: PathBuf,
    /// False after a failure.
    pub online: bool,
    /// Bytes of its file system; -1 unknown.
    pub total_bytes: i64,
    /// Bytes that may still be used; -1 unknown.
    pub usable_bytes: i64,
}

/// All logs of a broker.
#[derive(Debug)]
pub struct LogManager {
    shared: Arc<Shared>,
    config: ManagerConfig,
    /// `num.recovery.threads.per.data.dir`: of loading, and of closing at the end.
    recovery_threads: AtomicUsize,
    homes: Vec<Arc<Home>>,
    current: RwLock<BTreeMap<TopicPartition, Arc<Log>>>,
    futures: RwLock<BTreeMap<TopicPartition, Arc<Log>>>,
    /// One change of the maps (with its directory) at a time.
    changing: tokio::sync::Mutex<()>,
    /// Directories that were closed cleanly before this start: they may be marked clean at the end.
    clean_before: Mutex<BTreeSet<PathBuf>>,
    /// Directories whose logs are all loaded: their checkpoints may be written, and the clean marker at the end.
    loaded: Mutex<BTreeSet<PathBuf>>,
    locks: Mutex<Vec<Lock>>,
    /// One writer of checkpoint files at a time.
    checkpointing: Mutex<()>,
    cleaning: Cleaning,
    stopping: watch::Sender<bool>,
    stopped: AtomicBool,
}

impl LogManager {
    /// A partition's log.
    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.current.read().get(partition).cloned()
    }

    /// The log that a partition is being moved to.
    pub fn get_future(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.futures.read().get(partition).cloned()
    }

    /// All current logs, by partition.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        self.current.read().values().cloned().collect()
    }

    /// All logs that partitions are being moved to.
    pub fn future_logs(&self) -> Vec<Arc<Log>> {
        self.futures.read().values().cloned().collect()
    }

    /// Current and future logs in a directory.
    pub fn partitions_in(&self, dir: &Path) -> Vec<Arc<Log>> {
        self.all().into_iter().filter(|log| log.home().path() == dir).collect()
    }

    fn all(&self) -> Vec<Arc<Log>> {
        let mut all = self.logs();
        all.extend(self.future_logs());
        all
    }

    fn in_home(&self, home: &Arc<Home>) -> Vec<Arc<Log>> {
        self.partitions_in(home.path())
    }

    /// All directories. Blocks for a moment (statvfs).
    pub fn dirs(&self) -> Vec<DirStatus> {
        let status = |home: &Arc<Home>| {
            let space = if home.is_online() { self.shared.disk.space(home.path()).ok() } else { None };
            let bytes = |n: Option<u64>| n.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
            DirStatus {
                path: home.path().to_path_buf(),
                online: home.is_online(),
                total_bytes: bytes(space.map(|s| s.total)),
                usable_bytes: bytes(space.map(|s| s.usable)),
            }
        };
        self.homes.iter().map(status).collect()
    }

    /// The directories that failed so far; the value changes with each failure. All of them: the caller must halt.
    pub fn offline(&self) -> watch::Receiver<BTreeSet<PathBuf>> {
        self.shared.offline()
    }

    /// True while at least one directory is online.
    pub fn any_online(&self) -> bool {
        self.homes.iter().any(|h| h.is_online())
    }

    /// Takes a directory offline for a reason found elsewhere.
    pub fn fail_dir(&self, dir: &Path, what: &str, error: &std::io::Error) {
        for home in self.homes.iter().filter(|h| h.path() == dir) {
            home.fail(what, error);
        }
    }

    /// Is a directory in use? None when `log.dirs` does not name it.
    pub fn is_dir_online(&self, dir: &Path) -> Option<bool> {
        self.homes.iter().find(|home| home.path() == dir).map(|home| home.is_online())
    }

    /// What all logs share: switches that change at run time.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Another `num.recovery.threads.per.data.dir`: the stop closes with so many threads.
    pub fn set_recovery_threads(&self, per_dir: usize) {
        self.recovery_threads.store(per_dir.max(1), Ordering::Relaxed);
    }

    /// A topic's new configuration, for all its logs here.
    pub fn reconfigure_topic(&self, topic: &str, config: &Arc<LogConfig>) {
        for log in self.all().into_iter().filter(|log| &*log.partition().topic == topic) {
            log.set_config(Arc::clone(config));
        }
    }

    /// The partition's log, made where there is none (and then, unless it is new, as one that is refilling): in `preferred_dir`, or in the
    /// directory with the fewest partitions. On return its directory is on the device, and `partition.metadata` but for its name.
    ///
    /// # Errors
    /// Its directory is offline; any is and the partition is not new (it may lie there); the preferred directory is not usable; another topic id on disk;
    /// storage.
    pub async fn get_or_create(
        self: &Arc<Self>,
        partition: &TopicPartition,
        topic_id: Option<TopicId>,
        config: Arc<LogConfig>,
        is_new: bool,
        preferred_dir: Option<&Path>,
    ) -> Result<Arc<Log>, LogError> {
        let _changing = self.changing.lock().await;
        let log = match self.get(partition) {
            Some(log) => {
                log.home().check()?;
                log
            }
            None => {
                if !is_new && let Some(failed) = self.homes.iter().find(|h| !h.is_online()) {
                    failed.check()?;
                }
                let home = self.choose(preferred_dir)?;
                let name = names::dir_name(partition);
                if !is_new {
                    self.begin_refilling(&home, partition, &name).await?;
                }
                let log = self.make(&home, partition, &name, config, false).await?;
                self.current.write().insert(partition.clone(), Arc::clone(&log));
                log
            }
        };
        if let Some(id) = topic_id
            && log.topic_id() != Some(id)
        {
            let here = Arc::clone(&log);
            log.gate().run(move || here.assign_topic_id(id)).await?;
        }
        Ok(log)
    }

    fn choose(&self, preferred: Option<&Path>) -> Result<Arc<Home>, LogError> {
        let online: Vec<&Arc<Home>> = self.homes.iter().filter(|h| h.is_online()).collect();
        if let Some(dir) = preferred {
            let home = online.into_iter().find(|h| h.path() == dir);
            return home.map(Arc::clone).ok_or_else(|| LogError::NoSuchDir(dir.to_path_buf()));
        }
        if let [only] = online[..] {
            return Ok(Arc::clone(only));
        }
        let counts = self.log_counts();
        match online.into_iter().min_by_key(|home| counts.get(home.path())) {
            Some(home) => Ok(Arc::clone(home)),
            None => Err(self.homes.first().map_or(LogError::NoSuchDir(PathBuf::new()), |h| {
                h.check().err().unwrap_or_else(|| LogError::NoSuchDir(h.path().to_path_buf()))
            })),
        }
    }

    /// A directory with the file that says so in it, from the first moment on that it has the partition's name.
    async fn begin_refilling(&self, home: &Arc<Home>, partition: &TopicPartition, name: &str) -> Result<(), LogError> {
        let (here, dir) = (Arc::clone(home), home.path().join(name));
        // What a kill leaves of it, the next start removes.
        let at_first = home.path().join(names::delete_name(partition, self.shared.env.rng.uuid()));
        home.gate()
            .run(move || {
                let disk = &here.shared().disk;
                let made = disk
                    .create_dir_all(&at_first)
                    .and_then(|()| disk.write(&at_first.join(names::REFILLING), b""))
                    .and_then(|()| disk.sync_dir(&at_first))
                    .and_then(|()| disk.rename(&at_first, &dir))
                    .and_then(|()| disk.sync_dir(here.path()));
                made.map_err(|e| here.fail("making a log", &e))
            })
            .await
    }

    async fn make(
        self: &Arc<Self>,
        home: &Arc<Home>,
        partition: &TopicPartition,
        name: &str,
        config: Arc<LogConfig>,
        future: bool,
    ) -> Result<Arc<Log>, LogError> {
        self.forget_lines_of(home, std::iter::once(partition)).await?;
        let options = OpenOptions { future, ..OpenOptions::new_log(config) };
        let (here, partition, dir) = (Arc::clone(home), partition.clone(), home.path().join(name));
        home.gate()
            .run(move || {
                let disk = &here.shared().disk;
                let made = disk
                    .create_dir_all(&dir)
                    .and_then(|()| disk.sync_dir(here.path()))
                    .and_then(|()| Log::open(&here, &dir, partition.clone(), &options, &CancelFlag::new()));
                made.inspect(|log| tracing::info!(%partition, dir = %dir.display(), leo = log.leo(), "made a log"))
                    .map_err(|e| here.fail("making a log", &e))
            })
            .await
    }

    /// Deletes a partition's log, and the one it is being moved to: renamed at once, its files go after `file.delete.delay.ms`. Fine when
    /// there is none. On return no append and no new read is possible.
    ///
    /// # Errors
    /// Storage.
    pub async fn delete(self: &Arc<Self>, partition: &TopicPartition) -> Result<(), LogError> {
        let _changing = self.changing.lock().await;
        self.delete_future_locked(partition).await?;
        let log = self.current.write().remove(partition);
        match log {
            Some(log) => self.retire(&mut log.lock().await).await,
            None => Ok(()),
        }
    }

    /// Lets go of a partition whose directory failed, without touching the disk.
    pub fn forget(&self, partition: &TopicPartition) {
        self.current.write().remove(partition);
        self.futures.write().remove(partition);
    }

    async fn retire(&self, writer: &mut LogWriter) -> Result<(), LogError> {
        let log = Arc::clone(writer.log());
        let name = names::delete_name(log.partition(), self.shared.env.rng.uuid());
        let delay = log.config().file_delete_delay_ms;
        let retired = writer
            .run(move |log, _| {
                log.closed.store(true, Ordering::Release);
                log.deleted.store(true, Ordering::Release);
                let to = log.move_dir(&name)?; // waits for a flush under way
                log.home().remove_later(to.to_path_buf(), true, delay);
                tracing::info!(partition = %log.partition(), to = %to.display(), "marked for deletion");
                Ok(())
            })
            .await;
        retired?;
        for file in CHECKPOINTS {
            log.home().retired.lock().entry(file).or_default().insert(log.partition().clone());
        }
        // A new log of the same name starts uncleaned.
        set_cleaned(&log, None).await
    }

    /// Before logs of these names are made in a directory: the checkpoints' lines of logs of the same names that were there go. After a kill
    /// the new log would start where the old one had been cut to.
    async fn forget_lines_of<'a>(
        self: &Arc<Self>,
        home: &Arc<Home>,
        mut names: impl Iterator<Item = &'a TopicPartition>,
    ) -> Result<(), LogError> {
        let is_stale = {
            let retired = home.retired.lock();
            retired.values().any(|gone| !gone.is_empty())
                && names.any(|name| retired.values().any(|gone| gone.contains(name)))
        };
        if !is_stale {
            return Ok(());
        }
        let (manager, here) = (Arc::clone(self), Arc::clone(home));
        home.gate().run_long(move || manager.write_checkpoints(&here)).await
    }

    /// All three of a directory.
    fn write_checkpoints(&self, home: &Arc<Home>) -> Result<(), LogError> {
        self.write_recovery_points(home)?;
        self.write_log_starts(home)?;
        self.write_high_watermarks(home)
    }

    /// Writes every directory's `replication-offset-checkpoint`.
    pub async fn checkpoint_high_watermarks(self: &Arc<Self>) {
        self.checkpoint_in_pool(|manager, home| manager.write_high_watermarks(home)).await;
    }

    async fn checkpoint_in_pool(self: &Arc<Self>, write: fn(&Self, &Arc<Home>) -> Result<(), LogError>) {
        for home in self.homes.iter().filter(|h| h.is_online()) {
            let (manager, here) = (Arc::clone(self), Arc::clone(home));
            if let Err(error) = home.gate().run_long(move || write(&manager, &here)).await {
                tracing::warn!("checkpoint: {error}");
            }
        }
    }

    fn write_high_watermarks(&self, home: &Arc<Home>) -> Result<(), LogError> {
        self.write_checkpoint(home, checkpoint::HIGH_WATERMARK, |log| Some(log.high_watermark()))
    }

    fn write_recovery_points(&self, home: &Arc<Home>) -> Result<(), LogError> {
        self.write_checkpoint(home, checkpoint::RECOVERY_POINT, |log| Some(log.recovery_point()))
    }

    fn write_log_starts(&self, home: &Arc<Home>) -> Result<(), LogError> {
        self.write_checkpoint(home, checkpoint::LOG_START, |log| {
            let first_base = log.segments.load().first().map_or(0, |s| s.base_offset());
            (log.start_offset() > first_base).then(|| log.start_offset())
        })
    }

    fn write_checkpoint(
        &self,
        home: &Arc<Home>,
        file: &'static str,
        value: impl Fn(&Log) -> Option<i64>,
    ) -> Result<(), LogError> {
        let _checkpointing = self.checkpointing.lock();
        home.check()?;
        // Before the look at what is there: the lines of these are not written again. A failure takes the directory offline.
        home.retired.lock().remove(file);
        // A future log's line stands in its own directory under the partition's name, as Kafka has it.
        let logs = self.in_home(home);
        let offsets: Offsets = logs.iter().filter_map(|l| value(l).map(|v| (l.partition().clone(), v))).collect();
        let text = checkpoint::write_offsets(&offsets);
        self.shared
            .disk
            .replace(&home.path().join(file), text.as_bytes())
            .map_err(|e| home.fail("writing a checkpoint", &e))
    }
}

/// The files of a directory with a line for each log.
const CHECKPOINTS: [&str; 3] = [checkpoint::RECOVERY_POINT, checkpoint::LOG_START, checkpoint::HIGH_WATERMARK];

/// Sets or forgets how far a log was cleaned.
async fn set_cleaned(log: &Arc<Log>, offset: Option<i64>) -> Result<(), LogError> {
    if !log.home().note_cleaned_up_to(log.partition(), offset) {
        return Ok(());
    }
    let home = Arc::clone(log.home());
    log.gate().run_long(move || home.write_cleaner_offsets()).await
}

impl Log {
    /// Renames the partition's directory. Blocks; the append mutex is held; on return the name is on the device.
    fn move_dir(&self, name: &str) -> Result<Arc<Path>, LogError> {
        self.home.check()?;
        // Writers of the files beside the segments and flushes open files by path: none may be under way.
        let (_no_flush, _no_notes) = (self.flushing.lock(), self.unsettled.lock());
        let from = self.dir_path();
        let to: Arc<Path> = self.home.path().join(name).into();
        let disk = &self.shared().disk;
        disk.rename(&from, &to)
            .and_then(|()| disk.sync_dir(self.home.path()))
            .map_err(|e| self.home.fail("renaming a partition's directory", &e))?;
        *self.dir.write() = Arc::clone(&to);
        self.home.renamed(&from, &to);
        Ok(to)
    }
}

//! Start: finds the partition directories, opens and recovers them on several threads, and says how far it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::base::{Env, TopicPartition};
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::log::checkpoint::{self, Offsets};
use crate::log::dirs::LogDirs;
use crate::log::error::StartError;
use crate::log::home::{Home, Shared};
use crate::log::names::{DirKind, parse_dir};
use crate::log::open::{CancelFlag, OpenOptions};
use crate::log::partition_log::Log;

use super::cleaning::Cleaning;
use super::{LogManager, ManagerConfig};

/// Marks a directory that was closed cleanly.
pub(super) const CLEAN_MARKER: &str = ".kafka_cleanshutdown";
/// What file systems put there.
const LOST_AND_FOUND: &str = "lost+found";
/// Kafka's own that hold no partition of ours.
const SKIPPED: [&str; 2] = ["remote-log-index-cache", "__cluster_metadata-0"];

/// One partition directory to be opened.
struct Job {
    dir: PathBuf,
    partition: TopicPartition,
    options: OpenOptions,
}

/// The work of one directory of `log.dirs`.
struct Work {
    home: Arc<Home>,
    jobs: Mutex<VecDeque<Job>>,
    left: AtomicUsize,
    total: usize,
    clean: bool,
}

impl LogManager {
    /// Opens all logs; after an unclean stop, recovers them. Blocks: call it through `Tasks::blocking`. `topic_config` gives a topic's
    /// configuration. A cancel ends it soon, with what was loaded closed cleanly.
    ///
    /// # Errors
    /// A directory that is no partition's, a partition twice, no directory left, cancelled.
    pub fn load(
        env: Env,
        dirs: LogDirs,
        config: ManagerConfig,
        topic_config: &(dyn Fn(&str) -> Arc<LogConfig> + Sync),
        cancel: &CancelFlag,
    ) -> Result<Arc<Self>, StartError> {
        let shared = Shared::new(env, dirs.disk, config.cores);
        shared.producer_expiration_ms.store(config.producer_expiration_ms, Ordering::Relaxed);
        shared.verify_transactions.store(config.verify_transactions, Ordering::Relaxed);
        let mut homes = Vec::new();
        let mut locks = Vec::new();
        for dir in dirs.dirs {
            let home = Home::new(&dir.path, &shared);
            if let Some(error) = dir.failed {
                home.fail("opening", &error);
            }
            locks.extend(dir.lock);
            homes.push(home);
        }
        let cleaning = Cleaning::new(config.cleaner.clone(), shared.env.rng.u64());
        let manager = Arc::new(Self {
            shared,
            recovery_threads: AtomicUsize::new(config.recovery_threads_per_dir.max(1)),
            config,
            homes,
            current: RwLock::new(BTreeMap::new()),
            futures: RwLock::new(BTreeMap::new()),
            changing: tokio::sync::Mutex::new(()),
            clean_before: Mutex::default(),
            loaded: Mutex::default(),
            locks: Mutex::new(locks),
            checkpointing: Mutex::new(()),
            cleaning,
            stopping: watch::Sender::new(false),
            stopped: AtomicBool::new(false),
        });
        match manager.load_all(topic_config, cancel) {
            Ok(()) => Ok(manager),
            Err(error) => {
                manager.stop_blocking();
                Err(error)
            }
        }
    }

    fn load_all(
        &self,
        topic_config: &(dyn Fn(&str) -> Arc<LogConfig> + Sync),
        cancel: &CancelFlag,
    ) -> Result<(), StartError> {
        self.finish_promotions();
        let mut works = Vec::new();
        let mut seen: BTreeMap<(TopicPartition, bool), PathBuf> = BTreeMap::new();
        for home in self.homes.iter().filter(|h| h.is_online()) {
            match self.survey(home, topic_config, &mut seen) {
                Ok(work) => works.push(work),
                Err(StartError::Io(error)) => {
                    home.fail("loading", &error);
                }
                Err(fatal) => return Err(fatal),
            }
        }
        // Only after the survey: a start that is refused leaves the marker for the next one.
        for work in works.iter().filter(|w| w.clean) {
            let marker = work.home.path().join(CLEAN_MARKER);
            self.clean_before.lock().insert(work.home.path().to_path_buf());
            if let Err(error) = self.shared.disk.remove_file(&marker) {
                work.home.fail("removing the clean marker", &error);
            }
        }
        let threads = self.recovery_threads.load(Ordering::Relaxed);
        match &self.shared.disk {
            Disk::Real => std::thread::scope(|scope| {
                for work in &works {
                    for _ in 0..threads.min(work.total) {
                        scope.spawn(|| self.work_off(work, cancel));
                    }
                }
            }),
            #[cfg(feature = "sim")]
            Disk::Sim(_) => works.iter().for_each(|work| self.work_off(work, cancel)),
        }
        if cancel.is_cancelled() {
            return Err(StartError::Cancelled);
        }
        for work in works.iter().filter(|w| w.home.is_online()) {
            self.loaded.lock().insert(work.home.path().to_path_buf());
        }
        if self.any_online() { Ok(()) } else { Err(StartError::NoUsableDir) }
    }

    /// Lists a directory: what is to be opened, with which checkpoints.
    fn survey(
        &self,
        home: &Arc<Home>,
        topic_config: &(dyn Fn(&str) -> Arc<LogConfig> + Sync),
        seen: &mut BTreeMap<(TopicPartition, bool), PathBuf>,
    ) -> Result<Work, StartError> {
        let disk = &self.shared.disk;
        let path = home.path();
        let clean = disk.exists(&path.join(CLEAN_MARKER));
        let recovery_points = read_or_none(disk, &path.join(checkpoint::RECOVERY_POINT))?;
        let log_starts = read_or_none(disk, &path.join(checkpoint::LOG_START))?;
        let mut cleaned = read_or_none(disk, &path.join(checkpoint::CLEANER))?;
        // A lost high watermark could hide data loss from consumers: there Kafka takes the directory offline.
        let high_watermarks = read(disk, &path.join(checkpoint::HIGH_WATERMARK))?;
        for file in [checkpoint::RECOVERY_POINT, checkpoint::LOG_START, checkpoint::HIGH_WATERMARK, checkpoint::CLEANER]
        {
            disk.create(&path.join(file))?; // Kafka has them all, empty at first
        }
        let mut jobs = VecDeque::new();
        for entry in disk.list(path)?.into_iter().filter(|e| e.is_dir) {
            let dir = path.join(&entry.name);
            if entry.name == LOST_AND_FOUND {
                tracing::warn!(dir = %dir.display(), "skipped");
                continue;
            }
            if SKIPPED.contains(&entry.name.as_str()) {
                continue;
            }
            let Some((partition, kind)) = parse_dir(&entry.name) else {
                return Err(StartError::ForeignDir { dir: path.to_path_buf(), name: entry.name });
            };
            match kind {
                DirKind::Delete => home.remove_later(dir, true, 0),
                DirKind::Stray => tracing::warn!(dir = %dir.display(), "a stray partition: left alone"),
                DirKind::Current | DirKind::Future => {
                    let future = kind == DirKind::Future;
                    if let Some(first) = seen.insert((partition.clone(), future), dir.clone()) {
                        return Err(StartError::DuplicatePartition { partition, first, second: dir });
                    }
                    let of = |offsets: &Offsets| offsets.get(&partition).copied().unwrap_or(0);
                    let options = OpenOptions {
                        config: topic_config(&partition.topic),
                        clean,
                        recovery_point: of(&recovery_points),
                        log_start: of(&log_starts),
                        high_watermark: of(&high_watermarks),
                        future,
                    };
                    jobs.push_back(Job { dir, partition, options });
                }
            }
        }
        let here: BTreeSet<&TopicPartition> = jobs.iter().filter(|j| !j.options.future).map(|j| &j.partition).collect();
        cleaned.retain(|partition, _| here.contains(partition));
        let files = [
            (checkpoint::RECOVERY_POINT, &recovery_points),
            (checkpoint::LOG_START, &log_starts),
            (checkpoint::HIGH_WATERMARK, &high_watermarks),
        ];
        for (file, lines) in files {
            let gone = lines.keys().filter(|partition| !here.contains(partition)).cloned();
            home.retired.lock().entry(file).or_default().extend(gone);
        }
        home.load_cleaner_offsets(cleaned);
        tracing::info!(dir = %path.display(), logs = jobs.len(), clean, "loading logs");
        if !clean && !jobs.is_empty() {
            tracing::warn!(dir = %path.display(), "no clean shutdown: logs are recovered from their recovery points");
        }
        let total = jobs.len();
        Ok(Work { home: Arc::clone(home), jobs: Mutex::new(jobs), left: AtomicUsize::new(total), total, clean })
    }

    /// Opens what is left in a directory's queue.
    fn work_off(&self, work: &Work, cancel: &CancelFlag) {
        loop {
            let job = work.jobs.lock().pop_front();
            let Some(job) = job else { return };
            if cancel.is_cancelled() || !work.home.is_online() {
                return;
            }
            match Log::open(&work.home, &job.dir, job.partition.clone(), &job.options, cancel) {
                Ok(log) => {
                    let map = if job.options.future { &self.futures } else { &self.current };
                    map.write().insert(job.partition.clone(), log);
                    let left = work.left.fetch_sub(1, Ordering::AcqRel) - 1;
                    let (dir, done) = (work.home.path().display(), work.total - left);
                    // A recovery may take long: every log is told of. Otherwise every tenth part.
                    if !job.options.clean || left == 0 || done.is_multiple_of((work.total / 10).max(1)) {
                        tracing::info!(%dir, partition = %job.partition, "loaded {done} of {} logs", work.total);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted && cancel.is_cancelled() => return,
                Err(error) => {
                    work.home.fail(&format!("loading {}", job.dir.display()), &error);
                }
            }
        }
    }
}

fn read(disk: &Disk, path: &Path) -> io::Result<Offsets> {
    let bytes = match disk.read(path, checkpoint::MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Offsets::new()),
        Err(error) => return Err(error),
    };
    checkpoint::read_offsets(&bytes)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display())))
}

/// A malformed file reads as none: then more is recovered, and starts are taken from the segments.
fn read_or_none(disk: &Disk, path: &Path) -> io::Result<Offsets> {
    match read(disk, path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            tracing::warn!("{error}; taken as empty");
            Ok(Offsets::new())
        }
        other => other,
    }
}

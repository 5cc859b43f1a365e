//! A directory of `log.dirs` as its logs see it, and what all logs of a broker share.
//!
//! A [`Home`] is online until an I/O error; then it is offline for the life of the process: its logs answer storage errors, the watch in
//! [`Shared`] tells who reacts (replicas, the broker, which halts when the last one is lost). `LogManager` makes both.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::base::{Env, TopicPartition};
use crate::disk::{Disk, FileSystem, Gate, GateLimit};

use super::cleaner::CleanerOffsets;
use super::error::LogError;

/// What all logs share.
#[derive(Debug)]
pub struct Shared {
    /// Clock, randomness, tasks.
    pub env: Env,
    /// Where files live.
    pub disk: Disk,
    /// Inline disk calls over all directories.
    pub limit: GateLimit,
    /// `producer.id.expiration.ms`, which changes at run time.
    pub producer_expiration_ms: AtomicI64,
    /// `transaction.partition.verification.enable`, which changes at run time.
    pub verify_transactions: AtomicBool,
    offline: watch::Sender<BTreeSet<PathBuf>>,
}

impl Shared {
    /// For a broker with so many cores.
    pub fn new(env: Env, disk: Disk, cores: usize) -> Arc<Self> {
        Arc::new(Self {
            env,
            disk,
            limit: GateLimit::new(cores),
            producer_expiration_ms: AtomicI64::new(DAY_MS),
            verify_transactions: AtomicBool::new(true),
            offline: watch::Sender::new(BTreeSet::new()),
        })
    }

    /// Another `producer.id.expiration.ms`.
    pub fn set_producer_expiration(&self, ms: i64) {
        self.producer_expiration_ms.store(ms, Ordering::Relaxed);
    }

    /// Another `transaction.partition.verification.enable`.
    pub fn set_verify_transactions(&self, verify: bool) {
        self.verify_transactions.store(verify, Ordering::Relaxed);
    }

    /// The directories that failed so far.
    pub fn offline(&self) -> watch::Receiver<BTreeSet<PathBuf>> {
        self.offline.subscribe()
    }

    pub(super) fn mark_offline(&self, path: &Path) {
        self.offline.send_if_modified(|all| all.insert(path.to_path_buf()));
    }
}

/// Default of `producer.id.expiration.ms`.
const DAY_MS: i64 = 86_400_000;

/// Something to remove after `file.delete.delay.ms`.
#[derive(Debug)]
struct Doomed {
    at: Instant,
    path: PathBuf,
    dir: bool,
}

/// One directory of `log.dirs`.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    gate: Gate,
    online: AtomicBool,
    reason: Mutex<Arc<str>>,
    shared: Arc<Shared>,
    /// None where many files can't be brought to the device at once.
    file_system: Option<FileSystem>,
    doomed: Mutex<Vec<Doomed>>,
    /// By checkpoint file: partitions whose logs are gone from here while the file may still have their lines.
    pub(super) retired: Mutex<BTreeMap<&'static str, BTreeSet<TopicPartition>>>,
    pub(super) cleaner_offsets: CleanerOffsets,
}

impl Home {
    /// An online directory.
    pub fn new(path: &Path, shared: &Arc<Shared>) -> Arc<Self> {
        let gate = match &shared.disk {
            Disk::Real => Gate::new(&shared.env.tasks, &shared.env.clock, shared.limit.clone()),
            #[cfg(feature = "sim")]
            Disk::Sim(_) => Gate::Sim,
        };
        Arc::new(Self {
            path: path.to_path_buf(),
            gate,
            online: AtomicBool::new(true),
            reason: Mutex::new("".into()),
            shared: Arc::clone(shared),
            file_system: shared.disk.file_system(path).ok().flatten(),
            doomed: Mutex::new(Vec::new()),
            retired: Mutex::default(),
            cleaner_offsets: CleanerOffsets::default(),
        })
    }

    /// Its path as configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What brings all that was written in it to the device in one call, where this system can.
    pub(super) fn file_system(&self) -> Option<&FileSystem> {
        self.file_system.as_ref()
    }

    /// Before its disk.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// What all directories share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// False after a failure.
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Acquire)
    }

    /// An error when the directory failed earlier.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub fn check(&self) -> Result<(), LogError> {
        if self.is_online() { Ok(()) } else { Err(self.storage_error()) }
    }

    fn storage_error(&self) -> LogError {
        LogError::Storage { dir: self.path.clone(), reason: Arc::clone(&self.reason.lock()) }
    }

    /// Takes the directory offline (once) and returns the error to answer.
    pub fn fail(&self, what: &str, error: &io::Error) -> LogError {
        {
            let mut reason = self.reason.lock();
            if reason.is_empty() {
                *reason = format!("{what}: {error}").into();
            }
        }
        if self.online.swap(false, Ordering::AcqRel) {
            tracing::error!(dir = %self.path.display(), "log directory goes offline: {what}: {error}");
            self.shared.mark_offline(&self.path);
        }
        self.storage_error()
    }

    /// Removes a file, or a directory, after a delay.
    pub fn remove_later(&self, path: PathBuf, dir: bool, delay_ms: i64) {
        let delay = Duration::from_millis(u64::try_from(delay_ms).unwrap_or(0));
        let at = self.shared.env.clock.now() + delay;
        self.doomed.lock().push(Doomed { at, path, dir });
    }

    /// A directory with files to be removed was renamed.
    pub fn renamed(&self, from: &Path, to: &Path) {
        for doomed in self.doomed.lock().iter_mut() {
            if let Ok(rest) = doomed.path.strip_prefix(from)
                && !rest.as_os_str().is_empty()
            {
                doomed.path = to.join(rest);
            }
        }
    }

    /// Removes what is due; blocks. A failure takes the directory offline.
    pub fn remove_due(&self) {
        let now = self.shared.env.clock.now();
        let due: Vec<Doomed> = {
            let mut doomed = self.doomed.lock();
            doomed.extract_if(.., |d| d.at <= now).collect()
        };
        for doomed in due {
            if !self.is_online() {
                return;
            }
            let removed = match doomed.dir {
                true => self.shared.disk.remove_dir_all(&doomed.path),
                false => self.shared.disk.remove_file(&doomed.path),
            };
            match removed {
                Ok(()) => tracing::info!(path = %doomed.path.display(), "removed"),
                Err(error) => {
                    self.fail("removing what was deleted", &error);
                }
            }
        }
    }
}

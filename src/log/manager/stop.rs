//! Stop: every log flushed and closed, checkpoints, the clean marker. A directory where anything failed gets no marker.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use crate::disk::Disk;
use crate::log::error::LogError;
use crate::log::home::Home;
use crate::log::maintain::Flush;
use crate::log::partition_log::Log;

use super::LogManager;
use super::load::CLEAN_MARKER;

/// Only its existence matters in ZooKeeper mode; the content is Kafka's.
const CLEAN_TEXT: &str = r#"{"version":0,"brokerEpoch":-1}"#;

/// From so many logs on a directory is brought to the device as a whole: one call takes less time than five for each log, but waits also
/// for what others have written to that file system.
const MANY_LOGS: usize = 64;

impl LogManager {
    /// Ends the background loops, closes all logs, writes checkpoints and clean markers, lets the locks go. Later appends are refused.
    /// Runs to its end also when the wait is dropped.
    pub async fn shutdown(self: &Arc<Self>) {
        self.stopping.send_replace(true);
        self.stop_cleaner().await;
        drop(self.changing.lock().await); // a log that is taking another's place has taken it
        let manager = Arc::clone(self);
        match self.shared.disk {
            Disk::Real => self.shared.env.tasks.blocking(move || manager.stop_blocking()).await,
            #[cfg(feature = "sim")]
            Disk::Sim(_) => {
                for home in &manager.homes {
                    let logs = manager.in_home(home);
                    for log in &logs {
                        // inline, so that a simulated run needs no other thread; what fails is found again below
                        let _ = log.close_from_lane(flush_of(home, &logs)).await;
                    }
                }
                manager.stop_blocking();
            }
        }
    }

    pub(super) fn stop_blocking(&self) {
        self.stopping.send_replace(true);
        if self.stopped.swap(true, Ordering::AcqRel) {
            return;
        }
        let homes: Vec<&Arc<Home>> = self.homes.iter().filter(|h| h.is_online()).collect();
        match &self.shared.disk {
            Disk::Real => std::thread::scope(|scope| {
                for home in homes {
                    scope.spawn(|| self.stop_home(home));
                }
            }),
            #[cfg(feature = "sim")]
            Disk::Sim(_) => homes.into_iter().for_each(|home| self.stop_home(home)),
        }
        self.locks.lock().clear();
    }

    fn stop_home(&self, home: &Arc<Home>) {
        let all = self.in_home(home);
        let flush = flush_of(home, &all);
        let logs = Mutex::new(all.clone());
        let failed = Mutex::new(false);
        let close = || {
            loop {
                let log = logs.lock().pop();
                let Some(log) = log else { return };
                if log.closed.load(Ordering::Acquire) {
                    continue;
                }
                if let Err(error) = log.close_blocking(flush) {
                    tracing::error!(partition = %log.partition(), "not closed cleanly: {error}");
                    *failed.lock() = true;
                }
            }
        };
        match &self.shared.disk {
            Disk::Real => std::thread::scope(|scope| {
                for _ in 0..self.recovery_threads.load(Ordering::Relaxed) {
                    scope.spawn(close);
                }
            }),
            #[cfg(feature = "sim")]
            Disk::Sim(_) => close(),
        }
        if *failed.lock() || !home.is_online() {
            return;
        }
        if let (Flush::WithAll, Some(file_system)) = (flush, home.file_system()) {
            let sync = || file_system.sync_all().map_err(|error| home.fail("flushing", &error));
            let flushed =
                sync().and_then(|()| all.iter().try_for_each(|log| log.confirm_flushed())).and_then(|()| sync());
            if let Err(error) = flushed {
                tracing::error!(dir = %home.path().display(), "not marked clean: {error}");
                return;
            }
        }
        let loaded = self.loaded.lock().contains(home.path());
        let clean = loaded || self.clean_before.lock().contains(home.path());
        let marked = (|| {
            if loaded {
                // Checkpoints list what is loaded: written after half a start they would forget the rest.
                self.write_checkpoints(home)?;
            }
            if clean {
                let written = self.shared.disk.replace(&home.path().join(CLEAN_MARKER), CLEAN_TEXT.as_bytes());
                written.map_err(|e| home.fail("writing the clean marker", &e))?;
            }
            Ok::<(), LogError>(())
        })();
        if let Err(error) = marked {
            tracing::error!(dir = %home.path().display(), "not marked clean: {error}");
        }
    }
}

fn flush_of(home: &Home, logs: &[Arc<Log>]) -> Flush {
    if logs.len() >= MANY_LOGS && home.file_system().is_some() { Flush::WithAll } else { Flush::Now }
}

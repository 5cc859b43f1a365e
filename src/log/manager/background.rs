//! What runs beside the requests: retention, flushes by time, checkpoints, delayed removals, expiry of producers.
//!
//! Each loop waits for its interval or the stop, works through the logs one by one, and goes on after an error: the directory is offline
//! then, the others are served.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::env::Lane;
use crate::log::notes::{self, Notes};
use crate::log::partition_log::Log;

use super::LogManager;

/// How often files that are due are removed and epoch files that are behind are written.
const TICK: Duration = Duration::from_secs(1);
/// The notes of so many logs are on their way to the device at a time.
const NOTED_AT_ONCE: usize = 512;
/// An interval above this is "never" (Kafka's default for flushes is the largest long).
const NEVER_MS: u64 = 10 * 365 * 24 * 3600 * 1000;

impl LogManager {
    /// Starts the loops; they end with [`LogManager::shutdown`].
    pub fn start_background(self: &Arc<Self>) {
        let first = self.config.initial_task_delay_ms;
        self.every("retention", first, self.config.retention_check_ms, |m| async move {
            for log in m.all().iter().filter(|l| l.is_online()) {
                // Compacted topics are the cleaner's, also where they are deleted from.
                if !log.config().cleanup.compact
                    && let Err(error) = log.delete_old_segments().await
                {
                    tracing::warn!(partition = %log.partition(), "retention: {error}");
                }
                log.cool();
            }
        });
        self.every("flush", first, self.config.flush_check_ms, |m| async move {
            for log in m.all().iter().filter(|l| l.is_online()) {
                flush_by_time(log).await;
            }
        });
        self.every("recovery points", first, self.config.recovery_checkpoint_ms, |m| async move {
            m.checkpoint_in_pool(|m, home| m.write_recovery_points(home)).await;
        });
        self.every("log starts", first, self.config.start_offset_checkpoint_ms, |m| async move {
            m.checkpoint_in_pool(|m, home| m.write_log_starts(home)).await;
        });
        let check = self.config.producer_expiration_check_ms;
        self.every("producer expiry", check, check, |m| async move {
            for log in m.all() {
                log.expire_producers().await;
            }
        });
        let tick = u64::try_from(TICK.as_millis()).unwrap_or(1000);
        self.every("removals and notes", tick, tick, |m| async move { m.tidy_up().await });
        self.start_cleaner();
    }

    /// Removes what is due and writes down topic ids and epochs that are behind.
    pub async fn tidy_up(self: &Arc<Self>) {
        for home in self.homes.iter().filter(|h| h.is_online()) {
            let here = Arc::clone(home);
            let logs: Vec<Arc<Log>> = self.in_home(home).into_iter().filter(|log| log.is_behind()).collect();
            home.gate()
                .run_long(move || {
                    here.remove_due();
                    for logs in logs.chunks(NOTED_AT_ONCE) {
                        let begun = logs.iter().try_for_each(|log| log.write_notes(Notes::Begun));
                        if let Err(error) = begun.and_then(|()| notes::settle(logs)) {
                            tracing::warn!(dir = %here.path().display(), "{error}");
                            return;
                        }
                    }
                })
                .await;
        }
    }

    fn every<F>(self: &Arc<Self>, name: &'static str, first_ms: u64, interval_ms: u64, work: fn(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if interval_ms == 0 || interval_ms > NEVER_MS {
            return;
        }
        let weak = Arc::downgrade(self);
        let mut stopping = self.stopping.subscribe();
        self.shared.env.tasks.spawn(Lane::Data, name, async move {
            let mut wait = Duration::from_millis(first_ms);
            loop {
                tokio::select! {
                    biased;
                    _ = stopping.wait_for(|stop| *stop) => return,
                    () = tokio::time::sleep(wait) => (),
                }
                let Some(manager) = weak.upgrade() else { return };
                work(manager).await;
                wait = Duration::from_millis(interval_ms);
            }
        });
    }
}

async fn flush_by_time(log: &Arc<Log>) {
    let now_ms = log.shared().env.clock.wall_ms();
    let due = now_ms.saturating_sub(log.last_flush_ms.load(Ordering::Relaxed)) >= log.config().flush_ms;
    if due
        && log.recovery_point() < log.leo()
        && let Err(error) = log.flush().await
    {
        tracing::warn!(partition = %log.partition(), "flush: {error}");
    }
}

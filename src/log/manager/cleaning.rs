//! The cleaner's threads: each takes the dirtiest log that is due, cleans it, deletes what compacted topics may lose, and pauses when there
//! was nothing. Kafka's `LogCleaner` and `LogCleanerManager`.
//!
//! A log that can't be cleaned is marked uncleanable until the next start, and told of; the others go on. A thread that is no longer wanted
//! (`log.cleaner.threads` went down) gives up its pass and rests.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::base::TopicPartition;
use crate::base::env::{Clock, Lane};
use crate::base::notified::until_found;
use crate::config::LogConfig;
use crate::log::cleaner::pick::{self, Cleanable, LogFacts, Reset, SegmentFacts};
use crate::log::cleaner::{self, CleanerConfig, CleanerStats, CleanerStatus, Stop, Throttle};
use crate::log::error::LogError;
use crate::log::partition_log::Log;

use super::LogManager;

/// Target of the lines of `log-cleaner.log` (`config::loggers`).
const LOGGER: &str = "ottla::log::cleaner";
/// What a pass reads and writes between two looks around when nothing holds it back.
const STEP_BYTES: u64 = 4 << 20;
/// With a throttle: the steps a second.
const THROTTLED_STEPS: f64 = 4.0;

/// What the threads share.
#[derive(Debug)]
pub(super) struct Cleaning {
    config: watch::Sender<CleanerConfig>,
    state: Mutex<State>,
    throttle: Throttle,
    /// One choice at a time, so that no two threads take the same log.
    picking: tokio::sync::Mutex<()>,
    /// A pass has ended.
    ended: tokio::sync::Notify,
    threads: Mutex<Vec<JoinHandle<()>>>,
    seed: u64,
}

#[derive(Debug, Default)]
struct State {
    in_progress: BTreeSet<TopicPartition>,
    uncleanable: BTreeMap<TopicPartition, Uncleanable>,
    last: BTreeMap<usize, CleanerStats>,
    /// What the last look at all logs found.
    seen: Option<Seen>,
}

/// A log that is left alone.
#[derive(Debug)]
struct Uncleanable {
    dir: PathBuf,
    why: String,
    /// Dirty bytes at the last look.
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    /// Share of dirty bytes of the dirtiest log.
    max_ratio: f64,
    /// The longest that a record has been overdue.
    max_delay_ms: i64,
}

impl Cleaning {
    pub(super) fn new(config: CleanerConfig, seed: u64) -> Self {
        Self {
            config: watch::Sender::new(config),
            state: Mutex::default(),
            throttle: Throttle::default(),
            picking: tokio::sync::Mutex::new(()),
            ended: tokio::sync::Notify::new(),
            threads: Mutex::default(),
            seed,
        }
    }

    /// Waits until no pass over the partition's log is under way. The caller has seen to it that none begins, and that one that runs
    /// gives up.
    pub(super) async fn end_of_pass(&self, partition: &TopicPartition) {
        until_found(&self.ended, || (!self.state.lock().in_progress.contains(partition)).then_some(())).await;
    }
}

/// A log that a thread has taken; given back when it goes.
struct Claim<'a> {
    cleaning: &'a Cleaning,
    log: Arc<Log>,
    plan: Cleanable,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.cleaning.state.lock().in_progress.remove(self.log.partition());
        self.cleaning.ended.notify_waiters();
    }
}

/// What a pass asks between its steps.
struct Thread<'a> {
    index: usize,
    manager: &'a LogManager,
    cleaning: &'a Cleaning,
    partition: &'a TopicPartition,
    stopping: watch::Receiver<bool>,
    clock: Clock,
}

impl cleaner::Watch for Thread<'_> {
    fn is_stopped(&self) -> bool {
        *self.stopping.borrow()
            || self.index >= self.cleaning.config.borrow().threads
            || self.manager.is_moving(self.partition)
    }

    fn budget(&self) -> u64 {
        let rate = self.cleaning.config.borrow().max_bytes_per_second;
        ((rate / THROTTLED_STEPS) as u64).clamp(1, STEP_BYTES)
    }

    fn pace(&self, bytes: u64) -> Duration {
        let rate = self.cleaning.config.borrow().max_bytes_per_second;
        self.cleaning.throttle.pace(bytes, rate, self.clock.now())
    }
}

impl LogManager {
    /// A new configuration of the cleaner, in effect at once; `enabled` stays as it was at start.
    pub fn reconfigure_cleaner(self: &Arc<Self>, config: CleanerConfig) {
        let changed = self.cleaning.config.send_if_modified(|current| {
            let config = CleanerConfig { enabled: current.enabled, ..config };
            let changed = *current != config;
            *current = config;
            changed
        });
        if changed && self.cleaning.config.borrow().enabled && !self.cleaning.threads.lock().is_empty() {
            self.start_cleaner();
        }
    }

    /// Starts the threads that are missing.
    pub(super) fn start_cleaner(self: &Arc<Self>) {
        let config = self.cleaning.config.borrow().clone();
        if !config.enabled {
            return;
        }
        let mut threads = self.cleaning.threads.lock();
        for index in threads.len()..config.threads {
            let thread = Self::cleaner_thread(
                Arc::downgrade(self),
                index,
                self.stopping.subscribe(),
                self.cleaning.config.subscribe(),
            );
            threads.push(self.shared.env.tasks.spawn(Lane::Data, "log cleaner", thread));
        }
    }

    /// Waits until all threads have given up their passes, which they do once `stopping` says so.
    pub(super) async fn stop_cleaner(&self) {
        let threads = std::mem::take(&mut *self.cleaning.threads.lock());
        for thread in threads {
            let _ = thread.await; // one that panicked has stopped too
        }
    }

    async fn cleaner_thread(
        weak: Weak<Self>,
        index: usize,
        mut stopping: watch::Receiver<bool>,
        mut config: watch::Receiver<CleanerConfig>,
    ) {
        loop {
            let now = config.borrow_and_update().clone();
            let cleaned = if index < now.threads {
                let Some(manager) = weak.upgrade() else { return };
                let cleaned = manager.clean_dirtiest(index).await;
                manager.delete_from_compacted().await;
                cleaned
            } else {
                false
            };
            let pause = match cleaned {
                true => Duration::ZERO,
                false => Duration::from_millis(now.backoff_ms),
            };
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return,
                changed = config.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(pause) => (),
            }
        }
    }

    /// Cleans the dirtiest log that is due. True when one was cleaned to its end. `thread` counts from 0.
    pub async fn clean_dirtiest(self: &Arc<Self>, thread: usize) -> bool {
        let Some(claim) = self.claim_dirtiest().await else { return false };
        let Claim { log, plan, .. } = &claim;
        let (name, from) = (log.partition(), plan.first_dirty);
        let config = self.cleaning.config.borrow().pass(self.cleaning.seed);
        let watch = Thread {
            index: thread,
            manager: self,
            cleaning: &self.cleaning,
            partition: name,
            stopping: self.stopping.subscribe(),
            clock: self.shared.env.clock.clone(),
        };
        tracing::info!(target: LOGGER, "Cleaner {thread}: Beginning cleaning of log {name}.");
        let pass = AssertUnwindSafe(cleaner::clean(log, plan, &config, &watch)).catch_unwind().await;
        let stop = match pass {
            Ok(Ok(done)) => {
                self.cleaning.state.lock().last.insert(thread, done.stats);
                tell(thread, log, from, &done);
                return true;
            }
            Ok(Err(stop)) => stop,
            Err(_) => Stop::Broken("the cleaner panicked".into()),
        };
        match stop {
            Stop::Aborted => tracing::info!(target: LOGGER, "Cleaner {thread}: Cleaning of log {name} was given up."),
            Stop::Storage => (), // the directory told of it
            Stop::Broken(why) => self.mark_uncleanable(log, &why),
        }
        false
    }

    fn mark_uncleanable(&self, log: &Log, why: &str) {
        tracing::warn!(
            target: LOGGER,
            "Unexpected error when cleaning log {}: {why}. Marking its partition ({0}) as uncleanable",
            log.partition()
        );
        let entry = Uncleanable { dir: log.dir(), why: why.to_string(), bytes: 0 };
        self.cleaning.state.lock().uncleanable.insert(log.partition().clone(), entry);
    }

    /// Chooses, and takes, the dirtiest log.
    async fn claim_dirtiest(self: &Arc<Self>) -> Option<Claim<'_>> {
        let _picking = self.cleaning.picking.lock().await;
        let logs = self.compacted(|state, log| !state.in_progress.contains(log.partition()));
        let gate = self.homes.iter().find(|home| home.is_online())?.gate().clone();
        let here = Arc::clone(self);
        // Sizes and times may have to be read.
        let mut found = gate
            .run_long(move || {
                here.look_at_uncleanable();
                here.survey_dirt(logs)
            })
            .await;
        let seen = Seen {
            at: self.shared.env.clock.now(),
            max_ratio: found.iter().map(|(_, plan, _)| plan.ratio()).fold(0.0, f64::max),
            max_delay_ms: found.iter().map(|(_, plan, _)| plan.delay_ms).max().unwrap_or(0),
        };
        let best = pick::dirtiest(found.iter().map(|(_, plan, config)| (plan, &**config)));
        let mut state = self.cleaning.state.lock();
        state.seen = Some(seen);
        let (log, plan, _) = found.swap_remove(best?);
        state.in_progress.insert(log.partition().clone());
        drop(state);
        let claim = Claim { cleaning: &self.cleaning, log, plan };
        // A move that began after the look around waits for the end of what it finds in progress: one of both sees the other.
        (!self.is_moving(claim.log.partition())).then_some(claim)
    }

    /// Current logs of compacted topics that are neither uncleanable, nor being moved, nor on a failed directory.
    fn compacted(&self, also: impl Fn(&State, &Log) -> bool) -> Vec<Arc<Log>> {
        let mut logs = self.logs();
        logs.retain(|log| !self.is_moving(log.partition()));
        let state = self.cleaning.state.lock();
        logs.into_iter()
            .filter(|log| log.config().cleanup.compact && log.is_online())
            .filter(|log| !state.uncleanable.contains_key(log.partition()) && also(&state, log))
            .collect()
    }

    /// Logs that were deleted or moved are no longer uncleanable; of the others the dirty bytes are counted. Blocks.
    fn look_at_uncleanable(&self) {
        let marked: Vec<TopicPartition> = self.cleaning.state.lock().uncleanable.keys().cloned().collect();
        for partition in marked {
            let log = self.get(&partition);
            let dirt = log.as_ref().and_then(|log| dirt_of(log, &log.config(), self.shared.env.clock.wall_ms()).ok());
            let dir = log.map(|log| log.dir());
            let mut state = self.cleaning.state.lock();
            let Some(entry) = state.uncleanable.get_mut(&partition) else { continue };
            entry.bytes = dirt.map_or(0, |plan| plan.cleanable_bytes);
            if Some(&entry.dir) != dir.as_ref() {
                state.uncleanable.remove(&partition);
            }
        }
    }

    /// What could be cleaned of each log. Blocks.
    fn survey_dirt(&self, logs: Vec<Arc<Log>>) -> Vec<(Arc<Log>, Cleanable, Arc<LogConfig>)> {
        let now_ms = self.shared.env.clock.wall_ms();
        let mut found = Vec::with_capacity(logs.len());
        for log in logs {
            let config = log.config();
            match dirt_of(&log, &config, now_ms) {
                Ok(plan) => found.push((log, plan, config)),
                Err(LogError::Corrupt { reason, .. }) => self.mark_uncleanable(&log, &reason),
                Err(error) => tracing::debug!(target: LOGGER, "log {}: {error}", log.partition()),
            }
        }
        found
    }

    /// Retention for compacted topics: by age and size where the policy says `delete` too, and what lies below the log's start.
    async fn delete_from_compacted(self: &Arc<Self>) {
        for log in self.compacted(|state, log| !state.in_progress.contains(log.partition())) {
            if *self.stopping.borrow() {
                return;
            }
            if let Err(error) = log.delete_old_segments().await {
                tracing::debug!(target: LOGGER, "retention of log {}: {error}", log.partition());
            }
        }
    }

    /// The partitions that are not cleaned any more until the next start, and why.
    pub fn uncleanable(&self) -> Vec<(TopicPartition, String)> {
        let state = self.cleaning.state.lock();
        state.uncleanable.iter().map(|(partition, entry)| (partition.clone(), entry.why.clone())).collect()
    }

    /// How the cleaner stands.
    pub fn cleaner_status(&self) -> CleanerStatus {
        let dead_threads = match *self.stopping.borrow() {
            true => 0,
            false => self.cleaning.threads.lock().iter().filter(|thread| thread.is_finished()).count(),
        };
        let now = self.shared.env.clock.now();
        let state = self.cleaning.state.lock();
        let last: Vec<CleanerStats> = state.last.values().copied().collect();
        let of_dir = |dir: &Path| {
            let here = state.uncleanable.values().filter(|entry| entry.dir == dir);
            here.fold((dir.to_path_buf(), 0, 0), |(dir, count, bytes), entry| (dir, count + 1, bytes + entry.bytes))
        };
        let since = |seen: Seen| u64::try_from(now.duration_since(seen.at).as_millis()).unwrap_or(u64::MAX);
        CleanerStatus {
            dead_threads,
            max_compaction_delay_secs: state.seen.map_or(0, |s| s.max_delay_ms.max(0).cast_unsigned() / 1000),
            max_dirty_percent: state.seen.map_or(0, |s| (100.0 * s.max_ratio) as u64),
            since_last_run_ms: state.seen.map_or(0, since),
            uncleanable: self.homes.iter().map(|home| of_dir(home.path())).collect(),
            ..CleanerStatus::of_passes(&last)
        }
    }

    /// Up to where a partition's log was cleaned, as `cleaner-offset-checkpoint` says.
    pub fn cleaned_up_to(&self, partition: &TopicPartition) -> Option<i64> {
        self.get(partition).and_then(|log| log.home().cleaned_up_to(partition))
    }

    /// Counts of each thread's last pass.
    pub fn cleaner_stats(&self) -> Vec<CleanerStats> {
        self.cleaning.state.lock().last.values().copied().collect()
    }
}

/// What could be cleaned of one log; a checkpoint that does not fit is set right.
fn dirt_of(log: &Arc<Log>, config: &LogConfig, now_ms: i64) -> Result<Cleanable, LogError> {
    log.check_open()?;
    let segments = log.segments.load_full();
    let facts = log.with_place(|place| {
        let facts = segments.iter().map(|segment| {
            Ok(SegmentFacts {
                base_offset: segment.base_offset(),
                bytes: segment.size(),
                largest_timestamp_ms: match config.min_compaction_lag_ms {
                    ..=0 => -1,
                    _ => segment.largest_timestamp(place)?,
                },
                first_timestamp_ms: match config.max_compaction_lag_ms {
                    i64::MAX => -1,
                    _ => segment.first_timestamp()?.unwrap_or(-1),
                },
            })
        });
        facts.collect::<std::io::Result<Vec<_>>>()
    });
    let facts = facts.map_err(|e| log.read_error(&e))?;
    let found = LogFacts {
        segments: &facts,
        config,
        start_offset: log.start_offset(),
        end_offset: log.leo.load(Ordering::Acquire),
        last_stable_offset: log.last_stable_offset(),
        cleaned_up_to: log.home().cleaned_up_to(log.partition()),
    };
    let plan = pick::cleanable(&found, now_ms);
    if let Some(reset) = plan.reset {
        let usual = reset == Reset::BelowStart && config.cleanup.delete; // retention went ahead of the cleaner
        if !usual {
            tracing::warn!(
                target: LOGGER,
                "Resetting first dirty offset of {} to log start offset {} since the checkpointed offset {} is invalid.",
                log.partition(),
                plan.first_dirty,
                found.cleaned_up_to.unwrap_or(-1)
            );
        }
        if log.home().note_cleaned_up_to(log.partition(), Some(plan.first_dirty)) {
            log.home().write_cleaner_offsets()?;
        }
    }
    Ok(plan)
}

/// The line of a finished pass.
fn tell(thread: usize, log: &Log, from: i64, done: &cleaner::Cleaned) {
    let stats = &done.stats;
    let mb = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let seconds = |ms: u64| ms as f64 / 1000.0;
    tracing::info!(
        target: LOGGER,
        "Log cleaner thread {thread} cleaned log {} (dirty section = [{from}, {}]): {:.1} MB indexed in {:.1} seconds, {:.1} MB read and \
         {:.1} MB written in {:.1} seconds, {} of {} records kept, buffer utilization {:.1}%",
        log.partition(),
        done.end,
        mb(stats.map_bytes_read),
        seconds(stats.map_ms),
        mb(stats.bytes_read),
        mb(stats.bytes_written),
        seconds(stats.elapsed_ms.saturating_sub(stats.map_ms)),
        stats.records_kept,
        stats.records_read,
        100.0 * stats.buffer_utilization,
    );
}

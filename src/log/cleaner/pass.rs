//! One pass over one log: the map, then group after group, each swapped in when it is on the device, then the checkpoint.
//!
//! The blocking steps run in the disk pool; between them the pass asks its [`Watch`] whether to wait (throttle) or to stop. It holds no
//! lock while it reads and writes; what happens to the log meanwhile is found out at the swap ([`Log::swap_in`]).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::log::error::LogError;
use crate::log::names::CLEANED;
use crate::log::partition_log::Log;
use crate::log::segment::Segment;
use crate::record::RecordError;

use super::copy::{Copy, CopyRules};
use super::groups::{SegmentSizes, group_segments};
use super::map_build::{MapBuild, Step};
use super::offset_map::OffsetMap;
use super::pick::Cleanable;
use super::stats::CleanerStats;

/// Why a pass ended early.
#[derive(Debug)]
pub enum Stop {
    /// The log changed, was closed, or the cleaner was told to stop: another pass may do.
    Aborted,
    /// The directory is offline.
    Storage,
    /// The log can't be cleaned as it is.
    Broken(String),
}

impl Stop {
    /// What a failed read means: bytes that are no batch make the log uncleanable, anything else the directory unusable, unless the log
    /// is no longer there to be read.
    pub fn of_read(log: &Log, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof if log.check_open().is_ok() => {
                Stop::Broken(error.to_string())
            }
            _ => Self::of_write(log, error),
        }
    }

    /// What a failed write means. A full disk is no reason to lose the directory: what is being written is a copy, and goes again.
    pub fn of_write(log: &Log, error: &io::Error) -> Self {
        if log.check_open().is_err() {
            return Stop::Aborted; // its directory has another name, or is gone
        }
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            tracing::warn!("no room to clean log {}: {error}", log.partition());
            return Stop::Aborted;
        }
        log.home().fail("cleaning a log", error);
        Stop::Storage
    }

    /// A batch that can't be read or written.
    pub fn of_record(log: &Log, error: &RecordError) -> Self {
        if log.check_open().is_ok() { Stop::Broken(error.to_string()) } else { Stop::Aborted }
    }

    fn of_log(error: &LogError) -> Self {
        match error {
            LogError::Storage { .. } => Stop::Storage,
            LogError::Corrupt { .. } => Stop::Broken(error.to_string()),
            _ => Stop::Aborted,
        }
    }
}

/// How a pass reads and how much memory it takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PassConfig {
    /// Memory of the map.
    pub map_bytes: usize,
    /// How full it may get, of 1.
    pub load_factor: f64,
    /// Bytes read, and written, at a time.
    pub window_bytes: usize,
    /// Seed of the hashes of keys.
    pub seed: u64,
}

/// What a pass asks between its steps.
pub trait Watch {
    /// True when the pass is to be given up.
    fn is_stopped(&self) -> bool;
    /// Bytes that the next step may read and write.
    fn budget(&self) -> u64;
    /// How long to wait after so many bytes.
    fn pace(&self, bytes: u64) -> Duration;
}

/// A pass that came to its end.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cleaned {
    /// Everything below was cleaned.
    pub end: i64,
    /// Counts.
    pub stats: CleanerStats,
}

/// Cleans a log as `plan` says, and writes the checkpoint.
///
/// # Errors
/// Why it ended before; what was swapped in by then stays, and the next pass does it again.
pub async fn clean<W: Watch>(
    log: &Arc<Log>,
    plan: &Cleanable,
    config: &PassConfig,
    watch: &W,
) -> Result<Cleaned, Stop> {
    let clock = log.shared().env.clock.clone();
    let (began, now_ms) = (clock.now(), clock.wall_ms());
    let cuts = log.cuts.load(Ordering::Acquire);
    let elapsed_ms = || u64::try_from(clock.now().duration_since(began).as_millis()).unwrap_or(u64::MAX);
    let (first_dirty, upper_bound) = (plan.first_dirty, plan.first_uncleanable);

    let map = OffsetMap::new(config.map_bytes, config.load_factor, first_dirty, upper_bound - first_dirty, config.seed);
    if map.is_useless() {
        let text = "the offset map does not hold a single key: raise log.cleaner.dedupe.buffer.size or lower log.cleaner.threads";
        return Err(Stop::Broken(text.into()));
    }
    let (here, window_bytes) = (Arc::clone(log), config.window_bytes);
    let opened = log.gate().run_long(move || {
        remove_leftovers(&here).map_err(|e| Stop::of_write(&here, &e))?;
        MapBuild::new(&here, first_dirty, upper_bound, map, window_bytes)
    });
    let mut build = opened.await?;
    let mut stats = CleanerStats::default();
    loop {
        let budget = watch.budget();
        let (back, step) = log
            .gate()
            .run_background(move || {
                let step = build.step(budget);
                (build, step)
            })
            .await;
        build = back;
        let Step { bytes, done } = step?;
        stats.map_bytes_read += bytes;
        pause(log, watch, bytes).await?;
        if done {
            break;
        }
    }
    let map = build.map;
    let end = map.latest_offset() + 1;
    stats.map_ms = elapsed_ms();
    stats.buffer_utilization = map.utilization();
    stats.map_memory_bytes = map.memory_bytes();

    let here = Arc::clone(log);
    let (groups, old_tombstones_ms) = log
        .gate()
        .run_long(move || {
            Ok::<_, io::Error>((groups(&here, end, upper_bound)?, old_tombstones_ms(&here, first_dirty)?))
        })
        .await
        .map_err(|e| Stop::of_read(log, &e))?;
    let new_horizon_ms = now_ms.saturating_add(log.config().delete_retention_ms);
    let rules = CopyRules { now_ms, new_horizon_ms, old_tombstones_ms, upper_bound, window_bytes };
    let mut copy = Copy::new(log, map, rules, stats);
    for group in groups {
        let (back, copied) = clean_group(log, copy, group, cuts, watch).await;
        copy = back;
        if let Err(stop) = copied {
            log.gate().run_long(move || copy.discard()).await;
            return Err(stop);
        }
    }
    copy.stats.elapsed_ms = elapsed_ms();
    let stats = copy.stats;
    // Under the append mutex: a truncation comes before, and is seen, or after, and lowers it again. The file is written when appends
    // may go on.
    if !log.lock().await.run(move |log, _| log.note_cleaned(end, cuts)).await {
        return Err(Stop::Aborted);
    }
    let here = Arc::clone(log);
    match log.gate().run_long(move || here.home().write_cleaner_offsets()).await {
        Ok(()) => Ok(Cleaned { end, stats }),
        Err(error) => Err(Stop::of_log(&error)),
    }
}

/// Copies one group and swaps it in.
async fn clean_group<W: Watch>(
    log: &Arc<Log>,
    mut copy: Copy,
    sources: Vec<Arc<Segment>>,
    cuts: u64,
    watch: &W,
) -> (Copy, Result<(), Stop>) {
    let producers = log.last_records().await;
    let (back, begun) = log
        .gate()
        .run_long(move || {
            let begun = copy.begin(sources, producers);
            (copy, begun)
        })
        .await;
    copy = back;
    if let Err(stop) = begun {
        return (copy, Err(stop));
    }
    loop {
        let budget = watch.budget();
        let (back, step) = log
            .gate()
            .run_background(move || {
                let step = copy.step(budget);
                (copy, step)
            })
            .await;
        copy = back;
        let step = match step {
            Ok(step) => pause(log, watch, step.bytes).await.map(|()| step),
            stop => stop,
        };
        match step {
            Ok(Step { done: true, .. }) => break,
            Ok(_) => (),
            Err(stop) => return (copy, Err(stop)),
        }
    }
    let (back, finished) = log
        .gate()
        .run_long(move || {
            let finished = copy.finish();
            (copy, finished)
        })
        .await;
    copy = back;
    let sources = match finished {
        Ok(sources) => sources,
        Err(stop) => return (copy, Err(stop)),
    };
    let swapped = log.lock().await.run(move |log, _| log.swap_in(&sources, cuts)).await;
    let swapped = match swapped {
        Ok(true) => {
            copy.swapped();
            let here = Arc::clone(log);
            log.gate().run_long(move || here.sync_names().map_err(|e| Stop::of_write(&here, &e))).await
        }
        Ok(false) => Err(Stop::Aborted),
        Err(error) => Err(Stop::of_log(&error)),
    };
    (copy, swapped)
}

/// Removes what an earlier pass could not: a start that finds a `.cleaned` file beside a `.swap` file takes both for unfinished.
fn remove_leftovers(log: &Log) -> io::Result<()> {
    let (dir, disk) = (log.dir_path(), &log.shared().disk);
    let names = disk.list(&dir)?;
    names.iter().filter(|e| e.name.ends_with(CLEANED)).try_for_each(|e| disk.remove_file(&dir.join(&e.name)))
}

/// Between two steps.
async fn pause<W: Watch>(log: &Log, watch: &W, bytes: u64) -> Result<(), Stop> {
    let stopped = || watch.is_stopped() || log.check_open().is_err();
    let mut wait = watch.pace(bytes);
    while !stopped() && !wait.is_zero() {
        let nap = wait.min(NAP);
        tokio::time::sleep(nap).await;
        wait -= nap;
    }
    if stopped() { Err(Stop::Aborted) } else { Ok(()) }
}

/// The longest that a throttled pass does not look up.
const NAP: Duration = Duration::from_millis(100);

/// The segments below `end`, in groups.
fn groups(log: &Arc<Log>, end: i64, upper_bound: i64) -> io::Result<Vec<Vec<Arc<Segment>>>> {
    let segments = log.segments.load_full();
    let closed = &segments[..segments.len() - 1];
    let closed = &closed[..closed.partition_point(|s| s.base_offset() < end)];
    let sizes = closed
        .iter()
        .map(|segment| {
            let (index_bytes, time_index_bytes) = log.with_place(|place| segment.index_bytes(place))?;
            Ok(SegmentSizes {
                base_offset: segment.base_offset(),
                log_bytes: segment.size(),
                index_bytes,
                time_index_bytes,
            })
        })
        .collect::<io::Result<Vec<_>>>()?;
    let config = log.config();
    let most = |n: i32| u64::try_from(n).unwrap_or(0);
    let mut rest = closed;
    let lens = group_segments(&sizes, most(config.segment_bytes), most(config.segment_index_bytes), upper_bound);
    Ok(lens
        .into_iter()
        .map(|len| {
            let (group, after) = rest.split_at(len);
            rest = after;
            group.to_vec()
        })
        .collect())
}

/// Tombstones of formats 0 and 1 go from segments that are not newer than this: `delete.retention.ms` before the newest clean one.
fn old_tombstones_ms(log: &Arc<Log>, first_dirty: i64) -> io::Result<i64> {
    let segments = log.segments.load_full();
    let clean = segments.partition_point(|s| s.base_offset() < first_dirty);
    match segments[..clean].last() {
        Some(last) => Ok(last.file().modified_ms()?.saturating_sub(log.config().delete_retention_ms)),
        None => Ok(0),
    }
}

impl Log {
    /// Takes down, in memory, that everything below `end` was cleaned. False when the log was cut meanwhile, closed, or has no directory
    /// any more. The append mutex is held.
    fn note_cleaned(&self, end: i64, cuts: u64) -> bool {
        if self.check_open().is_err() || self.cuts.load(Ordering::Acquire) != cuts {
            return false;
        }
        self.home.note_cleaned_up_to(&self.partition, Some(end));
        true
    }
}

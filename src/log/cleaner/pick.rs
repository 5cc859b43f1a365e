//! Which part of a log may be cleaned, and which log is dirtiest. Pure: facts of each log in, a choice out.
//!
//! Kafka's `LogCleanerManager.cleanableOffsets`, `calculateCleanableBytes`, `maxCompactionDelay` and `grabFilthiestCompactedLog`.

use crate::config::LogConfig;

/// A segment as the choice sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentFacts {
    /// First offset it may have.
    pub base_offset: i64,
    /// Its bytes.
    pub bytes: u64,
    /// Largest timestamp of its records, or of the file. Only asked where there is a minimum lag.
    pub largest_timestamp_ms: i64,
    /// Largest timestamp of its first batch, -1 unknown. Only asked where there is a maximum lag.
    pub first_timestamp_ms: i64,
}

/// A log as the choice sees it.
#[derive(Clone, Debug)]
pub struct LogFacts<'a> {
    /// Ascending; the last one is active.
    pub segments: &'a [SegmentFacts],
    /// Its configuration.
    pub config: &'a LogConfig,
    /// First offset that may be read.
    pub start_offset: i64,
    /// The offset that the next record gets.
    pub end_offset: i64,
    /// Below it everything is decided and replicated.
    pub last_stable_offset: i64,
    /// From the checkpoint: everything below was cleaned.
    pub cleaned_up_to: Option<i64>,
}

/// What could be cleaned of a log.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cleanable {
    /// First offset that was not cleaned yet.
    pub first_dirty: i64,
    /// Base of the first segment that may not be cleaned.
    pub first_uncleanable: i64,
    /// Bytes of segments below the dirty section.
    pub clean_bytes: u64,
    /// Bytes of the dirty section.
    pub cleanable_bytes: u64,
    /// How long a record has been waiting beyond `max.compaction.lag.ms`; 0 when none has.
    pub delay_ms: i64,
    /// Why the checkpoint did not hold; it is to be set to `first_dirty`.
    pub reset: Option<Reset>,
}

/// A checkpoint that does not fit its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reset {
    /// It lies below the log's start: records were deleted.
    BelowStart,
    /// It lies above the log's end: the log lost its end.
    AboveEnd,
}

impl Cleanable {
    /// Share of dirty bytes, of 1; 0 in an empty log.
    pub fn ratio(&self) -> f64 {
        match self.clean_bytes + self.cleanable_bytes {
            0 => 0.0,
            all => self.cleanable_bytes as f64 / all as f64,
        }
    }

    /// True when it is worth it: more dirty than `min.cleanable.dirty.ratio`, or overdue.
    pub fn is_due(&self, config: &LogConfig) -> bool {
        let overdue = self.delay_ms > 0 && self.cleanable_bytes > 0;
        self.clean_bytes + self.cleanable_bytes > 0 && (overdue || self.ratio() > config.min_cleanable_dirty_ratio)
    }
}

/// What could be cleaned of a log at the wall time `now_ms`.
pub fn cleanable(log: &LogFacts<'_>, now_ms: i64) -> Cleanable {
    let (first_dirty, reset) = match log.cleaned_up_to.unwrap_or(log.start_offset) {
        offset if offset < log.start_offset => (log.start_offset, Some(Reset::BelowStart)),
        offset if offset > log.end_offset => (log.start_offset, Some(Reset::AboveEnd)),
        offset => (offset, None),
    };
    let (closed, active_base) = match log.segments.split_last() {
        Some((active, closed)) => (closed, active.base_offset),
        None => (&[][..], first_dirty),
    };
    let dirty = &closed[containing(closed, first_dirty)..];
    let dirty = if first_dirty > active_base { &[] } else { dirty };
    let min_lag_ms = log.config.min_compaction_lag_ms.max(0);
    let young = dirty.iter().find(|s| min_lag_ms > 0 && s.largest_timestamp_ms > now_ms.saturating_sub(min_lag_ms));
    let uncleanable = log.last_stable_offset.min(active_base).min(young.map_or(i64::MAX, |s| s.base_offset));
    let uncleanable = uncleanable.max(first_dirty);
    // Segments are cleaned whole: the one that holds that offset is the first that is not.
    let first_uncleanable = match uncleanable {
        offset if offset >= active_base => active_base,
        offset => closed.get(containing(closed, offset)).map_or(active_base, |s| s.base_offset),
    };
    let from = first_dirty.min(first_uncleanable);
    let sum = |segments: &[SegmentFacts]| segments.iter().map(|s| s.bytes).sum();
    let below = |offset| log.segments.partition_point(|s| s.base_offset < offset);
    let cleanable = match from == first_uncleanable {
        true => &[],
        false => &log.segments[containing(log.segments, from)..below(first_uncleanable)],
    };
    let until_ms = now_ms.saturating_sub(log.config.max_compaction_lag_ms.max(0));
    let oldest_ms = dirty.iter().map(|s| s.first_timestamp_ms).filter(|t| *t > 0).min().unwrap_or(i64::MAX);
    Cleanable {
        first_dirty,
        first_uncleanable,
        clean_bytes: sum(&log.segments[..below(first_dirty)]),
        cleanable_bytes: sum(cleanable),
        delay_ms: until_ms.saturating_sub(oldest_ms).max(0),
        reset,
    }
}

/// Index of the segment that holds an offset: the last one that starts at or below it, the first one when none does.
pub fn containing(segments: &[SegmentFacts], offset: i64) -> usize {
    segments.partition_point(|s| s.base_offset <= offset).saturating_sub(1)
}

/// The dirtiest of the logs that are due, by index; of equally dirty ones the first.
pub fn dirtiest<'a>(logs: impl IntoIterator<Item = (&'a Cleanable, &'a LogConfig)>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (i, (cleanable, config)) in logs.into_iter().enumerate() {
        if cleanable.is_due(config) && best.is_none_or(|(_, ratio)| cleanable.ratio() > ratio) {
            best = Some((i, cleanable.ratio()));
        }
    }
    best.map(|(i, _)| i)
}

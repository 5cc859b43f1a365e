//! What a pass did, and how the cleaner stands: for the log line and the metrics.

use std::path::PathBuf;

/// Counts of one pass over one log.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct CleanerStats {
    /// Bytes read for the map.
    pub map_bytes_read: u64,
    /// Bytes read of the segments that were cleaned.
    pub bytes_read: u64,
    /// Bytes of the segments that took their place.
    pub bytes_written: u64,
    /// Records read of the segments that were cleaned.
    pub records_read: u64,
    /// Records kept.
    pub records_kept: u64,
    /// Share of the map that was used, of 1.
    pub buffer_utilization: f64,
    /// Memory of the map in bytes.
    pub map_memory_bytes: usize,
    /// Time for the map in ms.
    pub map_ms: u64,
    /// Time for all of it in ms.
    pub elapsed_ms: u64,
}

/// How the cleaner stands, in the numbers of Kafka's metrics (`kafka.log:type=LogCleaner` and `LogCleanerManager`).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CleanerStatus {
    /// `max-buffer-utilization-percent`: of the threads' last passes.
    pub max_buffer_utilization_percent: u64,
    /// `cleaner-recopy-percent`: bytes written of bytes read, over the threads' last passes.
    pub recopy_percent: u64,
    /// `max-clean-time-secs`: of the threads' last passes.
    pub max_clean_time_secs: u64,
    /// `max-compaction-delay-secs`: how long beyond `max.compaction.lag.ms` a record has waited, at the last look.
    pub max_compaction_delay_secs: u64,
    /// `DeadThreadCount`.
    pub dead_threads: usize,
    /// `max-dirty-percent`: of the dirtiest log at the last look.
    pub max_dirty_percent: u64,
    /// `time-since-last-run-ms`: since a thread last looked.
    pub since_last_run_ms: u64,
    /// By directory: `uncleanable-partitions-count` and `uncleanable-bytes`.
    pub uncleanable: Vec<(PathBuf, usize, u64)>,
}

impl CleanerStatus {
    /// With what the threads' last passes say.
    pub fn of_passes(last: &[CleanerStats]) -> Self {
        let read: u64 = last.iter().map(|s| s.bytes_read).sum();
        let written: u64 = last.iter().map(|s| s.bytes_written).sum();
        Self {
            max_buffer_utilization_percent: (100.0 * last.iter().map(|s| s.buffer_utilization).fold(0.0, f64::max))
                as u64,
            recopy_percent: written.saturating_mul(100) / read.max(1),
            max_clean_time_secs: last.iter().map(|s| s.elapsed_ms).max().unwrap_or(0) / 1000,
            ..Self::default()
        }
    }
}

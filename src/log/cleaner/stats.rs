//! What a pass did: for the log line and the metrics.

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

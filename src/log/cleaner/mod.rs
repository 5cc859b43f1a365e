//! The log cleaner: of each key of a compacted topic the last value stays (Kafka's `LogCleaner`).
//!
//! | file | what |
//! |---|---|
//! | `pick` `groups` `retain` `txns` | what may be cleaned, which segments become one, what stays, transactions (pure) |
//! | `offset_map` | keys to last offsets in bounded memory (pure) |
//! | `pass` | one pass over one log; `map_build` and `copy` its two halves, `reader` and `output` their ends |
//! | `swap` | the new segment in the place of the old ones |
//! | `offsets` | `cleaner-offset-checkpoint` |
//! | `throttle` `stats` | I/O a second; counts |
//!
//! The threads are tasks of `manager/cleaning`. A pass takes no lock but for moments, and nobody has to stop it: it notices.

mod copy;
pub mod groups;
mod map_build;
pub mod offset_map;
mod offsets;
mod output;
mod pass;
pub mod pick;
mod reader;
pub mod retain;
mod stats;
mod swap;
mod throttle;
mod txns;

pub use offsets::CleanerOffsets;
pub use pass::{Cleaned, PassConfig, Stop, Watch, clean};
pub use retain::{LastRecord, LastRecords};
pub use stats::{CleanerStats, CleanerStatus};
pub use throttle::Throttle;

/// What the cleaner is told by the broker's configuration. All but `enabled` change at run time.
#[derive(Clone, PartialEq, Debug)]
pub struct CleanerConfig {
    /// `log.cleaner.enable`.
    pub enabled: bool,
    /// `log.cleaner.threads`: logs cleaned at once.
    pub threads: usize,
    /// `log.cleaner.dedupe.buffer.size`: memory of all maps.
    pub dedupe_buffer_bytes: usize,
    /// `log.cleaner.io.buffer.load.factor`: how full a map may get, of 1.
    pub load_factor: f64,
    /// `log.cleaner.io.buffer.size`: memory for reading and writing, all threads together.
    pub io_buffer_bytes: usize,
    /// `log.cleaner.io.max.bytes.per.second`, read and written, all threads together.
    pub max_bytes_per_second: f64,
    /// `log.cleaner.backoff.ms`: pause of a thread that found nothing to do.
    pub backoff_ms: u64,
}

impl Default for CleanerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            threads: 1,
            dedupe_buffer_bytes: 128 << 20,
            load_factor: 0.9,
            io_buffer_bytes: 512 << 10,
            max_bytes_per_second: f64::MAX,
            backoff_ms: 15_000,
        }
    }
}

impl CleanerConfig {
    /// What one thread may take.
    pub fn pass(&self, seed: u64) -> PassConfig {
        let threads = self.threads.max(1);
        PassConfig {
            map_bytes: (self.dedupe_buffer_bytes / threads).min(MAX_MAP_BYTES),
            load_factor: self.load_factor,
            // One half is read into, the other written from.
            window_bytes: self.io_buffer_bytes / threads / 2,
            seed,
        }
    }
}

/// Kafka's bound, the length of a Java array; more keys than fit into it are two passes' work.
const MAX_MAP_BYTES: usize = i32::MAX as usize;

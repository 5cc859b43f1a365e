//! `log.cleaner.io.max.bytes.per.second` over all threads: each waits until what it read and wrote has had its time. Time passed in.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Shared by the threads.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<Option<Instant>>);

/// A rate so small that its product overflows is a wait of this long, and then looked at again.
const LONGEST: Duration = Duration::from_secs(3600);

impl Throttle {
    /// How long to wait now, after `bytes` more at that rate.
    pub fn pace(&self, bytes: u64, bytes_per_second: f64, now: Instant) -> Duration {
        let cost = bytes as f64 / bytes_per_second.max(1.0);
        let cost = Duration::try_from_secs_f64(cost).unwrap_or(LONGEST).min(LONGEST);
        if cost < Duration::from_micros(1) {
            return Duration::ZERO;
        }
        let mut free_at = self.0.lock();
        let at = free_at.map_or(now, |at| at.max(now)) + cost;
        *free_at = Some(at);
        at - now
    }
}

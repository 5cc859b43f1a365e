//! One throttle of replication (KIP-73): what goes through it, and whether that is more than it may be.
//!
//! Kafka's class: `ReplicationQuotaManager`. Who is throttled is not known here, only how much: those who go through record what they
//! move, and stand back while the limit is exceeded.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Rate;

/// `replication.quota.window.num` and `replication.quota.window.size.seconds` until the configuration is known.
const DEFAULT_WINDOWS: (usize, Duration) = (11, Duration::from_secs(1));

/// See the head of the file. Off until a limit is set.
#[derive(Debug)]
pub struct Throttle {
    /// Bytes a second; `i64::MAX` is off, as in Kafka.
    limit: AtomicI64,
    used: Mutex<Rate>,
}

impl Default for Throttle {
    fn default() -> Self {
        let (most, window) = DEFAULT_WINDOWS;
        Self { limit: AtomicI64::new(i64::MAX), used: Mutex::new(Rate::new(most, window)) }
    }
}

impl Throttle {
    /// Measures over these windows from now on.
    pub fn set_windows(&self, most: usize, window: Duration) {
        *self.used.lock() = Rate::new(most, window);
    }

    /// Sets the limit in bytes a second; `i64::MAX` turns it off.
    pub fn set_limit(&self, bytes_per_second: i64) {
        self.limit.store(bytes_per_second, Ordering::Relaxed);
    }

    /// True without a limit.
    pub fn is_off(&self) -> bool {
        self.limit.load(Ordering::Relaxed) == i64::MAX
    }

    /// Takes note of throttled bytes that were moved.
    pub fn record(&self, now: Instant, bytes: usize) {
        if !self.is_off() && bytes > 0 {
            self.used.lock().record(now, bytes as u64);
        }
    }

    /// True while more has gone through than the limit allows.
    pub fn is_exceeded(&self, now: Instant) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        limit != i64::MAX && self.used.lock().per_second(now) > limit as f64
    }
}

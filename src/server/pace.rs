//! A rate that may be exceeded for a while: connections a second (`max.connection.creation.rate`). Pure but for the time passed in.
//!
//! Kafka measures the rate over a quota's windows and waits when it is above the bound; this is the same as a bucket that holds what the
//! windows but one hold, and fills at the rate.

use std::time::Duration;

use tokio::time::Instant;

/// What has come, against the rate.
#[derive(Debug, Default)]
pub struct Pace {
    /// How many may come before one must wait; negative: how many are owed for.
    left: f64,
    last: Option<Instant>,
}

impl Pace {
    /// Counts one in, and says how long it has to wait: at most `max_wait`, also where the rate is 0.
    pub fn count(&mut self, rate: u32, burst: Duration, max_wait: Duration, now: Instant) -> Duration {
        let rate = f64::from(rate);
        let full = (rate * burst.as_secs_f64()).max(1.0);
        let since = self.last.map(|last| now.saturating_duration_since(last).as_secs_f64());
        let filled = since.map_or(full, |seconds| self.left + rate * seconds);
        self.last = Some(now);
        // Nobody waits longer than `max_wait`, so no more than that can be owed.
        self.left = (filled.min(full) - 1.0).max(-rate * max_wait.as_secs_f64());
        if self.left >= 0.0 && rate > 0.0 {
            return Duration::ZERO;
        }
        let wait = if rate > 0.0 { -self.left / rate } else { f64::INFINITY };
        Duration::from_secs_f64(wait.min(max_wait.as_secs_f64()))
    }
}

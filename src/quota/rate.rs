//! A rate over sliding windows, as Kafka's `SimpleRate` measures it. Pure: time is passed in.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Amounts of the last windows. A window begins with the first amount after the one before has ended, so that an idle time has none.
#[derive(Clone, Debug)]
pub struct Rate {
    most: usize,
    window: Duration,
    /// Begin and sum of each, oldest first; at most `most` and one.
    windows: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Nothing yet, over at most `most` windows of a length. Zeros count as one window, and one second.
    pub fn new(most: usize, window: Duration) -> Self {
        let window = if window.is_zero() { Duration::from_secs(1) } else { window };
        Self { most: most.max(1), window, windows: VecDeque::new() }
    }

    /// Adds an amount.
    pub fn record(&mut self, now: Instant, amount: u64) {
        match self.windows.back_mut() {
            Some((begin, sum)) if now.saturating_duration_since(*begin) < self.window => {
                *sum = sum.saturating_add(amount)
            }
            _ => {
                self.forget(now);
                self.windows.push_back((now, amount));
            }
        }
    }

    /// Amounts a second, over the windows that are not too old; over one whole window at least.
    pub fn per_second(&mut self, now: Instant) -> f64 {
        self.forget(now);
        let Some((oldest, _)) = self.windows.front() else { return 0.0 };
        let sum = self.windows.iter().fold(0u64, |sum, (_, amount)| sum.saturating_add(*amount));
        let elapsed = now.saturating_duration_since(*oldest).max(self.window);
        sum as f64 / elapsed.as_secs_f64()
    }

    fn forget(&mut self, now: Instant) {
        let span = self.window.saturating_mul(u32::try_from(self.most).unwrap_or(u32::MAX));
        while self.windows.front().is_some_and(|(begin, _)| now.saturating_duration_since(*begin) >= span) {
            self.windows.pop_front();
        }
    }
}

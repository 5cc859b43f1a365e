//! A long run's progress on a terminal: one line on standard error that is rewritten, and gone at the end. Never in a pipe or a file.

use std::time::Duration;

use indicatif::{BinaryBytes, HumanCount, ProgressBar, ProgressDrawTarget};
use tokio::time::Instant;

/// Between two looks of the eye.
const EVERY: Duration = Duration::from_millis(200);

/// Records and bytes so far.
pub struct Progress {
    bar: ProgressBar,
    verb: &'static str,
    records: u64,
    bytes: u64,
    began: Instant,
    shown: Instant,
}

impl Progress {
    /// A line such as `12,000 records sent, 1.2 MiB, 4,000 records/s`; none unless `wanted` and standard error is a terminal.
    pub fn new(verb: &'static str, wanted: bool) -> Self {
        let target = if wanted { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let now = Instant::now();
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = indicatif::ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self { bar, verb, records: 0, bytes: 0, began: now, shown: now }
    }

    /// Counts.
    pub fn add(&mut self, records: u64, bytes: usize) {
        self.records += records;
        self.bytes += bytes as u64;
        // A clock is read for a few records in a thousand.
        if self.bar.is_hidden() || !self.records.is_multiple_of(256) || self.shown.elapsed() < EVERY {
            return;
        }
        self.shown = Instant::now();
        let rate = self.records as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        self.bar.set_message(format!(
            "{} records {}, {}, {} records/s",
            HumanCount(self.records),
            self.verb,
            BinaryBytes(self.bytes),
            HumanCount(rate as u64)
        ));
        self.bar.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

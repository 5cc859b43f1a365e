//! Two clocks: `now` for durations (tokio's instant, so a paused runtime rules it), `wall_ms` for what is written down.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The broker's clock. Durations come from [`Clock::now`], never from the difference of two wall readings: the wall clock jumps.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    Real,
    /// Wall time that moves with tokio's (paused) clock and can be made to jump.
    #[cfg(feature = "sim")]
    Sim(SimClock),
}

impl Clock {
    /// Monotonic time.
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// Milliseconds since 1970, as record timestamps and znodes carry them.
    pub fn wall_ms(&self) -> i64 {
        match self {
            #[allow(clippy::disallowed_methods)] // the one place
            Clock::Real => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
                Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
            },
            #[cfg(feature = "sim")]
            Clock::Sim(sim) => sim.wall_ms(),
        }
    }
}

/// A wall clock tied to tokio's clock, with jumps.
#[cfg(feature = "sim")]
#[derive(Clone, Debug)]
pub struct SimClock {
    start: Instant,
    offset_ms: std::sync::Arc<std::sync::atomic::AtomicI64>,
}

#[cfg(feature = "sim")]
impl SimClock {
    /// A clock that reads `start_ms` now.
    pub fn new(start_ms: i64) -> Self {
        Self { start: Instant::now(), offset_ms: std::sync::Arc::new(std::sync::atomic::AtomicI64::new(start_ms)) }
    }

    /// Moves the wall clock alone, as an operator or a bad NTP server does.
    pub fn jump(&self, by_ms: i64) {
        self.offset_ms.fetch_add(by_ms, std::sync::atomic::Ordering::Relaxed);
    }

    fn wall_ms(&self) -> i64 {
        self.offset_ms.load(std::sync::atomic::Ordering::Relaxed)
            + i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

//! Counts and latencies of a producer's test, and the lines that tell of them (`ProducerPerformance.Stats`).
//!
//! No I/O: a line is returned. Latencies are milliseconds; at most half a million are kept for the percentiles.

use std::time::Duration;

use tokio::time::Instant;

/// Latencies kept.
const MOST_SAMPLES: u64 = 500_000;
/// Between two lines while records are sent.
const WINDOW: Duration = Duration::from_secs(5);

/// See the head of the file.
#[derive(Debug)]
pub struct Stats {
    began: Instant,
    latencies: Vec<u32>,
    sampling: u64,
    all: Sums,
    window: Sums,
    window_began: Instant,
}

#[derive(Clone, Copy, Default, Debug)]
struct Sums {
    count: u64,
    bytes: u64,
    latency_ms: u64,
    most_ms: u32,
}

impl Sums {
    fn add(&mut self, latency_ms: u32, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
        self.latency_ms += u64::from(latency_ms);
        self.most_ms = self.most_ms.max(latency_ms);
    }

    /// Records and MiB a second, and the average latency.
    fn rates(&self, elapsed: Duration) -> (f64, f64, f64) {
        let ms = elapsed.as_millis() as f64;
        let mib = 1000.0 * self.bytes as f64 / ms / (1024.0 * 1024.0);
        (1000.0 * self.count as f64 / ms, mib, self.latency_ms as f64 / self.count as f64)
    }
}

impl Stats {
    /// For a test of so many records that begins now.
    pub fn new(records: u64, now: Instant) -> Self {
        Self {
            began: now,
            latencies: Vec::new(),
            sampling: (records / MOST_SAMPLES.min(records).max(1)).max(1),
            all: Sums::default(),
            window: Sums::default(),
            window_began: now,
        }
    }

    /// Counts a record that was acknowledged; a line when five seconds are over.
    pub fn record(&mut self, latency: Duration, bytes: usize, now: Instant) -> Option<String> {
        let ms = u32::try_from(latency.as_millis()).unwrap_or(u32::MAX);
        if self.all.count.is_multiple_of(self.sampling) && (self.latencies.len() as u64) <= MOST_SAMPLES * 2 {
            self.latencies.push(ms);
        }
        self.all.add(ms, bytes);
        self.window.add(ms, bytes);
        let elapsed = now.duration_since(self.window_began);
        if elapsed < WINDOW {
            return None;
        }
        let window = std::mem::take(&mut self.window);
        self.window_began = now;
        let (records, mib, average) = window.rates(elapsed);
        Some(format!(
            "{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency.",
            window.count,
            fixed(records, 1),
            fixed(mib, 2),
            fixed(average, 1),
            fixed(f64::from(window.most_ms), 1)
        ))
    }

    /// The last line.
    pub fn total(&mut self, now: Instant) -> String {
        let (records, mib, average) = self.all.rates(now.duration_since(self.began));
        self.latencies.sort_unstable();
        let at = |part: f64| {
            let index = (part * self.latencies.len() as f64) as usize;
            self.latencies.get(index).copied().unwrap_or(0)
        };
        format!(
            "{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency, {} ms 50th, {} ms 95th, {} ms 99th, {} \
             ms 99.9th.",
            self.all.count,
            fixed(records, 6),
            fixed(mib, 2),
            fixed(average, 2),
            fixed(f64::from(self.all.most_ms), 2),
            at(0.5),
            at(0.95),
            at(0.99),
            at(0.999)
        )
    }
}

/// A number as Java's `%.Nf` writes it.
pub fn fixed(value: f64, digits: usize) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    format!("{value:.digits$}")
}

/// Holds a sender to a rate (`ThroughputThrottler`): how long to wait after a record.
#[derive(Debug)]
pub struct Throttle {
    rate: f64,
    began: Instant,
    owed: Duration,
}

impl Throttle {
    /// Shortest wait that is worth it: shorter ones add up first.
    const LEAST: Duration = Duration::from_millis(2);
    /// The wait at a rate of 0, which means never again.
    const NEVER: Duration = Duration::from_secs(1);

    /// At most `rate` records a second from now on; without bound when negative.
    pub fn new(rate: f64, now: Instant) -> Self {
        Self { rate, began: now, owed: Duration::ZERO }
    }

    /// The wait after the `count`th record.
    pub fn after(&mut self, count: u64, now: Instant) -> Option<Duration> {
        let elapsed = now.duration_since(self.began).as_secs_f64();
        if self.rate < 0.0 || elapsed <= 0.0 || count as f64 / elapsed <= self.rate {
            return None;
        }
        if self.rate == 0.0 {
            return Some(Self::NEVER);
        }
        self.owed += Duration::from_secs_f64((1.0 / self.rate).min(3600.0));
        (self.owed >= Self::LEAST).then(|| std::mem::take(&mut self.owed))
    }
}

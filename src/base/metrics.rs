//! The broker's counters: plain atomics, added to where things happen, read by `console/`.
//!
//! What can be read off the state of the broker (partitions, leaders, sessions) is not counted here. On the hot path an addition is
//! relaxed and takes no lock; a topic's counters are looked up once, when its partition is opened.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// So far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long it took to read the partitions of a coordinator, since the start.
#[derive(Debug, Default)]
pub struct LoadTimes {
    count: AtomicU64,
    sum_ms: AtomicU64,
    max_ms: AtomicU64,
}

impl LoadTimes {
    /// One more, that took so long.
    pub fn add(&self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_ms.fetch_add(ms, Ordering::Relaxed);
        self.max_ms.fetch_max(ms, Ordering::Relaxed);
    }

    /// The longest, 0 before the first.
    pub fn max_ms(&self) -> u64 {
        self.max_ms.load(Ordering::Relaxed)
    }

    /// The mean, 0 before the first.
    pub fn mean_ms(&self) -> u64 {
        self.sum_ms.load(Ordering::Relaxed).checked_div(self.count.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// What is counted of one topic on this broker.
#[derive(Debug, Default)]
pub struct TopicMetrics {
    /// Records appended as leader.
    pub messages_in: Counter,
    /// Their bytes.
    pub bytes_in: Counter,
}

/// What is counted of one API.
#[derive(Debug)]
pub struct ApiMetrics {
    /// Its name.
    pub name: &'static str,
    /// Requests answered, by version.
    pub by_version: [Counter; VERSIONS],
    /// From a request read to its answer sent.
    pub total_time: Histogram,
}

/// Versions that are told apart; later ones count as the last.
pub const VERSIONS: usize = 20;
/// Keys of APIs that are told apart; Kafka has fewer than this.
const APIS: usize = 128;

/// All counters of one broker.
#[derive(Debug)]
pub struct Metrics {
    /// Records appended as leader.
    pub messages_in: Counter,
    /// Their bytes.
    pub bytes_in: Counter,
    /// Bytes of records sent to consumers.
    pub bytes_out: Counter,
    /// Bytes of records copied from leaders.
    pub replication_bytes_in: Counter,
    /// Bytes of records sent to followers.
    pub replication_bytes_out: Counter,
    /// Partitions of produce requests that were refused.
    pub failed_produces: Counter,
    /// Partitions of fetch requests that were refused.
    pub failed_fetches: Counter,
    /// ISRs that the controller has let this leader make smaller.
    pub isr_shrinks: Counter,
    /// ISRs that it has let it make larger.
    pub isr_expands: Counter,
    /// Changes of ISRs that it has refused.
    pub failed_isr_updates: Counter,
    topics: RwLock<BTreeMap<Arc<str>, Arc<TopicMetrics>>>,
    apis: [OnceLock<Box<ApiMetrics>>; APIS],
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            messages_in: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            replication_bytes_in: Counter::default(),
            replication_bytes_out: Counter::default(),
            failed_produces: Counter::default(),
            failed_fetches: Counter::default(),
            isr_shrinks: Counter::default(),
            isr_expands: Counter::default(),
            failed_isr_updates: Counter::default(),
            topics: RwLock::default(),
            apis: std::array::from_fn(|_| OnceLock::new()),
        }
    }
}

impl Metrics {
    /// The counters of a topic, made when there are none. Not for the hot path.
    pub fn topic(&self, name: &Arc<str>) -> Arc<TopicMetrics> {
        if let Some(known) = self.topics.read().get(name) {
            return known.clone();
        }
        self.topics.write().entry(name.clone()).or_default().clone()
    }

    /// A topic is gone from this broker.
    pub fn forget_topic(&self, name: &str) {
        self.topics.write().remove(name);
    }

    /// All topics, by name.
    pub fn topics(&self) -> Vec<(Arc<str>, Arc<TopicMetrics>)> {
        self.topics.read().iter().map(|(name, topic)| (name.clone(), topic.clone())).collect()
    }

    /// A request has been answered.
    pub fn answered(&self, key: i16, name: &'static str, version: i16, took: Duration) {
        let Some(slot) = usize::try_from(key).ok().and_then(|key| self.apis.get(key)) else { return };
        let api = slot.get_or_init(|| {
            Box::new(ApiMetrics {
                name,
                by_version: std::array::from_fn(|_| Counter::default()),
                total_time: Histogram::default(),
            })
        });
        let version = usize::try_from(version).unwrap_or(0).min(VERSIONS - 1);
        if let Some(count) = api.by_version.get(version) {
            count.add(1);
        }
        api.total_time.record(took);
    }

    /// The APIs that were asked for so far, in the order of their keys.
    pub fn apis(&self) -> impl Iterator<Item = &ApiMetrics> {
        self.apis.iter().filter_map(|slot| slot.get().map(|api| &**api))
    }

    /// Times of before the last call are forgotten: called once a minute, quantiles are those of the last one to two.
    pub fn turn_windows(&self) {
        self.apis().for_each(|api| api.total_time.turn());
    }
}

/// Bits of a time that tell buckets of one power of two apart: an error of at most an eighth.
const FINE_BITS: u32 = 3;
/// Up to 2^32 microseconds, more than an hour; longer ones count as that.
const BUCKETS: usize = (32 - FINE_BITS as usize + 1) << FINE_BITS;

/// Times in buckets that grow with the time, for the last one to two windows.
#[derive(Debug)]
pub struct Histogram {
    windows: [Box<[AtomicU64]>; 2],
    current: AtomicUsize,
}

impl Default for Histogram {
    fn default() -> Self {
        let empty = || (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Self { windows: [empty(), empty()], current: AtomicUsize::new(0) }
    }
}

/// The bucket of a time in microseconds.
fn bucket(us: u32) -> usize {
    let exponent = us.checked_ilog2().unwrap_or(0);
    if exponent < FINE_BITS {
        return us as usize;
    }
    let fine = (us >> (exponent - FINE_BITS)) & ((1 << FINE_BITS) - 1);
    (((exponent - FINE_BITS + 1) << FINE_BITS) + fine) as usize
}

/// The largest time of a bucket, in microseconds.
fn upper_us(bucket: usize) -> f64 {
    let (octave, fine) = (bucket >> FINE_BITS, bucket & ((1 << FINE_BITS) - 1));
    match octave {
        0 => fine as f64,
        octave => ((fine + (1 << FINE_BITS) + 1) as f64) * 2f64.powi(octave as i32 - 1) - 1.0,
    }
}

impl Histogram {
    /// Counts a time.
    pub fn record(&self, time: Duration) {
        let us = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let window = self.windows.get(self.current.load(Ordering::Relaxed));
        if let Some(count) = window.and_then(|window| window.get(bucket(us))) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Starts a new window and forgets the one before the last.
    pub fn turn(&self) {
        let next = 1 - self.current.load(Ordering::Relaxed);
        if let Some(window) = self.windows.get(next) {
            window.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        }
        self.current.store(next, Ordering::Relaxed);
    }

    /// The times that these shares of all requests did not exceed, in milliseconds; none when there was no request.
    pub fn quantiles_ms<const N: usize>(&self, shares: [f64; N]) -> Option<[f64; N]> {
        let [one, other] = &self.windows;
        let counts: Vec<u64> =
            one.iter().zip(other).map(|(a, b)| a.load(Ordering::Relaxed) + b.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        (total > 0).then(|| {
            shares.map(|share| {
                let wanted = (total as f64 * share).ceil().max(1.0) as u64;
                let mut seen = 0;
                let found = counts.iter().position(|count| {
                    seen += count;
                    seen >= wanted
                });
                upper_us(found.unwrap_or(BUCKETS - 1)) / 1000.0
            })
        })
    }
}

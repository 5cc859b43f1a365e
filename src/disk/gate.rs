//! The gate between the lanes and a disk: short calls run where they are, calls to a stalled disk go to the blocking pool.
//!
//! One [`Gate`] a log directory, one [`GateLimit`] a broker. At most `cores` calls run inline at a time over cores + 1 workers, so one
//! worker is always free of the disk. Past that a call waits for a place, but no longer than [`PLACE_WAIT`]; then, and at once when
//! the directory has a call older than [`STALL`], it goes to the pool.
//! A call that was started runs to its end, whether or not anyone still waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::base::env::{Clock, Tasks};

/// A call that takes longer than this shows a stalled disk: a page-cache write takes microseconds, a slow fsync of a disk tens of ms.
pub const STALL: Duration = Duration::from_millis(50);

/// How long a call waits for a place to run inline: the shortest that the timer knows. Calls that go to the page cache give their places
/// back after microseconds; where they don't, they wait for a disk, and the pool is the better place to do so.
pub const PLACE_WAIT: Duration = Duration::from_millis(1);

/// How many calls may run inline at a time, over all directories. Clones share the count.
#[derive(Clone, Debug)]
pub struct GateLimit(Arc<Limit>);

#[derive(Debug)]
struct Limit {
    places: Semaphore,
    /// Somebody waited [`PLACE_WAIT`] in vain, and no call found a place free since: nobody else waits.
    stuck: AtomicBool,
}

impl GateLimit {
    /// At most `cores` (at least one) inline calls.
    pub fn new(cores: usize) -> Self {
        Self(Arc::new(Limit { places: Semaphore::new(cores.max(1)), stuck: AtomicBool::new(false) }))
    }

    /// A place for an inline call. When all are taken, the next that is given back is usually microseconds away, on a worker that then
    /// goes on with the waiting task: no thread has to be woken, as one of the pool has. None once that takes too long.
    async fn place(&self) -> Option<SemaphorePermit<'_>> {
        let Limit { places, stuck } = &*self.0;
        if let Ok(place) = places.try_acquire() {
            if stuck.load(Ordering::Relaxed) {
                stuck.store(false, Ordering::Relaxed);
            }
            return Some(place);
        }
        if stuck.load(Ordering::Relaxed) {
            return None;
        }
        let place = tokio::time::timeout(PLACE_WAIT, places.acquire()).await.ok().and_then(Result::ok);
        if place.is_none() {
            stuck.store(true, Ordering::Relaxed);
        }
        place
    }
}

/// The gate of one directory. Clones are the same gate.
#[derive(Clone, Debug)]
pub enum Gate {
    /// To a device that may stall.
    Real(Arc<RealGate>),
    /// To memory: everything runs inline, so a simulated run repeats.
    #[cfg(feature = "sim")]
    Sim,
}

/// Calls under way to one directory.
#[derive(Debug)]
pub struct RealGate {
    tasks: Tasks,
    clock: Clock,
    limit: GateLimit,
    under_way: Mutex<Vec<(u64, Instant)>>,
}

impl Gate {
    /// The gate of one directory.
    pub fn new(tasks: &Tasks, clock: &Clock, limit: GateLimit) -> Self {
        Gate::Real(Arc::new(RealGate {
            tasks: tasks.clone(),
            clock: clock.clone(),
            limit,
            under_way: Mutex::new(Vec::new()),
        }))
    }

    /// Runs a blocking call, inline or in the pool, and returns what it returned. Once begun it runs to its end; dropped before, while
    /// it waits for a place, it never began.
    pub async fn run<T, F>(&self, call: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self {
            Gate::Real(gate) => {
                if !gate.stalled()
                    && let Some(_place) = gate.limit.place().await
                    && !gate.stalled()
                {
                    let _entered = gate.enter();
                    return call();
                }
                let here = Arc::clone(gate);
                gate.tasks
                    .blocking(move || {
                        let _entered = here.enter();
                        call()
                    })
                    .await
            }
            #[cfg(feature = "sim")]
            Gate::Sim => call(),
        }
    }

    /// Runs a call that is known to be long (fsync of much, recovery, cold reads) in the pool.
    pub async fn run_long<T, F>(&self, call: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self {
            Gate::Real(gate) => gate.tasks.blocking(call).await,
            #[cfg(feature = "sim")]
            Gate::Sim => call(),
        }
    }

    /// As [`Gate::run_long`], for steps of work that nobody waits for ([`Tasks::background`]).
    pub async fn run_background<T, F>(&self, call: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self {
            Gate::Real(gate) => gate.tasks.background(call).await,
            #[cfg(feature = "sim")]
            Gate::Sim => call(),
        }
    }
}

impl RealGate {
    /// True while the directory has a call older than [`STALL`].
    fn stalled(&self) -> bool {
        let now = self.clock.now();
        self.under_way.lock().first().is_some_and(|(_, since)| now.duration_since(*since) > STALL)
    }

    fn enter(&self) -> Entered<'_> {
        let mut under_way = self.under_way.lock();
        let id = under_way.last().map_or(0, |(id, _)| id + 1);
        under_way.push((id, self.clock.now())); // oldest first: they enter in order of time
        Entered { gate: self, id }
    }
}

struct Entered<'a> {
    gate: &'a RealGate,
    id: u64,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.gate.under_way.lock().retain(|(id, _)| *id != self.id);
    }
}

//! Waiting for a partition to move on: no purgatory, no callbacks under locks.
//!
//! A waiting request has one [`Waiter`], registered in every partition that can end its wait. A wake-up says "look again", nothing
//! more; the request then looks at the state itself. Register first, look second, wait third: no change is missed.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a request waits for in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// High watermark above this offset: consumers and acks=all.
    Committed(i64),
    /// Log end above this offset: followers.
    Appended(i64),
}

/// One waiting request.
#[derive(Debug, Default)]
pub struct Waiter(Notify);

impl Waiter {
    /// Nothing has happened yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Waits for the next wake-up; true when the deadline came first. One wake-up is remembered.
    pub async fn wait(&self, deadline: Instant) -> bool {
        tokio::select! {
            biased;
            () = self.0.notified() => false,
            () = tokio::time::sleep_until(deadline) => true,
        }
    }
}

/// Those who wait in one partition.
#[derive(Debug, Default)]
pub struct Waiters(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    until: Until,
    waiter: Arc<Waiter>,
}

/// A place among the waiters of a partition; given up when dropped.
#[derive(Debug)]
pub struct Registration {
    waiters: Arc<Mutex<Vec<Entry>>>,
    waiter: Arc<Waiter>,
}

impl Waiters {
    /// Registers a waiter.
    pub fn register(&self, waiter: &Arc<Waiter>, until: Until) -> Registration {
        self.0.lock().push(Entry { until, waiter: waiter.clone() });
        Registration { waiters: self.0.clone(), waiter: waiter.clone() }
    }

    /// Wakes those for whom the ends have moved far enough.
    pub fn wake(&self, high_watermark: i64, log_end: i64) {
        for entry in self.0.lock().iter() {
            let reached = match entry.until {
                Until::Committed(offset) => high_watermark > offset,
                Until::Appended(offset) => log_end > offset,
            };
            if reached {
                entry.waiter.0.notify_one();
            }
        }
    }

    /// Wakes all: leadership, epoch, start offset or the directory changed.
    pub fn wake_all(&self) {
        for entry in self.0.lock().iter() {
            entry.waiter.0.notify_one();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.waiters.lock().retain(|entry| !Arc::ptr_eq(&entry.waiter, &self.waiter));
    }
}

//! How many connections there may be: in all, and from one address (`max.connections`, `max.connections.per.ip` and its overrides).
//!
//! At the total the acceptors wait, each with the one connection it has accepted, as Kafka's do; above a peer's own bound the
//! connection is closed at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::env::Seed;

/// The bounds, from the configuration.
#[derive(Clone, Debug)]
pub struct ConnectionBounds {
    /// `max.connections`, or what the open files allow.
    pub total: usize,
    /// `max.connections.per.ip`.
    pub per_ip: usize,
    /// `max.connections.per.ip.overrides`, resolved to addresses.
    pub overrides: HashMap<IpAddr, usize, Seed>,
}

/// Counts the connections of all listeners.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    bounds: Arc<ConnectionBounds>,
    total: Arc<Semaphore>,
    by_ip: Arc<Mutex<HashMap<IpAddr, usize, Seed>>>,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    by_ip: Arc<Mutex<HashMap<IpAddr, usize, Seed>>>,
    ip: IpAddr,
    _total: OwnedSemaphorePermit,
}

impl ConnectionLimits {
    /// Nothing connected yet.
    pub fn new(bounds: ConnectionBounds, seed: Seed) -> Self {
        let total = Arc::new(Semaphore::new(bounds.total.min(Semaphore::MAX_PERMITS)));
        Self { bounds: Arc::new(bounds), total, by_ip: Arc::new(Mutex::new(seed.map())) }
    }

    /// Waits until one more connection is allowed in all.
    pub async fn room(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(room) = self.total.clone().try_acquire_owned() {
            return Some(room);
        }
        tracing::warn!(
            connections = self.bounds.total,
            "no more connections are allowed: the next waits for one to end"
        );
        self.total.clone().acquire_owned().await.ok()
    }

    /// Takes a place for a peer; none when it has too many.
    pub fn admit(&self, room: OwnedSemaphorePermit, ip: IpAddr) -> Option<Place> {
        let ip = ip.to_canonical();
        let bound = self.bounds.overrides.get(&ip).copied().unwrap_or(self.bounds.per_ip);
        let mut by_ip = self.by_ip.lock();
        let count = by_ip.entry(ip).or_insert(0);
        if *count >= bound {
            if *count == 0 {
                by_ip.remove(&ip);
            }
            return None;
        }
        *count += 1;
        Some(Place { by_ip: self.by_ip.clone(), ip, _total: room })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_ip = self.by_ip.lock();
        if let Some(count) = by_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                by_ip.remove(&self.ip);
            }
        }
    }
}

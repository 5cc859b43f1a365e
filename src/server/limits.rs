//! How many connections there may be, and how fast they may come (`ConnectionQuotas` in Kafka): in all, of a listener, from an address.
//!
//! At the total, at a listener's own bound and above the rate an acceptor waits with the one connection it has accepted; above an
//! address's bound the connection is closed at once. Where there are several listeners, that of the brokers is always let in: for what
//! is then too much, the connection of another listener that was used longest ago goes. All bounds change while running.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::pace::Pace;
use crate::base::env::Seed;
use crate::base::notified::until_found;

/// The bounds, from the configuration.
#[derive(Clone, Debug)]
pub struct ConnectionBounds {
    /// `max.connections`, or what the open files allow.
    pub total: usize,
    /// `max.connections.per.ip`.
    pub per_ip: usize,
    /// `max.connections.per.ip.overrides`, resolved to addresses.
    pub overrides: HashMap<IpAddr, usize, Seed>,
    /// `max.connection.creation.rate`, a second; none is no limit.
    pub rate: Option<u32>,
    /// What connections may come at once above the rate, in time: the quota's windows but one.
    pub burst: Duration,
    /// Longest wait of an acceptor for the rate: a quota's window.
    pub max_wait: Duration,
    /// Bounds of single listeners.
    pub listeners: BTreeMap<Arc<str>, ListenerBounds>,
    /// The listener of the brokers, where there are others beside it.
    pub protected: Option<Arc<str>>,
}

/// What one listener may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListenerBounds {
    /// `listener.name.<l>.max.connections`, else `max.connections`.
    pub total: usize,
    /// `listener.name.<l>.max.connection.creation.rate`, else `max.connection.creation.rate`.
    pub rate: Option<u32>,
}

/// Counts the connections of all listeners.
#[derive(Clone, Debug)]
pub struct ConnectionLimits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: ArcSwap<ConnectionBounds>,
    state: Mutex<State>,
    /// A place was given back, or the bounds were changed.
    changed: Notify,
    born: Instant,
}

#[derive(Debug)]
struct State {
    total: usize,
    by_listener: BTreeMap<Arc<str>, usize>,
    by_ip: HashMap<IpAddr, usize, Seed>,
    /// Connections that serve, by number.
    open: BTreeMap<u64, Open>,
    /// Connections that were ended to make room and have not given back their places yet.
    ending: BTreeSet<u64>,
    next: u64,
    pace: Pace,
    listener_pace: BTreeMap<Arc<str>, Pace>,
}

#[derive(Debug)]
struct Open {
    listener: Arc<str>,
    used_us: Arc<AtomicU64>,
    task: AbortHandle,
}

/// One more connection is allowed in all; given back when dropped.
#[derive(Debug)]
pub struct Room {
    shared: Arc<Shared>,
    listener: Arc<str>,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    room: Room,
    ip: IpAddr,
    number: u64,
    used_us: Arc<AtomicU64>,
}

impl ConnectionLimits {
    /// Nothing connected yet.
    pub fn new(bounds: ConnectionBounds, seed: Seed) -> Self {
        let state = State {
            total: 0,
            by_listener: BTreeMap::new(),
            by_ip: seed.map(),
            open: BTreeMap::new(),
            ending: BTreeSet::new(),
            next: 0,
            pace: Pace::default(),
            listener_pace: BTreeMap::new(),
        };
        let (bounds, born) = (ArcSwap::from_pointee(bounds), Instant::now());
        Self(Arc::new(Shared { bounds, state: Mutex::new(state), changed: Notify::new(), born }))
    }

    /// Other bounds from now on. Who is too many by the new total goes, longest unused first; others stay, as in Kafka.
    pub fn set(&self, bounds: ConnectionBounds) {
        self.0.bounds.store(Arc::new(bounds));
        self.0.shed();
        self.0.changed.notify_waiters();
    }

    /// Waits until one more connection of a listener is allowed, by number and by rate.
    pub async fn room(&self, listener: &Arc<str>) -> Room {
        let wait = self.0.pace(listener);
        if !wait.is_zero() {
            tracing::debug!(%listener, ?wait, "max.connection.creation.rate is reached");
            tokio::time::sleep(wait).await;
        }
        let mut told = false;
        until_found(&self.0.changed, || {
            let taken = self.0.take(listener);
            if !taken && !std::mem::replace(&mut told, true) {
                tracing::warn!(%listener, "no more connections are allowed: the next waits for one to end");
            }
            taken.then(|| Room { shared: self.0.clone(), listener: listener.clone() })
        })
        .await
    }

    /// Takes a place for a peer; none when its address has too many.
    pub fn admit(&self, room: Room, ip: IpAddr) -> Option<Place> {
        let ip = ip.to_canonical();
        let bounds = self.0.bounds.load();
        let bound = bounds.overrides.get(&ip).copied().unwrap_or(bounds.per_ip);
        let mut state = self.0.state.lock();
        let count = state.by_ip.get(&ip).copied().unwrap_or(0);
        if count >= bound {
            drop(state); // `room` takes it as it goes
            return None;
        }
        state.by_ip.insert(ip, count + 1);
        state.next += 1;
        let number = state.next;
        drop(state);
        let used_us = Arc::new(AtomicU64::new(self.0.now_us()));
        Some(Place { room, ip, number, used_us })
    }

    /// A connection serves, in this task: it can be ended to make room for a broker.
    pub fn serving(&self, ticket: Ticket, task: AbortHandle) {
        let Ticket { listener, number, used_us } = ticket;
        if !task.is_finished() {
            self.0.state.lock().open.insert(number, Open { listener, used_us, task });
        }
        self.0.shed();
    }
}

/// What [`ConnectionLimits::serving`] needs to know of a [`Place`] that has gone into its connection.
#[derive(Debug)]
pub struct Ticket {
    listener: Arc<str>,
    number: u64,
    used_us: Arc<AtomicU64>,
}

impl Place {
    /// For the task that will serve.
    pub fn ticket(&self) -> Ticket {
        Ticket { listener: self.room.listener.clone(), number: self.number, used_us: self.used_us.clone() }
    }

    /// The connection is used.
    pub fn touch(&self) {
        self.used_us.store(self.room.shared.now_us(), Ordering::Relaxed);
    }
}

impl Shared {
    fn now_us(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Counts a connection in, and says how long it must wait for the rates.
    fn pace(&self, listener: &Arc<str>) -> Duration {
        let bounds = self.bounds.load();
        let now = Instant::now();
        let mut state = self.state.lock();
        let own = bounds.listeners.get(listener).and_then(|own| own.rate);
        // Brokers are not held up by the clients of other listeners.
        let all = bounds.rate.filter(|_| bounds.protected.as_ref() != Some(listener));
        let mut wait = Duration::ZERO;
        if let Some(rate) = own {
            let pace = state.listener_pace.entry(listener.clone()).or_default();
            wait = pace.count(rate, bounds.burst, bounds.max_wait, now);
        }
        if let Some(rate) = all {
            wait = wait.max(state.pace.count(rate, bounds.burst, bounds.max_wait, now));
        }
        wait
    }

    /// Counts one more connection of a listener, if there is room.
    fn take(&self, listener: &Arc<str>) -> bool {
        let bounds = self.bounds.load();
        let mut state = self.state.lock();
        let own = state.by_listener.get(listener).copied().unwrap_or(0);
        let fits_listener = bounds.listeners.get(listener).is_none_or(|bound| own < bound.total);
        let fits_total = bounds.protected.as_ref() == Some(listener) || state.total < bounds.total;
        if fits_listener && fits_total {
            state.total += 1;
            state.by_listener.insert(listener.clone(), own + 1);
        }
        fits_listener && fits_total
    }

    /// Ends the connections that are too many: those used longest ago, never the brokers' own.
    fn shed(&self) {
        let bounds = self.bounds.load();
        let mut state = self.state.lock();
        let excess = state.total.saturating_sub(bounds.total.saturating_add(state.ending.len()));
        // One that ended just as it was entered stays; as long as all that are open are counted, there is none.
        if excess > 0 || state.open.len() > state.total {
            state.open.retain(|_, open| !open.task.is_finished());
        }
        if excess == 0 {
            return;
        }
        let mut victims: Vec<(u64, u64)> = {
            let others = state.open.iter().filter(|(_, open)| bounds.protected.as_ref() != Some(&open.listener));
            others.map(|(number, open)| (open.used_us.load(Ordering::Relaxed), *number)).collect()
        };
        victims.sort_unstable();
        for (_, number) in victims.into_iter().take(excess) {
            if let Some(open) = state.open.remove(&number) {
                tracing::info!(listener = %open.listener, "closed a connection: max.connections is exceeded");
                open.task.abort();
                state.ending.insert(number);
            }
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.total -= 1;
        if let Some(count) = state.by_listener.get_mut(&self.listener) {
            *count -= 1;
            if *count == 0 {
                state.by_listener.remove(&self.listener);
            }
        }
        drop(state);
        self.shared.changed.notify_waiters();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.room.shared.state.lock();
        state.open.remove(&self.number);
        state.ending.remove(&self.number);
        if let Some(count) = state.by_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                state.by_ip.remove(&self.ip);
            }
        }
    }
}

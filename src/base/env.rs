//! The door to everything that is not a plain function: clock, randomness, tasks, network.
//!
//! `broker/` builds one [`Env`] and hands clones down; nothing reads a global. Each part is an enum whose `Sim` arm exists under the
//! cargo feature `sim`, so that several brokers run in one process under one seeded clock. Beware: `tokio::time` may be used for
//! waits (a paused runtime moves it), the system's own clock may not.

mod clock;
mod net;
mod rng;
mod slice;
mod tasks;

use std::sync::Arc;

use super::metrics::Metrics;

pub use clock::Clock;
pub use net::{Listener, Net, Stream};
pub use rng::{Rng, Seed};
pub use tasks::{Lane, Tasks};

#[cfg(feature = "sim")]
pub use clock::SimClock;
#[cfg(feature = "sim")]
pub use net::SimNet;

/// Clock, randomness, tasks, network and counters of one broker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Env {
    /// Monotonic and wall clock.
    pub clock: Clock,
    /// Ids, placement, hash seeds.
    pub rng: Rng,
    /// Where futures and blocking calls run.
    pub tasks: Tasks,
    /// Listening and connecting.
    pub net: Net,
    /// The broker's counters.
    pub metrics: Arc<Metrics>,
}

impl Env {
    /// The real thing, with its own runtimes: `data_workers` threads for data (see [`Tasks::real`]).
    ///
    /// # Errors
    /// When the threads can't be started.
    pub fn real(data_workers: usize) -> std::io::Result<Self> {
        Ok(Self::with(Clock::Real, Rng::from_entropy(), Tasks::real(data_workers)?, Net::Real))
    }

    /// Real clock and network on the caller's runtime: for the tools and for tests of one component.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn current() -> Self {
        Self::with(Clock::Real, Rng::from_entropy(), Tasks::current(), Net::Real)
    }

    /// A simulated broker's: all lanes on the caller's (paused) runtime, wall clock from `start_ms`, randomness from `seed`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[cfg(feature = "sim")]
    pub fn sim(seed: u64, start_ms: i64, net: SimNet) -> Self {
        Self::with(Clock::Sim(SimClock::new(start_ms)), Rng::from_seed(seed), Tasks::current(), Net::Sim(net))
    }

    fn with(clock: Clock, rng: Rng, tasks: Tasks, net: Net) -> Self {
        Self { clock, rng, tasks, net, metrics: Arc::default() }
    }
}

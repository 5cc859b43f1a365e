//! The door to everything that is not a plain function: clock, randomness, tasks, network.
//!
//! `broker/` builds one [`Env`] and hands clones down; nothing reads a global. Each part is an enum whose `Sim` arm exists under the
//! cargo feature `sim`, so that several brokers run in one process under one seeded clock. Beware: `tokio::time` may be used for
//! waits (a paused runtime moves it), the system's own clock may not.

mod clock;
mod net;
mod rng;
mod tasks;

pub use clock::Clock;
pub use net::{Listener, Net, Stream};
pub use rng::{Rng, Seed};
pub use tasks::{Lane, Tasks};

#[cfg(feature = "sim")]
pub use clock::SimClock;
#[cfg(feature = "sim")]
pub use net::SimNet;

/// Clock, randomness, tasks and network of one broker. Cheap to clone.
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
}

impl Env {
    /// The real thing, with its own runtimes: `data_workers` threads for data (see [`Tasks::real`]).
    ///
    /// # Errors
    /// When the threads can't be started.
    pub fn real(data_workers: usize) -> std::io::Result<Self> {
        Ok(Self { clock: Clock::Real, rng: Rng::from_entropy(), tasks: Tasks::real(data_workers)?, net: Net::Real })
    }

    /// Real clock and network on the caller's runtime: for the tools and for tests of one component.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn current() -> Self {
        Self { clock: Clock::Real, rng: Rng::from_entropy(), tasks: Tasks::current(), net: Net::Real }
    }

    /// A simulated broker's: all lanes on the caller's (paused) runtime, wall clock from `start_ms`, randomness from `seed`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[cfg(feature = "sim")]
    pub fn sim(seed: u64, start_ms: i64, net: SimNet) -> Self {
        Self {
            clock: Clock::Sim(SimClock::new(start_ms)),
            rng: Rng::from_seed(seed),
            tasks: Tasks::current(),
            net: Net::Sim(net),
        }
    }
}

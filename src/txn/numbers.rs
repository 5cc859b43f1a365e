//! The numbers of transactions for `/metrics`.

use std::sync::atomic::Ordering;

use super::coordinator::Coordinator;

/// As of one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    /// Transactions with markers for partitions without a leader.
    pub leaderless: usize,
    /// Ends of transactions whose write is tried again.
    pub append_retries: usize,
    /// The longest load of a partition since the start, and the mean, ms.
    pub load_ms: (u64, u64),
}

impl Coordinator {
    /// Takes no lock.
    pub fn numbers(&self) -> Numbers {
        Numbers {
            leaderless: self.markers.leaderless.load(Ordering::Relaxed),
            append_retries: self.append_retries.load(Ordering::Relaxed),
            load_ms: (self.load_times.max_ms(), self.load_times.mean_ms()),
        }
    }
}

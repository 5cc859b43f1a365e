//! The numbers of groups for `/metrics`: what is there is counted when it is asked for, what happened when it happens.

use std::sync::Arc;

use super::coordinator::{Coordinator, Slot};
use super::types::State;
use crate::base::metrics::{Counter, LoadTimes};

/// What has happened since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Offsets committed, one a partition.
    pub(super) commits: Counter,
    /// Offsets deleted by OffsetDelete and DeleteGroups.
    pub(super) deletions: Counter,
    /// Offsets whose time was over.
    pub(super) expirations: Counter,
    /// Rebalances that ended with an assignment.
    pub(super) rebalances: Counter,
    /// Loading of partitions.
    pub(super) loads: LoadTimes,
}

/// As of one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    /// Groups without members.
    pub empty: usize,
    /// Waiting for members to join.
    pub preparing: usize,
    /// Waiting for an assignment.
    pub completing: usize,
    /// At work.
    pub stable: usize,
    /// On their way out of memory.
    pub dead: usize,
    /// Committed offsets of all groups.
    pub offsets: usize,
    /// Offsets committed since the start.
    pub commits: u64,
    /// Offsets deleted since the start.
    pub deletions: u64,
    /// Offsets expired since the start.
    pub expirations: u64,
    /// Rebalances completed since the start.
    pub rebalances: u64,
    /// The longest load of a partition, and the mean, ms.
    pub load_ms: (u64, u64),
}

impl Coordinator {
    /// Looks at each group for a moment.
    pub fn numbers(&self) -> Numbers {
        let counts = &self.counts;
        let mut numbers = Numbers {
            commits: counts.commits.get(),
            deletions: counts.deletions.get(),
            expirations: counts.expirations.get(),
            rebalances: counts.rebalances.get(),
            load_ms: (counts.loads.max_ms(), counts.loads.mean_ms()),
            ..Numbers::default()
        };
        for shard in self.shards.ready() {
            let slots: Vec<Arc<Slot>> = shard.groups.lock().values().cloned().collect();
            for slot in slots {
                let (state, offsets) = slot.look(|group| (group.state(), group.offsets.count()));
                numbers.offsets += offsets;
                *match state {
                    State::Empty => &mut numbers.empty,
                    State::PreparingRebalance => &mut numbers.preparing,
                    State::CompletingRebalance => &mut numbers.completing,
                    State::Stable => &mut numbers.stable,
                    State::Dead => &mut numbers.dead,
                } += 1;
            }
        }
        numbers
    }
}

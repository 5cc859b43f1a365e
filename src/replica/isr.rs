//! Who is in sync: what a follower's fetch says of it, who may join, who must go. Pure; `follower_fetch` and `isr_changes` act on it.
//!
//! Kafka's classes: `Replica.updateFetchStateOrThrow`, `Partition.maybeExpandIsr`, `Partition.getOutOfSyncReplicas`.

use std::time::Duration;

use tokio::time::Instant;

use super::state::{Follower, PendingIsr, Role, State};
use crate::base::BrokerId;

/// One fetch of a follower, after the checks of assignment, epoch and divergence.
#[derive(Clone, Copy, Debug)]
pub struct FollowerFetch {
    /// Where it fetches from: everything below is in its log.
    pub offset: i64,
    /// Its log start, -1 when it did not say.
    pub log_start_offset: i64,
    /// Where the leader's log ended at the time.
    pub leader_end: i64,
    /// When.
    pub at: Instant,
    /// The epoch of the follower's registration, -1 when it did not say.
    pub broker_epoch: i64,
}

/// Takes note of a fetch. A follower was caught up now when it has all there is, or at its previous fetch when it has all there was
/// then: so one that keeps pace with a busy leader stays in sync without ever reaching its end.
pub fn note(follower: &mut Follower, fetch: &FollowerFetch) {
    if fetch.offset >= fetch.leader_end {
        follower.caught_up_at = Some(fetch.at);
    } else if let Some((before, end)) = follower.last_fetch
        && fetch.offset >= end
    {
        follower.caught_up_at = follower.caught_up_at.max(Some(before));
    }
    follower.end_offset = Some(fetch.offset);
    follower.log_start_offset = fetch.log_start_offset;
    follower.last_fetch = Some((fetch.at, fetch.leader_end));
    follower.broker_epoch = follower.broker_epoch.max(fetch.broker_epoch);
}

/// Has the follower had everything within the lag time?
pub fn is_caught_up(follower: &Follower, log_end: i64, now: Instant, max_lag: Duration) -> bool {
    follower.end_offset == Some(log_end)
        || follower.caught_up_at.is_some_and(|at| now.saturating_duration_since(at) <= max_lag)
}

/// The in-sync replicas with `id` added, when it may join: it has all that is committed and has reached the leader's own epoch, so
/// that nothing above can be truncated from under it.
pub fn expansion(state: &State, id: BrokerId, high_watermark: i64) -> Option<Vec<BrokerId>> {
    if state.role != Role::Leader || state.pending.is_some() || state.isr.contains(&id) {
        return None;
    }
    let end = state.followers.get(&id)?.end_offset?;
    (end >= high_watermark && end >= state.epoch_start?).then(|| {
        let mut isr = state.isr.clone();
        isr.push(id);
        isr
    })
}

/// The in-sync replicas without those that have been behind for longer than they may. `allowance` is the lag time of one replica.
pub fn shrinkage(
    state: &State,
    me: BrokerId,
    log_end: i64,
    now: Instant,
    allowance: impl Fn(BrokerId) -> Duration,
) -> Option<Vec<BrokerId>> {
    if state.role != Role::Leader || state.pending.is_some() {
        return None;
    }
    let in_sync = |id: &BrokerId| {
        *id == me
            || state.followers.get(id).is_some_and(|follower| is_caught_up(follower, log_end, now, allowance(*id)))
    };
    let left: Vec<_> = state.isr.iter().copied().filter(in_sync).collect();
    (left.len() < state.isr.len()).then_some(left)
}

/// What the controller made of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is so now.
    Committed {
        /// Of the partition as the controller has it.
        leader_epoch: i32,
        /// Data version of the state node.
        partition_epoch: i32,
        /// In-sync replicas.
        isr: Vec<BrokerId>,
    },
    /// Not this ISR: back to the confirmed one, to be judged anew.
    Revert,
    /// The controller knows better and will say so in a LeaderAndIsr.
    Park,
    /// Worth another try.
    Retry,
}

/// Puts a verdict on the proposal of `leader_epoch` into effect; true when it is to be sent again.
pub fn settle(state: &mut State, proposed: &[BrokerId], leader_epoch: i32, verdict: Verdict) -> bool {
    let is_current = state.role == Role::Leader
        && state.leader_epoch == leader_epoch
        && state.pending.as_ref().is_some_and(|pending| pending.isr == proposed);
    if !is_current {
        return false; // the controller has told of the partition meanwhile
    }
    match verdict {
        Verdict::Committed { leader_epoch: of, partition_epoch, isr } => {
            // A later leader epoch, or an older state: the LeaderAndIsr or the answer that explains it is on its way.
            if of == leader_epoch && partition_epoch >= state.partition_epoch {
                state.isr = isr;
                state.partition_epoch = partition_epoch;
            }
            state.pending = None;
            for id in &state.isr {
                if let Some(follower) = state.followers.get_mut(id) {
                    follower.joining = false;
                }
            }
            false
        }
        Verdict::Revert => {
            state.pending = None;
            false
        }
        Verdict::Park => {
            state.pending = Some(PendingIsr { isr: proposed.to_vec(), parked: true });
            false
        }
        Verdict::Retry => true,
    }
}

//! The high watermark rule: what every in-sync replica has is committed. Pure.

use crate::base::BrokerId;

use super::state::{Role, State};

/// The leader's next high watermark, or none while it must not move: the leader is settling, a member of the ISR has not been heard in
/// this term, or the ISR is below `min.insync.replicas` (Kafka 3.9: `Partition.maybeIncrementLeaderHW`). Never below `current`.
pub fn next(state: &State, me: BrokerId, log_end: i64, current: i64, min_insync_replicas: i32) -> Option<i64> {
    if state.role != Role::Leader || state.epoch_start.is_none() || !state.has_min_isr(min_insync_replicas) {
        return None;
    }
    let mut lowest = log_end;
    for id in state.maximal_isr().filter(|id| *id != me) {
        lowest = lowest.min(state.followers.get(&id)?.end_offset?);
    }
    for follower in state.followers.values().filter(|follower| follower.joining) {
        lowest = lowest.min(follower.end_offset.unwrap_or(lowest));
    }
    (lowest > current).then_some(lowest)
}

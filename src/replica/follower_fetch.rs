//! The leader's side of a follower's fetch: who asks, may it, and what its offset says. Called by `read` before the log is read.
//!
//! The offset a follower asks for is its acknowledgement of everything below, so it counts only after the checks of assignment, epoch
//! and divergence (`Partition.fetchRecords`, `Partition.updateFollowerFetchState`).

use super::fetch_session::Wanted;
use super::isr::{self, FollowerFetch};
use super::partition::Partition;
use super::state::PendingIsr;
use super::table::Replicas;
use crate::base::{BrokerId, ErrorCode};
use crate::log::EpochEnd;

/// A follower that fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerId {
    /// Its broker id.
    pub broker: BrokerId,
    /// The epoch of its registration, -1 before Fetch 15.
    pub broker_epoch: i64,
}

/// Where the reader's log and the leader's part, when they do: the leader's end of the largest epoch at or below the reader's last
/// (KIP-595). Also for consumers, which may ask in the same way.
///
/// # Errors
/// OFFSET_OUT_OF_RANGE when the epoch says nothing here, or the offset is below the log start.
pub fn divergence(partition: &Partition, wanted: &Wanted) -> Result<Option<EpochEnd>, ErrorCode> {
    if wanted.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let end = partition.log().end_offset_for(wanted.last_fetched_epoch);
    if end == EpochEnd::UNKNOWN || wanted.fetch_offset < partition.log().start_offset() {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    Ok((end.epoch < wanted.last_fetched_epoch || end.end_offset < wanted.fetch_offset).then_some(end))
}

impl Replicas {
    /// Is the follower one of the partition's, and of its latest registration?
    ///
    /// # Errors
    /// UNKNOWN_LEADER_EPOCH (NOT_LEADER_OR_FOLLOWER to those that name no epoch) for a broker that is not assigned: it tries again,
    /// for this leader may not have heard of a reassignment yet. NOT_LEADER_OR_FOLLOWER for an earlier registration.
    pub(super) fn check_follower(
        &self,
        partition: &Partition,
        wanted: &Wanted,
        follower: FollowerId,
    ) -> Result<(), ErrorCode> {
        let state = partition.state();
        match state.followers.get(&follower.broker) {
            None if wanted.current_leader_epoch >= 0 => Err(ErrorCode::UnknownLeaderEpoch),
            None => Err(ErrorCode::NotLeaderOrFollower),
            Some(known) if follower.broker_epoch >= 0 && follower.broker_epoch < known.broker_epoch => {
                Err(ErrorCode::NotLeaderOrFollower)
            }
            Some(_) => Ok(()),
        }
    }

    /// Takes a checked fetch as the follower's acknowledgement: its end offset, the high watermark, its way into the ISR.
    ///
    /// # Errors
    /// OFFSET_OUT_OF_RANGE for an offset that the log does not have: such a fetch acknowledges nothing.
    pub(super) fn note_follower(
        &self,
        partition: &Partition,
        wanted: &Wanted,
        follower: FollowerId,
    ) -> Result<(), ErrorCode> {
        let log = &partition.log();
        let is_alive = self.cluster.metadata.load().is_alive(follower.broker);
        let changes = {
            let mut state = partition.touch();
            state.check_epoch(wanted.current_leader_epoch)?; // it may have changed since the first look
            state.check_leader()?;
            let leader_end = log.leo();
            if wanted.fetch_offset < log.start_offset() || wanted.fetch_offset > leader_end {
                return Err(ErrorCode::OffsetOutOfRange);
            }
            let in_isr = state.maximal_isr().any(|id| id == follower.broker);
            let Some(known) = state.followers.get_mut(&follower.broker) else {
                return Err(ErrorCode::UnknownLeaderEpoch);
            };
            let fetch = FollowerFetch {
                offset: wanted.fetch_offset,
                log_start_offset: wanted.log_start_offset,
                leader_end,
                at: self.env.clock.now(),
                broker_epoch: follower.broker_epoch,
            };
            let start_before = known.log_start_offset;
            isr::note(known, &fetch);
            let start_moved = known.log_start_offset != start_before;
            let max_lag = self.max_lag();
            known.joining = is_alive && !in_isr && isr::is_caught_up(known, leader_end, fetch.at, max_lag);
            let larger = if is_alive { isr::expansion(&state, follower.broker, log.high_watermark()) } else { None };
            let changes = larger.is_some();
            if start_moved {
                state.wake_all(); // whoever deletes records waits for this
            }
            if let Some(isr) = larger {
                tracing::info!(partition = %partition.id, from = ?state.isr, to = ?isr, "expanding the ISR");
                state.pending = Some(PendingIsr { isr, parked: false });
            }
            changes
        };
        if changes {
            self.isr_changes.enqueue(&partition.id);
        }
        Ok(())
    }
}

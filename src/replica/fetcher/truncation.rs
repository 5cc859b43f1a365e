//! Where a follower cuts its log when the leader says that they part (KIP-279, KIP-595). Pure.
//!
//! Kafka's `AbstractFetcherThread.getOffsetTruncationState`. Never by the high watermark: what was committed in an epoch that the
//! follower has, it keeps.

use crate::log::EpochEnd;

/// The offset to cut at. `leader` is the leader's end of the largest epoch at or below the follower's last; `own` is the follower's
/// end of that same epoch (its largest at or below); `log_end` the follower's.
///
/// When the follower does not know the leader's epoch it goes back to the end of its own largest below that, and asks again.
pub fn cut(leader: EpochEnd, own: EpochEnd, log_end: i64, high_watermark: i64) -> i64 {
    if leader.end_offset < 0 {
        return high_watermark.min(log_end); // the leader knows nothing of epochs: only what is committed is sure
    }
    if leader.epoch < 0 || own == EpochEnd::UNKNOWN {
        return leader.end_offset.min(log_end);
    }
    if own.epoch != leader.epoch {
        own.end_offset.min(log_end)
    } else {
        own.end_offset.min(leader.end_offset).min(log_end)
    }
}

/// After OFFSET_OUT_OF_RANGE: what to do with a log that ends at `log_end`, by where the leader's starts and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// The leader has less: cut what it does not have.
    CutTo(i64),
    /// The leader starts above: everything here is gone there.
    AnewAt(i64),
    /// The log is fine as it is: fetch on from its end.
    GoOn,
}

/// See [`Restart`] (`AbstractFetcherThread.fetchOffsetAndTruncate`).
pub fn restart(leader_start: i64, leader_end: i64, log_end: i64) -> Restart {
    if leader_end < log_end {
        Restart::CutTo(leader_end)
    } else if leader_start > log_end {
        Restart::AnewAt(leader_start)
    } else {
        Restart::GoOn
    }
}

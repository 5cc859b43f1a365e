//! DeleteRecords: raises the log start offset on the leader, and waits until the followers that live have heard of it.
//!
//! Followers learn of it as they fetch, and say so with their next fetch. Kafka's `DelayedDeleteRecords`.

use std::time::Duration;

use tokio::time::Instant;

use super::table::Replicas;
use super::wait::{Until, Waiter};
use crate::base::{ErrorCode, TopicPartition};

/// "Up to the high watermark".
pub const TO_HIGH_WATERMARK: i64 = -1;

/// How often those who wait look again on their own: a broker that dies is waited for no more, and nothing of the partition changes then.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The low watermark that a deletion leads to, and the one there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Everything below is gone once every live replica starts here or above.
    pub wanted: i64,
    /// The lowest log start over the live replicas; -1 while one has not said.
    pub low_watermark: i64,
}

impl Deletion {
    /// True when no replica has to be waited for.
    pub fn is_done(&self) -> bool {
        self.low_watermark >= self.wanted
    }
}

impl Replicas {
    /// Deletes everything below `offset`. On return no reader gets it any more here; the disk is freed by retention.
    ///
    /// # Errors
    /// OFFSET_OUT_OF_RANGE above the high watermark or below 0, POLICY_VIOLATION unless `cleanup.policy` has delete, the partition's
    /// code otherwise.
    pub async fn delete_records(&self, id: &TopicPartition, offset: i64) -> Result<Deletion, ErrorCode> {
        let partition = self.get(id)?;
        partition.check_leader(-1)?;
        let log = &partition.log();
        if !log.config().cleanup.delete {
            return Err(ErrorCode::PolicyViolation);
        }
        let high_watermark = log.high_watermark();
        let offset = if offset == TO_HIGH_WATERMARK { high_watermark } else { offset };
        if offset < 0 || offset > high_watermark {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        partition.lock().await.increment_start_offset(offset).await.map_err(|error| error.code())?;
        drop(partition.change()); // readers below it must look again
        Ok(Deletion { wanted: offset, low_watermark: self.low_watermark(id)? })
    }

    /// The lowest log start over the partition's live replicas; -1 while one has not said (`Partition.lowWatermarkIfLeader`).
    ///
    /// # Errors
    /// The partition's code, when this broker does not lead it.
    pub fn low_watermark(&self, id: &TopicPartition) -> Result<i64, ErrorCode> {
        let partition = self.get(id)?;
        partition.check_leader(-1)?;
        let image = self.cluster.metadata.load();
        let state = partition.state();
        let followers = state.followers.iter().filter(|(id, _)| image.is_alive(**id)).map(|(_, f)| f.log_start_offset);
        Ok(followers.fold(partition.log().start_offset(), i64::min))
    }

    /// Waits until all deletions have reached their live replicas, or the deadline. The outcomes are in their order: the low watermark,
    /// which may be too low when the time was over, or why this broker can't say any more.
    pub async fn await_deletions(
        &self,
        deletions: &[(TopicPartition, Deletion)],
        deadline: Instant,
    ) -> Vec<Result<i64, ErrorCode>> {
        let waiter = Waiter::new();
        // Woken by changes alone, which a follower's new start is.
        let register = |(id, _): &(TopicPartition, Deletion)| {
            Some(self.get(id).ok()?.waiters.register(&waiter, Until::Committed(i64::MAX)))
        };
        let _places: Vec<_> = deletions.iter().filter_map(register).collect();
        loop {
            let now: Vec<_> = deletions.iter().map(|(id, _)| self.low_watermark(id)).collect();
            let is_done = |(found, (_, deletion)): (&Result<i64, ErrorCode>, &(TopicPartition, Deletion))| {
                found.map_or(true, |low_watermark| low_watermark >= deletion.wanted)
            };
            let time = self.env.clock.now();
            if time >= deadline || now.iter().zip(deletions).all(is_done) {
                return now;
            }
            waiter.wait(deadline.min(time + LOOK_AGAIN)).await;
        }
    }
}

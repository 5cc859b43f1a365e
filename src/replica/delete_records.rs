//! DeleteRecords: raises the log start offset on the leader; followers learn of it as they fetch.

use super::table::Replicas;
use crate::base::{ErrorCode, TopicPartition};

/// "Up to the high watermark".
pub const TO_HIGH_WATERMARK: i64 = -1;

impl Replicas {
    /// Deletes everything below `offset`. On return no reader gets it any more; the disk is freed by retention. The result is the
    /// partition's low watermark: the lowest log start over its live replicas.
    ///
    /// # Errors
    /// OFFSET_OUT_OF_RANGE above the high watermark or below 0, POLICY_VIOLATION unless `cleanup.policy` has delete, the partition's
    /// code otherwise.
    pub async fn delete_records(&self, id: &TopicPartition, offset: i64) -> Result<i64, ErrorCode> {
        let partition = self.get(id)?;
        partition.check_leader(-1)?;
        let log = &partition.log;
        if !log.config().cleanup.delete {
            return Err(ErrorCode::PolicyViolation);
        }
        let high_watermark = log.high_watermark();
        let offset = if offset == TO_HIGH_WATERMARK { high_watermark } else { offset };
        if offset < 0 || offset > high_watermark {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        log.increment_start_offset(offset).await.map_err(|error| error.code())?;
        drop(partition.change()); // readers below it must look again
        Ok(log.start_offset())
    }
}

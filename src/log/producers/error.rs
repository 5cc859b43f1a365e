//! What a producer can do wrong, with Kafka's codes.

use crate::base::ErrorCode;

/// A batch does not fit its producer's state. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProducerError {
    /// A newer instance of the producer has written.
    #[error(
        "epoch of producer {producer_id} at offset {offset} is {epoch}, which is smaller than the last seen epoch {current}"
    )]
    InvalidEpoch {
        /// Whose.
        producer_id: i64,
        /// Where it would have been written.
        offset: i64,
        /// The batch's.
        epoch: i16,
        /// The known one.
        current: i16,
    },
    /// The sequence leaves a gap or goes back.
    #[error(
        "out of order sequence number for producer {producer_id} at offset {offset}: {sequence} (incoming), {last} (current end)"
    )]
    OutOfOrder {
        /// Whose.
        producer_id: i64,
        /// Where it would have been written.
        offset: i64,
        /// The batch's first.
        sequence: i32,
        /// The last one known, -1 none.
        last: i32,
    },
    /// The batch does not fit the open (or missing) transaction.
    #[error("producer {producer_id}: {reason}")]
    InvalidTxn {
        /// Whose.
        producer_id: i64,
        /// Why.
        reason: &'static str,
    },
    /// A newer coordinator has written a marker.
    #[error("coordinator epoch {epoch} of producer {producer_id} is below the known {current}")]
    CoordinatorFenced {
        /// Whose marker.
        producer_id: i64,
        /// The marker's.
        epoch: i32,
        /// The known one.
        current: i32,
    },
}

impl ProducerError {
    /// Kafka's code for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            ProducerError::InvalidEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            ProducerError::OutOfOrder { .. } => ErrorCode::OutOfOrderSequenceNumber,
            ProducerError::InvalidTxn { .. } => ErrorCode::InvalidTxnState,
            ProducerError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        }
    }
}

//! Transactions: producer ids, what a transaction writes to, its end and the markers of it, what tools see.
//!
//! The handlers translate: decisions are `txn`'s, and `group`'s for offsets in transactions. A request may name one transaction; what
//! has to be written for it is waited for in a future.

pub mod add_offsets_to_txn;
pub mod add_partitions_to_txn;
pub mod describe_transactions;
pub mod end_txn;
pub mod init_producer_id;
pub mod list_transactions;
pub mod txn_offset_commit;
pub mod write_txn_markers;

use crate::base::ErrorCode;

/// The first version of AddPartitionsToTxn, AddOffsetsToTxn and EndTxn whose clients know PRODUCER_FENCED.
const FIRST_FENCED_VERSION: i16 = 2;

/// The code as clients of this version know it.
fn code_for(error: ErrorCode, version: i16, first_fenced_version: i16) -> i16 {
    match error {
        ErrorCode::ProducerFenced if version < first_fenced_version => ErrorCode::InvalidProducerEpoch.code(),
        error => error.code(),
    }
}

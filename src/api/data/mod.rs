//! Records in and out: produce, fetch, and questions about offsets.

pub mod delete_records;
pub mod describe_producers;
pub mod fetch;
pub mod list_offsets;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod refused;

mod down_convert;
mod leaders;
mod verify;

/// `isolation_level` of a consumer that skips open and aborted transactions.
const READ_COMMITTED: i8 = 1;

/// Does a request ask for committed records only?
fn is_read_committed(isolation_level: i8) -> bool {
    isolation_level == READ_COMMITTED
}

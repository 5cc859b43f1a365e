//! Records in and out: produce, fetch, and questions about offsets.

pub mod delete_records;
pub mod describe_producers;
pub mod fetch;
pub mod list_offsets;
pub mod offset_for_leader_epoch;
pub mod produce;

mod down_convert;
mod leaders;
mod verify;

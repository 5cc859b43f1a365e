//! `/isr_change_notification/isr_change_<n>`: partitions whose ISR a leader changed on its own (IBP below 2.7); sequential.

use bytes::Bytes;

use super::{ZnodeError, parse_partitions, print_partitions};
use crate::base::TopicPartition;

/// The parent.
pub const PATH: &str = "/isr_change_notification";
/// Name before the number.
pub const PREFIX: &str = "isr_change_";

/// What to create a notification with; the server puts the number behind.
pub fn create_path() -> String {
    format!("{PATH}/{PREFIX}")
}

/// The node of a name.
pub fn path(name: &str) -> String {
    format!("{PATH}/{name}")
}

/// Reads the partitions of notification `name`.
///
/// # Errors
/// When it is not that JSON.
pub fn decode(name: &str, data: &[u8]) -> Result<Vec<TopicPartition>, ZnodeError> {
    parse_partitions(&path(name), data)
}

/// A notification's data.
pub fn encode(partitions: &[TopicPartition]) -> Bytes {
    print_partitions(partitions)
}

//! `/admin/preferred_replica_election`: partitions whose preferred leader an old tool wants elected; the controller deletes it when done.

use bytes::Bytes;

use super::{ZnodeError, parse_partitions, print_partitions};
use crate::base::TopicPartition;

/// The node.
pub const PATH: &str = "/admin/preferred_replica_election";

/// Reads the partitions.
///
/// # Errors
/// When it is not that JSON.
pub fn decode(data: &[u8]) -> Result<Vec<TopicPartition>, ZnodeError> {
    parse_partitions(PATH, data)
}

/// The node's data.
pub fn encode(partitions: &[TopicPartition]) -> Bytes {
    print_partitions(partitions)
}

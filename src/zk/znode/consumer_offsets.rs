//! `/consumers/<group>/offsets/<topic>/<partition>`: offsets committed with OffsetCommit version 0; decimal text.

use bytes::Bytes;

use super::{ZnodeError, parse_text};
use crate::base::TopicPartition;

/// The root.
pub const PATH: &str = "/consumers";

/// The node of a group's offset.
pub fn path(group: &str, partition: &TopicPartition) -> String {
    format!("{PATH}/{group}/offsets/{}/{}", partition.topic, partition.partition)
}

/// Reads an offset; none for no data, which reads as "no offset".
///
/// # Errors
/// When it is not a number.
pub fn decode(path: &str, data: &[u8]) -> Result<Option<i64>, ZnodeError> {
    if data.is_empty() { Ok(None) } else { parse_text(path, "an offset", data).map(Some) }
}

/// The node's data.
pub fn encode(offset: i64) -> Bytes {
    offset.to_string().into()
}

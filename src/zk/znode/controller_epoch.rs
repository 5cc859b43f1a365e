//! `/controller_epoch`: the number of the controller's term, in decimal. Its data *version* fences every controller write.

use bytes::Bytes;

use super::{ZnodeError, parse_text};

/// The node.
pub const PATH: &str = "/controller_epoch";
/// What the node is created with; the first controller has one more.
pub const INITIAL: i32 = 0;

/// Reads the epoch.
///
/// # Errors
/// When it is not a number.
pub fn decode(data: &[u8]) -> Result<i32, ZnodeError> {
    parse_text(PATH, "a controller epoch", data)
}

/// The node's data.
pub fn encode(epoch: i32) -> Bytes {
    epoch.to_string().into()
}

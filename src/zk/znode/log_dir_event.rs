//! `/log_dir_event_notification/log_dir_event_<n>`: a broker tells of a failed log directory; sequential.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ZnodeError, parse, print};
use crate::base::BrokerId;

/// The parent.
pub const PATH: &str = "/log_dir_event_notification";
/// Name before the number.
pub const PREFIX: &str = "log_dir_event_";
/// The only event there is: a directory failed.
const LOG_DIR_FAILURE: i32 = 1;

/// What to create a notification with; the server puts the number behind.
pub fn create_path() -> String {
    format!("{PATH}/{PREFIX}")
}

/// The node of a name.
pub fn path(name: &str) -> String {
    format!("{PATH}/{name}")
}

#[derive(Serialize, Deserialize)]
struct Json {
    version: i32,
    broker: BrokerId,
    event: i32,
}

/// Reads whose directory failed.
///
/// # Errors
/// When it is not that JSON.
pub fn decode(name: &str, data: &[u8]) -> Result<BrokerId, ZnodeError> {
    parse::<Json>(&path(name), data).map(|json| json.broker)
}

/// A notification's data.
pub fn encode(broker: BrokerId) -> Bytes {
    print(&Json { version: 1, broker, event: LOG_DIR_FAILURE })
}

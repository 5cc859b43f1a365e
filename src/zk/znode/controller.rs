//! `/controller`: who the controller is; ephemeral. Whether it is *us* is told by the node's owner, not by its text.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ZnodeError, parse, print};
use crate::base::BrokerId;

/// The node.
pub const PATH: &str = "/controller";

/// The controller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControllerNode {
    /// Its broker id.
    pub broker: BrokerId,
    /// When it registered, ms since 1970.
    pub timestamp_ms: i64,
    /// -1, or the epoch of a KRaft controller during a migration.
    pub kraft_epoch: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    version: i32,
    brokerid: BrokerId,
    timestamp: String,
    kraft_controller_epoch: i32,
}

impl ControllerNode {
    /// A ZooKeeper-mode controller.
    pub fn new(broker: BrokerId, timestamp_ms: i64) -> Self {
        Self { broker, timestamp_ms, kraft_epoch: -1 }
    }

    /// Reads the node; only the broker id must be there.
    ///
    /// # Errors
    /// When it is not that JSON.
    pub fn decode(data: &[u8]) -> Result<Self, ZnodeError> {
        #[derive(Deserialize)]
        struct Read {
            brokerid: BrokerId,
            #[serde(default)]
            timestamp: serde_json::Value,
            #[serde(default = "none", rename = "kraftControllerEpoch")]
            kraft_controller_epoch: i32,
        }
        fn none() -> i32 {
            -1
        }
        let json: Read = parse(PATH, data)?;
        let timestamp_ms = match &json.timestamp {
            serde_json::Value::String(text) => text.parse().unwrap_or(-1),
            other => other.as_i64().unwrap_or(-1),
        };
        Ok(Self { broker: json.brokerid, timestamp_ms, kraft_epoch: json.kraft_controller_epoch })
    }

    /// The node's data.
    pub fn encode(&self) -> Bytes {
        print(&Json {
            version: 2,
            brokerid: self.broker,
            timestamp: self.timestamp_ms.to_string(),
            kraft_controller_epoch: self.kraft_epoch,
        })
    }
}

//! `/migration`: state of a migration to KRaft. A ZooKeeper-mode cluster has none; Ottla only reads it, to refuse to meddle.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ZnodeError, parse, print};

/// The node.
pub const PATH: &str = "/migration";

/// Where a migration stands; -1 throughout before it starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MigrationNode {
    /// JSON version: 0.
    pub version: i32,
    /// The KRaft controller.
    pub kraft_controller_id: i32,
    /// Its epoch.
    pub kraft_controller_epoch: i32,
    /// Offset in the metadata log up to which ZooKeeper was written.
    pub kraft_metadata_offset: i64,
    /// Epoch of that offset.
    pub kraft_metadata_epoch: i32,
}

impl MigrationNode {
    /// Reads the node.
    ///
    /// # Errors
    /// When it is not that JSON.
    pub fn decode(data: &[u8]) -> Result<Self, ZnodeError> {
        parse(PATH, data)
    }

    /// The node's data.
    pub fn encode(&self) -> Bytes {
        print(self)
    }
}

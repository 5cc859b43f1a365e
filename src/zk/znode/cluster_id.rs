//! `/cluster/id`: the cluster's id, made by the first broker and never changed.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ZnodeError, parse, print};

/// The node.
pub const PATH: &str = "/cluster/id";

#[derive(Serialize, Deserialize)]
struct Json {
    version: String,
    id: String,
}

/// Reads the id.
///
/// # Errors
/// When it is not that JSON.
pub fn decode(data: &[u8]) -> Result<String, ZnodeError> {
    /// Any type of version: Kafka writes text.
    #[derive(Deserialize)]
    struct Read {
        id: String,
    }
    parse::<Read>(PATH, data).map(|json| json.id)
}

/// The node's data for an id of 22 characters of base64url.
pub fn encode(id: &str) -> Bytes {
    print(&Json { version: "1".into(), id: id.into() })
}

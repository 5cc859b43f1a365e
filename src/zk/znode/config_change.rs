//! `/config/changes/config_change_<n>`: an entity's configuration changed; sequential. Every broker watches the parent.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::config::ConfigEntity;
use super::{ZnodeError, parse, print};

/// The parent.
pub const PATH: &str = "/config/changes";
/// Name before the number.
pub const PREFIX: &str = "config_change_";

/// What to create a notification with; the server puts the number behind.
pub fn create_path() -> String {
    format!("{PATH}/{PREFIX}")
}

/// The node of a name.
pub fn path(name: &str) -> String {
    format!("{PATH}/{name}")
}

#[derive(Serialize)]
struct Json<'a> {
    version: i32,
    entity_path: &'a str,
}

/// A notification's data (version 2).
pub fn encode(entity: &ConfigEntity) -> Bytes {
    print(&Json { version: 2, entity_path: entity.entity_path() })
}

/// Reads whose configuration changed; version 1 named only topics and clients.
///
/// # Errors
/// When it is not that JSON, or names nothing that can be configured.
pub fn decode(name: &str, data: &[u8]) -> Result<ConfigEntity, ZnodeError> {
    #[derive(Deserialize)]
    struct Read {
        version: i32,
        #[serde(default)]
        entity_path: String,
        #[serde(default)]
        entity_type: String,
        #[serde(default)]
        entity_name: String,
    }
    let node = path(name);
    let json: Read = parse(&node, data)?;
    let path = match json.version {
        1 if matches!(json.entity_type.as_str(), "topics" | "clients") => {
            format!("{}/{}", json.entity_type, json.entity_name)
        }
        2 => json.entity_path,
        other => return Err(ZnodeError::new(&node, format!("version {other}"), data)),
    };
    ConfigEntity::from_entity_path(&path).ok_or_else(|| ZnodeError::new(&node, "not an entity", data))
}

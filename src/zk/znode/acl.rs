//! ACLs: `/kafka-acl/<Type>/<name>` for literal patterns, `/kafka-acl-extended/prefixed/<Type>/<name>` for prefixes, and the roots of
//! their change notifications.
//!
//! Names and enumerations are kept as text here: what they mean is for the authorizer. Paths use `Topic`, change nodes `TOPIC`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ZnodeError, parse, print};

/// Root of literal ACLs.
pub const LITERAL: &str = "/kafka-acl";
/// Root of the other patterns.
pub const EXTENDED: &str = "/kafka-acl-extended";
/// Root of prefixed ACLs.
pub const PREFIXED: &str = "/kafka-acl-extended/prefixed";
/// Parent of literal changes.
pub const LITERAL_CHANGES: &str = "/kafka-acl-changes";
/// Parent of prefixed changes.
pub const EXTENDED_CHANGES: &str = "/kafka-acl-extended-changes";
/// Name of a change before its number.
pub const CHANGE_PREFIX: &str = "acl_changes_";
/// The types of resources: (in paths, in changes).
pub const TYPES: [(&str, &str); 6] = [
    ("Topic", "TOPIC"),
    ("Group", "GROUP"),
    ("Cluster", "CLUSTER"),
    ("TransactionalId", "TRANSACTIONAL_ID"),
    ("DelegationToken", "DELEGATION_TOKEN"),
    ("User", "USER"),
];

/// How the name of a resource is meant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Pattern {
    /// The resource of that name.
    Literal,
    /// All whose name starts with it.
    Prefixed,
}

impl Pattern {
    /// Root of its ACLs.
    pub fn root(self) -> &'static str {
        match self {
            Pattern::Literal => LITERAL,
            Pattern::Prefixed => PREFIXED,
        }
    }

    /// Parent of its changes.
    pub fn changes(self) -> &'static str {
        match self {
            Pattern::Literal => LITERAL_CHANGES,
            Pattern::Prefixed => EXTENDED_CHANGES,
        }
    }
}

/// The node of a resource's ACLs; `resource_type` as in paths (`Topic`).
pub fn path(pattern: Pattern, resource_type: &str, name: &str) -> String {
    format!("{}/{resource_type}/{name}", pattern.root())
}

/// One entry.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AclEntry {
    /// `User:alice`.
    pub principal: String,
    /// `Allow` or `Deny`.
    pub permission_type: String,
    /// Address of the client, or `*`.
    pub host: String,
    /// `Read`, `All`, ...
    pub operation: String,
}

#[derive(Serialize, Deserialize)]
struct Json {
    acls: Vec<AclEntry>,
    version: i32,
}

/// Reads a resource's entries, in the order of the node; no data is no entries.
///
/// # Errors
/// When it is not that JSON, or of another version.
pub fn decode(path: &str, data: &[u8]) -> Result<Vec<AclEntry>, ZnodeError> {
    if data.is_empty() {
        return Ok(Vec::new());
    }
    let json: Json = parse(path, data)?;
    if json.version != 1 {
        return Err(ZnodeError::new(path, format!("version {}", json.version), data));
    }
    Ok(json.acls)
}

/// A resource's data.
pub fn encode(acls: &[AclEntry]) -> Bytes {
    print(&Json { acls: acls.to_vec(), version: 1 })
}

/// A resource whose ACLs changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AclChange {
    /// How the name is meant.
    pub pattern: Pattern,
    /// Type as in changes (`TOPIC`).
    pub resource_type: String,
    /// Name; may hold colons.
    pub name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExtendedJson {
    version: i32,
    resource_type: String,
    name: String,
    pattern_type: String,
}

impl AclChange {
    /// What to create the change with; the server puts the number behind.
    pub fn create_path(&self) -> String {
        format!("{}/{CHANGE_PREFIX}", self.pattern.changes())
    }

    /// Its data: text for literal patterns, JSON for prefixed ones.
    pub fn encode(&self) -> Bytes {
        match self.pattern {
            Pattern::Literal => format!("{}:{}", self.resource_type, self.name).into(),
            Pattern::Prefixed => print(&ExtendedJson {
                version: 1,
                resource_type: self.resource_type.clone(),
                name: self.name.clone(),
                pattern_type: "PREFIXED".into(),
            }),
        }
    }

    /// Reads a change found below `pattern.changes()`.
    ///
    /// # Errors
    /// When it is not a change of that pattern.
    pub fn decode(pattern: Pattern, name: &str, data: &[u8]) -> Result<Self, ZnodeError> {
        let node = format!("{}/{name}", pattern.changes());
        match pattern {
            Pattern::Literal => {
                let text = std::str::from_utf8(data).ok().and_then(|text| text.split_once(':'));
                let (kind, name) = text.ok_or_else(|| ZnodeError::new(&node, "not TYPE:name", data))?;
                Ok(Self { pattern, resource_type: kind.to_uppercase(), name: name.into() })
            }
            Pattern::Prefixed => {
                let json: ExtendedJson = parse(&node, data)?;
                if json.version != 1 || !json.pattern_type.eq_ignore_ascii_case("prefixed") {
                    return Err(ZnodeError::new(&node, "another version or pattern", data));
                }
                Ok(Self { pattern, resource_type: json.resource_type.to_uppercase(), name: json.name })
            }
        }
    }
}

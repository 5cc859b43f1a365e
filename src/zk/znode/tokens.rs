//! `/delegation_token/tokens/<id>` and `/delegation_token/token_changes/token_change_<n>`: delegation tokens (KIP-48). The HMAC is not stored.
//!
//! Principals are percent-encoded texts such as `User%3Aalice`; read in versions 1 to 3.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::sanitize::{desanitize, sanitize};
use super::{ZnodeError, parse, parse_text, print};

/// Parent of the tokens.
pub const PATH: &str = "/delegation_token/tokens";
/// Parent of the changes.
pub const CHANGES: &str = "/delegation_token/token_changes";
/// Name of a change before its number.
pub const CHANGE_PREFIX: &str = "token_change_";

/// The node of a token.
pub fn path(token_id: &str) -> String {
    format!("{PATH}/{token_id}")
}

/// What to create a change with; the server puts the number behind.
pub fn change_create_path() -> String {
    format!("{CHANGES}/{CHANGE_PREFIX}")
}

/// A delegation token, without its HMAC. Principals are plain (`User:alice`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenNode {
    /// Its id.
    pub token_id: String,
    /// Whose rights it carries.
    pub owner: String,
    /// Who asked for it.
    pub requester: String,
    /// Who may renew it.
    pub renewers: Vec<String>,
    /// Issued, ms since 1970.
    pub issue_ms: i64,
    /// Expires, ms since 1970.
    pub expiry_ms: i64,
    /// Can't be renewed past this, ms since 1970.
    pub max_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    issue_timestamp: i64,
    renewers: Vec<String>,
    #[serde(default)]
    token_requester: Option<String>,
    token_id: String,
    owner: String,
    expiry_timestamp: i64,
    max_timestamp: i64,
    version: i32,
}

impl TokenNode {
    /// The node's data (version 3).
    pub fn encode(&self) -> Bytes {
        print(&Json {
            issue_timestamp: self.issue_ms,
            renewers: self.renewers.iter().map(|name| sanitize(name)).collect(),
            token_requester: Some(sanitize(&self.requester)),
            token_id: self.token_id.clone(),
            owner: sanitize(&self.owner),
            expiry_timestamp: self.expiry_ms,
            max_timestamp: self.max_ms,
            version: 3,
        })
    }

    /// Reads the node of a token.
    ///
    /// # Errors
    /// When it is not that JSON, or of a newer version.
    pub fn decode(token_id: &str, data: &[u8]) -> Result<Self, ZnodeError> {
        let node = path(token_id);
        let json: Json = parse(&node, data)?;
        if !(1..=3).contains(&json.version) {
            return Err(ZnodeError::new(&node, format!("version {}", json.version), data));
        }
        let owner = desanitize(&json.owner);
        let requester = match &json.token_requester {
            Some(requester) if json.version >= 3 => desanitize(requester),
            _ => owner.clone(),
        };
        Ok(Self {
            token_id: json.token_id,
            owner,
            requester,
            renewers: json.renewers.iter().map(|name| desanitize(name)).collect(),
            issue_ms: json.issue_timestamp,
            expiry_ms: json.expiry_timestamp,
            max_ms: json.max_timestamp,
        })
    }
}

/// A change's data: the token's id as text.
pub fn encode_change(token_id: &str) -> Bytes {
    token_id.to_owned().into()
}

/// Reads whose token changed.
///
/// # Errors
/// When it is not text.
pub fn decode_change(name: &str, data: &[u8]) -> Result<String, ZnodeError> {
    parse_text(&format!("{CHANGES}/{name}"), "a token id", data)
}

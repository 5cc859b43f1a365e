//! Keys and values of `__consumer_offsets`, byte for byte Kafka's (`OffsetCommitKey`, `OffsetCommitValue`, `GroupMetadataKey`,
//! `GroupMetadataValue`).
//!
//! Grammar: an int16 version, then the fields (`record::fields`); value version 4 (read only) is flexible. Written are the versions of IBP 2.8 to 3.9: offset key 1 and value 3 (1 with an expiry of its own), group key 2 and value 3.
//! Example, group "g", topic "t", partition 0: key `0001 0001 67 0001 74 00000000`.
//! Used by `coordinator` (writing) and `load` (reading). The bytes come from a log: nothing here trusts a length.

use std::sync::Arc;

use bytes::Bytes;

use crate::record::RecordError;
use crate::record::fields::{Fields, put_len, put_opt_text, put_text};

const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;
const OFFSET_VALUE: i16 = 3;
/// The last version with an expiry a commit.
const OFFSET_VALUE_WITH_EXPIRY: i16 = 1;
const GROUP_VALUE: i16 = 3;
/// Newest value versions that can be read; both flexible.
const NEWEST_VALUE: i16 = 4;

/// What a record is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// A committed offset.
    Offset {
        /// Group id.
        group: Arc<str>,
        /// Topic name.
        topic: Arc<str>,
        /// Partition index.
        partition: i32,
    },
    /// The state of a group.
    Group {
        /// Group id.
        group: Arc<str>,
    },
    /// Another version: skipped with a warning.
    Unknown(i16),
}

/// A committed offset as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetValue {
    /// The next offset to consume.
    pub offset: i64,
    /// -1 for none.
    pub leader_epoch: i32,
    /// The client's note.
    pub metadata: Arc<str>,
    /// When it was committed, ms since 1970.
    pub commit_ms: i64,
    /// When it goes, whatever the broker's retention; only OffsetCommit 2-4 set it.
    pub expire_ms: Option<i64>,
}

/// A group as it is written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GroupValue {
    /// Empty for none.
    pub protocol_type: String,
    /// Completed rebalances.
    pub generation: i32,
    /// None for an empty group.
    pub protocol: Option<String>,
    /// None for an empty group.
    pub leader: Option<String>,
    /// When the state was reached, ms since 1970; -1 unknown.
    pub state_ms: i64,
    /// Members, each with what it got.
    pub members: Vec<MemberValue>,
}

/// A member as it is written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemberValue {
    /// Member id.
    pub id: String,
    /// Static member's name.
    pub instance: Option<String>,
    /// Client id.
    pub client_id: String,
    /// Java's text of an address: `/10.0.0.7`.
    pub client_host: String,
    /// Milliseconds.
    pub rebalance_timeout_ms: i32,
    /// Milliseconds.
    pub session_timeout_ms: i32,
    /// Metadata of the chosen protocol.
    pub subscription: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}

impl Key {
    /// Reads a key.
    ///
    /// # Errors
    /// Bytes that end early, or a null that may not be.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(bytes);
        Ok(match fields.int16()? {
            0 | OFFSET_KEY => {
                Self::Offset { group: fields.text()?.into(), topic: fields.text()?.into(), partition: fields.int32()? }
            }
            GROUP_KEY => Self::Group { group: fields.text()?.into() },
            other => Self::Unknown(other),
        })
    }
}

/// The key of a committed offset.
pub fn offset_key(group: &str, topic: &str, partition: i32) -> Vec<u8> {
    let mut out = Vec::with_capacity(10 + group.len() + topic.len());
    out.extend_from_slice(&OFFSET_KEY.to_be_bytes());
    put_text(&mut out, group);
    put_text(&mut out, topic);
    out.extend_from_slice(&partition.to_be_bytes());
    out
}

/// The key of a group.
pub fn group_key(group: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + group.len());
    out.extend_from_slice(&GROUP_KEY.to_be_bytes());
    put_text(&mut out, group);
    out
}

impl OffsetValue {
    /// The bytes a broker of IBP 2.8 to 3.9 writes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.metadata.len());
        let version = if self.expire_ms.is_some() { OFFSET_VALUE_WITH_EXPIRY } else { OFFSET_VALUE };
        out.extend_from_slice(&version.to_be_bytes());
        out.extend_from_slice(&self.offset.to_be_bytes());
        if version == OFFSET_VALUE {
            out.extend_from_slice(&self.leader_epoch.to_be_bytes());
        }
        put_text(&mut out, &self.metadata);
        out.extend_from_slice(&self.commit_ms.to_be_bytes());
        if let Some(expire_ms) = self.expire_ms {
            out.extend_from_slice(&expire_ms.to_be_bytes());
        }
        out
    }

    /// Reads any version.
    ///
    /// # Errors
    /// [`RecordError::UnknownVersion`]; bytes that end early, or a null that may not be.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(bytes);
        let version = fields.value_version(NEWEST_VALUE)?;
        let offset = fields.int64()?;
        let leader_epoch = if version >= OFFSET_VALUE { fields.int32()? } else { -1 };
        let metadata = fields.text()?.into();
        let commit_ms = fields.int64()?;
        let expire_ms = if version == OFFSET_VALUE_WITH_EXPIRY { Some(fields.int64()?) } else { None };
        Ok(Self { offset, leader_epoch, metadata, commit_ms, expire_ms: expire_ms.filter(|ms| *ms != -1) })
    }
}

impl GroupValue {
    /// The bytes a broker of IBP 2.8 to 3.9 writes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&GROUP_VALUE.to_be_bytes());
        put_text(&mut out, &self.protocol_type);
        out.extend_from_slice(&self.generation.to_be_bytes());
        put_opt_text(&mut out, self.protocol.as_deref());
        put_opt_text(&mut out, self.leader.as_deref());
        out.extend_from_slice(&self.state_ms.to_be_bytes());
        put_len(&mut out, self.members.len());
        for member in &self.members {
            put_text(&mut out, &member.id);
            put_opt_text(&mut out, member.instance.as_deref());
            put_text(&mut out, &member.client_id);
            put_text(&mut out, &member.client_host);
            out.extend_from_slice(&member.rebalance_timeout_ms.to_be_bytes());
            out.extend_from_slice(&member.session_timeout_ms.to_be_bytes());
            put_len(&mut out, member.subscription.len());
            out.extend_from_slice(&member.subscription);
            put_len(&mut out, member.assignment.len());
            out.extend_from_slice(&member.assignment);
        }
        out
    }

    /// Reads any version.
    ///
    /// # Errors
    /// [`RecordError::UnknownVersion`]; bytes that end early, or a null that may not be.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(bytes);
        let version = fields.value_version(NEWEST_VALUE)?;
        let protocol_type = fields.text()?;
        let generation = fields.int32()?;
        let protocol = fields.opt_text()?;
        let leader = fields.opt_text()?;
        let state_ms = if version >= 2 { fields.int64()? } else { -1 };
        let members = fields.array(|fields| {
            let id = fields.text()?;
            let instance = if version >= 3 { fields.opt_text()? } else { None };
            let client_id = fields.text()?;
            let client_host = fields.text()?;
            let first = fields.int32()?;
            let (rebalance_timeout_ms, session_timeout_ms) =
                if version >= 1 { (first, fields.int32()?) } else { (first, first) };
            let subscription = Bytes::copy_from_slice(fields.bytes()?);
            let assignment = Bytes::copy_from_slice(fields.bytes()?);
            fields.tags()?;
            Ok(MemberValue {
                id,
                instance,
                client_id,
                client_host,
                rebalance_timeout_ms,
                session_timeout_ms,
                subscription,
                assignment,
            })
        })?;
        Ok(Self { protocol_type, generation, protocol, leader, state_ms, members })
    }
}

//! Keys and values of `__consumer_offsets`, byte for byte Kafka's (`OffsetCommitKey`, `OffsetCommitValue`, `GroupMetadataKey`,
//! `GroupMetadataValue`).
//!
//! Grammar: an int16 version, then the fields, big endian; text and nullable text with an int16 length (-1 for null), bytes and lists
//! with an int32 one. From value version 4 on (read only) lengths are unsigned varints plus one and tagged fields follow each struct.
//! Written are the versions of IBP 2.8 to 3.9: offset key 1 and value 3 (1 with an expiry of its own), group key 2 and value 3.
//! Example, group "g", topic "t", partition 0: key `0001 0001 67 0001 74 00000000`.
//! Used by `coordinator` (writing) and `load` (reading). The bytes come from a log: nothing here trusts a length.

use std::sync::Arc;

use bytes::Bytes;

use crate::record::RecordError;
use crate::record::varint::Cursor;

const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;
const OFFSET_VALUE: i16 = 3;
/// The last version with an expiry a commit.
const OFFSET_VALUE_WITH_EXPIRY: i16 = 1;
const GROUP_VALUE: i16 = 3;
/// Newest value versions that can be read; both flexible.
const NEWEST_VALUE: i16 = 4;

const BAD_VERSION: RecordError = RecordError::BadRecord("unknown version of a group record's value");
const BAD_TEXT: RecordError = RecordError::BadRecord("text of a group record is not UTF-8");
const BAD_LENGTH: RecordError = RecordError::BadRecord("negative length in a group record");

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
    /// Bytes that end early, or are no text.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields { at: Cursor::new(bytes), flexible: false };
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
    /// An unknown version; bytes that end early, or are no text.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields { at: Cursor::new(bytes), flexible: false };
        let version = fields.value_version()?;
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
    /// An unknown version; bytes that end early, or are no text.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields { at: Cursor::new(bytes), flexible: false };
        let version = fields.value_version()?;
        let protocol_type = fields.text()?;
        let generation = fields.int32()?;
        let protocol = fields.opt_text()?;
        let leader = fields.opt_text()?;
        let state_ms = if version >= 2 { fields.int64()? } else { -1 };
        let count = fields.len()?.ok_or(BAD_LENGTH)?;
        let mut members = Vec::new(); // not reserved: the count is a log's word
        for _ in 0..count {
            let id = fields.text()?;
            let instance = if version >= 3 { fields.opt_text()? } else { None };
            let client_id = fields.text()?;
            let client_host = fields.text()?;
            let first = fields.int32()?;
            let (rebalance_timeout_ms, session_timeout_ms) =
                if version >= 1 { (first, fields.int32()?) } else { (first, first) };
            let subscription = fields.bytes()?;
            let assignment = fields.bytes()?;
            fields.tags()?;
            members.push(MemberValue {
                id,
                instance,
                client_id,
                client_host,
                rebalance_timeout_ms,
                session_timeout_ms,
                subscription,
                assignment,
            });
        }
        Ok(Self { protocol_type, generation, protocol, leader, state_ms, members })
    }
}

/// Text longer than an int16 can say is cut between two characters: a record that can't be read again would take its whole partition
/// out of service. Only a member id, made of a client id and a suffix, can be so long; all other text came with such a length.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = text.floor_char_boundary(i16::MAX as usize);
    out.extend_from_slice(&(len as i16).to_be_bytes());
    out.extend_from_slice(&text.as_bytes()[..len]);
}

fn put_opt_text(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => out.extend_from_slice(&(-1i16).to_be_bytes()),
    }
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&i32::try_from(len).unwrap_or(i32::MAX).to_be_bytes());
}

struct Fields<'a> {
    at: Cursor<'a>,
    flexible: bool,
}

impl Fields<'_> {
    fn int16(&mut self) -> Result<i16, RecordError> {
        self.at.array().map(i16::from_be_bytes)
    }

    fn int32(&mut self) -> Result<i32, RecordError> {
        self.at.array().map(i32::from_be_bytes)
    }

    fn int64(&mut self) -> Result<i64, RecordError> {
        self.at.array().map(i64::from_be_bytes)
    }

    fn value_version(&mut self) -> Result<i16, RecordError> {
        let version = self.int16()?;
        if !(0..=NEWEST_VALUE).contains(&version) {
            return Err(BAD_VERSION);
        }
        self.flexible = version == NEWEST_VALUE;
        Ok(version)
    }

    /// Length of text, null for -1.
    fn text_len(&mut self) -> Result<Option<usize>, RecordError> {
        if self.flexible {
            return self.len();
        }
        match self.int16()? {
            -1 => Ok(None),
            len => usize::try_from(len).map(Some).map_err(|_| BAD_LENGTH),
        }
    }

    /// Length of bytes or of a list, null for -1.
    fn len(&mut self) -> Result<Option<usize>, RecordError> {
        if self.flexible {
            return Ok((self.at.unsigned_varint()? as usize).checked_sub(1));
        }
        match self.int32()? {
            -1 => Ok(None),
            len => usize::try_from(len).map(Some).map_err(|_| BAD_LENGTH),
        }
    }

    fn opt_text(&mut self) -> Result<Option<String>, RecordError> {
        let Some(len) = self.text_len()? else { return Ok(None) };
        let text = std::str::from_utf8(self.at.take(len)?).map_err(|_| BAD_TEXT)?;
        Ok(Some(text.to_owned()))
    }

    fn text(&mut self) -> Result<String, RecordError> {
        self.opt_text()?.ok_or(BAD_LENGTH)
    }

    fn bytes(&mut self) -> Result<Bytes, RecordError> {
        let len = self.len()?.ok_or(BAD_LENGTH)?;
        self.at.take(len).map(Bytes::copy_from_slice)
    }

    fn tags(&mut self) -> Result<(), RecordError> {
        if self.flexible {
            for _ in 0..self.at.unsigned_varint()? {
                self.at.unsigned_varint()?;
                let len = self.at.unsigned_varint()? as usize;
                self.at.take(len)?;
            }
        }
        Ok(())
    }
}

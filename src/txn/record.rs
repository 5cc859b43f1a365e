//! Keys and values of `__transaction_state`, byte for byte Kafka's (`TransactionLogKey`, `TransactionLogValue`).
//!
//! Grammar: an int16 version, then the fields, big endian; text with an int16 length, lists with an int32 count (-1 for null). Value
//! version 1 (read only) is flexible: lengths are unsigned varints plus one, tagged fields follow each struct. Written is version 0.
//! Example: key of "tx1" `0000 0003 747831`. The bytes come from a log: nothing here trusts a length.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::state::State;
use crate::base::TopicPartition;
use crate::record::RecordError;
use crate::record::varint::Cursor;

const KEY: i16 = 0;
const VALUE: i16 = 0;
/// Written once clients of KIP-890 part 2 are there, which ZooKeeper mode never enables.
const FLEXIBLE_VALUE: i16 = 1;

const BAD_VERSION: RecordError = RecordError::BadRecord("unknown version of a transaction record's value");
const BAD_STATE: RecordError = RecordError::BadRecord("unknown state in a transaction record");
const BAD_TEXT: RecordError = RecordError::BadRecord("text of a transaction record is not UTF-8");
const BAD_LENGTH: RecordError = RecordError::BadRecord("negative length in a transaction record");

/// What a record is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// A transactional id.
    Transaction(Arc<str>),
    /// Another version: skipped with a warning.
    Unknown(i16),
}

/// A transactional id as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TxnValue {
    /// The producer that may write.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// How long a transaction may last.
    pub timeout_ms: i32,
    /// State.
    pub state: State,
    /// What the transaction has written to; null on disk when Empty.
    pub partitions: BTreeSet<TopicPartition>,
    /// When this was decided, ms since 1970.
    pub updated_ms: i64,
    /// When the transaction began, -1 for none.
    pub start_ms: i64,
}

impl Key {
    /// Reads a key.
    ///
    /// # Errors
    /// Bytes that end early, or are no text.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields { at: Cursor::new(bytes), flexible: false };
        Ok(match fields.int16()? {
            KEY => Self::Transaction(fields.text()?.into()),
            other => Self::Unknown(other),
        })
    }
}

/// The key of a transactional id.
pub fn key(transactional_id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + transactional_id.len());
    out.extend_from_slice(&KEY.to_be_bytes());
    put_text(&mut out, transactional_id);
    out
}

impl TxnValue {
    /// The bytes a broker in ZooKeeper mode writes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&VALUE.to_be_bytes());
        out.extend_from_slice(&self.producer_id.to_be_bytes());
        out.extend_from_slice(&self.producer_epoch.to_be_bytes());
        out.extend_from_slice(&self.timeout_ms.to_be_bytes());
        out.push(self.state.id().cast_unsigned());
        if self.state == State::Empty {
            out.extend_from_slice(&(-1i32).to_be_bytes());
        } else {
            let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
            for id in &self.partitions {
                topics.entry(&id.topic).or_default().push(id.partition);
            }
            put_count(&mut out, topics.len());
            for (topic, partitions) in topics {
                put_text(&mut out, topic);
                put_count(&mut out, partitions.len());
                partitions.iter().for_each(|index| out.extend_from_slice(&index.to_be_bytes()));
            }
        }
        out.extend_from_slice(&self.updated_ms.to_be_bytes());
        out.extend_from_slice(&self.start_ms.to_be_bytes());
        out
    }

    /// Reads any version.
    ///
    /// # Errors
    /// An unknown version or state; bytes that end early, or are no text.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields { at: Cursor::new(bytes), flexible: false };
        fields.flexible = match fields.int16()? {
            VALUE => false,
            FLEXIBLE_VALUE => true,
            _ => return Err(BAD_VERSION),
        };
        let producer_id = fields.int64()?;
        let producer_epoch = fields.int16()?;
        let timeout_ms = fields.int32()?;
        let [state] = fields.at.array()?;
        let state = State::of_id(state.cast_signed()).ok_or(BAD_STATE)?;
        let mut partitions = BTreeSet::new();
        for _ in 0..fields.len()?.unwrap_or(0) {
            let topic: Arc<str> = fields.text()?.into();
            for _ in 0..fields.len()?.ok_or(BAD_LENGTH)? {
                partitions.insert(TopicPartition::new(topic.clone(), fields.int32()?));
            }
            fields.tags()?;
        }
        let updated_ms = fields.int64()?;
        let start_ms = fields.int64()?;
        Ok(Self { producer_id, producer_epoch, timeout_ms, state, partitions, updated_ms, start_ms })
    }
}

/// Ids and topic names came with an int16 length, so they fit one.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = text.floor_char_boundary(i16::MAX as usize);
    out.extend_from_slice(&(len as i16).to_be_bytes());
    out.extend_from_slice(&text.as_bytes()[..len]);
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes());
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

    /// Length of a list, null for -1.
    fn len(&mut self) -> Result<Option<usize>, RecordError> {
        if self.flexible {
            return Ok((self.at.unsigned_varint()? as usize).checked_sub(1));
        }
        match self.int32()? {
            -1 => Ok(None),
            len => usize::try_from(len).map(Some).map_err(|_| BAD_LENGTH),
        }
    }

    fn text(&mut self) -> Result<String, RecordError> {
        let len = if self.flexible {
            self.len()?.ok_or(BAD_LENGTH)?
        } else {
            usize::try_from(self.int16()?).map_err(|_| BAD_LENGTH)?
        };
        let text = std::str::from_utf8(self.at.take(len)?).map_err(|_| BAD_TEXT)?;
        Ok(text.to_owned())
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

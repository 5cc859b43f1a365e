//! Keys and values of `__transaction_state`, byte for byte Kafka's (`TransactionLogKey`, `TransactionLogValue`).
//!
//! Grammar: an int16 version, then the fields (`record::fields`). Written is value version 0; version 1 (read only) is flexible.
//! Example: key of "tx1" `0000 0003 747831`. The bytes come from a log: nothing here trusts a length.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::state::State;
use crate::base::TopicPartition;
use crate::record::RecordError;
use crate::record::fields::{Fields, put_len, put_text};

const KEY: i16 = 0;
const VALUE: i16 = 0;
/// Written once clients of KIP-890 part 2 are there, which ZooKeeper mode never enables.
const FLEXIBLE_VALUE: i16 = 1;

const BAD_STATE: RecordError = RecordError::BadRecord("unknown state in a transaction record");

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
    /// Bytes that end early, or a null that may not be.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(bytes);
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
            put_len(&mut out, topics.len());
            for (topic, partitions) in topics {
                put_text(&mut out, topic);
                put_len(&mut out, partitions.len());
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
    /// [`RecordError::UnknownVersion`]; an unknown state, bytes that end early, or a null that may not be.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(bytes);
        fields.value_version(FLEXIBLE_VALUE)?;
        let producer_id = fields.int64()?;
        let producer_epoch = fields.int16()?;
        let timeout_ms = fields.int32()?;
        let state = State::of_id(fields.byte()?.cast_signed()).ok_or(BAD_STATE)?;
        let topics = fields.array(|fields| {
            let topic: Arc<str> = fields.text()?.into();
            let partitions = fields.array(|fields| Ok(TopicPartition::new(topic.clone(), fields.int32()?)))?;
            fields.tags()?;
            Ok(partitions)
        })?;
        let partitions = topics.into_iter().flatten().collect();
        let updated_ms = fields.int64()?;
        let start_ms = fields.int64()?;
        Ok(Self { producer_id, producer_epoch, timeout_ms, state, partitions, updated_ms, start_ms })
    }
}

//! What control batches hold: transaction markers (`ControlRecordType`, `EndTransactionMarker`).
//!
//! Key: version (int16, 0) and type (int16); value of a marker: version (int16, 0) and the coordinator's epoch (int32). Newer
//! versions may append fields, so that longer keys and values are read by their front. Written by the transaction coordinator through
//! `builder::marker`, read by `log` (producer state, aborted transactions) and the tools.

use super::error::RecordError;
use super::record::Record;
use super::varint::Cursor;

/// Version of key and value, as Kafka 3.9 writes them.
const VERSION: i16 = 0;

/// The type in a control record's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlType {
    /// Ends a transaction, its records are not to be read.
    Abort,
    /// Ends a transaction, its records are valid.
    Commit,
    /// A type of KRaft logs, or of a later version: ignored by brokers.
    Other(i16),
}

impl ControlType {
    /// The type in a control record's key; an error for a key too short or of a negative version.
    pub fn of_key(key: &[u8]) -> Result<Self, RecordError> {
        let mut at = Cursor::new(key);
        let version = i16::from_be_bytes(at.array()?);
        if version < 0 {
            return Err(RecordError::BadRecord("negative version of a control record key"));
        }
        Ok(match i16::from_be_bytes(at.array()?) {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            other => ControlType::Other(other),
        })
    }

    /// The number in the key.
    pub fn id(self) -> i16 {
        match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::Other(id) => id,
        }
    }

    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            ControlType::Abort => "ABORT",
            ControlType::Commit => "COMMIT",
            ControlType::Other(2) => "LEADER_CHANGE",
            ControlType::Other(3) => "SNAPSHOT_HEADER",
            ControlType::Other(4) => "SNAPSHOT_FOOTER",
            ControlType::Other(5) => "KRAFT_VERSION",
            ControlType::Other(6) => "KRAFT_VOTERS",
            ControlType::Other(_) => "UNKNOWN",
        }
    }
}

/// The end of a transaction on one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndTxnMarker {
    /// True for COMMIT, false for ABORT.
    pub commit: bool,
    /// Epoch of the transaction coordinator that wrote it; an older one is fenced.
    pub coordinator_epoch: i32,
}

impl EndTxnMarker {
    /// The marker in a record of a control batch; `None` for other control types.
    pub fn read(record: &Record<'_>) -> Result<Option<Self>, RecordError> {
        let key = record.key.ok_or(RecordError::BadRecord("control record without key"))?;
        let commit = match ControlType::of_key(key)? {
            ControlType::Abort => false,
            ControlType::Commit => true,
            ControlType::Other(_) => return Ok(None),
        };
        let mut at = Cursor::new(record.value.ok_or(RecordError::BadRecord("transaction marker without value"))?);
        let version = i16::from_be_bytes(at.array()?);
        if version < 0 {
            return Err(RecordError::BadRecord("negative version of a transaction marker"));
        }
        Ok(Some(Self { commit, coordinator_epoch: i32::from_be_bytes(at.array()?) }))
    }

    /// Its type.
    pub fn control_type(&self) -> ControlType {
        if self.commit { ControlType::Commit } else { ControlType::Abort }
    }

    /// Key of its record.
    pub fn key(&self) -> [u8; 4] {
        let ([a, b], [c, d]) = (VERSION.to_be_bytes(), self.control_type().id().to_be_bytes());
        [a, b, c, d]
    }

    /// Value of its record.
    pub fn value(&self) -> [u8; 6] {
        let ([a, b], [c, d, e, f]) = (VERSION.to_be_bytes(), self.coordinator_epoch.to_be_bytes());
        [a, b, c, d, e, f]
    }
}

//! Tests of `src/record`: Kafka's own bytes, round trips, damage and hostile input.

mod conversion;
mod damage;
mod filter;
mod golden;
mod round_trip;
mod validation;
mod vectors;

use bytes::Bytes;
use ottla::record::batches::{Batch, Batches};
use ottla::record::{Record, RecordError, Scratch};

/// A record with everything owned, to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    pub offset: i64,
    pub timestamp: i64,
    pub sequence: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl From<Record<'_>> for Owned {
    fn from(r: Record<'_>) -> Self {
        Owned {
            offset: r.offset,
            timestamp: r.timestamp,
            sequence: r.sequence,
            key: r.key.map(Into::into),
            value: r.value.map(Into::into),
            headers: r.headers.iter().map(|(k, v)| (k.into(), v.map(Into::into))).collect(),
        }
    }
}

pub fn records_of(batch: &Batch<'_>) -> Result<Vec<Owned>, RecordError> {
    let mut scratch = Scratch::with_limit(4 << 20);
    batch.records(&mut scratch)?.map(|r| r.map(Owned::from)).collect()
}

pub fn all_records(bytes: &[u8]) -> Result<Vec<Owned>, RecordError> {
    let mut out = Vec::new();
    for batch in Batches::new(bytes) {
        out.extend(records_of(&batch?)?);
    }
    Ok(out)
}

pub fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

pub fn message_set(parts: &[Bytes]) -> Vec<u8> {
    parts.concat()
}

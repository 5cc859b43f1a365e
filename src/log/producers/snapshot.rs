//! The `.snapshot` file: producer state up to an offset, so that opening a log need not read it all. Pure codec.
//!
//! `int16 version = 1, uint32 CRC-32C of what follows, int32 count`, then 46 bytes a producer. Only the last batch of each is stored.
//! Facts: storage section 2; Kafka's `ProducerStateManager.writeSnapshot`.

use std::collections::VecDeque;

use super::state::{Batch, Producer, Producers};

const VERSION: i16 = 1;
const HEADER: usize = 10;
const ENTRY: usize = 46;
/// A snapshot is read whole: 64 MB hold some 1.4 million producers of one partition.
pub const MAX_BYTES: usize = 64 << 20;

/// The bytes are no snapshot; an older one is tried then.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("corrupt producer snapshot: {0}")]
pub struct BadSnapshot(&'static str);

/// The file's bytes.
pub fn write(producers: &Producers) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + ENTRY * producers.known.len());
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&i32::try_from(producers.known.len()).unwrap_or(i32::MAX).to_be_bytes());
    for (id, p) in &producers.known {
        let last = p.batches.back().copied();
        let last = last.unwrap_or(Batch { last_sequence: -1, last_offset: -1, offset_delta: 0, timestamp: -1 });
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&p.epoch.to_be_bytes());
        out.extend_from_slice(&last.last_sequence.to_be_bytes());
        out.extend_from_slice(&last.last_offset.to_be_bytes());
        out.extend_from_slice(&last.offset_delta.to_be_bytes());
        out.extend_from_slice(&p.timestamp.to_be_bytes());
        out.extend_from_slice(&p.coordinator_epoch.to_be_bytes());
        out.extend_from_slice(&p.txn_first.unwrap_or(-1).to_be_bytes());
    }
    let crc = crc32c::crc32c(&out[6..]);
    out[2..6].copy_from_slice(&crc.to_be_bytes());
    out
}

/// Reads a snapshot that is valid up to `offset`. Producers that expired by `now_ms` are left out.
///
/// # Errors
/// Another version, a wrong CRC, a count that does not fit the length.
pub fn read(bytes: &[u8], offset: i64, now_ms: i64, expiration_ms: i64) -> Result<Producers, BadSnapshot> {
    let (header, rest) = bytes.split_at_checked(HEADER).ok_or(BadSnapshot("too short"))?;
    if header[..2] != VERSION.to_be_bytes() {
        return Err(BadSnapshot("unknown version"));
    }
    if header[2..6] != crc32c::crc32c(&bytes[6..]).to_be_bytes() {
        return Err(BadSnapshot("CRC does not match"));
    }
    let count = i32::from_be_bytes([header[6], header[7], header[8], header[9]]);
    if usize::try_from(count).ok().and_then(|n| n.checked_mul(ENTRY)) != Some(rest.len()) {
        return Err(BadSnapshot("count does not fit the length"));
    }
    let mut producers = Producers::new(offset);
    for entry in rest.chunks_exact(ENTRY) {
        let id = long(entry, 0);
        let (last_sequence, last_offset, offset_delta) = (int(entry, 10), long(entry, 14), int(entry, 22));
        let (timestamp, coordinator_epoch, first) = (long(entry, 26), int(entry, 34), long(entry, 38));
        let mut batches = VecDeque::new();
        if last_offset >= 0 {
            batches.push_back(Batch { last_sequence, last_offset, offset_delta: offset_delta.max(0), timestamp });
        }
        let txn_first = (first >= 0).then_some(first);
        let epoch = i16::from_be_bytes([entry[8], entry[9]]);
        producers.known.insert(id, Producer { epoch, batches, coordinator_epoch, timestamp, txn_first });
    }
    producers.expire(now_ms, expiration_ms);
    Ok(producers)
}

fn int(bytes: &[u8], at: usize) -> i32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    i32::from_be_bytes(four)
}

fn long(bytes: &[u8], at: usize) -> i64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    i64::from_be_bytes(eight)
}

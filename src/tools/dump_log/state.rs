//! `.snapshot` (producer state) and `.txnindex` (aborted transactions) files, entry by entry as they lie there.
//!
//! Read here and not through the log's loaders, which drop what is expired or out of range: a dump shows every entry.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::record::varint::Cursor;

use super::segment::optional_long;
use super::{DumpError, base_offset};

/// Version of a snapshot.
const SNAPSHOT_VERSION: i16 = 1;
/// Version of a transaction index entry.
const TXN_VERSION: i16 = 0;
/// Bytes of such an entry.
const TXN_ENTRY: usize = 34;

/// Prints a producer snapshot; a corrupt one is told on `err` and does not end the command.
pub(super) fn dump_snapshot(path: &Path, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), DumpError> {
    let bytes = fs::read(path).map_err(DumpError::io(path))?;
    match snapshot_lines(&bytes) {
        Ok(lines) => out.write_all(lines.as_bytes()).map_err(DumpError::output),
        Err(message) => writeln!(err, "{message}").map_err(DumpError::output),
    }
}

fn snapshot_lines(bytes: &[u8]) -> Result<String, String> {
    let ended = |_| "Snapshot failed schema validation: the file is too short".to_string();
    let mut at = Cursor::new(bytes);
    let version = i16::from_be_bytes(at.array().map_err(ended)?);
    if version != SNAPSHOT_VERSION {
        return Err(format!("Snapshot contained an unknown file version {version}"));
    }
    let stored = u32::from_be_bytes(at.array().map_err(ended)?);
    let computed = crc32c::crc32c(at.rest());
    if stored != computed {
        return Err(format!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: {computed}"
        ));
    }
    let count = i32::from_be_bytes(at.array().map_err(ended)?);
    let mut lines = String::new();
    for _ in 0..count {
        let producer_id = i64::from_be_bytes(at.array().map_err(ended)?);
        let epoch = i16::from_be_bytes(at.array().map_err(ended)?);
        let last_sequence = i32::from_be_bytes(at.array().map_err(ended)?);
        let last_offset = i64::from_be_bytes(at.array().map_err(ended)?);
        let offset_delta = i32::from_be_bytes(at.array().map_err(ended)?);
        let timestamp = i64::from_be_bytes(at.array().map_err(ended)?);
        let coordinator_epoch = i32::from_be_bytes(at.array().map_err(ended)?);
        let txn_first = i64::from_be_bytes(at.array().map_err(ended)?);
        let txn = optional_long((txn_first >= 0).then_some(txn_first));
        lines.push_str(&format!(
            "producerId: {producer_id} producerEpoch: {epoch} coordinatorEpoch: {coordinator_epoch} currentTxnFirstOffset: {txn} \
             lastTimestamp: {timestamp} "
        ));
        if last_offset >= 0 {
            let first_sequence = sequence_before(last_sequence, offset_delta);
            lines.push_str(&format!(
                "firstSequence: {first_sequence} lastSequence: {last_sequence} lastOffset: {last_offset} offsetDelta: {offset_delta} \
                 timestamp: {timestamp}"
            ));
        }
        lines.push('\n');
    }
    Ok(lines)
}

/// `DefaultRecordBatch.decrementSequence`: below 0 it goes on at 2^31 - 1.
fn sequence_before(sequence: i32, by: i32) -> i32 {
    if sequence < by {
        i32::MAX.wrapping_sub(by.wrapping_sub(sequence)).wrapping_add(1)
    } else {
        sequence.wrapping_sub(by)
    }
}

/// Prints a transaction index.
pub(super) fn dump_txn_index(path: &Path, out: &mut dyn Write) -> Result<(), DumpError> {
    base_offset(path)?;
    let bytes = fs::read(path).map_err(DumpError::io(path))?;
    for entry in bytes.as_chunks::<TXN_ENTRY>().0 {
        let ended = |error| DumpError::Other(format!("{}: {error}", path.display()));
        let mut at = Cursor::new(entry);
        let version = i16::from_be_bytes(at.array().map_err(ended)?);
        if version > TXN_VERSION {
            return Err(DumpError::Other(format!(
                "Unexpected aborted transaction version {version} in transaction index {}, current version is {TXN_VERSION}",
                path.display()
            )));
        }
        let mut long = || at.array().map(i64::from_be_bytes).map_err(ended);
        let (producer_id, first, last, stable) = (long()?, long()?, long()?, long()?);
        writeln!(
            out,
            "version: {version} producerId: {producer_id} firstOffset: {first} lastOffset: {last} lastStableOffset: {stable}"
        )
        .map_err(DumpError::output)?;
    }
    Ok(())
}

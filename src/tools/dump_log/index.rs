//! `.index` and `.timeindex` files: their entries, each held against the segment's batches.
//!
//! Entries are read from the file itself and not through the log's index types, which never show a preallocated tail. A zero entry
//! ends the list, but the first one is always printed, as Kafka does.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::record::Scratch;
use crate::record::batches::Batch;

use super::segment::SegmentFile;
use super::{DumpError, DumpLogArgs, Findings, absolute, base_offset, name, note, sibling};

/// int32 relative offset, int32 position.
const OFFSET_ENTRY: usize = 8;
/// int64 timestamp, int32 relative offset.
const TIME_ENTRY: usize = 12;

/// (offset, position) of all slots, a preallocated tail included; and the file's length.
fn read_offsets(path: &Path) -> Result<(Vec<(i64, i32)>, usize), DumpError> {
    let base = base_offset(path)?;
    let bytes = fs::read(path).map_err(DumpError::io(path))?;
    let (entries, _) = bytes.as_chunks::<OFFSET_ENTRY>();
    let entry = |[a, b, c, d, e, f, g, h]: &[u8; OFFSET_ENTRY]| {
        let relative = i32::from_be_bytes([*a, *b, *c, *d]);
        (base.wrapping_add(i64::from(relative)), i32::from_be_bytes([*e, *f, *g, *h]))
    };
    Ok((entries.iter().map(entry).collect(), bytes.len()))
}

/// (timestamp, offset) of all slots, and the file's length.
fn read_times(path: &Path) -> Result<(Vec<(i64, i64)>, usize), DumpError> {
    let base = base_offset(path)?;
    let bytes = fs::read(path).map_err(DumpError::io(path))?;
    let (entries, _) = bytes.as_chunks::<TIME_ENTRY>();
    let entry = |[t0, t1, t2, t3, t4, t5, t6, t7, a, b, c, d]: &[u8; TIME_ENTRY]| {
        let timestamp = i64::from_be_bytes([*t0, *t1, *t2, *t3, *t4, *t5, *t6, *t7]);
        (timestamp, base.wrapping_add(i64::from(i32::from_be_bytes([*a, *b, *c, *d]))))
    };
    Ok((entries.iter().map(entry).collect(), bytes.len()))
}

/// Prints an offset index.
pub(super) fn dump_offsets(
    args: &DumpLogArgs,
    path: &Path,
    out: &mut dyn Write,
    findings: &mut Findings,
) -> Result<(), DumpError> {
    let base = base_offset(path)?;
    let mut segment = SegmentFile::open(&sibling(path, ".log"))?;
    let (entries, len) = read_offsets(path)?;
    let Some((last, _)) = entries.last() else {
        return writeln!(out, "{} is empty.", path.display()).map_err(DumpError::output);
    };
    if args.index_sanity_check {
        if *last < base {
            return Err(DumpError::Other(format!(
                "Corrupt index found, index file ({}) has non-zero size but the last offset is {last} which is less than the base offset {base}.",
                absolute(path)
            )));
        }
        if !len.is_multiple_of(OFFSET_ENTRY) {
            return Err(DumpError::Other(format!(
                "Index file {} is corrupt, found {len} bytes which is neither positive nor a multiple of {OFFSET_ENTRY}.",
                name(path)
            )));
        }
        return writeln!(out, "{} passed sanity check.", path.display()).map_err(DumpError::output);
    }
    let mut buffer = Vec::new();
    for (i, (offset, position)) in entries.iter().enumerate() {
        if *offset == base && i > 0 {
            break;
        }
        let at = u64::try_from(*position)
            .map_err(|_| DumpError::Other(format!("Invalid position: {position} in {}", path.display())))?;
        segment.slice(at, u64::try_from(args.max_message_size).unwrap_or(0))?;
        if segment.next(&mut buffer)?.is_none() {
            return Err(DumpError::Other(format!("no batch at position {at} of {}", sibling(path, ".log").display())));
        }
        let batch = Batch::first(&buffer).map_err(|error| segment.wrong(at, error))?;
        if batch.last_offset() != *offset {
            note(&mut findings.index, path, (*offset, batch.last_offset()));
        }
        if !args.verify_index_only {
            writeln!(out, "offset: {offset} position: {position}").map_err(DumpError::output)?;
        }
    }
    Ok(())
}

/// Prints a time index.
pub(super) fn dump_times(
    args: &DumpLogArgs,
    path: &Path,
    out: &mut dyn Write,
    findings: &mut Findings,
) -> Result<(), DumpError> {
    let base = base_offset(path)?;
    let mut segment = SegmentFile::open(&sibling(path, ".log"))?;
    let (offsets, _) = read_offsets(&sibling(path, ".index"))?;
    let (entries, len) = read_times(path)?;
    if args.index_sanity_check {
        check_times(path, base, &entries, len)?;
        return writeln!(out, "{} passed sanity check.", path.display()).map_err(DumpError::output);
    }
    let (mut buffer, mut scratch) = (Vec::new(), Scratch::new());
    let mut before = -1;
    for (i, (timestamp, offset)) in entries.iter().enumerate() {
        if *offset == base && i > 0 {
            break;
        }
        // Where the offset index sends a reader; from there on the batches are walked.
        let position = offsets.iter().filter(|(o, _)| o <= offset).map(|(_, position)| *position).max().unwrap_or(0);
        segment.slice(u64::try_from(position).unwrap_or(0), i32::MAX as u64)?;
        let mut found = None;
        while let Some(at) = segment.next(&mut buffer)? {
            let batch = Batch::first(&buffer).map_err(|error| segment.wrong(at, error))?;
            if batch.last_offset() >= *offset {
                found = Some(at);
                break;
            }
        }
        // Parsed again, because the walk needs the buffer.
        let found = match found {
            Some(at) => Some((at, Batch::first(&buffer).map_err(|error| segment.wrong(at, error))?)),
            None => None,
        };
        match found {
            None => note(&mut findings.time_missing, path, (*offset, -1)),
            Some((_, batch)) if batch.last_offset() != *offset => {
                note(&mut findings.time_missing, path, (*offset, batch.last_offset()));
            }
            Some((at, batch)) => {
                let mut greatest = -1;
                for record in batch.records(&mut scratch).map_err(|error| segment.wrong(at, error))? {
                    greatest = greatest.max(record.map_err(|error| segment.wrong(at, error))?.timestamp);
                }
                if greatest != *timestamp {
                    note(&mut findings.time_mismatch, path, (*timestamp, greatest));
                }
                if before >= *timestamp {
                    note(&mut findings.time_disorder, path, (*timestamp, before));
                }
            }
        }
        if !args.verify_index_only {
            writeln!(out, "timestamp: {timestamp} offset: {offset}").map_err(DumpError::output)?;
        }
        before = *timestamp;
    }
    Ok(())
}

/// `TimeIndex.sanityCheck`.
fn check_times(path: &Path, base: i64, entries: &[(i64, i64)], len: usize) -> Result<(), DumpError> {
    let corrupt = |what: String| {
        let file = absolute(path);
        Err(DumpError::Other(format!(
            "Corrupt time index found, time index file ({file}) has non-zero size but {what}"
        )))
    };
    if let (Some((first_time, _)), Some((last_time, last_offset))) = (entries.first(), entries.last()) {
        if last_time < first_time {
            return corrupt(format!(
                "the last timestamp is {last_time} which is less than the first timestamp {first_time}"
            ));
        }
        if *last_offset < base {
            return corrupt(format!("the last offset is {last_offset} which is less than the first offset {base}"));
        }
    }
    if !len.is_multiple_of(TIME_ENTRY) {
        return Err(DumpError::Other(format!(
            "Time index file {} is corrupt, found {len} bytes which is neither positive nor a multiple of {TIME_ENTRY}",
            absolute(path)
        )));
    }
    Ok(())
}

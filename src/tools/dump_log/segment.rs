//! `.log` files: reading them batch by batch, and a line for each batch and record.
//!
//! Reads one batch at a time, so that a segment of any size takes the memory of its largest batch. Beware: a broken size field inside
//! the file ends the command, bytes at the end that are no whole batch are only counted, as Kafka does.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::record::batches::{Batch, MIN_SIZE_FIELD, SIZE_AND_MAGIC, peek};
use crate::record::{ControlType, EndTxnMarker, Record, RecordError, Scratch};

use super::{Decoder, DumpError, DumpLogArgs, Findings, base_offset, name, note};

/// A part of a segment file, read batch by batch.
pub(super) struct SegmentFile {
    file: File,
    path: PathBuf,
    position: u64,
    end: u64,
}

impl SegmentFile {
    pub(super) fn open(path: &Path) -> Result<Self, DumpError> {
        let file = File::open(path).map_err(DumpError::io(path))?;
        let end = file.metadata().map_err(DumpError::io(path))?.len();
        Ok(Self { file, path: path.to_path_buf(), position: 0, end })
    }

    /// Goes on at `position`, for at most `size` bytes.
    pub(super) fn slice(&mut self, position: u64, size: u64) -> Result<(), DumpError> {
        let end = self.file.metadata().map_err(DumpError::io(&self.path))?.len();
        if position > end {
            return Err(DumpError::Other(format!(
                "Slice from position {position} exceeds end position of {end} of {}",
                self.path.display()
            )));
        }
        self.position = position;
        self.end = end.min(position.saturating_add(size));
        Ok(())
    }

    /// Reads the next whole batch into `buffer` and gives its position; `None` when what is left is less than one.
    pub(super) fn next(&mut self, buffer: &mut Vec<u8>) -> Result<Option<u64>, DumpError> {
        let left = self.end - self.position;
        if left < SIZE_AND_MAGIC as u64 {
            return Ok(None);
        }
        let mut head = [0; SIZE_AND_MAGIC];
        self.file.read_exact_at(&mut head, self.position).map_err(DumpError::io(&self.path))?;
        let (size, _) = peek(&head, i32::MAX).map_err(|error| match error {
            RecordError::BadSize { size, min: MIN_SIZE_FIELD, .. } => DumpError::Other(format!(
                "Found record size {size} smaller than minimum record overhead ({MIN_SIZE_FIELD}) in file {}.",
                self.path.display()
            )),
            error => self.wrong(self.position, error),
        })?;
        if size as u64 > left {
            return Ok(None);
        }
        // At most what the file really holds.
        buffer.resize(size, 0);
        self.file.read_exact_at(buffer, self.position).map_err(DumpError::io(&self.path))?;
        let position = self.position;
        self.position += size as u64;
        Ok(Some(position))
    }

    pub(super) fn wrong(&self, position: u64, error: RecordError) -> DumpError {
        DumpError::Record { path: self.path.display().to_string(), position, error }
    }
}

/// Prints a segment.
pub(super) fn dump(
    args: &DumpLogArgs,
    path: &Path,
    decoder: Decoder,
    out: &mut dyn Write,
    findings: &mut Findings,
) -> Result<(), DumpError> {
    writeln!(out, "Log starting offset: {}", base_offset(path)?).map_err(DumpError::output)?;
    let mut segment = SegmentFile::open(path)?;
    segment.slice(0, u64::try_from(args.max_bytes).unwrap_or(0))?;
    let (mut buffer, mut scratch) = (Vec::new(), Scratch::new());
    let mut last_offset = -1;
    while let Some(position) = segment.next(&mut buffer)? {
        let batch = Batch::first(&buffer).map_err(|error| segment.wrong(position, error))?;
        print_batch(&batch, position, out).map_err(DumpError::output)?;
        if !args.is_deep() {
            continue;
        }
        for record in batch.records(&mut scratch).map_err(|error| segment.wrong(position, error))? {
            let record = record.map_err(|error| segment.wrong(position, error))?;
            if last_offset != -1 && record.offset != last_offset + 1 {
                note(&mut findings.gaps, path, (last_offset, record.offset));
            }
            last_offset = record.offset;
            print_record(args, &batch, &record, decoder, out)?;
        }
    }
    let trailing = segment.end - segment.position;
    if trailing > 0 && args.max_bytes == i32::MAX {
        writeln!(out, "Found {trailing} invalid bytes at the end of {}", name(path)).map_err(DumpError::output)?;
    }
    Ok(())
}

fn print_batch(batch: &Batch<'_>, position: u64, out: &mut dyn Write) -> std::io::Result<()> {
    match batch.header() {
        Some(header) => write!(
            out,
            "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
             partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {}",
            header.base_offset,
            header.last_offset(),
            header.count,
            header.base_sequence,
            header.last_sequence(),
            header.producer_id,
            header.producer_epoch,
            header.leader_epoch,
            header.attributes.is_transactional(),
            header.attributes.is_control(),
            optional_long(header.delete_horizon_ms()),
        )?,
        None => write!(out, "offset: {}", batch.last_offset())?,
    }
    let codec = match batch.codec() {
        Ok(codec) => codec.name().to_string(),
        Err(error) => error.to_string(),
    };
    writeln!(
        out,
        " position: {position} {}: {} size: {} magic: {} compresscodec: {codec} crc: {} isvalid: {}",
        batch.timestamp_type(),
        batch.max_timestamp(),
        batch.size(),
        batch.magic(),
        batch.crc(),
        batch.crc_ok(),
    )
}

/// An `OptionalLong` as Java prints it.
pub(super) fn optional_long(value: Option<i64>) -> String {
    value.map_or("OptionalLong.empty".into(), |value| format!("OptionalLong[{value}]"))
}

fn print_record(
    args: &DumpLogArgs,
    batch: &Batch<'_>,
    record: &Record<'_>,
    decoder: Decoder,
    out: &mut dyn Write,
) -> Result<(), DumpError> {
    // The bar stands before the first of the parts that can be first; a payload is none of them.
    let (mut line, mut prefix) = (String::new(), "| ");
    if !args.skip_record_metadata {
        line.push_str(prefix);
        line.push_str(&metadata(batch, record)?);
        prefix = " ";
    }
    if args.prints_data() && !batch.is_control() {
        let (key, payload) = decoder.decode(record)?;
        if let Some(key) = key {
            line.push_str(&format!("{prefix}key: {key}"));
        }
        if let Some(payload) = payload {
            line.push_str(&format!(" payload: {payload}"));
        }
    }
    writeln!(out, "{line}").map_err(DumpError::output)
}

fn metadata(batch: &Batch<'_>, record: &Record<'_>) -> Result<String, DumpError> {
    let size = |field: Option<&[u8]>| field.map_or(-1, |f| f.len() as i64);
    let mut line = format!(
        "offset: {} {}: {} keySize: {} valueSize: {}",
        record.offset,
        batch.timestamp_type(),
        record.timestamp,
        size(record.key),
        size(record.value)
    );
    match &record.message {
        None => {
            let keys: Vec<_> = record.headers.iter().map(|(key, _)| String::from_utf8_lossy(key)).collect();
            line.push_str(&format!(" sequence: {} headerKeys: [{}]", record.sequence, keys.join(",")));
        }
        // The brace is Kafka's.
        Some(message) => line.push_str(&format!(" isValid: {} crc: {}}}", message.check_crc().is_ok(), message.crc)),
    }
    if batch.is_control() {
        let bad = |error: RecordError| DumpError::Other(format!("control record at offset {}: {error}", record.offset));
        match EndTxnMarker::read(record).map_err(bad)? {
            Some(marker) => line.push_str(&format!(
                " endTxnMarker: {} coordinatorEpoch: {}",
                marker.control_type().name(),
                marker.coordinator_epoch
            )),
            None => {
                let control = ControlType::of_key(record.key.unwrap_or_default()).map_err(bad)?;
                line.push_str(&format!(" controlType: {}({})", control.name(), control.id()));
            }
        }
    }
    Ok(line)
}

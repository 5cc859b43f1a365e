//! What compaction does to one batch: which keys it holds, and the batch again without the records that are to go.
//!
//! The decisions are the caller's (`log/cleaner`); the bytes are Kafka's `MemoryRecords.filterTo`. Base offset, last offset, sequences and
//! producer stay, whatever goes; the codec stays; the base timestamp is the first kept record's, or the delete horizon (KIP-534). A batch
//! that keeps all its records is copied as it is. Frames of kept records are copied, not written anew: only a timestamp delta that counts
//! from another base changes. One batch is in memory at a time, decompressed up to the bound of its [`Scratch`].

use std::ops::Range;

use super::batch::{BATCH_HEADER, BatchHeader, CRC_AT, LOG_OVERHEAD, NO_TIMESTAMP, TimestampType, compute_crc};
use super::batches::Batch;
use super::builder::{empty_batch, message, wrapper};
use super::codec::{Codec, compress};
use super::error::RecordError;
use super::record::Scratch;
use super::varint::{Cursor, put_varint, put_varlong, varlong_len};

/// What the caller decides a record's fate by.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyAt<'a> {
    /// Absolute offset.
    pub offset: i64,
    /// Its key, if any.
    pub key: Option<&'a [u8]>,
    /// False for a tombstone.
    pub has_value: bool,
}

/// What becomes of the batch itself (`RecordFilter.BatchRetention`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retention {
    /// It goes, whatever it holds.
    Delete,
    /// It goes when no record is kept.
    DeleteEmpty,
    /// Without records its header stays: it carries a producer's last sequence, or the end of the cleaned range.
    RetainEmpty,
}

/// How to filter one batch.
#[derive(Clone, Copy, Debug)]
pub struct FilterOptions {
    /// What becomes of the batch.
    pub retention: Retention,
    /// The horizon a batch gets that has a tombstone and no horizon yet: now and `delete.retention.ms`.
    pub new_horizon_ms: i64,
    /// It is the marker of a transaction that has no data left: it gets a horizon as tombstones do.
    pub empty_txn_marker: bool,
}

/// What was read and what is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Filtered {
    /// Records read.
    pub read: u64,
    /// Records kept.
    pub kept: u64,
    /// The batch that was written, for the indexes; `None` when nothing was.
    pub written: Option<Written>,
}

/// A batch that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// Its last offset.
    pub last_offset: i64,
    /// Its greatest timestamp, or -1.
    pub max_timestamp: i64,
    /// Its bytes.
    pub size: usize,
}

/// Records that are judged at a time, the bits of an answer: what the caller looks up for one need not wait for the one before.
pub const JUDGED: usize = 32;

/// Buffers of one filter, kept from batch to batch.
#[derive(Debug, Default)]
pub struct Filter {
    scratch: Scratch,
    kept: Kept,
    body: Vec<u8>,
}

/// The records of a batch that stay.
#[derive(Debug, Default)]
struct Kept {
    /// Where their frames lie in the batch's body; neighbours are one run.
    runs: Vec<Range<usize>>,
    count: u64,
    tombstones: bool,
    first_timestamp: i64,
    max_timestamp: i64,
}

impl Kept {
    fn clear(&mut self) {
        self.runs.clear();
        (self.count, self.tombstones) = (0, false);
        (self.first_timestamp, self.max_timestamp) = (NO_TIMESTAMP, NO_TIMESTAMP);
    }

    fn add(&mut self, record: &KeyAt<'_>, place: &Place) {
        match self.runs.last_mut() {
            Some(run) if run.end == place.start => run.end = place.end,
            _ => self.runs.push(place.start..place.end),
        }
        if self.count == 0 {
            self.first_timestamp = place.timestamp;
        }
        self.count += 1;
        self.tombstones |= !record.has_value;
        self.max_timestamp = self.max_timestamp.max(place.timestamp);
    }
}

impl Filter {
    /// Empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `see` with offset and key of every record of the batch that has a key, in order.
    ///
    /// # Errors
    /// A body that can't be read; then some were seen. The CRC is the caller's business.
    pub fn keys(&mut self, batch: &Batch<'_>, mut see: impl FnMut(i64, &[u8])) -> Result<(), RecordError> {
        let Some(header) = batch.header() else {
            for record in batch.records(&mut self.scratch)? {
                let record = record?;
                if let Some(key) = record.key {
                    see(record.offset, key);
                }
            }
            return Ok(());
        };
        let mut frames = Frames::new(header, body_of(batch, header, &mut self.scratch)?)?;
        while let Some(frame) = frames.next_frame()? {
            if let Some(key) = frame.record.key {
                see(frame.record.offset, key);
            }
        }
        Ok(())
    }

    /// Appends to `out` what is left of the batch when only the records stay whose bits `keep` returns. It is asked about up to
    /// [`JUDGED`] at a time, in order; the first is the lowest bit.
    ///
    /// # Errors
    /// A body that can't be read or compressed; `out` may then hold half a batch. The CRC is the caller's business.
    pub fn filter(
        &mut self,
        batch: &Batch<'_>,
        options: &FilterOptions,
        keep: impl FnMut(&[KeyAt<'_>]) -> u32,
        out: &mut Vec<u8>,
    ) -> Result<Filtered, RecordError> {
        if options.retention == Retention::Delete {
            return Ok(Filtered {
                read: batch.count().map_or(1, |n| n.max(0).cast_unsigned().into()),
                ..Filtered::default()
            });
        }
        match batch.header() {
            Some(header) => self.filter_v2(batch, header, options, keep, out),
            None => self.filter_legacy(batch, keep, out),
        }
    }

    fn filter_v2(
        &mut self,
        batch: &Batch<'_>,
        header: &BatchHeader,
        options: &FilterOptions,
        mut keep: impl FnMut(&[KeyAt<'_>]) -> u32,
        out: &mut Vec<u8>,
    ) -> Result<Filtered, RecordError> {
        let body = body_of(batch, header, &mut self.scratch)?;
        let kept = &mut self.kept;
        kept.clear();
        let mut frames = Frames::new(header, body)?;
        let mut records = [KeyAt::default(); JUDGED];
        let mut places = [Place::default(); JUDGED];
        loop {
            let mut len = 0;
            while len < JUDGED
                && let Some(frame) = frames.next_frame()?
            {
                (records[len], places[len]) = (frame.record, frame.place);
                len += 1;
            }
            if len == 0 {
                break;
            }
            let stays = keep(&records[..len]);
            for (i, (record, place)) in records[..len].iter().zip(&places).enumerate() {
                if stays >> i & 1 == 1 {
                    kept.add(record, place);
                }
            }
        }
        let mut filtered = Filtered { read: frames.read.cast_unsigned().into(), kept: kept.count, written: None };
        let start = out.len();
        let mut written = *header;
        if kept.count == 0 {
            if options.retention != Retention::RetainEmpty {
                return Ok(filtered);
            }
            out.extend_from_slice(&empty_batch(header));
        } else {
            let had = header.delete_horizon_ms();
            let gets_horizon = had.is_none() && (kept.tombstones || options.empty_txn_marker);
            if filtered.kept == filtered.read && !gets_horizon {
                out.extend_from_slice(batch.bytes());
            } else {
                let horizon = if gets_horizon { Some(options.new_horizon_ms) } else { had };
                written = rebuild(header, body, kept, horizon, &mut self.body, out)?;
            }
        }
        filtered.written = Some(Written {
            last_offset: header.last_offset(),
            max_timestamp: written.max_timestamp,
            size: out.len() - start,
        });
        Ok(filtered)
    }

    /// Formats 0 and 1: a message of its own is kept or not, a wrapper is written again around what is kept. An empty one can't be
    /// written in these formats.
    fn filter_legacy(
        &mut self,
        batch: &Batch<'_>,
        mut keep: impl FnMut(&[KeyAt<'_>]) -> u32,
        out: &mut Vec<u8>,
    ) -> Result<Filtered, RecordError> {
        let (magic, codec, start) = (batch.magic(), batch.codec()?, out.len());
        let time_type = batch.timestamp_type();
        let time = |ms| (magic == 1).then_some((time_type, ms));
        let mut filtered = Filtered::default();
        let (mut all, mut base, mut last, mut greatest) = (true, None, -1, NO_TIMESTAMP);
        let set = &mut self.body;
        set.clear();
        for record in batch.records(&mut self.scratch)? {
            let record = record?;
            filtered.read += 1;
            if keep(&[KeyAt { offset: record.offset, key: record.key, has_value: record.value.is_some() }]) & 1 == 0 {
                all = false;
                continue;
            }
            all &= record.magic() == magic; // a wrapper of another format than its messages (KAFKA-4298) is written right
            filtered.kept += 1;
            let base = *base.get_or_insert(record.offset);
            last = record.offset;
            greatest = greatest.max(record.timestamp);
            // Inner offsets are absolute in format 0 and count from the first message in format 1.
            let inner = if magic == 0 { record.offset } else { record.offset.wrapping_sub(base) };
            set.extend_from_slice(&message(inner, time(record.timestamp), Codec::None, record.key, record.value)?);
        }
        if filtered.kept == 0 {
            return Ok(filtered);
        }
        if all {
            out.extend_from_slice(batch.bytes());
            (last, greatest) = (batch.last_offset(), batch.max_timestamp());
        } else {
            out.extend_from_slice(&wrapper(last, time(greatest), codec, None, set)?);
        }
        filtered.written = Some(Written { last_offset: last, max_timestamp: greatest, size: out.len() - start });
        Ok(filtered)
    }
}

/// Appends the batch with the kept frames alone. Returns its header.
fn rebuild(
    of: &BatchHeader,
    body: &[u8],
    kept: &Kept,
    horizon_ms: Option<i64>,
    buffer: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<BatchHeader, RecordError> {
    let codec = of.attributes.codec()?;
    let mut header = *of;
    header.attributes = of.attributes.with_delete_horizon(horizon_ms.is_some());
    header.base_timestamp = horizon_ms.unwrap_or(kept.first_timestamp);
    header.max_timestamp = match of.attributes.timestamp_type() {
        TimestampType::LogAppendTime => of.max_timestamp,
        _ => kept.max_timestamp,
    };
    header.count = i32::try_from(kept.count).unwrap_or(i32::MAX); // no more than were read, by a count of 32 bits
    let start = out.len();
    out.resize(start + BATCH_HEADER, 0);
    if codec == Codec::None {
        put_frames(of, body, kept, header.base_timestamp, out)?;
    } else {
        buffer.clear();
        put_frames(of, body, kept, header.base_timestamp, buffer)?;
        compress(codec, None, 2, buffer, out)?;
    }
    let batch = &mut out[start..];
    header.length =
        i32::try_from(batch.len() - LOG_OVERHEAD).map_err(|_| RecordError::TooLarge { limit: i32::MAX as usize })?;
    batch[..BATCH_HEADER].copy_from_slice(&header.to_bytes());
    header.crc = compute_crc(batch);
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&header.crc.to_be_bytes());
    Ok(header)
}

/// Appends the kept frames, with timestamps that count from another base.
fn put_frames(
    of: &BatchHeader,
    body: &[u8],
    kept: &Kept,
    base_timestamp: i64,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    if base_timestamp == of.base_timestamp && of.attributes.timestamp_type() != TimestampType::LogAppendTime {
        kept.runs.iter().for_each(|run| out.extend_from_slice(&body[run.clone()]));
        return Ok(());
    }
    for run in &kept.runs {
        let mut run = Cursor::new(&body[run.clone()]);
        while run.remaining() > 0 {
            let frame = run.rest();
            let len = usize::try_from(run.varint()?).unwrap_or(0); // read before, and in bounds
            let mut record = Cursor::new(run.take(len)?);
            record.byte()?;
            let had = record.varlong()?;
            let delta = timestamp(of, had).wrapping_sub(base_timestamp);
            if delta == had {
                out.extend_from_slice(&frame[..frame.len() - run.remaining()]);
                continue;
            }
            let rest = record.rest();
            let len = 1 + varlong_len(delta) + rest.len();
            put_varint(out, i32::try_from(len).unwrap_or(i32::MAX)); // at most nine bytes more than a length that was read
            out.push(0);
            put_varlong(out, delta);
            out.extend_from_slice(rest);
        }
    }
    Ok(())
}

/// What the timestamp of a record is, of a batch with that header.
fn timestamp(header: &BatchHeader, delta: i64) -> i64 {
    match header.attributes.timestamp_type() {
        TimestampType::LogAppendTime => header.max_timestamp,
        _ => header.base_timestamp.wrapping_add(delta),
    }
}

/// The records' bytes, decompressed if need be.
fn body_of<'s>(batch: &Batch<'s>, header: &BatchHeader, scratch: &'s mut Scratch) -> Result<&'s [u8], RecordError> {
    let body = batch.bytes().get(BATCH_HEADER..).unwrap_or_default();
    match header.attributes.codec()? {
        _ if header.count == 0 => Ok(&[]), // what compaction left; it says no codec either
        Codec::None => Ok(body),
        codec => scratch.decompress(codec, 2, body),
    }
}

/// A walk over frames that looks no further than the value: headers are copied or dropped with their record.
struct Frames<'a> {
    header: &'a BatchHeader,
    body: &'a [u8],
    at: usize,
    read: i32,
}

struct Frame<'a> {
    record: KeyAt<'a>,
    place: Place,
}

/// Where a frame lies in the batch's body, and its record's timestamp.
#[derive(Clone, Copy, Default)]
struct Place {
    start: usize,
    end: usize,
    timestamp: i64,
}

impl<'a> Frames<'a> {
    fn new(header: &'a BatchHeader, body: &'a [u8]) -> Result<Self, RecordError> {
        match header.count {
            ..0 => Err(RecordError::BadRecord("negative number of records")),
            _ => Ok(Self { header, body, at: 0, read: 0 }),
        }
    }

    fn next_frame(&mut self) -> Result<Option<Frame<'a>>, RecordError> {
        let (declared, left) = (self.header.count, self.body.len() - self.at);
        if self.read == declared && left == 0 {
            return Ok(None);
        }
        if self.read == declared || left == 0 {
            let found = if left == 0 { self.read } else { self.read.saturating_add(1) };
            return Err(RecordError::BadCount { declared, found });
        }
        let mut cursor = Cursor::new(&self.body[self.at..]);
        let len = usize::try_from(cursor.varint()?).map_err(|_| RecordError::BadRecord("negative record size"))?;
        let mut record = Cursor::new(cursor.take(len)?);
        let end = self.body.len() - cursor.remaining();
        record.byte()?; // attributes, unused
        let timestamp = timestamp(self.header, record.varlong()?);
        let offset = self.header.base_offset.wrapping_add(record.varint()?.into());
        let key = record.nullable_bytes()?;
        let has_value = record.nullable_bytes()?.is_some();
        let start = self.at;
        self.at = end;
        self.read += 1;
        Ok(Some(Frame { record: KeyAt { offset, key, has_value }, place: Place { start, end, timestamp } }))
    }
}

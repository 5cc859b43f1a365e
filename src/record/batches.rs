//! A shallow walk over a buffer that holds batches of any format: what Kafka's `MemoryRecords.batches()` gives.
//!
//! Used on what clients send, what followers fetch and what lies in segments. For formats 0 and 1 each top-level message counts as a
//! batch. Beware: the base offset of a compressed old message is the offset of its LAST inner one, because the true one needs
//! decompression ([`super::record`]). Nothing here checks a CRC unless asked.

use super::batch::{
    Attributes, BATCH_HEADER, BatchHeader, LENGTH_AT, LOG_OVERHEAD, MAGIC_AT, NO_LEADER_EPOCH, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType, compute_crc,
};
use super::codec::Codec;
use super::error::RecordError;
use super::legacy::Message;

/// Bytes needed to tell a batch's size and format.
pub const SIZE_AND_MAGIC: usize = MAGIC_AT + 1;
/// Smallest size field of any format: crc, magic, attributes, two lengths of a format-0 message (`LegacyRecord.RECORD_OVERHEAD_V0`).
pub const MIN_SIZE_FIELD: i32 = 14;

/// Size in bytes and magic of the batch at the front of `bytes`, which may end anywhere. Nothing is promised about the rest of it.
///
/// Errors: `Incomplete` below 17 bytes, `BadSize` for a size field under 14 or over `max_size`, `BadMagic`. As Java does, the size is
/// checked as soon as it is there.
pub fn peek(bytes: &[u8], max_size: i32) -> Result<(usize, i8), RecordError> {
    let short = || RecordError::Incomplete { needed: SIZE_AND_MAGIC, available: bytes.len() };
    let size =
        bytes.get(LENGTH_AT..).and_then(|b| b.first_chunk()).map(|b| i32::from_be_bytes(*b)).ok_or_else(short)?;
    if size < MIN_SIZE_FIELD || size > max_size {
        return Err(RecordError::BadSize { size, min: MIN_SIZE_FIELD, max: max_size });
    }
    let magic = *bytes.get(MAGIC_AT).ok_or_else(short)? as i8;
    if !(0..=2).contains(&magic) {
        return Err(RecordError::BadMagic(magic));
    }
    const MIN_V2: i32 = (BATCH_HEADER - LOG_OVERHEAD) as i32;
    const MIN_V1: i32 = MIN_SIZE_FIELD + 8;
    let min = [MIN_SIZE_FIELD, MIN_V1, MIN_V2][magic as usize];
    if size < min {
        return Err(RecordError::BadSize { size, min, max: max_size });
    }
    Ok((LOG_OVERHEAD + size as usize, magic))
}

/// Iterator over the batches of a buffer. After an error it ends; [`Batches::position`] tells where the bad bytes begin.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    max_size: i32,
    ended: bool,
}

impl<'a> Batches<'a> {
    /// A walk from the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, max_size: i32::MAX, ended: false }
    }

    /// Refuses size fields above `max_size`.
    pub fn with_max_size(mut self, max_size: i32) -> Self {
        self.max_size = max_size;
        self
    }

    /// Bytes of the whole batches given so far.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.position == self.bytes.len() {
            return None;
        }
        let batch = Batch::first_of(&self.bytes[self.position..], self.max_size);
        match &batch {
            Ok(batch) => self.position += batch.size(),
            Err(_) => self.ended = true,
        }
        Some(batch)
    }
}

/// One whole batch of any format, borrowed. Its fields are what the bytes say; only size and magic are checked.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    bytes: &'a [u8],
    form: Form<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    V2(BatchHeader),
    Legacy(Message<'a>),
}

impl<'a> Batch<'a> {
    /// The batch at the front of `bytes`; `Incomplete` when they end inside it.
    pub fn first(bytes: &'a [u8]) -> Result<Self, RecordError> {
        Self::first_of(bytes, i32::MAX)
    }

    fn first_of(bytes: &'a [u8], max_size: i32) -> Result<Self, RecordError> {
        let (size, magic) = peek(bytes, max_size)?;
        let Some(bytes) = bytes.get(..size) else {
            return Err(RecordError::Incomplete { needed: size, available: bytes.len() });
        };
        let form = match magic {
            2 => Form::V2(BatchHeader::parse(bytes)?),
            _ => Form::Legacy(Message::parse(bytes)?),
        };
        Ok(Self { bytes, form })
    }

    /// All its bytes, header included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Number of its bytes, header included.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The decoded header, of format 2 only.
    pub fn header(&self) -> Option<&BatchHeader> {
        match &self.form {
            Form::V2(header) => Some(header),
            Form::Legacy(_) => None,
        }
    }

    /// The message, of formats 0 and 1 only.
    pub fn message(&self) -> Option<&Message<'a>> {
        match &self.form {
            Form::V2(_) => None,
            Form::Legacy(message) => Some(message),
        }
    }

    /// The format: 0, 1 or 2.
    pub fn magic(&self) -> i8 {
        self.message().map_or(2, |m| m.magic)
    }

    /// Offset of the first record; of an old compressed message the last (see the file's head).
    pub fn base_offset(&self) -> i64 {
        match &self.form {
            Form::V2(header) => header.base_offset,
            Form::Legacy(message) => message.offset,
        }
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        match &self.form {
            Form::V2(header) => header.last_offset(),
            Form::Legacy(message) => message.offset,
        }
    }

    /// Offset after the last record.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// The stored CRC: CRC-32C in format 2, CRC-32 before.
    pub fn crc(&self) -> u32 {
        match &self.form {
            Form::V2(header) => header.crc,
            Form::Legacy(message) => message.crc,
        }
    }

    /// True when the stored CRC is that of the bytes. Reads the whole batch.
    pub fn crc_ok(&self) -> bool {
        self.check_crc().is_ok()
    }

    /// `BadCrc` unless the stored CRC is that of the bytes. Reads the whole batch.
    pub fn check_crc(&self) -> Result<(), RecordError> {
        match &self.form {
            Form::V2(header) => {
                let computed = compute_crc(self.bytes);
                if computed == header.crc { Ok(()) } else { Err(RecordError::BadCrc { stored: header.crc, computed }) }
            }
            Form::Legacy(message) => message.check_crc(),
        }
    }

    /// Leader epoch that wrote it, or [`NO_LEADER_EPOCH`].
    pub fn leader_epoch(&self) -> i32 {
        self.header().map_or(NO_LEADER_EPOCH, |h| h.leader_epoch)
    }

    /// Greatest timestamp of its records; [`NO_TIMESTAMP`] in format 0.
    pub fn max_timestamp(&self) -> i64 {
        match &self.form {
            Form::V2(header) => header.max_timestamp,
            Form::Legacy(message) => message.timestamp.unwrap_or(NO_TIMESTAMP),
        }
    }

    /// Who set the timestamps.
    pub fn timestamp_type(&self) -> TimestampType {
        match &self.form {
            Form::V2(header) => header.attributes.timestamp_type(),
            Form::Legacy(message) => message.timestamp_type(),
        }
    }

    /// The codec; an error for bits that name none.
    pub fn codec(&self) -> Result<Codec, RecordError> {
        match &self.form {
            Form::V2(header) => header.attributes.codec(),
            Form::Legacy(message) => message.codec(),
        }
    }

    /// Attributes of format 2; before, codec and timestamp bits in the same places.
    pub fn attributes(&self) -> Attributes {
        match &self.form {
            Form::V2(header) => header.attributes,
            Form::Legacy(message) => Attributes(i16::from(message.attributes & 0x0f)),
        }
    }

    /// Number of records, of format 2 only; a hostile batch may claim any.
    pub fn count(&self) -> Option<i32> {
        self.header().map(|h| h.count)
    }

    /// Producer id, or [`NO_PRODUCER_ID`].
    pub fn producer_id(&self) -> i64 {
        self.header().map_or(NO_PRODUCER_ID, |h| h.producer_id)
    }

    /// Producer epoch, or [`NO_PRODUCER_EPOCH`].
    pub fn producer_epoch(&self) -> i16 {
        self.header().map_or(NO_PRODUCER_EPOCH, |h| h.producer_epoch)
    }

    /// Sequence number of the first record, or [`NO_SEQUENCE`].
    pub fn base_sequence(&self) -> i32 {
        self.header().map_or(NO_SEQUENCE, |h| h.base_sequence)
    }

    /// Sequence number of the last record, or [`NO_SEQUENCE`].
    pub fn last_sequence(&self) -> i32 {
        self.header().map_or(NO_SEQUENCE, |h| h.last_sequence())
    }

    /// Written by an idempotent or transactional producer.
    pub fn has_producer(&self) -> bool {
        self.producer_id() > NO_PRODUCER_ID
    }

    /// Holds a transaction marker, not data.
    pub fn is_control(&self) -> bool {
        self.attributes().is_control()
    }

    /// Written inside a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes().is_transactional()
    }

    /// From when on compaction may drop its tombstones and marker.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.header().and_then(BatchHeader::delete_horizon_ms)
    }
}

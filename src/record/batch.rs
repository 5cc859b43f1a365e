//! The header of a batch of format 2: the 61 bytes in front of the records, and the stamp a leader puts on them.
//!
//! Called by everything that reads or writes batches. All integers are big-endian. Base offset, length and leader epoch lie outside
//! the CRC, so a leader may set them without touching the rest; with LogAppendTime it changes the attributes and the maximum
//! timestamp too, and the CRC is computed again (`base_timestamp` and the records' deltas keep the producer's times, and readers
//! ignore them). Nothing here owns bytes: a batch is a slice of exactly [`BatchHeader::size`] bytes.

use super::codec::Codec;
use super::error::RecordError;

/// Base offset and length, in front of every batch and message of any format.
pub const LOG_OVERHEAD: usize = 12;
/// Bytes of a format-2 batch before its records.
pub const BATCH_HEADER: usize = 61;

/// int64: offset of the first record.
pub const BASE_OFFSET_AT: usize = 0;
/// int32: bytes after this field.
pub const LENGTH_AT: usize = 8;
/// int32: leader epoch that wrote the batch.
pub const LEADER_EPOCH_AT: usize = 12;
/// int8: the format, at the same place in all formats.
pub const MAGIC_AT: usize = 16;
/// uint32: CRC-32C of all from [`ATTRIBUTES_AT`] on.
pub const CRC_AT: usize = 17;
/// int16: see [`Attributes`].
pub const ATTRIBUTES_AT: usize = 21;
/// int32: last offset less base offset.
pub const LAST_OFFSET_DELTA_AT: usize = 23;
/// int64: the time the records' deltas count from.
pub const BASE_TIMESTAMP_AT: usize = 27;
/// int64: greatest time of the records, or the append time.
pub const MAX_TIMESTAMP_AT: usize = 35;
/// int64: producer id.
pub const PRODUCER_ID_AT: usize = 43;
/// int16: producer epoch.
pub const PRODUCER_EPOCH_AT: usize = 51;
/// int32: sequence number of the first record.
pub const BASE_SEQUENCE_AT: usize = 53;
/// int32: number of records.
pub const COUNT_AT: usize = 57;

/// No time: message format 0, or a producer that set none.
pub const NO_TIMESTAMP: i64 = -1;
/// No producer id.
pub const NO_PRODUCER_ID: i64 = -1;
/// No producer epoch.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// No sequence number.
pub const NO_SEQUENCE: i32 = -1;
/// No leader epoch: formats 0 and 1, and batches no leader has stamped yet.
pub const NO_LEADER_EPOCH: i32 = -1;

/// Who set the times of the records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum TimestampType {
    /// Format 0 has no times.
    NoTimestamp,
    /// The producer.
    #[default]
    CreateTime,
    /// The leader, when it appended: one time for the whole batch.
    LogAppendTime,
}

impl TimestampType {
    /// Kafka's name: `CreateTime`, `LogAppendTime`, `NoTimestampType`.
    pub const fn name(self) -> &'static str {
        match self {
            TimestampType::NoTimestamp => "NoTimestampType",
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        }
    }
}

impl std::fmt::Display for TimestampType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// The attributes of a batch: bits 0-2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    /// The codec; bits 5 to 7 name none.
    pub fn codec(self) -> Result<Codec, RecordError> {
        Codec::from_bits((self.0 & CODEC_MASK) as u8)
    }

    /// `CreateTime` or `LogAppendTime`.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME != 0 { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }

    /// Written inside a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// Written by a coordinator, to be kept from clients: a transaction marker.
    pub fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// The base timestamp is the time from which compaction may drop tombstones and markers (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    /// These attributes with another codec.
    pub fn with_codec(self, codec: Codec) -> Self {
        Self(self.0 & !CODEC_MASK | codec as i16)
    }

    /// These attributes with another timestamp type (`NoTimestamp` counts as `CreateTime`).
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        self.with(LOG_APPEND_TIME, timestamp_type == TimestampType::LogAppendTime)
    }

    /// These attributes with the transactional bit set or cleared.
    pub fn with_transactional(self, on: bool) -> Self {
        self.with(TRANSACTIONAL, on)
    }

    /// These attributes with the control bit set or cleared.
    pub fn with_control(self, on: bool) -> Self {
        self.with(CONTROL, on)
    }

    /// These attributes with the delete horizon bit set or cleared.
    pub fn with_delete_horizon(self, on: bool) -> Self {
        self.with(DELETE_HORIZON, on)
    }

    fn with(self, bit: i16, on: bool) -> Self {
        if on { Self(self.0 | bit) } else { Self(self.0 & !bit) }
    }
}

/// The header of a format-2 batch, decoded. Any field may hold nonsense: [`BatchHeader::parse`] checks size and magic only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHeader {
    /// Offset of the first record (of what was the first, after compaction).
    pub base_offset: i64,
    /// Bytes after the length field; at least 49.
    pub length: i32,
    /// Leader epoch that wrote the batch, or [`NO_LEADER_EPOCH`].
    pub leader_epoch: i32,
    /// Stored CRC-32C.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// Last offset less base offset.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas count from; the delete horizon when that bit is set.
    pub base_timestamp: i64,
    /// Greatest timestamp, or the append time.
    pub max_timestamp: i64,
    /// Producer id, or [`NO_PRODUCER_ID`].
    pub producer_id: i64,
    /// Producer epoch, or [`NO_PRODUCER_EPOCH`].
    pub producer_epoch: i16,
    /// Sequence number of the first record, or [`NO_SEQUENCE`].
    pub base_sequence: i32,
    /// Number of records; fewer than the offsets span after compaction, even 0.
    pub count: i32,
}

impl BatchHeader {
    /// Decodes the header at the front of `bytes`, which may end after it.
    ///
    /// Errors: [`RecordError::Incomplete`] below 61 bytes, `BadSize` for a length that does not cover the header, `BadMagic` for
    /// another format. Does not look at the CRC.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let Some(head) = bytes.first_chunk::<BATCH_HEADER>() else {
            return Err(RecordError::Incomplete { needed: BATCH_HEADER, available: bytes.len() });
        };
        let header = Self {
            base_offset: i64::from_be_bytes(field(head, BASE_OFFSET_AT)),
            length: i32::from_be_bytes(field(head, LENGTH_AT)),
            leader_epoch: i32::from_be_bytes(field(head, LEADER_EPOCH_AT)),
            crc: u32::from_be_bytes(field(head, CRC_AT)),
            attributes: Attributes(i16::from_be_bytes(field(head, ATTRIBUTES_AT))),
            last_offset_delta: i32::from_be_bytes(field(head, LAST_OFFSET_DELTA_AT)),
            base_timestamp: i64::from_be_bytes(field(head, BASE_TIMESTAMP_AT)),
            max_timestamp: i64::from_be_bytes(field(head, MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(field(head, PRODUCER_ID_AT)),
            producer_epoch: i16::from_be_bytes(field(head, PRODUCER_EPOCH_AT)),
            base_sequence: i32::from_be_bytes(field(head, BASE_SEQUENCE_AT)),
            count: i32::from_be_bytes(field(head, COUNT_AT)),
        };
        let magic = head[MAGIC_AT] as i8;
        if magic != 2 {
            return Err(RecordError::BadMagic(magic));
        }
        const MIN: i32 = (BATCH_HEADER - LOG_OVERHEAD) as i32;
        if header.length < MIN {
            return Err(RecordError::BadSize { size: header.length, min: MIN, max: i32::MAX });
        }
        Ok(header)
    }

    /// The 61 bytes of it, with the CRC as the field has it.
    pub fn to_bytes(&self) -> [u8; BATCH_HEADER] {
        let mut out = [0; BATCH_HEADER];
        put(&mut out, BASE_OFFSET_AT, self.base_offset.to_be_bytes());
        put(&mut out, LENGTH_AT, self.length.to_be_bytes());
        put(&mut out, LEADER_EPOCH_AT, self.leader_epoch.to_be_bytes());
        out[MAGIC_AT] = 2;
        put(&mut out, CRC_AT, self.crc.to_be_bytes());
        put(&mut out, ATTRIBUTES_AT, self.attributes.0.to_be_bytes());
        put(&mut out, LAST_OFFSET_DELTA_AT, self.last_offset_delta.to_be_bytes());
        put(&mut out, BASE_TIMESTAMP_AT, self.base_timestamp.to_be_bytes());
        put(&mut out, MAX_TIMESTAMP_AT, self.max_timestamp.to_be_bytes());
        put(&mut out, PRODUCER_ID_AT, self.producer_id.to_be_bytes());
        put(&mut out, PRODUCER_EPOCH_AT, self.producer_epoch.to_be_bytes());
        put(&mut out, BASE_SEQUENCE_AT, self.base_sequence.to_be_bytes());
        put(&mut out, COUNT_AT, self.count.to_be_bytes());
        out
    }

    /// The whole batch in bytes, header included.
    pub fn size(&self) -> usize {
        // `parse` refuses negative lengths; a hand-made header with one has no records.
        LOG_OVERHEAD + usize::try_from(self.length).unwrap_or(0)
    }

    /// Offset of the last record. Wraps on nonsense, as Java does; callers compare it with the base offset.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Offset after the last record.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Sequence number of the last record, or [`NO_SEQUENCE`].
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        add_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// Written by an idempotent or transactional producer.
    pub fn has_producer(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// From when on compaction may drop the batch's tombstones and marker.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }
}

/// Whether a sequence comes later than another one, in the half of the circle that follows it.
pub fn is_later_sequence(sequence: i32, than: i32) -> bool {
    (1..=i32::MAX / 2).contains(&(sequence.wrapping_sub(than) & i32::MAX))
}

/// `sequence + increment`, going on at 0 after 2^31 - 1 (`DefaultRecordBatch.incrementSequence`).
pub fn add_sequence(sequence: i32, increment: i32) -> i32 {
    if sequence > i32::MAX.wrapping_sub(increment) {
        // Wrapping throughout, because a hostile header may hold negative numbers.
        return increment.wrapping_sub(i32::MAX.wrapping_sub(sequence)).wrapping_sub(1);
    }
    sequence.wrapping_add(increment)
}

/// CRC-32C of a whole format-2 batch, from the attributes to its end; 0 for bytes too short to hold one.
pub fn compute_crc(batch: &[u8]) -> u32 {
    batch.get(ATTRIBUTES_AT..).map_or(0, crc32c::crc32c)
}

/// True when `batch` (exactly one format-2 batch) has the CRC it claims; false for anything shorter than a header.
pub fn crc_ok(batch: &[u8]) -> bool {
    let Some(head) = batch.first_chunk::<BATCH_HEADER>() else { return false };
    u32::from_be_bytes(field(head, CRC_AT)) == compute_crc(batch)
}

/// What a leader writes over a batch it appends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Offset of the first record.
    pub base_offset: i64,
    /// The leader's epoch.
    pub leader_epoch: i32,
    /// Type and maximum of the records' times when they are not the batch's own: the time of the append in ms with
    /// `message.timestamp.type=LogAppendTime`, or the true maximum where the producer stated another. `None` keeps both.
    pub max_timestamp: Option<(TimestampType, i64)>,
}

/// The header of `batch` (exactly one whole format-2 batch) with the stamp on it. The body `batch[61..]` stays as it is, so that
/// the caller writes `[stamped header, body]` without a copy.
///
/// Only with a maximum timestamp that differs is the body read, for the new CRC. Errors as [`BatchHeader::parse`]; `Incomplete` or
/// `BadSize` when the slice is not exactly one batch.
pub fn stamp(batch: &[u8], stamp: &Stamp) -> Result<[u8; BATCH_HEADER], RecordError> {
    let mut header = BatchHeader::parse(batch)?;
    if header.size() > batch.len() {
        return Err(RecordError::Incomplete { needed: header.size(), available: batch.len() });
    }
    if header.size() < batch.len() {
        return Err(RecordError::BadSize { size: header.length, min: header.length, max: header.length });
    }
    header.base_offset = stamp.base_offset;
    header.leader_epoch = stamp.leader_epoch;
    let before = (header.attributes.timestamp_type(), header.max_timestamp);
    let Some((timestamp_type, max_timestamp)) = stamp.max_timestamp.filter(|after| *after != before) else {
        return Ok(header.to_bytes());
    };
    header.attributes = header.attributes.with_timestamp_type(timestamp_type);
    header.max_timestamp = max_timestamp;
    let mut out = header.to_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out[ATTRIBUTES_AT..]), &batch[BATCH_HEADER..]);
    put(&mut out, CRC_AT, crc.to_be_bytes());
    Ok(out)
}

/// As [`stamp`](fn@stamp), written over the batch itself.
pub fn stamp_in_place(batch: &mut [u8], with: &Stamp) -> Result<(), RecordError> {
    let head = stamp(batch, with)?;
    batch[..BATCH_HEADER].copy_from_slice(&head);
    Ok(())
}

/// `N` bytes of the header at a constant offset: all callers stay within 61 bytes.
fn field<const N: usize>(head: &[u8; BATCH_HEADER], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&head[at..at + N]);
    out
}

fn put<const N: usize>(head: &mut [u8; BATCH_HEADER], at: usize, bytes: [u8; N]) {
    head[at..at + N].copy_from_slice(&bytes);
}

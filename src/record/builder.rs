//! Builds batches of format 2, and old messages for tests and old consumers.
//!
//! Used by the coordinators (their journal records, markers), by conversion and re-compression on produce, by compaction, tools and
//! tests. What it writes is what Kafka's `MemoryRecordsBuilder` writes: the base timestamp is the first record's, the maximum is kept
//! as records come, offsets may have gaps (compaction) but must grow.

use bytes::Bytes;

use super::batch::{
    Attributes, BATCH_HEADER, BatchHeader, CRC_AT, LOG_OVERHEAD, NO_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID,
    NO_SEQUENCE, NO_TIMESTAMP, TimestampType, compute_crc,
};
use super::codec::{Codec, compress};
use super::control::EndTxnMarker;
use super::error::RecordError;
use super::varint::{put_varint, put_varlong, varint_len, varlong_len};

/// A header to be written: key and value.
pub type HeaderRef<'a> = (&'a [u8], Option<&'a [u8]>);

/// A batch in the making: settings first, then records, then [`BatchBuilder::build`].
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    header: BatchHeader,
    codec: Codec,
    level: Option<i32>,
    append_time: Option<i64>,
    keep_last_offset: Option<i64>,
    next_delta: i32,
    body: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch from `base_offset` on: CreateTime, no codec, no producer, no leader epoch.
    pub fn new(base_offset: i64) -> Self {
        let header = BatchHeader {
            base_offset,
            length: 0,
            leader_epoch: NO_LEADER_EPOCH,
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: -1,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            count: 0,
        };
        Self {
            header,
            codec: Codec::None,
            level: None,
            append_time: None,
            keep_last_offset: None,
            next_delta: 0,
            body: Vec::new(),
        }
    }

    /// Compresses the records; `level` is the codec's own, `None` its default.
    pub fn codec(mut self, codec: Codec, level: Option<i32>) -> Self {
        self.codec = codec;
        self.level = level;
        self
    }

    /// Written by an idempotent producer; `base_sequence` is the first record's.
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Sets the transactional bit.
    pub fn transactional(mut self, on: bool) -> Self {
        self.header.attributes = self.header.attributes.with_transactional(on);
        self
    }

    /// Sets the control bit.
    pub fn control(mut self, on: bool) -> Self {
        self.header.attributes = self.header.attributes.with_control(on);
        self
    }

    /// The leader's epoch.
    pub fn leader_epoch(mut self, epoch: i32) -> Self {
        self.header.leader_epoch = epoch;
        self
    }

    /// LogAppendTime: `now` for all records.
    pub fn log_append_time(mut self, now: i64) -> Self {
        self.append_time = Some(now);
        self
    }

    /// Compaction's delete horizon: the base timestamp and the flag for it.
    pub fn delete_horizon_ms(mut self, horizon: i64) -> Self {
        self.header.attributes = self.header.attributes.with_delete_horizon(true);
        self.header.base_timestamp = horizon;
        self
    }

    /// The batch ends at this offset although its last records may be gone (compaction).
    pub fn last_offset(mut self, offset: i64) -> Self {
        self.keep_last_offset = Some(offset);
        self
    }

    /// Appends a record at the next offset. `timestamp` in ms.
    pub fn append(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[HeaderRef<'_>]) {
        let delta = self.next_delta;
        self.append_delta(delta, timestamp, key, value, headers.iter().copied());
    }

    /// Appends a record at `offset`, which must lie above the last one's and within 2^31 of the base; else `BadRecord`.
    pub fn append_at<'h>(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = HeaderRef<'h>> + Clone,
    ) -> Result<(), RecordError> {
        let delta = i32::try_from(offset.wrapping_sub(self.header.base_offset)).ok().filter(|d| *d >= self.next_delta);
        let delta = delta.ok_or(RecordError::BadRecord("offset does not fit behind the last record of the batch"))?;
        self.append_delta(delta, timestamp, key, value, headers);
        Ok(())
    }

    fn append_delta<'h>(
        &mut self,
        delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = HeaderRef<'h>> + Clone,
    ) {
        let header = &mut self.header;
        if header.count == 0 && !header.attributes.has_delete_horizon() {
            header.base_timestamp = timestamp;
        }
        header.max_timestamp = header.max_timestamp.max(timestamp);
        header.last_offset_delta = delta;
        header.count += 1;
        self.next_delta = delta.saturating_add(1);
        let time_delta = timestamp.wrapping_sub(header.base_timestamp);
        let header_count = headers.clone().count() as i32;
        let headers_len: usize =
            headers.clone().map(|(k, v)| varint_len(k.len() as i32) + k.len() + field_len(v)).sum();
        let len = 1
            + varlong_len(time_delta)
            + varint_len(delta)
            + field_len(key)
            + field_len(value)
            + varint_len(header_count)
            + headers_len;
        let out = &mut self.body;
        put_varint(out, len as i32);
        out.push(0);
        put_varlong(out, time_delta);
        put_varint(out, delta);
        put_field(out, key);
        put_field(out, value);
        put_varint(out, header_count);
        for (key, value) in headers {
            put_field(out, Some(key));
            put_field(out, value);
        }
    }

    /// Records so far.
    pub fn count(&self) -> i32 {
        self.header.count
    }

    /// Bytes the batch would have now without compression.
    pub fn uncompressed_size(&self) -> usize {
        BATCH_HEADER + self.body.len()
    }

    /// The batch. An error only from a compressor, or when it would pass 2 GiB.
    pub fn build(mut self) -> Result<Bytes, RecordError> {
        let mut out = Vec::with_capacity(BATCH_HEADER + self.body.len());
        out.resize(BATCH_HEADER, 0);
        compress(self.codec, self.level, 2, &self.body, &mut out)?;
        let header = &mut self.header;
        header.attributes = header.attributes.with_codec(self.codec);
        if let Some(last) = self.keep_last_offset {
            header.last_offset_delta = i32::try_from(last.wrapping_sub(header.base_offset))
                .map_err(|_| RecordError::BadRecord("last offset is too far from the base offset"))?;
        }
        if let Some(now) = self.append_time {
            header.attributes = header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
            header.max_timestamp = now;
        }
        seal(header, out)
    }
}

/// Puts the header in front of `out[61..]` with the right length and CRC.
fn seal(header: &mut BatchHeader, mut out: Vec<u8>) -> Result<Bytes, RecordError> {
    header.length =
        i32::try_from(out.len() - LOG_OVERHEAD).map_err(|_| RecordError::TooLarge { limit: i32::MAX as usize })?;
    out[..BATCH_HEADER].copy_from_slice(&header.to_bytes());
    let crc = compute_crc(&out);
    out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
    Ok(Bytes::from(out))
}

/// A transaction marker of 78 bytes at `offset` (`MemoryRecords.withEndTransactionMarker`).
pub fn marker(
    offset: i64,
    leader_epoch: i32,
    timestamp: i64,
    producer_id: i64,
    producer_epoch: i16,
    marker: EndTxnMarker,
) -> Bytes {
    let mut batch = BatchBuilder::new(offset)
        .producer(producer_id, producer_epoch, NO_SEQUENCE)
        .transactional(true)
        .control(true)
        .leader_epoch(leader_epoch);
    batch.append(timestamp, Some(&marker.key()), Some(&marker.value()), &[]);
    // 78 bytes without a codec: neither of the two errors can come, and an empty buffer would be refused by any append.
    batch.build().unwrap_or_default()
}

/// What compaction leaves of a batch without records: its offsets, producer, sequences, epoch and maximum timestamp
/// (`DefaultRecordBatch.writeEmptyHeader`).
pub fn empty_batch(of: &BatchHeader) -> [u8; BATCH_HEADER] {
    let mut header = *of;
    header.length = (BATCH_HEADER - LOG_OVERHEAD) as i32;
    header.base_timestamp = NO_TIMESTAMP;
    header.count = 0;
    header.attributes = of.attributes.with_codec(Codec::None).with_delete_horizon(false);
    let mut out = header.to_bytes();
    header.crc = compute_crc(&out);
    out[CRC_AT..CRC_AT + 4].copy_from_slice(&header.crc.to_be_bytes());
    out
}

/// One message of format 0 (`timestamp` is `None`) or 1, at `offset`. Longer than 2 GiB is refused.
pub fn message(
    offset: i64,
    timestamp: Option<(TimestampType, i64)>,
    codec: Codec,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<Bytes, RecordError> {
    let mut attributes = codec as u8;
    if matches!(timestamp, Some((TimestampType::LogAppendTime, _))) {
        attributes |= 0x08;
    }
    let mut out = Vec::new();
    out.extend_from_slice(&offset.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&[timestamp.is_some() as u8, attributes]);
    if let Some((_, ms)) = timestamp {
        out.extend_from_slice(&ms.to_be_bytes());
    }
    for field in [key, value] {
        let len = field.map_or(Ok(-1), |f| i32::try_from(f.len()));
        let len = len.map_err(|_| RecordError::TooLarge { limit: i32::MAX as usize })?;
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(field.unwrap_or_default());
    }
    let size = i32::try_from(out.len() - LOG_OVERHEAD);
    let size = size.map_err(|_| RecordError::TooLarge { limit: i32::MAX as usize })?;
    out[8..12].copy_from_slice(&size.to_be_bytes());
    let crc = crc32fast::hash(&out[16..]);
    out[12..16].copy_from_slice(&crc.to_be_bytes());
    Ok(Bytes::from(out))
}

/// A compressed wrapper of format 0 or 1 around `set`, a nested message set; `offset` and `timestamp` as the format wants them
/// (offset of the last inner message; greatest time).
pub fn wrapper(
    offset: i64,
    timestamp: Option<(TimestampType, i64)>,
    codec: Codec,
    level: Option<i32>,
    set: &[u8],
) -> Result<Bytes, RecordError> {
    let mut value = Vec::new();
    compress(codec, level, timestamp.is_some() as i8, set, &mut value)?;
    message(offset, timestamp, codec, None, Some(&value))
}

fn field_len(field: Option<&[u8]>) -> usize {
    field.map_or(varint_len(-1), |f| varint_len(f.len() as i32) + f.len())
}

fn put_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    put_varint(out, field.map_or(-1, |f| f.len() as i32));
    out.extend_from_slice(field.unwrap_or_default());
}

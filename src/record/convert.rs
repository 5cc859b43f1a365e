//! Writes records anew: as one batch of format 2 for the log, or as messages of formats 0 and 1 for old consumers.
//!
//! [`rewrite`] is called by `validate` after everything was checked (`LogValidator.convertAndAssignOffsetsNonCompressed`,
//! `buildRecordsAndAssignOffsets`); [`down_convert`] by the fetch handler for Fetch v0 to v3 (`RecordsUtil.downConvert`). Both hold
//! a whole batch in memory, decompressed; the scratch's limit bounds it.

use bytes::Bytes;

use super::batch::TimestampType;
use super::batches::{Batch, Batches};
use super::builder::{BatchBuilder, message, wrapper};
use super::codec::Codec;
use super::error::RecordError;
use super::record::Scratch;
use super::validate::ValidateOptions;

/// One format-2 batch with the records of all batches in `records`, numbered from 0, base offset 0. Producer, sequence and
/// transactional bit are the first batch's; times are kept unless the topic has LogAppendTime.
pub(super) fn rewrite(
    records: &[u8],
    codec: Codec,
    options: &ValidateOptions<'_>,
    scratch: &mut Scratch,
) -> Result<Bytes, RecordError> {
    let mut builder = BatchBuilder::new(0).codec(codec, options.level);
    if options.timestamp_type == TimestampType::LogAppendTime {
        builder = builder.log_append_time(options.now_ms);
    }
    for (index, batch) in Batches::new(records).enumerate() {
        let batch = batch?;
        if index == 0 {
            builder = builder
                .producer(batch.producer_id(), batch.producer_epoch(), batch.base_sequence())
                .transactional(batch.is_transactional())
                .control(batch.is_control());
        }
        for record in batch.records(scratch)? {
            let record = record?;
            let offset = i64::from(builder.count());
            builder.append_at(offset, record.timestamp, record.key, record.value, record.headers.iter())?;
        }
    }
    builder.build()
}

/// `records`, whole batches as they lie in a log, as a consumer of format `to_magic` (0 or 1) can read them.
///
/// Batches of that format or older stay as they are. Newer ones lose headers, producer and leader epoch; control batches are left
/// out; records before `first_offset` too, unless their batch is compressed. Offsets are kept. A cut batch at the end is left out.
/// Errors: `CodecNotAllowed` for zstd (UNSUPPORTED_COMPRESSION_TYPE), else what is wrong with the bytes.
pub fn down_convert(
    records: &[u8],
    to_magic: i8,
    first_offset: i64,
    scratch: &mut Scratch,
) -> Result<Vec<u8>, RecordError> {
    let mut out = Vec::with_capacity(records.len());
    for batch in Batches::new(records) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) if error.is_incomplete() => break,
            Err(error) => return Err(error),
        };
        if batch.magic() <= to_magic {
            out.extend_from_slice(batch.bytes());
        } else if !batch.is_control() {
            down_convert_batch(&batch, to_magic, first_offset, scratch, &mut out)?;
        }
    }
    Ok(out)
}

fn down_convert_batch(
    batch: &Batch<'_>,
    to_magic: i8,
    first_offset: i64,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    let codec = batch.codec()?;
    if codec == Codec::Zstd {
        return Err(RecordError::CodecNotAllowed { codec, magic: to_magic });
    }
    // Format 0 has no times; format 1 says who set them.
    let timestamp_type = batch.timestamp_type();
    let time = |ms| (to_magic == 1).then_some((timestamp_type, ms));
    if codec == Codec::None {
        for record in batch.records(scratch)? {
            let record = record?;
            if record.offset >= first_offset {
                out.extend_from_slice(&message(
                    record.offset,
                    time(record.timestamp),
                    codec,
                    record.key,
                    record.value,
                )?);
            }
        }
        return Ok(());
    }
    let (mut set, mut first, mut last, mut greatest) = (Vec::new(), None, None, batch.max_timestamp());
    if timestamp_type == TimestampType::CreateTime {
        greatest = -1;
    }
    for record in batch.records(scratch)? {
        let record = record?;
        let base = *first.get_or_insert(record.offset);
        last = Some(record.offset);
        greatest = greatest.max(record.timestamp);
        // Inner offsets are absolute in format 0 and count from the first record in format 1.
        let offset = if to_magic == 0 { record.offset } else { record.offset.wrapping_sub(base) };
        set.extend_from_slice(&message(offset, time(record.timestamp), Codec::None, record.key, record.value)?);
    }
    if let Some(last) = last {
        out.extend_from_slice(&wrapper(last, time(greatest), codec, None, &set)?);
    }
    Ok(())
}

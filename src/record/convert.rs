//! Writes a client's records anew as one batch of format 2: another codec, old formats, inner offsets with gaps.
//!
//! Called by `validate` after everything was checked (`LogValidator.convertAndAssignOffsetsNonCompressed`,
//! `buildRecordsAndAssignOffsets`). The whole set is held in memory, decompressed; the scratch's limit bounds it.

use bytes::Bytes;

use super::batch::TimestampType;
use super::batches::Batches;
use super::builder::BatchBuilder;
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

//! What a leader checks before it appends what a client or a coordinator sent (`UnifiedLog.analyzeAndValidateRecords`, `LogValidator`).
//!
//! Called by `log/append`, outside any lock if it likes: nothing here depends on the log's state. An uncompressed batch is walked frame
//! by frame without a copy or an allocation; a compressed one is decompressed into the caller's scratch. Offsets are not assigned here:
//! [`Validated::stamp`] says what to stamp once they are known. Batches that cannot go to disk as they came (another codec by
//! `compression.type`, old formats, inner offsets with gaps) come back written anew, see `convert`. Beware: record errors are collected
//! for a whole batch, but a broken frame ends the walk at once.

use bytes::Bytes;

use crate::base::{ErrorCode, TopicPartition};

use super::batch::{NO_TIMESTAMP, Stamp, TimestampType};
use super::batches::{Batch, Batches};
use super::codec::Codec;
use super::convert;
use super::error::RecordError;
use super::record::{Record, Scratch};

/// Record errors kept for the answer. Kafka keeps all; a batch of a million bad records would make an answer larger than the request.
pub const MAX_RECORD_ERRORS: usize = 1000;
/// How many of them Kafka puts into the message.
const ERRORS_IN_MESSAGE: usize = 3;

/// Who appends (`AppendOrigin`; what followers fetch is not validated at all).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A produce request.
    Client,
    /// This broker's group or transaction coordinator, markers included.
    Coordinator,
}

/// The topic's configuration as far as validation goes, and the time.
#[derive(Clone, Copy, Debug)]
pub struct ValidateOptions<'a> {
    /// For messages only.
    pub partition: &'a TopicPartition,
    /// Who appends.
    pub origin: Origin,
    /// `cleanup.policy` contains `compact`: every record needs a key.
    pub compacted: bool,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub after_max_ms: i64,
    /// Wall clock in ms.
    pub now_ms: i64,
    /// `compression.type`; `None` for `producer`: keep the codec of the batch.
    pub target: Option<Codec>,
    /// The target codec's level; `None` for its default.
    pub level: Option<i32>,
    /// `max.message.bytes`, of one batch.
    pub max_batch_bytes: usize,
}

/// A produce request's records that may be appended.
#[derive(Clone, Debug)]
pub struct Validated {
    /// Bytes of the input that are whole batches; a cut tail behind them is dropped, as Kafka does. 0: nothing to append.
    pub size: usize,
    /// Offsets it takes: last offset = base offset + count - 1.
    pub count: i32,
    /// Greatest timestamp, or the append time; [`NO_TIMESTAMP`] for none.
    pub max_timestamp: i64,
    /// The topic's timestamp type.
    pub timestamp_type: TimestampType,
    /// Codec the producer used.
    pub source: Codec,
    /// The batch to append instead of the input's first `size` bytes: format 2, base offset 0, leader epoch -1.
    pub rewritten: Option<Bytes>,
}

impl Validated {
    /// What to stamp on the batch, rewritten or not.
    pub fn stamp(&self, base_offset: i64, leader_epoch: i32) -> Stamp {
        Stamp { base_offset, leader_epoch, max_timestamp: Some((self.timestamp_type, self.max_timestamp)) }
    }

    /// The offset a time index entry for the maximum timestamp has (`shallowOffsetOfMaxTimestamp`): the last of the batch; -1 when no
    /// record has a time.
    pub fn shallow_offset_of_max_timestamp(&self, base_offset: i64) -> i64 {
        if self.max_timestamp == NO_TIMESTAMP { -1 } else { base_offset + i64::from(self.count) - 1 }
    }
}

/// One record that was refused (`ProduceResponse.RecordError`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedRecord {
    /// Its place in the batch, from 0.
    pub batch_index: i32,
    /// Why.
    pub message: String,
}

/// Why records may not be appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidationError {
    /// The bytes are no batch, or its body no records.
    #[error("{error} in topic partition {partition}")]
    Malformed {
        /// What is wrong.
        error: RecordError,
        /// Where to.
        partition: TopicPartition,
    },
    /// The header claims what a client may not, or contradicts itself.
    #[error("{0}")]
    InvalidBatch(String),
    /// A batch above `max.message.bytes`.
    #[error("{0}")]
    TooLarge(String),
    /// Single records were refused; [`ValidationError::refused`] lists them.
    #[error("{}", refusal(*.timestamp, *.total, .refused))]
    Refused {
        /// At least one for its timestamp.
        timestamp: bool,
        /// How many in all.
        total: usize,
        /// The first [`MAX_RECORD_ERRORS`] of them.
        refused: Vec<RefusedRecord>,
    },
}

fn refusal(timestamp: bool, total: usize, refused: &[RefusedRecord]) -> String {
    if timestamp {
        return "One or more records have been rejected due to invalid timestamp".into();
    }
    let first: Vec<String> = refused
        .iter()
        .take(ERRORS_IN_MESSAGE)
        .map(|r| format!("RecordError(batchIndex={}, message='{}')", r.batch_index, r.message))
        .collect();
    format!(
        "One or more records have been rejected due to {total} record errors in total, and only showing the first three errors at \
         most: [{}]",
        first.join(", ")
    )
}

impl ValidationError {
    /// Kafka's code for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            ValidationError::Malformed { error, .. } => error.code(),
            ValidationError::InvalidBatch(_) | ValidationError::Refused { timestamp: false, .. } => {
                ErrorCode::InvalidRecord
            }
            ValidationError::TooLarge(_) => ErrorCode::MessageTooLarge,
            ValidationError::Refused { timestamp: true, .. } => ErrorCode::InvalidTimestamp,
        }
    }

    /// The records refused one by one, for `record_errors` (Produce v8). Only with them does Kafka send a message to the client.
    pub fn refused(&self) -> &[RefusedRecord] {
        match self {
            ValidationError::Refused { refused, .. } => refused,
            _ => &[],
        }
    }
}

/// Checks everything a leader must know before it appends `records`, the bytes of one partition of a produce request.
///
/// Success promises: the first `size` bytes are batches with good CRCs that keep to format and options, and either they are one
/// format-2 batch of `count` records with offsets 0 to count - 1 and the codec of `target`, or `rewritten` is.
pub fn validate(
    records: &[u8],
    options: &ValidateOptions<'_>,
    scratch: &mut Scratch,
) -> Result<Validated, ValidationError> {
    let malformed = |error| ValidationError::Malformed { error, partition: options.partition.clone() };
    let Some(overview) = Overview::of(records, options)? else {
        return Ok(Validated {
            size: 0,
            count: 0,
            max_timestamp: NO_TIMESTAMP,
            timestamp_type: options.timestamp_type,
            source: Codec::None,
            rewritten: None,
        });
    };
    let first = overview.first;
    if overview.batches > 1 && (first.magic() == 2 || overview.source != Codec::None) {
        return Err(ValidationError::InvalidBatch("Compressed outer record has more than one batch".into()));
    }
    let target = options.target.unwrap_or(overview.source);
    // Markers are not compressed unless they came so.
    let as_it_came = overview.source == target || (overview.source == Codec::None && first.is_control());
    let mut in_place = first.magic() == 2 && as_it_came;
    let mut count = 0i32;
    let mut max_timestamp = NO_TIMESTAMP;
    for batch in Batches::new(&records[..overview.size]) {
        let batch = batch.map_err(malformed)?;
        check_batch(&batch, &first, options)?;
        let mut refused = Refusals::default();
        for (index, record) in (0i32..).zip(batch.records(scratch).map_err(malformed)?) {
            let record = record.map_err(malformed)?;
            if let Some(refusal) = check_record(&batch, &record, options).map_err(malformed)? {
                refused.add(index, refusal);
            }
            in_place &= record.offset.wrapping_sub(batch.base_offset()) == i64::from(count);
            max_timestamp = max_timestamp.max(record.timestamp);
            count = count.checked_add(1).ok_or_else(|| malformed(RecordError::BadRecord("too many records")))?;
        }
        refused.into_result()?;
    }
    if options.timestamp_type == TimestampType::LogAppendTime {
        max_timestamp = options.now_ms;
    }
    let rewritten = if in_place {
        None
    } else {
        let codec = if as_it_came { overview.source } else { target };
        let bytes = convert::rewrite(&records[..overview.size], codec, options, scratch).map_err(malformed)?;
        if bytes.len() > options.max_batch_bytes {
            return Err(ValidationError::TooLarge(format!(
                "Message batch size is {} bytes in append to partition {} which exceeds the maximum configured size of {}.",
                bytes.len(),
                options.partition,
                options.max_batch_bytes
            )));
        }
        Some(bytes)
    };
    Ok(Validated {
        size: overview.size,
        count,
        max_timestamp,
        timestamp_type: options.timestamp_type,
        source: overview.source,
        rewritten,
    })
}

/// What a first, shallow pass finds: `analyzeAndValidateRecords`.
struct Overview<'a> {
    first: Batch<'a>,
    batches: usize,
    size: usize,
    source: Codec,
}

impl<'a> Overview<'a> {
    /// `None` when there is no whole batch.
    fn of(records: &'a [u8], options: &ValidateOptions<'_>) -> Result<Option<Self>, ValidationError> {
        let partition = options.partition;
        let malformed = |error| ValidationError::Malformed { error, partition: partition.clone() };
        let mut overview: Option<Self> = None;
        let mut batches = Batches::new(records);
        while let Some(batch) = batches.next() {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) if error.is_incomplete() => break,
                Err(error) => return Err(malformed(error)),
            };
            if batch.magic() == 2 && options.origin == Origin::Client && batch.base_offset() != 0 {
                return Err(ValidationError::InvalidBatch(format!(
                    "The baseOffset of the record batch in the append to {partition} should be 0, but it is {}",
                    batch.base_offset()
                )));
            }
            if batch.size() > options.max_batch_bytes {
                return Err(ValidationError::TooLarge(format!(
                    "The record batch size in the append to {partition} is {} bytes which exceeds the maximum configured value of {}.",
                    batch.size(),
                    options.max_batch_bytes
                )));
            }
            batch.check_crc().map_err(malformed)?;
            let codec = batch.codec().map_err(malformed)?;
            let overview = overview.get_or_insert(Self { first: batch, batches: 0, size: 0, source: Codec::None });
            overview.batches += 1;
            overview.size = batches.position();
            if codec != Codec::None {
                overview.source = codec;
            }
        }
        Ok(overview)
    }
}

/// `LogValidator.validateBatch`.
fn check_batch(batch: &Batch<'_>, first: &Batch<'_>, options: &ValidateOptions<'_>) -> Result<(), ValidationError> {
    let partition = options.partition;
    let invalid =
        |message: String| Err(ValidationError::InvalidBatch(format!("{message} in topic partition {partition}")));
    if batch.magic() != first.magic() {
        return invalid(format!(
            "Batch magic {} is not the same as the first batch's magic byte {}",
            batch.magic(),
            first.magic()
        ));
    }
    if options.origin != Origin::Client {
        return Ok(());
    }
    if let Some(header) = batch.header() {
        let (base, last) = (header.base_offset, header.last_offset());
        if last < base {
            return invalid(format!("Batch has an invalid offset range: [{base}, {last}]"));
        }
        if header.count <= 0 {
            return invalid(format!("Invalid reported count for record batch: {}", header.count));
        }
        if i64::from(header.last_offset_delta) + 1 != i64::from(header.count) {
            return invalid(format!(
                "Inconsistent batch offset range [{base}, {last}] and count of records {}",
                header.count
            ));
        }
    }
    if batch.is_control() {
        return invalid("Clients are not allowed to write control records".into());
    }
    if batch.has_producer() && batch.base_sequence() < 0 {
        return invalid(format!(
            "Invalid sequence number {} in record batch with producerId {}",
            batch.base_sequence(),
            batch.producer_id()
        ));
    }
    Ok(())
}

/// Why one record is refused.
struct Refusal {
    timestamp: bool,
    message: String,
}

#[derive(Default)]
struct Refusals {
    timestamp: bool,
    total: usize,
    list: Vec<RefusedRecord>,
}

impl Refusals {
    fn add(&mut self, batch_index: i32, refusal: Refusal) {
        self.timestamp |= refusal.timestamp;
        self.total += 1;
        if self.list.len() < MAX_RECORD_ERRORS {
            self.list.push(RefusedRecord { batch_index, message: refusal.message });
        }
    }

    fn into_result(self) -> Result<(), ValidationError> {
        if self.total == 0 {
            return Ok(());
        }
        Err(ValidationError::Refused { timestamp: self.timestamp, total: self.total, refused: self.list })
    }
}

/// `LogValidator.validateRecord`: `Err` ends the batch, `Some` refuses this record and goes on.
fn check_record(
    batch: &Batch<'_>,
    record: &Record<'_>,
    options: &ValidateOptions<'_>,
) -> Result<Option<Refusal>, RecordError> {
    let partition = options.partition;
    let refuse = |timestamp, message| Ok(Some(Refusal { timestamp, message }));
    if record.magic() != batch.magic() {
        let message = format!(
            "Record with offset {}'s magic does not match outer magic {} in topic partition {partition}",
            record.offset,
            batch.magic()
        );
        return refuse(false, message);
    }
    // A message inside a wrapper has a CRC of its own; an outer one was checked with the batch.
    if let Some(message) = &record.message
        && batch.codec()? != Codec::None
    {
        message.check_crc()?;
    }
    if options.compacted && record.key.is_none() {
        return refuse(
            false,
            format!("Compacted topic cannot accept message without key in topic partition {partition}"),
        );
    }
    // Kafka refuses this on a topic with CreateTime only when the batch's one time is out of range or missing, and then gives the
    // records their own times, which nobody has checked. No client sends it: refused always.
    if batch.timestamp_type() == TimestampType::LogAppendTime {
        let message = format!(
            "Invalid timestamp type in message with offset {}. Producer should not set timestamp type to LogAppendTime.",
            record.offset
        );
        return refuse(true, message);
    }
    if options.timestamp_type == TimestampType::CreateTime && record.timestamp != NO_TIMESTAMP {
        // Wrapping as Java's: a hostile time must not panic.
        let age = options.now_ms.wrapping_sub(record.timestamp);
        if age > options.before_max_ms || age.wrapping_neg() > options.after_max_ms {
            let message = format!(
                "Timestamp {} of message with offset {} is out of range. The timestamp should be within [{}, {}]",
                record.timestamp,
                record.offset,
                options.now_ms.wrapping_sub(options.before_max_ms),
                options.now_ms.wrapping_add(options.after_max_ms)
            );
            return refuse(true, message);
        }
    }
    Ok(None)
}

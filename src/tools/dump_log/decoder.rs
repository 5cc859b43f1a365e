//! Keys and values of records as text: Kafka's decoder classes, and the records of `__transaction_state` (`groups` has those of
//! `__consumer_offsets`).
//!
//! Java classes cannot be loaded here, so that `--key-decoder-class` and `--value-decoder-class` take the names of Kafka's own decoders.
//! Decoders for KRaft's and remote storage's records are refused by name.

use std::io::Write;

use crate::record::fields::Fields;
use crate::record::varint::Cursor;
use crate::record::{Record, RecordError};

use super::{DumpError, DumpLogArgs, groups};

/// The class of a decoder flag that names none.
pub(super) const DEFAULT: &str = "org.apache.kafka.tools.api.StringDecoder";

/// How bytes become text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Text,
    Long,
    Integer,
    /// Java's `[B@1b2c3d`: an array's identity, which tells nothing. Here its bytes, in hexadecimal.
    Bytes,
}

/// How records become text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decoder(How);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Classes { key: Class, value: Class },
    Offsets,
    Transactions,
}

impl Decoder {
    /// The decoder the flags ask for; prints Kafka's warning for its deprecated class names.
    pub(super) fn of(args: &DumpLogArgs, out: &mut dyn Write) -> Result<Self, DumpError> {
        let refused = |flag: &str, why: &str| Err(DumpError::Other(format!("--{flag} is not possible here: {why}")));
        if args.offsets_decoder {
            return Ok(Self(How::Offsets));
        }
        if args.transaction_log_decoder {
            return Ok(Self(How::Transactions));
        }
        if args.cluster_metadata_decoder {
            return refused("cluster-metadata-decoder", "this is the ZooKeeper-mode broker, it has no metadata log");
        }
        if args.remote_log_metadata_decoder {
            return refused("remote-log-metadata-decoder", "remote log storage is not built");
        }
        let value = class(args.value_decoder_class.as_deref(), out)?;
        let key = class(args.key_decoder_class.as_deref(), out)?;
        Ok(Self(How::Classes { key, value }))
    }

    /// Key and value as text; `None` for what is not there.
    pub(super) fn decode(self, record: &Record<'_>) -> Result<(Option<String>, Option<String>), DumpError> {
        match self.0 {
            How::Classes { key, value } => Ok((
                record.key.map(|bytes| key.text(bytes)).transpose()?,
                record.value.map(|bytes| value.text(bytes)).transpose()?,
            )),
            How::Offsets => groups::decode(record).map_err(DumpError::Other),
            How::Transactions => transaction(record)
                .map_err(|error| DumpError::Other(format!("transaction record at offset {}: {error}", record.offset))),
        }
    }
}

fn class(name: Option<&str>, out: &mut dyn Write) -> Result<Class, DumpError> {
    let Some(name) = name else { return Ok(Class::Text) };
    let (package, short) = name.rsplit_once('.').unwrap_or(("", name));
    let class = match short {
        "StringDecoder" => Class::Text,
        "LongDecoder" => Class::Long,
        "IntegerDecoder" => Class::Integer,
        "DefaultDecoder" => Class::Bytes,
        _ => {
            return Err(DumpError::Other(format!(
                "decoder class {name} cannot be loaded: known are StringDecoder, LongDecoder, IntegerDecoder and DefaultDecoder"
            )));
        }
    };
    if package == "kafka.serializer" {
        writeln!(out, "{name} is deprecated. Please use org.apache.kafka.tools.api.{short} instead")
            .map_err(DumpError::output)?;
    }
    Ok(class)
}

impl Class {
    fn text(self, bytes: &[u8]) -> Result<String, DumpError> {
        let short = |_| DumpError::Other(format!("a number cannot be decoded from {} bytes", bytes.len()));
        let mut at = Cursor::new(bytes);
        Ok(match self {
            Class::Text => String::from_utf8_lossy(bytes).into_owned(),
            Class::Long => i64::from_be_bytes(at.array().map_err(short)?).to_string(),
            Class::Integer => i32::from_be_bytes(at.array().map_err(short)?).to_string(),
            Class::Bytes => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }
}

/// Greatest version of keys and values known (`TransactionLogKey`, `TransactionLogValue`); the value's is flexible.
const TXN_KEY_VERSION: i16 = 0;
const TXN_VALUE_VERSION: i16 = 1;

/// `TransactionLog.formatRecordKeyAndValue`.
fn transaction(record: &Record<'_>) -> Result<(Option<String>, Option<String>), RecordError> {
    let mut key = Fields::new(record.key.unwrap_or_default());
    let version = key.int16()?;
    if !(0..=TXN_KEY_VERSION).contains(&version) {
        return Ok((Some(format!("unknown::version={version}")), None));
    }
    let key = Some(format!("transaction_metadata::transactionalId={}", key.text()?));
    let Some(value) = record.value else { return Ok((key, Some("<DELETE>".into()))) };
    let mut value = Fields::new(value);
    value.value_version(TXN_VALUE_VERSION)?;
    let producer_id = value.int64()?;
    let epoch = value.int16()?;
    let timeout = value.int32()?;
    let state = match value.byte()? {
        0 => "Empty",
        1 => "Ongoing",
        2 => "PrepareCommit",
        3 => "PrepareAbort",
        4 => "CompleteCommit",
        5 => "CompleteAbort",
        6 => "Dead",
        7 => "PrepareEpochFence",
        _ => return Err(RecordError::BadRecord("unknown transaction state")),
    };
    let topics = value.array(|fields| {
        let topic = fields.text()?;
        let partitions = fields.array(|fields| Ok(format!("{topic}-{}", fields.int32()?)))?;
        fields.tags()?;
        Ok(partitions)
    })?;
    let updated = value.int64()?;
    let payload = format!(
        "producerId:{producer_id},producerEpoch:{epoch},state={state},partitions=[{}],txnLastUpdateTimestamp={updated},\
         txnTimeoutMs={timeout}",
        topics.concat().join(",")
    );
    Ok((key, Some(payload)))
}

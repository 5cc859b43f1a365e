//! Keys and values of records as text: Kafka's decoder classes, and the records of `__transaction_state`.
//!
//! Java classes cannot be loaded here, so that `--key-decoder-class` and `--value-decoder-class` take the names of Kafka's own decoders.
//! Decoders for KRaft's and remote storage's records, and for `__consumer_offsets`, are refused by name.

use std::io::Write;

use crate::record::Record;
use crate::record::varint::Cursor;

use super::{DumpError, DumpLogArgs};

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
    Transactions,
}

impl Decoder {
    /// The decoder the flags ask for; prints Kafka's warning for its deprecated class names.
    pub(super) fn of(args: &DumpLogArgs, out: &mut dyn Write) -> Result<Self, DumpError> {
        let refused = |flag: &str, why: &str| Err(DumpError::Other(format!("--{flag} is not possible here: {why}")));
        if args.offsets_decoder {
            return refused("offsets-decoder", "records of __consumer_offsets can only be printed as they are");
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

/// Greatest version of keys and values known (`TransactionLogKey`, `TransactionLogValue`).
const TXN_KEY_VERSION: i16 = 0;
const TXN_VALUE_VERSION: i16 = 1;

type Texts = (Option<String>, Option<String>);

/// `TransactionLog.formatRecordKeyAndValue`.
fn transaction(record: &Record<'_>) -> Result<Texts, crate::record::RecordError> {
    let mut key = Cursor::new(record.key.unwrap_or_default());
    let version = i16::from_be_bytes(key.array()?);
    if !(0..=TXN_KEY_VERSION).contains(&version) {
        return Ok((Some(format!("unknown::version={version}")), None));
    }
    let id = string(&mut key)?;
    let key = Some(format!("transaction_metadata::transactionalId={id}"));
    let Some(value) = record.value else { return Ok((key, Some("<DELETE>".into()))) };
    let mut at = Cursor::new(value);
    let version = i16::from_be_bytes(at.array()?);
    if !(0..=TXN_VALUE_VERSION).contains(&version) {
        return Err(crate::record::RecordError::BadRecord("unknown version of a transaction log value"));
    }
    let flexible = version > 0;
    let producer_id = i64::from_be_bytes(at.array()?);
    let epoch = i16::from_be_bytes(at.array()?);
    let timeout = i32::from_be_bytes(at.array()?);
    let state = match at.byte()? {
        0 => "Empty",
        1 => "Ongoing",
        2 => "PrepareCommit",
        3 => "PrepareAbort",
        4 => "CompleteCommit",
        5 => "CompleteAbort",
        6 => "Dead",
        7 => "PrepareEpochFence",
        _ => return Err(crate::record::RecordError::BadRecord("unknown transaction state")),
    };
    let mut partitions = Vec::new();
    for _ in 0..length(&mut at, flexible)? {
        let topic = if flexible { compact_string(&mut at)? } else { string(&mut at)? };
        for _ in 0..length(&mut at, flexible)? {
            partitions.push(format!("{topic}-{}", i32::from_be_bytes(at.array()?)));
        }
        if flexible {
            skip_tags(&mut at)?;
        }
    }
    let updated = i64::from_be_bytes(at.array()?);
    let payload = format!(
        "producerId:{producer_id},producerEpoch:{epoch},state={state},partitions=[{}],txnLastUpdateTimestamp={updated},\
         txnTimeoutMs={timeout}",
        partitions.join(",")
    );
    Ok((key, Some(payload)))
}

type Parsed<T> = Result<T, crate::record::RecordError>;

fn string(at: &mut Cursor<'_>) -> Parsed<String> {
    let len = i16::from_be_bytes(at.array()?);
    Ok(String::from_utf8_lossy(at.take(usize::try_from(len).unwrap_or(0))?).into_owned())
}

fn compact_string(at: &mut Cursor<'_>) -> Parsed<String> {
    let len = at.unsigned_varint()?.saturating_sub(1);
    Ok(String::from_utf8_lossy(at.take(len as usize)?).into_owned())
}

/// Elements of a nullable array; null has none. Every element takes bytes, so that a hostile length ends with them.
fn length(at: &mut Cursor<'_>, flexible: bool) -> Parsed<u32> {
    if flexible {
        return Ok(at.unsigned_varint()?.saturating_sub(1));
    }
    Ok(u32::try_from(i32::from_be_bytes(at.array()?)).unwrap_or(0))
}

fn skip_tags(at: &mut Cursor<'_>) -> Parsed<()> {
    for _ in 0..at.unsigned_varint()? {
        at.unsigned_varint()?;
        let len = at.unsigned_varint()?;
        at.take(len as usize)?;
    }
    Ok(())
}

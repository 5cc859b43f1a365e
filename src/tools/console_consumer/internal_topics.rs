//! Records of the internal topics as JSON: `{"key":{"version":1,"data":{..}},"value":{"version":3,"data":{..}}}`.
//!
//! The fields are read where `dump_log` reads them. A formatter shows its own kind of record and nothing for the others; a deleted one
//! has a null value, one of a version that is not known the text `unknown`.

use serde_json::{Map, Value, json};

use crate::record::RecordError;
use crate::record::fields::Fields;
use crate::tools::dump_log::groups;

/// Kinds of keys in `__consumer_offsets`: an offset (two versions of its key), a group.
const OFFSET_KEYS: std::ops::RangeInclusive<i16> = 0..=1;
const GROUP_KEY: i16 = 2;
/// Greatest versions known.
const FLEXIBLE_GROUP_VALUE: i16 = 4;
const TXN_KEY: i16 = 0;
const FLEXIBLE_TXN_VALUE: i16 = 1;

/// `OffsetsMessageFormatter`.
pub fn offsets(key: Option<&[u8]>, value: Option<&[u8]>) -> Option<String> {
    record(
        key?,
        value,
        |version| OFFSET_KEYS.contains(&version),
        groups::offset_key,
        |fields| known(fields, FLEXIBLE_GROUP_VALUE, groups::offset),
    )
}

/// `GroupMetadataMessageFormatter`.
pub fn group_metadata(key: Option<&[u8]>, value: Option<&[u8]>) -> Option<String> {
    record(
        key?,
        value,
        |version| version == GROUP_KEY,
        groups::group_key,
        |fields| known(fields, FLEXIBLE_GROUP_VALUE, |fields, version| groups::group(fields, version, false)),
    )
}

/// `TransactionLogMessageFormatter`.
pub fn transactions(key: Option<&[u8]>, value: Option<&[u8]>) -> Option<String> {
    let id = |fields: &mut Fields<'_>| Ok(json!({"transactionalId": fields.text()?}));
    record(key?, value, |version| version == TXN_KEY, id, |fields| known(fields, FLEXIBLE_TXN_VALUE, transaction))
}

type Read = Result<Value, RecordError>;

/// The record's JSON; none for a key of another kind.
fn record(
    key: &[u8],
    value: Option<&[u8]>,
    mine: impl Fn(i16) -> bool,
    read_key: impl Fn(&mut Fields<'_>) -> Read,
    read_value: impl Fn(&mut Fields<'_>) -> Read,
) -> Option<String> {
    let mut fields = Fields::new(key);
    let version = fields.int16().ok().filter(|version| mine(*version))?;
    let key = json!({"version": version, "data": read_key(&mut fields).ok()?});
    let value = match value {
        None => Value::Null,
        Some(value) => {
            let version = Fields::new(value).int16().ok()?;
            let data = read_value(&mut Fields::new(value)).unwrap_or_else(|_| "unknown".into());
            json!({"version": version, "data": data})
        }
    };
    Some(json!({"key": key, "value": value}).to_string())
}

fn known(fields: &mut Fields<'_>, newest: i16, read: impl Fn(&mut Fields<'_>, i16) -> Read) -> Read {
    let version = fields.value_version(newest)?;
    read(fields, version)
}

/// `TransactionLogValue`.
fn transaction(fields: &mut Fields<'_>, _: i16) -> Read {
    let mut data = Map::new();
    data.insert("producerId".into(), fields.int64()?.into());
    data.insert("producerEpoch".into(), fields.int16()?.into());
    data.insert("transactionTimeoutMs".into(), fields.int32()?.into());
    data.insert("transactionStatus".into(), fields.byte()?.into());
    let count = fields.length()?;
    let mut partitions = Vec::new();
    for _ in 0..count {
        let topic = fields.text()?;
        let ids = fields.array(Fields::int32)?;
        fields.tags()?;
        partitions.push(json!({"topic": topic, "partitionIds": ids}));
    }
    let partitions = if count < 0 { Value::Null } else { partitions.into() };
    data.insert("transactionPartitions".into(), partitions);
    data.insert("transactionLastUpdateTimestampMs".into(), fields.int64()?.into());
    data.insert("transactionStartTimestampMs".into(), fields.int64()?.into());
    Ok(data.into())
}

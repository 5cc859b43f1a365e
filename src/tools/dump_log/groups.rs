//! Records of `__consumer_offsets` as the JSON that `--offsets-decoder` prints (`OffsetsMessageParser`).
//!
//! Key: `{"type":"<version>","data":{..}}`, value: `{"version":"<version>","data":{..}}`, fields in the order and spelling of Kafka's
//! message definitions. Where the group speaks the consumer protocol, subscription and assignment are decoded too; what cannot be
//! stays base64. Records of the new group protocol (keys 3 and up) are not written in ZooKeeper mode and are named as unknown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::record::fields::Fields;
use crate::record::{Record, RecordError};

/// Greatest version of the two values (`OffsetCommitValue`, `GroupMetadataValue`); from it on they are flexible.
const FLEXIBLE_VALUE: i16 = 4;
/// Greatest version of the consumer protocol.
const CONSUMER_PROTOCOL: i16 = 3;
/// `protocolType` of consumer groups.
const CONSUMER: &str = "consumer";

/// Key and value as text. A record that cannot be decoded says so in place of its key.
pub(super) fn decode(record: &Record<'_>) -> Result<(Option<String>, Option<String>), String> {
    let offset = record.offset;
    let key = record.key.ok_or_else(|| {
        format!("Failed to decode message at offset {offset} using offset topic decoder (message had a missing key)")
    })?;
    match parse(key, record.value) {
        Ok(Parsed::Known(key, value)) => Ok((Some(key), Some(value))),
        Ok(Parsed::Unknown(kind)) => {
            Ok((Some(format!("Unknown record type {kind} at offset {offset}, skipping.")), None))
        }
        Err(error) => Ok((Some(format!("Error at offset {offset}, skipping. {error}")), None)),
    }
}

enum Parsed {
    Known(String, String),
    Unknown(i16),
}

fn parse(key: &[u8], value: Option<&[u8]>) -> Result<Parsed, RecordError> {
    let mut fields = Fields::new(key);
    let kind = fields.int16()?;
    let key = match kind {
        0 | 1 => offset_key(&mut fields)?,
        2 => group_key(&mut fields)?,
        _ => return Ok(Parsed::Unknown(kind)),
    };
    let key = json!({"type": kind.to_string(), "data": key}).to_string();
    let Some(value) = value else { return Ok(Parsed::Known(key, "<DELETE>".into())) };
    let mut fields = Fields::new(value);
    let version = fields.value_version(FLEXIBLE_VALUE)?;
    let data = if kind == 2 { group(&mut fields, version, true)? } else { offset(&mut fields, version)? };
    Ok(Parsed::Known(key, json!({"version": version.to_string(), "data": data}).to_string()))
}

/// `OffsetCommitKey`.
pub(in crate::tools) fn offset_key(fields: &mut Fields<'_>) -> Result<Value, RecordError> {
    Ok(json!({"group": fields.text()?, "topic": fields.text()?, "partition": fields.int32()?}))
}

/// `GroupMetadataKey`.
pub(in crate::tools) fn group_key(fields: &mut Fields<'_>) -> Result<Value, RecordError> {
    Ok(json!({"group": fields.text()?}))
}

/// `OffsetCommitValue`.
pub(in crate::tools) fn offset(fields: &mut Fields<'_>, version: i16) -> Result<Value, RecordError> {
    let mut data = Map::new();
    data.insert("offset".into(), fields.int64()?.into());
    if version >= 3 {
        data.insert("leaderEpoch".into(), fields.int32()?.into());
    }
    data.insert("metadata".into(), fields.text()?.into());
    data.insert("commitTimestamp".into(), fields.int64()?.into());
    if version == 1 {
        data.insert("expireTimestamp".into(), fields.int64()?.into());
    }
    fields.tags()?;
    Ok(data.into())
}

/// `GroupMetadataValue`; `decode` whether what members of consumer groups say is read, or stays base64.
pub(in crate::tools) fn group(fields: &mut Fields<'_>, version: i16, decode: bool) -> Result<Value, RecordError> {
    let mut data = Map::new();
    let protocol_type = fields.text()?;
    let is_consumer = decode && protocol_type == CONSUMER;
    data.insert("protocolType".into(), protocol_type.into());
    data.insert("generation".into(), fields.int32()?.into());
    data.insert("protocol".into(), fields.opt_text()?.into());
    data.insert("leader".into(), fields.opt_text()?.into());
    if version >= 2 {
        data.insert("currentStateTimestamp".into(), fields.int64()?.into());
    }
    let members = fields.array(|fields| member(fields, version, is_consumer))?;
    data.insert("members".into(), members.into());
    fields.tags()?;
    Ok(data.into())
}

fn member(fields: &mut Fields<'_>, version: i16, is_consumer: bool) -> Result<Value, RecordError> {
    let mut data = Map::new();
    data.insert("memberId".into(), fields.text()?.into());
    if version >= 3 {
        data.insert("groupInstanceId".into(), fields.opt_text()?.into());
    }
    data.insert("clientId".into(), fields.text()?.into());
    data.insert("clientHost".into(), fields.text()?.into());
    if version >= 1 {
        data.insert("rebalanceTimeout".into(), fields.int32()?.into());
    }
    data.insert("sessionTimeout".into(), fields.int32()?.into());
    for (name, read) in [("subscription", subscription as fn(&[u8]) -> _), ("assignment", assignment)] {
        let bytes = fields.opt_bytes()?.unwrap_or_default();
        let decoded = if is_consumer { read(bytes).ok() } else { None };
        data.insert(name.into(), decoded.unwrap_or_else(|| STANDARD.encode(bytes).into()));
    }
    fields.tags()?;
    Ok(data.into())
}

/// A consumer protocol message behind its version.
fn versioned(bytes: &[u8]) -> Result<(Fields<'_>, i16), RecordError> {
    let mut fields = Fields::new(bytes);
    let version = fields.int16()?;
    if !(0..=CONSUMER_PROTOCOL).contains(&version) {
        return Err(RecordError::BadRecord("unknown version of the consumer protocol"));
    }
    Ok((fields, version))
}

/// `ConsumerProtocolSubscription`.
fn subscription(bytes: &[u8]) -> Result<Value, RecordError> {
    let (mut fields, version) = versioned(bytes)?;
    let mut data = Map::new();
    data.insert("topics".into(), fields.array(Fields::text)?.into());
    data.insert("userData".into(), user_data(&mut fields)?);
    if version >= 1 {
        data.insert("ownedPartitions".into(), fields.array(partitions)?.into());
    }
    if version >= 2 {
        data.insert("generationId".into(), fields.int32()?.into());
    }
    if version >= 3 {
        data.insert("rackId".into(), fields.opt_text()?.into());
    }
    Ok(data.into())
}

/// `ConsumerProtocolAssignment`.
fn assignment(bytes: &[u8]) -> Result<Value, RecordError> {
    let (mut fields, _) = versioned(bytes)?;
    let assigned = fields.array(partitions)?;
    Ok(json!({"assignedPartitions": assigned, "userData": user_data(&mut fields)?}))
}

fn partitions(fields: &mut Fields<'_>) -> Result<Value, RecordError> {
    Ok(json!({"topic": fields.text()?, "partitions": fields.array(Fields::int32)?}))
}

fn user_data(fields: &mut Fields<'_>) -> Result<Value, RecordError> {
    Ok(fields.opt_bytes()?.map_or(Value::Null, |bytes| STANDARD.encode(bytes).into()))
}

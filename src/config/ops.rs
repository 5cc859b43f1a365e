//! The operations of IncrementalAlterConfigs on a map of raw settings (KIP-339): set, delete, append to and subtract from lists.
//!
//! Pure; the result is then validated as a whole ([`super::topic::validate`], [`super::dynamic::validate_alter`]) before it is written.

use crate::base::ErrorCode;

use super::table::{self, Type};
use super::topic;
use super::values::ConfigMap;

/// What to do with a key; the numbers are the wire's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub enum Op {
    /// Replace.
    Set = 0,
    /// Back to the next layer.
    Delete = 1,
    /// Add items to a list.
    Append = 2,
    /// Take items out of a list.
    Subtract = 3,
}

impl Op {
    /// The operation of a number.
    ///
    /// # Errors
    /// INVALID_REQUEST for another number.
    pub fn from_code(code: i8) -> Result<Self, AlterError> {
        [Op::Set, Op::Delete, Op::Append, Op::Subtract]
            .into_iter()
            .find(|op| *op as i8 == code)
            .ok_or_else(|| AlterError::request(format!("Unknown operations type {code}")))
    }
}

/// One altered key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlterOp {
    /// Key.
    pub key: String,
    /// What to do.
    pub op: Op,
    /// Null only for [`Op::Delete`].
    pub value: Option<String>,
}

/// Whose keys are altered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// A topic's overrides.
    Topic,
    /// A broker's, or the default of all.
    Broker,
}

/// A refused alteration, ready for the wire.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct AlterError {
    /// INVALID_REQUEST for brokers and malformed requests, INVALID_CONFIG for topics.
    pub code: ErrorCode,
    /// For the client.
    pub message: String,
}

impl AlterError {
    /// INVALID_REQUEST.
    pub fn request(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::InvalidRequest, message: message.into() }
    }

    /// INVALID_CONFIG.
    pub fn config(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::InvalidConfig, message: message.into() }
    }
}

/// Refuses what Kafka refuses before it looks at a key: duplicates and nulls.
///
/// # Errors
/// INVALID_REQUEST.
pub fn check_request<'a>(configs: impl IntoIterator<Item = (&'a str, bool)>) -> Result<(), AlterError> {
    let mut seen = std::collections::BTreeSet::new();
    let mut nulls = Vec::new();
    let mut duplicate = false;
    for (key, null) in configs {
        duplicate |= !seen.insert(key);
        if null {
            nulls.push(key);
        }
    }
    if duplicate {
        return Err(AlterError::request("Error due to duplicate config keys"));
    }
    if !nulls.is_empty() {
        return Err(AlterError::request(format!("Null value not supported for : {}", nulls.join(", "))));
    }
    Ok(())
}

/// Applies `ops` to `map`, in order. A list that is not in the map starts from Kafka's default of the key, whatever the broker's value.
///
/// # Errors
/// Duplicates and nulls (INVALID_REQUEST); APPEND or SUBTRACT on a key that is no list, or that nobody knows (INVALID_CONFIG). `map` is
/// then half changed: apply to a copy.
pub fn apply(map: &mut ConfigMap, ops: &[AlterOp], resource: Resource) -> Result<(), AlterError> {
    check_request(ops.iter().map(|o| (o.key.as_str(), o.value.is_none() && o.op != Op::Delete)))?;
    for AlterOp { key, op, value } in ops {
        let value = value.as_deref().unwrap_or("");
        match op {
            Op::Set => drop(map.insert(key.clone(), value.to_owned())),
            Op::Delete => drop(map.remove(key)),
            Op::Append | Op::Subtract => {
                let default = list_default(resource, key, *op)?;
                let old = map.get(key).cloned().or(default).unwrap_or_default();
                let list = if *op == Op::Append { append(&old, value) } else { subtract(&old, value) };
                map.insert(key.clone(), list);
            }
        }
    }
    Ok(())
}

/// The default of a list key; an error for any other.
fn list_default(resource: Resource, key: &str, op: Op) -> Result<Option<String>, AlterError> {
    let found = match resource {
        Resource::Topic => topic::get(key)
            .map(|k| (k.ty, k.default.or_else(|| k.broker.and_then(table::get).and_then(|broker| broker.default)))),
        Resource::Broker => table::get_dynamic(key).map(|k| (k.ty, k.default)),
    };
    match found {
        None if resource == Resource::Topic => Err(AlterError::config(format!("Unknown topic config name: {key}"))),
        None => Err(AlterError::config(format!("Unknown config name: {key}"))),
        Some((Type::List, default)) => Ok(default.map(str::to_owned)),
        Some(_) => {
            let verb = if op == Op::Append { "append" } else { "subtract" };
            Err(AlterError::config(format!("Config value {verb} is not allowed for config key: {key}")))
        }
    }
}

/// Items already there are not added again.
fn append(old: &str, value: &str) -> String {
    let mut items: Vec<&str> = if old.is_empty() { Vec::new() } else { old.split(',').collect() };
    let added: Vec<&str> = value.split(',').filter(|item| !items.contains(item)).collect();
    items.extend(added);
    items.join(",")
}

/// Each item of `value` takes one equal item out (Scala's `diff`).
fn subtract(old: &str, value: &str) -> String {
    let mut items: Vec<&str> = old.split(',').collect();
    for gone in value.split(',') {
        if let Some(at) = items.iter().position(|item| *item == gone) {
            items.remove(at);
        }
    }
    items.join(",")
}

//! The quota keys of users, client ids and addresses (`/config/users`, `/config/clients`, `/config/ips`), and their texts there.
//!
//! `admin/` formats what AlterClientQuotas brings (doubles, always); `quota/` reads what ZooKeeper holds. SCRAM credentials, which live in
//! the same user znodes, are `security/`'s.

use super::ops::AlterError;
use super::table::{Check, Effect, Key, Mode, Type};
use super::value::{self, ConfigError, java_double};

/// A double's distance from a whole number that still counts as one.
const WHOLE_NUMBER_TOLERANCE: f64 = 1e-6;

/// Whose quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entity {
    /// A user, a client id, or a pair of both.
    Client,
    /// An address.
    Ip,
}

/// Keys of users and client ids.
pub const CLIENT_KEYS: &[Key] = &[
    key("producer_byte_rate", Type::Long, "9223372036854775807", "Bytes a second produced at most."),
    key("consumer_byte_rate", Type::Long, "9223372036854775807", "Bytes a second fetched at most."),
    key("request_percentage", Type::Double, "2.147483647E9", "Share of request handler time, in per cent."),
    key("controller_mutation_rate", Type::Double, "2.147483647E9", "Partitions created and deleted a second at most."),
];

/// Keys of addresses.
pub const IP_KEYS: &[Key] =
    &[key("connection_creation_rate", Type::Int, "2147483647", "New connections a second at most.")];

const fn key(name: &'static str, ty: Type, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        ty,
        default: Some(default),
        check: Check::Any,
        mode: Mode::Cluster,
        internal: false,
        effect: Effect::Works,
        doc,
    }
}

/// The row of a quota key.
pub fn get(entity: Entity, name: &str) -> Option<&'static Key> {
    let keys = if entity == Entity::Client { CLIENT_KEYS } else { IP_KEYS };
    keys.iter().find(|k| k.name == name)
}

/// The text a quota is stored as, by its key's type: `1024`, `50.0`.
///
/// # Errors
/// INVALID_REQUEST: an unknown key, a value that isn't positive, or no whole number where one is wanted.
pub fn format(entity: Entity, name: &str, quota: f64) -> Result<String, AlterError> {
    let key = get(entity, name).ok_or_else(|| AlterError::request(format!("Invalid configuration key {name}")))?;
    // An address may be shut out with 0; a rate for clients must let something through.
    let positive = if entity == Entity::Ip { quota >= 0.0 } else { quota > 0.0 };
    if !positive {
        return Err(AlterError::request(format!("Quota {name} must be greater than 0")));
    }
    let (max, wanted) = match key.ty {
        Type::Long => (i64::MAX as f64, "a Long value"),
        Type::Int => (f64::from(i32::MAX), "an Integer value"),
        _ => return Ok(java_double(quota)),
    };
    let whole = (quota + WHOLE_NUMBER_TOLERANCE).trunc();
    if (whole - quota).abs() > WHOLE_NUMBER_TOLERANCE || whole > max {
        return Err(AlterError::request(format!("Configuration {name} must be {wanted}")));
    }
    // Saturates at i64::MAX, whose nearest double lies one above it.
    Ok((whole as i64).to_string())
}

/// A stored quota as a number.
///
/// # Errors
/// Text that is not of the key's type.
pub fn parse(key: &Key, text: &str) -> Result<f64, ConfigError> {
    Ok(match value::parse(key, key.name, text)? {
        value::Value::Int(v) => f64::from(v),
        value::Value::Long(v) => v as f64,
        value::Value::Double(v) => v,
        _ => return Err(ConfigError::value(key.name, text, "not a number")),
    })
}

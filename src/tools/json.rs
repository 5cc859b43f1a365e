//! Values in JSON files that a user wrote, refused in Kafka's words (`org.apache.kafka.server.util.json`).

use serde_json::{Map, Value};

use super::java::Exception;

/// Kafka's error for JSON of another shape.
pub fn mapping(why: String) -> Exception {
    Exception::new("com.fasterxml.jackson.databind.JsonMappingException", why)
}

/// An object.
///
/// # Errors
/// A mapping error for anything else, as with all of these.
pub fn object(value: &Value) -> Result<&Map<String, Value>, Exception> {
    value.as_object().ok_or_else(|| mapping(format!("Expected JSON object, received {value}")))
}

/// An array.
///
/// # Errors
/// A mapping error.
pub fn array(value: &Value) -> Result<&Vec<Value>, Exception> {
    value.as_array().ok_or_else(|| mapping(format!("Expected JSON array, received {value}")))
}

/// A field that has to be there.
///
/// # Errors
/// A mapping error.
pub fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a Value, Exception> {
    object.get(name).ok_or_else(|| mapping(format!("No such field exists: `{name}`")))
}

/// A text.
///
/// # Errors
/// A mapping error.
pub fn text(value: &Value) -> Result<&str, Exception> {
    value.as_str().ok_or_else(|| wrong(value, "String"))
}

/// A 32-bit number.
///
/// # Errors
/// A mapping error.
pub fn integer(value: &Value) -> Result<i32, Exception> {
    value.as_i64().and_then(|number| i32::try_from(number).ok()).ok_or_else(|| wrong(value, "Integer"))
}

/// An array of values that `decode` reads.
///
/// # Errors
/// A mapping error.
pub fn list<'a, T>(value: &'a Value, decode: impl Fn(&'a Value) -> Result<T, Exception>) -> Result<Vec<T>, Exception> {
    let items = value.as_array().ok_or_else(|| wrong(value, "JSON array"))?;
    items.iter().map(decode).collect()
}

/// An object's `topic` and `partition`.
///
/// # Errors
/// A mapping error.
pub fn partition(value: &Value) -> Result<(&str, i32), Exception> {
    let fields = object(value)?;
    Ok((text(field(fields, "topic")?)?, integer(field(fields, "partition")?)?))
}

fn wrong(value: &Value, kind: &str) -> Exception {
    mapping(format!("Expected `{kind}` value, received {value}"))
}

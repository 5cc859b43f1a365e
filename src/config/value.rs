//! Typed values: parsing, checking and printing as Kafka's `ConfigDef` does, its error texts included.
//!
//! Used by every reader of the table. Text is trimmed first; a list splits at commas with blanks around them; a boolean ignores case.

use std::fmt;

use super::table::{Check, Key, Type};
use super::version::{MetadataVersion, is_release_name};

/// A parsed value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Java's null: unset and without default.
    Null,
    /// BOOLEAN.
    Bool(bool),
    /// STRING.
    Str(String),
    /// INT.
    Int(i32),
    /// SHORT.
    Short(i16),
    /// LONG.
    Long(i64),
    /// DOUBLE.
    Double(f64),
    /// LIST.
    List(Vec<String>),
    /// CLASS, by name.
    Class(String),
    /// PASSWORD.
    Password(Password),
}

/// A password's text. Its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Kafka's `ConfigException`: a value that doesn't do, or settings that don't go together. One line, ready for the log or the wire.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl ConfigError {
    /// `Invalid value x for configuration y: why`.
    pub fn value(name: &str, value: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self(format!("Invalid value {value} for configuration {name}: {why}"))
    }
}

/// Reads `text` as the type of `key` and checks it. `name` is what errors call it (a listener-prefixed name has its base's row).
///
/// # Errors
/// Kafka's words; a password's text is not repeated.
pub fn parse(key: &Key, name: &str, text: &str) -> Result<Value, ConfigError> {
    let value = parse_type(key.ty, name, text)?;
    check(key.check, name, &value)?;
    Ok(value)
}

/// The default of `key`. Defaults parse: a test reads every row.
pub fn default_of(key: &Key) -> Value {
    key.default.and_then(|text| parse_type(key.ty, key.name, text).ok()).unwrap_or(Value::Null)
}

/// Reads `text` as `ty`, without any check.
///
/// # Errors
/// `Not a number of type LONG` and the like.
pub fn parse_type(ty: Type, name: &str, text: &str) -> Result<Value, ConfigError> {
    // Java's trim takes every character up to the blank, not Unicode's white space.
    let text = text.trim_matches(|c: char| c <= ' ');
    let number = || ConfigError::value(name, text, format_args!("Not a number of type {}", ty.name()));
    Ok(match ty {
        Type::Bool if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        Type::Bool if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        Type::Bool => return Err(ConfigError::value(name, text, "Expected value to be either true or false")),
        Type::Str => Value::Str(text.to_owned()),
        Type::Int => Value::Int(text.parse().map_err(|_| number())?),
        Type::Short => Value::Short(text.parse().map_err(|_| number())?),
        Type::Long => Value::Long(text.parse().map_err(|_| number())?),
        Type::Double => Value::Double(parse_java_double(text).ok_or_else(number)?),
        Type::List if text.is_empty() => Value::List(Vec::new()),
        Type::List => Value::List(text.split(',').map(|item| item.trim_ascii().to_owned()).collect()),
        Type::Class => Value::Class(text.to_owned()),
        Type::Password => Value::Password(Password(text.to_owned())),
    })
}

/// `Double.parseDouble`: like Rust's, but with an optional `d` or `f` behind, and only `NaN` and `Infinity` spelled so.
fn parse_java_double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    // Rust would also read `inf` and `nan`.
    if digits.chars().any(|c| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E')) {
        return None;
    }
    digits.parse().ok()
}

/// Holds `value` against `check`; a null passes everything.
///
/// # Errors
/// Kafka's validators' words.
pub fn check(check: Check, name: &str, value: &Value) -> Result<(), ConfigError> {
    let fail = |why: String| Err(ConfigError::value(name, value.java(), why));
    if matches!(value, Value::Null) {
        return Ok(());
    }
    match check {
        Check::Any => Ok(()),
        Check::AtLeast(min) if below(value, min) => fail(format!("Value must be at least {min}")),
        Check::Between(min, _) if below(value, min) => fail(format!("Value must be at least {min}")),
        Check::Between(_, max) if above(value, max) => fail(format!("Value must be no more than {max}")),
        Check::Ratio if below(value, 0) => fail("Value must be at least 0".into()),
        Check::Ratio if above(value, 1) => fail("Value must be no more than 1".into()),
        Check::AtLeast(_) | Check::Between(..) | Check::Ratio => Ok(()),
        Check::GzipLevel => match value {
            Value::Int(-1 | 1..=9) => Ok(()),
            _ => fail("Value must be between 1 and 9 or equal to -1".into()),
        },
        Check::OneOf(allowed) => match value {
            Value::Str(s) if allowed.contains(&s.as_str()) => Ok(()),
            _ => fail(format!("String must be one of: {}", allowed.join(", "))),
        },
        Check::ListOf(allowed) => match value {
            Value::List(items) => match items.iter().find(|item| !allowed.contains(&item.as_str())) {
                Some(bad) => {
                    Err(ConfigError::value(name, bad, format_args!("String must be one of: {}", allowed.join(", "))))
                }
                None => Ok(()),
            },
            _ => Ok(()),
        },
        Check::MetadataVersion => match value {
            Value::Str(s) if s.parse::<MetadataVersion>().is_err() => {
                fail(format!("Version `{s}` is not a valid version (2.8 to 3.9 here)"))
            }
            _ => Ok(()),
        },
        Check::ReleaseName => match value {
            Value::Str(s) if !is_release_name(s) => fail(format!("Version `{s}` is not a valid version")),
            _ => Ok(()),
        },
        Check::ThrottledReplicas => match value {
            Value::List(items) if throttled_replicas_ok(items) => Ok(()),
            _ => fail(format!(
                "{name} must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],..."
            )),
        },
    }
}

fn below(value: &Value, min: i64) -> bool {
    match value {
        Value::Int(v) => i64::from(*v) < min,
        Value::Short(v) => i64::from(*v) < min,
        Value::Long(v) => *v < min,
        Value::Double(v) => *v < min as f64,
        _ => false,
    }
}

fn above(value: &Value, max: i64) -> bool {
    match value {
        Value::Int(v) => i64::from(*v) > max,
        Value::Short(v) => i64::from(*v) > max,
        Value::Long(v) => *v > max,
        Value::Double(v) => *v > max as f64,
        _ => false,
    }
}

fn throttled_replicas_ok(items: &[String]) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let pair = |s: &String| s.is_empty() || s.split_once(':').is_some_and(|(p, b)| digits(p) && digits(b));
    matches!(items, [only] if only == "*") || items.iter().all(pair)
}

impl Value {
    /// The text Kafka gives back for it (`ConfigDef.convertToString`); `None` is null. A password is `[hidden]`.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Value::Null => return None,
            Value::Bool(v) => v.to_string(),
            Value::Str(v) | Value::Class(v) => v.clone(),
            Value::Int(v) => v.to_string(),
            Value::Short(v) => v.to_string(),
            Value::Long(v) => v.to_string(),
            Value::Double(v) => java_double(*v),
            Value::List(v) => v.join(","),
            Value::Password(_) => "[hidden]".into(),
        })
    }

    /// The value as Java prints it inside an error message: lists in brackets.
    fn java(&self) -> String {
        match self {
            Value::List(v) => format!("[{}]", v.join(", ")),
            _ => self.text().unwrap_or_else(|| "null".into()),
        }
    }
}

/// `Double.toString`: plain from 0.001 to 10 million, else one digit before the point and `E`.
pub fn java_double(v: f64) -> String {
    if v.is_nan() {
        return "NaN".into();
    }
    if v.is_infinite() {
        return if v > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    if v == 0.0 || (1e-3..1e7).contains(&v.abs()) {
        return format!("{v:?}");
    }
    let text = format!("{v:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => text,
    }
}

//! Bytes of keys, values and headers as text: Kafka's own deserializers by their class names, as `toString` would show what they give.

use std::io::Write;

use crate::tools::java::Exception;

/// A deserializer that Kafka comes with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deserializer {
    /// `StringDeserializer`, and none at all: the bytes as they are.
    Text,
    /// `BytesDeserializer`: what is no printable ASCII as `\x00`.
    Bytes,
    /// `BooleanDeserializer`.
    Boolean,
    /// `ShortDeserializer`.
    Short,
    /// `IntegerDeserializer`.
    Integer,
    /// `LongDeserializer`.
    Long,
    /// `FloatDeserializer`.
    Float,
    /// `DoubleDeserializer`.
    Double,
    /// `UUIDDeserializer`: a UUID's text.
    Uuid,
}

impl Deserializer {
    /// By class name. Java's package may be left out.
    pub fn of_class(class: &str) -> Option<Self> {
        let simple = class.strip_prefix("org.apache.kafka.common.serialization.").unwrap_or(class);
        Some(match simple {
            "StringDeserializer" => Self::Text,
            // Java would show an array's identity, which tells nothing.
            "BytesDeserializer" | "ByteArrayDeserializer" | "ByteBufferDeserializer" => Self::Bytes,
            "BooleanDeserializer" => Self::Boolean,
            "ShortDeserializer" => Self::Short,
            "IntegerDeserializer" => Self::Integer,
            "LongDeserializer" => Self::Long,
            "FloatDeserializer" => Self::Float,
            "DoubleDeserializer" => Self::Double,
            "UUIDDeserializer" => Self::Uuid,
            _ => return None,
        })
    }

    /// Writes the text.
    ///
    /// # Errors
    /// `SerializationException` for bytes of another size. Failed writes are the writer's matter.
    pub fn write(self, bytes: &[u8], out: &mut dyn Write) -> Result<(), Exception> {
        let text = match self {
            Self::Text => {
                let _ = out.write_all(bytes);
                return Ok(());
            }
            Self::Bytes => escaped(bytes),
            Self::Uuid => {
                let text = String::from_utf8_lossy(bytes);
                let uuid = uuid::Uuid::try_parse(&text).map_err(|_| wrong("Error parsing data into UUID".into()))?;
                uuid.to_string()
            }
            Self::Boolean => match sized::<1>(bytes, "BooleanDeserializer")? {
                [0] => "false".into(),
                [1] => "true".into(),
                [other] => return Err(wrong(format!("Unexpected byte received by BooleanDeserializer: {other}"))),
            },
            Self::Short => i16::from_be_bytes(sized(bytes, "ShortDeserializer")?).to_string(),
            Self::Integer => i32::from_be_bytes(sized(bytes, "IntegerDeserializer")?).to_string(),
            Self::Long => i64::from_be_bytes(sized(bytes, "LongDeserializer")?).to_string(),
            Self::Float => java_float(f64::from(f32::from_be_bytes(sized(bytes, "Deserializer")?)), |_| {
                f32::from_be_bytes(bytes.try_into().unwrap_or_default()).to_string()
            }),
            Self::Double => java_float(f64::from_be_bytes(sized(bytes, "Deserializer")?), |v| v.to_string()),
        };
        let _ = out.write_all(text.as_bytes());
        Ok(())
    }
}

fn wrong(message: String) -> Exception {
    Exception::new("org.apache.kafka.common.errors.SerializationException", message)
}

fn sized<const N: usize>(bytes: &[u8], name: &str) -> Result<[u8; N], Exception> {
    bytes.try_into().map_err(|_| match name {
        "Deserializer" => wrong(format!("Size of data received by Deserializer is not {N}")),
        _ => wrong(format!("Size of data received by {name} is not {N}")),
    })
}

/// A number as Java writes it between a thousandth and ten millions: always with a fraction.
fn java_float(value: f64, plain: impl Fn(f64) -> String) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((digits, power)) if !digits.contains('.') => format!("{digits}.0E{power}"),
            _ => text.replace('e', "E"),
        };
    }
    let text = plain(value);
    if text.contains('.') { text } else { format!("{text}.0") }
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02X}")),
        }
    }
    text
}

//! How records are shown: the classes that `--formatter` may name, with their properties.
//!
//! `DefaultMessageFormatter` writes fields in the order timestamp, partition, offset, headers, key, value. Bytes go out as they are, into
//! a buffer that the caller empties.

use std::io::Write;

use rdkafka::Timestamp;

use super::deserializer::Deserializer;
use super::internal_topics;
use crate::config::Properties;
use crate::tools::console::Console;
use crate::tools::java::Exception;

/// The class of the formatter that is used when none is named.
pub const DEFAULT: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";

/// What is shown of a record.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Time and its kind.
    pub timestamp: Timestamp,
    /// Names and values, in order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub value: Option<&'a [u8]>,
}

/// A formatter by its class.
#[derive(Debug)]
pub enum Formatter {
    /// See the head of the file.
    Default(Box<Fields>),
    /// The same, with the record told in the log too.
    Logging(Box<Fields>),
    /// Nothing.
    NoOp,
    /// Commits in `__consumer_offsets`.
    Offsets,
    /// Groups in `__consumer_offsets`.
    GroupMetadata,
    /// `__transaction_state`.
    TransactionLog,
}

/// What the default formatter writes.
#[derive(Debug)]
pub struct Fields {
    timestamp: bool,
    partition: bool,
    offset: bool,
    /// Whether headers are written: asked before they are gathered.
    pub headers: bool,
    key: bool,
    value: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    of_key: Deserializer,
    of_value: Deserializer,
    of_headers: Deserializer,
}

impl Formatter {
    /// The formatter of a class, old names too, with its properties.
    ///
    /// # Errors
    /// `ClassNotFoundException` for a class that is not here: Java's can't be loaded.
    pub fn of_class(class: &str, properties: &Properties, console: &Console) -> Result<Self, Exception> {
        let given = class;
        let class = match given {
            "kafka.tools.DefaultMessageFormatter" => DEFAULT,
            "kafka.tools.LoggingMessageFormatter" => "org.apache.kafka.tools.consumer.LoggingMessageFormatter",
            "kafka.tools.NoOpMessageFormatter" => "org.apache.kafka.tools.consumer.NoOpMessageFormatter",
            "kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter" => {
                "org.apache.kafka.tools.consumer.OffsetsMessageFormatter"
            }
            "kafka.coordinator.group.GroupMetadataManager$GroupMetadataMessageFormatter" => {
                "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter"
            }
            "kafka.coordinator.transaction.TransactionLog$TransactionLogMessageFormatter" => {
                "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter"
            }
            other => other,
        };
        let made = match class.strip_prefix("org.apache.kafka.tools.consumer.") {
            Some("DefaultMessageFormatter") => Self::Default(Box::new(Fields::new(properties, console))),
            Some("LoggingMessageFormatter") => Self::Logging(Box::new(Fields::new(properties, console))),
            Some("NoOpMessageFormatter") => Self::NoOp,
            Some("OffsetsMessageFormatter") => Self::Offsets,
            Some("GroupMetadataMessageFormatter") => Self::GroupMetadata,
            Some("TransactionLogMessageFormatter") => Self::TransactionLog,
            _ => return Err(Exception::new("java.lang.ClassNotFoundException", class)),
        };
        if given != class {
            console.complain(format_args!(
                "WARNING: {given} is deprecated and will be removed in the next major release. Please use {class} instead"
            ));
        }
        Ok(made)
    }

    /// Are headers looked at?
    pub fn wants_headers(&self) -> bool {
        matches!(self, Self::Default(fields) | Self::Logging(fields) if fields.headers)
    }

    /// Writes a record.
    ///
    /// # Errors
    /// For bytes that its deserializers don't take.
    pub fn write(&self, record: &Shown<'_>, out: &mut dyn Write, console: &Console) -> Result<(), Exception> {
        match self {
            Self::Default(fields) => fields.write(record, out),
            Self::Logging(fields) => {
                let text =
                    |bytes: Option<&[u8]>| bytes.map_or("null".into(), |b| String::from_utf8_lossy(b).into_owned());
                let time = match record.timestamp {
                    Timestamp::NotAvailable => String::new(),
                    _ => format!("{}:{}, ", time_kind(record.timestamp), record.timestamp.to_millis().unwrap_or(-1)),
                };
                console.log(
                    "INFO",
                    format_args!("{time}key:{}, value:{}", text(record.key), text(record.value)),
                    "org.apache.kafka.tools.consumer.LoggingMessageFormatter",
                );
                fields.write(record, out)
            }
            Self::NoOp => Ok(()),
            Self::Offsets => written(internal_topics::offsets(record.key, record.value), out),
            Self::GroupMetadata => written(internal_topics::group_metadata(record.key, record.value), out),
            Self::TransactionLog => written(internal_topics::transactions(record.key, record.value), out),
        }
    }
}

/// Kafka puts nothing between these records, not even a line's end.
fn written(json: Option<String>, out: &mut dyn Write) -> Result<(), Exception> {
    if let Some(json) = json {
        let _ = out.write_all(json.as_bytes());
    }
    Ok(())
}

fn time_kind(timestamp: Timestamp) -> &'static str {
    match timestamp {
        Timestamp::LogAppendTime(_) => "LogAppendTime",
        _ => "CreateTime",
    }
}

impl Fields {
    fn new(properties: &Properties, console: &Console) -> Self {
        let on = |key: &str, default: bool| {
            properties.get(key).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
        };
        let mark = |key: &str, default: &str| properties.get(key).unwrap_or(default).as_bytes().to_vec();
        let deserializer = |key: &str| {
            let Some(class) = properties.get(key) else { return Deserializer::Text };
            Deserializer::of_class(class).unwrap_or_else(|| {
                console.log_error(
                    format_args!("Unable to instantiate a deserializer from {class}"),
                    DEFAULT,
                    &Exception::new("java.lang.ClassNotFoundException", class),
                );
                Deserializer::Text
            })
        };
        Self {
            timestamp: on("print.timestamp", false),
            partition: on("print.partition", false),
            offset: on("print.offset", false),
            headers: on("print.headers", false),
            key: on("print.key", false),
            value: on("print.value", true),
            key_separator: mark("key.separator", "\t"),
            line_separator: mark("line.separator", "\n"),
            headers_separator: mark("headers.separator", ","),
            null_literal: mark("null.literal", "null"),
            of_key: deserializer("key.deserializer"),
            of_value: deserializer("value.deserializer"),
            of_headers: deserializer("headers.deserializer"),
        }
    }

    fn write(&self, record: &Shown<'_>, out: &mut dyn Write) -> Result<(), Exception> {
        let put = |bytes: &[u8], out: &mut dyn Write| {
            let _ = out.write_all(bytes);
        };
        // A field is followed by the separator when another comes, else by the line's end; the value's line end is its own.
        let follow = |more: bool, out: &mut dyn Write| {
            let _ = out.write_all(if more { &self.key_separator } else { &self.line_separator });
        };
        if self.timestamp {
            match record.timestamp.to_millis() {
                Some(ms) => put(format!("{}:{ms}", time_kind(record.timestamp)).as_bytes(), out),
                None => put(b"NO_TIMESTAMP", out),
            }
            follow(self.partition || self.offset || self.headers || self.key || self.value, out);
        }
        if self.partition {
            put(format!("Partition:{}", record.partition).as_bytes(), out);
            follow(self.offset || self.headers || self.key || self.value, out);
        }
        if self.offset {
            put(format!("Offset:{}", record.offset).as_bytes(), out);
            follow(self.headers || self.key || self.value, out);
        }
        if self.headers {
            if record.headers.is_empty() {
                put(b"NO_HEADERS", out);
            }
            for (i, (name, value)) in record.headers.iter().enumerate() {
                if i > 0 {
                    put(&self.headers_separator, out);
                }
                put(name.as_bytes(), out);
                put(b":", out);
                self.of_headers.write(value.unwrap_or(&self.null_literal), out)?;
            }
            follow(self.key || self.value, out);
        }
        if self.key {
            self.of_key.write(record.key.unwrap_or(&self.null_literal), out)?;
            follow(self.value, out);
        }
        if self.value {
            self.of_value.write(record.value.unwrap_or(&self.null_literal), out)?;
            put(&self.line_separator, out);
        }
        Ok(())
    }
}

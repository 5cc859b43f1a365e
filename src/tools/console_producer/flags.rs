//! The options of `kafka-console-producer.sh`, and the producer's properties that they make.

use crate::config::Properties;
use crate::tools::java::Exception;
use crate::tools::kafka_client::merged;
use crate::tools::options::{Arg, HELP, Kind, Options, Spec, Text, VERSION, flag, integer, long, text};

/// All options.
pub const SPECS: &[Spec] = &[
    text("topic", "topic", "REQUIRED: The topic id to produce messages to."),
    text(
        "broker-list",
        "broker-list",
        "DEPRECATED, use --bootstrap-server instead; ignored if --bootstrap-server is specified.  The broker list string in the form \
         HOST1:PORT1,HOST2:PORT2.",
    ),
    text(
        "bootstrap-server",
        "server to connect to",
        "REQUIRED unless --broker-list(deprecated) is specified. The server(s) to connect to. The broker list string in the form \
         HOST1:PORT1,HOST2:PORT2.",
    ),
    flag("sync", "If set message send requests to the brokers are synchronously, one at a time as they arrive."),
    Spec {
        name: "compression-codec",
        arg: Arg::Optional { kind: Kind::Text, described: "compression-codec" },
        default: None,
        text: Text::Plain(
            "The compression codec: either 'none', 'gzip', 'snappy', 'lz4', or 'zstd'.If specified without value, then it defaults to \
             'gzip'",
        ),
    },
    integer(
        "batch-size",
        "size",
        "Number of messages to send in a single batch if they are not being sent synchronously. please note that this option will be \
         replaced if max-partition-memory-bytes is also set",
    )
    .or("16384"),
    integer(
        "message-send-max-retries",
        "",
        "Brokers can fail receiving the message for multiple reasons, and being unavailable transiently is just one of them. This \
         property specifies the number of retries before the producer give up and drop this message. This is the option to control \
         `retries` in producer configs.",
    )
    .or("3"),
    long(
        "retry-backoff-ms",
        "",
        "Before each retry, the producer refreshes the metadata of relevant topics. Since leader election takes a bit of time, this \
         property specifies the amount of time that the producer waits before refreshing the metadata. This is the option to control \
         `retry.backoff.ms` in producer configs.",
    )
    .or("100"),
    long(
        "timeout",
        "timeout_ms",
        "If set and the producer is running in asynchronous mode, this gives the maximum amount of time a message will queue awaiting \
         sufficient batch size. The value is given in ms. This is the option to control `linger.ms` in producer configs.",
    )
    .or("1000"),
    text("request-required-acks", "request required acks", "The required `acks` of the producer requests").or("-1"),
    integer(
        "request-timeout-ms",
        "request timeout ms",
        "The ack timeout of the producer requests. Value must be non-negative and non-zero.",
    )
    .or("1500"),
    long(
        "metadata-expiry-ms",
        "metadata expiration interval",
        "The period of time in milliseconds after which we force a refresh of metadata even if we haven't seen any leadership changes. \
         This is the option to control `metadata.max.age.ms` in producer configs.",
    )
    .or("300000"),
    long("max-block-ms", "max block on send", "The max time that the producer will block for during a send request.").or("60000"),
    long(
        "max-memory-bytes",
        "total memory in bytes",
        "The total memory used by the producer to buffer records waiting to be sent to the server. This is the option to control \
         `buffer.memory` in producer configs.",
    )
    .or("33554432"),
    integer(
        "max-partition-memory-bytes",
        "memory in bytes per partition",
        "The buffer size allocated for a partition. When records are received which are smaller than this size the producer will attempt \
         to optimistically group them together until this size is reached. This is the option to control `batch.size` in producer configs.",
    )
    .or("16384"),
    text(
        "line-reader",
        "reader_class",
        "The class name of the class to use for reading lines from standard in. By default each line is read as a separate message.",
    )
    .or(LINE_READER),
    integer(
        "socket-buffer-size",
        "size",
        "The size of the tcp RECV size. This is the option to control `send.buffer.bytes` in producer configs.",
    )
    .or("102400"),
    text(
        "property",
        "prop",
        "A mechanism to pass user-defined properties in the form key=value to the message reader. This allows custom configuration for a \
         user-defined message reader.\nDefault properties include:\n parse.key=false\n parse.headers=false\n ignore.error=false\n \
         key.separator=\\t\n headers.delimiter=\\t\n headers.separator=,\n headers.key.separator=:\n null.marker=   When set, any fields \
         (key, value and headers) equal to this will be replaced by null\nDefault parsing pattern when:\n parse.headers=true and \
         parse.key=true:\n  \"h1:v1,h2:v2...\\tkey\\tvalue\"\n parse.key=true:\n  \"key\\tvalue\"\n parse.headers=true:\n  \
         \"h1:v1,h2:v2...\\tvalue\"",
    ),
    text(
        "reader-config",
        "config file",
        "Config properties file for the message reader. Note that [property] takes precedence over this config.",
    ),
    text(
        "producer-property",
        "producer_prop",
        "A mechanism to pass user-defined properties in the form key=value to the producer.",
    ),
    text(
        "producer.config",
        "config file",
        "Producer config properties file. Note that [producer-property] takes precedence over this config.",
    ),
    HELP,
    VERSION,
];

/// The reader that Kafka comes with, by its class.
pub const LINE_READER: &str = "kafka.tools.ConsoleProducer$LineMessageReader";

/// `client.id` when the user names none.
const CLIENT_ID: &str = "console-producer";

/// Longest wait for more records of a batch when no wait is asked for. Kafka's 1000 ms end with its input; librdkafka would sit them out.
const LINGER_MS: &str = "5";

/// Options that stand for a property: one given on the command line comes before the property, its default behind it.
const MERGED: &[(&str, &str)] = &[
    ("request-required-acks", "acks"),
    ("request-timeout-ms", "request.timeout.ms"),
    ("message-send-max-retries", "retries"),
    ("retry-backoff-ms", "retry.backoff.ms"),
    ("socket-buffer-size", "send.buffer.bytes"),
    ("max-memory-bytes", "buffer.memory"),
    // batch-size first: max-partition-memory-bytes is the stronger.
    ("batch-size", "batch.size"),
    ("max-partition-memory-bytes", "batch.size"),
    ("metadata-expiry-ms", "metadata.max.age.ms"),
    ("max-block-ms", "max.block.ms"),
];

/// Java's producer properties from all options and files.
///
/// # Errors
/// For a file that can't be read, a number that is none, or a property without `=`.
pub fn producer_properties(options: &Options, servers: &str) -> Result<Properties, Exception> {
    let mut properties = merged(options.value("producer.config")?, &options.values("producer-property"))?;
    properties.insert("bootstrap.servers", servers);
    let codec = match options.order().find(|(name, _)| *name == "compression-codec") {
        None => "none",
        Some((_, value)) => value.filter(|codec| !codec.is_empty()).unwrap_or("gzip"),
    };
    properties.insert("compression.type", codec);
    if properties.get("client.id").is_none() {
        properties.insert("client.id", CLIENT_ID);
    }
    check_numbers(options)?;
    for (option, key) in MERGED {
        if (options.has(option) || properties.get(key).is_none())
            && let Some(value) = options.value(option)?
        {
            properties.insert(*key, value);
        }
    }
    match options.has("timeout") {
        true => properties.insert("linger.ms", options.value("timeout")?.unwrap_or_default()),
        false if properties.get("linger.ms").is_none() => properties.insert("linger.ms", LINGER_MS),
        false => {}
    }
    // One record at a time never has company to wait for.
    if options.has("sync") {
        properties.insert("linger.ms", "0");
    }
    Ok(properties)
}

fn check_numbers(options: &Options) -> Result<(), Exception> {
    for spec in SPECS {
        match spec.arg {
            Arg::Required { kind: Kind::Integer, .. } => options.integer(spec.name).map(|_| ())?,
            Arg::Required { kind: Kind::Long, .. } => options.long(spec.name).map(|_| ())?,
            _ => {}
        }
    }
    Ok(())
}

/// The reader's properties.
///
/// # Errors
/// For a file that can't be read, or a property without `=`.
pub fn reader_properties(options: &Options) -> Result<Properties, Exception> {
    merged(options.value("reader-config")?, &options.values("property"))
}

//! `ottla console-producer`, as `kafka-console-producer.sh`: each line of standard input a record.
//!
//! | file | what |
//! |---|---|
//! | here | the loop: read, send, tell of what failed |
//! | [`flags`] | options, and the producer's properties that they make |
//! | [`reader`] | lines as records |
//!
//! A record that fails is told on standard error as Kafka's `ErrorLoggingCallback` does, and the rest goes on; the exit code stays 0.
//! With `--sync` the first failure ends the command.

pub mod flags;
pub mod reader;

use std::io::{BufRead, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use super::admin_client::config;
use super::console::Console;
use super::java::Exception;
use super::kafka_client::context::{Delivered, Reports, Voice};
use super::kafka_client::producer::Producer;
use super::kafka_client::{Role, client_config, errors};
use super::options::{Ended, HELP, Options, VERSION};
use super::progress::Progress;
use reader::{Line, LineReader, Lines};

/// What the tool is, for its help.
const SENTENCE: &str = "This tool helps to read data from standard input and publish it to Kafka.";
/// Longest line read: no broker takes a record of this size, and input without line ends must not fill memory.
const MAX_LINE_BYTES: usize = 512 << 20;
/// How long the first look at the topic may hold up reading.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// Runs the command on the process's standard input.
pub fn run(args: &[String], console: &Console) -> u8 {
    let stdin = std::io::stdin();
    let prompt = stdin.is_terminal() && std::io::stdout().is_terminal();
    match produce(args, console, &mut stdin.lock(), prompt) {
        Ok(()) => 0,
        Err(Failure::Ended(ended)) => ended.0,
        Err(Failure::Error(error)) if error.is_option_error() => {
            console.complain(&error);
            1
        }
        Err(Failure::Error(error)) => {
            console.complain(error.stack());
            1
        }
    }
}

enum Failure {
    Ended(Ended),
    Error(Exception),
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Exception> for Failure {
    fn from(error: Exception) -> Self {
        Self::Error(error)
    }
}

fn produce(args: &[String], console: &Console, input: &mut dyn BufRead, prompt: bool) -> Result<(), Failure> {
    let options = options(args, console)?;
    let topic = options.value("topic")?.unwrap_or_default().to_owned();
    let servers = if options.has("bootstrap-server") { "bootstrap-server" } else { "broker-list" };
    let properties = flags::producer_properties(&options, options.value(servers)?.unwrap_or_default())?;
    let config = client_config(Role::Producer, &properties, console)?;
    let class = options.value("line-reader")?.unwrap_or_default();
    if ![flags::LINE_READER, "org.apache.kafka.tools.LineMessageReader"].contains(&class) {
        return Err(Exception::new("java.lang.ClassNotFoundException", class).into());
    }
    let reader = LineReader::new(&flags::reader_properties(&options)?)?;
    let reports = Failures {
        console: console.clone(),
        topic: topic.clone(),
        sync: options.has("sync"),
        max_block_ms: properties.get("max.block.ms").unwrap_or("60000").trim().to_owned(),
        delivery_ms: properties.get("delivery.timeout.ms").unwrap_or("120000").trim().to_owned(),
        reported: AtomicU64::new(0),
        last: Mutex::new(None),
    };
    let voice = Voice::producer(console.clone(), properties.get("client.id").unwrap_or_default());
    let producer = Producer::new(&config, Reports::new(voice, reports))?;
    let mut feed = Feed { producer: &producer, topic, sync: options.has("sync"), looked: false };
    let outcome = read_all(input, &reader, &mut feed, prompt, console);
    // What was read before an error is sent all the same.
    producer.drain(|| false);
    outcome.map_err(Failure::from)
}

/// Parses and checks the options; help, version and errors are said.
fn options(args: &[String], console: &Console) -> Result<Options, Failure> {
    let options = match Options::parse(flags::SPECS, args) {
        Ok(options) => options,
        Err(error) => {
            let none = Options::parse(flags::SPECS, &[])?;
            none.usage(console, &error.to_string())?;
            none
        }
    };
    if options.has(HELP.name) || options.has(VERSION.name) {
        options.help_or_version(console, SENTENCE)?;
    }
    // joptsimple finds this before anything else, and without a topic too.
    if !options.has("bootstrap-server") && !options.has("broker-list") {
        options.usage(console, "Missing required option(s) [bootstrap-server]")?;
    }
    options.require(console, &["topic"])?;
    let servers = if options.has("bootstrap-server") { "bootstrap-server" } else { "broker-list" };
    let list = options.value(servers)?.unwrap_or_default();
    if list.trim().is_empty() {
        options.usage(console, "Error while validating the bootstrap address\n")?;
    }
    if !list.split(',').all(|url| config::target(url).is_some()) {
        options.usage(console, "Please provide valid host:port like host1:9091,host2:9092\n ")?;
    }
    Ok(options)
}

/// Reads lines to the end of the input.
fn read_all(
    input: &mut dyn BufRead,
    reader: &LineReader,
    feed: &mut Feed<'_>,
    prompt: bool,
    console: &Console,
) -> Result<(), Exception> {
    let io = |error: std::io::Error| {
        Exception::new(
            "org.apache.kafka.common.KafkaException",
            Exception::new("java.io.IOException", error.to_string()).line(),
        )
    };
    let mut progress = Progress::new("sent", !prompt);
    let (mut lines, mut line, mut number) = (Lines::default(), Vec::new(), 1u64);
    if prompt {
        console.print(">");
    }
    loop {
        let bytes = input.fill_buf().map_err(io)?;
        if bytes.is_empty() {
            break;
        }
        let end = lines.next(bytes);
        let text = &bytes[end.skip..end.skip + end.line];
        let used = end.skip + end.line + usize::from(end.ended);
        if end.ended && line.is_empty() {
            feed.send(&reader.read(text, number)?)?;
        } else {
            line.extend_from_slice(text);
        }
        input.consume(used);
        if end.ended {
            if !line.is_empty() {
                feed.send(&reader.read(&line, number)?)?;
                progress.add(1, line.len());
                line.clear();
            } else {
                progress.add(1, end.line);
            }
            number += 1;
            if prompt {
                console.print(">");
            }
        } else if line.len() > MAX_LINE_BYTES {
            return Err(Exception::new(
                "org.apache.kafka.common.KafkaException",
                format!("Line number {number} is longer than {MAX_LINE_BYTES} bytes"),
            ));
        }
    }
    if !line.is_empty() {
        feed.send(&reader.read(&line, number)?)?;
        progress.add(1, line.len());
    }
    Ok(())
}

/// Where lines go.
struct Feed<'a> {
    producer: &'a Producer<Failures>,
    topic: String,
    sync: bool,
    looked: bool,
}

impl Feed<'_> {
    fn send(&mut self, line: &Line<'_>) -> Result<(), Exception> {
        if !std::mem::replace(&mut self.looked, true) {
            self.producer.look_up(&self.topic, FIRST_LOOK);
        }
        let mut record = BaseRecord::<[u8], [u8], Box<Sizes>>::with_opaque_to(
            &self.topic,
            Box::new(Sizes { key: line.key.map(<[u8]>::len), value: line.value.map(<[u8]>::len) }),
        );
        record.key = line.key;
        record.payload = line.value;
        if !line.headers.is_empty() {
            let mut headers = OwnedHeaders::new_with_capacity(line.headers.len());
            for (key, value) in &line.headers {
                headers = headers.insert(Header { key: &String::from_utf8_lossy(key), value: *value });
            }
            record.headers = Some(headers);
        }
        let reports = self.producer.reports();
        let before = reports.reported.load(Ordering::Acquire);
        if let Err(error) = self.producer.send(record) {
            if self.sync {
                return Err(error.in_future());
            }
            reports.tell(&error, line.key.map(<[u8]>::len), line.value.map(<[u8]>::len));
            return Ok(());
        }
        if self.sync {
            self.producer.drain(|| reports.reported.load(Ordering::Acquire) > before);
            if let Some(error) = reports.last.lock().take() {
                return Err(error.in_future());
            }
        }
        Ok(())
    }
}

/// What a failure's line tells of its record.
pub struct Sizes {
    key: Option<usize>,
    value: Option<usize>,
}

/// Tells of records that failed.
struct Failures {
    console: Console,
    topic: String,
    /// The caller asks for each record's outcome.
    sync: bool,
    max_block_ms: String,
    delivery_ms: String,
    /// Records reported, delivered or not.
    reported: AtomicU64,
    /// The last failure, for `--sync`.
    last: Mutex<Option<Exception>>,
}

impl Failures {
    fn tell(&self, error: &Exception, key: Option<usize>, value: Option<usize>) {
        let size = |bytes: Option<usize>| bytes.map_or("null".to_owned(), |n| format!("{n} bytes"));
        let text = format!(
            "Error when sending message to topic {} with key: {}, value: {} with error:",
            self.topic,
            size(key),
            size(value)
        );
        let logger = "org.apache.kafka.clients.producer.internals.ErrorLoggingCallback";
        self.console.log_error(text, logger, error);
    }

    /// Java's words for librdkafka's.
    fn exception(&self, error: &KafkaError, partition: i32) -> Exception {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => Exception::timeout(
                format!("Topic {} not present in metadata after {} ms.", self.topic, self.max_block_ms),
            ),
            Some(RDKafkaErrorCode::MessageTimedOut) if partition < 0 => Exception::timeout(format!(
                "Topic {} not present in metadata after {} ms.",
                self.topic, self.max_block_ms
            )),
            Some(RDKafkaErrorCode::MessageTimedOut) => Exception::timeout(format!(
                "Expiring 1 record(s) for {}-{partition}:{} ms has passed since batch creation",
                self.topic, self.delivery_ms
            )),
            _ => errors::exception(error),
        }
    }
}

impl Delivered for Failures {
    type Tag = Sizes;

    fn delivered(&self, result: &DeliveryResult<'_>, tag: Sizes) {
        if let Err((error, record)) = result {
            let error = self.exception(error, record.partition());
            if !self.sync {
                self.tell(&error, tag.key, tag.value);
            }
            *self.last.lock() = Some(error);
        }
        self.reported.fetch_add(1, Ordering::Release);
    }
}

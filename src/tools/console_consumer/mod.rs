//! `ottla console-consumer`, as `kafka-console-consumer.sh`: records on standard output.
//!
//! | file | what |
//! |---|---|
//! | here | the loop: wait, write, count |
//! | [`flags`] | options, and the consumer's properties that they make |
//! | [`formatter`], [`deserializer`], [`internal_topics`] | how records are shown |
//!
//! Output is buffered while records are there and written out before each wait: fast through a pipe, prompt for the eye.

pub mod deserializer;
pub mod flags;
pub mod formatter;
pub mod internal_topics;

use std::io::{BufWriter, IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;

use super::admin_client::block_on;
use super::console::Console;
use super::java::Exception;
use super::kafka_client::consumer::{Consumer, Polled};
use super::kafka_client::context::{Group, Voice};
use super::kafka_client::stop::Stop;
use super::kafka_client::{Role, client_config, errors};
use super::options::{Ended, Options};
use super::progress::Progress;
use crate::base::Env;
use flags::Start;
use formatter::{Formatter, Shown};

const LOGGER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;
/// `metadata.max.age.ms` when it is not set: how often topics are looked for by pattern.
const MAX_AGE: Duration = Duration::from_secs(300);

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    // The environment wants a runtime to be in; nothing of the loop runs on it.
    match block_on(async { consume(args, console, &Env::current()) }) {
        Ok(Ok(code)) => code,
        Ok(Err(ended)) => ended.0,
        Err(error) => unknown_error(console, &error),
    }
}

fn unknown_error(console: &Console, error: &Exception) -> u8 {
    console.log_error("Unknown error when running consumer: ", LOGGER, error);
    1
}

fn consume(args: &[String], console: &Console, env: &Env) -> Result<u8, Ended> {
    let options = flags::parse(args, console)?;
    let properties = match flags::consumer_properties(&options, env, console)? {
        Ok(properties) => properties,
        Err(error) => return Ok(crash(console, &error)),
    };
    let start = flags::start(&options, console)?;
    let class = options.values("formatter").first().copied().unwrap_or(formatter::DEFAULT);
    let formatter = flags::formatter_properties(&options).and_then(|p| Formatter::of_class(class, &p, console));
    let formatter = match formatter {
        Ok(formatter) => formatter,
        Err(error) => {
            options.usage(console, &error.to_string())?;
            return Ok(1);
        }
    };
    let config = match client_config(Role::Consumer, &properties, console) {
        Ok(config) => config,
        Err(error) => return Ok(unknown_error(console, &error)),
    };
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(error) => return Ok(unknown_error(console, &error)),
    };
    let name = |key: &str| properties.get(key).unwrap_or_default();
    let voice = Voice::consumer(console.clone(), name("client.id"), name("group.id"));
    let max_age = properties.get("metadata.max.age.ms").and_then(|ms| ms.trim().parse().ok());
    let max_age = max_age.map_or(MAX_AGE, Duration::from_millis);
    let mut count = 0;
    let outcome = Consumer::new(&config, Group::new(voice, ()), stop.clone()).and_then(|consumer| {
        let outcome = begin(&options, start, &consumer, max_age)
            .and_then(|()| copy(&options, &formatter, &consumer, console, &mut count));
        consumer.leave();
        outcome
    });
    console.complain(format_args!("Processed a total of {count} messages"));
    if let Err(error) = outcome {
        return Ok(unknown_error(console, &error));
    }
    if options.has("enable-systest-events") {
        console.say("shutdown_complete");
    }
    Ok(stop.exit_code().unwrap_or(0))
}

/// An error that Java's tool does not expect.
fn crash(console: &Console, error: &Exception) -> u8 {
    console.complain(format_args!("Exception in thread \"main\" {}", error.stack()));
    1
}

/// Takes a partition, or subscribes.
fn begin(options: &Options, start: Start, consumer: &Consumer, max_age: Duration) -> Result<(), Exception> {
    let topic = options.value("topic")?;
    if let (Some(topic), Some(partition)) = (topic, options.integer("partition")?) {
        let offset = match start {
            Start::Earliest => Offset::Beginning,
            Start::Latest => Offset::End,
            Start::Offset(offset) => Offset::Offset(offset),
        };
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, offset).map_err(|error| errors::exception(&error))?;
        return consumer.inner().assign(&assignment).map_err(|error| errors::exception(&error));
    }
    match topic {
        Some(topic) => consumer.subscribe(&[topic]),
        None => {
            let include = if options.has("include") { "include" } else { "whitelist" };
            consumer.subscribe_to_pattern(options.value(include)?.unwrap_or_default(), max_age)
        }
    }
}

/// Copies records to standard output until one of the ends.
fn copy(
    options: &Options,
    formatter: &Formatter,
    consumer: &Consumer,
    console: &Console,
    count: &mut u64,
) -> Result<(), Exception> {
    let most = options.integer("max-messages")?.filter(|most| *most != -1).map(|most| u64::try_from(most).unwrap_or(0));
    let timeout = options.long("timeout-ms")?.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    let skip = options.has("skip-message-on-error");
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, console.out());
    let mut progress = Progress::new("read", !std::io::stdout().is_terminal());
    while most.is_none_or(|most| *count < most) {
        let ready = match consumer.ready()? {
            Some(record) => Some(record),
            None => {
                if out.flush().is_err() {
                    console.complain("Unable to write to standard out, closing consumer.");
                    return Ok(());
                }
                let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
                match consumer.wait(until) {
                    Ok(Polled::Record(record)) => Some(*record),
                    Ok(Polled::Stopped) => return Ok(()),
                    Ok(Polled::Nothing) => None,
                    Err(error) => {
                        console.log_error("Error processing message, terminating consumer process: ", LOGGER, &error);
                        return Ok(());
                    }
                }
            }
        };
        let Some(record) = ready else {
            console.log("ERROR", "Error processing message, terminating consumer process: ", LOGGER);
            console.complain("org.apache.kafka.common.errors.TimeoutException");
            return Ok(());
        };
        *count += 1;
        progress.add(1, record.payload_len() + record.key_len());
        match show(&record, formatter, &mut out, console) {
            Err(error) if skip => {
                console.log_error("Error processing message, skipping this message: ", LOGGER, &error);
            }
            other => other?,
        }
        consumer.done(&record);
    }
    if out.flush().is_err() {
        console.complain("Unable to write to standard out, closing consumer.");
    }
    Ok(())
}

fn show(
    record: &BorrowedMessage<'_>,
    formatter: &Formatter,
    out: &mut dyn Write,
    console: &Console,
) -> Result<(), Exception> {
    let mut headers = Vec::new();
    if formatter.wants_headers()
        && let Some(all) = record.headers()
    {
        for i in 0..all.count() {
            // The crate panics on a name that is no UTF-8, which a broker does not refuse.
            let header = catch_unwind(AssertUnwindSafe(|| all.get(i)));
            let header = header.map_err(|_| {
                Exception::new(
                    "org.apache.kafka.common.errors.SerializationException",
                    format!("A header's name is no UTF-8 at offset {}", record.offset()),
                )
            })?;
            headers.push((header.key, header.value));
        }
    }
    let shown = Shown {
        topic: record.topic(),
        partition: record.partition(),
        offset: record.offset(),
        timestamp: record.timestamp(),
        headers: &headers,
        key: record.key(),
        value: record.payload(),
    };
    formatter.write(&shown, out, console)
}

//! `ottla producer-perf-test`, as `kafka-producer-perf-test.sh`: how fast records go to a topic, and how late each is acknowledged.
//!
//! The client has Java's defaults (batches of 16 KB, no linger, acks=all), so that the same flags measure the same. `stats` has counts
//! and lines. A latency runs from the hand-over to the client until the thread that hands out reports has seen the acknowledgement.

pub mod stats;

use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _};
use tokio::time::Instant;

use super::argparse::{Parser, Spec, Takes};
use super::console::Console;
use super::java::Exception;
use super::kafka_client::context::{Delivered, Reports, Voice};
use super::kafka_client::producer::Producer;
use super::kafka_client::stop::Stop;
use super::kafka_client::{Role, client_config, errors};
use super::options::Ended;
use crate::config::Properties;
use stats::{Stats, Throttle};

const HELP: &str = "\
usage: producer-performance [-h] --topic TOPIC --num-records NUM-RECORDS
                            [--payload-delimiter PAYLOAD-DELIMITER]
                            --throughput THROUGHPUT
                            [--producer-props PROP-NAME=PROP-VALUE [PROP-NAME=PROP-VALUE ...]]
                            [--producer.config CONFIG-FILE]
                            [--print-metrics]
                            [--transactional-id TRANSACTIONAL-ID]
                            [--transaction-duration-ms TRANSACTION-DURATION]
                            (--record-size RECORD-SIZE |
                            --payload-file PAYLOAD-FILE |
                            --payload-monotonic)

This tool is used to verify the producer performance.

optional arguments:
  -h, --help             show this help message and exit
  --topic TOPIC          produce messages to this topic
  --num-records NUM-RECORDS
                         number of messages to produce
  --payload-delimiter PAYLOAD-DELIMITER
                         provides delimiter to be  used when --payload-file
                         is provided. Defaults to new  line. Note that this
                         parameter will  be  ignored  if  --payload-file is
                         not provided. (default: \\n)
  --throughput THROUGHPUT
                         throttle    maximum    message    throughput    to
                         *approximately* THROUGHPUT messages/sec.  Set this
                         to -1 to disable throttling.
  --producer-props PROP-NAME=PROP-VALUE [PROP-NAME=PROP-VALUE ...]
                         kafka producer  related  configuration  properties
                         like   bootstrap.servers,client.id    etc.   These
                         configs take precedence over  those  passed via --
                         producer.config.
  --producer.config CONFIG-FILE
                         producer config properties file.
  --print-metrics        print  out  metrics  at  the   end  of  the  test.
                         (default: false)
  --transactional-id TRANSACTIONAL-ID
                         The  transactionalId   to   use   if  transaction-
                         duration-ms  is  >  0.  Useful  when  testing  the
                         performance of concurrent  transactions. (default:
                         performance-producer-default-transactional-id)
  --transaction-duration-ms TRANSACTION-DURATION
                         The   max   age    of    each   transaction.   The
                         commitTransaction will be  called  after this time
                         has elapsed.  Transactions  are  only  enabled  if
                         this value is positive. (default: 0)

  either --record-size or --payload-file must be specified but not both.

  --record-size RECORD-SIZE
                         message size in bytes. Note  that you must provide
                         exactly one of --record-size  or --payload-file or
                         --payload-monotonic.
  --payload-file PAYLOAD-FILE
                         file to  read  the  message  payloads  from.  This
                         works only for UTF-8  encoded text files. Payloads
                         will be read from this file  and a payload will be
                         randomly  selected  when  sending  messages.  Note
                         that you must  provide  exactly  one  of --record-
                         size or --payload-file or --payload-monotonic.
  --payload-monotonic    payload is monotonically  increasing integer. Note
                         that you must  provide  exactly  one  of --record-
                         size  or  --payload-file  or  --payload-monotonic.
                         (default: false)
";

const SPECS: &[Spec] = &[
    ("topic", None, Takes::One),
    ("num-records", None, Takes::One),
    ("payload-delimiter", None, Takes::One),
    ("throughput", None, Takes::One),
    ("producer-props", None, Takes::Many),
    ("producer.config", None, Takes::One),
    ("print-metrics", None, Takes::Nothing),
    ("transactional-id", None, Takes::One),
    ("transaction-duration-ms", None, Takes::One),
    ("record-size", None, Takes::One),
    ("payload-file", None, Takes::One),
    ("payload-monotonic", None, Takes::Nothing),
];
const PARSER: Parser = Parser { program: "producer-performance", help: HELP, specs: SPECS };

/// Id of the transactions when none is named.
const TRANSACTIONAL_ID: &str = "performance-producer-default-transactional-id";
/// Largest record that can be asked for: Kafka's are 32-bit lengths.
const MOST_RECORD_BYTES: usize = i32::MAX as usize;
/// Longest wait for a transaction's coordinator.
const TRANSACTION_WAIT: Duration = Duration::from_secs(60);

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    if args.is_empty() {
        console.print(HELP);
        return 0;
    }
    match plan(args, console) {
        Err(ended) => ended.0,
        Ok(plan) => match plan.and_then(|plan| test(&plan, console)) {
            Ok(code) => code,
            Err(error) => {
                console.complain(format_args!("Exception in thread \"main\" {}", error.stack()));
                1
            }
        },
    }
}

/// Everything the arguments say.
struct Plan {
    topic: String,
    records: u64,
    throughput: f64,
    payload: Payload,
    properties: Properties,
    transaction: Option<Duration>,
}

fn plan(args: &[String], console: &Console) -> Result<Result<Plan, Exception>, Ended> {
    let parsed = PARSER.parse(args, console)?;
    if let Some(word) = parsed.rest.first() {
        return Err(PARSER.error(console, &format!("unrecognized arguments: '{word}'")));
    }
    let records = PARSER.number::<i64>(&parsed, "num-records", "Long", console)?;
    let throughput = PARSER.number::<f64>(&parsed, "throughput", "Double", console)?;
    let size = PARSER.number::<i32>(&parsed, "record-size", "Integer", console)?;
    let duration = PARSER.number::<i64>(&parsed, "transaction-duration-ms", "Long", console)?.unwrap_or(0);
    PARSER.required(&parsed, &["topic", "num-records", "throughput"], console)?;
    PARSER.one_of(&parsed, &["record-size", "payload-file", "payload-monotonic"], console)?;
    let (words, file) = (parsed.values("producer-props"), parsed.value("producer.config"));
    if words.is_empty() && file.is_none() {
        return Err(PARSER.error(console, "Either --producer-props or --producer.config must be specified."));
    }
    if parsed.value("print-metrics").is_some() {
        console.complain("--print-metrics: this client's metrics are not Java's: none are printed");
    }
    let transaction = u64::try_from(duration).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
    let delimiter = parsed.value("payload-delimiter").unwrap_or("\\n");
    let id = transaction.map(|_| parsed.value("transactional-id").unwrap_or(TRANSACTIONAL_ID));
    let made = Payload::new(size, parsed.value("payload-file"), delimiter, console).and_then(|payload| {
        Ok(Plan {
            topic: parsed.value("topic").unwrap_or_default().to_owned(),
            records: u64::try_from(records.unwrap_or(0)).unwrap_or(0),
            throughput: throughput.unwrap_or(-1.0),
            payload,
            properties: properties(&words, file, id)?,
            transaction,
        })
    });
    Ok(made)
}

/// The producer's properties: words before the file, as everywhere.
fn properties(words: &[&str], file: Option<&str>, transactional_id: Option<&str>) -> Result<Properties, Exception> {
    for word in words {
        if word.split('=').count() != 2 || word.ends_with('=') {
            return Err(Exception::illegal(format!("Invalid property: {word}")));
        }
    }
    let mut properties = super::kafka_client::merged(file, words)?;
    if properties.get("client.id").is_none() {
        properties.insert("client.id", "perf-producer-client");
    }
    if let Some(id) = transactional_id {
        properties.insert("transactional.id", id);
    }
    Ok(properties)
}

/// What records hold.
enum Payload {
    /// Random capital letters.
    Random(Vec<u8>),
    /// One of these, chosen at random.
    Lines(Vec<Vec<u8>>),
    /// The record's number.
    Number(Vec<u8>),
}

impl Payload {
    fn new(size: Option<i32>, file: Option<&str>, delimiter: &str, console: &Console) -> Result<Self, Exception> {
        if let Some(path) = file {
            let shown = std::path::absolute(path).unwrap_or_else(|_| path.into());
            console.say(format_args!("Reading payloads from: {}", shown.display()));
            let text = std::fs::read(path).unwrap_or_default();
            if text.is_empty() {
                return Err(Exception::illegal("File does not exist or empty file provided."));
            }
            let delimiter = if delimiter == "\\n" { b"\n" } else { delimiter.as_bytes() };
            let mut lines = split(&text, delimiter);
            if lines.last().is_some_and(|line| line.is_empty()) {
                lines.pop();
            }
            console.say(format_args!("Number of messages read: {}", lines.len()));
            return Ok(Self::Lines(lines));
        }
        match size {
            None => Ok(Self::Number(Vec::new())),
            Some(size) => match usize::try_from(size) {
                Ok(size) if size <= MOST_RECORD_BYTES => Ok(Self::Random(vec![0; size])),
                _ => Err(Exception::new("java.lang.NegativeArraySizeException", size.to_string())),
            },
        }
    }

    /// The payload of record `number`.
    fn of(&mut self, number: u64, random: &mut fastrand::Rng) -> &[u8] {
        match self {
            Self::Random(bytes) => {
                // Ten letters of a 64-bit number: a call for each would be most of the work.
                for chunk in bytes.chunks_mut(10) {
                    let mut bits = random.u64(..);
                    for byte in chunk {
                        *byte = b'A' + (bits % 26) as u8;
                        bits /= 26;
                    }
                }
                bytes
            }
            Self::Lines(lines) => lines.get(random.usize(..lines.len().max(1))).map_or(&[], Vec::as_slice),
            Self::Number(text) => {
                *text = number.to_string().into_bytes();
                text
            }
        }
    }
}

fn split(text: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
    if delimiter.is_empty() {
        return vec![text.to_vec()];
    }
    let (mut lines, mut start, mut at) = (Vec::new(), 0, 0);
    while at + delimiter.len() <= text.len() {
        if text[at..].starts_with(delimiter) {
            lines.push(text[start..at].to_vec());
            at += delimiter.len();
            start = at;
        } else {
            at += 1;
        }
    }
    lines.push(text[start..].to_vec());
    lines
}

/// Counts acknowledgements.
struct Counting {
    console: Console,
    stats: Mutex<Stats>,
}

impl Delivered for Counting {
    /// When the record was handed over, and its size.
    type Tag = (Instant, usize);

    fn delivered(&self, result: &DeliveryResult<'_>, (since, bytes): Self::Tag) {
        match result {
            Ok(_) => {
                let now = Instant::now();
                let line = self.stats.lock().record(now.duration_since(since), bytes, now);
                if let Some(line) = line {
                    self.console.say(line);
                }
            }
            Err((error, _)) => self.console.complain(errors::exception(error).stack()),
        }
    }
}

fn test(plan: &Plan, console: &Console) -> Result<u8, Exception> {
    let config = client_config(Role::Producer, &plan.properties, console)?;
    let stop = Stop::on_signals()?;
    let voice = Voice::producer(console.clone(), plan.properties.get("client.id").unwrap_or_default());
    let counting = Counting { console: console.clone(), stats: Mutex::new(Stats::new(plan.records, Instant::now())) };
    let producer = Producer::new(&config, Reports::new(voice, counting))?;
    let failed = |error: rdkafka::error::KafkaError| errors::exception(&error);
    if plan.transaction.is_some() {
        producer.inner().init_transactions(TRANSACTION_WAIT).map_err(failed)?;
    }
    let began = Instant::now();
    *producer.reports().stats.lock() = Stats::new(plan.records, began);
    let mut throttle = Throttle::new(plan.throughput, began);
    let mut random = fastrand::Rng::with_seed(0);
    let mut payload = match &plan.payload {
        Payload::Random(bytes) => Payload::Random(bytes.clone()),
        Payload::Lines(lines) => Payload::Lines(lines.clone()),
        Payload::Number(_) => Payload::Number(Vec::new()),
    };
    let mut transaction: Option<Instant> = None;
    for number in 0..plan.records {
        if stop.asked() {
            break;
        }
        let bytes = payload.of(number, &mut random);
        if plan.transaction.is_some() && transaction.is_none() {
            producer.inner().begin_transaction().map_err(failed)?;
            transaction = Some(Instant::now());
        }
        let now = Instant::now();
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(&plan.topic, Box::new((now, bytes.len())));
        record.payload = Some(bytes);
        if let Err(error) = producer.send(record) {
            console.complain(error.stack());
        }
        if let (Some(longest), Some(since)) = (plan.transaction, transaction)
            && now.duration_since(since) >= longest
        {
            producer.inner().commit_transaction(TRANSACTION_WAIT).map_err(failed)?;
            transaction = None;
        }
        if let Some(wait) = throttle.after(number, now) {
            pause(wait, &producer, &stop);
        }
    }
    if transaction.is_some() {
        producer.inner().commit_transaction(TRANSACTION_WAIT).map_err(failed)?;
    }
    producer.drain(|| stop.asked());
    console.say(producer.reports().stats.lock().total(Instant::now()));
    Ok(stop.exit_code().unwrap_or(0))
}

/// Waits, in steps that a signal ends.
fn pause(wait: Duration, producer: &Producer<Counting>, stop: &Stop) {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || stop.asked() {
            return;
        }
        producer.inner().poll(left.min(super::kafka_client::stop::LOOK));
    }
}

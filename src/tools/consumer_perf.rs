//! `ottla consumer-perf-test`, as `kafka-consumer-perf-test.sh`: how fast a group's member reads a topic.
//!
//! One row at the end, or one an interval with `--show-detailed-stats`. Rebalance time is the time without partitions. A row of an
//! interval is written when a record after its end is read, as Kafka's.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::TopicPartitionList;
use tokio::time::Instant;

use super::admin_client::{block_on, config};
use super::console::Console;
use super::java::Exception;
use super::kafka_client::consumer::{Consumer, Polled};
use super::kafka_client::context::{Group, Rebalanced, Voice};
use super::kafka_client::stop::Stop;
use super::kafka_client::{Role, client_config, merged};
use super::options::{Arg, Ended, HELP, Kind, Options, Spec, Text, VERSION, flag, integer, long, text};
use super::producer_perf::stats::fixed;
use crate::base::Env;

/// All options.
pub const SPECS: &[Spec] = &[
    text(
        "broker-list",
        "broker-list",
        "DEPRECATED, use --bootstrap-server instead; ignored if --bootstrap-server is specified. The broker list string in the form \
         HOST1:PORT1,HOST2:PORT2.",
    ),
    text(
        "bootstrap-server",
        "server to connect to",
        "REQUIRED unless --broker-list(deprecated) is specified. The server(s) to connect to.",
    ),
    text("topic", "topic", "REQUIRED: The topic to consume from."),
    text("group", "gid", "The group id to consume on.").or("perf-consumer-NNNNN"),
    integer("fetch-size", "size", "The amount of data to fetch in a single request.").or("1048576"),
    flag(
        "from-latest",
        "If the consumer does not already have an established offset to consume from, start with the latest message present in the log \
         rather than the earliest message.",
    ),
    integer("socket-buffer-size", "size", "The size of the tcp RECV size.").or("2097152"),
    integer("threads", "count", "DEPRECATED AND IGNORED: Number of processing threads.").or("10"),
    integer("num-fetch-threads", "count", "DEPRECATED AND IGNORED: Number of fetcher threads.").or("1"),
    text("consumer.config", "config file", "Consumer config properties file."),
    flag("print-metrics", "Print out the metrics."),
    flag(
        "show-detailed-stats",
        "If set, stats are reported for each reporting interval as configured by reporting-interval",
    ),
    Spec {
        name: "timeout",
        arg: Arg::Optional { kind: Kind::Long, described: "milliseconds" },
        default: Some("10000"),
        text: Text::Plain("The maximum allowed time in milliseconds between returned records."),
    },
    long("messages", "count", "REQUIRED: The number of messages to send or consume"),
    long("reporting-interval", "interval_ms", "Interval in milliseconds at which to print progress info.").or("5000"),
    text(
        "date-format",
        "date format",
        "The date format to use for formatting the time field. See java.text.SimpleDateFormat for options.",
    )
    .or("yyyy-MM-dd HH:mm:ss:SSS"),
    flag("hide-header", "If set, skips printing the header for the stats"),
    HELP,
    VERSION,
];

const SENTENCE: &str = "This tool is used to verify the consumer performance.";
const CLIENT_ID: &str = "perf-consumer-client";
const COLUMNS: &str = "data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, \
                       fetch.nMsg.sec";

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    match block_on(async { measure(args, console, &Env::current()) }) {
        Ok(Ok(Ok(code))) => code,
        Ok(Err(ended)) => ended.0,
        Ok(Ok(Err(error))) | Err(error) => {
            error.print(console);
            1
        }
    }
}

fn measure(args: &[String], console: &Console, env: &Env) -> Result<Result<u8, Exception>, Ended> {
    let options = match Options::parse(SPECS, args) {
        Ok(options) => options,
        Err(error) => {
            if let Ok(empty) = Options::parse(SPECS, &[]) {
                empty.usage(console, &error.to_string())?;
            }
            return Err(Ended(1));
        }
    };
    if options.has(HELP.name) || options.has(VERSION.name) {
        options.help_or_version(console, SENTENCE)?;
    }
    if !options.has("bootstrap-server") && !options.has("broker-list") {
        options.usage(console, "Missing required option(s) [bootstrap-server]")?;
    }
    options.require(console, &["topic", "messages"])?;
    for old in ["threads", "num-fetch-threads"].into_iter().filter(|name| options.has(name)) {
        console.complain(format_args!("WARNING: option [{old}] is deprecated and has no effect"));
    }
    Ok(read(&options, console, env))
}

fn read(options: &Options, console: &Console, env: &Env) -> Result<u8, Exception> {
    let detailed = options.has("show-detailed-stats");
    if !options.has("hide-header") {
        let first = if detailed { "time, threadId" } else { "start.time, end.time" };
        console.say(format_args!("{first}, {COLUMNS}"));
    }
    let number = |name: &str| options.long(name).map(|n| n.unwrap_or_default());
    let (messages, timeout) = (number("messages")?, number("timeout")?);
    let interval = number("reporting-interval")?;
    if interval <= 0 {
        return Err(Exception::illegal("Reporting interval must be greater than 0."));
    }
    let format = options.value("date-format")?.unwrap_or_default();
    let format = date_format(format)?;
    let servers = if options.has("bootstrap-server") { "bootstrap-server" } else { "broker-list" };
    let servers = options.value(servers)?.unwrap_or_default();
    if let Some(bad) = servers.split(',').find(|url| config::target(url).is_none()) {
        return Err(Exception::new("org.apache.kafka.common.KafkaException", "Failed to construct kafka consumer")
            .because(super::kafka_client::config_error(format!("Invalid url in bootstrap.servers: {bad}"))));
    }
    let mut properties = merged(options.value("consumer.config")?, &[])?;
    properties.insert("bootstrap.servers", servers);
    let group = match options.has("group") {
        true => options.value("group")?.unwrap_or_default().to_owned(),
        false => format!("perf-consumer-{}", env.rng.below(100_000)),
    };
    properties.insert("group.id", group.clone());
    for (option, key) in [("socket-buffer-size", "receive.buffer.bytes"), ("fetch-size", "max.partition.fetch.bytes")] {
        options.integer(option)?;
        properties.insert(key, options.value(option)?.unwrap_or_default());
    }
    properties.insert("auto.offset.reset", if options.has("from-latest") { "latest" } else { "earliest" });
    properties.insert("check.crcs", "false");
    if properties.get("client.id").is_none() {
        properties.insert("client.id", CLIENT_ID);
    }
    if options.has("print-metrics") {
        console.complain("--print-metrics: this client's metrics are not Java's: none are printed");
    }
    let native = client_config(Role::Consumer, &properties, console)?;
    let stop = Stop::on_signals()?;
    let joins = Joins::default();
    let voice = Voice::consumer(console.clone(), properties.get("client.id").unwrap_or_default(), &group);
    let consumer = Consumer::new(&native, Group::new(voice, joins.clone()), stop.clone())?;
    let (began, began_wall) = (Instant::now(), env.clock.wall_ms());
    joins.0.lock().since = Some(began);
    consumer.subscribe(&[options.value("topic")?.unwrap_or_default()])?;
    let mut run =
        Run { env, console, format, detailed, joins, total: Sums::default(), reported: Sums::default(), last: began };
    let timeout = Duration::from_millis(u64::try_from(timeout).unwrap_or(0));
    let wanted = u64::try_from(messages).unwrap_or(0);
    run.consume(&consumer, wanted, timeout, Duration::from_millis(u64::try_from(interval).unwrap_or(1)))?;
    if run.total.records < wanted {
        console.say(format_args!(
            "WARNING: Exiting before consuming the expected number of messages: timeout ({} ms) exceeded. You can use the --timeout \
             option to increase the timeout.",
            timeout.as_millis()
        ));
    }
    let elapsed = began.elapsed();
    let ended_wall = env.clock.wall_ms();
    consumer.leave();
    if !detailed {
        let joined = run.joins.0.lock().total.as_millis() as i64;
        let row = row(run.total, run.total, elapsed.as_millis() as i64, joined);
        console.say(format_args!("{}, {}, {row}", run.time(began_wall), run.time(ended_wall)));
    }
    Ok(stop.exit_code().unwrap_or(0))
}

#[derive(Clone, Copy, Default)]
struct Sums {
    records: u64,
    bytes: u64,
}

struct Run<'a> {
    env: &'a Env,
    console: &'a Console,
    format: String,
    detailed: bool,
    joins: Joins,
    total: Sums,
    reported: Sums,
    last: Instant,
}

impl Run<'_> {
    fn consume(
        &mut self,
        consumer: &Consumer<Joins>,
        wanted: u64,
        timeout: Duration,
        interval: Duration,
    ) -> Result<(), Exception> {
        let mut now = Instant::now();
        while self.total.records < wanted {
            let record = match consumer.ready()? {
                Some(record) => record,
                None => match consumer.wait(Some(now + timeout))? {
                    Polled::Record(record) => *record,
                    Polled::Nothing | Polled::Stopped => return Ok(()),
                },
            };
            self.total.records += 1;
            self.total.bytes += (record.key_len() + record.payload_len()) as u64;
            consumer.done(&record);
            // A clock is read for every hundredth record; waits read it themselves.
            if !self.total.records.is_multiple_of(100) {
                continue;
            }
            now = Instant::now();
            let since = now.duration_since(self.last);
            if since < interval {
                continue;
            }
            let joined = std::mem::take(&mut self.joins.0.lock().round).as_millis() as i64;
            if self.detailed {
                let grown = Sums {
                    records: self.total.records - self.reported.records,
                    bytes: self.total.bytes - self.reported.bytes,
                };
                let row = row(self.total, grown, since.as_millis() as i64, joined);
                self.console.say(format_args!("{}, 0, {row}", self.time(self.env.clock.wall_ms())));
            }
            self.last = now;
            self.reported = self.total;
        }
        Ok(())
    }

    fn time(&self, wall_ms: i64) -> String {
        match chrono::DateTime::from_timestamp_millis(wall_ms) {
            Some(time) => time.with_timezone(&chrono::Local).format(&self.format).to_string(),
            None => wall_ms.to_string(),
        }
    }
}

/// The columns behind the times: what there is in all, and the rates of what came in so many milliseconds.
fn row(total: Sums, grown: Sums, elapsed_ms: i64, joined_ms: i64) -> String {
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    let fetch_ms = elapsed_ms - joined_ms;
    let rate = |amount: f64, ms: i64| if ms <= 0 { 0.0 } else { amount * 1000.0 / ms as f64 };
    let (bytes, records) = (mib(grown.bytes), grown.records as f64);
    format!(
        "{}, {}, {}, {}, {joined_ms}, {fetch_ms}, {}, {}",
        fixed(mib(total.bytes), 4),
        fixed(rate(bytes, elapsed_ms), 4),
        total.records,
        fixed(rate(records, elapsed_ms), 4),
        fixed(rate(bytes, fetch_ms), 4),
        fixed(rate(records, fetch_ms), 4)
    )
}

/// A pattern of Java's `SimpleDateFormat` as chrono's: the letters people use.
///
/// # Errors
/// `IllegalArgumentException` for a letter that is not known here.
fn date_format(java: &str) -> Result<String, Exception> {
    let mut out = String::new();
    let mut quoted = false;
    let mut rest = java.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\'' {
            quoted = !quoted;
            continue;
        }
        if quoted || !c.is_ascii_alphabetic() {
            out.push_str(if c == '%' { "%%" } else { "" });
            if c != '%' {
                out.push(c);
            }
            continue;
        }
        let mut count = 1;
        while rest.next_if_eq(&c).is_some() {
            count += 1;
        }
        out.push_str(match (c, count) {
            ('y', 2) => "%y",
            ('y', _) => "%Y",
            ('M', 1) => "%-m",
            ('M', 2) => "%m",
            ('M', 3) => "%b",
            ('M', _) => "%B",
            ('d', 1) => "%-d",
            ('d', _) => "%d",
            ('H', 1) => "%-H",
            ('H', _) => "%H",
            ('h', 1) => "%-I",
            ('h', _) => "%I",
            ('m', _) => "%M",
            ('s', _) => "%S",
            ('S', _) => "%3f",
            ('a', _) => "%p",
            ('E', 4..) => "%A",
            ('E', _) => "%a",
            ('z' | 'Z', _) => "%z",
            ('X', _) => "%:z",
            _ => return Err(Exception::illegal(format!("Illegal pattern character '{c}'"))),
        });
    }
    Ok(out)
}

/// How long the member was without partitions.
#[derive(Clone, Default)]
struct Joins(Arc<Mutex<Joining>>);

#[derive(Default)]
struct Joining {
    since: Option<Instant>,
    total: Duration,
    round: Duration,
}

impl Rebalanced for Joins {
    fn assigned(&self, _: &TopicPartitionList) {
        let mut joining = self.0.lock();
        if let Some(since) = joining.since.take() {
            joining.total += since.elapsed();
            joining.round += since.elapsed();
        }
    }

    fn revoked(&self, _: &TopicPartitionList) {
        self.0.lock().since.get_or_insert_with(Instant::now);
    }
}

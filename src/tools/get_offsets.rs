//! `ottla get-offsets`, as `kafka-get-offsets.sh`: `topic:partition:offset` for the partitions that patterns choose.
//!
//! Lines are sorted by the text `topic-partition`. A partition without an offset for the time has no line; one with an error is skipped
//! with a line on standard error.

use std::collections::BTreeSet;
use std::ops::Range;

use super::admin_client::{AdminClient, AdminConfig, block_on, config, load_properties};
use super::console::Console;
use super::java::Exception;
use super::options::{Ended, HELP, Options, Spec, VERSION, flag, text};
use super::topic_filter::TopicFilter;
use crate::base::timestamp;

/// All options.
pub const SPECS: &[Spec] = &[
    text(
        "broker-list",
        "HOST1:PORT1,...,HOST3:PORT3",
        "DEPRECATED, use --bootstrap-server instead; ignored if --bootstrap-server is specified. The server(s) to connect to in the form \
         HOST1:PORT1,HOST2:PORT2.",
    ),
    text(
        "bootstrap-server",
        "HOST1:PORT1,...,HOST3:PORT3",
        "REQUIRED. The server(s) to connect to in the form HOST1:PORT1,HOST2:PORT2.",
    ),
    text(
        "topic-partitions",
        "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
        "Comma separated list of topic-partition patterns to get the offsets for, with the format of \
         '([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?'. The first group is an optional regex for the topic name, if omitted, it \
         matches any topic name. The section after ':' describes a 'partition' pattern, which can be: a number, a range in the format \
         of 'NUMBER-NUMBER' (lower inclusive, upper exclusive), an inclusive lower bound in the format of 'NUMBER-', an exclusive upper \
         bound in the format of '-NUMBER' or may be omitted to accept all partitions.",
    ),
    text(
        "topic",
        "topic",
        "The topic to get the offsets for. It also accepts a regular expression. If not present, all authorized topics are queried. \
         Cannot be used if --topic-partitions is present.",
    ),
    text(
        "partitions",
        "partition ids",
        "Comma separated list of partition ids to get the offsets for. If not present, all partitions of the authorized topics are \
         queried. Cannot be used if --topic-partitions is present.",
    ),
    text(
        "time",
        "<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered",
        "timestamp of the offsets before that. [Note: No offset is returned, if the timestamp greater than recently committed record \
         timestamp is given.]",
    )
    .or("latest"),
    text("command-config", "config file", "Property file containing configs to be passed to Admin Client."),
    flag("exclude-internal-topics", "By default, internal topics are included. If specified, internal topics are excluded."),
    HELP,
    VERSION,
];

const USAGE: &str = "An interactive shell for getting topic-partition offsets.";

/// An error: whether a stack follows it.
enum Failure {
    Terse(String),
    Error(Exception),
    Ended(Ended),
}

impl From<Exception> for Failure {
    fn from(error: Exception) -> Self {
        Self::Error(error)
    }
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    match try_run(args, console) {
        Ok(()) => 0,
        Err(Failure::Ended(ended)) => ended.0,
        Err(Failure::Terse(message)) => {
            console.complain(format_args!("Error occurred: {message}"));
            1
        }
        Err(Failure::Error(error)) => {
            console.complain(format_args!("Error occurred: {error}\n{}\n", error.stack()));
            1
        }
    }
}

fn try_run(args: &[String], console: &Console) -> Result<(), Failure> {
    let options = Options::parse(SPECS, args).map_err(|e| Failure::Terse(e.to_string()))?;
    if !options.no_arguments()
        && !["help", "version", "bootstrap-server", "broker-list"].iter().any(|name| options.has(name))
    {
        return Err(Failure::Terse("Missing required option(s) [bootstrap-server]".into()));
    }
    options.help_or_version(console, USAGE)?;
    let brokers = if options.has("bootstrap-server") { "bootstrap-server" } else { "broker-list" };
    options.require(console, &[brokers])?;
    let brokers = options.value(brokers)?.unwrap_or_default();
    if let Err(why) = config::check_bootstrap(brokers) {
        options.usage(console, why)?;
    }
    if options.has("topic-partitions") && (options.has("topic") || options.has("partitions")) {
        return Err(Failure::Terse("--topic-partitions cannot be used with --topic or --partitions".into()));
    }
    let time = parse_time(options.value("time")?.unwrap_or("latest")).map_err(Failure::Terse)?;
    let rules = match options.value("topic-partitions")? {
        Some(list) => list.split(',').map(parse_rule).collect::<Result<_, _>>()?,
        None => {
            let partitions =
                parse_partitions(options.value("partitions")?.unwrap_or_default()).map_err(Failure::Terse)?;
            vec![Rule { topics: TopicFilter::new(options.value("topic")?.unwrap_or(".*"))?, partitions }]
        }
    };
    let mut properties = load_properties(options.value("command-config")?)?;
    properties.insert("client.id", "GetOffsetShell");
    let config = AdminConfig::new(brokers, &properties, console)?;
    let internal = !options.has("exclude-internal-topics");
    block_on(print_offsets(config, internal, &rules, time, console))?
}

async fn print_offsets(
    config: AdminConfig,
    internal: bool,
    rules: &[Rule],
    time: i64,
    console: &Console,
) -> Result<(), Failure> {
    let mut admin = AdminClient::new(config, console.clone());
    let names = admin.list_topics(internal).await?.into_iter().map(|(name, _)| name);
    let names: Vec<String> = names.filter(|name| rules.iter().any(|rule| rule.topics.allows(name))).collect();
    let mut partitions = BTreeSet::new();
    for topic in admin.describe_topics(&names).await? {
        for p in &topic.partitions {
            if rules.iter().any(|rule| rule.topics.allows(&topic.name) && rule.partitions.allows(p.partition)) {
                partitions.insert((topic.name.clone(), p.partition));
            }
        }
    }
    if partitions.is_empty() {
        return Err(Failure::Terse("Could not match any topic-partitions with the specified filters".into()));
    }
    let mut found: Vec<_> = admin.list_offsets(&partitions, time).await.into_iter().collect();
    found.sort_by_cached_key(|((topic, partition), _)| format!("{topic}-{partition}"));
    for ((topic, partition), result) in &found {
        if let Err(error) = result {
            let error = error.clone().in_future();
            console.complain(format_args!(
                "Skip getting offsets for topic-partition {topic}-{partition} due to error: {error}"
            ));
        }
    }
    for ((topic, partition), result) in found {
        if let Ok(offset) = result
            && offset >= 0
        {
            console.say(format_args!("{topic}:{partition}:{offset}"));
        }
    }
    Ok(())
}

/// Which partitions of which topics.
struct Rule {
    topics: TopicFilter,
    partitions: Partitions,
}

enum Partitions {
    /// Any, when empty.
    Among(BTreeSet<i32>),
    Within(Range<i32>),
}

impl Partitions {
    fn allows(&self, partition: i32) -> bool {
        match self {
            Self::Among(all) => all.is_empty() || all.contains(&partition),
            Self::Within(range) => range.contains(&partition),
        }
    }
}

fn parse_partitions(list: &str) -> Result<Partitions, String> {
    let numbers = list.split(',').filter(|_| !list.is_empty()).map(str::parse).collect::<Result<_, _>>();
    numbers.map(Partitions::Among).map_err(|_| {
        format!("--partitions expects a comma separated list of numeric partition ids, but received: {list}")
    })
}

/// `topic`, `topic:1`, `topic:0-3`, `topic:5-`, `topic:-3`, `:2`.
fn parse_rule(text: &str) -> Result<Rule, Exception> {
    let invalid = || {
        let cause =
            Exception::new("org.apache.kafka.tools.TerseException", format!("Invalid rule specification: {text}"));
        Exception::new("java.lang.RuntimeException", cause.line()).because(cause)
    };
    let (topic, partitions) = match text.split_once(':') {
        Some((topic, partitions)) => (topic, partitions),
        None => (text, ""),
    };
    let number = |digits: &str, default: i32| match digits {
        "" => Ok(default),
        _ if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| Exception::number_format(digits)),
        _ => Err(invalid()),
    };
    let partitions = match partitions.split_once('-') {
        Some((from, to)) => Partitions::Within(number(from, 0)?..number(to, i32::MAX)?),
        None if partitions.is_empty() => Partitions::Among(BTreeSet::new()),
        None => Partitions::Among(BTreeSet::from([number(partitions, 0)?])),
    };
    Ok(Rule { topics: TopicFilter::new(if topic.is_empty() { ".*" } else { topic })?, partitions })
}

fn parse_time(text: &str) -> Result<i64, String> {
    Ok(match text {
        "latest" => timestamp::LATEST,
        "earliest" => timestamp::EARLIEST,
        "max-timestamp" => timestamp::MAX,
        "earliest-local" => timestamp::EARLIEST_LOCAL,
        "latest-tiered" => timestamp::LATEST_TIERED,
        _ => text.parse().map_err(|_| {
            format!(
                "Malformed time argument {text}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / \
                 -5 or latest-tiered, or a specified long format timestamp"
            )
        })?,
    })
}

//! `ottla leader-election`, as `kafka-leader-election.sh`: elects preferred or unclean leaders of one partition, of those that a JSON file
//! names, or of all.
//!
//! `{"partitions":[{"topic":"foo","partition":1}]}`. Partitions that can't be elected have a line each, and the exit code is 1.

use std::collections::BTreeSet;

use serde_json::Value;

use super::admin_client::{AdminClient, AdminConfig, Elections, block_on, load_properties};
use super::console::Console;
use super::java::{DEFAULT_CAPACITY, Exception, hash_order_by, partition_hash};
use super::json;
use super::options::{Arg, HELP, Kind, Options, Spec, Text, VERSION, flag, integer, text};
use crate::base::ErrorCode;

/// All options.
pub const SPECS: &[Spec] = &[
    text(
        "bootstrap-server",
        "host:port",
        "A hostname and port for the broker to connect to, in the form host:port. Multiple comma separated URLs can be given. REQUIRED.",
    ),
    text("admin.config", "config file", "Configuration properties files to pass to the admin client"),
    text(
        "path-to-json-file",
        "Path to JSON file",
        "The JSON file with the list  of partition for which leader elections should be performed. This is an example format. \n\
         {\"partitions\":\n\t[{\"topic\": \"foo\", \"partition\": 1},\n\t {\"topic\": \"foobar\", \"partition\": 2}]\n}\n\
         Not allowed if --all-topic-partitions or --topic flags are specified.",
    ),
    text(
        "topic",
        "topic name",
        "Name of topic for which to perform an election. Not allowed if --path-to-json-file or --all-topic-partitions is specified.",
    ),
    integer(
        "partition",
        "partition id",
        "Partition id for which to perform an election. REQUIRED if --topic is specified.",
    ),
    flag(
        "all-topic-partitions",
        "Perform election on all of the eligible topic partitions based on the type of election (see the --election-type flag). \
         Not allowed if --topic or --path-to-json-file is specified.",
    ),
    Spec {
        name: "election-type",
        arg: Arg::Required { kind: Kind::ElectionType, described: "election type" },
        default: None,
        text: Text::Plain(
            "Type of election to attempt. Possible values are \"preferred\" for preferred leader election or \"unclean\" for unclean \
             leader election. If preferred election is selection, the election is only performed if the current leader is not the \
             preferred leader for the topic partition. If unclean election is selected, the election is only performed if there are no \
             leader for the topic partition. REQUIRED.",
        ),
    },
    HELP,
    VERSION,
];

const USAGE: &str = "This tool attempts to elect a new leader for a set of topic partitions. The type of elections supported are \
                     preferred replicas and unclean replicas.";

/// The three ways to say which partitions.
const SCOPES: [&str; 3] = ["topic", "all-topic-partitions", "path-to-json-file"];

/// What one call may take, in milliseconds, unless `--admin.config` says otherwise; a request of it half as long.
const TIMEOUT_MS: u32 = 30_000;

/// A partition, by topic and index.
pub type Partition = (String, i32);

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    let done = Options::parse(SPECS, args).and_then(|options| match options.help_or_version(console, USAGE) {
        Ok(()) => elect(&options, console).map(|()| 0),
        Err(ended) => Ok(ended.0),
    });
    done.unwrap_or_else(|error| {
        error.print(console);
        1
    })
}

fn elect(options: &Options, console: &Console) -> Result<(), Exception> {
    validate(options)?;
    let kind = options.value("election-type")?.unwrap_or_default();
    let unclean = match kind {
        _ if kind.eq_ignore_ascii_case("preferred") => false,
        _ if kind.eq_ignore_ascii_case("unclean") => true,
        other => return Err(no_such_type(other)),
    };
    let partitions = match options.value("path-to-json-file")? {
        Some(file) => Some(parse_partitions(&read(file)?)?),
        None => match (options.value("topic")?, options.integer("partition")?) {
            (Some(topic), Some(partition)) => Some(BTreeSet::from([(topic.to_owned(), partition)])),
            _ => None,
        },
    };
    let mut properties = load_properties(options.value("admin.config")?)?;
    for (key, default) in [("default.api.timeout.ms", TIMEOUT_MS), ("request.timeout.ms", TIMEOUT_MS / 2)] {
        if properties.get(key).is_none() {
            properties.insert(key, default.to_string());
        }
    }
    let config = AdminConfig::new(options.value("bootstrap-server")?.unwrap_or_default(), &properties, console)?;
    let elections = block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        admin.elect_leaders(unclean, partitions.as_ref()).await
    })?;
    let elections = elections.map_err(|error| {
        let failed = |message: &str| {
            console.say(message);
            command_failed(message).because(error.clone())
        };
        match error.code {
            Some(ErrorCode::RequestTimedOut) => failed("Timeout waiting for election results"),
            Some(ErrorCode::ClusterAuthorizationFailed) => failed("Not authorized to perform leader election"),
            _ => Exception::new("java.lang.RuntimeException", error.clone().in_future().line()).because(error),
        }
    })?;
    report(if unclean { "UNCLEAN" } else { "PREFERRED" }, elections, console)
}

fn validate(options: &Options) -> Result<(), Exception> {
    let missing: Vec<&str> =
        ["bootstrap-server", "election-type"].into_iter().filter(|name| !options.has(name)).collect();
    if !missing.is_empty() {
        return Err(command_failed(&format!("Missing required option(s): {}", missing.join(", "))));
    }
    if SCOPES.iter().filter(|name| options.has(name)).count() != 1 {
        let why = format!("One and only one of the following options is required: {}", SCOPES.join(", "));
        return Err(command_failed(&why));
    }
    match (options.has("topic"), options.has("partition")) {
        (true, false) => Err(command_failed("Missing required option(s): partition")),
        (false, true) => Err(command_failed("Option partition is only allowed if topic is used")),
        _ => Ok(()),
    }
}

/// Says what became of the elections.
///
/// # Errors
/// When not all could be held.
pub fn report(kind: &str, elections: Elections, console: &Console) -> Result<(), Exception> {
    let (mut succeeded, mut needless, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (partition, result) in elections {
        match result {
            Ok(()) => succeeded.push(partition),
            Err(error) if error.code == Some(ErrorCode::ElectionNotNeeded) => needless.push(partition),
            Err(error) => failed.push((partition, error)),
        }
    }
    let names = |partitions: Vec<Partition>| {
        let named =
            hash_order(partitions, |partition| partition).into_iter().map(|(topic, index)| format!("{topic}-{index}"));
        named.collect::<Vec<_>>().join(", ")
    };
    if !succeeded.is_empty() {
        let names = names(succeeded);
        console.say(format_args!("Successfully completed leader election ({kind}) for partitions {names}"));
    }
    if !needless.is_empty() {
        console.say(format_args!("Valid replica already elected for partitions {}", names(needless)));
    }
    if failed.is_empty() {
        return Ok(());
    }
    let count = failed.len();
    for ((topic, index), error) in hash_order(failed, |(partition, _)| partition) {
        let why = error.line();
        console.say(format_args!("Error completing leader election ({kind}) for partition: {topic}-{index}: {why}"));
    }
    Err(command_failed(&format!("{count} replica(s) could not be elected")))
}

/// The order in which Java's hash tables give partitions back: what users see.
fn hash_order<T>(entries: Vec<T>, partition: impl Fn(&T) -> &Partition) -> Vec<T> {
    hash_order_by(entries, DEFAULT_CAPACITY, |entry| {
        let (topic, index) = partition(entry);
        partition_hash(topic, *index)
    })
}

fn read(file: &str) -> Result<String, Exception> {
    std::fs::read_to_string(file).map_err(|_| {
        let missing = Exception::new("java.nio.file.NoSuchFileException", file);
        Exception::new("java.lang.RuntimeException", missing.line()).because(missing)
    })
}

/// The partitions that a file names.
///
/// # Errors
/// Kafka's, for what is no such file or names a partition twice.
pub fn parse_partitions(json: &str) -> Result<BTreeSet<Partition>, Exception> {
    let operation = |why: &str| Exception::new("org.apache.kafka.server.common.AdminOperationException", why);
    let mapping = |error: Exception| Exception::new("java.lang.RuntimeException", error.line()).because(error);
    let json: Value = serde_json::from_str(json).map_err(|_| operation("Replica election data is empty"))?;
    let object = json::object(&json).map_err(mapping)?;
    let partitions =
        object.get("partitions").ok_or_else(|| operation("Replica election data is missing \"partitions\" field"))?;
    let (mut found, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for item in json::array(partitions).map_err(mapping)? {
        let (topic, index) = json::partition(item).map_err(mapping)?;
        if !found.insert((topic.to_owned(), index)) {
            twice.insert(format!("{topic}-{index}"));
        }
    }
    if twice.is_empty() {
        return Ok(found);
    }
    let twice = twice.into_iter().collect::<Vec<_>>().join(", ");
    Err(operation(&format!("Replica election data contains duplicate partitions: [{twice}]")))
}

fn no_such_type(given: &str) -> Exception {
    let conversion = Exception::new(
        "joptsimple.ValueConversionException",
        format!("Value [{given}] is not one of [{}]", Kind::ElectionType.java()),
    );
    let why = format!("Cannot parse argument '{given}' of option election-type");
    Exception::new("joptsimple.OptionArgumentConversionException", why).because(conversion)
}

fn command_failed(message: &str) -> Exception {
    Exception::new("org.apache.kafka.server.common.AdminCommandFailedException", message)
}

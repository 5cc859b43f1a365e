//! The options of `topics`, and which of them go together.

use crate::config::topic;
use crate::tools::console::Console;
use crate::tools::java::Exception;
use crate::tools::options::{Ended, HELP, Options, Spec, VERSION, flag, integer, text};

/// Ways on for those who used to alter configs here.
const USE_CONFIGS: &str = " (the kafka-configs CLI supports altering topic configs with a --bootstrap-server option)";

/// All options.
pub const SPECS: &[Spec] = &[
    text("bootstrap-server", "server to connect to", "REQUIRED: The Kafka server to connect to."),
    text(
        "command-config",
        "command config property file",
        "Property file containing configs to be passed to Admin Client. This is used only with --bootstrap-server option for describing \
         and altering broker configs.",
    ),
    flag("list", "List all available topics."),
    flag("create", "Create a new topic."),
    flag("delete", "Delete a topic"),
    flag("alter", "").described_by(alter_text),
    flag("describe", "List details for the given topics."),
    text(
        "topic",
        "topic",
        "The topic to create, alter, describe or delete. It also accepts a regular expression, except for --create option. Put topic \
         name in double quotes and use the '\\' prefix to escape regular expression symbols; e.g. \"test\\.topic\".",
    ),
    text(
        "topic-id",
        "topic-id",
        "The topic-id to describe.This is used only with --bootstrap-server option for describing topics.",
    ),
    text("config", "name=value", "").described_by(config_text),
    text(
        "delete-config",
        "name",
        "A topic configuration override to be removed for an existing topic (see the list of configurations under the --config option). \
         Not supported with the --bootstrap-server option.",
    ),
    integer(
        "partitions",
        "# of partitions",
        "The number of partitions for the topic being created or altered (WARNING: If partitions are increased for a topic that has a \
         key, the partition logic or ordering of the messages will be affected). If not supplied for create, defaults to the cluster \
         default.",
    ),
    integer(
        "replication-factor",
        "replication factor",
        "The replication factor for each partition in the topic being created. If not supplied, defaults to the cluster default.",
    ),
    text(
        "replica-assignment",
        "broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , broker_id_for_part2_replica1 : broker_id_for_part2_replica2 , ...",
        "A list of manual partition-to-broker assignments for the topic being created or altered.",
    ),
    flag("under-replicated-partitions", "if set when describing topics, only show under replicated partitions"),
    flag("unavailable-partitions", "if set when describing topics, only show partitions whose leader is not available"),
    flag(
        "under-min-isr-partitions",
        "if set when describing topics, only show partitions whose isr count is less than the configured minimum.",
    ),
    flag(
        "at-min-isr-partitions",
        "if set when describing topics, only show partitions whose isr count is equal to the configured minimum.",
    ),
    flag("topics-with-overrides", "if set when describing topics, only show topics that have overridden configs"),
    flag(
        "if-exists",
        "if set when altering or deleting or describing topics, the action will only execute if the topic exists.",
    ),
    flag(
        "if-not-exists",
        "if set when creating topics, the action will only execute if the topic does not already exist.",
    ),
    flag(
        "exclude-internal",
        "exclude internal topics when running list or describe command. The internal topics will be listed by default",
    ),
    integer(
        "partition-size-limit-per-response",
        "maximum number of partitions in one response.",
        "the maximum partition size to be included in one DescribeTopicPartitions response.",
    ),
    HELP,
    VERSION,
];

fn alter_text() -> String {
    format!(
        "Alter the number of partitions and replica assignment. Update the configuration of an existing topic via --alter is no longer \
         supported here{USE_CONFIGS}."
    )
}

fn config_text() -> String {
    let mut names: Vec<_> = topic::KEYS.iter().map(|key| format!("\t{}\n", key.name)).collect();
    names.sort();
    format!(
        "A topic configuration override for the topic being created. The following is a list of valid configurations: \n{}See the Kafka \
         documentation for full details on the topic configs. It is supported only in combination with --create if --bootstrap-server \
         option is used{USE_CONFIGS}.",
        names.concat()
    )
}

const ACTIONS: [&str; 5] = ["create", "list", "alter", "describe", "delete"];
/// The order in which Kafka looks for what an option can't be used with.
const CLASHES: [&str; 5] = ["alter", "create", "describe", "list", "delete"];

/// Checks what was given. The outer error is told as Java's `main` does; the inner one has been told.
pub(super) fn check(options: &Options, console: &Console) -> Result<Result<(), Ended>, Exception> {
    if !options.has("help")
        && !options.has("version")
        && options.order().next().is_some()
        && ACTIONS.iter().filter(|action| options.has(action)).count() == 1
        && !options.has("bootstrap-server")
    {
        return Err(Exception::illegal("--bootstrap-server must be specified"));
    }
    Ok(check_usage(options, console))
}

fn check_usage(options: &Options, console: &Console) -> Result<(), Ended> {
    if options.no_arguments() {
        options.usage(console, "Create, delete, describe, or change a topic.")?;
    }
    options.help_or_version(console, "This tool helps to create, delete, describe, or change a topic.")?;
    if ACTIONS.iter().filter(|action| options.has(action)).count() != 1 {
        let message = "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
        options.usage(console, message)?;
    }
    if options.has("describe") && options.has("if-exists") {
        if !options.has("topic") && !options.has("topic-id") {
            options.usage(console, "--topic or --topic-id is required to describe a topic")?;
        }
        if options.has("topic") && options.has("topic-id") {
            console.say("Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID");
        }
    }
    if !options.has("list") && !options.has("describe") {
        options.require(console, &["topic"])?;
    }
    if options.has("alter") {
        if options.has("config") {
            let message = format!(
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\"{USE_CONFIGS}"
            );
            options.usage(console, &message)?;
        }
        options.require(console, &["partitions"])?;
    }
    let only_with = |option: &str, actions: &[&str]| {
        let others: Vec<&str> = CLASHES.into_iter().filter(|action| !actions.contains(action)).collect();
        options.exclude(console, option, &others)
    };
    only_with("config", &["alter", "create"])?;
    only_with("delete-config", &["alter"])?;
    // There is no cluster that this could still be asked of.
    options.exclude(console, "delete-config", &["bootstrap-server"])?;
    only_with("partitions", &["alter", "create"])?;
    only_with("replication-factor", &["create"])?;
    only_with("replica-assignment", &["alter", "create"])?;
    if options.has("create") {
        options.exclude(console, "replica-assignment", &["partitions", "replication-factor"])?;
    }
    let reports =
        ["under-replicated-partitions", "under-min-isr-partitions", "at-min-isr-partitions", "unavailable-partitions"];
    for report in reports {
        only_with(report, &["describe"])?;
        options.exclude(console, report, &["topics-with-overrides"])?;
    }
    only_with("topics-with-overrides", &["describe"])?;
    only_with("if-exists", &["alter", "delete", "describe"])?;
    only_with("if-not-exists", &["create"])?;
    only_with("exclude-internal", &["list", "describe"])
}

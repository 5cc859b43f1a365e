//! The options of `kafka-consumer-groups.sh`, and what of them goes together (`ConsumerGroupCommandOptions`).

use crate::tools::console::Console;
use crate::tools::java::Exception;
use crate::tools::options::{Arg, Ended, HELP, Kind, Options, Spec, Text, VERSION, flag, long, text};

/// All options.
pub const SPECS: &[Spec] = &[
    text("bootstrap-server", "server to connect to", "REQUIRED: The server(s) to connect to."),
    text("group", "consumer group", "The consumer group we wish to act on."),
    text(
        "topic",
        "topic",
        "The topic whose consumer group information should be deleted or topic whose should be included in the reset offset process. In \
         `reset-offsets` case, partitions can be specified using this format: `topic1:0,1,2`, where 0,1,2 are the partition to be \
         included in the process. Reset-offsets also supports multiple topic inputs.",
    ),
    flag("all-topics", "Consider all topics assigned to a group in the `reset-offsets` process."),
    flag("list", "List all consumer groups."),
    flag(
        "describe",
        "Describe consumer group and list offset lag (number of messages not yet processed) related to given group.",
    ),
    flag("all-groups", "Apply to all consumer groups."),
    flag(
        "delete",
        "Pass in groups to delete topic partition offsets and ownership information over the entire consumer group. For instance --group \
         g1 --group g2",
    ),
    long(
        "timeout",
        "timeout (ms)",
        "The timeout that can be set for some use cases. For example, it can be used when describing the group to specify the maximum \
         amount of time in milliseconds to wait before the group stabilizes (when the group is just created, or is going through some \
         changes).",
    )
    .or("5000"),
    text(
        "command-config",
        "command config property file",
        "Property file containing configs to be passed to Admin Client and Consumer.",
    ),
    flag(
        "reset-offsets",
        "Reset offsets of consumer group. Supports one consumer group at the time, and instances should be inactive\nHas 2 execution \
         options: --dry-run (the default) to plan which offsets to reset, and --execute to update the offsets. Additionally, the \
         --export option is used to export the results to a CSV format.\nYou must choose one of the following reset specifications: \
         --to-datetime, --by-duration, --to-earliest, --to-latest, --shift-by, --from-file, --to-current, --to-offset.\nTo define the \
         scope use --all-topics or --topic. One scope must be specified unless you use '--from-file'.",
    ),
    flag("delete-offsets", "Delete offsets of consumer group. Supports one consumer group at the time, and multiple topics."),
    flag(
        "dry-run",
        "Only show results without executing changes on Consumer Groups. Supported operations: reset-offsets.",
    ),
    flag("execute", "Execute operation. Supported operations: reset-offsets."),
    flag("export", "Export operation execution to a CSV file. Supported operations: reset-offsets."),
    long("to-offset", "offset", "Reset offsets to a specific offset."),
    text("from-file", "path to CSV file", "Reset offsets to values defined in CSV file."),
    text("to-datetime", "datetime", "Reset offsets to offset from datetime. Format: 'YYYY-MM-DDTHH:mm:SS.sss'"),
    text(
        "by-duration",
        "duration",
        "Reset offsets to offset by duration from current timestamp. Format: 'PnDTnHnMnS'",
    ),
    flag("to-earliest", "Reset offsets to earliest offset."),
    flag("to-latest", "Reset offsets to latest offset."),
    flag("to-current", "Reset offsets to current offset."),
    long(
        "shift-by",
        "number-of-offsets",
        "Reset offsets shifting current offset by 'n', where 'n' can be positive or negative.",
    ),
    flag(
        "members",
        "Describe members of the group. This option may be used with '--describe' and '--bootstrap-server' options only.\nExample: \
         --bootstrap-server localhost:9092 --describe --group group1 --members",
    ),
    flag(
        "verbose",
        "Provide additional information, if any, when describing the group. This option may be used with \
         '--offsets'/'--members'/'--state' and '--bootstrap-server' options only.\nExample: --bootstrap-server localhost:9092 \
         --describe --group group1 --members --verbose",
    ),
    flag(
        "offsets",
        "Describe the group and list all topic partitions in the group along with their offset lag. This is the default sub-action of \
         and may be used with '--describe' and '--bootstrap-server' options only.\nExample: --bootstrap-server localhost:9092 \
         --describe --group group1 --offsets",
    ),
    optional(
        "state",
        "When specified with '--describe', includes the state of the group.\nExample: --bootstrap-server localhost:9092 --describe \
         --group group1 --state\nWhen specified with '--list', it displays the state of all groups. It can also be used to list groups \
         with specific states.\nExample: --bootstrap-server localhost:9092 --list --state stable,empty\nThis option may be used with \
         '--describe', '--list' and '--bootstrap-server' options only.",
    ),
    optional(
        "type",
        "When specified with '--list', it displays the types of all the groups. It can also be used to list groups with specific \
         types.\nExample: --bootstrap-server localhost:9092 --list --type classic,consumer\nThis option may be used with the '--list' \
         option only.",
    ),
    HELP,
    VERSION,
];

const fn optional(name: &'static str, text: &'static str) -> Spec {
    Spec { name, arg: Arg::Optional { kind: Kind::Text, described: "" }, default: None, text: Text::Plain(text) }
}

const SENTENCE: &str = "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset \
                        consumer group offsets.";
const ACTIONS: [&str; 5] = ["list", "describe", "delete", "reset-offsets", "delete-offsets"];
/// The ways to choose new offsets.
pub const SCENARIOS: [&str; 8] =
    ["to-offset", "to-datetime", "by-duration", "to-earliest", "to-latest", "to-current", "shift-by", "from-file"];
const NOT_EXECUTED: &str = "WARN: No action will be performed as the --execute option is missing.In a future major release, the default \
                            behavior of this command will be to prompt the user before executing the reset rather than doing a dry \
                            run. You should add the --dry-run option explicitly if you are scripting this command and want to keep \
                            the current default behavior without prompting.";

/// Parses and checks.
///
/// # Errors
/// [`Ended`], with what is wrong said.
pub fn parse(args: &[String], console: &Console) -> Result<Options, Ended> {
    // Kafka's tool has no words of its own for these.
    let uncaught = |error: Exception| {
        console.complain(format_args!("Exception in thread \"main\" {}", error.stack()));
        Ended(1)
    };
    let options = Options::parse(SPECS, args).map_err(uncaught)?;
    for (name, with) in [
        ("members", &["describe"][..]),
        ("verbose", &["describe"]),
        ("offsets", &["describe"]),
        ("state", &["describe", "list"]),
        ("type", &["list"]),
    ] {
        if options.has(name) && !with.iter().any(|with| options.has(with)) {
            let why = format!("Option(s) [{name}] are unavailable given other options on the command line");
            return Err(uncaught(Exception::new("joptsimple.UnavailableOptionException", why)));
        }
    }
    options.help_or_version(console, SENTENCE)?;
    options.require(console, &["bootstrap-server"])?;
    let scoped = options.has("group") || options.has("all-groups");
    if options.has("describe") {
        if !scoped {
            options.usage(console, "Option [describe] takes one of these options: [group], [all-groups]")?;
        }
        if ["members", "offsets", "state"].iter().filter(|name| options.has(name)).count() > 1 {
            let why = "Option [describe] takes at most one of these options: [members], [offsets], [state]";
            options.usage(console, why)?;
        }
        if !options.values("state").is_empty() {
            options.usage(console, "Option [describe] does not take a value for [state]")?;
        }
    }
    if options.has("delete") {
        if !scoped {
            options.usage(console, "Option [delete] takes one of these options: [group], [all-groups]")?;
        }
        if options.has("topic") {
            let why = "The consumer does not support topic-specific offset deletion from a consumer group.";
            options.usage(console, why)?;
        }
    }
    if options.has("delete-offsets") && !(options.has("group") && options.has("topic")) {
        options.usage(console, "Option [delete-offsets] takes the following options: [topic], [group]")?;
    }
    if options.has("reset-offsets") {
        if options.has("dry-run") && options.has("execute") {
            options.usage(console, "Option [reset-offsets] only accepts one of [execute] and [dry-run]")?;
        }
        if !options.has("dry-run") && !options.has("execute") {
            console.complain(NOT_EXECUTED);
        }
        if !scoped {
            options.usage(console, "Option [reset-offsets] takes one of these options: [group], [all-groups]")?;
        }
        for scenario in SCENARIOS {
            let others: Vec<&str> = SCENARIOS.into_iter().filter(|other| *other != scenario).collect();
            options.exclude(console, scenario, &others)?;
        }
    }
    options.exclude(console, "group", &["all-groups"])?;
    options.exclude(console, "group", &["list"])?;
    options.exclude(console, "topic", &["list", "describe"])?;
    if ACTIONS.iter().filter(|action| options.has(action)).count() != 1 {
        options.usage(
            console,
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets",
        )?;
    }
    Ok(options)
}

//! The options of `reassign-partitions`, and which of them go together.

use crate::tools::console::Console;
use crate::tools::options::{Ended, HELP, Options, Spec, VERSION, flag, long, text};

/// All options.
pub const SPECS: &[Spec] = &[
    flag(
        "verify",
        "Verify if the reassignment completed as specified by the --reassignment-json-file option. If there is a throttle engaged for \
         the replicas specified, and the rebalance has completed, the throttle will be removed",
    ),
    flag(
        "generate",
        "Generate a candidate partition reassignment configuration. Note that this only generates a candidate assignment, it does not \
         execute it.",
    ),
    flag("execute", "Kick off the reassignment as specified by the --reassignment-json-file option."),
    flag("cancel", "Cancel an active reassignment."),
    flag("list", "List all active partition reassignments."),
    text(
        "bootstrap-server",
        "Server(s) to use for bootstrapping",
        "REQUIRED: the server(s) to use for bootstrapping.",
    ),
    text("command-config", "Admin client property file", "Property file containing configs to be passed to Admin Client."),
    text(
        "reassignment-json-file",
        "manual assignment json file path",
        "The JSON file with the partition reassignment configurationThe format to use is - \n\
         {\"partitions\":\n\t[{\"topic\": \"foo\",\n\t  \"partition\": 1,\n\t  \"replicas\": [1,2,3],\n\t  \"log_dirs\": \
         [\"dir1\",\"dir2\",\"dir3\"] }],\n\"version\":1\n}\n\
         Note that \"log_dirs\" is optional. When it is specified, its length must equal the length of the replicas list. The value in \
         this list can be either \"any\" or the absolution path of the log directory on the broker. If absolute log directory path is \
         specified, the replica will be moved to the specified log directory on the broker.",
    ),
    text(
        "topics-to-move-json-file",
        "topics to reassign json file path",
        "Generate a reassignment configuration to move the partitions of the specified topics to the list of brokers specified by the \
         --broker-list option. The format to use is - \n{\"topics\":\n\t[{\"topic\": \"foo\"},{\"topic\": \"foo1\"}],\n\"version\":1\n}",
    ),
    text(
        "broker-list",
        "brokerlist",
        "The list of brokers to which the partitions need to be reassigned in the form \"0,1,2\". This is required if \
         --topics-to-move-json-file is used to generate reassignment configuration",
    ),
    flag("disable-rack-aware", "Disable rack aware replica assignment"),
    long(
        "throttle",
        "throttle",
        "The movement of partitions between brokers will be throttled to this value (bytes/sec). This option can be included with \
         --execute when a reassignment is started, and it can be altered by resubmitting the current reassignment along with the \
         --additional flag. The throttle rate should be at least 1 KB/s.",
    )
    .or("-1"),
    long(
        "replica-alter-log-dirs-throttle",
        "replicaAlterLogDirsThrottle",
        "The movement of replicas between log directories on the same broker will be throttled to this value (bytes/sec). This option \
         can be included with --execute when a reassignment is started, and it can be altered by resubmitting the current reassignment \
         along with the --additional flag. The throttle rate should be at least 1 KB/s.",
    )
    .or("-1"),
    long("timeout", "timeout", "The maximum time in ms to wait for log directory replica assignment to begin.")
        .or("10000"),
    flag(
        "additional",
        "Execute this reassignment in addition to any other ongoing ones. This option can also be used to change the throttle of an \
         ongoing reassignment.",
    ),
    flag("preserve-throttles", "Do not modify broker or topic throttles."),
    HELP,
    VERSION,
];

const USAGE: &str = "This tool helps to move topic partitions between replicas.";

/// An action, what it needs and what else it takes.
type Action = (&'static str, &'static [&'static str], &'static [&'static str]);

const ACTIONS: [Action; 5] = [
    ("generate", &["topics-to-move-json-file", "broker-list"], &["disable-rack-aware"]),
    ("execute", &["reassignment-json-file"], &["additional", "throttle", "replica-alter-log-dirs-throttle", "timeout"]),
    ("verify", &["reassignment-json-file"], &["preserve-throttles"]),
    ("cancel", &["reassignment-json-file"], &["preserve-throttles", "timeout"]),
    ("list", &[], &[]),
];

/// What every action takes.
const COMMON: [&str; 2] = ["bootstrap-server", "command-config"];

/// The action that was asked for.
///
/// # Errors
/// [`Ended`] for help, and for options that do not go together, with that said.
pub(super) fn check(options: &Options, console: &Console) -> Result<&'static str, Ended> {
    options.help_or_version(console, USAGE)?;
    let given: Vec<&Action> = ACTIONS.iter().filter(|(name, ..)| options.has(name)).collect();
    let &[(action, required, permitted)] = given.as_slice() else {
        let all = ACTIONS.map(|(name, ..)| format!("--{name}")).join(", ");
        return ended(options, console, &format!("Command must include exactly one action: {all}"));
    };
    if !options.has("bootstrap-server") {
        return ended(options, console, "Please specify --bootstrap-server");
    }
    options.require(console, required)?;
    let fits =
        |name: &str| name == *action || required.contains(&name) || permitted.contains(&name) || COMMON.contains(&name);
    match options.order().find(|(name, _)| !fits(name)) {
        Some((name, _)) => {
            ended(options, console, &format!("Option \"[{name}]\" can't be used with action \"[{action}]\""))
        }
        None => Ok(action),
    }
}

fn ended<T>(options: &Options, console: &Console, message: &str) -> Result<T, Ended> {
    Err(options.usage(console, message).err().unwrap_or(Ended(1)))
}

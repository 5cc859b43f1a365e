//! `ottla broker-api-versions`, as `kafka-broker-api-versions.sh`: the requests and versions that each broker takes.
//!
//! Beside each range stands what Kafka 3.9's client would use. Requests that this client knows and the broker doesn't are there too, as
//! UNSUPPORTED; those it doesn't know, as UNKNOWN.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::admin_client::{AdminClient, AdminConfig, Node, block_on, load_properties};
use super::console::Console;
use super::java::Exception;
use super::options::{HELP, Options, Spec, VERSION, text};
use crate::wire::{ApiKey, ApiVersionsResponse};

/// All options.
pub const SPECS: &[Spec] = &[
    text(
        "command-config",
        "command config property file",
        "A property file containing configs to be passed to Admin Client.",
    ),
    text("bootstrap-server", "server(s) to use for bootstrapping", "REQUIRED: The server to connect to."),
    HELP,
    VERSION,
];

const USAGE: &str = "This tool helps to retrieve broker version information.";

/// What Java's client of 3.9 knows beside the APIs of a broker with ZooKeeper: code, name, versions. (Requests that only KRaft controllers
/// take are not asked of brokers.)
const ONLY_IN_KRAFT: &[(i16, &str, i16, i16)] = &[
    (55, "DescribeQuorum", 0, 2),
    (64, "UnregisterBroker", 0, 0),
    (71, "GetTelemetrySubscriptions", 0, 0),
    (72, "PushTelemetry", 0, 0),
    (74, "ListClientMetricsResources", 0, 0),
    (75, "DescribeTopicPartitions", 0, 0),
    (76, "ShareGroupHeartbeat", 0, 0),
    (77, "ShareGroupDescribe", 0, 0),
    (78, "ShareFetch", 0, 0),
    (79, "ShareAcknowledge", 0, 0),
    (80, "AddRaftVoter", 0, 0),
    (81, "RemoveRaftVoter", 0, 0),
    (83, "InitializeShareGroupState", 0, 0),
    (84, "ReadShareGroupState", 0, 0),
    (85, "WriteShareGroupState", 0, 0),
    (86, "DeleteShareGroupState", 0, 0),
    (87, "ReadShareGroupStateSummary", 0, 0),
];

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    let options = match Options::parse(SPECS, args) {
        Ok(options) => options,
        Err(error) => return uncaught(&error, console),
    };
    let checked =
        options.help_or_version(console, USAGE).and_then(|()| options.require(console, &["bootstrap-server"]));
    if let Err(ended) = checked {
        return ended.0;
    }
    match show(&options, console) {
        Ok(()) => 0,
        Err(error) => uncaught(&error, console),
    }
}

/// As the Java machine tells of an exception that nobody caught.
fn uncaught(error: &Exception, console: &Console) -> u8 {
    console.complain(format_args!("Exception in thread \"main\" {}", error.stack()));
    1
}

fn show(options: &Options, console: &Console) -> Result<(), Exception> {
    let properties = load_properties(options.value("command-config")?)?;
    // This tool has a client of its own, whose errors are not wrapped.
    let config = AdminConfig::new(options.value("bootstrap-server")?.unwrap_or_default(), &properties, console);
    let config = config.map_err(|error| error.root().clone())?;
    block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        for node in admin.describe_cluster().await?.nodes {
            match admin.api_versions(node.id).await {
                Ok(offered) => console.say(format_args!("{} -> {}", node_text(&node), versions(&offered))),
                Err(error) => console.say(format_args!("{} -> ERROR: {}", node_text(&node), error.line())),
            }
        }
        Ok(())
    })?
}

/// `host:port (id: 1 rack: null)`.
fn node_text(node: &Node) -> String {
    format!("{}:{} (id: {} rack: {})", node.host, node.port, node.id, node.rack.as_deref().unwrap_or("null"))
}

/// All APIs that client or broker knows, by code.
pub fn versions(offered: &ApiVersionsResponse) -> String {
    let mut lines: BTreeMap<i16, String> = BTreeMap::new();
    let known = |code: i16| {
        let kraft = ONLY_IN_KRAFT.iter().find(|api| api.0 == code).map(|api| (api.1, api.2, api.3));
        ApiKey::from_code(code).map(|api| (api.name(), api.min_version(), api.max_version())).or(kraft)
    };
    let codes = ApiKey::ALL.iter().map(|api| api.code()).chain(ONLY_IN_KRAFT.iter().map(|api| api.0));
    for code in codes {
        if let Some((name, ..)) = known(code) {
            lines.insert(code, format!("{name}({code}): UNSUPPORTED"));
        }
    }
    for api in &offered.api_keys {
        let (code, min, max) = (api.api_key, api.min_version, api.max_version);
        let mut line = match known(code) {
            Some((name, ..)) => format!("{name}({code}): "),
            None => format!("UNKNOWN({code}): "),
        };
        let _ = if min == max { write!(line, "{min}") } else { write!(line, "{min} to {max}") };
        if let Some((_, our_min, our_max)) = known(code) {
            let usable = max.min(our_max);
            let _ = if usable >= min.max(our_min) {
                write!(line, " [usable: {usable}]")
            } else {
                write!(line, " [unusable: node too {}]", if min > our_max { "new" } else { "old" })
            };
        }
        lines.insert(code, line);
    }
    format!("(\n\t{}\n)", lines.into_values().collect::<Vec<_>>().join(",\n\t"))
}

//! `ottla log-dirs`, as `kafka-log-dirs.sh`: what lies in the log directories of brokers, as one line of JSON.
//!
//! The keys stand in Kafka's order (that of a Java hash map); directories stand as the broker gave them, partitions sorted.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::admin_client::{AdminClient, AdminConfig, block_on, load_properties};
use super::console::Console;
use super::java::{Exception, class_name};
use super::options::{HELP, Options, Spec, VERSION, flag, text};
use crate::base::{BrokerId, ErrorCode};
use crate::wire::DescribeLogDirsResponseDir;

/// All options.
pub const SPECS: &[Spec] = &[
    text(
        "bootstrap-server",
        "The server(s) to use for bootstrapping",
        "REQUIRED: the server(s) to use for bootstrapping",
    ),
    text("command-config", "Admin client property file", "Property file containing configs to be passed to Admin Client."),
    flag("describe", "Describe the specified log directories on the specified brokers."),
    text(
        "topic-list",
        "Topic list",
        "The list of topics to be queried in the form \"topic1,topic2,topic3\". All topics will be queried if no topic list is specified",
    )
    .or(""),
    text(
        "broker-list",
        "Broker list",
        "The list of brokers to be queried in the form \"0,1,2\". All brokers in the cluster will be queried if no broker list is \
         specified",
    )
    .or(""),
    HELP,
    VERSION,
];

const USAGE: &str = "This tool helps to query log directory usage on the specified brokers.";

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    let options = match Options::parse(SPECS, args) {
        Ok(options) => options,
        Err(error) => {
            error.print(console);
            return 1;
        }
    };
    let checked = options
        .help_or_version(console, USAGE)
        .and_then(|()| options.require(console, &["bootstrap-server", "describe"]));
    if let Err(ended) = checked {
        return ended.0;
    }
    match describe(&options, console) {
        Ok(code) => code,
        Err(error) => {
            error.print(console);
            1
        }
    }
}

fn describe(options: &Options, console: &Console) -> Result<u8, Exception> {
    let listed = |name: &str| -> Result<Vec<String>, Exception> {
        let list = options.value(name)?.unwrap_or_default();
        Ok(list.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect())
    };
    let topics = listed("topic-list")?;
    let mut wanted = BTreeSet::new();
    for id in listed("broker-list")? {
        let number = || Exception::number_format(&id);
        wanted.insert(id.parse::<BrokerId>().map_err(|_| number())?);
    }
    let mut properties = load_properties(options.value("command-config")?)?;
    if properties.get("client.id").is_none() {
        properties.insert("client.id", "log-dirs-tool");
    }
    let config = AdminConfig::new(options.value("bootstrap-server")?.unwrap_or_default(), &properties, console)?;
    block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        let live: BTreeSet<BrokerId> = admin.describe_cluster().await?.nodes.iter().map(|n| n.id).collect();
        let unknown: BTreeSet<_> = wanted.difference(&live).copied().collect();
        if !unknown.is_empty() {
            console.complain(format_args!(
                "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
                ids(&unknown),
                ids(&live)
            ));
            return Ok(1);
        }
        let wanted = if wanted.is_empty() { live } else { wanted };
        console.say("Querying brokers for log directories information");
        let mut brokers = Vec::new();
        for id in &wanted {
            let dirs = admin.describe_log_dirs(*id).await?;
            let dirs: Vec<Value> = dirs.iter().map(|dir| dir_json(dir, &topics)).collect();
            brokers.push(json!({"broker": id, "logDirs": dirs}));
        }
        console.say(format_args!("Received log directory information from brokers {}", ids(&wanted)));
        console.say(json!({"brokers": brokers, "version": 1}));
        Ok(0)
    })?
}

fn ids(brokers: &BTreeSet<BrokerId>) -> String {
    brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// One directory; only the partitions of `topics`, unless that is empty.
fn dir_json(dir: &DescribeLogDirsResponseDir, topics: &[String]) -> Value {
    let mut partitions = Vec::new();
    for topic in dir.topics.iter().filter(|t| topics.is_empty() || topics.iter().any(|wanted| t.name == **wanted)) {
        for p in &topic.partitions {
            partitions.push(((topic.name.to_string(), p.partition_index), p));
        }
    }
    partitions.sort_by(|a, b| a.0.cmp(&b.0));
    let partitions: Vec<Value> = partitions
        .into_iter()
        .map(|((topic, index), p)| {
            json!({"partition": format!("{topic}-{index}"), "size": p.partition_size, "offsetLag": p.offset_lag, "isFuture": p.is_future_key})
        })
        .collect();
    let error = Some(ErrorCode::from_code(dir.error_code)).filter(|code| !code.is_none()).map(class_name);
    json!({"partitions": partitions, "error": error, "logDir": &*dir.log_dir})
}

//! `ottla delete-records`, as `kafka-delete-records.sh`: deletes the records before the offsets that a JSON file names.
//!
//! `{"partitions":[{"topic":"foo","partition":1,"offset":5}],"version":1}`; offset -1 is the high watermark. A partition that fails has
//! a line of its own and doesn't change the exit code.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::admin_client::{AdminClient, AdminConfig, block_on, load_properties};
use super::console::Console;
use super::java::Exception;
use super::options::{HELP, Options, Spec, VERSION, text};

/// All options.
pub const SPECS: &[Spec] = &[
    text("bootstrap-server", "server(s) to use for bootstrapping", "REQUIRED: The server to connect to."),
    text(
        "offset-json-file",
        "Offset json file path",
        "REQUIRED: The JSON file with offset per partition. The format to use is:\n{\"partitions\":\n  [{\"topic\": \"foo\", \
         \"partition\": 1, \"offset\": 1}],\n \"version\":1\n}",
    ),
    text(
        "command-config",
        "command config property file path",
        "A property file containing configs to be passed to Admin Client.",
    ),
    HELP,
    VERSION,
];

const USAGE: &str = "This tool helps to delete records of the given partitions down to the specified offset.";

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
        .and_then(|()| options.require(console, &["bootstrap-server", "offset-json-file"]));
    if let Err(ended) = checked {
        return ended.0;
    }
    match delete(&options, console) {
        Ok(()) => 0,
        Err(error) => {
            error.print(console);
            1
        }
    }
}

fn delete(options: &Options, console: &Console) -> Result<(), Exception> {
    let properties = load_properties(options.value("command-config")?)?;
    let config = AdminConfig::new(options.value("bootstrap-server")?.unwrap_or_default(), &properties, console)?;
    let file = options.value("offset-json-file")?.unwrap_or_default();
    let json = std::fs::read_to_string(file).map_err(|_| {
        let missing = Exception::new("java.nio.file.NoSuchFileException", file);
        Exception::new("java.io.IOException", format!("Unable to read file {file}")).because(missing)
    })?;
    let offsets = parse_offsets(&json)?;
    block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        console.say("Executing records delete operation");
        let answers = admin.delete_records(offsets).await;
        console.say("Records delete operation completed:");
        for ((topic, partition), result) in answers {
            match result {
                Ok(start) => console.say(format_args!("partition: {topic}-{partition}\tlow_watermark: {start}")),
                Err(error) => console.say(format_args!("partition: {topic}-{partition}\terror: {}", error.in_future())),
            }
        }
    })
}

/// The offsets a file names.
///
/// # Errors
/// Kafka's, for what is no such file or names a partition twice.
pub fn parse_offsets(json: &str) -> Result<BTreeMap<(String, i32), i64>, Exception> {
    let operation = |why: String| Exception::new("org.apache.kafka.server.common.AdminOperationException", why);
    let mapping = |why: String| Exception::new("com.fasterxml.jackson.databind.JsonMappingException", why);
    let json: Value =
        serde_json::from_str(json).map_err(|_| operation("The input string is not a valid JSON".into()))?;
    let object = json.as_object().ok_or_else(|| mapping(format!("Expected JSON object, received {json}")))?;
    match object.get("version") {
        None => {}
        Some(version) if version.as_i64() == Some(1) => {}
        Some(version) => return Err(operation(format!("Not supported version field value {version}"))),
    }
    let partitions = object.get("partitions").ok_or_else(|| operation("Missing partitions field".into()))?;
    let partitions =
        partitions.as_array().ok_or_else(|| mapping(format!("Expected JSON array, received {partitions}")))?;
    let mut offsets = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for item in partitions {
        let field = |name: &str| item.get(name).ok_or_else(|| mapping(format!("No such field exists: `{name}`")));
        let wrong = |value: &Value, kind: &str| mapping(format!("Expected `{kind}` value, received {value}"));
        let (topic, partition, offset) = (field("topic")?, field("partition")?, field("offset")?);
        let topic = topic.as_str().ok_or_else(|| wrong(topic, "String"))?;
        let index = partition.as_i64().and_then(|p| i32::try_from(p).ok());
        let partition = index.ok_or_else(|| wrong(partition, "Integer"))?;
        let offset = offset.as_i64().ok_or_else(|| wrong(offset, "Long"))?;
        if offsets.insert((topic.to_owned(), partition), offset).is_some() {
            twice.insert(format!("{topic}-{partition}"));
        }
    }
    if twice.is_empty() {
        return Ok(offsets);
    }
    let why = format!(
        "Offset json file contains duplicate topic partitions: {}",
        twice.into_iter().collect::<Vec<_>>().join(",")
    );
    Err(Exception::new("org.apache.kafka.server.common.AdminCommandFailedException", why))
}

//! `ottla topics`, as `kafka-topics.sh`: creates, lists, describes, grows and deletes topics.
//!
//! Flags, texts and exit codes are those of Kafka 3.9's `TopicCommand`. Topics are described by name in order; Kafka's order is that of
//! a hash map.

mod describe;
mod options;

use std::collections::BTreeMap;

use super::admin_client::topics::{NewPartitions, NewTopic};
use super::admin_client::{AdminClient, AdminConfig, block_on, load_properties};
use super::console::Console;
use super::java::Exception;
use super::options::Options;
use super::topic_filter::TopicFilter;
use crate::base::topic_names::is_internal;
use crate::base::{BrokerId, ErrorCode};
use crate::config::topic;

pub use options::SPECS;

const LOGGER: &str = "org.apache.kafka.tools.TopicCommand";

/// Runs the command. The exit code is 1 for every error.
pub fn run(args: &[String], console: &Console) -> u8 {
    match try_run(args, console) {
        Ok(code) => code,
        Err(error) => {
            error.print(console);
            1
        }
    }
}

/// Errors from here are told as `main` does; those of the action itself as "while executing".
fn try_run(args: &[String], console: &Console) -> Result<u8, Exception> {
    let options = Options::parse(SPECS, args)?;
    if let Err(ended) = options::check(&options, console)? {
        return Ok(ended.0);
    }
    let properties = load_properties(options.value("command-config")?)?;
    let config = AdminConfig::new(options.value("bootstrap-server")?.unwrap_or_default(), &properties, console)?;
    let outcome = block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        act(&options, &mut admin, console).await
    })?;
    Ok(match outcome {
        Ok(()) => 0,
        Err(error) => {
            console.say(format_args!("Error while executing topic command : {error}"));
            console.log("ERROR", format_args!("{}\n", error.stack()), LOGGER);
            1
        }
    })
}

async fn act(options: &Options, admin: &mut AdminClient, console: &Console) -> Result<(), Exception> {
    if options.has("create") {
        create(options, admin, console).await
    } else if options.has("alter") {
        alter(options, admin, console).await
    } else if options.has("list") {
        let topics = matching(options, admin).await?;
        console.say(topics.join("\n"));
        Ok(())
    } else if options.has("describe") {
        describe::describe(options, admin, console).await
    } else {
        delete(options, admin).await
    }
}

async fn create(options: &Options, admin: &mut AdminClient, console: &Console) -> Result<(), Exception> {
    let name = options.value("topic")?.unwrap_or_default().to_owned();
    let partitions = options.integer("partitions")?;
    let replication_factor = options.integer("replication-factor")?;
    let assignment =
        options.value("replica-assignment")?.filter(|text| !text.is_empty()).map(parse_assignment).transpose()?;
    let configs = parse_configs(options, console)?;
    if name.contains(['.', '_']) {
        console.say(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues \
             it is best to use either, but not both.",
        );
    }
    let replication_factor = match replication_factor.map(i16::try_from) {
        None => None,
        Some(Ok(factor)) if factor >= 1 => Some(factor),
        Some(_) => {
            let why = format!("The replication factor must be between 1 and {} inclusive", i16::MAX);
            return Err(Exception::illegal(why));
        }
    };
    if partitions.is_some_and(|count| count < 1) {
        return Err(Exception::illegal("The partitions must be greater than 0"));
    }
    let assignment = assignment.unwrap_or_default();
    let topic = NewTopic { name, partitions, replication_factor, assignment, configs };
    match admin.create_topic(&topic).await {
        Ok(()) => console.say(format_args!("Created topic {}.", topic.name)),
        Err(error) if error.code == Some(ErrorCode::TopicAlreadyExists) && options.has("if-not-exists") => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn alter(options: &Options, admin: &mut AdminClient, console: &Console) -> Result<(), Exception> {
    let assignment =
        options.value("replica-assignment")?.filter(|text| !text.is_empty()).map(parse_assignment).transpose()?;
    let total = options.integer("partitions")?.unwrap_or_default();
    parse_configs(options, console)?;
    let topics = existing(options, admin).await?;
    if topics.is_empty() {
        return Ok(());
    }
    let mut wanted = Vec::new();
    for description in admin.describe_topics(&topics).await? {
        // The list names all partitions; those that are there keep theirs.
        let assignment =
            assignment.as_ref().map(|all| all.iter().skip(description.partitions.len()).cloned().collect());
        wanted.push(NewPartitions { topic: description.name, total, assignment });
    }
    admin.create_partitions(&wanted).await
}

async fn delete(options: &Options, admin: &mut AdminClient) -> Result<(), Exception> {
    let topics = existing(options, admin).await?;
    admin.delete_topics(&topics).await
}

/// The topics that `--topic` means, all of them without it.
async fn matching(options: &Options, admin: &mut AdminClient) -> Result<Vec<String>, Exception> {
    let without_internal = options.has("exclude-internal");
    let filter = options.value("topic")?.map(TopicFilter::new).transpose()?;
    let names = admin.list_topics(!without_internal).await?.into_iter().map(|(name, _)| name);
    let wanted = |name: &String| {
        !(without_internal && is_internal(name)) && filter.as_ref().is_none_or(|filter| filter.allows(name))
    };
    Ok(names.filter(wanted).collect())
}

/// The same, but with `--topic` there must be one, unless `--if-exists` was given.
async fn existing(options: &Options, admin: &mut AdminClient) -> Result<Vec<String>, Exception> {
    let topics = matching(options, admin).await?;
    match options.value("topic")? {
        // The word around the name comes from Kafka, where it is a slip; scripts know it.
        Some(name) if !name.is_empty() && topics.is_empty() && !options.has("if-exists") => {
            Err(Exception::illegal(format!("Topic 'Optional[{name}]' does not exist as expected")))
        }
        _ => Ok(topics),
    }
}

/// `0:1,1:2`: the brokers of partition 0, of partition 1, and so on.
fn parse_assignment(text: &str) -> Result<Vec<Vec<BrokerId>>, Exception> {
    let mut all: Vec<Vec<BrokerId>> = Vec::new();
    for (partition, list) in text.split(',').enumerate() {
        let mut brokers: Vec<BrokerId> = Vec::new();
        let mut twice: Vec<String> = Vec::new();
        for id in list.split(':').map(str::trim) {
            let number = || Exception::number_format(id);
            let id: BrokerId = id.parse().map_err(|_| number())?;
            if brokers.contains(&id) {
                twice.push(id.to_string());
            }
            brokers.push(id);
        }
        if !twice.is_empty() {
            let why = format!("Partition replica lists may not contain duplicate entries: {}", twice.join(","));
            return Err(Exception::new("org.apache.kafka.server.common.AdminCommandFailedException", why));
        }
        if all.first().is_some_and(|first| first.len() != brokers.len()) {
            let ids: Vec<_> = brokers.iter().map(ToString::to_string).collect();
            let why = format!("Partition {partition} has different replication factor: [{}]", ids.join(", "));
            return Err(Exception::new("org.apache.kafka.server.common.AdminOperationException", why));
        }
        all.push(brokers);
    }
    Ok(all)
}

/// The overrides of `--config`, checked as a broker without settings of its own would.
fn parse_configs(options: &Options, console: &Console) -> Result<BTreeMap<String, String>, Exception> {
    let mut configs = BTreeMap::new();
    for pair in options.values("config") {
        // Java's split leaves out an empty value, and more than one `=` makes more than two parts.
        match pair.split('=').map(str::trim).collect::<Vec<_>>().as_slice() {
            [name, value] if !value.is_empty() => configs.insert((*name).to_owned(), (*value).to_owned()),
            _ => {
                let why = "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".";
                return Err(Exception::illegal(why));
            }
        };
    }
    if let Some(version) = configs.get("message.format.version") {
        console.say(format_args!(
            "WARNING: The configuration message.format.version={version} is specified. This configuration will be ignored if the version \
             is newer than the inter.broker.protocol.version specified in the broker or if the inter.broker.protocol.version is 3.0 or \
             newer. This configuration is deprecated and it will be removed in Apache Kafka 4.0."
        ));
    }
    if let Some(name) = configs.keys().find(|name| topic::get(name).is_none()) {
        return Err(Exception::of_code(ErrorCode::InvalidConfig, Some(&format!("Unknown topic config name: {name}"))));
    }
    for (name, text) in &configs {
        if let Some(Err(error)) = topic::get(name).map(|key| key.parse(text)) {
            return Err(Exception::new("org.apache.kafka.common.config.ConfigException", error.to_string()));
        }
    }
    Ok(configs)
}

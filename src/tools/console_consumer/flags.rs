//! The options of `kafka-console-consumer.sh`, checked, and the consumer's properties that they make (`ConsoleConsumerOptions`).

use crate::base::Env;
use crate::config::Properties;
use crate::tools::console::Console;
use crate::tools::java::Exception;
use crate::tools::kafka_client::merged;
use crate::tools::options::{Ended, HELP, Options, Spec, VERSION, flag, integer, long, text};

use super::formatter;

/// All options.
pub const SPECS: &[Spec] = &[
    text("topic", "topic", "The topic to consume on."),
    text(
        "whitelist",
        "Java regex (String)",
        "DEPRECATED, use --include instead; ignored if --include specified. Regular expression specifying list of topics to include for \
         consumption.",
    ),
    text(
        "include",
        "Java regex (String)",
        "Regular expression specifying list of topics to include for consumption.",
    ),
    integer(
        "partition",
        "partition",
        "The partition to consume from. Consumption starts from the end of the partition unless '--offset' is specified.",
    ),
    text(
        "offset",
        "consume offset",
        "The offset to consume from (a non-negative number), or 'earliest' which means from beginning, or 'latest' which means from end",
    )
    .or("latest"),
    text(
        "consumer-property",
        "consumer_prop",
        "A mechanism to pass user-defined properties in the form key=value to the consumer.",
    ),
    text(
        "consumer.config",
        "config file",
        "Consumer config properties file. Note that [consumer-property] takes precedence over this config.",
    ),
    text("formatter", "class", "The name of a class to use for formatting kafka messages for display.").or(formatter::DEFAULT),
    text(
        "property",
        "prop",
        "The properties to initialize the message formatter. Default properties include: \n print.timestamp=true|false\n \
         print.key=true|false\n print.offset=true|false\n print.partition=true|false\n print.headers=true|false\n \
         print.value=true|false\n key.separator=<key.separator>\n line.separator=<line.separator>\n \
         headers.separator=<line.separator>\n null.literal=<null.literal>\n key.deserializer=<key.deserializer>\n \
         value.deserializer=<value.deserializer>\n header.deserializer=<header.deserializer>\nUsers can also pass in customized \
         properties for their formatter; more specifically, users can pass in properties keyed with 'key.deserializer.', \
         'value.deserializer.' and 'headers.deserializer.' prefixes to configure their deserializers.",
    ),
    text(
        "formatter-config",
        "config file",
        "Config properties file to initialize the message formatter. Note that [property] takes precedence over this config.",
    ),
    flag(
        "from-beginning",
        "If the consumer does not already have an established offset to consume from, start with the earliest message present in the log \
         rather than the latest message.",
    ),
    integer(
        "max-messages",
        "num_messages",
        "The maximum number of messages to consume before exiting. If not set, consumption is continual.",
    ),
    long(
        "timeout-ms",
        "timeout_ms",
        "If specified, exit if no message is available for consumption for the specified interval.",
    ),
    flag(
        "skip-message-on-error",
        "If there is an error when processing a message, skip it instead of halt.",
    ),
    text("bootstrap-server", "server to connect to", "REQUIRED: The server(s) to connect to."),
    text("key-deserializer", "deserializer for key", ""),
    text("value-deserializer", "deserializer for values", ""),
    flag(
        "enable-systest-events",
        "Log lifecycle events of the consumer in addition to logging consumed messages. (This is specific for system tests.)",
    ),
    text(
        "isolation-level",
        "",
        "Set to read_committed in order to filter out transactional messages which are not committed. Set to read_uncommitted to read \
         all messages.",
    )
    .or("read_uncommitted"),
    text("group", "consumer group id", "The consumer group id of the consumer."),
    HELP,
    VERSION,
];

/// What the tool is, for its help.
const SENTENCE: &str = "This tool helps to read data from Kafka topics and outputs it to standard output.";

/// Where reading starts in a partition that is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// The log's start.
    Earliest,
    /// The log's end.
    Latest,
    /// This offset.
    Offset(i64),
}

/// Checks all options but for their numbers, which Kafka reads later.
///
/// # Errors
/// [`Ended`], with what is wrong said.
pub fn parse(args: &[String], console: &Console) -> Result<Options, Ended> {
    let none: &[String] = &[];
    let options = match Options::parse(SPECS, args) {
        Ok(options) => options,
        Err(error) => {
            if let Ok(empty) = Options::parse(SPECS, none) {
                empty.usage(console, &error.to_string())?;
            }
            return Err(Ended(1));
        }
    };
    options.help_or_version(console, SENTENCE)?;
    let topics = ["topic", "include", "whitelist"].into_iter().filter(|name| options.has(name)).count();
    if topics != 1 {
        let names = if options.has("whitelist") { "--include/--topic/--whitelist" } else { "--include/--topic" };
        options.usage(console, &format!("Exactly one of {names} is required. "))?;
    }
    if options.has("partition") {
        if !options.has("topic") {
            options.usage(console, "The topic is required when partition is specified.")?;
        }
        if options.has("from-beginning") && options.has("offset") {
            options.usage(console, "Options from-beginning and offset cannot be specified together.")?;
        }
    } else if options.has("offset") {
        options.usage(console, "The partition is required when offset is specified.")?;
    }
    options.require(console, &["bootstrap-server"])?;
    Ok(options)
}

/// Java's consumer properties from all options and files.
///
/// # Errors
/// What is wrong with them; [`Ended`] where Kafka says it itself.
pub fn consumer_properties(
    options: &Options,
    env: &Env,
    console: &Console,
) -> Result<Result<Properties, Exception>, Ended> {
    let properties = match read_properties(options) {
        Ok(properties) => properties,
        Err(error) => return Ok(Err(error)),
    };
    let (file, words, servers) = properties;
    let mut all = merged_over(file.clone(), &words);
    let mut groups: Vec<String> = Vec::new();
    let given = options.values("group").into_iter().map(String::from);
    for group in given.chain(file.get("group.id").map(String::from)).chain(words.get("group.id").map(String::from)) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    if groups.len() > 1 {
        let shown: Vec<_> = groups.iter().map(|group| format!("'{group}'")).collect();
        options.usage(
            console,
            &format!(
                "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
                 '--consumer.config') do not match. Detected group ids: {}",
                shown.join(", ")
            ),
        )?;
    }
    if !groups.is_empty() && options.has("partition") {
        options.usage(console, "Options group and partition cannot be specified together.")?;
    }
    let from_beginning = options.has("from-beginning");
    match all.get("auto.offset.reset") {
        Some(reset) if from_beginning && reset != "earliest" => {
            console.complain(format_args!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
            ));
            return Err(Ended(1));
        }
        Some(_) => {}
        None => all.insert("auto.offset.reset", if from_beginning { "earliest" } else { "latest" }),
    }
    all.insert("bootstrap.servers", servers);
    if all.get("client.id").is_none() {
        all.insert("client.id", "console-consumer");
    }
    if options.has("isolation-level") || all.get("isolation.level").is_none() {
        let level = options.values("isolation-level").first().copied().unwrap_or("read_uncommitted");
        all.insert("isolation.level", level);
    }
    match groups.pop() {
        Some(group) => all.insert("group.id", group),
        None => {
            all.insert("group.id", format!("console-consumer-{}", env.rng.below(100_000)));
            // The group is not used again: its offsets would only fill the coordinator.
            if all.get("enable.auto.commit").is_none() {
                all.insert("enable.auto.commit", "false");
            }
        }
    }
    Ok(Ok(all))
}

type Read = (Properties, Properties, String);

fn read_properties(options: &Options) -> Result<Read, Exception> {
    let file = merged(options.value("consumer.config")?, &[])?;
    let words = merged(None, &options.values("consumer-property"))?;
    Ok((file, words, options.value("bootstrap-server")?.unwrap_or_default().to_owned()))
}

fn merged_over(mut below: Properties, above: &Properties) -> Properties {
    above.iter().for_each(|(key, value)| below.insert(key, value));
    below
}

/// Where a named partition is read from.
///
/// # Errors
/// [`Ended`], for what is no offset.
pub fn start(options: &Options, console: &Console) -> Result<Start, Ended> {
    let Some(text) = options.values("offset").first().copied().map(String::from) else {
        return Ok(if options.has("from-beginning") { Start::Earliest } else { Start::Latest });
    };
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        number => match number.parse::<i64>() {
            Ok(offset) if offset >= 0 => Ok(Start::Offset(offset)),
            _ => {
                let why = format!(
                    "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long."
                );
                options.usage(console, &why)?;
                Err(Ended(1))
            }
        },
    }
}

/// The formatter's properties.
///
/// # Errors
/// For a file that can't be read, or a property without `=`.
pub fn formatter_properties(options: &Options) -> Result<Properties, Exception> {
    let mut properties = merged(options.value("formatter-config")?, &[])?;
    for (option, key) in [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")] {
        if let Some(class) = options.value(option)?.filter(|class| !class.is_empty()) {
            properties.insert(key, class);
        }
    }
    Ok(merged_over(properties, &merged(None, &options.values("property"))?))
}

//! librdkafka under the tools that produce and consume.
//!
//! | file | what |
//! |---|---|
//! | [`properties`] | Java's client properties as librdkafka's |
//! | [`context`] | what librdkafka says, as lines of Kafka's tools; delivery reports |
//! | [`producer`], [`consumer`] | making, draining and leaving a client |
//! | [`errors`] | librdkafka's errors by their Java names |
//! | [`stop`] | Ctrl-C and SIGTERM as a flag |
//!
//! Beware: a client is not dropped but left behind when the command ends. Taking one down waits for each of its threads, up to a tenth
//! of a second each, and the process ends anyway.

pub mod consumer;
pub mod context;
pub mod errors;
pub mod producer;
pub mod properties;
pub mod stop;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::config::Properties;
use crate::tools::admin_client::config;
use crate::tools::console::Console;
use crate::tools::java::Exception;

pub use properties::{Role, config_error};

/// Properties of `key=value` words, over those of a file. A key alone has an empty value (`CommandLineUtils.parseKeyValueArgs`).
///
/// # Errors
/// The file's.
pub fn merged(file: Option<&str>, words: &[&str]) -> Result<Properties, Exception> {
    let mut properties = config::load_properties(file)?;
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        properties.insert(key, value);
    }
    Ok(properties)
}

/// librdkafka's configuration for Java's properties. What has no effect is warned of.
///
/// # Errors
/// A `ConfigException` for a bad value, as Java's client has it.
pub fn client_config(role: Role, java: &Properties, console: &Console) -> Result<ClientConfig, Exception> {
    let translated = properties::translate(role, java)?;
    let (class, client) = match role {
        Role::Producer => ("org.apache.kafka.clients.producer.ProducerConfig", "producer"),
        Role::Consumer => ("org.apache.kafka.clients.consumer.ConsumerConfig", "consumer"),
    };
    let servers = java.get("bootstrap.servers").unwrap_or_default();
    if let Err(why) = check_servers(servers) {
        return Err(Exception::new(
            "org.apache.kafka.common.KafkaException",
            format!("Failed to construct kafka {client}"),
        )
        .because(why));
    }
    translated.warnings.iter().for_each(|warning| console.log("WARN", warning, class));
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Warning);
    for (key, value) in &translated.settings {
        config.set(key, value);
    }
    match config.create_native_config() {
        Ok(_) => Ok(config),
        Err(KafkaError::ClientConfig(_, why, key, value)) => {
            Err(config_error(format!("Invalid value {value} for configuration {key}: {why}")))
        }
        Err(error) => Err(errors::exception(&error)),
    }
}

fn check_servers(servers: &str) -> Result<(), Exception> {
    let mut urls = servers.split(',').map(str::trim).filter(|url| !url.is_empty()).peekable();
    if urls.peek().is_none() {
        return Err(config_error("No resolvable bootstrap urls given in bootstrap.servers"));
    }
    match urls.find(|url| config::target(url).is_none()) {
        Some(bad) => Err(config_error(format!("Invalid url in bootstrap.servers: {bad}"))),
        None => Ok(()),
    }
}

//! Configs of topics, brokers and broker loggers.

use super::{Change, singular};
use crate::base::ErrorCode;
use crate::base::topic_names::reason_invalid;
use crate::tools::admin_client::AdminClient;
use crate::tools::admin_client::configs::{ConfigEntry, ConfigOp, Resource, Source};
use crate::tools::console::Console;
use crate::tools::java::{Exception, class_name};

/// Shows the configs of one entity, or of all of its type.
pub(super) async fn describe(
    entity_type: &str,
    name: Option<&str>,
    all: bool,
    admin: &mut AdminClient,
    console: &Console,
) -> Result<(), Exception> {
    let names = match (name, entity_type) {
        (Some(name), _) => vec![name.to_owned()],
        (None, "topics") => {
            admin.list_topics(true).await.map_err(Exception::in_future)?.into_iter().map(|(name, _)| name).collect()
        }
        (None, "brokers" | "broker-loggers") => {
            let nodes = admin.describe_cluster().await.map_err(Exception::in_future)?.nodes;
            nodes.iter().map(|node| node.id.to_string()).chain([String::new()]).collect()
        }
        _ => return Err(no_such_type(entity_type)),
    };
    for name in names {
        if name.is_empty() {
            console.say(format_args!("Default configs for {entity_type} in the cluster are:"));
        } else {
            let which = if all { "All" } else { "Dynamic" };
            console.say(format_args!("{which} configs for {} {name} are:", singular(entity_type)));
        }
        let mut text = String::new();
        for entry in configs(admin, entity_type, &name, true, all).await? {
            text.push_str(&line(&entry));
        }
        console.print(text);
    }
    Ok(())
}

fn line(entry: &ConfigEntry) -> String {
    let null = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".into());
    let synonyms: Vec<_> = entry
        .synonyms
        .iter()
        .map(|(name, value, source)| format!("{}:{name}={}", source.name(), null(value)))
        .collect();
    format!(
        "  {}={} sensitive={} synonyms={{{}}}\n",
        entry.name,
        null(&entry.value),
        entry.sensitive,
        synonyms.join(", ")
    )
}

fn no_such_type(entity_type: &str) -> Exception {
    match entity_type {
        // Named as a type that Kafka knows; only KRaft has it.
        "client-metrics" => {
            Exception::unsupported("client-metrics are not supported: a cluster with ZooKeeper has none")
        }
        _ => Exception::illegal(format!("Invalid entity type: {entity_type}")),
    }
}

/// The resource of an entity, and the source its own configs have.
fn resource(entity_type: &str, name: &str) -> Result<(Resource, Option<Source>), Exception> {
    let broker = || {
        let why = format!("The entity name for {entity_type} must be a valid integer broker id, found: {name}");
        name.parse().map_err(|_| Exception::illegal(why))
    };
    Ok(match (entity_type, name) {
        ("topics", _) => {
            check_topic(name)?;
            (Resource::Topic(name.to_owned()), Some(Source::DynamicTopicConfig))
        }
        ("brokers", "") => (Resource::BrokerDefault, Some(Source::DynamicDefaultBrokerConfig)),
        ("brokers", _) => (Resource::Broker(broker()?), Some(Source::DynamicBrokerConfig)),
        ("broker-loggers", _) => (Resource::BrokerLogger(broker()?), None),
        _ => return Err(no_such_type(entity_type)),
    })
}

/// What Java's client refuses to ask about (`Topic.validate`).
fn check_topic(name: &str) -> Result<(), Exception> {
    match reason_invalid(name).filter(|_| !name.is_empty()) {
        None => Ok(()),
        Some(why) => {
            Err(Exception::of_code(ErrorCode::InvalidTopicException, Some(&format!("Topic name is invalid: {why}"))))
        }
    }
}

/// The entity's configs by name: its own, or with `all` those that it inherits too.
async fn configs(
    admin: &mut AdminClient,
    entity_type: &str,
    name: &str,
    synonyms: bool,
    all: bool,
) -> Result<Vec<ConfigEntry>, Exception> {
    let (resource, own) = resource(entity_type, name)?;
    let mut entries = admin.describe_configs(&resource, synonyms).await.map_err(Exception::in_future)?;
    if !all && let Some(own) = own {
        entries.retain(|entry| entry.source == own);
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Changes the configs of one entity.
pub(super) async fn alter(
    entity_type: &str,
    name: &str,
    change: &Change,
    admin: &mut AdminClient,
) -> Result<(), Exception> {
    let old = configs(admin, entity_type, name, false, false).await?;
    let (resource, _) = resource(entity_type, name)?;
    let is_there = |key: &String| old.iter().any(|entry| entry.name == *key);
    let mut missing: Vec<&str> = change.delete.iter().filter(|key| !is_there(key)).map(String::as_str).collect();
    if entity_type == "broker-loggers" {
        missing.extend(change.set.iter().map(|(key, _)| key).filter(|key| !is_there(key)).map(String::as_str));
        if !missing.is_empty() {
            return Err(invalid(format!("Invalid broker logger(s): {}", missing.join(","))));
        }
    }
    if !missing.is_empty() {
        return Err(invalid(format!("Invalid config(s): {}", missing.join(","))));
    }
    if entity_type == "brokers" {
        return replace(&old, &resource, change, admin).await;
    }
    let set = change.set.iter().map(|(key, value)| ConfigOp::Set(key.clone(), value.clone()));
    let delete = change.delete.iter().map(|key| ConfigOp::Delete(key.clone()));
    admin
        .incremental_alter_configs(&resource, &set.chain(delete).collect::<Vec<_>>())
        .await
        .map_err(Exception::in_future)
}

/// A broker's configs are read, changed and written as a whole. Sensitive ones can't be read.
async fn replace(
    old: &[ConfigEntry],
    resource: &Resource,
    change: &Change,
    admin: &mut AdminClient,
) -> Result<(), Exception> {
    let kept = old.iter().filter(|entry| !change.set.iter().any(|(key, _)| *key == entry.name));
    let kept = kept.map(|entry| (entry.name.clone(), entry.value.clone()));
    let set = change.set.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
    let wanted: Vec<_> = kept.chain(set).filter(|(key, _)| !change.delete.contains(key)).collect();
    let secret: Vec<&str> = wanted.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key.as_str()).collect();
    if !secret.is_empty() {
        let why = "All sensitive broker config entries must be specified for --alter, missing entries";
        return Err(invalid(format!("{why}: Set({})", secret.join(", "))));
    }
    let wanted: Vec<_> = wanted.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect();
    admin.alter_configs(resource, &wanted).await.map_err(Exception::in_future)
}

/// `InvalidConfigurationException`: told by its message alone.
pub(super) fn invalid(message: String) -> Exception {
    Exception::new(class_name(ErrorCode::InvalidConfig), message)
}

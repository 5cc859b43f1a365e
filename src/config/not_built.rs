//! What is not built yet and must not be passed over in silence: settings that, as set, would change data, access or safety.
//!
//! Start-up ends with one line for each, so that a stock file never runs open by accident. The list shrinks: whoever builds a feature
//! deletes its row, and nothing else here needs to know. What merely tunes something that is not built belongs into [`TUNES`].

use super::broker_config::BrokerConfig;
use super::listeners::SecurityProtocol;
use super::table::{self, Effect, Key};
use super::topic::TopicKey;
use super::value::{ConfigError, Value};
use super::values::{ConfigMap, Values};

/// One setting that refuses the start.
struct Row {
    key: &'static str,
    /// What is missing, and what would happen without it.
    missing: &'static str,
    /// Which values refuse.
    refuses: fn(&Value) -> bool,
}

fn is_true(value: &Value) -> bool {
    *value == Value::Bool(true)
}

fn not_empty(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Str(s) | Value::Class(s) => !s.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Password(p) => !p.0.is_empty(),
        _ => true,
    }
}

/// Any but the class every broker has by default.
fn other_principal_builder(value: &Value) -> bool {
    not_empty(value)
        && *value != Value::Class("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder".into())
}

/// Any but those that come with Kafka (KIP-392).
fn other_replica_selector(value: &Value) -> bool {
    let known = [super::LEADER_SELECTOR, super::RACK_AWARE_SELECTOR];
    not_empty(value) && !known.iter().any(|class| value.text().as_deref() == Some(*class))
}

const ROWS: &[Row] = &[
    Row { key: "authorizer.class.name", missing: "authorization: every request would be allowed", refuses: not_empty },
    Row {
        key: "principal.builder.class",
        missing: "principal builders: users would have other names",
        refuses: other_principal_builder,
    },
    Row {
        key: "create.topic.policy.class.name",
        missing: "topic policies: every topic would be allowed",
        refuses: not_empty,
    },
    Row {
        key: "alter.config.policy.class.name",
        missing: "config policies: every change would be allowed",
        refuses: not_empty,
    },
    Row { key: "client.quota.callback.class", missing: "quota callbacks: other quotas would hold", refuses: not_empty },
    Row {
        key: "replica.selector.class",
        missing: "replica selectors of other classes: consumers would read from other replicas",
        refuses: other_replica_selector,
    },
    Row {
        key: "remote.log.storage.system.enable",
        missing: "tiered storage: remote data would not be found",
        refuses: is_true,
    },
    Row { key: "process.roles", missing: "KRaft: Ottla is a ZooKeeper-mode broker", refuses: not_empty },
    Row { key: "zookeeper.metadata.migration.enable", missing: "migration to KRaft", refuses: is_true },
    Row {
        key: "zookeeper.ssl.client.enable",
        missing: "TLS to ZooKeeper: the connection would be open",
        refuses: is_true,
    },
    Row { key: "zookeeper.set.acl", missing: "ZooKeeper ACLs: znodes would be open", refuses: is_true },
    Row { key: "control.plane.listener.name", missing: "a listener for the controller alone", refuses: not_empty },
    Row {
        key: "delegation.token.secret.key",
        missing: "delegation tokens: none would be accepted",
        refuses: not_empty,
    },
    Row {
        key: "delegation.token.master.key",
        missing: "delegation tokens: none would be accepted",
        refuses: not_empty,
    },
    Row { key: "group.coordinator.new.enable", missing: "the new group coordinator", refuses: is_true },
    Row { key: "group.share.enable", missing: "share groups", refuses: is_true },
    Row { key: "config.providers", missing: "config providers: ${...} would be taken literally", refuses: not_empty },
];

/// Keys, by name or by prefix ending in a dot, that only tune what is not built: setting them warns. Also shrinks.
pub const TUNES: &[(&str, &str)] = &[("quota.window.", CLIENT_QUOTAS), ("controller.quota.", QUOTAS)];

const QUOTAS: &str = "quotas are not built yet";
const CLIENT_QUOTAS: &str =
    "client quotas are not built yet, only max.connection.creation.rate is measured over these windows";

/// What setting `key` does today: the table's word, unless this file knows better.
pub fn effect(key: &Key) -> Effect {
    if let Some(row) = ROWS.iter().find(|row| row.key == key.name) {
        return Effect::Refused(row.missing);
    }
    match TUNES.iter().find(|(name, _)| matches(name, key.name)) {
        // A key without effect for good keeps its own reason.
        Some((_, why)) if key.effect == Effect::Works => Effect::NoEffect(why),
        _ => key.effect,
    }
}

/// What setting a topic's key does: what its broker key does; those of topics alone are tiered storage's, but for throttles.
pub fn topic_effect(key: &TopicKey) -> Effect {
    match key.broker.and_then(table::get) {
        // Fixed at the broker, where Kafka ignores the topic's too.
        Some(broker) => effect(broker),
        None if key.name.starts_with("remote.") => Effect::Refused("tiered storage"),
        // `leader.replication.throttled.replicas` is nothing without its rate.
        None => match table::get_dynamic(&key.name.replace("replicas", "rate")) {
            Some(rate) => effect(rate),
            None => Effect::Works,
        },
    }
}

/// Is `name` the key, or a prefix of it that ends in a dot?
fn matches(name: &str, key: &str) -> bool {
    key == name || name.ends_with('.') && key.starts_with(name)
}

/// Rows and entries that mean no key there is: mistakes. For the tests.
pub fn stale() -> Vec<&'static str> {
    let known = |name: &str| table::all().chain(table::DYNAMIC_ONLY).any(|key| matches(name, key.name));
    // Read by Kafka before it looks at its table.
    let outside = |name: &str| name == "config.providers";
    let names = ROWS.iter().map(|row| row.key).chain(TUNES.iter().map(|(name, _)| *name));
    names.filter(|name| !known(name) && !outside(name)).collect()
}

/// Why `value` of the key `name` can't count: what is missing. For entries that are changed while running.
pub fn refuses(name: &str, value: &Value) -> Option<&'static str> {
    ROWS.iter().find(|row| row.key == name && (row.refuses)(value)).map(|row| row.missing)
}

/// Every setting that must refuse the start, by name.
pub fn refusals(raw: &ConfigMap, values: &Values, config: &BrokerConfig) -> Vec<ConfigError> {
    let refuse = |key: &str, value: &str, missing: &str| {
        ConfigError(format!(
            "{key}={value} is not supported yet: Ottla has no {missing}. Remove it or use Apache Kafka."
        ))
    };
    let mut found = Vec::new();
    for row in ROWS {
        let value = match table::get(row.key) {
            Some(key) => values.get(key),
            None => raw.get(row.key).map_or(Value::Null, |text| Value::Str(text.trim().to_owned())),
        };
        if (row.refuses)(&value) {
            found.push(refuse(row.key, &value.text().unwrap_or_default(), row.missing));
        }
    }
    for (listener, missing) in refused_listeners(config) {
        found.push(refuse("listeners", &listener, &missing));
    }
    found
}

/// The listeners that can't be opened, each with what is missing.
pub fn refused_listeners(config: &BrokerConfig) -> Vec<(String, String)> {
    let secure = config.listeners.iter().filter(|l| l.protocol != SecurityProtocol::Plaintext);
    secure.map(|l| (l.to_string(), format!("{} listeners: {} would be open", l.protocol, l.name))).collect()
}

/// Is a listener of the broker secure, so that SSL and SASL keys are read?
pub fn has_secure_listener(config: &BrokerConfig) -> bool {
    config.listeners.iter().any(|l| l.protocol != SecurityProtocol::Plaintext)
}

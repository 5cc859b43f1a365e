//! The table itself.

use std::collections::{HashMap, HashSet};

use ottla::config::table::{self, Mode, Type};
use ottla::config::value::{default_of, parse};
use ottla::config::{BrokerConfig, LogConfig, Value, Values, doc, not_built, topic};

#[test]
fn every_default_parses_and_passes_its_own_check() {
    for key in table::all().chain(table::DYNAMIC_ONLY) {
        if let Some(text) = key.default {
            let value = parse(key, key.name, text).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(value.text().unwrap(), text, "{}", key.name);
            assert_eq!(value, default_of(key));
        }
    }
}

#[test]
fn no_key_is_there_twice_and_each_is_documented() {
    let mut seen = HashSet::new();
    for key in table::all().chain(table::DYNAMIC_ONLY) {
        assert!(seen.insert(key.name), "{}", key.name);
        assert!(key.doc.ends_with('.'), "{}", key.name);
        assert_eq!(key.sensitive(), key.ty == Type::Password);
    }
}

#[test]
fn topic_keys_have_the_type_of_their_broker_key() {
    for key in topic::KEYS {
        let Some(broker) = key.broker else { continue };
        let row = table::get(broker).unwrap_or_else(|| panic!("{broker}"));
        assert_eq!(row.ty, key.ty, "{}", key.name);
        assert_eq!(row.mode, if broker == "log.message.format.version" { Mode::ReadOnly } else { Mode::Cluster });
    }
    assert_eq!(topic::KEYS.len(), 36);
}

#[test]
fn the_typed_defaults_are_those_of_the_table() {
    assert_eq!(topic::broker_log_config(&Values::default()), LogConfig::default());
    let config = BrokerConfig::default();
    assert_eq!(config.log, LogConfig::default());
    assert_eq!(config.log_dirs, ["/tmp/kafka-logs"]);
    assert_eq!(config.listeners[0].to_string(), "PLAINTEXT://:9092");
    assert_eq!(config.advertised_listeners, config.listeners);
    assert_eq!(config.inter_broker_listener, "PLAINTEXT");
    assert_eq!(config.zookeeper_connection_timeout_ms, 18_000);
    assert_eq!(config.num_replica_alter_log_dirs_threads, 1);
    assert_eq!(config.leader_replication_throttled_rate, i64::MAX);
}

#[test]
fn listener_prefixes_lead_to_the_plain_key() {
    assert_eq!(table::listener_base("listener.name.internal.ssl.keystore.location"), Some("ssl.keystore.location"));
    assert_eq!(table::listener_base("listener.name.internal.plain.sasl.jaas.config"), Some("sasl.jaas.config"));
    assert_eq!(table::listener_base("listener.name.internal"), None);
    assert_eq!(table::listener_base("log.dirs"), None);
}

#[test]
fn a_listeners_own_value_comes_before_the_plain_one() {
    let raw = super::map(&[("listener.name.internal.max.connections", "5"), ("max.connections", "9")]);
    let values = Values::parse(&raw).unwrap();
    assert_eq!(values.for_listener("INTERNAL", "max.connections"), Value::Int(5));
    assert_eq!(values.for_listener("EXTERNAL", "max.connections"), Value::Int(9));
}

#[test]
fn the_printed_table_has_every_key() {
    let (text, markdown) = (doc::text(), doc::markdown());
    for key in table::all().chain(table::DYNAMIC_ONLY) {
        assert!(text.contains(&format!("  {} (", key.name)), "{}", key.name);
        assert!(markdown.contains(&format!("| `{}` |", key.name)), "{}", key.name);
    }
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(markdown.lines().filter(|l| l.starts_with('|')).all(|l| [8, 7].contains(&columns(l))));
}

/// Every source file outside `config/`, one text.
fn readers() -> String {
    fn below(dir: &std::path::Path, text: &mut String) {
        for entry in std::fs::read_dir(dir).expect("the source").flatten() {
            let path = entry.path();
            if path.is_dir() {
                if !path.ends_with("src/config") {
                    below(&path, text);
                }
            } else {
                text.push_str(&std::fs::read_to_string(path).expect("text"));
            }
        }
    }
    let mut text = String::new();
    below(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    text
}

/// Keys that become part of others before anybody reads them.
const READ_WITHIN: &[(&str, &str)] = &[
    ("node.id", "broker.id"),
    ("log.dir", "log_dirs"),
    ("log.roll.hours", "segment_ms"),
    ("log.roll.jitter.hours", "segment_jitter_ms"),
    ("log.retention.minutes", "retention_ms"),
    ("log.retention.hours", "retention_ms"),
    ("listener.security.protocol.map", "listeners"),
    ("security.inter.broker.protocol", "inter_broker_listener"),
    ("inter.broker.listener.name", "inter_broker_listener"),
    ("message.timestamp.difference.max.ms", "timestamp_before_max_ms"),
    ("message.timestamp.before.max.ms", "timestamp_before_max_ms"),
    ("message.timestamp.after.max.ms", "timestamp_after_max_ms"),
    ("message.timestamp.type", "timestamp_type"),
    ("cleanup.policy", "cleanup"),
    ("leader.replication.throttled.replicas", "leader_throttled_replicas"),
    ("follower.replication.throttled.replicas", "follower_throttled_replicas"),
    ("ottla.dead.process.detect.ms", "dead_process_detect_ms"),
    ("ottla.admin.listener", "admin_listener"),
    ("ottla.accept.unenforced", "accept_unenforced"),
    ("max.connection.creation.rate", "max_connection_creation_rate"),
];

/// What no setting turns off and the table must not claim: a key that works is read by somebody.
#[test]
fn every_key_that_works_is_read() {
    let source = readers();
    let works = |effect: table::Effect| effect == table::Effect::Works;
    let topics: HashMap<&str, &str> = topic::KEYS.iter().filter_map(|key| Some((key.broker?, key.name))).collect();
    let broker_keys = table::all().filter(|key| works(not_built::effect(key)));
    let names = broker_keys.map(|key| topics.get(key.name).copied().unwrap_or(key.name));
    let own = topic::KEYS.iter().filter(|key| key.broker.is_none() && works(not_built::topic_effect(key)));
    let unread: Vec<&str> = names
        .chain(own.map(|key| key.name))
        .filter(|name| {
            let within = READ_WITHIN.iter().find(|(key, _)| key == name);
            let field = within.map_or_else(|| name.replace('.', "_"), |(_, field)| field.replace('.', "_"));
            !source.contains(&format!(".{field}"))
        })
        .collect();
    assert_eq!(unread, Vec::<&str>::new(), "these are said to work, and nobody reads them");
}

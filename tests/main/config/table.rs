//! The table itself.

use std::collections::HashSet;

use ottla::config::table::{self, Mode, Type};
use ottla::config::value::{default_of, parse};
use ottla::config::{BrokerConfig, LogConfig, Value, Values, doc, topic};

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

//! Broker configuration that changes while running.

use ottla::base::ErrorCode;
use ottla::config::dynamic::{Scope, validate_alter};
use ottla::config::{ConfigMap, DynamicConfig, StaticConfig};

use super::map;

fn statics(pairs: &[(&str, &str)]) -> StaticConfig {
    let mut raw = map(&[("zookeeper.connect", "localhost:2181"), ("broker.id", "1")]);
    raw.extend(map(pairs));
    StaticConfig::new(raw)
}

fn dynamic(per_broker: &[(&str, &str)], default: &[(&str, &str)]) -> DynamicConfig {
    DynamicConfig { per_broker: map(per_broker), default: map(default) }
}

fn alter(scope: Scope, pairs: &[(&str, &str)]) -> Result<(), String> {
    alter_from(&DynamicConfig::default(), scope, pairs)
}

fn alter_from(current: &DynamicConfig, scope: Scope, pairs: &[(&str, &str)]) -> Result<(), String> {
    validate_alter(&statics(&[]), current, scope, &map(pairs)).map_err(|e| {
        assert_eq!(e.code, ErrorCode::InvalidRequest);
        e.message
    })
}

#[test]
fn one_broker_beats_all_brokers_beats_the_file() {
    let file = statics(&[("log.segment.bytes", "100"), ("log.retention.minutes", "1")]);
    let both = dynamic(&[("log.segment.bytes", "300")], &[("log.segment.bytes", "200"), ("log.retention.ms", "5")]);
    let config = both.effective(&file).unwrap().config;
    assert_eq!((config.log.segment_bytes, config.log.retention_ms), (300, 5));
    let config = dynamic(&[], &[("log.segment.bytes", "200")]).effective(&file).unwrap().config;
    assert_eq!((config.log.segment_bytes, config.log.retention_ms), (200, 60_000));
    let config = DynamicConfig::default().effective(&file).unwrap().config;
    assert_eq!(config.log.segment_bytes, 100);
}

#[test]
fn throttles_are_dynamic_only() {
    let set = dynamic(&[("leader.replication.throttled.rate", "1000")], &[]);
    assert_eq!(set.effective(&statics(&[])).unwrap().config.leader_replication_throttled_rate, 1000);
    assert_eq!(alter(Scope::Default, &[("follower.replication.throttled.rate", "5")]), Ok(()));
    assert!(alter(Scope::Broker, &[("follower.replication.throttled.rate", "-1")]).is_err());
}

#[test]
fn stored_entries_that_may_not_count_are_left_out_with_a_warning() {
    let stored = dynamic(
        &[
            ("num.partitions", "9"),
            ("log.segment.bytes", "x"),
            ("ssl.keystore.location", "/k"),
            ("num.io.threads", "9"),
        ],
        &[("listeners", "PLAINTEXT://:1"), ("num.replica.fetchers", "2"), ("who.knows", "1")],
    );
    let effective = stored.effective(&statics(&[])).unwrap();
    assert_eq!(effective.warnings.len(), 4, "{:?}", effective.warnings);
    assert_eq!(effective.config.num_partitions, 1);
    assert_eq!(effective.config.num_replica_fetchers, 2);
    assert_eq!(effective.config.listeners[0].port, 9092);
}

#[test]
fn a_layer_that_does_not_fit_the_rest_is_left_out_whole() {
    let stored = dynamic(
        &[("log.cleaner.min.compaction.lag.ms", "2"), ("log.cleaner.max.compaction.lag.ms", "1")],
        &[("log.segment.bytes", "100")],
    );
    let effective = stored.effective(&statics(&[])).unwrap();
    assert_eq!(effective.warnings.len(), 1, "{:?}", effective.warnings);
    assert_eq!((effective.config.log.segment_bytes, effective.config.log.min_compaction_lag_ms), (100, 0));
}

#[test]
fn read_only_keys_are_refused_in_kafkas_words() {
    assert_eq!(
        alter(Scope::Broker, &[("zookeeper.connect", "x")]).unwrap_err(),
        "Cannot update these configs dynamically: Set(zookeeper.connect)"
    );
    assert_eq!(
        alter(Scope::Broker, &[("num.partitions", "x"), ("broker.id", "1")]).unwrap_err(),
        "Cannot update these configs dynamically: Set(broker.id, num.partitions)"
    );
}

#[test]
fn per_broker_keys_are_refused_for_all_brokers() {
    for key in ["listeners", "listener.name.internal.ssl.keystore.location", "sasl.enabled.mechanisms"] {
        let error = alter(Scope::Default, &[(key, "x")]).unwrap_err();
        let why = "Cannot update these configs at default cluster level, broker id must be specified";
        assert_eq!(error, format!("{why}: Set({key})"));
    }
    assert_eq!(alter(Scope::Default, &[("listener.name.internal.max.connections", "5")]), Ok(()));
}

#[test]
fn key_stores_want_a_listener() {
    let error = alter(Scope::Broker, &[("ssl.keystore.location", "/k")]).unwrap_err();
    assert!(error.ends_with("only per-listener using the listener prefix: Set(ssl.keystore.location)"), "{error}");
}

#[test]
fn bad_values_and_settings_that_do_not_fit_are_refused() {
    assert_eq!(
        alter(Scope::Broker, &[("log.segment.bytes", "x")]).unwrap_err(),
        "Invalid value x for configuration log.segment.bytes: Not a number of type INT"
    );
    assert!(
        alter(Scope::Broker, &[("log.retention.ms", "0")]).unwrap_err().contains("log.retention.ms must be unlimited")
    );
    assert!(alter(Scope::Broker, &[("log.cleaner.dedupe.buffer.size", "5")]).unwrap_err().contains("1MB per cleaner"));
}

#[test]
fn a_thread_pool_may_halve_or_double() {
    // num.io.threads is 8 without any setting.
    for (value, why) in [
        ("3", Some("value should be at least half the current value 8")),
        ("4", None),
        ("8", None),
        ("16", None),
        ("17", Some("value should not be greater than double the current value 8")),
    ] {
        let result = alter(Scope::Default, &[("num.io.threads", value)]);
        let prefix = format!("Dynamic thread count update validation failed for num.io.threads={value}, ");
        assert_eq!(result, why.map_or(Ok(()), |why| Err(prefix + why)));
    }
    let current = dynamic(&[("num.io.threads", "16")], &[]);
    assert_eq!(alter_from(&current, Scope::Broker, &[("num.io.threads", "32")]), Ok(()));
    // Taking the setting away goes back to the default, under the same rule.
    let current = dynamic(&[("num.io.threads", "32")], &[]);
    assert!(alter_from(&current, Scope::Broker, &[]).unwrap_err().contains("at least half the current value 32"));
    assert!(
        alter(Scope::Broker, &[("log.cleaner.threads", "3")])
            .unwrap_err()
            .contains("more than double the current value 1")
    );
    assert!(alter(Scope::Broker, &[("log.cleaner.threads", "0")]).unwrap_err().contains("at least 1"));
}

#[test]
fn a_stronger_layer_hides_a_change_of_the_default() {
    let current = dynamic(&[("num.io.threads", "8")], &[]);
    assert_eq!(alter_from(&current, Scope::Default, &[("num.io.threads", "100")]), Ok(()));
}

#[test]
fn what_cannot_change_here_yet_says_so() {
    let error = alter(Scope::Broker, &[("listener.name.internal.ssl.keystore.password", "s")]).unwrap_err();
    assert!(error.starts_with("listener.name.internal.ssl.keystore.password") && error.contains("Ottla"), "{error}");
    let error = alter(Scope::Broker, &[("principal.builder.class", "a.B")]).unwrap_err();
    assert!(error.starts_with("principal.builder.class is not supported yet"), "{error}");
    let stored = dynamic(&[("principal.builder.class", "a.B")], &[]).effective(&statics(&[])).unwrap();
    assert_eq!(stored.warnings.len(), 1);
    // An entry Kafka left in ZooKeeper may stay: altering another key sends the whole map.
    let key = "listener.name.internal.ssl.keystore.password";
    let current = dynamic(&[(key, "encoded")], &[]);
    assert_eq!(alter_from(&current, Scope::Broker, &[(key, "encoded"), ("num.io.threads", "9")]), Ok(()));
}

#[test]
fn unknown_dynamic_keys_are_kept() {
    assert_eq!(alter(Scope::Broker, &[("my.plugin.key", "x")]), Ok(()));
    let stored = dynamic(&[("my.plugin.key", "x")], &[]);
    assert_eq!(stored.effective(&statics(&[])).unwrap().warnings, Vec::<String>::new());
}

#[test]
fn replacing_one_layer_keeps_the_other() {
    let current = dynamic(&[("a", "1")], &[("b", "2")]);
    assert_eq!(current.with(Scope::Broker, ConfigMap::new()), dynamic(&[], &[("b", "2")]));
    assert_eq!(current.with(Scope::Default, ConfigMap::new()), dynamic(&[("a", "1")], &[]));
}

#[test]
fn listeners_come_and_go_by_name() {
    let map = ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SIDE:PLAINTEXT,TLS:SSL");
    let with = |listeners: &str| alter(Scope::Broker, &[map, ("listeners", listeners)]);
    assert_eq!(with("PLAINTEXT://:9092,SIDE://:9093"), Ok(()));
    assert!(with("PLAINTEXT://:9094").unwrap_err().contains("existing listener PLAINTEXT"));
    assert!(with("SIDE://:9093").unwrap_err().contains("must be a listener name defined in advertised.listeners"));
    assert!(
        with("PLAINTEXT://:9092,TLS://:9093").unwrap_err().starts_with("listeners=TLS://:9093 is not supported yet")
    );
    assert_eq!(
        alter(Scope::Broker, &[("listener.security.protocol.map", "PLAINTEXT:SASL_PLAINTEXT")]).unwrap_err(),
        "listeners=PLAINTEXT://:9092 is not supported yet: Ottla has no SASL_PLAINTEXT listeners: PLAINTEXT would be open"
    );
    let error = alter(Scope::Broker, &[("listener.name.plaintext.sasl.server.max.receive.size", "5")]).unwrap_err();
    assert!(error.starts_with("Configs cannot be updated dynamically for existing listener PLAINTEXT, "), "{error}");
    assert_eq!(alter(Scope::Broker, &[("listener.name.plaintext.max.connections", "5")]), Ok(()));
}

#[test]
fn a_stored_listener_that_can_not_be_opened_is_left_out() {
    let stored = dynamic(&[("listeners", "PLAINTEXT://:9092,SSL://:9093"), ("log.segment.bytes", "100")], &[]);
    let effective = stored.effective(&statics(&[])).unwrap();
    assert_eq!(effective.warnings.len(), 1, "{:?}", effective.warnings);
    assert_eq!(effective.config.listeners.len(), 1);
}

//! Start-up: layers, checks, refusals, warnings.

use ottla::config::load::{Sources, load, parse_override};
use ottla::config::{DynamicConfig, LogConfig, MetadataVersion, SecurityProtocol, not_built, properties};
use proptest::prelude::*;

use super::file;

fn refused(pairs: &[(&str, &str)]) -> String {
    load(&file(pairs)).expect_err("should not start").to_string()
}

fn warned(pairs: &[(&str, &str)]) -> Vec<String> {
    load(&file(pairs)).unwrap().warnings
}

fn strings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

#[test]
fn the_environment_beats_the_file_and_an_override_beats_both() {
    let mut sources = file(&[("num.partitions", "1"), ("broker.rack", "file"), ("log.dirs", "/file")]);
    sources.env = strings(&[("KAFKA_CFG_NUM_PARTITIONS", "2"), ("KAFKA_CFG_LOG_DIRS", "/env"), ("HOME", "/root")]);
    sources.overrides = strings(&[("num.partitions", "3"), ("num.partitions", "4")]);
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config.num_partitions, 4);
    assert_eq!(loaded.config.log_dirs, ["/env"]);
    assert_eq!(loaded.config.broker_rack.as_deref(), Some("file"));
    assert_eq!(loaded.statics.raw["num.partitions"], "4");
}

#[test]
fn keys_that_are_prefixes_of_others_do_not_overwrite_each_other() {
    let loaded =
        load(&file(&[("broker.id", "7"), ("broker.id.generation.enable", "false"), ("log.dir", "/a")])).unwrap();
    assert_eq!((loaded.config.broker_id, loaded.config.broker_id_generation_enable), (7, false));
}

#[test]
fn plain_kafka_names_count_only_when_asked_for() {
    let mut sources = file(&[]);
    sources.env = strings(&[("KAFKA_NUM_PARTITIONS", "5"), ("KAFKA_HEAP_OPTS", "-Xmx1G")]);
    assert_eq!(load(&sources).unwrap().config.num_partitions, 1);
    sources.plain_kafka_env = true;
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config.num_partitions, 5);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    sources.env.insert(0, ("KAFKA_CFG_NUM_PARTITIONS".into(), "6".into()));
    assert_eq!(load(&sources).unwrap().config.num_partitions, 6);
}

#[test]
fn environment_names_reach_capitals_underscores_and_dashes() {
    let mut sources = file(&[]);
    sources.env = strings(&[("KAFKA_CFG_ZOOKEEPER_CLIENTCNXNSOCKET", "x"), ("KAFKA_CFG_A__B___C_D", "y")]);
    let raw = load(&sources).unwrap().statics.raw;
    assert_eq!(raw["zookeeper.clientCnxnSocket"], "x");
    assert_eq!(raw["a_b-c.d"], "y");
}

#[test]
fn an_unknown_key_warns_and_is_kept() {
    let loaded = load(&file(&[("no.such.key", "1")])).unwrap();
    assert_eq!(loaded.warnings, ["no.such.key: unknown configuration, ignored"]);
    assert_eq!(loaded.statics.raw["no.such.key"], "1");
}

#[test]
fn every_bad_value_is_named() {
    let error = refused(&[("num.partitions", "0"), ("log.retention.ms", "x")]);
    assert_eq!(
        error,
        "Invalid value x for configuration log.retention.ms: Not a number of type LONG\n\
         Invalid value 0 for configuration num.partitions: Value must be at least 1"
    );
}

#[test]
fn the_stock_file_starts_and_warns_of_nothing_but_what_is_to_come() {
    let stock = "broker.id=0\nnum.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n\
        socket.receive.buffer.bytes=102400\nsocket.request.max.bytes=104857600\nlog.dirs=/tmp/kafka-logs\nnum.partitions=1\n\
        num.recovery.threads.per.data.dir=1\noffsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
        transaction.state.log.min.isr=1\nlog.retention.hours=168\nlog.retention.check.interval.ms=300000\n\
        zookeeper.connect=localhost:2181\nzookeeper.connection.timeout.ms=18000\ngroup.initial.rebalance.delay.ms=0\n";
    let sources = Sources { file: properties::parse(stock).unwrap(), ..Sources::default() };
    let loaded = load(&sources).unwrap();
    let surprising: Vec<_> = loaded.warnings.iter().filter(|w| !w.ends_with("not built yet")).collect();
    assert!(surprising.is_empty(), "{surprising:?}");
    assert_eq!(loaded.config.log, LogConfig::default());
    assert_eq!(loaded.config.broker_id, 0);
}

#[test]
fn zookeeper_connect_is_required() {
    let error = load(&Sources::default()).unwrap_err().to_string();
    assert_eq!(error, "Missing required configuration `zookeeper.connect` which has no default value.");
}

#[test]
fn what_is_not_built_refuses_by_name() {
    for (key, value) in [
        ("authorizer.class.name", "kafka.security.authorizer.AclAuthorizer"),
        ("create.topic.policy.class.name", "a.B"),
        ("remote.log.storage.system.enable", "true"),
        ("process.roles", "broker"),
        ("zookeeper.ssl.client.enable", "true"),
        ("principal.builder.class", "a.B"),
        ("delegation.token.secret.key", "s"),
        ("config.providers", "file"),
    ] {
        let error = refused(&[(key, value)]);
        assert!(error.starts_with(&format!("{key}=")) && error.contains("not supported yet"), "{error}");
    }
    assert!(!refused(&[("delegation.token.secret.key", "s3cret")]).contains("s3cret"));
    let listener = refused(&[("listeners", "PLAINTEXT://:9092,SSL://:9093")]);
    assert!(listener.starts_with("listeners=SSL://:9093 is not supported yet"), "{listener}");
}

#[test]
fn the_list_of_what_is_not_built_names_keys_that_exist() {
    assert_eq!(not_built::stale(), Vec::<&str>::new());
}

#[test]
fn refusing_values_in_their_harmless_form_start() {
    let none = Vec::<String>::new();
    assert_eq!(warned(&[("authorizer.class.name", ""), ("remote.log.storage.system.enable", "false")]), none);
}

#[test]
fn what_only_tunes_something_else_warns() {
    let warnings = warned(&[("ssl.keystore.location", "/k"), ("num.io.threads", "16"), ("super.users", "User:a")]);
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings.iter().all(|w| w.contains("no effect here")));
    let prefixed = warned(&[("listener.name.internal.ssl.keystore.location", "/k")]);
    assert_eq!(prefixed.len(), 1, "{prefixed:?}");
}

#[test]
fn broker_id_and_node_id_are_one() {
    let loaded = load(&file(&[("node.id", "4")])).unwrap();
    assert_eq!(loaded.config.broker_id, 4);
    assert_eq!(loaded.statics.raw["broker.id"], "4");
    assert!(refused(&[("node.id", "4"), ("broker.id", "5")]).contains("same value"));
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    for (pairs, why) in [
        (&[("broker.id", "1001")][..], "not greater than reserved.broker.max.id"),
        (&[("broker.id.generation.enable", "false")], "broker.id must be greater than or equal to 0"),
        (&[("replica.fetch.wait.max.ms", "30001"), ("replica.socket.timeout.ms", "40000")], "replica.lag.time.max.ms"),
        (
            &[("replica.fetch.wait.max.ms", "20000"), ("replica.socket.timeout.ms", "10000")],
            "replica.socket.timeout.ms",
        ),
        (&[("log.cleaner.dedupe.buffer.size", "1048576")], "at least 1MB per cleaner thread"),
        (&[("queued.max.request.bytes", "5")], "socket.request.max.bytes"),
        (&[("connections.max.idle.ms", "100")], "less than connections.max.idle.ms=100"),
        (&[("controller.listener.names", "C")], "controller.listener.names must be empty"),
        (&[("log.retention.ms", "0")], "log.retention.ms must be unlimited (-1) or"),
        (&[("log.roll.ms", "0")], "log.roll.ms must be"),
        (
            &[("log.cleaner.min.compaction.lag.ms", "2"), ("log.cleaner.max.compaction.lag.ms", "1")],
            "conflict topic config",
        ),
        (
            &[("inter.broker.protocol.version", "2.8"), ("log.message.format.version", "0.10.2")],
            "message format 2 only",
        ),
        (&[("group.min.session.timeout.ms", "2000000")], "group.max.session.timeout.ms"),
        (&[("log.dirs", " , ")], "At least one log directory"),
        (&[("max.connections.per.ip.overrides", "a")], "host:count"),
        (&[("max.connections.per.ip", "0")], "only if max.connections.per.ip.overrides"),
    ] {
        let error = refused(pairs);
        assert!(error.contains(why), "{pairs:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn listeners_are_read_and_advertised() {
    let config = load(&file(&[
        ("listeners", "internal://:9092,EXTERNAL://[::1]:9093"),
        ("advertised.listeners", "INTERNAL://a.b:19092"),
        ("listener.security.protocol.map", "INTERNAL:PLAINTEXT,external:plaintext"),
        ("inter.broker.listener.name", "internal"),
    ]))
    .unwrap()
    .config;
    assert_eq!(config.inter_broker_listener, "INTERNAL");
    let external = config.listener("EXTERNAL").unwrap();
    assert_eq!((external.host.as_deref(), external.port), (Some("::1"), 9093));
    assert_eq!(external.protocol, SecurityProtocol::Plaintext);
    assert_eq!(external.to_string(), "EXTERNAL://[::1]:9093");
    assert_eq!(config.advertised_listeners.len(), 1);
}

#[test]
fn bad_listeners_are_refused_in_kafkas_words() {
    for (pairs, why) in [
        (&[("listeners", "PLAINTEXT//x")][..], "Error creating broker listeners from 'PLAINTEXT//x'"),
        (&[("listeners", "PLAINTEXT://x:99999")], "Unable to parse"),
        (&[("listeners", "INTERNAL://:9092")], "No security protocol defined for listener INTERNAL"),
        (&[("listeners", "PLAINTEXT://:1,PLAINTEXT://:2")], "must have a different name"),
        (&[("listeners", "PLAINTEXT://:1,SSL://:1")], "must have a different port"),
        (&[("advertised.listeners", "PLAINTEXT://0.0.0.0:9092")], "nonroutable meta-address 0.0.0.0"),
        (
            &[("advertised.listeners", "PLAINTEXT://a:1,SSL://a:2")],
            "equal to or a subset of the ones defined in listeners",
        ),
        (&[("security.inter.broker.protocol", "SSL")], "must be a listener name defined in advertised.listeners"),
        (
            &[("inter.broker.listener.name", "PLAINTEXT"), ("security.inter.broker.protocol", "PLAINTEXT")],
            "Only one of inter.broker.listener.name and security.inter.broker.protocol",
        ),
        (&[("inter.broker.listener.name", "NOPE")], "not found in listener.security.protocol.map"),
        (&[("control.plane.listener.name", "PLAINTEXT")], "different value from the inter broker listener name"),
        (&[("listener.security.protocol.map", "A:B")], "No enum constant"),
    ] {
        let error = refused(pairs);
        assert!(error.contains(why), "{pairs:?}: {error}");
    }
}

#[test]
fn one_port_may_serve_both_ip_versions() {
    let pairs = [
        ("listeners", "A://127.0.0.1:9092,B://[::1]:9092"),
        ("listener.security.protocol.map", "A:PLAINTEXT,B:PLAINTEXT"),
        ("inter.broker.listener.name", "A"),
    ];
    assert!(load(&file(&pairs)).is_ok());
}

#[test]
fn log_times_take_the_finest_unit() {
    let log = |pairs: &[(&str, &str)]| load(&file(pairs)).unwrap().config.log;
    assert_eq!(log(&[("log.retention.hours", "2")]).retention_ms, 7_200_000);
    assert_eq!(log(&[("log.retention.hours", "2"), ("log.retention.minutes", "3")]).retention_ms, 180_000);
    assert_eq!(log(&[("log.retention.minutes", "3"), ("log.retention.ms", "4")]).retention_ms, 4);
    assert_eq!(log(&[("log.retention.hours", "-1")]).retention_ms, -1);
    assert_eq!(log(&[("log.roll.hours", "2"), ("log.roll.jitter.hours", "1")]).segment_jitter_ms, 3_600_000);
    assert_eq!(log(&[("log.flush.scheduler.interval.ms", "9")]).flush_ms, 9);
}

#[test]
fn inter_broker_versions_from_2_8_on_are_taken() {
    let config = load(&file(&[("inter.broker.protocol.version", "2.8")])).unwrap().config;
    assert!(config.inter_broker_protocol_version < MetadataVersion::V3_0_IV0);
    assert!(refused(&[("inter.broker.protocol.version", "2.7")]).contains("inter.broker.protocol.version"));
}

#[test]
fn an_override_is_a_key_and_a_value() {
    assert_eq!(parse_override("a.b=c=d").unwrap(), ("a.b".into(), "c=d".into()));
    assert!(parse_override("a").is_err() && parse_override("=a").is_err());
}

proptest! {
    #[test]
    fn any_key_passes_the_layers_unchanged(key in "[a-zA-Z0-9._\\[\\]é -]{1,20}", value in ".{0,10}") {
        prop_assume!(ottla::config::table::get_dynamic(&key).is_none());
        let loaded = load(&file(&[(&key, &value)])).unwrap();
        prop_assert_eq!(loaded.statics.raw.get(&key), Some(&value));
    }
}

#[test]
fn nothing_that_may_be_secret_is_printed() {
    let loaded = load(&file(&[
        ("ssl.keystore.password", "s3cret"),
        ("listener.name.a.plain.sasl.jaas.config", "s3cret"),
        ("my.own.password", "s3cret"),
        ("log.dirs", "/shown"),
    ]))
    .unwrap();
    let printed = format!("{loaded:?}");
    assert!(!printed.contains("s3cret") && printed.contains("/shown"), "{printed}");
    let dynamic = DynamicConfig { per_broker: loaded.statics.raw.clone(), default: loaded.statics.raw };
    assert!(!format!("{dynamic:?}").contains("s3cret"));
}

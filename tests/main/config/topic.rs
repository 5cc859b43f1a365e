//! Topic overrides: validation and resolution.

use ottla::config::topic::{broker_log_config, log_config, validate};
use ottla::config::{CompressionType, LogConfig, ThrottledReplicas, TimestampType, Values};

use super::map;

fn refused(pairs: &[(&str, &str)]) -> ottla::config::topic::TopicConfigError {
    validate(&map(pairs), &Values::default()).expect_err("should be refused")
}

#[test]
fn an_unknown_name_is_refused_in_kafkas_words() {
    let error = refused(&[("nope", "x")]);
    assert_eq!(error.to_string(), "Unknown topic config name: nope");
    assert_eq!(error.alter_message("plain"), "Unknown topic config name: nope");
    assert!(validate(&map(&[("log.retention.ms", "1")]), &Values::default()).is_err());
}

#[test]
fn a_bad_value_is_refused_in_kafkas_words() {
    let error = refused(&[("retention.ms", "x")]);
    let why = "Invalid value x for configuration retention.ms: Not a number of type LONG";
    assert_eq!(error.to_string(), why);
    assert_eq!(
        error.alter_message("plain"),
        format!("Invalid config value for resource ConfigResource(type=TOPIC, name='plain'): {why}")
    );
    assert!(refused(&[("retention.ms", "-2")]).to_string().ends_with("Value must be at least -1"));
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let why = "conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (4)";
    assert_eq!(refused(&[("min.compaction.lag.ms", "5"), ("max.compaction.lag.ms", "4")]).to_string(), why);
    // The other half may be the broker's.
    let broker = Values::parse(&map(&[("log.cleaner.max.compaction.lag.ms", "4")])).unwrap();
    assert_eq!(validate(&map(&[("min.compaction.lag.ms", "5")]), &broker).unwrap_err().to_string(), why);
}

#[test]
fn tiered_storage_is_refused() {
    assert!(refused(&[("remote.storage.enable", "true")]).to_string().starts_with("Tiered Storage functionality"));
    assert!(refused(&[("remote.log.copy.disable", "true")]).to_string().contains("under Zookeeper's mode"));
    assert!(validate(&map(&[("remote.storage.enable", "false")]), &Values::default()).is_ok());
}

#[test]
fn an_override_beats_the_broker_and_the_broker_beats_the_default() {
    let broker = Values::parse(&map(&[("log.segment.bytes", "5000"), ("log.retention.minutes", "1")])).unwrap();
    let base = broker_log_config(&broker);
    assert_eq!((base.segment_bytes, base.retention_ms), (5000, 60_000));
    let (config, warnings) = log_config(&broker, &map(&[("segment.bytes", "6000")]));
    assert_eq!(config, LogConfig { segment_bytes: 6000, ..base });
    assert!(warnings.is_empty());
}

#[test]
fn every_field_follows_its_override() {
    let overrides = map(&[
        ("cleanup.policy", "compact, delete"),
        ("compression.gzip.level", "5"),
        ("compression.lz4.level", "6"),
        ("compression.type", "zstd"),
        ("compression.zstd.level", "7"),
        ("delete.retention.ms", "8"),
        ("file.delete.delay.ms", "9"),
        ("flush.messages", "10"),
        ("flush.ms", "11"),
        ("follower.replication.throttled.replicas", "*"),
        ("index.interval.bytes", "12"),
        ("leader.replication.throttled.replicas", "0:1,2:3"),
        ("max.compaction.lag.ms", "13"),
        ("max.message.bytes", "14"),
        ("message.downconversion.enable", "false"),
        ("message.timestamp.after.max.ms", "15"),
        ("message.timestamp.before.max.ms", "16"),
        ("message.timestamp.type", "LogAppendTime"),
        ("min.cleanable.dirty.ratio", "0.25"),
        ("min.compaction.lag.ms", "3"),
        ("min.insync.replicas", "2"),
        ("preallocate", "true"),
        ("retention.bytes", "17"),
        ("retention.ms", "18"),
        ("segment.bytes", "19"),
        ("segment.index.bytes", "20"),
        ("segment.jitter.ms", "21"),
        ("segment.ms", "22"),
        ("unclean.leader.election.enable", "true"),
    ]);
    assert!(validate(&overrides, &Values::default()).is_ok());
    let (config, warnings) = log_config(&Values::default(), &overrides);
    assert!(warnings.is_empty());
    let expected = LogConfig {
        segment_bytes: 19,
        segment_ms: 22,
        segment_jitter_ms: 21,
        segment_index_bytes: 20,
        index_interval_bytes: 12,
        retention_ms: 18,
        retention_bytes: 17,
        max_message_bytes: 14,
        cleanup: ottla::config::CleanupPolicy { compact: true, delete: true },
        compression_type: CompressionType::Zstd,
        compression_gzip_level: 5,
        compression_lz4_level: 6,
        compression_zstd_level: 7,
        timestamp_type: TimestampType::LogAppendTime,
        timestamp_before_max_ms: 16,
        timestamp_after_max_ms: 15,
        file_delete_delay_ms: 9,
        flush_messages: 10,
        flush_ms: 11,
        min_compaction_lag_ms: 3,
        max_compaction_lag_ms: 13,
        min_cleanable_dirty_ratio: 0.25,
        delete_retention_ms: 8,
        preallocate: true,
        min_insync_replicas: 2,
        unclean_leader_election_enable: true,
        message_downconversion_enable: false,
        leader_throttled_replicas: ThrottledReplicas::List(vec![(0, 1), (2, 3)]),
        follower_throttled_replicas: ThrottledReplicas::All,
    };
    assert_eq!(config, expected);
    assert!(expected.leader_throttled_replicas.contains(2, 3) && !expected.leader_throttled_replicas.contains(2, 1));
    assert_eq!((expected.max_jitter_ms(), expected.max_segment_ms()), (21, 13));
}

#[test]
fn a_bad_override_in_zookeeper_leaves_the_brokers_value_and_warns() {
    let (config, warnings) = log_config(&Values::default(), &map(&[("retention.ms", "x"), ("nope", "1")]));
    assert_eq!(config, LogConfig::default());
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn the_old_timestamp_limit_moves_those_left_alone() {
    let limits = |broker: &[(&str, &str)], overrides: &[(&str, &str)]| {
        let broker = Values::parse(&map(broker)).unwrap();
        let config = log_config(&broker, &map(overrides)).0;
        (config.timestamp_before_max_ms, config.timestamp_after_max_ms)
    };
    assert_eq!(limits(&[], &[]), (i64::MAX, i64::MAX));
    assert_eq!(limits(&[], &[("message.timestamp.difference.max.ms", "5")]), (5, 5));
    let both = [("message.timestamp.difference.max.ms", "5"), ("message.timestamp.after.max.ms", "6")];
    assert_eq!(limits(&[], &both), (5, 6));
    assert_eq!(limits(&[("log.message.timestamp.difference.max.ms", "7")], &[]), (7, 7));
    assert_eq!(limits(&[("log.message.timestamp.before.max.ms", "8")], &both), (8, 6));
}

#[test]
fn an_empty_cleanup_policy_keeps_everything() {
    let overrides = map(&[("cleanup.policy", "")]);
    assert!(validate(&overrides, &Values::default()).is_ok());
    let cleanup = log_config(&Values::default(), &overrides).0.cleanup;
    assert!(!cleanup.compact && !cleanup.delete);
}

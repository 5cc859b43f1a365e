//! Topic configs: their table, validation of overrides, and the `LogConfig` of a topic (Kafka's `LogConfig`).
//!
//! `admin/` validates before it writes `/config/topics/<t>`; `cluster/` and `log/` resolve what is there. Beware: validation is strict,
//! resolution is not: an override that ZooKeeper holds but that doesn't parse is left out, with a warning, and the broker's value counts.

use super::log_config::{CleanupPolicy, CompressionType, LogConfig, ThrottledReplicas, TimestampType};
use super::table::Check::{self, Any, AtLeast, Between, GzipLevel, ListOf, OneOf, Ratio, ReleaseName};
use super::table::{COMPRESSION, Key, TIMESTAMPS, Type};
use super::value::{self, ConfigError, Value};
use super::values::{ConfigMap, Values};
use super::version::MetadataVersion;

/// A topic's key.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TopicKey {
    /// Name.
    pub name: &'static str,
    /// The broker key that holds its default; `None` for keys only topics have.
    pub broker: Option<&'static str>,
    /// Type.
    pub ty: Type,
    /// Default of a key only topics have.
    pub default: Option<&'static str>,
    /// What a value must satisfy.
    pub check: Check,
    /// One line.
    pub doc: &'static str,
}

const fn key(name: &'static str, broker: &'static str, ty: Type, check: Check, doc: &'static str) -> TopicKey {
    TopicKey { name, broker: Some(broker), ty, default: None, check, doc }
}

const fn own(name: &'static str, default: &'static str, ty: Type, check: Check, doc: &'static str) -> TopicKey {
    TopicKey { name, broker: None, ty, default: Some(default), check, doc }
}

use Type::{Bool, Double, Int, List, Long, Str};

/// Every topic key, in the order DescribeConfigs and CreateTopics list them (Java's hash order: clients see it).
#[rustfmt::skip]
pub const KEYS: &[TopicKey] = &[
    key("compression.type", "compression.type", Str, OneOf(COMPRESSION), "Codec the broker stores; `producer` keeps the producer's."),
    own("remote.log.delete.on.disable", "false", Bool, Any, "Tiered storage: delete remote data when it is disabled."),
    own("leader.replication.throttled.replicas", "", List, Check::ThrottledReplicas, "Replicas throttled on the leader: `partition:broker,...` or `*`."),
    own("remote.storage.enable", "false", Bool, Any, "Tiered storage for this topic."),
    key("message.downconversion.enable", "log.message.downconversion.enable", Bool, Any, "Answer old consumers in old formats."),
    key("min.insync.replicas", "min.insync.replicas", Int, AtLeast(1), "Replicas in sync that acks=all needs."),
    key("segment.jitter.ms", "log.roll.jitter.ms", Long, AtLeast(0), "Random time taken off `segment.ms`."),
    own("remote.log.copy.disable", "false", Bool, Any, "Tiered storage: stop copying segments away."),
    key("local.retention.ms", "log.local.retention.ms", Long, AtLeast(-2), "Time kept locally with tiered storage."),
    key("cleanup.policy", "log.cleanup.policy", List, ListOf(&["compact", "delete"]), "`delete`, `compact` or both."),
    key("flush.ms", "log.flush.interval.ms", Long, AtLeast(0), "Time after which the log is flushed."),
    own("follower.replication.throttled.replicas", "", List, Check::ThrottledReplicas, "Replicas throttled on the follower: `partition:broker,...` or `*`."),
    key("compression.lz4.level", "compression.lz4.level", Int, Between(1, 17), "LZ4 level."),
    key("segment.bytes", "log.segment.bytes", Int, AtLeast(14), "Size at which a segment rolls."),
    key("retention.ms", "log.retention.ms", Long, AtLeast(-1), "Age at which a segment is deleted; -1 never."),
    key("compression.gzip.level", "compression.gzip.level", Int, GzipLevel, "gzip level."),
    key("flush.messages", "log.flush.interval.messages", Long, AtLeast(1), "Messages after which the log is flushed."),
    key("compression.zstd.level", "compression.zstd.level", Int, Between(-131_072, 22), "Zstandard level."),
    key("message.format.version", "log.message.format.version", Str, ReleaseName, "Ignored from inter-broker version 3.0 on."),
    key("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", Long, AtLeast(1), "A record becomes compactable after this long."),
    key("file.delete.delay.ms", "log.segment.delete.delay.ms", Long, AtLeast(0), "Time between taking a segment out and removing its files."),
    key("max.message.bytes", "message.max.bytes", Int, AtLeast(0), "Largest record batch accepted."),
    key("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", Long, AtLeast(0), "A record stays uncompacted at least this long."),
    key("message.timestamp.type", "log.message.timestamp.type", Str, OneOf(TIMESTAMPS), "`CreateTime` or `LogAppendTime`."),
    key("local.retention.bytes", "log.local.retention.bytes", Long, AtLeast(-2), "Bytes kept locally with tiered storage."),
    key("preallocate", "log.preallocate", Bool, Any, "Allocate a segment's file whole."),
    key("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", Double, Ratio, "Share of dirty bytes that makes the log worth compacting."),
    key("index.interval.bytes", "log.index.interval.bytes", Int, AtLeast(0), "Bytes of log between two index entries."),
    key("unclean.leader.election.enable", "unclean.leader.election.enable", Bool, Any, "Let a replica out of the ISR lead, losing data."),
    key("retention.bytes", "log.retention.bytes", Long, Any, "Size of a partition above which old segments go; -1 is no limit."),
    key("delete.retention.ms", "log.cleaner.delete.retention.ms", Long, AtLeast(0), "How long tombstones stay."),
    key("message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", Long, AtLeast(0), "How far a record's time may lie after the broker's."),
    key("message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", Long, AtLeast(0), "How far a record's time may lie before the broker's."),
    key("segment.ms", "log.roll.ms", Long, AtLeast(1), "Age at which a segment rolls."),
    key("message.timestamp.difference.max.ms", "log.message.timestamp.difference.max.ms", Long, AtLeast(0), "Old name of the two limits; they follow it where left alone."),
    key("segment.index.bytes", "log.index.size.max.bytes", Int, AtLeast(4), "Size of an index file."),
];

/// The row of a topic key.
pub fn get(name: &str) -> Option<&'static TopicKey> {
    KEYS.iter().find(|k| k.name == name)
}

impl TopicKey {
    /// The row in the form the value parser takes.
    fn as_key(&self) -> Key {
        Key {
            name: self.name,
            ty: self.ty,
            default: self.default,
            check: self.check,
            mode: super::table::Mode::Cluster,
            internal: false,
            effect: super::table::Effect::Works,
            doc: self.doc,
        }
    }

    /// Reads and checks an override's text.
    ///
    /// # Errors
    /// Kafka's words.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        value::parse(&self.as_key(), self.name, text)
    }

    /// What the broker gives a topic without an override.
    pub fn broker_value(&self, broker: &Values) -> Value {
        match self.name {
            "segment.ms" => Value::Long(broker.log_roll_ms()),
            "segment.jitter.ms" => Value::Long(broker.log_roll_jitter_ms()),
            "retention.ms" => Value::Long(broker.log_retention_ms()),
            "flush.ms" => Value::Long(broker.log_flush_ms()),
            "message.timestamp.before.max.ms" | "message.timestamp.after.max.ms" => {
                let own = broker.long(self.broker.unwrap_or(self.name));
                Value::Long(or_difference(own, broker.long("log.message.timestamp.difference.max.ms")))
            }
            "message.format.version" => Value::Str(message_format(broker)),
            _ => match self.broker {
                Some(name) => broker.by_name(name),
                None => value::default_of(&self.as_key()),
            },
        }
    }
}

/// A limit left at its default follows the deprecated `difference`.
fn or_difference(own: i64, difference: i64) -> i64 {
    if own == i64::MAX { difference } else { own }
}

/// From inter-broker version 3.0 on the configured format version is ignored, and Kafka shows the default.
fn message_format(broker: &Values) -> String {
    let ibp = broker.str("inter.broker.protocol.version").parse().unwrap_or(MetadataVersion::LATEST);
    if ibp >= MetadataVersion::V3_0_IV1 { "3.0-IV1".into() } else { broker.str("log.message.format.version") }
}

/// An override that won't do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TopicConfigError {
    /// No such key.
    #[error("Unknown topic config name: {0}")]
    Unknown(String),
    /// A value that doesn't parse or pass its check.
    #[error(transparent)]
    Value(ConfigError),
    /// Values that don't go together, or need what is not there.
    #[error("{0}")]
    Conflict(String),
}

impl TopicConfigError {
    /// The message of an (Incremental)AlterConfigs answer for `topic`; CreateTopics sends the plain one. The code of both is
    /// INVALID_CONFIG.
    pub fn alter_message(&self, topic: &str) -> String {
        match self {
            Self::Value(e) => {
                format!("Invalid config value for resource ConfigResource(type=TOPIC, name='{topic}'): {e}")
            }
            _ => self.to_string(),
        }
    }
}

/// Checks the whole set of a topic's overrides, as it would be written, over the broker's present values.
///
/// # Errors
/// The first that won't do: unknown names, then values, then cross checks.
pub fn validate(overrides: &ConfigMap, broker: &Values) -> Result<(), TopicConfigError> {
    if let Some(name) = overrides.keys().find(|name| get(name).is_none()) {
        return Err(TopicConfigError::Unknown(name.clone()));
    }
    for (name, text) in overrides {
        if let Some(key) = get(name) {
            key.parse(text).map_err(TopicConfigError::Value)?;
        }
    }
    let flag = |name: &str| overrides.get(name).is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
    if flag("remote.storage.enable") {
        return Err(TopicConfigError::Conflict(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
                .into(),
        ));
    }
    if flag("remote.log.delete.on.disable") || flag("remote.log.copy.disable") {
        return Err(TopicConfigError::Conflict(
            "It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` under Zookeeper's mode."
                .into(),
        ));
    }
    let (config, _) = log_config(broker, overrides);
    let (min, max) = (config.min_compaction_lag_ms, config.max_compaction_lag_ms);
    if min > max {
        return Err(TopicConfigError::Conflict(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        )));
    }
    Ok(())
}

/// The values of all topic keys, in [`KEYS`]' order: the override where there is a good one, else the broker's. Second: a warning for
/// each override left out.
pub fn resolve(broker: &Values, overrides: &ConfigMap) -> (Vec<(&'static TopicKey, Value)>, Vec<String>) {
    let mut warnings: Vec<String> = overrides
        .keys()
        .filter(|name| get(name).is_none())
        .map(|name| format!("unknown topic config {name} is left alone"))
        .collect();
    let values = KEYS
        .iter()
        .map(|key| match overrides.get(key.name).map(|text| key.parse(text)) {
            Some(Ok(value)) => (key, value),
            Some(Err(e)) => {
                warnings.push(format!("{e}; the broker's value is used"));
                (key, key.broker_value(broker))
            }
            None => (key, key.broker_value(broker)),
        })
        .collect();
    (values, warnings)
}

/// The `LogConfig` of a topic with `overrides`. Second: warnings, as in [`resolve`].
pub fn log_config(broker: &Values, overrides: &ConfigMap) -> (LogConfig, Vec<String>) {
    let (values, warnings) = resolve(broker, overrides);
    let mut config = LogConfig::default();
    let mut difference = i64::MAX;
    for (key, value) in &values {
        if key.name == "message.timestamp.difference.max.ms"
            && let Value::Long(v) = value
        {
            difference = *v;
        }
        assign(&mut config, key.name, value);
    }
    config.timestamp_before_max_ms = or_difference(config.timestamp_before_max_ms, difference);
    config.timestamp_after_max_ms = or_difference(config.timestamp_after_max_ms, difference);
    (config, warnings)
}

/// The broker's own defaults for its topics.
pub fn broker_log_config(broker: &Values) -> LogConfig {
    log_config(broker, &ConfigMap::new()).0
}

/// Puts one typed value into its field; keys that no log reads (tiered storage, format version) are passed over.
fn assign(config: &mut LogConfig, name: &str, value: &Value) {
    match (name, value) {
        ("segment.bytes", Value::Int(v)) => config.segment_bytes = *v,
        ("segment.ms", Value::Long(v)) => config.segment_ms = *v,
        ("segment.jitter.ms", Value::Long(v)) => config.segment_jitter_ms = *v,
        ("segment.index.bytes", Value::Int(v)) => config.segment_index_bytes = *v,
        ("index.interval.bytes", Value::Int(v)) => config.index_interval_bytes = *v,
        ("retention.ms", Value::Long(v)) => config.retention_ms = *v,
        ("retention.bytes", Value::Long(v)) => config.retention_bytes = *v,
        ("max.message.bytes", Value::Int(v)) => config.max_message_bytes = *v,
        ("cleanup.policy", Value::List(v)) => {
            let has = |policy: &str| v.iter().any(|item| item == policy);
            config.cleanup = CleanupPolicy { compact: has("compact"), delete: has("delete") };
        }
        ("compression.type", Value::Str(v)) => {
            config.compression_type = CompressionType::from_name(v).unwrap_or_default();
        }
        ("compression.gzip.level", Value::Int(v)) => config.compression_gzip_level = *v,
        ("compression.lz4.level", Value::Int(v)) => config.compression_lz4_level = *v,
        ("compression.zstd.level", Value::Int(v)) => config.compression_zstd_level = *v,
        ("message.timestamp.type", Value::Str(v)) => {
            let append = v == TimestampType::LogAppendTime.name();
            config.timestamp_type = if append { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
        }
        ("message.timestamp.before.max.ms", Value::Long(v)) => config.timestamp_before_max_ms = *v,
        ("message.timestamp.after.max.ms", Value::Long(v)) => config.timestamp_after_max_ms = *v,
        ("file.delete.delay.ms", Value::Long(v)) => config.file_delete_delay_ms = *v,
        ("flush.messages", Value::Long(v)) => config.flush_messages = *v,
        ("flush.ms", Value::Long(v)) => config.flush_ms = *v,
        ("min.compaction.lag.ms", Value::Long(v)) => config.min_compaction_lag_ms = *v,
        ("max.compaction.lag.ms", Value::Long(v)) => config.max_compaction_lag_ms = *v,
        ("min.cleanable.dirty.ratio", Value::Double(v)) => config.min_cleanable_dirty_ratio = *v,
        ("delete.retention.ms", Value::Long(v)) => config.delete_retention_ms = *v,
        ("preallocate", Value::Bool(v)) => config.preallocate = *v,
        ("min.insync.replicas", Value::Int(v)) => config.min_insync_replicas = *v,
        ("unclean.leader.election.enable", Value::Bool(v)) => config.unclean_leader_election_enable = *v,
        ("message.downconversion.enable", Value::Bool(v)) => config.message_downconversion_enable = *v,
        ("leader.replication.throttled.replicas", Value::List(v)) => config.leader_throttled_replicas = throttled(v),
        ("follower.replication.throttled.replicas", Value::List(v)) => {
            config.follower_throttled_replicas = throttled(v);
        }
        _ => {}
    }
}

/// The list's pairs; what doesn't parse was refused before.
fn throttled(items: &[String]) -> ThrottledReplicas {
    if items.iter().any(|item| item == "*") {
        return ThrottledReplicas::All;
    }
    let pair = |item: &String| {
        let (partition, broker) = item.split_once(':')?;
        Some((partition.parse().ok()?, broker.parse().ok()?))
    };
    ThrottledReplicas::List(items.iter().filter_map(pair).collect())
}

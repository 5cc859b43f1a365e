//! What the log of one partition is told: the topic configs of Kafka's `LogConfig`, typed.
//!
//! `log/` reads a `LogConfig` and never a key; [`crate::config::topic`] resolves one from broker keys and topic overrides. Plain data:
//! sizes in bytes, times in milliseconds, names are the topic keys with underscores. `Default` is Kafka's default of every key.

use std::fmt;

/// `cleanup.policy`: both flags may be set, and with an empty list neither is: such a log keeps everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CleanupPolicy {
    /// Keep the last value of each key.
    pub compact: bool,
    /// Delete segments by age and size.
    pub delete: bool,
}

impl CleanupPolicy {
    /// Only `delete`, Kafka's default.
    pub const DELETE: Self = Self { compact: false, delete: true };
    /// Only `compact`.
    pub const COMPACT: Self = Self { compact: true, delete: false };
}

/// `compression.type` of a topic: what the broker stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CompressionType {
    /// Keep what the producer sent.
    #[default]
    Producer,
    /// No compression.
    Uncompressed,
    /// gzip, level [`LogConfig::compression_gzip_level`].
    Gzip,
    /// Snappy, which has no levels.
    Snappy,
    /// LZ4, level [`LogConfig::compression_lz4_level`].
    Lz4,
    /// Zstandard, level [`LogConfig::compression_zstd_level`].
    Zstd,
}

impl CompressionType {
    /// The value's text in Kafka's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Uncompressed => "uncompressed",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec number of a batch's attributes; `None` for [`CompressionType::Producer`].
    pub fn codec(self) -> Option<i8> {
        match self {
            Self::Producer => None,
            Self::Uncompressed => Some(0),
            Self::Gzip => Some(1),
            Self::Snappy => Some(2),
            Self::Lz4 => Some(3),
            Self::Zstd => Some(4),
        }
    }

    /// The type of a configuration text. Exact, lower case, as `BrokerCompressionType` has it.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Producer, Self::Uncompressed, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd]
            .into_iter()
            .find(|t| t.name() == name)
    }
}

/// `message.timestamp.type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TimestampType {
    /// The producer's time.
    #[default]
    CreateTime,
    /// The leader's time of the append.
    LogAppendTime,
}

impl TimestampType {
    /// The value's text in Kafka's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        }
    }
}

impl fmt::Display for TimestampType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which replicas of a topic are throttled (`leader.replication.throttled.replicas` and the follower's).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ThrottledReplicas {
    /// `*`: every replica.
    All,
    /// (partition, broker) pairs; empty means none.
    List(Vec<(i32, i32)>),
}

impl Default for ThrottledReplicas {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl ThrottledReplicas {
    /// True when the replica of `partition` on `broker` is throttled.
    pub fn contains(&self, partition: i32, broker: i32) -> bool {
        match self {
            Self::All => true,
            Self::List(pairs) => pairs.contains(&(partition, broker)),
        }
    }
}

/// The effective configuration of one topic's logs.
#[derive(Clone, PartialEq, Debug)]
pub struct LogConfig {
    /// A segment rolls before it would exceed this size.
    pub segment_bytes: i32,
    /// A segment rolls when its first batch is older than this.
    pub segment_ms: i64,
    /// A random time up to this is taken off `segment_ms`, per segment.
    pub segment_jitter_ms: i64,
    /// Size of a preallocated index file; a full index rolls the segment.
    pub segment_index_bytes: i32,
    /// Bytes of log between two index entries.
    pub index_interval_bytes: i32,
    /// Delete segments whose newest record is older; -1 keeps all.
    pub retention_ms: i64,
    /// Delete oldest segments while the log is larger; -1 keeps all.
    pub retention_bytes: i64,
    /// Largest batch accepted.
    pub max_message_bytes: i32,
    /// Delete, compact, or both.
    pub cleanup: CleanupPolicy,
    /// What the broker stores.
    pub compression_type: CompressionType,
    /// 1 to 9, or -1 for the codec's default.
    pub compression_gzip_level: i32,
    /// 1 to 17.
    pub compression_lz4_level: i32,
    /// -131072 to 22.
    pub compression_zstd_level: i32,
    /// Whose clock stamps records.
    pub timestamp_type: TimestampType,
    /// How far a record may lie before the broker's clock (CreateTime only).
    pub timestamp_before_max_ms: i64,
    /// How far a record may lie after the broker's clock (CreateTime only).
    pub timestamp_after_max_ms: i64,
    /// Time between the rename to `.deleted` and the unlink.
    pub file_delete_delay_ms: i64,
    /// fsync after this many messages; `i64::MAX` leaves it to the kernel.
    pub flush_messages: i64,
    /// fsync after this time; `i64::MAX` leaves it to the kernel.
    pub flush_ms: i64,
    /// A record stays uncompacted at least this long.
    pub min_compaction_lag_ms: i64,
    /// A record becomes compactable after this time whatever the dirty ratio.
    pub max_compaction_lag_ms: i64,
    /// Share of dirty bytes that makes a log worth cleaning, 0.0 to 1.0.
    pub min_cleanable_dirty_ratio: f64,
    /// How long tombstones stay after compaction.
    pub delete_retention_ms: i64,
    /// Allocate a segment's file at its full size.
    pub preallocate: bool,
    /// Replicas in sync that acks=all needs.
    pub min_insync_replicas: i32,
    /// May a replica out of the ISR become leader.
    pub unclean_leader_election_enable: bool,
    /// Answer old fetch versions in old message formats.
    pub message_downconversion_enable: bool,
    /// Throttled on the leader's side.
    pub leader_throttled_replicas: ThrottledReplicas,
    /// Throttled on the follower's side.
    pub follower_throttled_replicas: ThrottledReplicas,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            max_message_bytes: (1 << 20) + 12,
            cleanup: CleanupPolicy::DELETE,
            compression_type: CompressionType::Producer,
            compression_gzip_level: -1,
            compression_lz4_level: 9,
            compression_zstd_level: 3,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            delete_retention_ms: 24 * 3_600_000,
            preallocate: false,
            min_insync_replicas: 1,
            unclean_leader_election_enable: false,
            message_downconversion_enable: true,
            leader_throttled_replicas: ThrottledReplicas::default(),
            follower_throttled_replicas: ThrottledReplicas::default(),
        }
    }
}

impl LogConfig {
    /// Age at which a segment rolls, before jitter: a compacted log must roll in time for `max.compaction.lag.ms`.
    pub fn max_segment_ms(&self) -> i64 {
        match self.cleanup.compact && self.max_compaction_lag_ms > 0 {
            true => self.segment_ms.min(self.max_compaction_lag_ms),
            false => self.segment_ms,
        }
    }

    /// Largest value the jitter may take off: never more than `segment_ms`, as Kafka's `randomSegmentJitter` caps it.
    pub fn max_jitter_ms(&self) -> i64 {
        self.segment_jitter_ms.min(self.segment_ms)
    }
}

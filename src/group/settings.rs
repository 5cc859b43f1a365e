//! What the configuration says of groups (`GroupConfig`, `OffsetConfig`). Read once: none of the keys changes while the broker runs.

use std::time::Duration;

use super::types::Rules;
use crate::config::BrokerConfig;
use crate::record::Codec;

/// The settings of the coordinator.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Partitions of `__consumer_offsets` when the broker started; the configured number when there was none.
    pub partitions: i32,
    /// `group.initial.rebalance.delay.ms`, `group.max.size`.
    pub rules: Rules,
    /// `group.min.session.timeout.ms`.
    pub min_session_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_ms: i32,
    /// `offset.metadata.max.bytes`.
    pub max_metadata: usize,
    /// `offsets.commit.required.acks`.
    pub acks: i16,
    /// `offsets.commit.timeout.ms`.
    pub commit_timeout: Duration,
    /// `offsets.load.buffer.size`.
    pub load_buffer: usize,
    /// `offsets.topic.compression.codec`.
    pub codec: Codec,
    /// `offsets.retention.minutes`.
    pub retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub retention_check: Duration,
}

impl Settings {
    /// Is the note beside an offset short enough? Java counts UTF-16 units.
    pub fn admits_note(&self, note: &str) -> bool {
        note.len() <= self.max_metadata || note.encode_utf16().count() <= self.max_metadata
    }

    /// The settings in a broker's configuration; `partitions` is the size of `__consumer_offsets`, none before it is made.
    pub fn of(config: &BrokerConfig, partitions: Option<usize>) -> Self {
        let size = |value: i32| usize::try_from(value).unwrap_or(0);
        let found = partitions.and_then(|count| i32::try_from(count).ok());
        let codec = u8::try_from(config.offsets_topic_compression_codec).ok().and_then(|id| Codec::from_bits(id).ok());
        Self {
            partitions: found.unwrap_or(config.offsets_topic_num_partitions),
            rules: Rules {
                initial_delay_ms: u64::try_from(config.group_initial_rebalance_delay_ms).unwrap_or(0),
                max_size: size(config.group_max_size),
            },
            min_session_ms: config.group_min_session_timeout_ms,
            max_session_ms: config.group_max_session_timeout_ms,
            max_metadata: size(config.offset_metadata_max_bytes),
            acks: config.offsets_commit_required_acks,
            commit_timeout: super::member::ms(config.offsets_commit_timeout_ms),
            load_buffer: size(config.offsets_load_buffer_size),
            codec: codec.unwrap_or(Codec::None),
            retention: Duration::from_secs(60 * u64::try_from(config.offsets_retention_minutes).unwrap_or(0)),
            retention_check: Duration::from_millis(
                u64::try_from(config.offsets_retention_check_interval_ms).unwrap_or(1),
            ),
        }
    }
}

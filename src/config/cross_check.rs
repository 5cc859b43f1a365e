//! Settings held against each other at start-up and after a dynamic change (`KafkaConfig.validateValues`).
//!
//! Beware: texts start with `requirement failed: ` where Kafka's Scala `require` puts it there.

use super::broker_config::BrokerConfig;
use super::value::ConfigError;
use super::values::Values;
use super::version::{MetadataVersion, is_old_message_format};

/// Memory a cleaner thread needs at least for its offset map.
const MIN_DEDUPE_BYTES_PER_THREAD: i64 = 1 << 20;

/// All checks of a broker's configuration beside those of its listeners.
///
/// # Errors
/// The first that fails, in Kafka's words.
pub(in crate::config) fn broker(values: &Values, config: &BrokerConfig) -> Result<(), ConfigError> {
    identity(config)?;
    times(values, config)?;
    sizes(values, config)
}

fn require(holds: bool, why: impl Into<String>) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError(format!("requirement failed: {}", why.into()))) }
}

fn identity(config: &BrokerConfig) -> Result<(), ConfigError> {
    if config.zookeeper_connect.is_empty() {
        return Err(ConfigError(
            "Missing required configuration `zookeeper.connect` which has no default value.".into(),
        ));
    }
    if config.broker_id_generation_enable {
        require(
            (-1..=config.reserved_broker_max_id).contains(&config.broker_id),
            "broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id",
        )?;
    } else {
        require(config.broker_id >= 0, "broker.id must be greater than or equal to 0")?;
    }
    require(!config.log_dirs.is_empty(), "At least one log directory must be defined via log.dirs or log.dir.")
}

fn times(values: &Values, config: &BrokerConfig) -> Result<(), ConfigError> {
    let retention_ms = values.log_retention_ms();
    require(config.log.segment_ms >= 1, "log.roll.ms must be greater than or equal to 1")?;
    require(config.log.segment_jitter_ms >= 0, "log.roll.jitter.ms must be greater than or equal to 0")?;
    require(
        retention_ms >= 1 || retention_ms == -1,
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    )?;
    require(
        i64::from(config.replica_fetch_wait_max_ms) <= config.replica_lag_time_max_ms,
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent changes in ISR",
    )?;
    require(
        config.replica_fetch_wait_max_ms <= config.replica_socket_timeout_ms,
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket timeouts",
    )?;
    require(
        config.connections_max_idle_ms < 0
            || i64::from(config.connection_failed_authentication_delay_ms) < config.connections_max_idle_ms,
        format!(
            "connection.failed.authentication.delay.ms={} should always be less than connections.max.idle.ms={} \
             to prevent failed authentication responses from timing out",
            config.connection_failed_authentication_delay_ms, config.connections_max_idle_ms
        ),
    )?;
    let (min, max) = (config.log.min_compaction_lag_ms, config.log.max_compaction_lag_ms);
    if min > max {
        return Err(ConfigError(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        )));
    }
    Ok(())
}

fn sizes(values: &Values, config: &BrokerConfig) -> Result<(), ConfigError> {
    // A cleaner that is off needs no memory, and no threads would divide by zero.
    let threads = i64::from(config.log_cleaner_threads.max(1));
    require(
        !config.log_cleaner_enable || config.log_cleaner_dedupe_buffer_size / threads > MIN_DEDUPE_BYTES_PER_THREAD,
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    )?;
    require(
        config.queued_max_request_bytes <= 0
            || config.queued_max_request_bytes >= i64::from(config.socket_request_max_bytes),
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
    )?;
    require(
        config.max_connections_per_ip > 0 || !config.max_connections_per_ip_overrides.is_empty(),
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
    )?;
    let acks = config.offsets_commit_required_acks;
    require(
        acks >= -1 && acks <= config.offsets_topic_replication_factor,
        "offsets.commit.required.acks must be greater or equal -1 and less or equal to offsets.topic.replication.factor",
    )?;
    require(
        config.group_max_session_timeout_ms >= config.group_min_session_timeout_ms,
        "group.max.session.timeout.ms should be greater than or equal to group.min.session.timeout.ms",
    )?;
    require(
        values.str("controller.listener.names").is_empty(),
        "controller.listener.names must be empty when not running in KRaft mode: ".to_owned()
            + &values.str("controller.listener.names"),
    )?;
    if config.inter_broker_protocol_version < MetadataVersion::V3_0_IV1
        && is_old_message_format(&config.log_message_format_version)
    {
        return Err(ConfigError::value(
            "log.message.format.version",
            &config.log_message_format_version,
            "Ottla writes message format 2 only (0.11 and later)",
        ));
    }
    Ok(())
}

//! What a broker reads at run time: every key that has a reader, typed, in one plain struct.
//!
//! `broker/` builds it from the layers at start and again after each dynamic change, and hands out an `Arc`. A field is the key with
//! underscores; times in the unit of the name. The checks of settings against each other (`KafkaConfig.validateValues`) are here.

use std::collections::BTreeMap;

use super::listeners::{Listener, ListenerLimits, Listeners};
use super::log_config::LogConfig;
use super::value::ConfigError;
use super::values::Values;
use super::version::MetadataVersion;

/// Effective configuration of one broker.
#[derive(Clone, PartialEq, Debug)]
pub struct BrokerConfig {
    // identity and ZooKeeper
    /// `broker.id`. -1 asks ZooKeeper for a generated id.
    pub broker_id: i32,
    /// `broker.id.generation.enable`. Generate ids at all.
    pub broker_id_generation_enable: bool,
    /// `reserved.broker.max.id`. Generated ids lie above.
    pub reserved_broker_max_id: i32,
    /// `broker.rack`. Rack, for placement.
    pub broker_rack: Option<String>,
    /// `zookeeper.connect`. Servers and chroot, as written.
    pub zookeeper_connect: String,
    /// `zookeeper.session.timeout.ms`. Session time-out asked for.
    pub zookeeper_session_timeout_ms: i32,
    /// First connection; the session time-out when unset.
    pub zookeeper_connection_timeout_ms: i32,
    /// `zookeeper.set.acl`. Restrict znodes to the brokers.
    pub zookeeper_set_acl: bool,
    /// `zookeeper.max.in.flight.requests`. Window of pipelined requests.
    pub zookeeper_max_in_flight_requests: i32,
    /// What brokers may say to each other.
    pub inter_broker_protocol_version: MetadataVersion,
    // listeners and sockets
    /// Where to listen.
    pub listeners: Vec<Listener>,
    /// What clients are told.
    pub advertised_listeners: Vec<Listener>,
    /// Name of the listener between brokers.
    pub inter_broker_listener: String,
    /// Name of the controller's own listener.
    pub control_plane_listener: Option<String>,
    /// `socket.send.buffer.bytes`. -1: the system's.
    pub socket_send_buffer_bytes: i32,
    /// `socket.receive.buffer.bytes`. -1: the system's.
    pub socket_receive_buffer_bytes: i32,
    /// `socket.request.max.bytes`. Largest frame.
    pub socket_request_max_bytes: i32,
    /// `socket.listen.backlog.size`. Backlog of listen(2).
    pub socket_listen_backlog_size: i32,
    /// `max.connections`. All listeners together.
    pub max_connections: i32,
    /// `max.connections.per.ip`. From one address.
    pub max_connections_per_ip: i32,
    /// Other limits, by host.
    pub max_connections_per_ip_overrides: BTreeMap<String, i32>,
    /// `max.connection.creation.rate`. New connections a second.
    pub max_connection_creation_rate: i32,
    /// The two limits of each listener, by its name.
    pub listener_limits: BTreeMap<String, ListenerLimits>,
    /// `connections.max.idle.ms`. Idle connections are closed; negative never.
    pub connections_max_idle_ms: i64,
    /// `connection.failed.authentication.delay.ms`. Before closing a refused connection.
    pub connection_failed_authentication_delay_ms: i32,
    /// `queued.max.request.bytes`. -1: no limit but Ottla's own.
    pub queued_max_request_bytes: i64,
    /// `request.timeout.ms`. Requests to other brokers.
    pub request_timeout_ms: i32,
    /// `socket.connection.setup.timeout.ms`. Connecting to other brokers.
    pub socket_connection_setup_timeout_ms: i64,
    /// `socket.connection.setup.timeout.max.ms`. Its longest.
    pub socket_connection_setup_timeout_max_ms: i64,
    /// `controller.socket.timeout.ms`. Controller to broker.
    pub controller_socket_timeout_ms: i32,
    /// `ottla.admin.listener`. Host (empty: all addresses) and port of the console.
    pub admin_listener: Option<(String, u16)>,
    /// `ottla.dead.process.detect.ms`. How long a port must be refused for its process to be dead; 0: never.
    pub dead_process_detect_ms: i32,
    /// `ottla.accept.unenforced`. Starts though ZooKeeper holds what is not enforced.
    pub accept_unenforced: bool,
    // topics and requests
    /// `num.partitions`. Of a topic made without saying.
    pub num_partitions: i32,
    /// `default.replication.factor`. Of a topic made without saying.
    pub default_replication_factor: i32,
    /// `auto.create.topics.enable`. Make topics clients ask for.
    pub auto_create_topics_enable: bool,
    /// `delete.topic.enable`. Let topics be deleted.
    pub delete_topic_enable: bool,
    /// `fetch.max.bytes`. Largest fetch answer.
    pub fetch_max_bytes: i32,
    /// `max.incremental.fetch.session.cache.slots`. Fetch sessions kept.
    pub max_incremental_fetch_session_cache_slots: i32,
    /// `max.request.partition.size.limit`. Partitions of one DescribeTopicPartitions.
    pub max_request_partition_size_limit: i32,
    /// `replica.selector.class`. Who picks a consumer's replica.
    pub replica_selector_class: Option<String>,
    // stopping, leadership
    /// `controlled.shutdown.enable`. Hand over before stopping.
    pub controlled_shutdown_enable: bool,
    /// `controlled.shutdown.max.retries`. Tries.
    pub controlled_shutdown_max_retries: i32,
    /// `controlled.shutdown.retry.backoff.ms`. Between tries.
    pub controlled_shutdown_retry_backoff_ms: i64,
    /// `auto.leader.rebalance.enable`. Preferred leaders back.
    pub auto_leader_rebalance_enable: bool,
    /// `leader.imbalance.per.broker.percentage`. Borne imbalance.
    pub leader_imbalance_per_broker_percentage: i32,
    /// `leader.imbalance.check.interval.seconds`. Between checks.
    pub leader_imbalance_check_interval_seconds: i64,
    // replication
    /// `replica.lag.time.max.ms`. Out of the ISR after.
    pub replica_lag_time_max_ms: i64,
    /// `replica.socket.timeout.ms`. A fetch's answer.
    pub replica_socket_timeout_ms: i32,
    /// `replica.socket.receive.buffer.bytes`. Fetchers' connections.
    pub replica_socket_receive_buffer_bytes: i32,
    /// `replica.fetch.max.bytes`. Of a partition.
    pub replica_fetch_max_bytes: i32,
    /// `replica.fetch.wait.max.ms`. Held by the leader.
    pub replica_fetch_wait_max_ms: i32,
    /// `replica.fetch.backoff.ms`. After an error.
    pub replica_fetch_backoff_ms: i32,
    /// `replica.fetch.min.bytes`. Waited for.
    pub replica_fetch_min_bytes: i32,
    /// `replica.fetch.response.max.bytes`. Of an answer.
    pub replica_fetch_response_max_bytes: i32,
    /// `num.replica.fetchers`. Towards each broker.
    pub num_replica_fetchers: i32,
    /// `replica.high.watermark.checkpoint.interval.ms`. Between checkpoints.
    pub replica_high_watermark_checkpoint_interval_ms: i64,
    /// `leader.replication.throttled.rate`. Bytes a second; `i64::MAX` is off.
    pub leader_replication_throttled_rate: i64,
    /// `follower.replication.throttled.rate`. Bytes a second; `i64::MAX` is off.
    pub follower_replication_throttled_rate: i64,
    /// `replica.alter.log.dirs.io.max.bytes.per.second`. Bytes a second; `i64::MAX` is off.
    pub replica_alter_log_dirs_io_max_bytes_per_second: i64,
    // log
    /// Directories.
    pub log_dirs: Vec<String>,
    /// What a topic without overrides has.
    pub log: LogConfig,
    /// `num.recovery.threads.per.data.dir`. Logs opened at once.
    pub num_recovery_threads_per_data_dir: i32,
    /// Directory moves at once.
    pub num_replica_alter_log_dirs_threads: i32,
    /// `log.retention.check.interval.ms`. Between looks.
    pub log_retention_check_interval_ms: i64,
    /// `log.flush.scheduler.interval.ms`. Between looks.
    pub log_flush_scheduler_interval_ms: i64,
    /// `log.flush.offset.checkpoint.interval.ms`. Recovery points.
    pub log_flush_offset_checkpoint_interval_ms: i32,
    /// `log.flush.start.offset.checkpoint.interval.ms`. Log start offsets.
    pub log_flush_start_offset_checkpoint_interval_ms: i32,
    /// `log.initial.task.delay.ms`. Before the first background pass.
    pub log_initial_task_delay_ms: i64,
    /// `log.message.format.version`. Only below inter-broker version 3.0.
    pub log_message_format_version: String,
    /// `log.cleaner.enable`. Compact at all.
    pub log_cleaner_enable: bool,
    /// `log.cleaner.threads`. Logs compacted at once.
    pub log_cleaner_threads: i32,
    /// `log.cleaner.io.max.bytes.per.second`. Throttle.
    pub log_cleaner_io_max_bytes_per_second: f64,
    /// `log.cleaner.dedupe.buffer.size`. All threads' offset maps.
    pub log_cleaner_dedupe_buffer_size: i64,
    /// `log.cleaner.io.buffer.size`. All threads' buffers.
    pub log_cleaner_io_buffer_size: i32,
    /// `log.cleaner.io.buffer.load.factor`. Fill of a map.
    pub log_cleaner_io_buffer_load_factor: f64,
    /// `log.cleaner.backoff.ms`. When nothing to do.
    pub log_cleaner_backoff_ms: i64,
    // producer ids, groups, transactions
    /// `producer.id.expiration.ms`. Idle producers forgotten.
    pub producer_id_expiration_ms: i32,
    /// `producer.id.expiration.check.interval.ms`. Between looks.
    pub producer_id_expiration_check_interval_ms: i32,
    /// `transaction.partition.verification.enable`. Ask the coordinator first.
    pub transaction_partition_verification_enable: bool,
    /// `group.initial.rebalance.delay.ms`. A new group waits.
    pub group_initial_rebalance_delay_ms: i32,
    /// `group.min.session.timeout.ms`. Members' least.
    pub group_min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`. Members' most.
    pub group_max_session_timeout_ms: i32,
    /// `group.max.size`. Members.
    pub group_max_size: i32,
    /// `offset.metadata.max.bytes`. A commit's note.
    pub offset_metadata_max_bytes: i32,
    /// -1 but for old habits.
    pub offsets_commit_required_acks: i16,
    /// `offsets.commit.timeout.ms`. Waiting for replicas.
    pub offsets_commit_timeout_ms: i32,
    /// `offsets.load.buffer.size`. Read at once.
    pub offsets_load_buffer_size: i32,
    /// `offsets.retention.check.interval.ms`. Between looks.
    pub offsets_retention_check_interval_ms: i64,
    /// `offsets.retention.minutes`. After a group is empty.
    pub offsets_retention_minutes: i32,
    /// `offsets.topic.compression.codec`. Codec number.
    pub offsets_topic_compression_codec: i32,
    /// `offsets.topic.num.partitions`. Internal topic.
    pub offsets_topic_num_partitions: i32,
    /// Internal topic.
    pub offsets_topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`. Internal topic.
    pub offsets_topic_segment_bytes: i32,
    /// `transaction.max.timeout.ms`. Producers' most.
    pub transaction_max_timeout_ms: i32,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`. Between looks.
    pub transaction_abort_timed_out_transaction_cleanup_interval_ms: i32,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`. Between looks.
    pub transaction_remove_expired_transaction_cleanup_interval_ms: i32,
    /// `transaction.state.log.load.buffer.size`. Read at once.
    pub transaction_state_log_load_buffer_size: i32,
    /// `transaction.state.log.min.isr`. Internal topic.
    pub transaction_state_log_min_isr: i32,
    /// `transaction.state.log.num.partitions`. Internal topic.
    pub transaction_state_log_num_partitions: i32,
    /// Internal topic.
    pub transaction_state_log_replication_factor: i16,
    /// `transaction.state.log.segment.bytes`. Internal topic.
    pub transaction_state_log_segment_bytes: i32,
    /// `transactional.id.expiration.ms`. Idle ids forgotten.
    pub transactional_id_expiration_ms: i32,
    // quotas
    /// `quota.window.num`. Client quotas.
    pub quota_window_num: i32,
    /// `quota.window.size.seconds`. Client quotas.
    pub quota_window_size_seconds: i32,
    /// `replication.quota.window.num`. Replication.
    pub replication_quota_window_num: i32,
    /// `replication.quota.window.size.seconds`. Replication.
    pub replication_quota_window_size_seconds: i32,
    /// `alter.log.dirs.replication.quota.window.num`. Directory moves.
    pub alter_log_dirs_replication_quota_window_num: i32,
    /// `alter.log.dirs.replication.quota.window.size.seconds`. Directory moves.
    pub alter_log_dirs_replication_quota_window_size_seconds: i32,
    /// `controller.quota.window.num`. Mutations.
    pub controller_quota_window_num: i32,
    /// `controller.quota.window.size.seconds`. Mutations.
    pub controller_quota_window_size_seconds: i32,
}

impl Default for BrokerConfig {
    /// Kafka's defaults, `zookeeper_connect` empty.
    fn default() -> Self {
        let values = Values::default();
        Self::build(&values).unwrap_or_else(|e| unreachable!("the defaults of the table fit together: {e}"))
    }
}

impl BrokerConfig {
    /// Reads and cross-checks `values`.
    ///
    /// # Errors
    /// Settings that don't go together, in Kafka's words.
    pub fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let config = Self::build(values)?;
        super::cross_check::broker(values, &config)?;
        Ok(config)
    }

    fn build(values: &Values) -> Result<Self, ConfigError> {
        let listeners = Listeners::from_values(values)?;
        let listener_limits = listeners.limits(values);
        let log_dirs = log_dirs(values);
        let dirs = i32::try_from(log_dirs.len()).unwrap_or(i32::MAX);
        Ok(Self {
            broker_id: values.int("broker.id"),
            broker_id_generation_enable: values.bool("broker.id.generation.enable"),
            reserved_broker_max_id: values.int("reserved.broker.max.id"),
            broker_rack: values.opt_str("broker.rack"),
            zookeeper_connect: values.str("zookeeper.connect"),
            zookeeper_session_timeout_ms: values.int("zookeeper.session.timeout.ms"),
            zookeeper_connection_timeout_ms: values
                .opt_int("zookeeper.connection.timeout.ms")
                .unwrap_or_else(|| values.int("zookeeper.session.timeout.ms")),
            zookeeper_set_acl: values.bool("zookeeper.set.acl"),
            zookeeper_max_in_flight_requests: values.int("zookeeper.max.in.flight.requests"),
            inter_broker_protocol_version: values.str("inter.broker.protocol.version").parse().unwrap_or_default(),
            listeners: listeners.listeners,
            advertised_listeners: listeners.advertised,
            inter_broker_listener: listeners.inter_broker,
            control_plane_listener: listeners.control_plane,
            socket_send_buffer_bytes: values.int("socket.send.buffer.bytes"),
            socket_receive_buffer_bytes: values.int("socket.receive.buffer.bytes"),
            socket_request_max_bytes: values.int("socket.request.max.bytes"),
            socket_listen_backlog_size: values.int("socket.listen.backlog.size"),
            max_connections: values.int("max.connections"),
            max_connections_per_ip: values.int("max.connections.per.ip"),
            max_connections_per_ip_overrides: parse_overrides(values)?,
            max_connection_creation_rate: values.int("max.connection.creation.rate"),
            listener_limits,
            connections_max_idle_ms: values.long("connections.max.idle.ms"),
            connection_failed_authentication_delay_ms: values.int("connection.failed.authentication.delay.ms"),
            queued_max_request_bytes: values.long("queued.max.request.bytes"),
            request_timeout_ms: values.int("request.timeout.ms"),
            socket_connection_setup_timeout_ms: values.long("socket.connection.setup.timeout.ms"),
            socket_connection_setup_timeout_max_ms: values.long("socket.connection.setup.timeout.max.ms"),
            controller_socket_timeout_ms: values.int("controller.socket.timeout.ms"),
            admin_listener: admin_listener(values)?,
            dead_process_detect_ms: values.int("ottla.dead.process.detect.ms"),
            accept_unenforced: values.bool("ottla.accept.unenforced"),
            num_partitions: values.int("num.partitions"),
            default_replication_factor: values.int("default.replication.factor"),
            auto_create_topics_enable: values.bool("auto.create.topics.enable"),
            delete_topic_enable: values.bool("delete.topic.enable"),
            fetch_max_bytes: values.int("fetch.max.bytes"),
            max_incremental_fetch_session_cache_slots: values.int("max.incremental.fetch.session.cache.slots"),
            max_request_partition_size_limit: values.int("max.request.partition.size.limit"),
            replica_selector_class: values.opt_str("replica.selector.class"),
            controlled_shutdown_enable: values.bool("controlled.shutdown.enable"),
            controlled_shutdown_max_retries: values.int("controlled.shutdown.max.retries"),
            controlled_shutdown_retry_backoff_ms: values.long("controlled.shutdown.retry.backoff.ms"),
            auto_leader_rebalance_enable: values.bool("auto.leader.rebalance.enable"),
            leader_imbalance_per_broker_percentage: values.int("leader.imbalance.per.broker.percentage"),
            leader_imbalance_check_interval_seconds: values.long("leader.imbalance.check.interval.seconds"),
            replica_lag_time_max_ms: values.long("replica.lag.time.max.ms"),
            replica_socket_timeout_ms: values.int("replica.socket.timeout.ms"),
            replica_socket_receive_buffer_bytes: values.int("replica.socket.receive.buffer.bytes"),
            replica_fetch_max_bytes: values.int("replica.fetch.max.bytes"),
            replica_fetch_wait_max_ms: values.int("replica.fetch.wait.max.ms"),
            replica_fetch_backoff_ms: values.int("replica.fetch.backoff.ms"),
            replica_fetch_min_bytes: values.int("replica.fetch.min.bytes"),
            replica_fetch_response_max_bytes: values.int("replica.fetch.response.max.bytes"),
            num_replica_fetchers: values.int("num.replica.fetchers"),
            replica_high_watermark_checkpoint_interval_ms: values.long("replica.high.watermark.checkpoint.interval.ms"),
            leader_replication_throttled_rate: values.long("leader.replication.throttled.rate"),
            follower_replication_throttled_rate: values.long("follower.replication.throttled.rate"),
            replica_alter_log_dirs_io_max_bytes_per_second: values
                .long("replica.alter.log.dirs.io.max.bytes.per.second"),
            log_dirs,
            log: super::topic::broker_log_config(values),
            num_recovery_threads_per_data_dir: values.int("num.recovery.threads.per.data.dir"),
            num_replica_alter_log_dirs_threads: values.opt_int("num.replica.alter.log.dirs.threads").unwrap_or(dirs),
            log_retention_check_interval_ms: values.long("log.retention.check.interval.ms"),
            log_flush_scheduler_interval_ms: values.long("log.flush.scheduler.interval.ms"),
            log_flush_offset_checkpoint_interval_ms: values.int("log.flush.offset.checkpoint.interval.ms"),
            log_flush_start_offset_checkpoint_interval_ms: values.int("log.flush.start.offset.checkpoint.interval.ms"),
            log_initial_task_delay_ms: values.long("log.initial.task.delay.ms"),
            log_message_format_version: values.str("log.message.format.version"),
            log_cleaner_enable: values.bool("log.cleaner.enable"),
            log_cleaner_threads: values.int("log.cleaner.threads"),
            log_cleaner_io_max_bytes_per_second: values.double("log.cleaner.io.max.bytes.per.second"),
            log_cleaner_dedupe_buffer_size: values.long("log.cleaner.dedupe.buffer.size"),
            log_cleaner_io_buffer_size: values.int("log.cleaner.io.buffer.size"),
            log_cleaner_io_buffer_load_factor: values.double("log.cleaner.io.buffer.load.factor"),
            log_cleaner_backoff_ms: values.long("log.cleaner.backoff.ms"),
            producer_id_expiration_ms: values.int("producer.id.expiration.ms"),
            producer_id_expiration_check_interval_ms: values.int("producer.id.expiration.check.interval.ms"),
            transaction_partition_verification_enable: values.bool("transaction.partition.verification.enable"),
            group_initial_rebalance_delay_ms: values.int("group.initial.rebalance.delay.ms"),
            group_min_session_timeout_ms: values.int("group.min.session.timeout.ms"),
            group_max_session_timeout_ms: values.int("group.max.session.timeout.ms"),
            group_max_size: values.int("group.max.size"),
            offset_metadata_max_bytes: values.int("offset.metadata.max.bytes"),
            offsets_commit_required_acks: values.int("offsets.commit.required.acks") as i16,
            offsets_commit_timeout_ms: values.int("offsets.commit.timeout.ms"),
            offsets_load_buffer_size: values.int("offsets.load.buffer.size"),
            offsets_retention_check_interval_ms: values.long("offsets.retention.check.interval.ms"),
            offsets_retention_minutes: values.int("offsets.retention.minutes"),
            offsets_topic_compression_codec: values.int("offsets.topic.compression.codec"),
            offsets_topic_num_partitions: values.int("offsets.topic.num.partitions"),
            offsets_topic_replication_factor: values.int("offsets.topic.replication.factor") as i16,
            offsets_topic_segment_bytes: values.int("offsets.topic.segment.bytes"),
            transaction_max_timeout_ms: values.int("transaction.max.timeout.ms"),
            transaction_abort_timed_out_transaction_cleanup_interval_ms: values
                .int("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            transaction_remove_expired_transaction_cleanup_interval_ms: values
                .int("transaction.remove.expired.transaction.cleanup.interval.ms"),
            transaction_state_log_load_buffer_size: values.int("transaction.state.log.load.buffer.size"),
            transaction_state_log_min_isr: values.int("transaction.state.log.min.isr"),
            transaction_state_log_num_partitions: values.int("transaction.state.log.num.partitions"),
            transaction_state_log_replication_factor: values.int("transaction.state.log.replication.factor") as i16,
            transaction_state_log_segment_bytes: values.int("transaction.state.log.segment.bytes"),
            transactional_id_expiration_ms: values.int("transactional.id.expiration.ms"),
            quota_window_num: values.int("quota.window.num"),
            quota_window_size_seconds: values.int("quota.window.size.seconds"),
            replication_quota_window_num: values.int("replication.quota.window.num"),
            replication_quota_window_size_seconds: values.int("replication.quota.window.size.seconds"),
            alter_log_dirs_replication_quota_window_num: values.int("alter.log.dirs.replication.quota.window.num"),
            alter_log_dirs_replication_quota_window_size_seconds: values
                .int("alter.log.dirs.replication.quota.window.size.seconds"),
            controller_quota_window_num: values.int("controller.quota.window.num"),
            controller_quota_window_size_seconds: values.int("controller.quota.window.size.seconds"),
        })
    }

    /// The listener of a name, upper case.
    pub fn listener(&self, name: &str) -> Option<&Listener> {
        self.listeners.iter().find(|l| l.name == name)
    }
}

/// `log.dirs`, else `log.dir`.
fn log_dirs(values: &Values) -> Vec<String> {
    let text = values.opt_str("log.dirs").unwrap_or_else(|| values.str("log.dir"));
    text.split(',').map(str::trim).filter(|d| !d.is_empty()).map(str::to_owned).collect()
}

/// `max.connections.per.ip.overrides`: `host:count,...`.
fn admin_listener(values: &Values) -> Result<Option<(String, u16)>, ConfigError> {
    let name = "ottla.admin.listener";
    let text = values.str(name);
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.rsplit_once(':').and_then(|(host, port)| {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some((host.to_owned(), port.parse().ok()?))
    });
    parsed.map(Some).ok_or_else(|| ConfigError::value(name, &text, "expected host:port, for instance 127.0.0.1:9644"))
}

fn parse_overrides(values: &Values) -> Result<BTreeMap<String, i32>, ConfigError> {
    let name = "max.connections.per.ip.overrides";
    let text = values.str(name);
    let pair = |item: &str| {
        let (host, count) = item.rsplit_once(':')?;
        Some((host.trim().to_owned(), count.trim().parse().ok()?))
    };
    let bad = || ConfigError::value(name, &text, "Error parsing configuration: expected host:count,host:count");
    text.split(',').map(str::trim).filter(|i| !i.is_empty()).map(|item| pair(item).ok_or_else(bad)).collect()
}

//! What of the configuration a fetcher needs, and the request versions by `inter.broker.protocol.version`.

use std::time::Duration;

use crate::config::{BrokerConfig, MetadataVersion};

/// Settings of all fetchers of a broker, fixed at its start.
#[derive(Clone, Debug)]
pub struct FetcherSettings {
    /// `num.replica.fetchers` at the start; [`super::Fetchers::resize`] changes it.
    pub fetchers_per_leader: u32,
    /// `inter.broker.listener.name`: where leaders are asked.
    pub listener: String,
    /// `replica.fetch.wait.max.ms`.
    pub max_wait_ms: i32,
    /// `replica.fetch.min.bytes`.
    pub min_bytes: i32,
    /// `replica.fetch.response.max.bytes`.
    pub max_bytes: i32,
    /// `replica.fetch.max.bytes`.
    pub partition_max_bytes: i32,
    /// `replica.fetch.backoff.ms`: the longest pause after an error.
    pub backoff: Duration,
    /// `replica.socket.timeout.ms`.
    pub socket_timeout: Duration,
    /// `socket.connection.setup.timeout.ms`.
    pub connect_timeout: Duration,
    /// Of Fetch, when all topic ids are known.
    pub fetch_version: i16,
    /// Of ListOffsets.
    pub list_offsets_version: i16,
}

impl FetcherSettings {
    /// From the broker's configuration.
    pub fn new(config: &BrokerConfig) -> Self {
        let ms = |value: i32| Duration::from_millis(u64::try_from(value).unwrap_or(0));
        Self {
            fetchers_per_leader: u32::try_from(config.num_replica_fetchers).unwrap_or(1).max(1),
            listener: config.inter_broker_listener.clone(),
            max_wait_ms: config.replica_fetch_wait_max_ms,
            min_bytes: config.replica_fetch_min_bytes,
            max_bytes: config.replica_fetch_response_max_bytes,
            partition_max_bytes: config.replica_fetch_max_bytes,
            backoff: ms(config.replica_fetch_backoff_ms),
            socket_timeout: ms(config.replica_socket_timeout_ms),
            connect_timeout: Duration::from_millis(
                u64::try_from(config.socket_connection_setup_timeout_ms).unwrap_or(0),
            ),
            fetch_version: fetch_version(config.inter_broker_protocol_version),
            list_offsets_version: list_offsets_version(config.inter_broker_protocol_version),
        }
    }
}

/// `MetadataVersion.fetchRequestVersion`.
pub fn fetch_version(ibp: MetadataVersion) -> i16 {
    match (ibp.major, ibp.minor, ibp.iv) {
        v if v >= (3, 9, 0) => 17,
        v if v >= (3, 7, 4) => 16,
        v if v >= (3, 5, 1) => 15,
        v if v >= (3, 5, 0) => 14,
        v if v >= (3, 1, 0) => 13,
        _ => 12,
    }
}

/// `MetadataVersion.listOffsetRequestVersion`.
pub fn list_offsets_version(ibp: MetadataVersion) -> i16 {
    match (ibp.major, ibp.minor, ibp.iv) {
        v if v >= (3, 9, 0) => 9,
        v if v >= (3, 5, 0) => 8,
        v if v >= (3, 0, 1) => 7,
        _ => 6,
    }
}

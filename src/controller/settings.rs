//! What the controller is told at its start: plain values, filled by `broker/` from the configuration.

use std::time::Duration;

use crate::base::BrokerId;
use crate::client::Target;

/// Versions of the three control requests; they follow `inter.broker.protocol.version` and are never negotiated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ControlVersions {
    /// LeaderAndIsr: 7 from IBP 3.4, 6 from 3.2, 5 from 2.8.
    pub leader_and_isr: i16,
    /// UpdateMetadata: 8 from IBP 3.4, 7 from 2.8.
    pub update_metadata: i16,
    /// StopReplica: 4 from IBP 3.4, 3 from 2.6.
    pub stop_replica: i16,
}

impl Default for ControlVersions {
    /// Those of IBP 3.4 and later.
    fn default() -> Self {
        Self { leader_and_isr: 7, update_metadata: 8, stop_replica: 4 }
    }
}

impl ControlVersions {
    /// Those of an inter-broker protocol given as (major, minor); 2.8 to 3.9 are told apart.
    pub fn for_ibp(ibp: (u32, u32)) -> Self {
        match ibp {
            v if v >= (3, 4) => Self::default(),
            v if v >= (3, 2) => Self { leader_and_isr: 6, update_metadata: 7, stop_replica: 3 },
            _ => Self { leader_and_isr: 5, update_metadata: 7, stop_replica: 3 },
        }
    }
}

/// Settings of one broker's controller.
#[derive(Clone, Debug)]
pub struct ControllerSettings {
    /// This broker.
    pub broker_id: BrokerId,
    /// The listener on which the controller reaches brokers: `control.plane.listener.name`, else the inter-broker listener.
    pub listener: String,
    /// The inter-broker listener: what LeaderAndIsr tells followers about leaders.
    pub inter_broker_listener: String,
    /// Where this broker's own listener of that name is BOUND: the way to itself never goes over an advertised address.
    pub own_address: Target,
    /// Versions of the control requests.
    pub versions: ControlVersions,
    /// Topics get ids (IBP 2.8 and later).
    pub topic_ids: bool,
    /// Unclean leaders are marked as recovering (IBP 3.2 and later).
    pub leader_recovery: bool,
    /// Format of the feature znode: 2 from IBP 3.3, 1 before.
    pub feature_version: i32,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `unclean.leader.election.enable` at the start; later changes come over the handle.
    pub unclean_leader_election: bool,
    /// `min.insync.replicas` at the start; later changes come over the handle.
    pub min_insync_replicas: i32,
    /// `auto.leader.rebalance.enable`.
    pub auto_leader_rebalance: bool,
    /// `leader.imbalance.check.interval.seconds`.
    pub imbalance_check_interval: Duration,
    /// `leader.imbalance.per.broker.percentage`.
    pub imbalance_percentage: u32,
    /// How long one request to a broker may take (`request.timeout.ms`).
    pub request_timeout: Duration,
    /// How long connecting to a broker must be refused before its process is taken for dead (`ottla.dead.process.detect.ms`); zero: never.
    pub dead_process_detect: Duration,
    /// How long connecting to a broker may take (`socket.connection.setup.timeout.ms`, at most
    /// `controller.socket.timeout.ms`).
    pub connect_timeout: Duration,
}

impl ControllerSettings {
    /// Kafka's defaults for IBP 3.9.
    pub fn new(broker_id: BrokerId, listener: impl Into<String>, own_address: Target) -> Self {
        let listener = listener.into();
        Self {
            broker_id,
            inter_broker_listener: listener.clone(),
            listener,
            own_address,
            versions: ControlVersions::default(),
            topic_ids: true,
            leader_recovery: true,
            feature_version: 2,
            delete_topic_enable: true,
            unclean_leader_election: false,
            min_insync_replicas: 1,
            auto_leader_rebalance: true,
            imbalance_check_interval: Duration::from_secs(300),
            imbalance_percentage: 10,
            dead_process_detect: Duration::from_millis(300),
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(30),
        }
    }
}

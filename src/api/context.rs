//! What handlers may act on.

use std::sync::Arc;

use super::control::Applier;
use crate::admin::Admin;
use crate::base::Env;
use crate::cluster::Cluster;
use crate::config::live::LiveConfig;
use crate::config::loggers::Loggers;
use crate::controller::ControllerHandle;
use crate::group::Coordinator;
use crate::replica::Replicas;
use crate::txn;

/// The handlers' view of the broker. One, shared by all connections.
pub struct Api {
    /// Clock and randomness.
    pub env: Env,
    /// Metadata image, epochs, topic overrides.
    pub cluster: Arc<Cluster>,
    /// Hosted partitions.
    pub replicas: Arc<Replicas>,
    /// Consumer groups whose records this broker leads.
    pub groups: Arc<Coordinator>,
    /// Transactional ids whose records this broker leads.
    pub txns: Arc<txn::Coordinator>,
    /// This broker's controller, active or not.
    pub controller: ControllerHandle,
    /// Writes topics and configs to ZooKeeper.
    pub admin: Arc<Admin>,
    /// The configuration of the moment.
    pub config: Arc<LiveConfig>,
    /// Log levels, by Kafka's names of loggers.
    pub loggers: Arc<Loggers>,
    /// Puts LeaderAndIsr, UpdateMetadata and StopReplica into effect, one after the other.
    pub applier: Applier,
}

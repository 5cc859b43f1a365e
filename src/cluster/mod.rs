//! What this broker knows of the cluster: the metadata image that the controller's UpdateMetadata feeds, topic config overrides,
//! feature and broker epochs.
//!
//! Written by `api/control/apply` (the image), `broker/session` (the broker epoch) and the config watch (overrides); read by all,
//! without a lock. Nothing here asks ZooKeeper.

mod epochs;
mod image;
mod metadata;
mod overrides;
mod producer_ids;
mod update;

pub use epochs::{Epochs, StaleEpoch};
pub use image::{BrokerInfo, Endpoint, MetadataImage, NO_LEADER, PartitionInfo, TopicInfo};
pub use metadata::Metadata;
pub use overrides::{Overrides, TopicOverrides};
pub use producer_ids::{IdBlock, ProducerIds};

use crate::base::BrokerId;

/// The cluster as one broker sees it. One per broker, shared by reference.
#[derive(Debug)]
pub struct Cluster {
    /// `/cluster/id`.
    pub id: String,
    /// This broker.
    pub broker_id: BrokerId,
    /// Brokers, topics, leaders.
    pub metadata: Metadata,
    /// Broker, controller and feature epochs.
    pub epochs: Epochs,
    /// What `/config/topics` says beyond the broker's defaults.
    pub overrides: TopicOverrides,
    /// For idempotent producers.
    pub producer_ids: ProducerIds,
}

impl Cluster {
    /// An empty picture: filled by the first UpdateMetadata and by the config watch.
    pub fn new(id: String, broker_id: BrokerId) -> Self {
        Self {
            id,
            broker_id,
            metadata: Metadata::default(),
            epochs: Epochs::default(),
            overrides: TopicOverrides::default(),
            producer_ids: ProducerIds::default(),
        }
    }
}

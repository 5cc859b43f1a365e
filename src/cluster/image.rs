//! One immutable picture of the cluster: brokers, topics, partition leaders.
//!
//! A picture is replaced as a whole ([`super::Metadata`]); whoever loads one keeps a consistent view for the length of a request.
//! Iteration is in the order of names and ids, so that answers repeat.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{BrokerId, TopicId};

/// The leader of a partition without leader.
pub const NO_LEADER: BrokerId = -1;

/// Brokers, topics and leaders as the controller last told them.
#[derive(Debug, Clone, Default)]
pub struct MetadataImage {
    /// The sender of the last UpdateMetadata.
    pub controller: Option<BrokerId>,
    /// Brokers alive, each with the endpoints it advertises.
    pub brokers: Arc<BTreeMap<BrokerId, BrokerInfo>>,
    /// Topics by name. Cloning the map for an update copies pointers only.
    pub topics: BTreeMap<Arc<str>, Arc<TopicInfo>>,
    /// Names by topic id.
    pub topic_names: BTreeMap<TopicId, Arc<str>>,
}

/// A broker alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerInfo {
    /// One an advertised listener.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// Where clients of one listener reach a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Listener name, as configured.
    pub listener: String,
    /// Advertised host.
    pub host: String,
    /// Advertised port.
    pub port: i32,
    /// Kafka's number of the security protocol: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub protocol: i16,
}

/// A topic and its partitions.
#[derive(Debug, Clone, Default)]
pub struct TopicInfo {
    /// Zero when the controller gave none.
    pub id: TopicId,
    /// By partition index.
    pub partitions: BTreeMap<i32, PartitionInfo>,
}

/// The state of a partition as the controller last told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// [`NO_LEADER`] when there is none.
    pub leader: BrokerId,
    /// Grows with every election.
    pub leader_epoch: i32,
    /// Data version of the state node.
    pub partition_epoch: i32,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Replicas on dead brokers or failed directories.
    pub offline_replicas: Vec<BrokerId>,
}

impl MetadataImage {
    /// The state of one partition.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionInfo> {
        self.topics.get(topic)?.partitions.get(&partition)
    }

    /// True when the controller has told of the topic.
    pub fn contains(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// The topic of an id.
    pub fn name_of(&self, id: TopicId) -> Option<&Arc<str>> {
        self.topic_names.get(&id)
    }

    /// True when the broker is registered, as far as the controller has told.
    pub fn is_alive(&self, broker: BrokerId) -> bool {
        self.brokers.contains_key(&broker)
    }

    /// A broker's endpoint on a listener.
    pub fn endpoint(&self, broker: BrokerId, listener: &str) -> Option<&Endpoint> {
        self.brokers.get(&broker)?.endpoints.iter().find(|e| e.listener == listener)
    }
}

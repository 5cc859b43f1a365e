//! `/brokers/topics/<topic>/partitions/<p>/state`: leader, ISR and epochs of a partition. Its data version is the partition epoch.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ZnodeError, parse, print, topic};
use crate::base::{BrokerId, TopicPartition};

/// The node above all partitions of a topic.
pub fn partitions_path(topic: &str) -> String {
    format!("{}/partitions", topic::path(topic))
}

/// The node of a partition, which only holds its state.
pub fn partition_path(partition: &TopicPartition) -> String {
    format!("{}/{}", partitions_path(&partition.topic), partition.partition)
}

/// The state's node.
pub fn path(partition: &TopicPartition) -> String {
    format!("{}/state", partition_path(partition))
}

/// Who leads a partition and who is in sync.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionState {
    /// Epoch of the controller that wrote it.
    pub controller_epoch: i32,
    /// Leader; -1 for none.
    pub leader: BrokerId,
    /// Counts leaders and shrinks by the controller.
    pub leader_epoch: i32,
    /// In-sync replicas, in the writer's order.
    pub isr: Vec<BrokerId>,
    /// The leader was elected out of sync and has not finished its recovery (KIP-704).
    pub recovering: bool,
}

#[derive(Serialize, Deserialize)]
struct Json {
    controller_epoch: i32,
    leader: BrokerId,
    version: i32,
    leader_epoch: i32,
    isr: Vec<BrokerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leader_recovery_state: Option<i8>,
}

impl PartitionState {
    /// The node's data.
    pub fn encode(&self) -> Bytes {
        print(&Json {
            controller_epoch: self.controller_epoch,
            leader: self.leader,
            version: 1,
            leader_epoch: self.leader_epoch,
            isr: self.isr.clone(),
            leader_recovery_state: self.recovering.then_some(1),
        })
    }

    /// Reads the node of `partition`.
    ///
    /// # Errors
    /// When it is not that JSON.
    pub fn decode(partition: &TopicPartition, data: &[u8]) -> Result<Self, ZnodeError> {
        let json: Json = parse(&path(partition), data)?;
        Ok(Self {
            controller_epoch: json.controller_epoch,
            leader: json.leader,
            leader_epoch: json.leader_epoch,
            isr: json.isr,
            recovering: json.leader_recovery_state == Some(1),
        })
    }
}

//! `/admin/reassign_partitions`: reassignments asked for by old tools; reassignments through the API (KIP-455) never come here.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ZnodeError, parse, print};
use crate::base::{BrokerId, TopicPartition};

/// The node.
pub const PATH: &str = "/admin/reassign_partitions";

#[derive(Serialize, Deserialize)]
struct Json {
    version: i32,
    partitions: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    topic: String,
    partition: i32,
    replicas: Vec<BrokerId>,
}

/// Reads the targets, in the order of the node.
///
/// # Errors
/// When it is not that JSON.
pub fn decode(data: &[u8]) -> Result<Vec<(TopicPartition, Vec<BrokerId>)>, ZnodeError> {
    let json: Json = parse(PATH, data)?;
    Ok(json.partitions.into_iter().map(|e| (TopicPartition::new(e.topic, e.partition), e.replicas)).collect())
}

/// The node's data.
pub fn encode(targets: &[(TopicPartition, Vec<BrokerId>)]) -> Bytes {
    let entry = |(p, replicas): &(TopicPartition, Vec<BrokerId>)| Entry {
        topic: p.topic.to_string(),
        partition: p.partition,
        replicas: replicas.clone(),
    };
    print(&Json { version: 1, partitions: targets.iter().map(entry).collect() })
}

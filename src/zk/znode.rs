//! One file per znode: its path, and the codec of its data. Pure; `zk::store` and the tools call it.
//!
//! Written text is what Kafka 3.9.2 writes, key for key (`zk-layout/` has the samples; the tests hold the codecs to them). Read is what any
//! Kafka since 0.8 wrote: any key order, older versions, unknown keys. Null and empty data are the same. Bad text is an error that names
//! the node, never a panic.

pub mod acl;
pub mod broker_ids;
pub mod cluster_id;
pub mod config;
pub mod config_change;
pub mod consumer_offsets;
pub mod controller;
pub mod controller_epoch;
pub mod delete_topics;
pub mod feature;
pub mod isr_change;
pub mod log_dir_event;
pub mod migration;
pub mod partition_state;
pub mod preferred_election;
pub mod producer_ids;
pub mod reassign;
pub mod sanitize;
pub mod seqid;
pub mod tokens;
pub mod topic;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A znode whose data can't be understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("znode {path}: {why}: {data:?}")]
pub struct ZnodeError {
    /// The node.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
    /// The start of its data.
    pub data: String,
}

/// As much of bad data as belongs into a message.
const SHOWN_BYTES: usize = 200;

impl ZnodeError {
    pub(super) fn new(path: &str, why: impl Into<String>, data: &[u8]) -> Self {
        let shown = data.get(..SHOWN_BYTES).unwrap_or(data);
        Self { path: path.into(), why: why.into(), data: String::from_utf8_lossy(shown).into_owned() }
    }
}

/// Nodes that Kafka makes at every broker start (`ZkData.PersistentZkPaths`), all without data.
pub const TOP_LEVEL_PATHS: [&str; 14] = [
    consumer_offsets::PATH,
    broker_ids::PATH,
    topic::PATH,
    config_change::PATH,
    delete_topics::PATH,
    seqid::PATH,
    isr_change::PATH,
    producer_ids::PATH,
    log_dir_event::PATH,
    "/config/topics",
    "/config/clients",
    "/config/users",
    "/config/brokers",
    "/config/ips",
];

fn parse<T: DeserializeOwned>(path: &str, data: &[u8]) -> Result<T, ZnodeError> {
    serde_json::from_slice(data).map_err(|error| ZnodeError::new(path, error.to_string(), data))
}

/// Our own structs always print: string keys, no floats.
fn print<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_default()
}

fn parse_text<T: std::str::FromStr>(path: &str, what: &str, data: &[u8]) -> Result<T, ZnodeError> {
    let text = std::str::from_utf8(data).ok().map(str::trim);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| ZnodeError::new(path, format!("not {what}"), data))
}

/// The number behind a sequential node's name, for instance 12 of `config_change_0000000012`.
pub fn sequence(prefix: &str, name: &str) -> Option<i64> {
    name.strip_prefix(prefix)?.parse().ok()
}

/// A topic's partition, as several nodes list them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct TopicAndPartition {
    topic: String,
    partition: i32,
}

/// `{"version":1,"partitions":[{"topic":"t","partition":0}]}`: what `/admin/preferred_replica_election` and the ISR changes hold.
#[derive(serde::Serialize, serde::Deserialize)]
struct PartitionList {
    version: i32,
    partitions: Vec<TopicAndPartition>,
}

fn parse_partitions(path: &str, data: &[u8]) -> Result<Vec<crate::base::TopicPartition>, ZnodeError> {
    let list: PartitionList = parse(path, data)?;
    Ok(list.partitions.into_iter().map(|p| crate::base::TopicPartition::new(p.topic, p.partition)).collect())
}

fn print_partitions(partitions: &[crate::base::TopicPartition]) -> Bytes {
    let partitions =
        partitions.iter().map(|p| TopicAndPartition { topic: p.topic.to_string(), partition: p.partition }).collect();
    print(&PartitionList { version: 1, partitions })
}

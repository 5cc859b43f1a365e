//! Requests that the cells need, and what ZooKeeper says of topics.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::alter_partition_reassignments_request::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::elect_leaders_request::{ElectLeadersRequest, TopicPartitions};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};

use crate::harness::raw::{self, Connection, at, topic_name};
use crate::harness::tree;

const PREFERRED: i8 = 0;

fn metadata(address: &str) -> MetadataResponse {
    Connection::to(address).call(&MetadataRequest::default().with_topics(Some(Vec::new())), 7)
}

/// The controller that a broker knows.
pub fn controller(address: &str) -> i32 {
    metadata(address).controller_id.0
}

/// The brokers that a broker knows.
pub fn live_brokers(address: &str) -> BTreeSet<i32> {
    metadata(address).brokers.into_iter().map(|broker| broker.node_id.0).collect()
}

/// Has the controller elect the preferred leader of partition 0: the error code.
pub fn elect(controller: &str, topic: &str) -> i16 {
    let of = TopicPartitions::default().with_topic(topic_name(topic)).with_partitions(vec![0]);
    let request = ElectLeadersRequest::default()
        .with_election_type(PREFERRED)
        .with_topic_partitions(Some(vec![of]))
        .with_timeout_ms(3000); // a Java controller can miss the end of an election and answer only then
    let response = Connection::to(controller).call(&request, 2);
    response.replica_election_results[0].partition_result[0].error_code
}

/// Has the controller move partition 0 to these replicas: the error code.
pub fn reassign(controller: &str, topic: &str, replicas: &[i32]) -> i16 {
    let replicas = replicas.iter().map(|id| BrokerId(*id)).collect();
    let partition = ReassignablePartition::default().with_partition_index(0).with_replicas(Some(replicas));
    let topic = ReassignableTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let response = Connection::to(controller)
        .call(&AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]).with_timeout_ms(20_000), 0);
    match response.error_code {
        0 => response.responses[0].partitions[0].error_code,
        code => code,
    }
}

/// The replicas of a topic's partitions, as `/brokers/topics/T` has them: during a move all that take part.
pub fn assignment(connect: &str, topic: &str) -> BTreeMap<i32, Vec<i32>> {
    let text = tree::get(connect, &format!("/brokers/topics/{topic}")).unwrap_or_default();
    let node: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let id = |id: &serde_json::Value| id.as_i64().and_then(|id| i32::try_from(id).ok());
    let partitions = node["partitions"].as_object().into_iter().flatten();
    let ids = |value: &serde_json::Value| value.as_array().into_iter().flatten().filter_map(id).collect();
    partitions.map(|(index, replicas)| (index.parse().expect("a number"), ids(replicas))).collect()
}

/// A move of partition 0 is over: these are its replicas, and no more come or go.
pub fn is_moved(connect: &str, topic: &str, replicas: &[i32]) -> bool {
    let text = tree::get(connect, &format!("/brokers/topics/{topic}")).unwrap_or_default();
    let node: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let moving = ["adding_replicas", "removing_replicas"]
        .iter()
        .any(|key| node[*key].as_object().is_some_and(|partitions| !partitions.is_empty()));
    !moving && assignment(connect, topic).get(&0).is_some_and(|now| now == replicas)
}

/// A batch of a producer with sequences.
pub fn sequenced(values: &[&str], producer: i64, sequence: i32) -> Vec<u8> {
    let mut batch = raw::batch(values);
    let mut fields = producer.to_be_bytes().to_vec();
    fields.extend(0i16.to_be_bytes()); // its epoch
    fields.extend(sequence.to_be_bytes());
    batch[at::PRODUCER..at::PRODUCER + fields.len()].copy_from_slice(&fields);
    raw::with_right_crc(batch)
}

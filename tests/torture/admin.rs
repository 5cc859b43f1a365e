//! What is asked of the controller by way of the protocol. Each call asks once, and is none where nobody answers.

use std::time::Duration;

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopicConfig;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    ElectLeadersRequest, MetadataRequest, OffsetForLeaderEpochRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};

use crate::harness::raw;
use crate::history::Outcome;
use crate::topics::Topic;

/// Longest wait for an answer; what is asked for is given a little less.
const ANSWER: Duration = Duration::from_secs(15);
const TIMEOUT_MS: i32 = 12_000;

/// The cluster, as one who knows all brokers' addresses finds its controller.
#[derive(Clone)]
pub struct Admin {
    /// Of the brokers.
    pub addresses: Vec<String>,
}

/// How something ended that the controller answered with this code, or not at all.
pub fn outcome(code: Option<i16>) -> Outcome {
    match code {
        Some(0) => Outcome::Ok,
        Some(code) => Outcome::Unknown(format!("error code {code}").into()),
        None => Outcome::Unknown("no answer".into()),
    }
}

impl Admin {
    fn ask<R: Request>(&self, request: &R, version: i16) -> Option<R::Response> {
        let controller = self.addresses.iter().find_map(|broker| controller(broker))?;
        raw::Connection::within(&controller, ANSWER).ok()?.try_call(request, version).ok()
    }

    /// Makes a topic with three replicas.
    pub fn create(&self, topic: &Topic, configs: &[(&str, &str)]) -> Option<i16> {
        let text = |s: &str| StrBytes::from_string(s.into());
        let config = |(key, value): &(&str, &str)| {
            CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
        };
        let wanted = raw::new_topic(&topic.name, topic.partitions.into())
            .with_replication_factor(3)
            .with_configs(configs.iter().map(config).collect());
        let request = CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(TIMEOUT_MS);
        Some(self.ask(&request, 5)?.topics.first()?.error_code)
    }

    /// Gives a topic more partitions.
    pub fn grow(&self, topic: &str, partitions: u16) -> Option<i16> {
        let wanted = CreatePartitionsTopic::default()
            .with_name(raw::topic_name(topic))
            .with_count(partitions.into())
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![wanted]).with_timeout_ms(TIMEOUT_MS);
        Some(self.ask(&request, 1)?.results.first()?.error_code)
    }

    /// Deletes a topic.
    pub fn delete(&self, topic: &str) -> Option<i16> {
        let request =
            DeleteTopicsRequest::default().with_topic_names(vec![raw::topic_name(topic)]).with_timeout_ms(TIMEOUT_MS);
        Some(self.ask(&request, 3)?.responses.first()?.error_code)
    }

    /// Moves a partition to these replicas, the first of them preferred.
    pub fn reassign(&self, topic: &str, partition: u16, replicas: &[i32]) -> Option<i16> {
        let wanted = ReassignablePartition::default()
            .with_partition_index(partition.into())
            .with_replicas(Some(replicas.iter().copied().map(BrokerId).collect()));
        let wanted = ReassignableTopic::default().with_name(raw::topic_name(topic)).with_partitions(vec![wanted]);
        let request =
            AlterPartitionReassignmentsRequest::default().with_topics(vec![wanted]).with_timeout_ms(TIMEOUT_MS);
        let answer = self.ask(&request, 0)?;
        match answer.error_code {
            0 => Some(answer.responses.first()?.partitions.first()?.error_code),
            code => Some(code),
        }
    }

    /// Has the preferred replica of a partition elected, or whoever lives.
    pub fn elect(&self, topic: &str, partition: u16, unclean: bool) -> Option<i16> {
        let wanted =
            TopicPartitions::default().with_topic(raw::topic_name(topic)).with_partitions(vec![partition.into()]);
        let request = ElectLeadersRequest::default()
            .with_election_type(i8::from(unclean))
            .with_topic_partitions(Some(vec![wanted]))
            .with_timeout_ms(TIMEOUT_MS);
        let answer = self.ask(&request, 1)?;
        match answer.error_code {
            0 => Some(answer.replica_election_results.first()?.partition_result.first()?.error_code),
            code => Some(code),
        }
    }

    /// The highest epoch up to this one in the log of a partition's leader, and where it ends there.
    pub fn epoch_end(&self, broker: i32, topic: &str, partition: u16, epoch: i32) -> Option<(i32, i64)> {
        let wanted = OffsetForLeaderPartition::default()
            .with_partition(partition.into())
            .with_current_leader_epoch(-1)
            .with_leader_epoch(epoch);
        let wanted = OffsetForLeaderTopic::default().with_topic(raw::topic_name(topic)).with_partitions(vec![wanted]);
        let request = OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![wanted]);
        let address = self.addresses.get(usize::try_from(broker).ok()?)?;
        let answer = raw::Connection::within(address, ANSWER).ok()?.try_call(&request, 3).ok()?;
        let partition = answer.topics.first()?.partitions.first()?;
        (partition.error_code == 0 && partition.end_offset >= 0)
            .then_some((partition.leader_epoch, partition.end_offset))
    }
}

/// The address of the controller, as this broker has it.
fn controller(broker: &str) -> Option<String> {
    let request = MetadataRequest::default().with_topics(Some(Vec::new()));
    let answer = raw::Connection::within(broker, Duration::from_secs(1)).ok()?.try_call(&request, 7).ok()?;
    let found = answer.brokers.iter().find(|b| b.node_id == answer.controller_id)?;
    Some(format!("{}:{}", found.host, found.port))
}

//! Creating, deleting and growing topics. All of it is the controller's to answer.

use std::collections::BTreeMap;

use super::{AdminClient, To, all, checked, not_controller};
use crate::base::{BrokerId, TopicId};
use crate::tools::java::Exception;
use crate::wire::{
    ApiKey, CreatePartitionsRequest, CreatePartitionsRequestAssignment, CreatePartitionsRequestTopic,
    CreateTopicsRequest, CreateTopicsRequestConfig, CreateTopicsRequestReplicaAssignment, CreateTopicsRequestTopic,
    DeleteTopicsRequest, DeleteTopicsRequestTopic, Str,
};

/// A topic to create.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTopic {
    /// Name.
    pub name: String,
    /// `None` for the broker's default.
    pub partitions: Option<i32>,
    /// `None` for the broker's default.
    pub replication_factor: Option<i16>,
    /// Brokers of each partition; empty to let the controller place them.
    pub assignment: Vec<Vec<BrokerId>>,
    /// Overrides.
    pub configs: BTreeMap<String, String>,
}

/// A topic to grow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPartitions {
    /// Name.
    pub topic: String,
    /// How many it shall have in all.
    pub total: i32,
    /// Brokers of each new partition; `None` to let the controller place them.
    pub assignment: Option<Vec<Vec<BrokerId>>>,
}

impl AdminClient {
    /// Creates a topic; returns when the controller has answered, which is when it has leaders.
    ///
    /// # Errors
    /// The broker's.
    pub async fn create_topic(&mut self, topic: &NewTopic) -> Result<(), Exception> {
        // Version 4 is the first that leaves the counts to the broker.
        let defaults =
            topic.assignment.is_empty() && (topic.partitions.is_none() || topic.replication_factor.is_none());
        let assigned = |(partition, brokers): (i32, &Vec<BrokerId>)| CreateTopicsRequestReplicaAssignment {
            partition_index: partition,
            broker_ids: brokers.clone(),
        };
        let wire = CreateTopicsRequestTopic {
            name: Str::from(&topic.name),
            num_partitions: topic.partitions.filter(|_| topic.assignment.is_empty()).unwrap_or(-1),
            replication_factor: topic.replication_factor.filter(|_| topic.assignment.is_empty()).unwrap_or(-1),
            assignments: (0..).zip(&topic.assignment).map(assigned).collect(),
            configs: topic
                .configs
                .iter()
                .map(|(name, value)| CreateTopicsRequestConfig { name: name.into(), value: Some(value.into()) })
                .collect(),
        };
        let build =
            |_, timeout_ms| CreateTopicsRequest { topics: vec![wire.clone()], timeout_ms, validate_only: false };
        let ours = if defaults { 4 } else { 0 }..=ApiKey::CreateTopics.max_version();
        let again = |r: &crate::wire::CreateTopicsResponse| r.topics.iter().find_map(|t| not_controller(t.error_code));
        let answer = self.call("createTopics", To::Controller, ours, build, again).await?;
        match answer.topics.iter().find(|t| t.name == *topic.name) {
            Some(result) => checked(result.error_code, result.error_message.as_deref()),
            None => Err(missing(&topic.name)),
        }
    }

    /// Deletes topics.
    ///
    /// # Errors
    /// The first the broker gives.
    pub async fn delete_topics(&mut self, names: &[String]) -> Result<(), Exception> {
        if names.is_empty() {
            return Ok(());
        }
        let topic = |n: &String| DeleteTopicsRequestTopic { name: Some(n.into()), topic_id: TopicId::ZERO };
        let build = |version, timeout_ms| DeleteTopicsRequest {
            topics: if version >= 6 { names.iter().map(topic).collect() } else { Vec::new() },
            topic_names: names.iter().map(Str::from).collect(),
            timeout_ms,
        };
        let again =
            |r: &crate::wire::DeleteTopicsResponse| r.responses.iter().find_map(|t| not_controller(t.error_code));
        let answer = self.call("deleteTopics", To::Controller, all(ApiKey::DeleteTopics), build, again).await?;
        answer.responses.iter().try_for_each(|t| checked(t.error_code, t.error_message.as_deref()))
    }

    /// Adds partitions to topics.
    ///
    /// # Errors
    /// The first the broker gives.
    pub async fn create_partitions(&mut self, topics: &[NewPartitions]) -> Result<(), Exception> {
        let placed = |brokers: &Vec<BrokerId>| CreatePartitionsRequestAssignment { broker_ids: brokers.clone() };
        let topic = |t: &NewPartitions| CreatePartitionsRequestTopic {
            name: Str::from(&t.topic),
            count: t.total,
            assignments: t.assignment.as_ref().map(|all| all.iter().map(placed).collect()),
        };
        let build = |_, timeout_ms| CreatePartitionsRequest {
            topics: topics.iter().map(topic).collect(),
            timeout_ms,
            validate_only: false,
        };
        let again =
            |r: &crate::wire::CreatePartitionsResponse| r.results.iter().find_map(|t| not_controller(t.error_code));
        let answer = self.call("createPartitions", To::Controller, all(ApiKey::CreatePartitions), build, again).await?;
        answer.results.iter().try_for_each(|t| checked(t.error_code, t.error_message.as_deref()))
    }
}

fn missing(topic: &str) -> Exception {
    Exception::new(
        "org.apache.kafka.common.errors.ApiException",
        format!("The server response did not contain a result for topic {topic}"),
    )
}

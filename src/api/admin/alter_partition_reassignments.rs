//! AlterPartitionReassignments (0): the controller starts, replaces or cancels moves of partitions (KIP-455).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::NOT_THE_CONTROLLER;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::{BrokerId, ErrorCode, TopicPartition};
use crate::controller::ApiError;
use crate::wire::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    AlterPartitionReassignmentsResponsePartition, AlterPartitionReassignmentsResponseTopic,
};

/// What was asked of each partition: its new replicas, or none to cancel the move under way.
type Targets = BTreeMap<TopicPartition, Option<Vec<BrokerId>>>;

/// Answers when the moves have begun: they are in ZooKeeper, and the brokers are being told.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: AlterPartitionReassignmentsRequest = request.decode()?;
    let replier = request.replier();
    let (controller, targets) = (api.controller.clone(), targets(asked));
    Ok(Outcome::later(async move { replier.reply(&answer(controller.alter_reassignments(targets).await)) }))
}

/// Of a partition that is named twice the last word counts, as in Kafka.
fn targets(asked: AlterPartitionReassignmentsRequest) -> Targets {
    let mut targets = Targets::new();
    for topic in asked.topics {
        let name: Arc<str> = (&topic.name).into();
        for partition in topic.partitions {
            let of = TopicPartition { topic: name.clone(), partition: partition.partition_index };
            targets.insert(of, partition.replicas);
        }
    }
    targets
}

/// The answer, in the order of the names.
pub fn answer(
    started: Result<BTreeMap<TopicPartition, Result<(), ApiError>>, ErrorCode>,
) -> AlterPartitionReassignmentsResponse {
    let started = match started {
        Ok(started) => started,
        Err(code) => {
            let error_message = (code == ErrorCode::NotController).then_some(NOT_THE_CONTROLLER);
            return AlterPartitionReassignmentsResponse {
                error_code: code.code(),
                error_message,
                ..Default::default()
            };
        }
    };
    let mut responses: Vec<AlterPartitionReassignmentsResponseTopic> = Vec::new();
    for (name, result) in started {
        let error = result.err();
        let partition = AlterPartitionReassignmentsResponsePartition {
            partition_index: name.partition,
            error_code: error.as_ref().map_or(0, |error| error.code.code()),
            error_message: error.and_then(|error| error.message).map(Into::into),
        };
        match responses.last_mut() {
            Some(topic) if *topic.name == *name.topic => topic.partitions.push(partition),
            _ => responses.push(AlterPartitionReassignmentsResponseTopic {
                name: (&name.topic).into(),
                partitions: vec![partition],
            }),
        }
    }
    AlterPartitionReassignmentsResponse { responses, ..Default::default() }
}

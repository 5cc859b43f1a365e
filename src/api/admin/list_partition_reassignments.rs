//! ListPartitionReassignments (0): the moves of partitions that are under way, as the controller knows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::NOT_THE_CONTROLLER;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::{ErrorCode, TopicPartition};
use crate::controller::assignment::ReplicaAssignment;
use crate::wire::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, ListPartitionReassignmentsResponsePartition,
    ListPartitionReassignmentsResponseTopic,
};

/// Answers when the controller has looked; null topics mean all. A partition that is not moved is left out.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: ListPartitionReassignmentsRequest = request.decode()?;
    let replier = request.replier();
    let partitions = asked.topics.map(|topics| {
        let mut partitions = Vec::new();
        for topic in topics {
            let name: Arc<str> = (&topic.name).into();
            let of = |index: i32| TopicPartition { topic: name.clone(), partition: index };
            partitions.extend(topic.partition_indexes.into_iter().map(of));
        }
        partitions
    });
    let controller = api.controller.clone();
    Ok(Outcome::later(async move { replier.reply(&answer(controller.list_reassignments(partitions).await)) }))
}

/// The answer, in the order of the names.
pub fn answer(
    moving: Result<BTreeMap<TopicPartition, ReplicaAssignment>, ErrorCode>,
) -> ListPartitionReassignmentsResponse {
    let moving = match moving {
        Ok(moving) => moving,
        Err(code) => {
            let error_message = (code == ErrorCode::NotController).then_some(NOT_THE_CONTROLLER);
            return ListPartitionReassignmentsResponse { error_code: code.code(), error_message, ..Default::default() };
        }
    };
    let mut topics: Vec<ListPartitionReassignmentsResponseTopic> = Vec::new();
    for (name, assignment) in moving {
        let partition = ListPartitionReassignmentsResponsePartition {
            partition_index: name.partition,
            replicas: assignment.replicas,
            adding_replicas: assignment.adding,
            removing_replicas: assignment.removing,
        };
        match topics.last_mut() {
            Some(topic) if *topic.name == *name.topic => topic.partitions.push(partition),
            _ => topics.push(ListPartitionReassignmentsResponseTopic {
                name: (&name.topic).into(),
                partitions: vec![partition],
            }),
        }
    }
    ListPartitionReassignmentsResponse { topics, ..Default::default() }
}

//! AlterPartition (0-3): a leader proposes a new ISR to the controller (KIP-497).

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::controller::{AlterPartition, TopicRef};
use crate::wire::{
    AlterPartitionRequest, AlterPartitionRequestPartition, AlterPartitionResponse, AlterPartitionResponsePartition,
    AlterPartitionResponseTopic,
};

/// Topics are named by id from here on.
const FIRST_TOPIC_ID_VERSION: i16 = 2;
/// The ISR comes with broker epochs from here on.
const FIRST_EPOCHS_VERSION: i16 = 3;
/// `leader_recovery_state` after an unclean election.
const RECOVERING: i8 = 1;

/// Answers after the ZooKeeper write.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: AlterPartitionRequest = request.decode()?;
    let mut partitions = Vec::new();
    for topic in &asked.topics {
        let name = if version >= FIRST_TOPIC_ID_VERSION {
            TopicRef::Id(topic.topic_id)
        } else {
            TopicRef::Name((&topic.topic_name).into())
        };
        partitions.extend(topic.partitions.iter().map(|p| alteration(name.clone(), p, version)));
    }
    let altered = api.controller.alter_partition(asked.broker_id, asked.broker_epoch, version, partitions).await;
    let altered = match altered {
        Ok(altered) => altered,
        Err(code) => {
            return Ok(request
                .replier()
                .reply(&AlterPartitionResponse { error_code: code.code(), ..Default::default() }));
        }
    };
    let mut answer = AlterPartitionResponse::default();
    for one in altered {
        let partition = match one.result {
            Ok(state) => AlterPartitionResponsePartition {
                partition_index: one.partition,
                leader_id: state.leader,
                leader_epoch: state.leader_epoch,
                isr: state.isr,
                leader_recovery_state: if state.recovering { RECOVERING } else { 0 },
                partition_epoch: state.partition_epoch,
                ..Default::default()
            },
            Err(code) => AlterPartitionResponsePartition {
                partition_index: one.partition,
                error_code: code.code(),
                ..Default::default()
            },
        };
        let (name, id) = match &one.topic {
            TopicRef::Name(name) => ((&**name).into(), Default::default()),
            TopicRef::Id(id) => (crate::wire::Str::EMPTY, *id),
        };
        match answer.topics.last_mut() {
            Some(topic) if topic.topic_name == name && topic.topic_id == id => topic.partitions.push(partition),
            _ => answer.topics.push(AlterPartitionResponseTopic {
                topic_name: name,
                topic_id: id,
                partitions: vec![partition],
            }),
        }
    }
    Ok(request.replier().reply(&answer))
}

fn alteration(topic: TopicRef, asked: &AlterPartitionRequestPartition, version: i16) -> AlterPartition {
    let isr = if version >= FIRST_EPOCHS_VERSION {
        asked.new_isr_with_epochs.iter().map(|member| member.broker_id).collect()
    } else {
        asked.new_isr.clone()
    };
    AlterPartition {
        topic,
        partition: asked.partition_index,
        leader_epoch: asked.leader_epoch,
        isr,
        recovering: asked.leader_recovery_state == RECOVERING,
        partition_epoch: asked.partition_epoch,
    }
}

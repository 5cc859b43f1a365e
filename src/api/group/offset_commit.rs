//! OffsetCommit (0-9): writes offsets of a group; answered when they are replicated.
//!
//! Version 0 writes them to ZooKeeper, whichever broker it is sent to, and knows no members.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{by_topic, owned, owned_opt};
use crate::api::{Api, Malformed, Outcome, Replier, Request};
use crate::base::{ErrorCode, TopicPartition};
use crate::group::offsets::Place;
use crate::group::record::OffsetValue;
use crate::group::types::Claim;
use crate::wire::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};

/// "The broker's" as retention, "now" as commit time.
const DEFAULT: i64 = -1;

/// Commits what can be; each partition has its code.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: OffsetCommitRequest = request.decode()?;
    let replier = request.replier();
    let now_ms = api.env.clock.wall_ms();
    let expire_ms = (asked.retention_time_ms != DEFAULT).then(|| now_ms.saturating_add(asked.retention_time_ms));
    let mut codes: Vec<(Place, ErrorCode)> = Vec::new();
    let mut entries: BTreeMap<Place, OffsetValue> = BTreeMap::new();
    {
        let image = api.cluster.metadata.load();
        for topic in &asked.topics {
            let name = owned(&topic.name);
            for partition in &topic.partitions {
                let place = (name.clone(), partition.partition_index);
                let note = partition.committed_metadata.as_deref().unwrap_or("");
                let code = if image.partition(&name, partition.partition_index).is_none() {
                    ErrorCode::UnknownTopicOrPartition
                } else if !api.groups.settings().admits_note(note) {
                    ErrorCode::OffsetMetadataTooLarge
                } else {
                    entries.insert(place.clone(), value(partition, note, now_ms, expire_ms));
                    ErrorCode::None
                };
                codes.push((place, code));
            }
        }
    }
    let group = owned(&asked.group_id);
    let who = Claim {
        member_id: owned(&asked.member_id),
        instance: owned_opt(&asked.group_instance_id),
        generation: asked.generation_id_or_member_epoch,
    };
    let api = api.clone();
    Ok(Outcome::later(async move {
        if version == 0 {
            to_zookeeper(&api, &group, entries, &mut codes).await;
        } else if !entries.is_empty() || codes.is_empty() {
            // With unknown partitions alone, Kafka does not ask the group.
            if let Err(error) = api.groups.commit(&group, &who, entries.into_iter().collect()).await {
                for (_, code) in codes.iter_mut().filter(|(_, code)| *code != ErrorCode::UnknownTopicOrPartition) {
                    *code = error;
                }
            }
        }
        answer(replier, codes)
    }))
}

/// Version 0 (`KafkaApis.commitOffsetsToZookeeper`): one after the other, and each for itself.
async fn to_zookeeper(api: &Api, group: &str, entries: BTreeMap<Place, OffsetValue>, codes: &mut [(Place, ErrorCode)]) {
    for (place, code) in codes.iter_mut().filter(|(_, code)| *code == ErrorCode::None) {
        let Some(value) = entries.get(place) else { continue };
        let id = TopicPartition::new(place.0.clone(), place.1);
        if let Err(error) = api.admin.commit_offset(group, &id, value.offset).await {
            tracing::info!(group, partition = %id, %error, "an offset was not written to ZooKeeper");
            *code = error.code();
        }
    }
}

fn answer(replier: Replier, codes: Vec<(Place, ErrorCode)>) -> Outcome {
    let topics = by_topic(codes).into_iter().map(|(name, partitions)| OffsetCommitResponseTopic {
        name: name.into(),
        partitions: partitions
            .into_iter()
            .map(|(partition_index, code)| OffsetCommitResponsePartition { partition_index, error_code: code.code() })
            .collect(),
    });
    replier.reply(&OffsetCommitResponse { topics: topics.collect(), ..Default::default() })
}

fn value(partition: &OffsetCommitRequestPartition, note: &str, now_ms: i64, expire_ms: Option<i64>) -> OffsetValue {
    OffsetValue {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: note.into(),
        commit_ms: if partition.commit_timestamp == DEFAULT { now_ms } else { partition.commit_timestamp },
        expire_ms,
    }
}

//! OffsetFetch (0-9): committed offsets of a group, from version 8 of many.
//!
//! Version 0 reads them from ZooKeeper, where version 0 of OffsetCommit puts them.

use std::sync::Arc;

use super::{by_topic, owned};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::{ErrorCode, TopicPartition};
use crate::group::Fetched;
use crate::group::offsets::Place;
use crate::group::record::OffsetValue;
use crate::wire::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponseGroup,
    OffsetFetchResponseGroupPartition, OffsetFetchResponseGroupTopic, OffsetFetchResponsePartition,
    OffsetFetchResponseTopic, Str,
};

/// The first version that asks for many groups.
const FIRST_BATCH_VERSION: i16 = 8;
/// The first version with a code for the whole answer.
const FIRST_TOP_ERROR_VERSION: i16 = 2;

/// Answers from memory.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: OffsetFetchRequest = request.decode()?;
    let answer = if version >= FIRST_BATCH_VERSION {
        let groups = asked.groups.into_iter().map(|group| of_group(api, group, asked.require_stable));
        OffsetFetchResponse { groups: groups.collect(), ..Default::default() }
    } else if version == 0 {
        let fetched = from_zookeeper(api, &asked).await;
        flat(fetched, ErrorCode::None)
    } else {
        of_one(api, &asked, version)
    };
    Ok(request.replier().reply(&answer))
}

fn of_group(api: &Api, asked: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup {
    let places = asked
        .topics
        .as_ref()
        .map(|topics| topics.iter().flat_map(|t| places(&t.name, &t.partition_indexes)).collect::<Vec<Place>>());
    let (error, fetched) = match api.groups.fetch(&asked.group_id, places, require_stable) {
        Ok(fetched) => (ErrorCode::None, fetched),
        Err(error) => (error, Vec::new()),
    };
    let topics = by_topic(fetched.into_iter().map(|f| (f.place.clone(), f))).into_iter();
    OffsetFetchResponseGroup {
        group_id: asked.group_id,
        topics: topics
            .map(|(name, partitions)| OffsetFetchResponseGroupTopic {
                name: name.into(),
                partitions: partitions.into_iter().map(|(index, fetched)| partition(index, &fetched)).collect(),
            })
            .collect(),
        error_code: error.code(),
    }
}

fn of_one(api: &Api, asked: &OffsetFetchRequest, version: i16) -> OffsetFetchResponse {
    let places = asked
        .topics
        .as_ref()
        .map(|topics| topics.iter().flat_map(|t| places(&t.name, &t.partition_indexes)).collect::<Vec<Place>>());
    let (error, fetched) = match api.groups.fetch(&asked.group_id, places.clone(), asked.require_stable) {
        Ok(fetched) => (ErrorCode::None, fetched),
        Err(error) if version >= FIRST_TOP_ERROR_VERSION => (error, Vec::new()),
        Err(error) => {
            let refused = |place| Fetched { place, value: None, error };
            (error, places.unwrap_or_default().into_iter().map(refused).collect())
        }
    };
    flat(fetched, error)
}

/// Version 0: a partition without an offset is unknown.
async fn from_zookeeper(api: &Api, asked: &OffsetFetchRequest) -> Vec<Fetched> {
    let mut fetched = Vec::new();
    for topic in asked.topics.iter().flatten() {
        for place in places(&topic.name, &topic.partition_indexes) {
            let id = TopicPartition::new(place.0.clone(), place.1);
            let is_known = api.cluster.metadata.load().partition(&id.topic, id.partition).is_some();
            let found = if is_known { api.admin.committed_offset(&asked.group_id, &id).await } else { Ok(None) };
            fetched.push(match found {
                Ok(Some(offset)) => {
                    let value =
                        OffsetValue { offset, leader_epoch: -1, metadata: "".into(), commit_ms: -1, expire_ms: None };
                    Fetched { place, value: Some(value), error: ErrorCode::None }
                }
                Ok(None) => Fetched { place, value: None, error: ErrorCode::UnknownTopicOrPartition },
                Err(error) => Fetched { place, value: None, error: error.code() },
            });
        }
    }
    fetched
}

fn flat(fetched: Vec<Fetched>, error: ErrorCode) -> OffsetFetchResponse {
    let topics = by_topic(fetched.into_iter().map(|f| (f.place.clone(), f))).into_iter();
    OffsetFetchResponse {
        topics: topics
            .map(|(name, partitions)| OffsetFetchResponseTopic {
                name: name.into(),
                partitions: partitions
                    .into_iter()
                    .map(|(index, fetched)| {
                        let one = partition(index, &fetched);
                        OffsetFetchResponsePartition {
                            partition_index: one.partition_index,
                            committed_offset: one.committed_offset,
                            committed_leader_epoch: one.committed_leader_epoch,
                            metadata: one.metadata,
                            error_code: one.error_code,
                        }
                    })
                    .collect(),
            })
            .collect(),
        error_code: error.code(),
        ..Default::default()
    }
}

fn places<'a>(topic: &Str, partitions: &'a [i32]) -> impl Iterator<Item = Place> + use<'a> {
    let topic = owned(topic);
    partitions.iter().map(move |partition| (topic.clone(), *partition))
}

fn partition(index: i32, fetched: &Fetched) -> OffsetFetchResponseGroupPartition {
    let value = fetched.value.as_ref();
    OffsetFetchResponseGroupPartition {
        partition_index: index,
        committed_offset: value.map_or(-1, |v| v.offset),
        committed_leader_epoch: value.map_or(-1, |v| v.leader_epoch),
        metadata: Some(value.map_or(Str::EMPTY, |v| (&*v.metadata).into())),
        error_code: fetched.error.code(),
    }
}

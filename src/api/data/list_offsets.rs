//! ListOffsets (0-9): offsets by timestamp, and the special ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::is_read_committed;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::{ErrorCode, TopicPartition, timestamp};
use crate::replica::offsets::{Asker, FoundOffset, NOT_FOUND, OffsetQuery};
use crate::wire::{
    ListOffsetsRequest, ListOffsetsRequestPartition, ListOffsetsResponse, ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
};

/// Answers carry leader epochs from here on.
const FIRST_EPOCH_VERSION: i16 = 4;

/// The field is left out then.
const LOG_EPOCH_UNTOLD: i32 = -2;

/// Finds one offset a partition.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: ListOffsetsRequest = request.decode()?;
    let asker = Asker::of(asked.replica_id, is_read_committed(asked.isolation_level));
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for topic in &asked.topics {
        for partition in &topic.partitions {
            if !seen.insert((&topic.name, partition.partition_index)) {
                twice.insert((&topic.name, partition.partition_index));
            }
        }
    }
    let mut topics = Vec::with_capacity(asked.topics.len());
    for topic in &asked.topics {
        let name: Arc<str> = (&topic.name).into();
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let id = TopicPartition::new(name.clone(), partition.partition_index);
            let is_twice = twice.contains(&(&topic.name, partition.partition_index));
            partitions.push(if version == 0 {
                find_v0(api, &id, partition, asker)
            } else {
                find(api, &id, partition, version, asker, is_twice).await
            });
        }
        topics.push(ListOffsetsResponseTopic { name: topic.name.clone(), partitions });
    }
    Ok(request.replier().reply(&ListOffsetsResponse { topics, ..Default::default() }))
}

/// The question behind a timestamp; none when the version does not know that special one.
fn query(timestamp: i64, version: i16) -> Option<OffsetQuery> {
    match timestamp {
        timestamp::LATEST => Some(OffsetQuery::Latest),
        timestamp::EARLIEST => Some(OffsetQuery::Earliest),
        timestamp::MAX => (version >= 7).then_some(OffsetQuery::MaxTimestamp),
        timestamp::EARLIEST_LOCAL => (version >= 8).then_some(OffsetQuery::EarliestLocal),
        timestamp::LATEST_TIERED => (version >= 9).then_some(OffsetQuery::LatestTiered),
        time if time >= 0 => Some(OffsetQuery::At(time)),
        _ => None,
    }
}

async fn find(
    api: &Api,
    id: &TopicPartition,
    asked: &ListOffsetsRequestPartition,
    version: i16,
    asker: Asker,
    is_twice: bool,
) -> ListOffsetsResponsePartition {
    let found = if is_twice {
        Err(ErrorCode::InvalidRequest)
    } else {
        match query(asked.timestamp, version) {
            None => Err(ErrorCode::UnsupportedVersion),
            Some(query) => api.replicas.find_offset(id, query, asked.current_leader_epoch, asker).await,
        }
    };
    let (error, FoundOffset { timestamp, offset, leader_epoch, log_epoch }) = match found {
        Ok(found) => (ErrorCode::None, found),
        // Before OFFSET_NOT_AVAILABLE clients knew this code for the same case.
        Err(ErrorCode::OffsetNotAvailable) if version < 5 => (ErrorCode::LeaderNotAvailable, NOT_FOUND),
        Err(code) => (code, NOT_FOUND),
    };
    ListOffsetsResponsePartition {
        partition_index: id.partition,
        error_code: error.code(),
        timestamp,
        offset,
        leader_epoch: if version >= FIRST_EPOCH_VERSION { leader_epoch } else { -1 },
        log_epoch: log_epoch.unwrap_or(LOG_EPOCH_UNTOLD),
        ..Default::default()
    }
}

fn find_v0(
    api: &Api,
    id: &TopicPartition,
    asked: &ListOffsetsRequestPartition,
    asker: Asker,
) -> ListOffsetsResponsePartition {
    let most = usize::try_from(asked.max_num_offsets).unwrap_or(0);
    let (error, offsets) = match api.replicas.find_offsets_v0(id, asked.timestamp, most, asker) {
        Ok(offsets) => (ErrorCode::None, offsets),
        Err(code) => (code, Vec::new()),
    };
    ListOffsetsResponsePartition {
        partition_index: id.partition,
        error_code: error.code(),
        old_style_offsets: offsets,
        ..Default::default()
    }
}

//! OffsetDelete (0): forgets committed offsets of a group, but for topics it is subscribed to.

use std::sync::Arc;

use super::{by_topic, owned};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::group::offsets::Place;
use crate::wire::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

/// Deletes what may be deleted; each partition has its code.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: OffsetDeleteRequest = request.decode()?;
    let image = api.cluster.metadata.load();
    let mut known = Vec::new();
    let mut codes: Vec<(Place, ErrorCode)> = Vec::new();
    for topic in &asked.topics {
        let name = owned(&topic.name);
        for partition in &topic.partitions {
            let place = (name.clone(), partition.partition_index);
            if image.partition(&name, partition.partition_index).is_some() {
                known.push(place.clone());
                codes.push((place, ErrorCode::None));
            } else {
                codes.push((place, ErrorCode::UnknownTopicOrPartition));
            }
        }
    }
    let answer = match api.groups.delete_offsets(&asked.group_id, known) {
        Err(error) => OffsetDeleteResponse { error_code: error.code(), ..Default::default() },
        Ok(deleted) => {
            for (place, code) in &mut codes {
                *code = deleted.get(place).copied().unwrap_or(*code);
            }
            let topics = by_topic(codes).into_iter().map(|(name, partitions)| OffsetDeleteResponseTopic {
                name: name.into(),
                partitions: partitions
                    .into_iter()
                    .map(|(partition_index, code)| OffsetDeleteResponsePartition {
                        partition_index,
                        error_code: code.code(),
                    })
                    .collect(),
            });
            OffsetDeleteResponse { topics: topics.collect(), ..Default::default() }
        }
    };
    Ok(request.replier().reply(&answer))
}

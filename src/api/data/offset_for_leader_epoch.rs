//! OffsetForLeaderEpoch (0-4): where an epoch ends, for followers and consumers that look for a divergence (KIP-101, KIP-320).

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::{ErrorCode, TopicPartition};
use crate::wire::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderEpochResponseEpochEndOffset,
    OffsetForLeaderEpochResponseTopic,
};

/// Looks into the epoch cache of each partition.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: OffsetForLeaderEpochRequest = request.decode()?;
    let topics = asked
        .topics
        .iter()
        .map(|topic| OffsetForLeaderEpochResponseTopic {
            topic: topic.topic.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|p| {
                    let id = TopicPartition::new(&*topic.topic, p.partition);
                    let mut answer = OffsetForLeaderEpochResponseEpochEndOffset {
                        partition: p.partition,
                        leader_epoch: -1,
                        end_offset: -1,
                        error_code: ErrorCode::None.code(),
                    };
                    match api.replicas.epoch_end(&id, p.current_leader_epoch, p.leader_epoch) {
                        Ok(end) => {
                            answer.leader_epoch = end.leader_epoch;
                            answer.end_offset = end.end_offset;
                        }
                        Err(code) => answer.error_code = code.code(),
                    }
                    answer
                })
                .collect(),
        })
        .collect();
    Ok(request.replier().reply(&OffsetForLeaderEpochResponse { topics, ..Default::default() }))
}

//! DescribeProducers (0): the producers a partition remembers, and their open transactions.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::{ErrorCode, TopicPartition};
use crate::wire::{
    DescribeProducersRequest, DescribeProducersResponse, DescribeProducersResponsePartition,
    DescribeProducersResponseProducer, DescribeProducersResponseTopic,
};

/// Only the leader knows for sure.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DescribeProducersRequest = request.decode()?;
    let mut topics = Vec::with_capacity(asked.topics.len());
    for topic in &asked.topics {
        let name: Arc<str> = (&topic.name).into();
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for &index in &topic.partition_indexes {
            let id = TopicPartition::new(name.clone(), index);
            partitions.push(match producers(api, &id).await {
                Ok(active_producers) => DescribeProducersResponsePartition {
                    partition_index: index,
                    active_producers,
                    ..Default::default()
                },
                Err(code) => DescribeProducersResponsePartition {
                    partition_index: index,
                    error_code: code.code(),
                    ..Default::default()
                },
            });
        }
        topics.push(DescribeProducersResponseTopic { name: topic.name.clone(), partitions });
    }
    Ok(request.replier().reply(&DescribeProducersResponse { topics, ..Default::default() }))
}

async fn producers(api: &Api, id: &TopicPartition) -> Result<Vec<DescribeProducersResponseProducer>, ErrorCode> {
    let producers = api.replicas.describe_producers(id).await?;
    Ok(producers
        .into_iter()
        .map(|p| DescribeProducersResponseProducer {
            producer_id: p.id,
            producer_epoch: i32::from(p.epoch),
            last_sequence: p.last_sequence,
            last_timestamp: p.last_timestamp,
            coordinator_epoch: p.coordinator_epoch,
            current_txn_start_offset: p.open_since,
        })
        .collect())
}

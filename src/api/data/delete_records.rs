//! DeleteRecords (0-2): raises log start offsets.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::topic_names::is_internal;
use crate::base::{ErrorCode, TopicPartition};
use crate::wire::{
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsResponsePartition, DeleteRecordsResponseTopic,
};

/// Raises one log start a partition.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DeleteRecordsRequest = request.decode()?;
    let mut topics = Vec::with_capacity(asked.topics.len());
    for topic in &asked.topics {
        let name: Arc<str> = (&topic.name).into();
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let id = TopicPartition::new(name.clone(), partition.partition_index);
            let deleted = if !api.knows(&name, id.partition) {
                Err(ErrorCode::UnknownTopicOrPartition)
            } else if is_internal(&name) {
                Err(ErrorCode::InvalidTopicException)
            } else {
                api.replicas.delete_records(&id, partition.offset).await
            };
            partitions.push(DeleteRecordsResponsePartition {
                partition_index: id.partition,
                low_watermark: deleted.unwrap_or(-1),
                error_code: deleted.err().unwrap_or_default().code(),
            });
        }
        topics.push(DeleteRecordsResponseTopic { name: topic.name.clone(), partitions });
    }
    Ok(request.replier().reply(&DeleteRecordsResponse { topics, ..Default::default() }))
}

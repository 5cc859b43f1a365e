//! DeleteRecords (0-2): raises log start offsets, and answers when the live followers have raised theirs.

use std::sync::Arc;
use std::time::Duration;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::topic_names::is_internal;
use crate::base::{ErrorCode, TopicPartition};
use crate::replica::delete_records::Deletion;
use crate::wire::{
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsResponsePartition, DeleteRecordsResponseTopic,
};

/// What becomes of one partition.
type Deleted = (TopicPartition, Result<Deletion, ErrorCode>);

/// Raises one log start a partition; what followers have yet to hear of is waited for.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DeleteRecordsRequest = request.decode()?;
    let replier = request.replier();
    let mut deleted = Vec::new();
    for topic in &asked.topics {
        let name: Arc<str> = (&topic.name).into();
        for partition in &topic.partitions {
            let id = TopicPartition::new(name.clone(), partition.partition_index);
            let outcome = if !api.knows(&name, id.partition) {
                Err(ErrorCode::UnknownTopicOrPartition)
            } else if is_internal(&name) {
                Err(ErrorCode::InvalidTopicException)
            } else {
                api.replicas.delete_records(&id, partition.offset).await
            };
            deleted.push((id, outcome));
        }
    }
    let unfinished = |(_, outcome): &Deleted| outcome.is_ok_and(|deletion| !deletion.is_done());
    if !deleted.iter().any(unfinished) {
        return Ok(replier.reply(&answer(&deleted)));
    }
    let deadline = api.env.clock.now() + Duration::from_millis(u64::try_from(asked.timeout_ms).unwrap_or(0));
    let (api, peer) = (api.clone(), request.peer.clone());
    Ok(Outcome::later(async move {
        let waiting: Vec<_> =
            deleted.iter().filter(|d| unfinished(d)).filter_map(|(id, d)| Some((id.clone(), d.ok()?))).collect();
        let outcomes = tokio::select! {
            biased;
            outcomes = api.replicas.await_deletions(&waiting, deadline) => outcomes,
            () = peer.stopped() => waiting.iter().map(|(id, _)| api.replicas.low_watermark(id)).collect(),
        };
        let mut outcomes = outcomes.into_iter();
        for (_, deletion) in deleted.iter_mut().filter(|d| unfinished(d)) {
            let found = outcomes.next().unwrap_or(Err(ErrorCode::UnknownServerError));
            *deletion = deletion.and_then(|d| Ok(Deletion { low_watermark: found?, ..d }));
        }
        replier.reply(&answer(&deleted))
    }))
}

/// The answer, in the order asked. What followers have not heard of is late.
fn answer(deleted: &[Deleted]) -> DeleteRecordsResponse {
    let mut topics: Vec<DeleteRecordsResponseTopic> = Vec::new();
    for (id, outcome) in deleted {
        let error = match outcome {
            Ok(deletion) if deletion.is_done() => ErrorCode::None,
            Ok(_) => ErrorCode::RequestTimedOut,
            Err(code) => *code,
        };
        let partition = DeleteRecordsResponsePartition {
            partition_index: id.partition,
            low_watermark: outcome.map_or(-1, |deletion| deletion.low_watermark),
            error_code: error.code(),
        };
        match topics.last_mut() {
            Some(topic) if *topic.name == *id.topic => topic.partitions.push(partition),
            _ => topics.push(DeleteRecordsResponseTopic { name: (&id.topic).into(), partitions: vec![partition] }),
        }
    }
    DeleteRecordsResponse { topics, ..Default::default() }
}

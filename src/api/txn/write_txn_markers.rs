//! WriteTxnMarkers (0-1): a transaction's coordinator has its end written to the logs led from here.
//!
//! A partition is answered when its marker is replicated; one of `__consumer_offsets` when the transaction's offsets count, too.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::{ErrorCode, TopicPartition};
use crate::group::{Ending, OFFSETS_TOPIC};
use crate::record::builder::marker;
use crate::record::{EndTxnMarker, Origin};
use crate::replica::append::ACKS_ALL;
use crate::wire::{
    WriteTxnMarkersRequest, WriteTxnMarkersRequestMarker, WriteTxnMarkersResponse, WriteTxnMarkersResponseMarker,
    WriteTxnMarkersResponsePartition, WriteTxnMarkersResponseTopic,
};

/// Writes markers, each for itself.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: WriteTxnMarkersRequest = request.decode()?;
    let (api, replier) = (api.clone(), request.replier());
    Ok(Outcome::later(async move { replier.reply(&write(&api, asked).await) }))
}

/// What the API does, also for the coordinator of this broker.
pub async fn write(api: &Arc<Api>, asked: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
    let timeout = u64::try_from(api.config.load().request_timeout_ms).unwrap_or(0);
    let timeout = Duration::from_millis(timeout);
    let markers = asked.markers.iter().map(|marker| of_transaction(api, marker, timeout));
    WriteTxnMarkersResponse { markers: join_all(markers).await }
}

async fn of_transaction(
    api: &Arc<Api>,
    asked: &WriteTxnMarkersRequestMarker,
    timeout: Duration,
) -> WriteTxnMarkersResponseMarker {
    let ending = Ending {
        producer_id: asked.producer_id,
        producer_epoch: asked.producer_epoch,
        marker: EndTxnMarker { commit: asked.transaction_result, coordinator_epoch: asked.coordinator_epoch },
    };
    let topics = asked.topics.iter().map(|topic| async {
        let name: Arc<str> = (&topic.name).into();
        let partitions = topic.partition_indexes.iter().map(|index| {
            let id = TopicPartition::new(name.clone(), *index);
            async move {
                let error_code = one(api, id, ending, timeout).await.err().unwrap_or_default().code();
                WriteTxnMarkersResponsePartition { partition_index: *index, error_code }
            }
        });
        WriteTxnMarkersResponseTopic { name: topic.name.clone(), partitions: join_all(partitions).await }
    });
    WriteTxnMarkersResponseMarker { producer_id: asked.producer_id, topics: join_all(topics).await }
}

async fn one(api: &Api, id: TopicPartition, ending: Ending, timeout: Duration) -> Result<(), ErrorCode> {
    if *id.topic == *OFFSETS_TOPIC {
        return api.groups.write_marker(id.partition, ending).await;
    }
    let now_ms = api.env.clock.wall_ms();
    let batch = marker(0, -1, now_ms, ending.producer_id, ending.producer_epoch, ending.marker);
    let written = api.replicas.append(&id, batch, ACKS_ALL, Origin::Coordinator).await.map_err(|r| r.code)?;
    written.committed(api.env.clock.now() + timeout).await
}

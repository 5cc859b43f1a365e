//! ControlledShutdown (0-3): a broker asks this one's controller to move its leaderships away.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::wire::{
    ControlledShutdownRequest, ControlledShutdownResponse, ControlledShutdownResponseRemainingPartition,
};

/// Answers when the ZooKeeper writes are done, with what the broker still leads.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: ControlledShutdownRequest = request.decode()?;
    let answer = match api.controller.controlled_shutdown(asked.broker_id, asked.broker_epoch).await {
        Ok(remaining) => ControlledShutdownResponse {
            remaining_partitions: remaining
                .into_iter()
                .map(|id| ControlledShutdownResponseRemainingPartition {
                    topic_name: (&id.topic).into(),
                    partition_index: id.partition,
                })
                .collect(),
            ..Default::default()
        },
        Err(code) => ControlledShutdownResponse { error_code: code.code(), ..Default::default() },
    };
    Ok(request.replier().reply(&answer))
}

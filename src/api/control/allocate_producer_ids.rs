//! AllocateProducerIds (0): a broker asks the controller for a block of producer ids.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::wire::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};

/// Answers when the block is in ZooKeeper.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: AllocateProducerIdsRequest = request.decode()?;
    let answer = match api.controller.allocate_producer_ids(asked.broker_id, asked.broker_epoch).await {
        Ok(block) => AllocateProducerIdsResponse {
            producer_id_start: block.first,
            producer_id_len: block.count,
            ..Default::default()
        },
        Err(code) => AllocateProducerIdsResponse { error_code: code.code(), ..Default::default() },
    };
    Ok(request.replier().reply(&answer))
}

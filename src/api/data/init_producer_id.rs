//! InitProducerId (0-5): an id for an idempotent producer. Transactional ids need the transaction coordinator, which is not built.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::wire::{InitProducerIdRequest, InitProducerIdResponse};

/// Hands out the next id of this broker's block; each has epoch 0.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: InitProducerIdRequest = request.decode()?;
    let refused = |code: ErrorCode| InitProducerIdResponse {
        error_code: code.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let answer = if (asked.producer_id < 0) != (asked.producer_epoch < 0) {
        refused(ErrorCode::InvalidRequest)
    } else if asked.transactional_id.is_some() {
        refused(ErrorCode::UnsupportedVersion)
    } else {
        match api.cluster.producer_ids.next() {
            Some(producer_id) => InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() },
            // The next block is on its way: the client asks again.
            None => refused(ErrorCode::CoordinatorLoadInProgress),
        }
    };
    Ok(request.replier().reply(&answer))
}

//! InitProducerId (0-5): an id for an idempotent producer; with a transactional id, also the fence before whoever had it before.

use std::sync::Arc;

use super::code_for;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::txn::{INIT_WAIT, Producer};
use crate::wire::{InitProducerIdRequest, InitProducerIdResponse};

/// The first version whose clients know PRODUCER_FENCED.
const FIRST_FENCED_VERSION: i16 = 4;

/// Hands out the next id of this broker's block, or asks the coordinator.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: InitProducerIdRequest = request.decode()?;
    let replier = request.replier();
    let answer = move |result: Result<Producer, ErrorCode>| {
        replier.reply(&match result {
            Ok(producer) => InitProducerIdResponse {
                producer_id: producer.id,
                producer_epoch: producer.epoch,
                ..Default::default()
            },
            Err(error) => InitProducerIdResponse {
                error_code: code_for(error, version, FIRST_FENCED_VERSION),
                producer_id: -1,
                producer_epoch: -1,
                ..Default::default()
            },
        })
    };
    let known = match (asked.producer_id, asked.producer_epoch) {
        (-1, -1) => None,
        (-1, _) | (_, -1) => return Ok(answer(Err(ErrorCode::InvalidRequest))),
        (id, epoch) => Some(Producer { id, epoch }),
    };
    let Some(id) = asked.transactional_id else {
        let made = |id| Producer { id, epoch: 0 };
        if let Some(id) = api.cluster.producer_ids.next() {
            return Ok(answer(Ok(made(id))));
        }
        let cluster = api.cluster.clone();
        return Ok(Outcome::later(async move {
            let id = cluster.producer_ids.next_within(INIT_WAIT).await;
            answer(id.map(made).ok_or(ErrorCode::CoordinatorLoadInProgress))
        }));
    };
    let txns = api.txns.clone();
    let id: Arc<str> = (&id).into();
    Ok(Outcome::later(async move { answer(txns.init(&id, asked.transaction_timeout_ms, known).await) }))
}

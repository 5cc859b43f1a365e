//! EndTxn (0-4): commits or aborts; answered when the decision is replicated, before the markers are.

use std::sync::Arc;

use super::{FIRST_FENCED_VERSION, code_for};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::txn::Producer;
use crate::wire::{EndTxnRequest, EndTxnResponse};

/// Asks the coordinator.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: EndTxnRequest = request.decode()?;
    let (replier, txns) = (request.replier(), api.txns.clone());
    let id: Arc<str> = (&asked.transactional_id).into();
    let who = Producer { id: asked.producer_id, epoch: asked.producer_epoch };
    Ok(Outcome::later(async move {
        let error = txns.end(&id, who, asked.committed).await.err().unwrap_or_default();
        let error_code = code_for(error, version, FIRST_FENCED_VERSION);
        replier.reply(&EndTxnResponse { error_code, ..Default::default() })
    }))
}

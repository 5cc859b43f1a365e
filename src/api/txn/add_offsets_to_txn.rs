//! AddOffsetsToTxn (0-4): adds the partition of `__consumer_offsets` that has a group's offsets to a transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{FIRST_FENCED_VERSION, code_for};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::txn::Producer;
use crate::wire::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

/// Asks the coordinator.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: AddOffsetsToTxnRequest = request.decode()?;
    let (replier, txns) = (request.replier(), api.txns.clone());
    let id: Arc<str> = (&asked.transactional_id).into();
    let who = Producer { id: asked.producer_id, epoch: asked.producer_epoch };
    let offsets = BTreeSet::from([api.groups.partition_for(&asked.group_id)]);
    Ok(Outcome::later(async move {
        let error = txns.add_partitions(&id, who, offsets).await.err().unwrap_or_default();
        let error_code = code_for(error, version, FIRST_FENCED_VERSION);
        replier.reply(&AddOffsetsToTxnResponse { error_code, ..Default::default() })
    }))
}

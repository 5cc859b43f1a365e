//! StopReplica (0-4): the controller says replicas to stop, or to delete.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::wire::StopReplicaRequest;

/// Hands over to the applier; answers when it is in effect.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: StopReplicaRequest = request.decode()?;
    let replier = request.replier();
    Ok(match api.applier.stop_replica(asked, replier.version()).await {
        Some(answer) => replier.reply(&answer),
        None => Outcome::Close,
    })
}

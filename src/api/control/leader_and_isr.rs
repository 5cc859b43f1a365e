//! LeaderAndIsr (0-7): the controller says which replicas this broker hosts, and which of them lead.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::wire::LeaderAndIsrRequest;

/// Hands over to the applier; answers when it is in effect.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: LeaderAndIsrRequest = request.decode()?;
    let replier = request.replier();
    Ok(match api.applier.leader_and_isr(asked, replier.version()).await {
        Some(answer) => replier.reply(&answer),
        None => Outcome::Close,
    })
}

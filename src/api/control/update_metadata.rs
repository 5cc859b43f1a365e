//! UpdateMetadata (0-8): the controller says the state of the cluster.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::wire::UpdateMetadataRequest;

/// Hands over to the applier; answers when it is in effect.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: UpdateMetadataRequest = request.decode()?;
    let replier = request.replier();
    Ok(match api.applier.update_metadata(asked).await {
        Some(answer) => replier.reply(&answer),
        None => Outcome::Close,
    })
}

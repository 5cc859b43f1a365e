//! Heartbeat (0-4): a member is alive; the code tells whether it must join again.

use std::sync::Arc;

use super::{owned, owned_opt};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::group::types::Claim;
use crate::wire::{HeartbeatRequest, HeartbeatResponse};

/// Moves the end of the member's session.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: HeartbeatRequest = request.decode()?;
    let who = Claim {
        member_id: owned(&asked.member_id),
        instance: owned_opt(&asked.group_instance_id),
        generation: asked.generation_id,
    };
    let error = api.groups.heartbeat(&asked.group_id, &who);
    Ok(request.replier().reply(&HeartbeatResponse { error_code: error.code(), ..Default::default() }))
}

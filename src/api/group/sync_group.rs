//! SyncGroup (0-5): a member's assignment, held until the leader has brought it.

use std::sync::Arc;

use bytes::Bytes;

use super::{owned, owned_opt, patiently};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::group::types::{Claim, Sync, SyncReply};
use crate::wire::{SyncGroupRequest, SyncGroupResponse};

/// The first version that must name protocol type and protocol.
const FIRST_NAMED_PROTOCOL_VERSION: i16 = 5;

/// Asks for the assignment, and takes the leader's.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: SyncGroupRequest = request.decode()?;
    let replier = request.replier();
    let answer = move |reply: SyncReply| {
        replier.reply(&SyncGroupResponse {
            error_code: reply.error.code(),
            protocol_type: reply.protocol_type.map(Into::into),
            protocol_name: reply.protocol.map(Into::into),
            assignment: reply.assignment,
            ..Default::default()
        })
    };
    let is_named = asked.protocol_type.is_some() && asked.protocol_name.is_some();
    if version >= FIRST_NAMED_PROTOCOL_VERSION && !is_named {
        return Ok(answer(SyncReply::refused(ErrorCode::InconsistentGroupProtocol)));
    }
    let group = owned(&asked.group_id);
    let sync = Sync {
        ticket: 0, // the coordinator's to give
        who: Claim {
            member_id: owned(&asked.member_id),
            instance: owned_opt(&asked.group_instance_id),
            generation: asked.generation_id,
        },
        protocol_type: owned_opt(&asked.protocol_type),
        protocol: owned_opt(&asked.protocol_name),
        assignment: asked
            .assignments
            .iter()
            .map(|a| (owned(&a.member_id), Bytes::copy_from_slice(&a.assignment)))
            .collect(),
    };
    let api = api.clone();
    Ok(patiently(request.peer, async move {
        match api.groups.sync(&group, sync).await {
            Some(reply) => answer(reply),
            None => Outcome::Close, // the member has asked again on another connection
        }
    }))
}

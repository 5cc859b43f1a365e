//! LeaveGroup (0-5): members leave, or an administrator removes them.

use std::sync::Arc;

use super::{owned, owned_opt};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::wire::{LeaveGroupRequest, LeaveGroupRequestMember, LeaveGroupResponse, LeaveGroupResponseMember};

/// The first version that names many members.
const FIRST_BATCH_VERSION: i16 = 3;

/// Takes the members out; the others rebalance.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: LeaveGroupRequest = request.decode()?;
    let leaving = if version >= FIRST_BATCH_VERSION {
        asked.members
    } else {
        vec![LeaveGroupRequestMember { member_id: asked.member_id, ..Default::default() }]
    };
    let members: Vec<_> = leaving.iter().map(|m| (owned(&m.member_id), owned_opt(&m.group_instance_id))).collect();
    let answer = match api.groups.leave(&asked.group_id, &members) {
        Err(error) => LeaveGroupResponse { error_code: error.code(), ..Default::default() },
        Ok(codes) if version < FIRST_BATCH_VERSION => {
            let code = codes.first().copied().unwrap_or_default();
            LeaveGroupResponse { error_code: code.code(), ..Default::default() }
        }
        Ok(codes) => LeaveGroupResponse {
            members: leaving
                .into_iter()
                .zip(codes)
                .map(|(member, code)| LeaveGroupResponseMember {
                    member_id: member.member_id,
                    group_instance_id: member.group_instance_id,
                    error_code: code.code(),
                })
                .collect(),
            ..Default::default()
        },
    };
    Ok(request.replier().reply(&answer))
}

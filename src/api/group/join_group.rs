//! JoinGroup (0-9): answered when the join phase ends.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::{owned, owned_opt, patiently};
use crate::api::{Api, Malformed, Outcome, Replier, Request};
use crate::group::types::{Join, JoinReply};
use crate::wire::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};

/// The first version with a rebalance time-out of its own; before it the session's counts.
const FIRST_REBALANCE_TIMEOUT_VERSION: i16 = 1;
/// The first version whose newcomers come back with the id they are given (KIP-394).
const FIRST_KNOWN_ID_VERSION: i16 = 4;
/// The first version that can say "no protocol" with null.
const FIRST_NULL_PROTOCOL_VERSION: i16 = 7;
/// The first version whose clients understand `skip_assignment`.
const FIRST_SKIP_VERSION: i16 = 9;

/// Puts the member into its group.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: JoinGroupRequest = request.decode()?;
    let group = owned(&asked.group_id);
    let instance = owned_opt(&asked.group_instance_id);
    let prefix = instance.as_deref().unwrap_or_else(|| request.client_id());
    let join = Join {
        ticket: 0, // the coordinator's to give
        member_id: owned(&asked.member_id),
        new_id: format!("{prefix}-{}", api.env.rng.uuid()).into(),
        client_id: request.client_id().into(),
        client_host: java_address(request.peer.address.ip()).into(),
        session_timeout_ms: asked.session_timeout_ms,
        rebalance_timeout_ms: if version >= FIRST_REBALANCE_TIMEOUT_VERSION {
            asked.rebalance_timeout_ms
        } else {
            asked.session_timeout_ms
        },
        protocol_type: owned(&asked.protocol_type),
        protocols: asked.protocols.iter().map(|p| (owned(&p.name), Bytes::copy_from_slice(&p.metadata))).collect(),
        require_known_id: version >= FIRST_KNOWN_ID_VERSION && instance.is_none(),
        supports_skip: version >= FIRST_SKIP_VERSION,
        instance,
    };
    let (api, replier) = (api.clone(), request.replier());
    Ok(patiently(request.peer, async move {
        match api.groups.join(&group, join).await {
            Some(reply) => answer(replier, reply),
            None => Outcome::Close, // the member has asked again on another connection
        }
    }))
}

fn answer(replier: Replier, reply: JoinReply) -> Outcome {
    let protocol = match reply.protocol {
        None if replier.version() < FIRST_NULL_PROTOCOL_VERSION => Some(Default::default()),
        protocol => protocol.map(Into::into),
    };
    replier.reply(&JoinGroupResponse {
        error_code: reply.error.code(),
        generation_id: reply.generation,
        protocol_type: reply.protocol_type.map(Into::into),
        protocol_name: protocol,
        leader: reply.leader.into(),
        skip_assignment: reply.skip_assignment,
        member_id: reply.member_id.into(),
        members: reply
            .members
            .into_iter()
            .map(|member| JoinGroupResponseMember {
                member_id: member.id.into(),
                group_instance_id: member.instance.map(Into::into),
                metadata: member.metadata,
            })
            .collect(),
        ..Default::default()
    })
}

/// An address as Java's `InetAddress.toString` writes one without a name: a slash, and no short forms for zeros.
fn java_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("/{v4}"),
        IpAddr::V6(v6) => format!("/{}", v6.segments().map(|segment| format!("{segment:x}")).join(":")),
    }
}

//! DescribeGroups (0-5): state, protocol and members.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request, operations};
use crate::group::types::State;
use crate::wire::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribeGroupsResponseGroup, DescribeGroupsResponseMember, Str,
};

/// Describes each group; one that does not exist is Dead.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DescribeGroupsRequest = request.decode()?;
    let operations = operations::told(operations::GROUP, asked.include_authorized_operations);
    let groups = asked.groups.into_iter().map(|group_id| describe(api, group_id, operations)).collect();
    Ok(request.replier().reply(&DescribeGroupsResponse { groups, ..Default::default() }))
}

fn describe(api: &Api, group_id: Str, operations: i32) -> DescribeGroupsResponseGroup {
    let found = match api.groups.describe(&group_id) {
        Err(error) => {
            return DescribeGroupsResponseGroup { error_code: error.code(), group_id, ..Default::default() };
        }
        Ok(found) => found,
    };
    let Some(group) = found else {
        return DescribeGroupsResponseGroup {
            group_id,
            group_state: State::Dead.name().into(),
            authorized_operations: operations,
            ..Default::default()
        };
    };
    DescribeGroupsResponseGroup {
        group_id,
        group_state: group.state.name().into(),
        protocol_type: group.protocol_type.into(),
        protocol_data: group.protocol.into(),
        members: group
            .members
            .into_iter()
            .map(|member| DescribeGroupsResponseMember {
                member_id: member.id.into(),
                group_instance_id: member.instance.map(Into::into),
                client_id: member.client_id.into(),
                client_host: member.client_host.into(),
                member_metadata: member.subscription,
                member_assignment: member.assignment,
            })
            .collect(),
        authorized_operations: operations,
        ..Default::default()
    }
}

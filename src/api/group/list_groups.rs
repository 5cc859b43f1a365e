//! ListGroups (0-5): the groups coordinated here, by state and type.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::wire::{ListGroupsRequest, ListGroupsResponse, ListGroupsResponseGroup};

/// The one type there is in ZooKeeper mode.
const CLASSIC: &str = "classic";

/// Lists what is loaded; an error beside it tells that more is being read.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: ListGroupsRequest = request.decode()?;
    let (error, listed) = api.groups.list();
    let has = |filter: &[crate::wire::Str], name: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let groups = listed
        .into_iter()
        .filter(|group| has(&asked.states_filter, group.state.name()) && has(&asked.types_filter, CLASSIC))
        .map(|group| ListGroupsResponseGroup {
            group_id: group.id.into(),
            protocol_type: group.protocol_type.into(),
            group_state: group.state.name().into(),
            group_type: CLASSIC.into(),
        })
        .collect();
    let answer = ListGroupsResponse { error_code: error.code(), groups, ..Default::default() };
    Ok(request.replier().reply(&answer))
}

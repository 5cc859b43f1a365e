//! DeleteGroups (0-2): forgets empty groups with all they committed.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::wire::{DeleteGroupsRequest, DeleteGroupsResponse, DeleteGroupsResponseGroup};

/// Deletes each group that is empty; each has its code.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DeleteGroupsRequest = request.decode()?;
    let results = asked
        .groups_names
        .into_iter()
        .map(|group_id| DeleteGroupsResponseGroup { error_code: api.groups.delete(&group_id).code(), group_id })
        .collect();
    Ok(request.replier().reply(&DeleteGroupsResponse { results, ..Default::default() }))
}

//! DeleteAcls (31) at a broker without authorizer: SECURITY_DISABLED for each filter, in the request's order.

use std::sync::Arc;

use super::NO_AUTHORIZER;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::wire::{DeleteAclsRequest, DeleteAclsResponse, DeleteAclsResponseFilterResult};

/// Answers at once.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(_api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DeleteAclsRequest = request.decode()?;
    Ok(request.replier().reply(&answer(&asked)))
}

/// One refusal for each filter.
pub fn answer(asked: &DeleteAclsRequest) -> DeleteAclsResponse {
    let refused = DeleteAclsResponseFilterResult {
        error_code: ErrorCode::SecurityDisabled.code(),
        error_message: Some(NO_AUTHORIZER),
        matching_acls: Vec::new(),
    };
    DeleteAclsResponse { filter_results: vec![refused; asked.filters.len()], ..Default::default() }
}

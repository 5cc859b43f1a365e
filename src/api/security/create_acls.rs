//! CreateAcls (30) at a broker without authorizer: SECURITY_DISABLED for each ACL, in the request's order.

use std::sync::Arc;

use super::NO_AUTHORIZER;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::wire::{CreateAclsRequest, CreateAclsResponse, CreateAclsResponseResult};

/// Answers at once.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(_api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: CreateAclsRequest = request.decode()?;
    Ok(request.replier().reply(&answer(&asked)))
}

/// One refusal for each ACL.
pub fn answer(asked: &CreateAclsRequest) -> CreateAclsResponse {
    let refused =
        CreateAclsResponseResult { error_code: ErrorCode::SecurityDisabled.code(), error_message: Some(NO_AUTHORIZER) };
    CreateAclsResponse { results: vec![refused; asked.creations.len()], ..Default::default() }
}

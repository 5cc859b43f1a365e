//! DescribeAcls (29) at a broker without authorizer: SECURITY_DISABLED for the whole request.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::wire::{DescribeAclsRequest, DescribeAclsResponse, Str};

/// Answers at once.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(_api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let _: DescribeAclsRequest = request.decode()?;
    Ok(request.replier().reply(&answer()))
}

/// The one answer.
pub fn answer() -> DescribeAclsResponse {
    DescribeAclsResponse {
        error_code: ErrorCode::SecurityDisabled.code(),
        error_message: Some(Str::from_static("No Authorizer is configured on the broker")),
        ..Default::default()
    }
}

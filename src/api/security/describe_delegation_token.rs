//! DescribeDelegationToken (41). Not allowed on PLAINTEXT, and today every listener is; checked before whether tokens are enabled.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::wire::{DescribeDelegationTokenRequest, DescribeDelegationTokenResponse};

/// Answers at once.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(_api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let _: DescribeDelegationTokenRequest = request.decode()?;
    Ok(request.replier().reply(&answer()))
}

/// The refusal.
pub fn answer() -> DescribeDelegationTokenResponse {
    DescribeDelegationTokenResponse {
        error_code: ErrorCode::DelegationTokenRequestNotAllowed.code(),
        ..Default::default()
    }
}

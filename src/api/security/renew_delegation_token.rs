//! RenewDelegationToken (39). Not allowed on PLAINTEXT, and today every listener is; checked before whether tokens are enabled.

use std::sync::Arc;

use super::NO_TIMESTAMP;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::wire::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};

/// Answers at once.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(_api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let _: RenewDelegationTokenRequest = request.decode()?;
    Ok(request.replier().reply(&answer()))
}

/// The refusal.
pub fn answer() -> RenewDelegationTokenResponse {
    RenewDelegationTokenResponse {
        error_code: ErrorCode::DelegationTokenRequestNotAllowed.code(),
        expiry_timestamp_ms: NO_TIMESTAMP,
        ..Default::default()
    }
}

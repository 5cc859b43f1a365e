//! SaslAuthenticate (36) on a connection that needs no authentication, or has done it: ILLEGAL_SASL_STATE. The connection stays open.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::wire::{SaslAuthenticateRequest, SaslAuthenticateResponse, Str};

/// Answers at once.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(_api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let _: SaslAuthenticateRequest = request.decode()?;
    Ok(request.replier().reply(&answer()))
}

/// The one answer.
pub fn answer() -> SaslAuthenticateResponse {
    SaslAuthenticateResponse {
        error_code: ErrorCode::IllegalSaslState.code(),
        error_message: Some(Str::from_static("SaslAuthenticate request received after successful authentication")),
        ..Default::default()
    }
}

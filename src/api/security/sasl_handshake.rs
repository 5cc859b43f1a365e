//! SaslHandshake (17) on a connection that needs no authentication, or has done it: ILLEGAL_SASL_STATE. The connection stays open.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::wire::{SaslHandshakeRequest, SaslHandshakeResponse};

/// Answers at once.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(_api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let _: SaslHandshakeRequest = request.decode()?;
    Ok(request.replier().reply(&answer()))
}

/// The one answer; no mechanisms are listed.
pub fn answer() -> SaslHandshakeResponse {
    SaslHandshakeResponse { error_code: ErrorCode::IllegalSaslState.code(), ..Default::default() }
}

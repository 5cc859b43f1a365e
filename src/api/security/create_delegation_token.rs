//! CreateDelegationToken (38). On PLAINTEXT, and today every listener is, the request is not allowed; that is checked before whether
//! tokens are enabled at all.

use std::sync::Arc;

use super::{ANONYMOUS_NAME, ANONYMOUS_TYPE, NO_TIMESTAMP};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::wire::{CreateDelegationTokenRequest, CreateDelegationTokenResponse, Str};

/// From this version on the answer names the requester beside the owner.
const REQUESTER_SINCE: i16 = 3;

/// Answers at once.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(_api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: CreateDelegationTokenRequest = request.decode()?;
    let response = answer(&asked, request.version());
    Ok(request.replier().reply(&response))
}

/// The refusal. The owner is the one asked for, else the requester.
pub fn answer(asked: &CreateDelegationTokenRequest, version: i16) -> CreateDelegationTokenResponse {
    let given = |text: &Option<Str>| text.clone().filter(|text| !text.is_empty());
    let (principal_type, principal_name) = match given(&asked.owner_principal_name) {
        Some(name) => (asked.owner_principal_type.clone().unwrap_or_default(), name),
        None => (ANONYMOUS_TYPE, ANONYMOUS_NAME),
    };
    let (requester_type, requester_name) =
        if version >= REQUESTER_SINCE { (ANONYMOUS_TYPE, ANONYMOUS_NAME) } else { Default::default() };
    CreateDelegationTokenResponse {
        error_code: ErrorCode::DelegationTokenRequestNotAllowed.code(),
        principal_type,
        principal_name,
        token_requester_principal_type: requester_type,
        token_requester_principal_name: requester_name,
        issue_timestamp_ms: NO_TIMESTAMP,
        expiry_timestamp_ms: NO_TIMESTAMP,
        max_timestamp_ms: NO_TIMESTAMP,
        ..Default::default()
    }
}

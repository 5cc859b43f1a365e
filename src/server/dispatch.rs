//! From a frame to a request: reads the header, refuses what Kafka refuses by closing. The handler is found in `api`'s one table.

use std::sync::Arc;

use bytes::Bytes;

use crate::api::{self, Malformed, Peer, Request};
use crate::wire::{ApiKey, DecodeError, decode_request_header};

/// Why a connection is closed instead of an answer given.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The header does not parse.
    #[error("malformed request header: {0}")]
    Header(#[from] DecodeError),
    /// A key of another kind of server, or of a later Kafka.
    #[error("API key {0} is not served here")]
    UnknownApi(i16),
    /// A version that was not advertised.
    #[error("{0} version {1} is not served here")]
    UnknownVersion(ApiKey, i16),
    /// The body does not parse.
    #[error(transparent)]
    Body(#[from] Malformed),
}

/// Reads the header of a frame.
///
/// # Errors
/// [`Refused`]: close the connection. ApiVersions of any version is let through, since its answer tells the client what to use.
pub fn open(frame: Bytes, peer: &Arc<Peer>) -> Result<Request, Refused> {
    let (header, body) = decode_request_header(frame)?;
    let key = header.api().filter(|key| api::is_served(*key)).ok_or(Refused::UnknownApi(header.api_key))?;
    if !key.supports(header.api_version) && key != ApiKey::ApiVersions {
        return Err(Refused::UnknownVersion(key, header.api_version));
    }
    Ok(Request { header, key, body, peer: peer.clone() })
}

//! A request as a handler sees it.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use super::Replier;
use super::data::refused::RefusedSequences;
use crate::wire::{self, ApiKey, DecodeError, Reader, RequestHeader};

/// The body is not what its version says: the connection is closed, as Kafka does.
#[derive(Debug, thiserror::Error)]
#[error("{api} {version}: {source}")]
pub struct Malformed {
    api: ApiKey,
    version: i16,
    source: DecodeError,
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// The listener it came in on: brokers and leaders are told by this listener's endpoints.
    pub listener: Arc<str>,
    /// Remote address.
    pub address: SocketAddr,
    /// Name and version of the client's library, once ApiVersions told them.
    pub software: OnceLock<(String, String)>,
    /// What its producers have to send again before anything else.
    pub refused: RefusedSequences,
    /// True once the broker stops: a long poll answers with what it has.
    pub stopping: watch::Receiver<bool>,
}

/// One request, its header read and its API and version known to be served.
#[derive(Debug)]
pub struct Request {
    /// The header; its version is served, except ApiVersions', which may be of the future.
    pub header: RequestHeader,
    /// The API of the header's key.
    pub key: ApiKey,
    /// Stands at the body.
    pub body: Reader,
    /// Who asks.
    pub peer: Arc<Peer>,
}

impl Request {
    /// The request's version.
    pub fn version(&self) -> i16 {
        self.header.api_version
    }

    /// The client id, empty when null.
    pub fn client_id(&self) -> &str {
        self.header.client_id.as_deref().unwrap_or("")
    }

    /// Reads the body. Bytes after it are ignored, as Kafka does.
    ///
    /// # Errors
    /// [`Malformed`]: close the connection.
    pub fn decode<R: wire::Request>(&mut self) -> Result<R, Malformed> {
        R::read(&mut self.body, self.header.api_version).map_err(|source| Malformed {
            api: self.key,
            version: self.header.api_version,
            source,
        })
    }

    /// What answers this request.
    pub fn replier(&self) -> Replier {
        Replier { version: self.header.api_version, correlation_id: self.header.correlation_id }
    }
}

impl Peer {
    /// Of a connection just accepted.
    pub fn new(listener: Arc<str>, address: SocketAddr, stopping: watch::Receiver<bool>) -> Self {
        Self { listener, address, software: OnceLock::new(), refused: RefusedSequences::default(), stopping }
    }

    /// Resolves when the broker stops.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        let _ = stopping.wait_for(|stop| *stop).await; // an error: the server is gone, which is a stop too
    }
}

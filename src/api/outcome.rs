//! What a handler returns, and how an answer is put into bytes.

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::disk::FileSlice;
use crate::wire::{self, Encoded, Message};

/// What becomes of a request.
pub enum Outcome {
    /// The answer is known.
    Reply(Reply),
    /// The answer comes with a future: replication, a long poll, the controller. It resolves to any outcome but `Later`.
    Later(BoxFuture<'static, Outcome>),
    /// Produce with acks=0 that went well.
    NoReply,
    /// The connection is closed, after the answers to earlier requests (Kafka's way to refuse what it can't answer).
    Close,
}

/// An answer: length, header and body, with holes that file slices fill.
#[derive(Debug)]
pub struct Reply {
    /// Bytes with the places and lengths of the holes.
    pub encoded: Encoded,
    /// One a hole, in order.
    pub slices: Vec<FileSlice>,
}

/// Knows how to answer one request: outlives it in a `Later`.
#[derive(Clone, Copy, Debug)]
pub struct Replier {
    pub(super) version: i16,
    pub(super) correlation_id: i32,
}

impl Replier {
    /// The version of the request, and so of its answer.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// An answer of bytes alone.
    pub fn reply<M: Message>(&self, response: &M) -> Outcome {
        self.reply_with(response, Vec::new())
    }

    /// An answer whose `Records::Hole`s are filled from `slices`, in order.
    pub fn reply_with<M: Message>(&self, response: &M, slices: Vec<FileSlice>) -> Outcome {
        self.reply_as(response, self.version, slices)
    }

    /// An answer in another version than the request's: ApiVersions to a client of the future.
    pub fn reply_as<M: Message>(&self, response: &M, version: i16, slices: Vec<FileSlice>) -> Outcome {
        match wire::encode_response(response, version, self.correlation_id) {
            Ok(encoded) => Outcome::Reply(Reply { encoded, slices }),
            Err(error) => {
                // A field was set that this version can't carry: our own mistake, and the client must not wait for ever.
                tracing::error!(api = %M::KEY, version, %error, "could not encode an answer");
                Outcome::Close
            }
        }
    }
}

impl Outcome {
    /// A future of an outcome.
    pub fn later(future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Outcome::Later(Box::pin(future))
    }
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Outcome::Reply(_) => "Reply",
            Outcome::Later(_) => "Later",
            Outcome::NoReply => "NoReply",
            Outcome::Close => "Close",
        })
    }
}

impl Reply {
    /// Bytes on the wire, length prefix included.
    pub fn wire_len(&self) -> usize {
        self.encoded.wire_len()
    }

    /// The answer's own bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.encoded.bytes
    }
}

//! What can be wrong with a frame, and with a message to be written.
//!
//! The server closes a connection on any [`DecodeError`] in a request, as Kafka does; a client fails the call.

use super::api_key::ApiKey;

/// The bytes are not the message they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The frame ends inside a field.
    #[error("frame ends inside a field")]
    Short,
    /// A null where the version allows none.
    #[error("null in a field that cannot be null")]
    Null,
    /// A string that is not UTF-8.
    #[error("string is not UTF-8")]
    Utf8,
    /// A string over 32767 bytes, which flexible versions could carry and Kafka refuses.
    #[error("string is too long")]
    LongString,
    /// A variable-length integer of more than 32 bits.
    #[error("variable-length integer is too long")]
    Varint,
    /// An array of more entries than the frame can hold, or arrays that together would take far more memory than the frame.
    #[error("arrays too large for their frame")]
    TooLarge,
    /// A tagged field longer than its declared size.
    #[error("tagged field is longer than its size")]
    Tag,
    /// A version this API does not have.
    #[error("{0} has no version {1}")]
    Version(ApiKey, i16),
    /// A key no API of ours has.
    #[error("no API has key {0}")]
    UnknownApi(i16),
    /// A request of another API than expected.
    #[error("expected {expected}, got the API with key {got}")]
    OtherApi {
        /// The API the caller decodes.
        expected: ApiKey,
        /// The key in the header.
        got: i16,
    },
}

/// The message cannot be written at this version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// A field that matters is set, and the version does not carry it.
    #[error("{message}.{field} is set, but version {version} does not carry it")]
    Unsupported {
        /// The struct.
        message: &'static str,
        /// Its field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A field is null where the version allows none.
    #[error("{message}.{field} is null, which version {version} does not allow")]
    Null {
        /// The struct.
        message: &'static str,
        /// Its field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A string over 32767 bytes, or an array, bytes or frame over 2^31 - 1.
    #[error("a length of {0} does not fit its field")]
    TooLong(usize),
    /// A version this API does not have.
    #[error("{0} has no version {1}")]
    Version(ApiKey, i16),
}

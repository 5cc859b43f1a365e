//! Kafka's wire messages: declarative, bounded.
//!
//! | file | what |
//! |---|---|
//! | `message.rs` | the macro `message!`, which states a message once, and the traits [`Message`] and [`Request`] |
//! | `messages/` | the 62 APIs of a ZooKeeper-mode broker of 3.9, every version, grouped by area |
//! | `field.rs` `reader.rs` `writer.rs` | how one field is read and written; the one gate for allocation is [`Reader`]'s |
//! | `types.rs` | [`Str`] and [`Records`]: slices of a frame |
//! | `api_key.rs` `header.rs` `frame.rs` | names and versions of the APIs; headers; whole frames |
//!
//! Beware: what is read from a frame shares its memory. Copy what outlives the request.

mod api_key;
#[cfg(feature = "sim")]
mod arbitrary;
mod error;
mod field;
mod frame;
mod header;
mod message;
mod messages;
mod reader;
mod types;
mod writer;

pub use api_key::ApiKey;
#[cfg(feature = "sim")]
pub use arbitrary::Gen;
pub use error::{DecodeError, EncodeError};
pub use field::Field;
pub use frame::{
    decode_request, decode_request_header, decode_response, encode_request, encode_response, response_correlation_id,
};
pub use header::RequestHeader;
pub use message::{Message, Request};
pub use messages::*;
pub use reader::Reader;
pub use types::{Records, Str};
pub use writer::{Encoded, Hole, Writer};

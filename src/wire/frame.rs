//! Whole frames: header and body, with the length in front when they are written.
//!
//! Used by `server` for requests in and responses out, by `client` the other way round. Frames to decode come without their
//! four bytes of length, which the connection has already consumed.

use bytes::{Bytes, BytesMut};

use super::error::{DecodeError, EncodeError};
use super::header::{RequestHeader, read_response_header, write_response_header};
use super::message::{Message, Request};
use super::reader::Reader;
use super::writer::{Encoded, Writer};

/// What most responses without records fit into, so that writing one takes one allocation.
const USUAL_RESPONSE_BYTES: usize = 256;

/// Reads a request's header; the reader then stands at the body: `R::read(&mut reader, header.api_version)`. Succeeds for unknown
/// APIs and versions, which the caller refuses.
pub fn decode_request_header(frame: Bytes) -> Result<(RequestHeader, Reader), DecodeError> {
    let mut reader = Reader::new(frame);
    let header = RequestHeader::read(&mut reader)?;
    Ok((header, reader))
}

/// Reads a request that must be of the API of `R`.
pub fn decode_request<R: Request>(frame: Bytes) -> Result<(RequestHeader, R), DecodeError> {
    let (header, mut reader) = decode_request_header(frame)?;
    if header.api_key != R::KEY.code() {
        return Err(DecodeError::OtherApi { expected: R::KEY, got: header.api_key });
    }
    let request = R::read(&mut reader, header.api_version)?;
    Ok((header, request))
}

/// Appends length, header and body of a request to `out`, which is unchanged on an error.
pub fn encode_request<R: Request>(
    out: &mut BytesMut,
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<(), EncodeError> {
    let before = out.len();
    let mut w = Writer::append_to(std::mem::take(out));
    let start = w.begin_frame();
    RequestHeader::write(&mut w, R::KEY, version, correlation_id, client_id);
    request.write(&mut w, version);
    w.end_frame(start);
    let (buffer, result) = w.into_buffer();
    *out = buffer;
    if result.is_err() {
        out.truncate(before);
    }
    result
}

/// Length, header and body of a response.
pub fn encode_response<M: Message>(response: &M, version: i16, correlation_id: i32) -> Result<Encoded, EncodeError> {
    let mut w = Writer::append_to(BytesMut::with_capacity(USUAL_RESPONSE_BYTES));
    let start = w.begin_frame();
    write_response_header(&mut w, M::KEY, version, correlation_id);
    response.write(&mut w, version);
    w.end_frame(start);
    w.finish()
}

/// Which request a response answers; `None` for a frame of less than four bytes.
pub fn response_correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

/// Reads a response to a request of this API and version: its correlation id and body.
pub fn decode_response<M: Message>(frame: Bytes, version: i16) -> Result<(i32, M), DecodeError> {
    let mut reader = Reader::new(frame);
    let correlation_id = read_response_header(&mut reader, M::KEY, version)?;
    let response = M::read(&mut reader, version)?;
    Ok((correlation_id, response))
}

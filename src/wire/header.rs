//! Headers of requests and responses.
//!
//! Used by `frame.rs`. A request's header can be read whatever its API and version are, as far as needed to refuse it.
//! Beware: the client id keeps its old encoding in flexible headers too, and a response of ApiVersions never has a flexible
//! header, since it must be readable by a client that does not know yet what we speak.

use super::api_key::ApiKey;
use super::error::DecodeError;
use super::reader::Reader;
use super::types::Str;
use super::writer::Writer;

/// What stands before the body of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API's number, which may be none of ours.
    pub api_key: i16,
    /// The version, which may be none of the API's.
    pub api_version: i16,
    /// What the client will know the response by.
    pub correlation_id: i32,
    /// The client's name for itself. Kafka takes null for empty.
    pub client_id: Option<Str>,
}

impl RequestHeader {
    /// The API, `None` for a key that is none of ours.
    pub fn api(&self) -> Option<ApiKey> {
        ApiKey::from_code(self.api_key)
    }

    /// Reads a header. Of an unknown API only the fixed part is read, the client id is then `None`. A version above the
    /// known ones is taken to have the header of the newest, as Kafka does.
    pub fn read(r: &mut Reader) -> Result<Self, DecodeError> {
        let mut header = Self { api_key: r.i16()?, api_version: r.i16()?, correlation_id: r.i32()?, client_id: None };
        let Some(api) = header.api() else { return Ok(header) };
        let version = api.request_header_version(header.api_version);
        if version >= 1 {
            header.client_id = r.old_str()?;
        }
        if version >= 2 {
            r.tags(&mut |_, _| Ok(()))?;
        }
        Ok(header)
    }

    /// Writes a header for a request of `api`.
    pub fn write(w: &mut Writer, api: ApiKey, api_version: i16, correlation_id: i32, client_id: Option<&str>) {
        w.i16(api.code());
        w.i16(api_version);
        w.i32(correlation_id);
        let version = api.request_header_version(api_version);
        if version >= 1 {
            w.old_str(client_id);
        }
        if version >= 2 {
            w.uvarint(0);
        }
    }
}

/// Reads the header of a response: the correlation id.
pub fn read_response_header(r: &mut Reader, api: ApiKey, api_version: i16) -> Result<i32, DecodeError> {
    let correlation_id = r.i32()?;
    if api.response_header_version(api_version) >= 1 {
        r.tags(&mut |_, _| Ok(()))?;
    }
    Ok(correlation_id)
}

/// Writes the header of a response.
pub fn write_response_header(w: &mut Writer, api: ApiKey, api_version: i16, correlation_id: i32) {
    w.i32(correlation_id);
    if api.response_header_version(api_version) >= 1 {
        w.uvarint(0);
    }
}

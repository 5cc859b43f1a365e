//! [`Writer`]: puts the fields of one message into a buffer.
//!
//! Used by the code `message!` generates. There is no pass for sizes: what cannot be known beforehand (a tagged field, a frame)
//! gets its length when it is written. An error sticks: writing goes on, and [`Writer::finish`] returns the first one, so that
//! the generated code has no branch for it.

use bytes::{BufMut, Bytes, BytesMut};

use super::api_key::ApiKey;
use super::error::EncodeError;

/// Bytes to be sent, with the places where bytes of files belong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// All but the holes.
    pub bytes: Bytes,
    /// In ascending order.
    pub holes: Vec<Hole>,
}

/// `len` bytes belong between `bytes[..at]` and `bytes[at..]`; `at` does not count earlier holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Position in [`Encoded::bytes`].
    pub at: usize,
    /// Bytes that belong there; never 0.
    pub len: usize,
}

impl Encoded {
    /// Bytes on the wire, holes filled.
    pub fn wire_len(&self) -> usize {
        self.bytes.len() + self.holes.iter().map(|hole| hole.len).sum::<usize>()
    }
}

/// Writes one message.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: BytesMut,
    holes: Vec<Hole>,
    error: Option<EncodeError>,
    version: i16,
    flexible: bool,
}

impl Writer {
    /// A writer with an empty buffer, at version 0 and not flexible.
    pub fn new() -> Self {
        Self::default()
    }

    /// A writer that appends to `buffer`.
    pub fn append_to(buffer: BytesMut) -> Self {
        Self { buffer, ..Self::default() }
    }

    /// From here on a message of this API and version follows. False, and an error, if there is no such version.
    pub fn enter(&mut self, api: ApiKey, version: i16) -> bool {
        let supported = api.supports(version);
        if !supported {
            self.fail(EncodeError::Version(api, version));
        }
        self.version = version;
        self.flexible = api.is_flexible(version);
        supported
    }

    /// The version of the message being written.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// True where lengths are varints and every struct ends with tagged fields (KIP-482).
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// Notes an error; the first one counts.
    #[cold]
    pub fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
    }

    /// A field is set that the version does not carry.
    #[cold]
    pub fn not_carried(&mut self, message: &'static str, field: &'static str) {
        self.fail(EncodeError::Unsupported { message, field, version: self.version });
    }

    /// A field is null that the version does not let be null.
    #[cold]
    pub fn not_nullable(&mut self, message: &'static str, field: &'static str) {
        self.fail(EncodeError::Null { message, field, version: self.version });
    }

    /// What was written, or the first error.
    pub fn finish(self) -> Result<Encoded, EncodeError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(Encoded { bytes: self.buffer.freeze(), holes: self.holes }),
        }
    }

    /// The buffer back, for frames without holes, or the first error; then what this writer appended is still in the buffer.
    pub fn into_buffer(self) -> (BytesMut, Result<(), EncodeError>) {
        debug_assert!(self.holes.is_empty(), "only responses have holes");
        (self.buffer, self.error.map_or(Ok(()), Err))
    }

    /// One byte.
    #[inline(never)]
    pub fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    /// Two bytes, big-endian, like all below.
    #[inline(never)]
    pub fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    /// Four bytes.
    #[inline(never)]
    pub fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    /// Eight bytes.
    #[inline(never)]
    pub fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    /// Sixteen bytes.
    #[inline(never)]
    pub fn uuid(&mut self, value: &[u8; 16]) {
        self.buffer.put_slice(value);
    }

    /// An unsigned varint.
    #[inline(never)]
    pub fn uvarint(&mut self, value: u32) {
        let (bytes, len) = uvarint(value);
        self.buffer.put_slice(&bytes[..len]);
    }

    /// A length or count, `None` for null: varint of length + 1, or `old_bytes` (2 or 4) before flexible versions.
    fn len(&mut self, len: Option<usize>, max: usize, old_bytes: usize) {
        let value = len.unwrap_or(0);
        if value > max {
            return self.fail(EncodeError::TooLong(value));
        }
        match (self.flexible, old_bytes) {
            (true, _) => self.uvarint(len.map_or(0, |len| len as u32 + 1)),
            (false, 2) => self.i16(len.map_or(-1, |len| len as i16)),
            (false, _) => self.i32(len.map_or(-1, |len| len as i32)),
        }
    }

    /// A string, `None` for null; at most 32767 bytes.
    #[inline(never)]
    pub fn str(&mut self, text: Option<&str>) {
        self.len(text.map(str::len), i16::MAX as usize, 2);
        self.buffer.put_slice(text.unwrap_or_default().as_bytes());
    }

    /// A string with a length of two bytes whatever the version: the client id in every header.
    pub fn old_str(&mut self, text: Option<&str>) {
        let flexible = std::mem::replace(&mut self.flexible, false);
        self.str(text);
        self.flexible = flexible;
    }

    /// Bytes, `None` for null.
    #[inline(never)]
    pub fn bytes(&mut self, bytes: Option<&[u8]>) {
        self.len(bytes.map(<[u8]>::len), i32::MAX as usize, 4);
        self.buffer.put_slice(bytes.unwrap_or_default());
    }

    /// The length of `len` bytes that somebody else puts in here when the frame is sent.
    #[inline(never)]
    pub fn hole(&mut self, len: usize) {
        self.len(Some(len), i32::MAX as usize, 4);
        if len > 0 {
            self.holes.push(Hole { at: self.buffer.len(), len });
        }
    }

    /// The count of an array, `None` for null.
    #[inline(never)]
    pub fn array(&mut self, count: Option<usize>) {
        self.len(count, i32::MAX as usize, 4);
    }

    /// Starts a tagged field; its value follows, then [`Writer::end_tag`] with what this returned.
    #[inline(never)]
    pub fn begin_tag(&mut self, tag: u32) -> usize {
        self.uvarint(tag);
        self.buffer.len()
    }

    /// Puts the length in front of the tagged field that began at `start`: the value moves up by the one byte (mostly) it takes.
    #[inline(never)]
    pub fn end_tag(&mut self, start: usize) {
        let end = self.buffer.len();
        let Ok(size) = u32::try_from(end - start) else {
            return self.fail(EncodeError::TooLong(end - start));
        };
        let (bytes, len) = uvarint(size);
        self.buffer.put_bytes(0, len);
        self.buffer.copy_within(start..end, start + len);
        self.buffer[start..start + len].copy_from_slice(&bytes[..len]);
    }

    /// Leaves four bytes for the length of a frame; returns what [`Writer::end_frame`] takes.
    pub fn begin_frame(&mut self) -> usize {
        self.i32(0);
        self.buffer.len()
    }

    /// Puts the length of the frame, holes included, into the four bytes before `start`.
    pub fn end_frame(&mut self, start: usize) {
        let holes: usize = self.holes.iter().map(|hole| hole.len).sum();
        let len = self.buffer.len() - start + holes;
        match i32::try_from(len) {
            Ok(len) => self.buffer[start - 4..start].copy_from_slice(&len.to_be_bytes()),
            Err(_) => self.fail(EncodeError::TooLong(len)),
        }
    }
}

fn uvarint(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut len = 0;
    while value >= 0x80 {
        bytes[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    bytes[len] = value as u8;
    (bytes, len + 1)
}

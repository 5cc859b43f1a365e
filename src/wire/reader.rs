//! [`Reader`]: takes the fields of one message out of a frame.
//!
//! Used by the code `message!` generates. Nothing here panics on any bytes. Strings, bytes and records are slices of the frame;
//! the only memory taken on a frame's word is that of arrays, and [`Reader::array`] is its one gate. Messages nest as deep as
//! their declarations do and no declaration contains itself, so the stack is bounded too.
//! The primitives are kept out of line: some thousand call sites would otherwise each carry a copy.

use bytes::Bytes;

use super::api_key::ApiKey;
use super::error::DecodeError;
use super::types::Str;

/// Arrays of a frame may together take this many times its length. A struct of a few short strings takes 10 to 16 times
/// its wire form (32 bytes for a string of 1 and its length); more is an attack.
const MEMORY_PER_FRAME_BYTE: usize = 16;
/// What a frame may take beyond that, so that small frames of many empty strings pass.
const MEMORY_ALWAYS_BYTES: usize = 4096;

/// Kafka's own bound: the older encoding has two bytes for it.
const LONGEST_STRING: usize = i16::MAX as usize;

/// Reads one message from a frame.
#[derive(Debug)]
pub struct Reader {
    frame: Bytes,
    at: usize,
    /// Memory that arrays may still take, in bytes.
    memory_left: usize,
    version: i16,
    flexible: bool,
}

impl Reader {
    /// A reader at the start of `frame` (without its length), at version 0 and not flexible.
    pub fn new(frame: Bytes) -> Self {
        let memory_left = frame.len().saturating_mul(MEMORY_PER_FRAME_BYTE).saturating_add(MEMORY_ALWAYS_BYTES);
        Self { frame, at: 0, memory_left, version: 0, flexible: false }
    }

    /// From here on a message of this API and version follows.
    pub fn enter(&mut self, api: ApiKey, version: i16) -> Result<(), DecodeError> {
        if !api.supports(version) {
            return Err(DecodeError::Version(api, version));
        }
        self.version = version;
        self.flexible = api.is_flexible(version);
        Ok(())
    }

    /// The version of the message being read.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// True where lengths are varints and every struct ends with tagged fields (KIP-482).
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.frame.len() - self.at
    }

    /// The bytes not read yet, which go on sharing the frame's memory.
    pub fn rest(&self) -> Bytes {
        self.frame.slice(self.at..)
    }

    /// Passes over `len` bytes and returns where they start.
    #[inline(never)]
    fn advance(&mut self, len: usize) -> Result<usize, DecodeError> {
        if len > self.remaining() {
            return Err(DecodeError::Short);
        }
        let start = self.at;
        self.at += len;
        Ok(start)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.frame[self.at..].first_chunk::<N>().ok_or(DecodeError::Short)?;
        self.at += N;
        Ok(*bytes)
    }

    /// One byte.
    #[inline(never)]
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.fixed().map(i8::from_be_bytes)
    }

    /// Two bytes, big-endian, like all below.
    #[inline(never)]
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.fixed().map(i16::from_be_bytes)
    }

    /// Four bytes.
    #[inline(never)]
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.fixed().map(i32::from_be_bytes)
    }

    /// Eight bytes.
    #[inline(never)]
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.fixed().map(i64::from_be_bytes)
    }

    /// Sixteen bytes.
    #[inline(never)]
    pub fn uuid(&mut self) -> Result<[u8; 16], DecodeError> {
        self.fixed()
    }

    /// An unsigned varint of at most five bytes.
    #[inline(never)]
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| DecodeError::Varint);
            }
        }
        Err(DecodeError::Varint)
    }

    /// A length in the flexible encoding (varint of length + 1), `None` for null.
    fn compact_len(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok((self.uvarint()? as usize).checked_sub(1))
    }

    /// Length of a string: a varint, or two bytes before flexible versions.
    fn str_len(&mut self) -> Result<Option<usize>, DecodeError> {
        if self.flexible { self.compact_len() } else { Ok(usize::try_from(self.i16()?).ok()) }
    }

    /// Length of bytes or count of an array: a varint, or four bytes before flexible versions.
    fn len(&mut self) -> Result<Option<usize>, DecodeError> {
        if self.flexible { self.compact_len() } else { Ok(usize::try_from(self.i32()?).ok()) }
    }

    fn slice(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        let start = self.advance(len)?;
        Ok(self.frame.slice(start..start + len))
    }

    fn utf8(&mut self, len: Option<usize>) -> Result<Option<Str>, DecodeError> {
        let Some(len) = len else { return Ok(None) };
        if len > LONGEST_STRING {
            return Err(DecodeError::LongString);
        }
        let bytes = self.slice(len)?;
        Str::from_utf8(bytes).ok_or(DecodeError::Utf8).map(Some)
    }

    /// A string, `None` for null. Kafka would replace what is not UTF-8; we refuse it.
    #[inline(never)]
    pub fn str(&mut self) -> Result<Option<Str>, DecodeError> {
        let len = self.str_len()?;
        self.utf8(len)
    }

    /// A string with a length of two bytes whatever the version: the client id in every header.
    pub fn old_str(&mut self) -> Result<Option<Str>, DecodeError> {
        let len = usize::try_from(self.i16()?).ok();
        self.utf8(len)
    }

    /// Bytes or records, `None` for null.
    #[inline(never)]
    pub fn bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        match self.len()? {
            None => Ok(None),
            Some(len) => self.slice(len).map(Some),
        }
    }

    /// The count of an array whose entries take `entry_bytes` of memory each, `None` for null. The caller may allocate that much:
    /// the count is not above the bytes left (no entry is shorter than a byte), and the memory is charged against the frame's.
    #[inline(never)]
    pub fn array(&mut self, entry_bytes: usize) -> Result<Option<usize>, DecodeError> {
        let Some(count) = self.len()? else { return Ok(None) };
        if count > self.remaining() {
            return Err(DecodeError::TooLarge);
        }
        let memory = count.checked_mul(entry_bytes).ok_or(DecodeError::TooLarge)?;
        self.memory_left = self.memory_left.checked_sub(memory).ok_or(DecodeError::TooLarge)?;
        Ok(Some(count))
    }

    /// The tagged fields at the end of a flexible struct: `known` reads the ones it knows, the others are passed over.
    #[inline(never)]
    pub fn tags(
        &mut self,
        known: &mut dyn FnMut(&mut Reader, u32) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.uvarint()?;
        for _ in 0..count {
            let tag = self.uvarint()?;
            let len = self.uvarint()? as usize;
            let end = self.advance(len)? + len;
            self.at = end - len;
            known(self, tag)?;
            if self.at > end {
                return Err(DecodeError::Tag);
            }
            self.at = end;
        }
        Ok(())
    }
}

//! Fields of the messages inside records: what coordinators keep in internal topics, and what consumers tell each other.
//!
//! Kafka's generated messages, big endian: text with an int16 length (-1 for null), bytes and lists with an int32 one. Flexible ones
//! (KIP-482) have unsigned varints plus one for lengths, and tagged fields after each structure. Used by the coordinators and the tools.
//! Lengths are not believed: every element takes bytes, so that a hostile count ends with them.

use super::error::RecordError;
use super::varint::Cursor;

const NULL: RecordError = RecordError::BadRecord("text, bytes or a list that may not be null");

/// A cursor over one message.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    at: Cursor<'a>,
    flexible: bool,
}

impl<'a> Fields<'a> {
    /// At the front of a message that is not flexible.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { at: Cursor::new(bytes), flexible: false }
    }

    /// The version in front of a record's value, and from it whether the rest is flexible, as only the newest of these messages are.
    ///
    /// # Errors
    /// [`RecordError::UnknownVersion`]: the rest can't be read.
    pub fn value_version(&mut self, newest: i16) -> Result<i16, RecordError> {
        let version = self.int16()?;
        if !(0..=newest).contains(&version) {
            return Err(RecordError::UnknownVersion(version));
        }
        self.flexible = version == newest;
        Ok(version)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, RecordError> {
        self.at.byte()
    }

    /// An int16.
    pub fn int16(&mut self) -> Result<i16, RecordError> {
        self.at.array().map(i16::from_be_bytes)
    }

    /// An int32.
    pub fn int32(&mut self) -> Result<i32, RecordError> {
        self.at.array().map(i32::from_be_bytes)
    }

    /// An int64.
    pub fn int64(&mut self) -> Result<i64, RecordError> {
        self.at.array().map(i64::from_be_bytes)
    }

    /// Text; `None` is null. What is no UTF-8 is replaced, as Java does.
    pub fn opt_text(&mut self) -> Result<Option<String>, RecordError> {
        let len = if self.flexible { self.compact_length()? } else { i64::from(self.int16()?) };
        let Ok(len) = usize::try_from(len) else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(self.at.take(len)?).into_owned()))
    }

    /// Text that may not be null.
    pub fn text(&mut self) -> Result<String, RecordError> {
        self.opt_text()?.ok_or(NULL)
    }

    /// Bytes; `None` is null.
    pub fn opt_bytes(&mut self) -> Result<Option<&'a [u8]>, RecordError> {
        match usize::try_from(self.length()?) {
            Ok(len) => self.at.take(len).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Bytes that may not be null.
    pub fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        self.opt_bytes()?.ok_or(NULL)
    }

    /// Elements of a list; negative for null.
    pub fn length(&mut self) -> Result<i64, RecordError> {
        if self.flexible { self.compact_length() } else { self.int32().map(i64::from) }
    }

    /// A list of what `element` reads; null reads as empty.
    pub fn array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let mut elements = Vec::new(); // not reserved: the count is a log's word
        for _ in 0..self.length()? {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    /// Skips the tagged fields at the end of a structure, if the message has such.
    pub fn tags(&mut self) -> Result<(), RecordError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.at.unsigned_varint()? {
            self.at.unsigned_varint()?;
            let len = self.at.unsigned_varint()?;
            self.at.take(len as usize)?;
        }
        Ok(())
    }

    fn compact_length(&mut self) -> Result<i64, RecordError> {
        Ok(i64::from(self.at.unsigned_varint()?) - 1)
    }
}

/// Writes text. Text longer than an int16 can say is cut between two characters: a record that can't be read again would take its whole
/// partition out of service. Only a member id, made of a client id and a suffix, can be so long; all other text came with such a length.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = text.floor_char_boundary(i16::MAX as usize);
    out.extend_from_slice(&(len as i16).to_be_bytes());
    out.extend_from_slice(&text.as_bytes()[..len]);
}

/// Writes text or null.
pub fn put_opt_text(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => out.extend_from_slice(&(-1i16).to_be_bytes()),
    }
}

/// Writes the length of a list or of bytes.
pub fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&i32::try_from(len).unwrap_or(i32::MAX).to_be_bytes());
}

//! Reads the fields of coordinator records and of the consumer protocol: Kafka's generated messages, plain or flexible.
//!
//! Used by `decoder` and `groups`. Lengths are not believed: every element takes bytes, so that a hostile count ends with them.

use crate::record::RecordError;
use crate::record::varint::Cursor;

/// A cursor over one message; `flexible` says whether lengths are compact and structures end in tagged fields (KIP-482).
pub(super) struct Fields<'a> {
    at: Cursor<'a>,
    /// Compact lengths and tagged fields.
    pub(super) flexible: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { at: Cursor::new(bytes), flexible: false }
    }

    pub(super) fn byte(&mut self) -> Result<u8, RecordError> {
        self.at.byte()
    }

    pub(super) fn int16(&mut self) -> Result<i16, RecordError> {
        self.at.array().map(i16::from_be_bytes)
    }

    pub(super) fn int32(&mut self) -> Result<i32, RecordError> {
        self.at.array().map(i32::from_be_bytes)
    }

    pub(super) fn int64(&mut self) -> Result<i64, RecordError> {
        self.at.array().map(i64::from_be_bytes)
    }

    /// A string; `None` is null.
    pub(super) fn string(&mut self) -> Result<Option<String>, RecordError> {
        let len = if self.flexible { self.compact_length()? } else { i64::from(self.int16()?) };
        let Ok(len) = usize::try_from(len) else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(self.at.take(len)?).into_owned()))
    }

    /// A string that may not be null.
    pub(super) fn text(&mut self) -> Result<String, RecordError> {
        self.string()?.ok_or(RecordError::BadRecord("a string is null"))
    }

    /// Bytes; `None` is null.
    pub(super) fn bytes(&mut self) -> Result<Option<&'a [u8]>, RecordError> {
        match usize::try_from(self.length()?) {
            Ok(len) => self.at.take(len).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Elements of an array; -1 for null.
    pub(super) fn length(&mut self) -> Result<i64, RecordError> {
        if self.flexible { self.compact_length() } else { self.int32().map(i64::from) }
    }

    /// An array of what `element` reads; null reads as empty.
    pub(super) fn array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let mut elements = Vec::new();
        for _ in 0..self.length()? {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    /// Skips the tagged fields at the end of a structure, if the message has such.
    pub(super) fn tags(&mut self) -> Result<(), RecordError> {
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

//! Reads the fields of coordinator records and of the consumer protocol: Kafka's generated messages, plain or flexible.
//!
//! Used by `decoder`, `groups` and the console consumer's formatters. Lengths are not believed: every element takes bytes, so that a hostile count ends with them.

use crate::record::RecordError;
use crate::record::varint::Cursor;

/// A cursor over one message; `flexible` says whether lengths are compact and structures end in tagged fields (KIP-482).
pub(in crate::tools) struct Fields<'a> {
    at: Cursor<'a>,
    /// Compact lengths and tagged fields.
    pub(in crate::tools) flexible: bool,
}

impl<'a> Fields<'a> {
    pub(in crate::tools) fn new(bytes: &'a [u8]) -> Self {
        Self { at: Cursor::new(bytes), flexible: false }
    }

    pub(in crate::tools) fn byte(&mut self) -> Result<u8, RecordError> {
        self.at.byte()
    }

    pub(in crate::tools) fn int16(&mut self) -> Result<i16, RecordError> {
        self.at.array().map(i16::from_be_bytes)
    }

    pub(in crate::tools) fn int32(&mut self) -> Result<i32, RecordError> {
        self.at.array().map(i32::from_be_bytes)
    }

    pub(in crate::tools) fn int64(&mut self) -> Result<i64, RecordError> {
        self.at.array().map(i64::from_be_bytes)
    }

    /// A string; `None` is null.
    pub(in crate::tools) fn string(&mut self) -> Result<Option<String>, RecordError> {
        let len = if self.flexible { self.compact_length()? } else { i64::from(self.int16()?) };
        let Ok(len) = usize::try_from(len) else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(self.at.take(len)?).into_owned()))
    }

    /// A string that may not be null.
    pub(in crate::tools) fn text(&mut self) -> Result<String, RecordError> {
        self.string()?.ok_or(RecordError::BadRecord("a string is null"))
    }

    /// Bytes; `None` is null.
    pub(in crate::tools) fn bytes(&mut self) -> Result<Option<&'a [u8]>, RecordError> {
        match usize::try_from(self.length()?) {
            Ok(len) => self.at.take(len).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Elements of an array; -1 for null.
    pub(in crate::tools) fn length(&mut self) -> Result<i64, RecordError> {
        if self.flexible { self.compact_length() } else { self.int32().map(i64::from) }
    }

    /// An array of what `element` reads; null reads as empty.
    pub(in crate::tools) fn array<T>(
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
    pub(in crate::tools) fn tags(&mut self) -> Result<(), RecordError> {
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

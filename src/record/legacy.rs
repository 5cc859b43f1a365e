//! Messages of formats 0 and 1 (`LegacyRecord`): one record each, or, compressed, a wrapper around a nested message set.
//!
//! Layout after offset (int64) and size (int32): crc (uint32, CRC-32 of all behind it), magic, attributes (bits 0-2 codec, bit 3
//! timestamp type), in format 1 a timestamp (int64), key and value, each behind an int32 length that is negative for null. Inner
//! offsets are absolute in format 0 and count from the set's start in format 1, where the wrapper has the last one's absolute offset.
//! Read by `batches` and `record`; written (by `builder`) only for old consumers and tests, because a broker from IBP 3.0 on
//! keeps format 2.

use super::batch::{LOG_OVERHEAD, NO_SEQUENCE, NO_TIMESTAMP, TimestampType};
use super::codec::Codec;
use super::error::RecordError;
use super::record::{Headers, Record};
use super::varint::Cursor;

const LOG_APPEND_TIME: i8 = 0x08;
const CODEC_MASK: i8 = 0x07;

/// Key and value of a message; `None` is null.
pub type KeyValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// One message with its offset and size, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Offset: absolute, or inside a format-1 wrapper relative.
    pub offset: i64,
    /// Stored CRC-32.
    pub crc: u32,
    /// 0 or 1.
    pub magic: i8,
    /// Codec and timestamp type.
    pub attributes: i8,
    /// Format 1: time of the record, or the greatest in the set.
    pub timestamp: Option<i64>,
    bytes: &'a [u8],
    after_timestamp: &'a [u8],
}

impl<'a> Message<'a> {
    /// Decodes exactly one message, offset and size included. Key and value are read later, by [`Message::key_value`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut at = Cursor::new(bytes);
        let offset = i64::from_be_bytes(at.array()?);
        let _size: [u8; 4] = at.array()?;
        let crc = u32::from_be_bytes(at.array()?);
        let magic = at.byte()? as i8;
        if !(0..=1).contains(&magic) {
            return Err(RecordError::BadMagic(magic));
        }
        let attributes = at.byte()? as i8;
        let timestamp = if magic == 1 { Some(i64::from_be_bytes(at.array()?)) } else { None };
        Ok(Self { offset, crc, magic, attributes, timestamp, bytes, after_timestamp: at.rest() })
    }

    /// Bytes of it, offset and size included.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The codec of its value.
    pub fn codec(&self) -> Result<Codec, RecordError> {
        Codec::from_bits((self.attributes & CODEC_MASK) as u8)
    }

    /// Who set its time.
    pub fn timestamp_type(&self) -> TimestampType {
        match (self.magic, self.attributes & LOG_APPEND_TIME) {
            (0, _) => TimestampType::NoTimestamp,
            (_, 0) => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    /// `BadCrc` unless the stored CRC is that of the bytes.
    pub fn check_crc(&self) -> Result<(), RecordError> {
        let computed = self.bytes.get(LOG_OVERHEAD + 4..).map_or(0, crc32fast::hash);
        if computed == self.crc { Ok(()) } else { Err(RecordError::BadCrc { stored: self.crc, computed }) }
    }

    /// Key and value; an error when they reach past the message. Java does not mind bytes behind the value.
    pub fn key_value(&self) -> Result<KeyValue<'a>, RecordError> {
        let mut at = Cursor::new(self.after_timestamp);
        let key = nullable(&mut at)?;
        Ok((key, nullable(&mut at)?))
    }

    /// The message as a record of `offset`; `wrapper_time` is the wrapper's when that has LogAppendTime.
    pub(super) fn record(&self, offset: i64, wrapper_time: Option<i64>) -> Result<Record<'a>, RecordError> {
        let (key, value) = self.key_value()?;
        let timestamp = match (self.timestamp, wrapper_time) {
            (None, _) => NO_TIMESTAMP,
            (Some(_), Some(time)) => time,
            (Some(own), None) => own,
        };
        Ok(Record {
            offset,
            timestamp,
            sequence: NO_SEQUENCE,
            attributes: self.attributes,
            key,
            value,
            headers: Headers::none(),
            size: self.size(),
            message: Some(*self),
        })
    }
}

fn nullable<'a>(at: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, RecordError> {
    match usize::try_from(i32::from_be_bytes(at.array()?)) {
        Ok(len) => at.take(len).map(Some),
        Err(_) => Ok(None),
    }
}

/// The messages inside a wrapper, already decompressed.
#[derive(Clone, Debug)]
pub struct Nested<'a> {
    rest: &'a [u8],
    /// Added to every inner offset (format 1), 0 where they are absolute.
    base: i64,
    wrapper_time: Option<i64>,
}

impl<'a> Nested<'a> {
    /// Reads the set once to find its offsets. A tail that is cut is left out, as Java's `DataLogInputStream` does; an empty set is an
    /// error.
    pub(super) fn new(wrapper: &Message<'_>, set: &'a [u8]) -> Result<Self, RecordError> {
        let wrapper_time = wrapper.timestamp.filter(|_| wrapper.timestamp_type() == TimestampType::LogAppendTime);
        let mut nested = Self { rest: set, base: 0, wrapper_time };
        let mut walk = nested.clone();
        let mut last = None;
        while let Some(message) = walk.next_message()? {
            last = Some(message.offset);
        }
        let Some(last) = last else {
            return Err(RecordError::BadRecord("compressed record set with no inner records"));
        };
        // An outer offset of 0 comes from versions of librdkafka that leave it unset.
        if wrapper.magic == 1 && wrapper.offset != 0 {
            if wrapper.offset < last {
                return Err(RecordError::BadRecord("wrapper offset is less than the last inner offset"));
            }
            // `last` is hostile: it may be near the type's minimum.
            nested.base = wrapper.offset.wrapping_sub(last);
        }
        Ok(nested)
    }

    fn next_message(&mut self) -> Result<Option<Message<'a>>, RecordError> {
        let (size, _) = match super::batches::peek(self.rest, i32::MAX) {
            Ok(found) => found,
            Err(error) if error.is_incomplete() => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some((bytes, rest)) = self.rest.split_at_checked(size) else { return Ok(None) };
        self.rest = rest;
        let message = Message::parse(bytes)?;
        if message.codec()? != Codec::None {
            return Err(RecordError::BadRecord("inner messages must not be compressed"));
        }
        Ok(Some(message))
    }

    pub(super) fn next_record(&mut self) -> Result<Option<Record<'a>>, RecordError> {
        let Some(message) = self.next_message()? else { return Ok(None) };
        message.record(self.base.wrapping_add(message.offset), self.wrapper_time).map(Some)
    }
}

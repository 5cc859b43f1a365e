//! A deep walk over the records of one batch of any format, borrowed: nothing is allocated for a record.
//!
//! `batch.records(&mut scratch)` gives an iterator; a compressed body is decompressed into the [`Scratch`], which the caller keeps for
//! the next batch. Used by validation, compaction, coordinators that load, time lookups and tools. Each item may be an error: bodies
//! are checked as they are walked, and after an error the walk ends. Beware: under LogAppendTime every record's time is the batch's
//! maximum, whatever the deltas say.

use super::batch::{BATCH_HEADER, BatchHeader, NO_SEQUENCE, TimestampType, add_sequence};
use super::batches::Batch;
use super::codec::{Codec, DECOMPRESSED_LIMIT, decompress};
use super::error::RecordError;
use super::legacy::{Message, Nested};
use super::varint::Cursor;

/// Capacity a [`Scratch`] keeps between batches: a batch of the default maximum size, decompressed; more goes back at once.
const KEPT_CAPACITY: usize = 4 << 20;

/// Where compressed bodies are decompressed, with a bound on their size. One per walker, reused from batch to batch.
#[derive(Debug)]
pub struct Scratch {
    buffer: Vec<u8>,
    limit: usize,
}

impl Scratch {
    /// Empty, with [`DECOMPRESSED_LIMIT`].
    pub const fn new() -> Self {
        Self::with_limit(DECOMPRESSED_LIMIT)
    }

    /// Empty; bodies that decompress to more than `limit` bytes are refused.
    pub const fn with_limit(limit: usize) -> Self {
        Self { buffer: Vec::new(), limit }
    }

    pub(super) fn decompress(&mut self, codec: Codec, magic: i8, body: &[u8]) -> Result<&[u8], RecordError> {
        if self.buffer.capacity() > KEPT_CAPACITY {
            self.buffer = Vec::new();
        }
        decompress(codec, magic, body, &mut self.buffer, self.limit)?;
        Ok(&self.buffer)
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// One record, borrowed from its batch or from the [`Scratch`].
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Absolute offset.
    pub offset: i64,
    /// Time in ms, or -1.
    pub timestamp: i64,
    /// Sequence number, or -1.
    pub sequence: i32,
    /// Unused in format 2; codec and timestamp type before.
    pub attributes: i8,
    /// Key, if any.
    pub key: Option<&'a [u8]>,
    /// Value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers; none before format 2.
    pub headers: Headers<'a>,
    /// Bytes of its frame, uncompressed.
    pub size: usize,
    /// The message it was, in formats 0 and 1.
    pub message: Option<Message<'a>>,
}

impl Record<'_> {
    /// The format of the record itself: an old wrapper may, in theory, hold messages of another format than its own.
    pub fn magic(&self) -> i8 {
        self.message.map_or(2, |m| m.magic)
    }
}

/// The headers of a record, checked when the record was read.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    count: i32,
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    pub(super) const fn none() -> Self {
        Self { count: 0, bytes: &[] }
    }

    /// Reads through `count` headers; they must end where the record ends.
    fn parse(count: i32, at: Cursor<'a>) -> Result<Self, RecordError> {
        if count < 0 {
            return Err(RecordError::BadRecord("negative number of headers"));
        }
        let bytes = at.rest();
        let mut walk = at;
        // Each turn reads a byte at least, so that a hostile count ends with the bytes.
        for _ in 0..count {
            let len = walk.varint()?;
            let len = usize::try_from(len).map_err(|_| RecordError::BadRecord("negative header key size"))?;
            walk.take(len)?;
            walk.nullable_bytes()?;
        }
        if walk.remaining() != 0 {
            return Err(RecordError::BadRecord("record size does not match what it holds"));
        }
        Ok(Self { count, bytes })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Keys (UTF-8 by the protocol, unchecked) and values, in order. Keys may repeat.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone + use<'a> {
        let mut at = Cursor::new(self.bytes);
        (0..self.count).map_while(move |_| {
            // `parse` has read these very bytes: none of the three can fail.
            let len = usize::try_from(at.varint().ok()?).ok()?;
            Some((at.take(len).ok()?, at.nullable_bytes().ok()?))
        })
    }
}

impl<'a> Batch<'a> {
    /// The records of the batch, decompressed into `scratch` when they are compressed.
    ///
    /// Errors at once: unknown codec, broken or too large container, negative count, an old wrapper without messages.
    pub fn records<'s>(&self, scratch: &'s mut Scratch) -> Result<Records<'s>, RecordError>
    where
        'a: 's,
    {
        match (self.header(), self.message()) {
            (Some(header), _) => {
                if header.count < 0 {
                    return Err(RecordError::BadRecord("negative number of records"));
                }
                let body = self.bytes().get(BATCH_HEADER..).unwrap_or_default();
                let body = match header.attributes.codec()? {
                    // An empty batch is what compaction left: there is nothing to decompress, whatever the codec says.
                    _ if header.count == 0 => &[],
                    Codec::None => body,
                    codec => scratch.decompress(codec, 2, body)?,
                };
                Ok(Records(Walk::V2(V2Walk { header: *header, at: Cursor::new(body), read: 0 })))
            }
            (None, Some(message)) => match message.codec()? {
                Codec::None => Ok(Records(Walk::Single(Some(*message)))),
                codec => {
                    let (_, value) = message.key_value()?;
                    let value = value.ok_or(RecordError::BadRecord("compressed record set with null value"))?;
                    let set = scratch.decompress(codec, message.magic, value)?;
                    Ok(Records(Walk::Nested(Nested::new(message, set)?)))
                }
            },
            // A batch has one of the two forms.
            (None, None) => Ok(Records(Walk::Ended)),
        }
    }

    /// Offset of the first record, decompressing an old wrapper for it (Java's `baseOffset()`).
    pub fn first_offset(&self, scratch: &mut Scratch) -> Result<i64, RecordError> {
        if let Some(header) = self.header() {
            return Ok(header.base_offset);
        }
        match self.records(scratch)?.next() {
            Some(first) => Ok(first?.offset),
            None => Ok(self.base_offset()),
        }
    }
}

/// Iterator over the records of a batch.
#[derive(Clone, Debug)]
pub struct Records<'a>(Walk<'a>);

#[derive(Clone, Debug)]
enum Walk<'a> {
    V2(V2Walk<'a>),
    Single(Option<Message<'a>>),
    Nested(Nested<'a>),
    Ended,
}

#[derive(Clone, Debug)]
struct V2Walk<'a> {
    header: BatchHeader,
    at: Cursor<'a>,
    read: i32,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.0 {
            Walk::V2(walk) => walk.next(),
            Walk::Single(message) => message.take().map(|m| m.record(m.offset, None)).transpose(),
            Walk::Nested(nested) => nested.next_record(),
            Walk::Ended => Ok(None),
        };
        if !matches!(next, Ok(Some(_))) {
            self.0 = Walk::Ended;
        }
        next.transpose()
    }
}

impl<'a> V2Walk<'a> {
    fn next(&mut self) -> Result<Option<Record<'a>>, RecordError> {
        let header = &self.header;
        if self.read == header.count {
            if self.at.remaining() != 0 {
                return Err(RecordError::BadCount { declared: header.count, found: self.read.saturating_add(1) });
            }
            return Ok(None);
        }
        if self.at.remaining() == 0 {
            return Err(RecordError::BadCount { declared: header.count, found: self.read });
        }
        let before = self.at.remaining();
        let len = usize::try_from(self.at.varint()?).map_err(|_| RecordError::BadRecord("negative record size"))?;
        let mut at = Cursor::new(self.at.take(len)?);
        let size = before - self.at.remaining();
        let attributes = at.byte()? as i8;
        let timestamp_delta = at.varlong()?;
        let timestamp = match header.attributes.timestamp_type() {
            TimestampType::LogAppendTime => header.max_timestamp,
            _ => header.base_timestamp.wrapping_add(timestamp_delta),
        };
        let offset_delta = at.varint()?;
        let sequence =
            if header.base_sequence >= 0 { add_sequence(header.base_sequence, offset_delta) } else { NO_SEQUENCE };
        let key = at.nullable_bytes()?;
        let value = at.nullable_bytes()?;
        let header_count = at.varint()?;
        let headers = Headers::parse(header_count, at)?;
        self.read += 1;
        Ok(Some(Record {
            offset: header.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp,
            sequence,
            attributes,
            key,
            value,
            headers,
            size,
            message: None,
        }))
    }
}

//! Walks over a segment's file: batch heads only (to find a position), or whole batches (recovery, producer state).
//!
//! Both bound what they read by the file's end, so a corrupt size field costs nothing. Offsets are not trusted to ascend; callers check.

use std::io;
use std::ops::ControlFlow;

use crate::disk::File;
use crate::record::batches::{SIZE_AND_MAGIC, peek};
use crate::record::{BATCH_HEADER, Batch, BatchHeader, RecordError};

/// What a batch's head says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Where it starts in the file.
    pub position: u64,
    /// Its bytes.
    pub size: u64,
    /// First offset; formats 0 and 1: the message's own, of a wrapper the last inner one.
    pub first_offset: i64,
    /// Last offset.
    pub last_offset: i64,
    /// Largest timestamp, -1 unknown.
    pub max_timestamp: i64,
    /// Leader epoch, -1 before format 2.
    pub leader_epoch: i32,
}

/// Enough for one head and, with small batches, a few; a page-cache read of it costs what one of 61 bytes costs.
const CHUNK: usize = 1024;

/// Iterates over the heads of `from..to` of a file.
pub struct Heads<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    buf: [u8; CHUNK],
    buf_start: u64,
    buf_len: usize,
}

impl<'a> Heads<'a> {
    /// From a batch's position to the end of what is to be seen.
    pub fn new(file: &'a File, from: u64, to: u64) -> Self {
        Self { file, position: from, end: to, buf: [0; CHUNK], buf_start: 0, buf_len: 0 }
    }

    /// The next head; `None` at the end. Bytes that are no batch are an `InvalidData` error.
    ///
    /// # Errors
    /// The device's; `InvalidData`, `UnexpectedEof` when the file ends within a batch.
    pub fn next_head(&mut self) -> io::Result<Option<Head>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let invalid = |what: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, what.to_string());
        let position = self.position;
        let bytes = self.bytes()?;
        if bytes.len() < SIZE_AND_MAGIC {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (size, magic) = peek(bytes, i32::MAX).map_err(|e| invalid(&e))?;
        let offset = bytes.first_chunk().map_or(0, |b| i64::from_be_bytes(*b));
        let head = if magic >= 2 {
            let Some(header) = bytes.get(..BATCH_HEADER) else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            let header = BatchHeader::parse(header).map_err(|e| invalid(&e))?;
            Head {
                position,
                size: size as u64,
                first_offset: offset,
                last_offset: header.last_offset(),
                max_timestamp: header.max_timestamp,
                leader_epoch: header.leader_epoch,
            }
        } else {
            let stamp = bytes.get(TIMESTAMP_V1..TIMESTAMP_V1 + 8).and_then(|b| b.first_chunk());
            let max_timestamp = if magic == 1 { stamp.map_or(-1, |b| i64::from_be_bytes(*b)) } else { -1 };
            Head {
                position,
                size: size as u64,
                first_offset: offset,
                last_offset: offset,
                max_timestamp,
                leader_epoch: -1,
            }
        };
        if head.last_offset < head.first_offset {
            return Err(invalid(&"a batch ends before it starts"));
        }
        if position + head.size > self.end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += head.size;
        Ok(Some(head))
    }

    /// Up to a header's bytes at the position.
    fn bytes(&mut self) -> io::Result<&[u8]> {
        let want = usize::try_from(self.end - self.position).unwrap_or(BATCH_HEADER).min(BATCH_HEADER);
        let inside =
            self.position >= self.buf_start && self.position + want as u64 <= self.buf_start + self.buf_len as u64;
        if !inside {
            let len = usize::try_from(self.end - self.position).unwrap_or(CHUNK).min(CHUNK);
            self.file.read_exact_at(&mut self.buf[..len], self.position)?;
            (self.buf_start, self.buf_len) = (self.position, len);
        }
        let at = usize::try_from(self.position - self.buf_start).unwrap_or(0);
        Ok(&self.buf[at..at + want])
    }
}

/// Where a format-1 message has its timestamp: offset 8, size 4, CRC 4, magic 1, attributes 1.
const TIMESTAMP_V1: usize = 18;

/// How a walk over whole batches ended.
#[derive(Debug)]
pub enum WalkEnd {
    /// At the end of the range.
    Done,
    /// The visitor stopped it.
    Stopped,
    /// What follows is no whole batch.
    Corrupt(RecordError),
}

/// One read of a walk over whole batches: large enough for a disk to stream.
const WINDOW: usize = 1 << 20;

/// Visits every batch of `from..to` of a file. A batch is whole and of a known format; CRC and offsets are the visitor's business.
///
/// # Errors
/// The device's.
pub fn for_each_batch(
    file: &File,
    from: u64,
    to: u64,
    mut visit: impl FnMut(u64, &Batch<'_>) -> ControlFlow<()>,
) -> io::Result<WalkEnd> {
    let mut window: Vec<u8> = Vec::new(); // overwritten by each read, cleared by none
    let (mut start, mut filled, mut position) = (0, 0, from); // window[start..filled] are the bytes at `position`
    loop {
        let left = usize::try_from(to.saturating_sub(position)).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(WalkEnd::Done);
        }
        match Batch::first(&window[start..filled]) {
            Ok(batch) => {
                let size = batch.size();
                if visit(position, &batch).is_break() {
                    return Ok(WalkEnd::Stopped);
                }
                start += size;
                position += size as u64;
            }
            Err(RecordError::Incomplete { needed, .. }) if filled - start < left && needed <= left => {
                window.copy_within(start..filled, 0);
                (start, filled) = (0, filled - start);
                let wanted = needed.max(WINDOW).min(left).max(filled);
                if window.len() < wanted {
                    window.resize(wanted, 0);
                }
                file.read_exact_at(&mut window[filled..wanted], position + filled as u64)?;
                filled = wanted;
            }
            Err(reason) => return Ok(WalkEnd::Corrupt(reason)),
        }
    }
}

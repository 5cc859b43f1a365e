//! Reading: from an offset to a slice of one segment's file. Takes no lock that an append holds while it writes.
//!
//! Called by replica (fetches) and by whoever loads an internal topic. As in Kafka a read stays within one segment, starts with the
//! batch that contains the offset, and may end within a batch. Facts: storage section 10.

use std::io;
use std::sync::Arc;

use crate::disk::FileSlice;

use super::error::LogError;
use super::partition_log::Log;
use super::segment::{Place, Segment};
use super::tail::Found;
use super::txn_index::{self, AbortEntry, AbortedTxn};

/// What to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadRequest {
    /// First offset wanted.
    pub offset: i64,
    /// At most so many bytes.
    pub max_bytes: usize,
    /// The first batch comes whole even if it is larger than `max_bytes`.
    pub min_one_message: bool,
    /// Nothing from here on: log end offset, high watermark or last stable offset, as the reader's isolation says.
    pub upper: i64,
    /// List aborted transactions of what is read (`read_committed`).
    pub aborted: bool,
}

/// What a read found.
#[derive(Clone, Debug)]
pub struct LogRead {
    /// The batches' bytes in the file; `None` when there is nothing below the upper bound.
    pub slice: Option<FileSlice>,
    /// Base offset of the segment read.
    pub segment_base: i64,
    /// True for the newest segment.
    pub segment_is_active: bool,
    /// `max_bytes` cut the first batch: the slice holds no whole one.
    pub first_batch_incomplete: bool,
    /// Aborted transactions, if asked for.
    pub aborted: Vec<AbortedTxn>,
    /// Log start offset at the time.
    pub start_offset: i64,
}

impl Log {
    /// Reads through the gate. See [`Log::read_blocking`].
    ///
    /// # Errors
    /// Offset out of range; corrupt data; storage.
    pub async fn read(self: &Arc<Self>, request: ReadRequest) -> Result<LogRead, LogError> {
        if request.offset >= request.upper.min(self.leo()) || self.is_in_tail(&request) {
            return self.read_blocking(request); // no file is touched: no need for the gate
        }
        let log = Arc::clone(self);
        self.gate().run(move || log.read_blocking(request)).await
    }

    /// True when both ends of the request are among the last batches.
    fn is_in_tail(&self, request: &ReadRequest) -> bool {
        let tail = self.tail.lock();
        !request.aborted
            && tail.find(request.offset).is_some()
            && (request.upper >= tail.leo || tail.find(request.upper).is_some())
    }

    /// Finds the slice for a request. Bytes themselves are not read: the slice may be cold.
    ///
    /// # Errors
    /// Offset out of range; corrupt data; storage; a log that is gone, where aborted transactions were asked for.
    pub fn read_blocking(&self, request: ReadRequest) -> Result<LogRead, LogError> {
        self.home.check()?;
        let segments = self.segments.load_full();
        let (start, leo) = (self.start_offset(), self.leo());
        let ReadRequest { offset, .. } = request;
        if offset < start || offset > leo {
            return Err(LogError::OffsetOutOfRange { offset, start, end: leo });
        }
        let last = segments.len() - 1;
        let upper = request.upper.min(leo);
        let mut at = segments.partition_point(|s| s.base_offset() <= offset).saturating_sub(1);
        let mut read = LogRead {
            slice: None,
            segment_base: segments[at].base_offset(),
            segment_is_active: at == last,
            first_batch_incomplete: false,
            aborted: Vec::new(),
            start_offset: start,
        };
        if offset >= upper {
            return Ok(read);
        }
        self.with_place(|place| {
            // Compaction leaves segments that end before the next begins: then the first batch of the next one is it.
            while at <= last {
                let segment = &segments[at];
                if let Some(first) = self.find(place, segment, offset)? {
                    let end = match segments.get(at + 1) {
                        Some(next) if next.base_offset() <= upper => segment.size(),
                        _ => self.end_position(place, segment, upper)?,
                    };
                    read.segment_base = segment.base_offset();
                    read.segment_is_active = at == last;
                    if first.position < end {
                        let whole = usize::try_from(first.size).unwrap_or(usize::MAX);
                        let most =
                            if request.min_one_message { request.max_bytes.max(whole) } else { request.max_bytes };
                        let len = usize::try_from(end - first.position).unwrap_or(usize::MAX).min(most);
                        read.first_batch_incomplete = len < whole;
                        let (file, position) = (Arc::clone(segment.file()), first.position);
                        read.slice = Some(FileSlice { file, position, len });
                        if request.aborted {
                            let stop = position + len as u64;
                            read.aborted = self.aborted(place, &segments[at..], offset, stop, leo)?;
                        }
                    }
                    return Ok(());
                }
                at += 1;
            }
            Ok(())
        })
        .map_err(|e: io::Error| self.read_error(&e))?;
        if request.aborted {
            self.check_indexes_were_there(offset)?;
        }
        Ok(read)
    }

    /// After the indexes of aborted transactions were read: a segment without such a file has none, unless the file went meanwhile with its
    /// segment or log. Both are told of before files go.
    fn check_indexes_were_there(&self, offset: i64) -> Result<(), LogError> {
        self.check_open()?;
        match self.start_offset() {
            start if offset < start => Err(LogError::OffsetOutOfRange { offset, start, end: self.leo() }),
            _ => Ok(()),
        }
    }

    /// The batch that contains `offset`, or the first one after it.
    fn find(&self, place: Place<'_>, segment: &Segment, offset: i64) -> io::Result<Option<Found>> {
        {
            let tail = self.tail.lock();
            if tail.base == segment.base_offset()
                && let Some(found) = tail.find(offset)
            {
                return Ok(Some(found));
            }
        }
        Ok(segment.find(place, offset)?.map(|h| Found { position: h.position, size: h.size }))
    }

    /// Where the batch that contains `upper` starts; the segment's end when it lies behind.
    fn end_position(&self, place: Place<'_>, segment: &Segment, upper: i64) -> io::Result<u64> {
        {
            let tail = self.tail.lock();
            if tail.base == segment.base_offset() && tail.leo <= upper {
                return Ok(tail.end);
            }
        }
        Ok(self.find(place, segment, upper)?.map_or(segment.size(), |f| f.position))
    }

    /// Aborted transactions that overlap what a read from `from` to the file position `stop` of the first segment returns.
    fn aborted(
        &self,
        place: Place<'_>,
        segments: &[Arc<Segment>],
        from: i64,
        stop: u64,
        leo: i64,
    ) -> io::Result<Vec<AbortedTxn>> {
        let upper = match segments[0].first_indexed_from(place, stop)? {
            Some(offset) => offset,
            None => segments.get(1).map_or(leo, |s| s.base_offset()),
        };
        let mut aborted = Vec::new();
        for segment in segments {
            if txn_index::select(&segment.aborts(place)?, from, upper, |entry| aborted.push(entry.into())) {
                break;
            }
        }
        Ok(aborted)
    }

    /// About how many bytes lie in `from..upper`, without touching a file: exact at the tail, by the index before it, whole segments
    /// before the newest. For "enough bytes to answer a fetch".
    pub fn size_between(&self, from: i64, upper: i64) -> u64 {
        if from >= upper {
            return 0;
        }
        let segments = self.segments.load_full();
        let active = &segments[segments.len() - 1];
        let position = |offset: i64| {
            let tail = self.tail.lock();
            match tail.find(offset) {
                Some(found) => found.position,
                None if offset >= tail.leo => tail.end,
                None => active.position_before(offset).min(tail.end),
            }
        };
        if from >= active.base_offset() {
            return position(upper).saturating_sub(position(from));
        }
        let first = segments.partition_point(|s| s.base_offset() <= from).saturating_sub(1);
        let older = segments[first..segments.len() - 1].iter().filter(|s| s.base_offset() < upper).map(|s| s.size());
        older.sum::<u64>() + if upper > active.base_offset() { position(upper) } else { 0 }
    }

    /// All aborted transactions that overlap `from..upper`.
    ///
    /// # Errors
    /// Corrupt data; storage.
    pub fn aborted_between(&self, from: i64, upper: i64) -> Result<Vec<AbortedTxn>, LogError> {
        let entries = self.abort_entries_between(from, upper).map_err(|e| self.read_error(&e))?;
        self.check_open()?; // as in a read
        Ok(entries.iter().map(AbortedTxn::from).collect())
    }

    /// Entries of the abort indexes whose transactions overlap `from..upper`, for the cleaner. Blocks.
    ///
    /// # Errors
    /// The device's; `InvalidData` for a malformed index.
    pub(super) fn abort_entries_between(&self, from: i64, upper: i64) -> io::Result<Vec<AbortEntry>> {
        let segments = self.segments.load_full();
        let at = segments.partition_point(|s| s.base_offset() <= from).saturating_sub(1);
        let mut entries = Vec::new();
        self.with_place(|place| {
            for segment in &segments[at..] {
                if txn_index::select(&segment.aborts(place)?, from, upper, |entry| entries.push(*entry)) {
                    break;
                }
            }
            Ok(entries)
        })
    }
}

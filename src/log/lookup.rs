//! Offsets by timestamp (ListOffsets), read from the time index and the batches. The special timestamps' meaning lives above.
//!
//! Facts: Kafka's `LogSegment.findOffsetByTimestamp`, `UnifiedLog.fetchOffsetByTimestamp`, `legacyFetchOffsetsBefore`.

use std::io;
use std::sync::Arc;

use crate::base::timestamp;
use crate::disk::FileSlice;
use crate::record::{Batch, Scratch};

use super::error::LogError;
use super::partition_log::{Log, TimestampOffset};
use super::segment::{Place, Segment};
use super::walk::{Head, Heads};

impl Log {
    /// The first record, from the log's start to its end, with a timestamp at or above `timestamp`.
    ///
    /// # Errors
    /// Corrupt data; storage.
    pub async fn offset_for_timestamp(self: &Arc<Self>, timestamp: i64) -> Result<Option<TimestampOffset>, LogError> {
        let log = Arc::clone(self);
        self.gate().run_long(move || log.offset_for_timestamp_blocking(timestamp)).await
    }

    /// The first record with the largest timestamp.
    ///
    /// # Errors
    /// Corrupt data; storage.
    pub async fn max_timestamp(self: &Arc<Self>) -> Result<Option<TimestampOffset>, LogError> {
        let log = Arc::clone(self);
        self.gate().run_long(move || log.max_timestamp_blocking()).await
    }

    /// As [`Log::offset_for_timestamp`]; blocks.
    ///
    /// # Errors
    /// Corrupt data; storage.
    pub fn offset_for_timestamp_blocking(&self, timestamp: i64) -> Result<Option<TimestampOffset>, LogError> {
        self.home.check()?;
        let segments = self.segments.load_full();
        let start = self.start_offset();
        self.with_place(|place| {
            for segment in segments.iter() {
                if segment.largest_timestamp(place)? < timestamp {
                    continue;
                }
                let from = segment.offset_before_timestamp(place, timestamp)?.max(start);
                if let Some(found) = first_from(place, segment, from, start, timestamp)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })
        .map(|found| found.map(|f| TimestampOffset { leader_epoch: f.leader_epoch.or(self.epoch_at(f.offset)), ..f }))
        .map_err(|e: io::Error| self.read_error(&e))
    }

    fn max_timestamp_blocking(&self) -> Result<Option<TimestampOffset>, LogError> {
        self.home.check()?;
        let segments = self.segments.load_full();
        let start = self.start_offset();
        self.with_place(|place| {
            let mut best: Option<(&Arc<Segment>, super::segment::MaxTimestamp)> = None;
            for segment in segments.iter().filter(|s| s.size() > 0) {
                let max = segment.max_timestamp(place)?;
                if max.timestamp >= 0 && best.is_none_or(|(_, b)| max.timestamp > b.timestamp) {
                    best = Some((segment, max));
                }
            }
            // The index knows the batch by its last offset: that batch has the record.
            let Some((segment, max)) = best else { return Ok(None) };
            first_from(place, segment, max.offset, start, max.timestamp)
        })
        .map_err(|e: io::Error| self.read_error(&e))
    }

    /// ListOffsets version 0: up to `max` segment bases (and the log's end), descending, of segments last changed at or before
    /// `timestamp`.
    ///
    /// # Errors
    /// Storage.
    pub fn legacy_offsets_before(&self, timestamp: i64, max: usize) -> Result<Vec<i64>, LogError> {
        self.home.check()?;
        let segments = self.segments.load_full();
        let start = self.start_offset();
        let mut all = Vec::with_capacity(segments.len() + 1);
        for segment in segments.iter() {
            let modified = segment.file().modified_ms().map_err(|e| self.read_error(&e))?;
            all.push((segment.base_offset().max(start), modified));
        }
        if segments.last().is_some_and(|s| s.size() > 0) {
            all.push((self.leo(), self.shared().env.clock.wall_ms()));
        }
        let up_to = match timestamp {
            timestamp::LATEST => all.len(),
            timestamp::EARLIEST => 1,
            _ => all.iter().rposition(|(_, modified)| *modified <= timestamp).map_or(0, |i| i + 1),
        };
        let mut offsets: Vec<i64> = all[..up_to].iter().rev().take(max).map(|(offset, _)| *offset).collect();
        offsets.sort_unstable_by(|a, b| b.cmp(a));
        Ok(offsets)
    }
}

/// The first record at or above `start` with a timestamp at or above `timestamp`, from the batch that contains `from` on.
fn first_from(
    place: Place<'_>,
    segment: &Segment,
    from: i64,
    start: i64,
    timestamp: i64,
) -> io::Result<Option<TimestampOffset>> {
    let Some(first) = segment.find(place, from)? else { return Ok(None) };
    let mut heads = Heads::new(segment.file(), first.position, segment.size());
    let mut scratch = Scratch::new();
    while let Some(head) = heads.next_head()? {
        if head.max_timestamp < timestamp {
            continue;
        }
        if let Some(found) = first_in(segment, &head, start, timestamp, &mut scratch)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn first_in(
    segment: &Segment,
    head: &Head,
    start: i64,
    timestamp: i64,
    scratch: &mut Scratch,
) -> io::Result<Option<TimestampOffset>> {
    let invalid = |e: crate::record::RecordError| io::Error::new(io::ErrorKind::InvalidData, e.to_string());
    let len = usize::try_from(head.size).map_err(|_| io::ErrorKind::InvalidData)?;
    let slice = FileSlice { file: Arc::clone(segment.file()), position: head.position, len };
    let bytes = slice.read_to_bytes()?;
    let batch = Batch::first(&bytes).map_err(invalid)?;
    for record in batch.records(scratch).map_err(invalid)? {
        let record = record.map_err(invalid)?;
        if record.timestamp >= timestamp && record.offset >= start {
            let leader_epoch = (head.leader_epoch >= 0).then_some(head.leader_epoch);
            return Ok(Some(TimestampOffset { timestamp: record.timestamp, offset: record.offset, leader_epoch }));
        }
    }
    Ok(None)
}

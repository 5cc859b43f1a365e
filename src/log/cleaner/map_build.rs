//! First half of a pass: reads the dirty section and maps its keys to their last offsets, until the map is full.
//!
//! Kafka's `Cleaner.buildOffsetMap`. Aborted records are not mapped: they hide nothing. Steps of a bounded number of bytes, each a blocking
//! call; between them the pass may be throttled or given up.

use std::sync::Arc;

use crate::log::partition_log::Log;
use crate::log::segment::Segment;
use crate::record::Scratch;
use crate::record::filter::Filter;

use super::Stop;
use super::offset_map::{KeyHash, OffsetMap};
use super::reader::BatchReader;
use super::txns::CleanedTxns;

/// The map in the making.
#[derive(Debug)]
pub struct MapBuild {
    log: Arc<Log>,
    /// Dirty segments and where the next one starts, last first.
    left: Vec<(Arc<Segment>, i64)>,
    /// Where the segment at hand ends.
    next_base: Option<i64>,
    start: i64,
    txns: CleanedTxns,
    reader: BatchReader,
    filter: Filter,
    scratch: Scratch,
    /// Those of a batch.
    keys: Vec<KeyHash>,
    /// The result.
    pub map: OffsetMap,
}

/// How far a step came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Bytes read and written.
    pub bytes: u64,
    /// There is no more.
    pub done: bool,
}

impl MapBuild {
    /// For the section `start..end` of a log, where `end` is a segment's base. Blocks.
    ///
    /// # Errors
    /// An abort index that can't be read.
    pub fn new(log: &Arc<Log>, start: i64, end: i64, map: OffsetMap, window_bytes: usize) -> Result<Self, Stop> {
        let segments = log.segments.load_full();
        let first = segments.partition_point(|s| s.base_offset() <= start).saturating_sub(1);
        let past = segments.partition_point(|s| s.base_offset() < end);
        let dirty = segments.get(first..past).unwrap_or_default();
        let ends = dirty.iter().skip(1).map(|s| s.base_offset()).chain([end]);
        let mut left: Vec<_> = dirty.iter().cloned().zip(ends).collect();
        left.reverse();
        let mut txns = CleanedTxns::new();
        txns.add_aborted(&log.abort_entries_between(start, end).map_err(|e| Stop::of_read(log, &e))?);
        Ok(Self {
            log: Arc::clone(log),
            left,
            next_base: None,
            start,
            txns,
            reader: BatchReader::new(window_bytes),
            filter: Filter::new(),
            scratch: Scratch::new(),
            keys: Vec::new(),
            map,
        })
    }

    /// Reads on, for about `budget` bytes. Blocks.
    ///
    /// # Errors
    /// Bytes that are no sound batch; storage.
    pub fn step(&mut self, budget: u64) -> Result<Step, Stop> {
        let mut bytes = 0;
        while bytes < budget {
            if self.next_base.is_none() {
                let Some((segment, next_base)) = self.left.pop() else { return Ok(Step { bytes, done: true }) };
                self.next_base = Some(next_base);
                let from = self
                    .log
                    .with_place(|place| segment.find(place, self.start.max(segment.base_offset())))
                    .map_err(|e| Stop::of_read(&self.log, &e))?
                    .map_or(segment.size(), |head| head.position);
                self.reader.open(segment.file(), from, segment.size());
            }
            let Some(batch) = self.reader.next_batch().map_err(|e| Stop::of_read(&self.log, &e))? else {
                // Offsets may end before the next segment begins; there is nothing to map in between.
                self.map.mapped_up_to(self.next_base.take().unwrap_or_default() - 1);
                continue;
            };
            bytes += batch.size() as u64;
            let broken = |e| Stop::of_record(&self.log, &e);
            let fate = self.txns.on_batch(&batch, &mut self.scratch).map_err(broken)?;
            if !batch.is_control() && !fate.discard {
                let (map, start, keys) = (&mut self.map, self.start, &mut self.keys);
                keys.clear();
                let see = |offset, key: &[u8]| {
                    if offset >= start {
                        keys.push(map.hash(key, offset));
                    }
                };
                self.filter.keys(&batch, see).map_err(broken)?;
                if !map.put_all(keys) {
                    self.left.clear();
                    return Ok(Step { bytes, done: true });
                }
            }
            if batch.last_offset() >= self.start {
                self.map.mapped_up_to(batch.last_offset());
            }
        }
        Ok(Step { bytes, done: false })
    }
}

//! Second half of a pass: copies what stays of a group of segments into one new segment.
//!
//! Kafka's `Cleaner.cleanSegments` and `cleanInto`. As the map: steps of a bounded number of bytes. One batch is in memory at a time, and
//! what is to be written next.

use std::sync::Arc;

use crate::log::partition_log::Log;
use crate::log::segment::Segment;
use crate::record::Scratch;
use crate::record::filter::{Filter, KeyAt};

use super::Stop;
use super::map_build::Step;
use super::offset_map::OffsetMap;
use super::output::Output;
use super::reader::BatchReader;
use super::retain::{LastRecords, Rules};
use super::stats::CleanerStats;
use super::txns::CleanedTxns;

/// What holds for all groups of a pass.
#[derive(Clone, Copy, Debug)]
pub struct CopyRules {
    /// The wall clock when the pass began.
    pub now_ms: i64,
    /// What a horizon set now says.
    pub new_horizon_ms: i64,
    /// Segments that are not newer have no tombstones of formats 0 and 1 any more.
    pub old_tombstones_ms: i64,
    /// Where the cleanable section ends.
    pub upper_bound: i64,
    /// Bytes read, and written, at a time.
    pub window_bytes: usize,
}

/// The copying, over all groups of a pass.
#[derive(Debug)]
pub struct Copy {
    log: Arc<Log>,
    map: OffsetMap,
    rules: CopyRules,
    txns: CleanedTxns,
    reader: BatchReader,
    filter: Filter,
    scratch: Scratch,
    group: Option<Group>,
    /// Counts so far.
    pub stats: CleanerStats,
}

#[derive(Debug)]
struct Group {
    sources: Vec<Arc<Segment>>,
    /// The one at hand, and whether its turn has begun.
    at: usize,
    begun: bool,
    keep_old_tombstones: bool,
    producers: LastRecords,
    output: Output,
}

impl Copy {
    /// With a finished map.
    pub fn new(log: &Arc<Log>, map: OffsetMap, rules: CopyRules, stats: CleanerStats) -> Self {
        Self {
            log: Arc::clone(log),
            map,
            rules,
            txns: CleanedTxns::new(),
            reader: BatchReader::new(rules.window_bytes),
            filter: Filter::new(),
            scratch: Scratch::new(),
            group: None,
            stats,
        }
    }

    /// Turns to the next group. `producers` are those that the log knows now. Blocks.
    ///
    /// # Errors
    /// Storage.
    pub fn begin(&mut self, sources: Vec<Arc<Segment>>, producers: LastRecords) -> Result<(), Stop> {
        let Some(first) = sources.first() else { return Ok(()) };
        let output = Output::create(&self.log, first.base_offset(), self.rules.window_bytes)
            .map_err(|e| Stop::of_write(&self.log, &e))?;
        self.group = Some(Group { sources, at: 0, begun: false, keep_old_tombstones: true, producers, output });
        Ok(())
    }

    /// Copies on, for about `budget` bytes. Blocks.
    ///
    /// # Errors
    /// Bytes that are no sound batch; storage.
    pub fn step(&mut self, budget: u64) -> Result<Step, Stop> {
        let Some(group) = &mut self.group else { return Ok(Step { bytes: 0, done: true }) };
        let log = &self.log;
        let interval = u64::try_from(log.config().index_interval_bytes).unwrap_or(0);
        let (mut read, start_len) = (0, group.output.len());
        let done = loop {
            if !group.begun {
                let Some(segment) = group.sources.get(group.at) else { break true };
                let next_base = group.sources.get(group.at + 1).map(|s| s.base_offset());
                group.keep_old_tombstones =
                    segment.file().modified_ms().map_err(|e| Stop::of_read(log, &e))? > self.rules.old_tombstones_ms;
                let aborted = aborted_in(log, segment, next_base)?;
                self.txns.add_aborted(&aborted);
                self.reader.open(segment.file(), 0, segment.size());
                group.begun = true;
            }
            if read + (group.output.len() - start_len) >= budget {
                break false;
            }
            let Some(batch) = self.reader.next_batch().map_err(|e| Stop::of_read(log, &e))? else {
                (group.at, group.begun) = (group.at + 1, false);
                continue;
            };
            read += batch.size() as u64;
            let rules = Rules {
                map: &self.map,
                producers: &group.producers,
                now_ms: self.rules.now_ms,
                new_horizon_ms: self.rules.new_horizon_ms,
                keep_old_tombstones: group.keep_old_tombstones,
                upper_bound: self.rules.upper_bound,
            };
            let broken = |e| Stop::of_record(log, &e);
            let fate = self.txns.on_batch(&batch, &mut self.scratch).map_err(broken)?;
            if let Some(entry) = fate.abort {
                group.output.aborted(entry);
            }
            let rule = rules.batch(&batch, fate);
            let keep = |records: &[KeyAt<'_>]| rules.keeps(&rule, records);
            let filtered = self.filter.filter(&batch, &rule.options, keep, group.output.buffer()).map_err(broken)?;
            self.stats.records_read += filtered.read;
            self.stats.records_kept += filtered.kept;
            if let Some(written) = filtered.written {
                group.output.wrote(written, interval).map_err(|e| Stop::of_write(log, &e))?;
            }
        };
        let written = group.output.len() - start_len;
        self.stats.bytes_read += read;
        self.stats.bytes_written += written;
        Ok(Step { bytes: read + written, done })
    }

    /// Makes the new segment durable. Gives the segments whose place it takes. Blocks.
    ///
    /// # Errors
    /// Storage.
    pub fn finish(&mut self) -> Result<Vec<Arc<Segment>>, Stop> {
        let Some(group) = &mut self.group else { return Ok(Vec::new()) };
        let modified = match group.sources.last() {
            Some(last) => last.file().modified_ms().map_err(|e| Stop::of_read(&self.log, &e))?,
            None => self.rules.now_ms,
        };
        group.output.finish(modified).map_err(|e| Stop::of_write(&self.log, &e))?;
        Ok(group.sources.clone())
    }

    /// The group's new segment is in its place.
    pub fn swapped(&mut self) {
        self.group = None;
    }

    /// Removes what was written of the group at hand. Blocks.
    pub fn discard(&mut self) {
        if let Some(group) = self.group.take() {
            group.output.discard();
        }
    }
}

/// Aborted transactions that reach into a segment.
fn aborted_in(
    log: &Arc<Log>,
    segment: &Arc<Segment>,
    next_base: Option<i64>,
) -> Result<Vec<crate::log::txn_index::AbortEntry>, Stop> {
    let base = segment.base_offset();
    let end = match next_base {
        Some(next) => next,
        None => log
            .with_place(|place| segment.last_batch(place))
            .map_err(|e| Stop::of_read(log, &e))?
            .map_or(base, |head| head.last_offset + 1),
    };
    log.abort_entries_between(base, end).map_err(|e| Stop::of_read(log, &e))
}

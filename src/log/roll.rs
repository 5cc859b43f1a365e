//! Rolling to a new segment, and the producer snapshot that goes with it. The append mutex is held.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::config::LogConfig;

use super::error::LogError;
use super::names::{FileKind, file_path};
use super::partition_log::{Log, WriterState};
use super::producers::snapshot;
use super::segment::Segment;
use super::tail::Tail;

impl Log {
    /// Rolls when the active segment can't take `size` bytes up to `last_offset`, is too old, or an index is full.
    ///
    /// # Errors
    /// Storage.
    pub(super) fn maybe_roll(
        self: &Arc<Self>,
        state: &mut WriterState,
        size: u64,
        first_offset: i64,
        last_offset: i64,
        max_timestamp: i64,
    ) -> Result<(), LogError> {
        let segment = self.active();
        let config = self.config();
        let fail = |e| self.home.fail("reading a segment", &e);
        let full = segment.size() + size > u64::try_from(config.segment_bytes).unwrap_or(u64::MAX);
        let too_far = last_offset - segment.base_offset() > i64::from(i32::MAX);
        let old = segment.size() > 0 && {
            let waited = match segment.first_timestamp().map_err(fail)? {
                Some(first) if first >= 0 && max_timestamp >= 0 => max_timestamp - first,
                _ => self.shared().env.clock.wall_ms() - segment.created_ms(),
            };
            waited > max_segment_ms(&config) - segment.jitter_ms()
        };
        let index_bytes = usize::try_from(config.segment_index_bytes).unwrap_or(0);
        let (offsets, times) = segment.index_lens();
        let indexes_full = offsets >= index_bytes / super::index::OFFSET_ENTRY
            || times >= (index_bytes / super::index::TIME_ENTRY).saturating_sub(1);
        if (full || too_far || old || indexes_full) && (segment.size() > 0 || too_far) {
            self.roll(state, first_offset)?;
        }
        Ok(())
    }

    /// Finishes the active segment and makes a new one from `at_least`, or the log's end if that is higher.
    ///
    /// # Errors
    /// Storage.
    pub(super) fn roll(self: &Arc<Self>, state: &mut WriterState, at_least: i64) -> Result<(), LogError> {
        state.untouched = false;
        let base = at_least.max(self.leo());
        let old = self.active();
        let config = self.config();
        let now_ms = self.shared().env.clock.wall_ms();
        self.with_place(|place| {
            old.finish_indexes(place)?;
            if config.preallocate {
                old.give_room_back()?;
            }
            let segment = Segment::create(place, base, now_ms, self.jitter(&config))?;
            if config.preallocate {
                segment.preallocate(config.segment_bytes);
            }
            let mut segments = self.segments.load().as_ref().clone();
            if old.base_offset() == base {
                segments.pop(); // it was empty; its files are the new one's
            } else {
                old.retire();
            }
            segments.push(Arc::new(segment));
            *self.tail.lock() = Tail::new(base, self.leo(), 0);
            self.segments.store(Arc::new(segments));
            Ok(())
        })
        .map_err(|e: std::io::Error| self.home.fail("rolling a segment", &e))?;
        state.bytes_since_index = 0;
        state.producers.set_end(base);
        self.take_snapshot(state)?;
        state.flush_wanted = true;
        tracing::debug!(partition = %self.partition, base, "rolled a segment");
        Ok(())
    }

    /// A random time below `segment.jitter.ms`.
    pub(super) fn jitter(&self, config: &LogConfig) -> i64 {
        let bound = usize::try_from(config.segment_jitter_ms.min(config.segment_ms)).unwrap_or(0);
        i64::try_from(self.shared().env.rng.below(bound)).unwrap_or(0)
    }

    /// Writes the producer state down if it moved since the last snapshot. In the page cache; `flush` makes it durable, its CRC tells.
    ///
    /// # Errors
    /// Storage.
    pub(super) fn take_snapshot(&self, state: &mut WriterState) -> Result<(), LogError> {
        let offset = state.producers.end();
        if offset <= state.last_snapshot {
            return Ok(());
        }
        let bytes = snapshot::write(&state.producers);
        let path = file_path(&self.dir_path(), offset, FileKind::Snapshot);
        self.shared().disk.write_unsynced(&path, &bytes).map_err(|e| self.home.fail("writing a snapshot", &e))?;
        state.last_snapshot = offset;
        Ok(())
    }

    /// The high watermark may not be above the log's end, nor below its start.
    pub(super) fn clamp_high_watermark(&self) {
        let hw = self.high_watermark.load(Ordering::Acquire);
        self.set_high_watermark(hw);
    }
}

/// `segment.ms`, or `max.compaction.lag.ms` where a compacted topic has a smaller one.
fn max_segment_ms(config: &LogConfig) -> i64 {
    match config.cleanup.compact && config.max_compaction_lag_ms > 0 {
        true => config.segment_ms.min(config.max_compaction_lag_ms),
        false => config.segment_ms,
    }
}

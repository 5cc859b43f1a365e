//! Recovery: segments are read batch by batch after an unclean stop, or where their files contradict each other.
//!
//! The second half of opening a log (`open`): indexes, epochs and producer state are taken from the batches, the first corrupt byte cuts
//! the log there. Kafka's `LogLoader.recoverLog` and `LogSegment.recover`.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::append::facts;
use super::names::FileKind;
use super::open::Opening;
use super::producers::{OpenTxns, Producers, snapshot};
use super::segment::Segment;
use super::snapshots;
use super::txn_index::AbortEntry;
use super::walk::{WalkEnd, for_each_batch};

impl Opening<'_> {
    /// After an unclean stop: reads every segment from the one with the recovery point on. The first corrupt byte, or a segment that came
    /// back empty, is the log's end.
    pub(super) fn recover(&mut self) -> io::Result<()> {
        if self.options.clean {
            return Ok(());
        }
        let rp = self.options.recovery_point;
        let first = self.segments.partition_point(|s| s.base_offset() <= rp).saturating_sub(1);
        let from = self.segments[first].base_offset();
        for offset in snapshots::offsets(self.place.disk, self.place.dir)?.into_iter().filter(|o| *o > from) {
            // Made by what is read again below; one of a time that a power loss took back would lie.
            self.place.disk.remove_file(&self.place.path(offset, FileKind::Snapshot))?;
        }
        let (mut producers, mut last_snapshot) =
            snapshots::rebuild(self.shared, self.place, &self.segments, self.options.log_start.max(0), from)?;
        let all = self.segments.clone();
        for (i, segment) in all.iter().enumerate().skip(first) {
            tracing::info!(partition = %self.partition, base = segment.base_offset(), "recovering segment {} of {}", i + 1, all.len());
            producers.set_end(segment.base_offset());
            let whole = self.recover_segment(segment, &mut producers)?;
            if producers.end() > last_snapshot {
                let path = self.place.path(producers.end(), FileKind::Snapshot);
                self.place.disk.write(&path, &snapshot::write(&producers))?;
                last_snapshot = producers.end();
            }
            let is_lost = all.get(i + 1).is_some_and(|next| self.is_lost(segment, next));
            if is_lost {
                tracing::warn!(partition = %self.partition, base = segment.base_offset(), "a segment has lost all its records");
            }
            if !whole || is_lost {
                if i + 1 < all.len() {
                    tracing::warn!(partition = %self.partition, count = all.len() - i - 1, "removing later segments");
                }
                self.drop_from(i + 1)?;
                break;
            }
        }
        self.recovered = Some((producers, last_snapshot));
        Ok(())
    }

    /// Has a segment before the newest nothing in it that was not left so? A loss of power can take what was written to one file, its length
    /// too, and leave what was written to the next one later: records behind such a hole must not be served as if nothing were missing
    /// before them. No roll leaves an empty segment behind but one for offsets that do not fit it. Compaction does, and a kill may come before
    /// its checkpoint says so: in a compacted topic nobody can tell. Kafka does not look.
    fn is_lost(&self, segment: &Segment, next: &Segment) -> bool {
        let base = segment.base_offset();
        let was_compacted = self.options.config.cleanup.compact || base < self.cleaned_up_to;
        let was_flushed = base < self.options.recovery_point;
        segment.size() == 0 && !was_compacted && !was_flushed && next.base_offset() - base <= i64::from(i32::MAX)
    }

    /// Reads a segment batch by batch: rebuilds its indexes, takes epochs and producers, cuts it at the first corrupt byte. True when
    /// nothing was cut.
    pub(super) fn recover_segment(&mut self, segment: &Segment, producers: &mut Producers) -> io::Result<bool> {
        let place = self.place;
        let base = segment.base_offset();
        let size = segment.file().len()?;
        segment.grow(size);
        segment.reset_indexes();
        segment.reset_aborts(place)?;
        let interval = u64::try_from(self.options.config.index_interval_bytes).unwrap_or(0);
        let mut txns = OpenTxns::default();
        txns.reset(producers.open_txns(), base);
        // A batch that reaches into the next segment was not written so.
        let after = self.segments.iter().map(|s| s.base_offset()).find(|b| *b > base).unwrap_or(i64::MAX);
        let (mut since_index, mut next, mut good) = (0, base, 0);
        let mut failure = None;
        let end = for_each_batch(segment.file(), 0, size, |position, batch| {
            if self.cancel.is_cancelled() {
                failure = Some(io::Error::new(io::ErrorKind::Interrupted, "cancelled"));
                return ControlFlow::Break(());
            }
            let (first, last) = (batch.base_offset(), batch.last_offset());
            let in_range = first >= next && last >= first && last < after && last - base <= i64::from(i32::MAX);
            let facts = if in_range && batch.crc_ok() { facts(batch) } else { return ControlFlow::Break(()) };
            let Ok(facts) = facts else { return ControlFlow::Break(()) };
            let indexed = since_index > interval;
            if indexed {
                since_index = 0;
            }
            segment.note_batch(last, position, batch.max_timestamp(), indexed);
            since_index += batch.size() as u64;
            let epoch = batch.leader_epoch();
            if epoch >= 0 && self.epochs.latest().is_none_or(|latest| latest < epoch) {
                self.epochs_dirty |= self.epochs.assign(epoch, first);
            }
            if let Some(facts) = facts {
                let (began, ended) = producers.apply(&facts);
                if let Some(first) = began {
                    txns.begin(first, facts.producer_id);
                }
                if let Some(ended) = ended {
                    let last_stable_offset = txns.end(ended.first_offset, ended.last_offset, ended.producer_id);
                    if ended.aborted {
                        let entry = AbortEntry {
                            producer_id: ended.producer_id,
                            first_offset: ended.first_offset,
                            last_offset: ended.last_offset,
                            last_stable_offset,
                        };
                        if let Err(error) = segment.add_abort(place, entry) {
                            failure = Some(error);
                            return ControlFlow::Break(());
                        }
                    }
                }
            }
            next = last + 1;
            good = position + batch.size() as u64;
            ControlFlow::Continue(())
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        producers.set_end(next);
        let whole = good == size;
        if !whole {
            let reason = match end {
                WalkEnd::Corrupt(reason) => reason.to_string(),
                _ => "CRC or offsets do not fit".into(),
            };
            tracing::warn!(partition = %self.partition, base, from = size, to = good, "cutting a segment: {reason}");
            segment.file().set_len(good)?;
            // The recovery point may lie above: the next flush would not reach it, and its tail would cost later segments.
            segment.file().sync()?;
            segment.grow(good);
        }
        segment.finish_indexes(place)?;
        Ok(whole)
    }

    /// The log's end; makes the last segment active. Bytes at its end that are no batch are cut, also after a clean stop.
    pub(super) fn end_offset(&mut self) -> io::Result<i64> {
        let active = Arc::clone(&self.segments[self.segments.len() - 1]);
        active.make_active(self.place)?;
        let last = match active.last_batch(self.place) {
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                tracing::warn!(partition = %self.partition, "the newest segment does not end with a batch: recovering it");
                let (mut producers, _) = snapshots::rebuild(
                    self.shared,
                    self.place,
                    &self.segments,
                    self.options.log_start,
                    active.base_offset(),
                )?;
                self.recover_segment(&active, &mut producers)?;
                active.last_batch(self.place)?
            }
            other => other?,
        };
        for segment in &self.segments[..self.segments.len() - 1] {
            segment.retire();
        }
        Ok(last.map_or(active.base_offset(), |head| head.last_offset + 1))
    }
}

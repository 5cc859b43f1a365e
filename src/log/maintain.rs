//! What happens to a log besides appends: flush, truncation, a higher start offset, retention, close.
//!
//! All but flush run under the append mutex. Segments that go are renamed `.deleted` and removed after `file.delete.delay.ms`, so that
//! slices under way stay readable. Facts: storage sections 5, 7, 8.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::LogError;
use super::names::{DELETED, FileKind, file_path};
use super::notes::Notes;
use super::partition_log::{Log, LogWriter, WriterState};
use super::producers::Producers;
use super::segment::Segment;
use super::snapshots;
use super::tail::Tail;
use crate::base::sabotage::{self, Sabotage};

impl LogWriter {
    /// Cuts everything from `offset` on. True when something was cut.
    ///
    /// # Errors
    /// Storage.
    pub async fn truncate_to(&mut self, offset: i64) -> Result<bool, LogError> {
        self.run(move |log, state| log.truncate(state, offset)).await
    }

    /// Drops everything; the log is empty and starts at `offset`.
    ///
    /// # Errors
    /// Storage.
    pub async fn truncate_fully_and_start_at(&mut self, offset: i64) -> Result<(), LogError> {
        self.run(move |log, state| log.truncate_fully(state, offset)).await
    }

    /// [`Log::increment_start_offset`], with the append mutex held.
    ///
    /// # Errors
    /// Above the high watermark; storage.
    pub async fn increment_start_offset(&mut self, to: i64) -> Result<(), LogError> {
        self.run(move |log, _| log.increment_start(to)).await
    }

    /// On return everything up to the log's end is on the device.
    ///
    /// # Errors
    /// Storage.
    pub async fn flush(&mut self) -> Result<(), LogError> {
        self.log().flush().await
    }
}

/// How a log that is closed comes to the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flush {
    /// File by file, before the close returns.
    Now,
    /// With the whole directory, which the caller brings there.
    WithAll,
}

impl Log {
    /// [`LogWriter::truncate_to`], taking the append mutex.
    ///
    /// # Errors
    /// Storage.
    pub async fn truncate_to(self: &Arc<Self>, offset: i64) -> Result<bool, LogError> {
        self.lock().await.truncate_to(offset).await
    }

    /// [`LogWriter::truncate_fully_and_start_at`], taking the append mutex.
    ///
    /// # Errors
    /// Storage.
    pub async fn truncate_fully_and_start_at(self: &Arc<Self>, offset: i64) -> Result<(), LogError> {
        self.lock().await.truncate_fully_and_start_at(offset).await
    }

    /// Raises the log start offset (DeleteRecords, a follower told by its leader); a lower one changes nothing. Takes the append mutex.
    ///
    /// # Errors
    /// Above the high watermark; storage.
    pub async fn increment_start_offset(self: &Arc<Self>, to: i64) -> Result<(), LogError> {
        self.lock().await.run(move |log, _| log.increment_start(to)).await
    }

    fn increment_start(&self, to: i64) -> Result<(), LogError> {
        self.check_open()?;
        let (start, hw) = (self.start_offset(), self.high_watermark());
        if to > hw {
            return Err(LogError::OffsetOutOfRange { offset: to, start, end: hw });
        }
        if to > start {
            self.start_offset.store(to, Ordering::Release);
            self.change_epochs(|epochs| epochs.truncate_start(to));
            tracing::debug!(partition = %self.partition, start = to, "raised the log start offset");
        }
        Ok(())
    }

    fn truncate(self: &Arc<Self>, state: &mut WriterState, offset: i64) -> Result<bool, LogError> {
        state.untouched = false;
        self.check_open()?;
        if offset >= self.leo() {
            // Nothing to cut, but epochs that began at the end and have no record are gone with the leader they came from.
            self.change_epochs(|epochs| epochs.truncate_end(offset.max(0)));
            return Ok(false);
        }
        tracing::info!(partition = %self.partition, from = self.leo(), to = offset, "truncating");
        let segments = self.segments.load_full();
        if segments[0].base_offset() > offset {
            return self.truncate_fully(state, offset).map(|()| true);
        }
        if offset < self.active().base_offset() {
            self.cuts.fetch_add(1, Ordering::AcqRel);
            self.home.lower_cleaned_up_to(&self.partition, offset)?;
        }
        let _no_flush = self.flushing.lock();
        let keep = segments.partition_point(|s| s.base_offset() <= offset);
        let (kept, gone) = segments.split_at(keep);
        let active = Arc::clone(&kept[keep - 1]);
        // Readers first: they must not look for what is about to go.
        self.leo.store(offset, Ordering::Release);
        self.recovery_point.fetch_min(offset, Ordering::AcqRel);
        self.start_offset.fetch_min(offset, Ordering::AcqRel);
        self.clamp_high_watermark();
        *self.tail.lock() = Tail::new(i64::MAX, offset, 0); // matches no segment until the cut is done
        self.segments.store(Arc::new(kept.to_vec()));
        self.with_place(|place| {
            if !gone.is_empty() {
                active.make_active(place)?;
            }
            let position = active.find(place, offset)?.map_or(active.size(), |head| head.position);
            active.truncate(place, offset, position)?;
            *self.tail.lock() = Tail::new(active.base_offset(), offset, position);
            Ok(())
        })
        .map_err(|e: io::Error| self.home.fail("truncating a segment", &e))?;
        self.doom(gone)?;
        if !gone.is_empty() {
            // After a power loss the old segments must not stand behind what is appended from now on.
            self.sync_dir()?;
        }
        self.change_epochs(|epochs| epochs.truncate_end(offset));
        state.bytes_since_index = 0;
        self.lowest_cut.fetch_min(offset, Ordering::AcqRel);
        self.reload_producers(state, offset)?;
        Ok(true)
    }

    fn truncate_fully(self: &Arc<Self>, state: &mut WriterState, offset: i64) -> Result<(), LogError> {
        state.untouched = false;
        self.check_open()?;
        tracing::info!(partition = %self.partition, start = offset, "dropping everything and starting anew");
        self.cuts.fetch_add(1, Ordering::AcqRel);
        self.home.lower_cleaned_up_to(&self.partition, offset)?;
        let _no_flush = self.flushing.lock();
        let gone = self.segments.load_full();
        let config = self.config();
        let now_ms = self.shared().env.clock.wall_ms();
        self.start_offset.store(offset, Ordering::Release);
        self.leo.store(offset, Ordering::Release);
        self.recovery_point.store(offset, Ordering::Release);
        self.high_watermark.store(offset, Ordering::Release);
        *self.tail.lock() = Tail::new(i64::MAX, offset, 0);
        self.doom(&gone)?;
        self.with_place(|place| {
            let segment = Segment::create(place, offset, now_ms, self.jitter(&config))?;
            if config.preallocate {
                segment.preallocate(config.segment_bytes);
            }
            self.segments.store(Arc::new(vec![Arc::new(segment)]));
            *self.tail.lock() = Tail::new(offset, offset, 0);
            Ok(())
        })
        .map_err(|e: io::Error| self.home.fail("starting a log anew", &e))?;
        self.sync_dir()?;
        self.lowest_cut.store(i64::MIN, Ordering::Release);
        self.change_epochs(|epochs| epochs.clear());
        state.bytes_since_index = 0;
        self.remove_snapshots(|_| true)?;
        state.producers = Producers::new(offset);
        state.last_snapshot = 0;
        self.reset_txns(&state.producers, offset);
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), LogError> {
        self.shared().disk.sync_dir(&self.dir_path()).map_err(|e| self.home.fail("syncing a partition's directory", &e))
    }

    /// Producer state as of `end`: snapshots above go, the newest one left and the batches after it are read again.
    fn reload_producers(&self, state: &mut WriterState, end: i64) -> Result<(), LogError> {
        self.remove_snapshots(|offset| offset > end)?;
        let segments = self.segments.load_full();
        let (producers, last_snapshot) = self
            .with_place(|place| snapshots::rebuild(self.shared(), place, &segments, self.start_offset(), end))
            .map_err(|e| self.read_error(&e))?;
        state.producers = producers;
        state.last_snapshot = last_snapshot;
        self.reset_txns(&state.producers, end);
        Ok(())
    }

    fn remove_snapshots(&self, gone: impl Fn(i64) -> bool) -> Result<(), LogError> {
        let dir = self.dir_path();
        let disk = &self.shared().disk;
        let removed = snapshots::offsets(disk, &dir).and_then(|all| {
            all.into_iter()
                .filter(|o| gone(*o))
                .try_for_each(|o| disk.remove_file(&file_path(&dir, o, FileKind::Snapshot)))
        });
        removed.map_err(|e| self.home.fail("removing snapshots", &e))
    }

    /// Renames the files of segments that are no longer in the read view, to be removed later.
    fn doom(&self, segments: &[Arc<Segment>]) -> Result<(), LogError> {
        let dir = self.dir_path();
        let disk = &self.shared().disk;
        let delay = self.config().file_delete_delay_ms;
        for segment in segments {
            for kind in FileKind::ALL {
                let path = file_path(&dir, segment.base_offset(), kind);
                let mut to = path.clone().into_os_string();
                to.push(DELETED);
                match disk.rename(&path, to.as_ref()) {
                    Ok(()) => self.home.remove_later(to.into(), false, delay),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => (),
                    Err(error) => return Err(self.home.fail("deleting a segment", &error)),
                }
            }
            tracing::info!(partition = %self.partition, base = segment.base_offset(), "deleted a segment");
        }
        Ok(())
    }

    /// Deletes old segments as the topic's configuration says. Returns how many. Takes the append mutex.
    ///
    /// # Errors
    /// Storage.
    pub async fn delete_old_segments(self: &Arc<Self>) -> Result<usize, LogError> {
        self.lock().await.run(|log, state| log.apply_retention(state)).await
    }

    pub(super) fn apply_retention(self: &Arc<Self>, state: &mut WriterState) -> Result<usize, LogError> {
        self.check_open()?;
        let config = self.config();
        let segments = self.segments.load_full();
        let (start, leo, hw) = (self.start_offset(), self.leo(), self.high_watermark());
        let now_ms = self.shared().env.clock.wall_ms();
        let total: u64 = segments.iter().map(|s| s.size()).sum();
        let by_policy = config.cleanup.delete;
        let mut over = match u64::try_from(config.retention_bytes) {
            Ok(limit) if by_policy => total.saturating_sub(limit),
            _ => 0,
        };
        let mut count = 0;
        self.with_place(|place| {
            for (i, segment) in segments.iter().enumerate() {
                let next_base = segments.get(i + 1).map_or(leo, |s| s.base_offset());
                let is_active = i + 1 == segments.len();
                if hw < next_base || (is_active && segment.size() == 0) {
                    break;
                }
                let below_start = !is_active && next_base <= start;
                let size = segment.size();
                let too_much = size <= over && over > 0;
                let too_old = by_policy
                    && config.retention_ms >= 0
                    && now_ms - segment.largest_timestamp(place)? > config.retention_ms;
                if !(below_start || too_much || too_old) {
                    break;
                }
                over = over.saturating_sub(size);
                count += 1;
            }
            Ok(())
        })
        .map_err(|e: io::Error| self.read_error(&e))?;
        if count == 0 {
            return Ok(0);
        }
        if count == segments.len() {
            self.roll(state, leo)?; // a log keeps a segment: an empty one
        }
        let segments = self.segments.load_full();
        let (gone, kept) = segments.split_at(count);
        let new_start = kept[0].base_offset();
        if new_start > start {
            self.start_offset.store(new_start, Ordering::Release);
            self.change_epochs(|epochs| epochs.truncate_start(new_start));
        }
        let _no_flush = self.flushing.lock();
        self.segments.store(Arc::new(kept.to_vec()));
        self.doom(gone)?;
        Ok(count)
    }

    /// True when `flush.messages` or more records are not on the device.
    pub(super) fn is_flush_due(&self) -> bool {
        let limit = self.config().flush_messages;
        limit < i64::MAX && self.leo() - self.recovery_point() >= limit
    }

    /// Flushes in the background what was rolled.
    pub(super) fn flush_in_background(self: &Arc<Self>) {
        let log = Arc::clone(self);
        let gate = self.gate().clone();
        let flush = async move {
            let up_to = log.active().base_offset();
            let here = Arc::clone(&log);
            if let Err(error) = gate.run_long(move || here.flush_up_to(up_to)).await {
                tracing::warn!(partition = %log.partition, "flush after a roll: {error}");
            }
        };
        self.shared().env.tasks.spawn(crate::base::env::Lane::Data, "flush", flush);
    }

    /// [`Log::flush_blocking`] in the pool: a worker that waits for an fsync serves nobody.
    ///
    /// # Errors
    /// Storage.
    pub async fn flush(self: &Arc<Self>) -> Result<(), LogError> {
        let here = Arc::clone(self);
        self.gate().run_long(move || here.flush_blocking()).await
    }

    /// On return everything appended so far is on the device, the epochs too, and the recovery point says so. Blocks.
    ///
    /// # Errors
    /// Storage.
    pub fn flush_blocking(&self) -> Result<(), LogError> {
        self.flush_up_to(self.leo())
    }

    /// On return everything below `up_to` is on the device.
    ///
    /// # Errors
    /// Storage.
    pub(super) fn flush_up_to(&self, up_to: i64) -> Result<(), LogError> {
        let _flushing = self.flushing.lock();
        self.home.check()?;
        let from = self.recovery_point();
        let up_to = up_to.min(self.leo());
        self.last_flush_ms.store(self.shared().env.clock.wall_ms(), Ordering::Relaxed);
        if up_to <= from || self.deleted.load(Ordering::Acquire) {
            return Ok(());
        }
        let segments = self.segments.load_full();
        let first = segments.partition_point(|s| s.base_offset() <= from).saturating_sub(1);
        let (dir, disk) = (self.dir_path(), &self.shared().disk);
        let synced = (|| {
            if sabotage::is_on(Sabotage::SkipSync) {
                return Ok(());
            }
            let sync = |path: std::path::PathBuf| match disk.open(&path) {
                Ok(file) => file.sync(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
            let mut new_names = false;
            for (i, segment) in segments.iter().enumerate().skip(first) {
                if segment.base_offset() >= up_to {
                    break;
                }
                segment.file().sync()?;
                new_names |= segment.base_offset() >= from;
                if i + 1 < segments.len() {
                    for kind in [FileKind::Index, FileKind::TimeIndex] {
                        sync(file_path(&dir, segment.base_offset(), kind))?;
                    }
                }
                sync(file_path(&dir, segment.base_offset(), FileKind::TxnIndex))?;
                if let Some(next) = segments.get(i + 1) {
                    sync(file_path(&dir, next.base_offset(), FileKind::Snapshot))?;
                    new_names = true;
                }
            }
            if new_names { disk.sync_dir(&dir) } else { Ok(()) }
        })();
        synced.map_err(|e| self.home.fail("flushing", &e))?;
        self.write_epochs()?;
        self.recovery_point.fetch_max(up_to, Ordering::AcqRel);
        Ok(())
    }

    /// Flushes everything and closes: indexes finished and trimmed, a snapshot at the end, epochs written. Takes the append mutex; every
    /// later append is refused. With [`Flush::WithAll`] it is on the device, and the recovery point moves, only with
    /// [`Log::confirm_flushed`]. Blocks, outside the lanes.
    ///
    /// # Errors
    /// Storage: then the directory gets no clean marker.
    pub(super) fn close_blocking(self: &Arc<Self>, flush: Flush) -> Result<(), LogError> {
        let mut state = match self.writer.try_lock() {
            Ok(state) => state,
            Err(_) => self.writer.blocking_lock(),
        };
        self.close(&mut state, flush)
    }

    /// [`Log::close_blocking`] from a lane, flushed.
    ///
    /// # Errors
    /// Storage.
    pub async fn close_clean(self: &Arc<Self>) -> Result<(), LogError> {
        self.close_from_lane(Flush::Now).await
    }

    pub(super) async fn close_from_lane(self: &Arc<Self>, flush: Flush) -> Result<(), LogError> {
        self.lock().await.run(move |log, state| log.close(state, flush)).await
    }

    /// The whole directory has been brought to the device since this log was closed; what its notes are called is not there yet.
    pub(super) fn confirm_flushed(&self) -> Result<(), LogError> {
        self.recovery_point.fetch_max(self.leo(), Ordering::AcqRel);
        self.adopt_notes()
    }

    fn close(self: &Arc<Self>, state: &mut WriterState, flush: Flush) -> Result<(), LogError> {
        self.home.check()?;
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if state.untouched {
            return self.write_notes(match flush {
                Flush::Now => Notes::Now,
                Flush::WithAll => Notes::Prepared,
            });
        }
        let active = self.active();
        let fail = |e| self.home.fail("closing a log", &e);
        self.take_snapshot(state)?;
        self.with_place(|place| active.finish_indexes(place)).map_err(fail)?;
        if flush == Flush::WithAll {
            return self.write_notes(Notes::Prepared);
        }
        self.flush_blocking()?;
        active.file().sync().map_err(fail)?;
        let (dir, disk) = (self.dir_path(), &self.shared().disk);
        for kind in [FileKind::Index, FileKind::TimeIndex] {
            disk.open(&file_path(&dir, active.base_offset(), kind)).and_then(|f| f.sync()).map_err(fail)?;
        }
        let snapshot = file_path(&dir, state.last_snapshot, FileKind::Snapshot);
        if disk.exists(&snapshot) {
            disk.open(&snapshot).and_then(|f| f.sync()).map_err(fail)?;
        }
        disk.sync_dir(&dir).map_err(fail)?;
        self.epochs_dirty.store(true, Ordering::Release); // an epoch may be newer than any record
        self.write_notes(Notes::Now)
    }
}

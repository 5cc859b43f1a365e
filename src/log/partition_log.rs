//! [`Log`]: the log of one replica. What readers see of it, without a lock; the holder of the append mutex ([`LogWriter`]) changes it.
//!
//! Who owns what: `WriterState` (under the append mutex) the producer state; `segments` (an ArcSwap) and the offsets (atomics) are the
//! read view, written under the append mutex only, except the high watermark, which the replica sets. Epochs, open transactions and the
//! tail are leaf locks held for a few instructions. Lock order: append mutex, flush, then one leaf at a time.
//! Beware: an idle log must stay small (15 KB): nothing here allocates before the first append.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use tokio::sync::OwnedMutexGuard;

use crate::base::{TopicId, TopicPartition};
use crate::config::LogConfig;
use crate::disk::Gate;

use super::cleaner::{LastRecord, LastRecords};
use super::epochs::{EpochEnd, Epochs};
use super::error::LogError;
use super::home::{Home, Shared};
use super::names::REFILLING;
use super::notes::Unsettled;
use super::producers::{OpenTxns, ProducerSummary, Producers, VerificationGuard};
use super::segment::{Place, Segment};
use super::tail::Tail;

/// The log of one replica.
#[derive(Debug)]
pub struct Log {
    pub(super) partition: TopicPartition,
    pub(super) home: Arc<Home>,
    pub(super) dir: RwLock<Arc<Path>>,
    pub(super) future: AtomicBool,
    pub(super) closed: AtomicBool,
    /// Its directory is marked for deletion and may vanish: nothing is written any more.
    pub(super) deleted: AtomicBool,
    /// A file beside the segments says so too: see [`Log::is_refilling`].
    pub(super) refilling: AtomicBool,
    pub(super) topic_id: Mutex<Option<TopicId>>,
    /// True while `partition.metadata` is not on the device.
    pub(super) topic_id_dirty: AtomicBool,
    /// True while there is no `partition.metadata`.
    pub(super) topic_id_unnamed: AtomicBool,
    pub(super) config: ArcSwap<LogConfig>,
    /// Ascending, never empty; the last one is active.
    pub(super) segments: ArcSwap<Vec<Arc<Segment>>>,
    pub(super) start_offset: AtomicI64,
    pub(super) leo: AtomicI64,
    pub(super) high_watermark: AtomicI64,
    pub(super) recovery_point: AtomicI64,
    pub(super) tail: Mutex<Tail>,
    pub(super) txns: Mutex<OpenTxns>,
    /// `i64::MAX` when everything is stable; follows `txns`.
    pub(super) first_unstable: AtomicI64,
    pub(super) epochs: RwLock<Epochs>,
    /// True while the checkpoint file is behind.
    pub(super) epochs_dirty: AtomicBool,
    /// Held while a file beside the segments is written by its path, and while the directory is renamed. What is not on the device yet.
    pub(super) unsettled: Mutex<Vec<Unsettled>>,
    /// Held by a flush, and by what cuts the log meanwhile.
    pub(super) flushing: Mutex<()>,
    pub(super) last_flush_ms: AtomicI64,
    /// How often records below the active segment were cut: what was worked out from them no longer holds.
    pub(super) cuts: AtomicU64,
    /// The lowest offset that was cut at since the copy of this log in another directory was last told; `i64::MAX` none.
    pub(super) lowest_cut: AtomicI64,
    pub(super) writer: Arc<tokio::sync::Mutex<WriterState>>,
}

/// What the append mutex guards.
#[derive(Debug)]
pub struct WriterState {
    pub(super) producers: Producers,
    /// Bytes since the last offset index entry of the active segment.
    pub(super) bytes_since_index: u64,
    /// Offset of the newest snapshot, 0 none.
    pub(super) last_snapshot: i64,
    /// A segment was rolled: what lies below is to be flushed in the background.
    pub(super) flush_wanted: bool,
    /// Opened after a clean stop, or made, and nothing was written or cut since: its files are what they were.
    pub(super) untouched: bool,
}

/// The append mutex of a log, held. Dropping it lets go.
#[derive(Debug)]
pub struct LogWriter {
    log: Arc<Log>,
    state: Option<OwnedMutexGuard<WriterState>>,
}

/// Leader epoch, timestamp and offset of a record that a lookup found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimestampOffset {
    /// The record's time in ms.
    pub timestamp: i64,
    /// The record's offset.
    pub offset: i64,
    /// Epoch it was written in, if known.
    pub leader_epoch: Option<i32>,
}

impl Log {
    /// Whose log it is.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The directory of `log.dirs` that it lies in.
    pub fn dir(&self) -> PathBuf {
        self.home.path().to_path_buf()
    }

    /// That directory.
    pub fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// Its own directory. Changes when the partition is deleted or moved.
    pub fn dir_path(&self) -> Arc<Path> {
        Arc::clone(&self.dir.read())
    }

    /// True for a replica that is being moved here and is not yet current.
    pub fn is_future(&self) -> bool {
        self.future.load(Ordering::Acquire)
    }

    /// Does it lack records that it has had? From being made anew for an old partition until [`LogWriter::refilled`], over all starts in
    /// between.
    pub fn is_refilling(&self) -> bool {
        self.refilling.load(Ordering::Acquire)
    }

    /// False after its directory failed.
    pub fn is_online(&self) -> bool {
        self.home.is_online()
    }

    /// The topic's configuration.
    pub fn config(&self) -> Arc<LogConfig> {
        self.config.load_full()
    }

    /// A new configuration, from the next append on.
    pub fn set_config(&self, config: Arc<LogConfig>) {
        self.config.store(config);
    }

    /// First offset that may be read.
    pub fn start_offset(&self) -> i64 {
        self.start_offset.load(Ordering::Acquire)
    }

    /// The offset that the next record gets.
    pub fn leo(&self) -> i64 {
        self.leo.load(Ordering::Acquire)
    }

    /// What the replica said is replicated; at first what the checkpoint said.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark.load(Ordering::Acquire)
    }

    /// The first offset that a `read_committed` reader may not see.
    pub fn last_stable_offset(&self) -> i64 {
        self.first_unstable.load(Ordering::Acquire).min(self.high_watermark())
    }

    /// Everything below is on the device.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point.load(Ordering::Acquire)
    }

    /// Sets the high watermark, clamped to what the log has, and returns it.
    pub fn set_high_watermark(&self, to: i64) -> i64 {
        let to = to.min(self.leo()).max(self.start_offset());
        self.high_watermark.store(to, Ordering::Release);
        let mut txns = self.txns.lock();
        txns.replicated(to);
        self.first_unstable.store(txns.first_unstable().unwrap_or(i64::MAX), Ordering::Release);
        to
    }

    /// The latest leader epoch that the log knows.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.epochs.read().latest()
    }

    /// Where an epoch started.
    pub fn epoch_start(&self, epoch: i32) -> Option<i64> {
        self.epochs.read().start_of(epoch)
    }

    /// The epoch in which an offset was written.
    pub fn epoch_at(&self, offset: i64) -> Option<i32> {
        self.epochs.read().at(offset)
    }

    /// Where an epoch ends (OffsetForLeaderEpoch, diverging epochs).
    pub fn end_offset_for(&self, epoch: i32) -> EpochEnd {
        let leo = self.leo();
        self.epochs.read().end_offset_for(epoch, leo)
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.segments.load().iter().map(|s| s.size()).sum()
    }

    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.segments.load().len()
    }

    /// The gate before its disk.
    pub fn gate(&self) -> &Gate {
        self.home.gate()
    }

    /// Drops index mappings of segments that are not the newest.
    pub fn cool(&self) {
        let segments = self.segments.load();
        for segment in segments.iter().rev().skip(1) {
            segment.cool();
        }
    }

    /// The lowest offset that the log was cut at since the last time this was asked. Whoever copies the log asks before each read, and
    /// throws away what it has above.
    pub fn take_cut(&self) -> Option<i64> {
        Some(self.lowest_cut.swap(i64::MAX, Ordering::AcqRel)).filter(|cut| *cut < i64::MAX)
    }

    /// True when the log was cut since the last [`Log::take_cut`]: nobody has read what came after a cut and finds this false.
    pub fn was_cut(&self) -> bool {
        self.lowest_cut.load(Ordering::Acquire) < i64::MAX
    }

    /// Takes the append mutex.
    pub async fn lock(self: &Arc<Self>) -> LogWriter {
        let state = Arc::clone(&self.writer).lock_owned().await;
        LogWriter { log: Arc::clone(self), state: Some(state) }
    }

    /// Producers for DescribeProducers; takes the append mutex.
    pub async fn producers(self: &Arc<Self>) -> Vec<ProducerSummary> {
        self.writer.lock().await.producers.summaries()
    }

    /// True when this producer, in this epoch, has an open transaction here; takes the append mutex.
    pub async fn has_ongoing_transaction(self: &Arc<Self>, producer_id: i64, epoch: i16) -> bool {
        self.writer.lock().await.producers.has_open_txn(producer_id, epoch)
    }

    /// Starts the verification of a transaction (KIP-890); `None` when it is open here already. Takes the append mutex.
    pub async fn start_verification(
        self: &Arc<Self>,
        producer_id: i64,
        sequence: i32,
        epoch: i16,
    ) -> Option<VerificationGuard> {
        let now_ms = self.shared().env.clock.wall_ms();
        self.writer.lock().await.producers.start_verification(producer_id, sequence, epoch, now_ms)
    }

    /// The last that each producer wrote, for the cleaner; takes the append mutex.
    pub(super) async fn last_records(self: &Arc<Self>) -> LastRecords {
        let last = |(id, data_offset, epoch)| (id, LastRecord { data_offset, epoch });
        self.writer.lock().await.producers.last_records().map(last).collect()
    }

    /// Forgets producers that were silent too long; takes the append mutex.
    pub async fn expire_producers(self: &Arc<Self>) {
        let now_ms = self.shared().env.clock.wall_ms();
        let expiration = self.shared().producer_expiration_ms.load(Ordering::Relaxed);
        self.writer.lock().await.producers.expire(now_ms, expiration);
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        self.home.shared()
    }

    /// An error when the directory failed or the log was closed.
    pub(super) fn check_open(&self) -> Result<(), LogError> {
        self.home.check()?;
        if self.closed.load(Ordering::Acquire) { Err(LogError::Gone(self.partition.clone())) } else { Ok(()) }
    }

    /// What an I/O error of a read means: bytes that are no batch leave the directory online.
    pub(super) fn read_error(&self, error: &io::Error) -> LogError {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                LogError::Corrupt { partition: self.partition.clone(), reason: error.to_string().into() }
            }
            _ => self.home.fail("reading a segment", error),
        }
    }

    pub(super) fn with_place<T>(&self, f: impl FnOnce(Place<'_>) -> T) -> T {
        let dir = self.dir_path();
        f(Place { disk: &self.shared().disk, dir: &dir })
    }

    pub(super) fn active(&self) -> Arc<Segment> {
        let segments = self.segments.load();
        // never empty: made with one, and every change keeps one
        Arc::clone(&segments[segments.len() - 1])
    }

    /// Changes the epochs; marks the file behind when something changed.
    pub(super) fn change_epochs(&self, change: impl FnOnce(&mut Epochs) -> bool) {
        if change(&mut self.epochs.write()) {
            self.epochs_dirty.store(true, Ordering::Release);
        }
    }

    /// Publishes what is open after a reload of the producer state.
    pub(super) fn reset_txns(&self, producers: &Producers, end: i64) {
        let mut txns = self.txns.lock();
        txns.reset(producers.open_txns(), end);
        self.first_unstable.store(txns.first_unstable().unwrap_or(i64::MAX), Ordering::Release);
    }
}

impl LogWriter {
    /// The log.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The offset that the next record gets.
    pub fn leo(&self) -> i64 {
        self.log.leo()
    }

    /// The log has all that it is to have. On return what it has is on the device, and the next start knows that it is whole.
    ///
    /// # Errors
    /// Storage.
    pub async fn refilled(&mut self) -> Result<(), LogError> {
        if !self.log.is_refilling() {
            return Ok(());
        }
        self.flush().await?;
        self.run(|log, _| {
            log.check_open()?;
            let disk = &log.shared().disk;
            let removed = disk.remove_file(&log.dir_path().join(REFILLING));
            let removed = removed.and_then(|()| disk.sync_dir(&log.dir_path()));
            removed.map_err(|e| log.home.fail("noting that a log is whole", &e))?;
            log.refilling.store(false, Ordering::Release);
            Ok(())
        })
        .await
    }

    /// Runs a blocking change through the gate. The call runs to its end, holding the mutex, even when the wait is dropped; such a
    /// writer takes the mutex again when it is used again.
    pub(super) async fn run<T, F>(&mut self, change: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&Arc<Log>, &mut WriterState) -> T + Send + 'static,
    {
        let mut state = match self.state.take() {
            Some(state) => state,
            None => Arc::clone(&self.log.writer).lock_owned().await,
        };
        let log = Arc::clone(&self.log);
        let (state, result) = self
            .log
            .gate()
            .run(move || {
                let result = change(&log, &mut state);
                (state, result)
            })
            .await;
        let mut state = state;
        if std::mem::take(&mut state.flush_wanted) {
            self.log.flush_in_background();
        }
        self.state = Some(state);
        result
    }
}

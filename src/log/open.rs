//! Opening a log: what a directory's files say, and what has to be read again after an unclean stop.
//!
//! Order (facts: storage section 7; Kafka's `LogLoader`): leftovers go, segments load, unclean ones are recovered (the first corrupt
//! byte cuts the log there, later segments go), then ends, epochs, producer state. Blocks; called by `LogManager` on loading threads.
//! A cancel ends it between batches with nothing half-done: what was cut stays cut, what was rebuilt is rebuilt again.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};

use crate::base::{TopicId, TopicPartition};
use crate::config::LogConfig;
use crate::disk::Disk;

use super::append::facts;
use super::checkpoint;
use super::epochs::Epochs;
use super::home::{Home, Shared};
use super::meta;
use super::names::{CLEANED, DELETED, FileKind, SWAP, file_name, file_path, parse_file};
use super::partition_log::{Log, WriterState};
use super::producers::{OpenTxns, Producers, snapshot};
use super::segment::{Place, Segment};
use super::tail::Tail;
use super::txn_index::AbortEntry;
use super::walk::{WalkEnd, for_each_batch};

/// Ends loading early, from another thread.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on loading ends.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// True after [`CancelFlag::cancel`].
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What checkpoints and configuration say about a log to be opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The topic's configuration.
    pub config: Arc<LogConfig>,
    /// The directory was closed cleanly.
    pub clean: bool,
    /// From the recovery point checkpoint; 0 when unknown.
    pub recovery_point: i64,
    /// From the log start checkpoint; 0 when unknown.
    pub log_start: i64,
    /// From the high watermark checkpoint; 0 when unknown.
    pub high_watermark: i64,
    /// Being moved here.
    pub future: bool,
}

impl OpenOptions {
    /// For a log that is made now.
    pub fn new_log(config: Arc<LogConfig>) -> Self {
        Self { config, clean: true, recovery_point: 0, log_start: 0, high_watermark: 0, future: false }
    }
}

impl Log {
    /// Opens (or makes) the log in `dir`, which exists.
    ///
    /// # Errors
    /// The device's; `Interrupted` after a cancel.
    pub fn open(
        home: &Arc<Home>,
        dir: &Path,
        partition: TopicPartition,
        options: &OpenOptions,
        cancel: &CancelFlag,
    ) -> io::Result<Arc<Self>> {
        let shared = home.shared();
        let place = Place { disk: &shared.disk, dir };
        let mut opening = Opening {
            shared,
            place,
            partition: &partition,
            options,
            cancel,
            segments: Vec::new(),
            epochs: Epochs::default(),
            epochs_dirty: false,
            recovered: None,
        };
        opening.load_epochs()?;
        opening.load_segments()?;
        opening.recover()?;
        let mut leo = opening.end_offset()?;
        if leo < options.log_start {
            tracing::warn!(%partition, leo, log_start = options.log_start, "the log ends below its start: starting anew");
            opening.drop_from(0)?;
            opening.recovered = None;
            leo = opening.end_offset()?;
        }
        let Opening { segments, mut epochs, mut epochs_dirty, recovered, .. } = opening;
        let first_base = segments.first().map_or(0, |s| s.base_offset());
        let start = options.log_start.max(first_base);
        epochs_dirty |= epochs.truncate_end(leo);
        epochs_dirty |= epochs.truncate_start(start);
        let (producers, last_snapshot) = match recovered {
            Some((producers, last)) if producers.end() == leo => (producers, last),
            _ => load_producers(shared, place, &segments, start, leo, options.clean)?,
        };
        remove_stray_snapshots(place, &segments)?;
        let topic_id = read_topic_id(place, &partition)?;
        let active = Arc::clone(&segments[segments.len() - 1]);
        let recovery_point = if options.clean { leo } else { options.recovery_point.clamp(0, leo) };
        let high_watermark = options.high_watermark.min(leo).max(start);
        let log = Arc::new(Self {
            partition,
            home: Arc::clone(home),
            dir: RwLock::new(dir.into()),
            future: AtomicBool::new(options.future),
            closed: AtomicBool::new(false),
            deleted: AtomicBool::new(false),
            topic_id: Mutex::new(topic_id),
            config: ArcSwap::new(Arc::clone(&options.config)),
            segments: ArcSwap::new(Arc::new(segments)),
            start_offset: AtomicI64::new(start),
            leo: AtomicI64::new(leo),
            high_watermark: AtomicI64::new(high_watermark),
            recovery_point: AtomicI64::new(recovery_point),
            tail: Mutex::new(Tail::new(active.base_offset(), leo, active.size())),
            txns: Mutex::new(OpenTxns::default()),
            first_unstable: AtomicI64::new(i64::MAX),
            epochs: RwLock::new(epochs),
            epochs_dirty: AtomicBool::new(epochs_dirty),
            epochs_file: Mutex::new(()),
            flushing: Mutex::new(()),
            last_flush_ms: AtomicI64::new(shared.env.clock.wall_ms()),
            cuts: AtomicU64::new(0),
            writer: Arc::new(tokio::sync::Mutex::new(WriterState {
                producers: Producers::new(leo),
                bytes_since_index: 0,
                last_snapshot,
                flush_wanted: false,
            })),
        });
        log.reset_txns(&producers, leo);
        if let Ok(mut state) = log.writer.try_lock() {
            state.producers = producers;
        }
        Ok(log)
    }
}

struct Opening<'a> {
    shared: &'a Arc<Shared>,
    place: Place<'a>,
    partition: &'a TopicPartition,
    options: &'a OpenOptions,
    cancel: &'a CancelFlag,
    segments: Vec<Arc<Segment>>,
    epochs: Epochs,
    epochs_dirty: bool,
    /// Producer state after recovery, and the newest snapshot.
    recovered: Option<(Producers, i64)>,
}

impl Opening<'_> {
    fn load_epochs(&mut self) -> io::Result<()> {
        let path = self.place.dir.join(checkpoint::LEADER_EPOCH);
        let bytes = match self.place.disk.read(&path, checkpoint::MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        match checkpoint::read_epochs(&bytes) {
            Ok(entries) => self.epochs = Epochs::from_entries(&entries),
            Err(error) => {
                tracing::warn!(partition = %self.partition, "{}: {error}; rebuilding from the batches", path.display());
                self.epochs_dirty = true;
                self.epochs_from_batches()?;
            }
        }
        Ok(())
    }

    fn epochs_from_batches(&mut self) -> io::Result<()> {
        for entry in self.place.disk.list(self.place.dir)? {
            if let Some((_, FileKind::Log)) = parse_file(&entry.name) {
                let file = self.place.disk.open(&self.place.dir.join(&entry.name))?;
                let mut heads = super::walk::Heads::new(&file, 0, file.len()?);
                while let Ok(Some(head)) = heads.next_head() {
                    if head.leader_epoch >= 0 && self.epochs.latest().is_none_or(|e| e < head.leader_epoch) {
                        self.epochs.assign(head.leader_epoch, head.first_offset);
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes leftovers, completes swaps, opens what is there; makes a first segment where there is none.
    fn load_segments(&mut self) -> io::Result<()> {
        let Place { disk, dir } = self.place;
        finish_interrupted_cleaning(disk, dir)?;
        let entries = disk.list(dir)?;
        let names: BTreeSet<&str> = entries.iter().filter(|e| !e.is_dir).map(|e| e.name.as_str()).collect();
        let now_ms = self.shared.env.clock.wall_ms();
        let mut damaged = Vec::new();
        for name in &names {
            match parse_file(name) {
                Some((base, FileKind::Log)) => {
                    let jitter = self.jitter();
                    let segment = Segment::open(self.place, base, now_ms, jitter)?;
                    let indexed = names.contains(file_name(base, FileKind::Index).as_str());
                    if !names.contains(file_name(base, FileKind::TimeIndex).as_str()) {
                        disk.create(&file_path(dir, base, FileKind::TimeIndex))?;
                    }
                    let aborts_ok = match segment.aborts(self.place) {
                        Err(error) if error.kind() == io::ErrorKind::InvalidData => false,
                        other => other.map(|_| true)?,
                    };
                    if !(indexed && aborts_ok) {
                        damaged.push(base);
                    }
                    self.segments.push(Arc::new(segment));
                }
                Some((base, FileKind::Index | FileKind::TimeIndex | FileKind::TxnIndex))
                    if !names.contains(file_name(base, FileKind::Log).as_str()) =>
                {
                    tracing::warn!(partition = %self.partition, name, "removing an index without its log");
                    disk.remove_file(&dir.join(name))?;
                }
                _ => (),
            }
        }
        self.segments.sort_by_key(|s| s.base_offset());
        for base in damaged {
            tracing::warn!(partition = %self.partition, base, "an index is missing or malformed: rebuilding");
            let Ok(i) = self.segments.binary_search_by_key(&base, |s| s.base_offset()) else { continue };
            let segment = Arc::clone(&self.segments[i]);
            let start = self.options.log_start.max(0);
            let (mut producers, _) = rebuild_producers(self.shared, self.place, &self.segments[..i], start, base)?;
            if !self.recover_segment(&segment, &mut producers)? {
                self.drop_from(i + 1)?;
                break;
            }
        }
        self.first_segment()?;
        Ok(())
    }

    fn jitter(&self) -> i64 {
        let config = &self.options.config;
        let bound = usize::try_from(config.segment_jitter_ms.min(config.segment_ms)).unwrap_or(0);
        i64::try_from(self.shared.env.rng.below(bound)).unwrap_or(0)
    }

    fn first_segment(&mut self) -> io::Result<()> {
        if self.segments.is_empty() {
            let base = self.options.log_start.max(0);
            let segment = Segment::create(self.place, base, self.shared.env.clock.wall_ms(), self.jitter())?;
            self.segments.push(Arc::new(segment));
        }
        Ok(())
    }

    /// Removes segments from the `keep`-th on, with their snapshots; leaves one segment at least.
    fn drop_from(&mut self, keep: usize) -> io::Result<()> {
        for segment in self.segments.drain(keep..) {
            for kind in FileKind::ALL {
                self.place.disk.remove_file(&self.place.path(segment.base_offset(), kind))?;
            }
        }
        if keep == 0 {
            for offset in snapshots(self.place.disk, self.place.dir)? {
                self.place.disk.remove_file(&self.place.path(offset, FileKind::Snapshot))?;
            }
            self.epochs_dirty |= self.epochs.clear();
        }
        self.first_segment()
    }

    /// After an unclean stop: reads every segment from the one with the recovery point on.
    fn recover(&mut self) -> io::Result<()> {
        if self.options.clean {
            return Ok(());
        }
        let rp = self.options.recovery_point;
        let first = self.segments.partition_point(|s| s.base_offset() <= rp).saturating_sub(1);
        let from = self.segments[first].base_offset();
        for offset in snapshots(self.place.disk, self.place.dir)?.into_iter().filter(|o| *o > from) {
            // Made by what is read again below; one of a time that a power loss took back would lie.
            self.place.disk.remove_file(&self.place.path(offset, FileKind::Snapshot))?;
        }
        let (mut producers, mut last_snapshot) =
            rebuild_producers(self.shared, self.place, &self.segments, self.options.log_start.max(0), from)?;
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
            if !whole {
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

    /// Reads a segment batch by batch: rebuilds its indexes, takes epochs and producers, cuts it at the first corrupt byte. True when
    /// nothing was cut.
    fn recover_segment(&mut self, segment: &Segment, producers: &mut Producers) -> io::Result<bool> {
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
    fn end_offset(&mut self) -> io::Result<i64> {
        let active = Arc::clone(&self.segments[self.segments.len() - 1]);
        active.make_active(self.place)?;
        let last = match active.last_batch(self.place) {
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                tracing::warn!(partition = %self.partition, "the newest segment does not end with a batch: recovering it");
                let (mut producers, _) = rebuild_producers(
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

/// `.deleted` and `.cleaned` files go; complete `.swap` files take their names (facts: storage section 7, step 1).
fn finish_interrupted_cleaning(disk: &Disk, dir: &Path) -> io::Result<()> {
    let names: Vec<String> = disk.list(dir)?.into_iter().filter(|e| !e.is_dir).map(|e| e.name).collect();
    let mut min_cleaned = i64::MAX;
    for name in &names {
        if let Some(rest) = name.strip_suffix(CLEANED) {
            min_cleaned = parse_file(rest).map_or(min_cleaned, |(base, _)| base.min(min_cleaned));
            disk.remove_file(&dir.join(name))?;
        } else if name.ends_with(DELETED) {
            disk.remove_file(&dir.join(name))?;
        }
    }
    let swaps = names.iter().filter_map(|n| n.strip_suffix(SWAP).and_then(|rest| Some((rest, parse_file(rest)?))));
    let (stale, complete): (Vec<_>, Vec<_>) = swaps.partition(|(_, (base, _))| *base >= min_cleaned);
    for (rest, _) in stale {
        disk.remove_file(&dir.join(format!("{rest}{SWAP}")))?;
    }
    let logs: Vec<i64> = complete.iter().filter(|(_, (_, k))| *k == FileKind::Log).map(|(_, (b, _))| *b).collect();
    if let (Some(min), Some(max)) = (logs.iter().min(), logs.iter().max()) {
        // The last swapped segment reaches to its last batch; what it replaced lies within.
        let file = disk.open(&dir.join(format!("{}{SWAP}", file_name(*max, FileKind::Log))))?;
        let mut heads = super::walk::Heads::new(&file, 0, file.len()?);
        let mut next = *max;
        while let Some(head) = heads.next_head()? {
            next = head.last_offset + 1;
        }
        for name in &names {
            if let Some((base, kind)) = parse_file(name)
                && kind != FileKind::Snapshot
                && base >= *min
                && base < next.max(max + 1)
            {
                disk.remove_file(&dir.join(name))?;
            }
        }
    }
    for (rest, _) in complete {
        disk.rename(&dir.join(format!("{rest}{SWAP}")), &dir.join(rest))?;
    }
    Ok(())
}

/// Offsets of the snapshots of a partition directory, ascending.
///
/// # Errors
/// The device's.
pub(super) fn snapshots(disk: &Disk, dir: &Path) -> io::Result<BTreeSet<i64>> {
    let offset = |name: &str| match parse_file(name) {
        Some((offset, FileKind::Snapshot)) => Some(offset),
        _ => None,
    };
    Ok(disk.list(dir)?.iter().filter_map(|e| offset(&e.name)).collect())
}

/// Only snapshots at a segment's base, and the newest, are kept.
fn remove_stray_snapshots(place: Place<'_>, segments: &[Arc<Segment>]) -> io::Result<()> {
    let all = snapshots(place.disk, place.dir)?;
    let newest = all.last().copied();
    for offset in all {
        let kept = Some(offset) == newest || segments.binary_search_by_key(&offset, |s| s.base_offset()).is_ok();
        if !kept {
            place.disk.remove_file(&place.path(offset, FileKind::Snapshot))?;
        }
    }
    Ok(())
}

fn load_producers(
    shared: &Shared,
    place: Place<'_>,
    segments: &[Arc<Segment>],
    start: i64,
    leo: i64,
    clean: bool,
) -> io::Result<(Producers, i64)> {
    for offset in snapshots(place.disk, place.dir)?.into_iter().filter(|o| *o > leo) {
        place.disk.remove_file(&place.path(offset, FileKind::Snapshot))?;
    }
    if clean && leo > 0 && snapshots(place.disk, place.dir)?.is_empty() {
        // A clean log without any snapshot comes from a version before them: it has no producers (KAFKA-5793).
        let bases = segments.iter().rev().take(2).map(|s| s.base_offset());
        let empty = snapshot::write(&Producers::new(0));
        for offset in bases.chain([leo]).filter(|o| *o > 0) {
            place.disk.write_unsynced(&place.path(offset, FileKind::Snapshot), &empty)?;
        }
        return Ok((Producers::new(leo), leo));
    }
    rebuild_producers(shared, place, segments, start, leo)
}

/// Producer state at `end`: from the newest valid snapshot at or below, and the batches after it. Returns it with that snapshot's offset
/// (0 none).
///
/// # Errors
/// The device's.
pub(super) fn rebuild_producers(
    shared: &Shared,
    place: Place<'_>,
    segments: &[Arc<Segment>],
    start: i64,
    end: i64,
) -> io::Result<(Producers, i64)> {
    let now_ms = shared.env.clock.wall_ms();
    let expiration = shared.producer_expiration_ms.load(Ordering::Relaxed);
    let mut found = None;
    for offset in snapshots(place.disk, place.dir)?.into_iter().rev().filter(|o| *o <= end) {
        let path = place.path(offset, FileKind::Snapshot);
        let bytes = place.disk.read(&path, snapshot::MAX_BYTES)?;
        match snapshot::read(&bytes, offset, now_ms, expiration) {
            Ok(producers) => {
                found = Some((producers, offset));
                break;
            }
            Err(error) => {
                tracing::warn!("{}: {error}; removing it", path.display());
                place.disk.remove_file(&path)?;
            }
        }
    }
    let (mut producers, last_snapshot) = found.unwrap_or_else(|| (Producers::new(start), 0));
    let from = last_snapshot.max(start).min(end);
    let first = segments.partition_point(|s| s.base_offset() <= from).saturating_sub(1);
    for segment in segments.iter().skip(first) {
        if segment.base_offset() >= end || from >= end {
            break;
        }
        let position = segment.find(place, from.max(segment.base_offset()))?.map_or(segment.size(), |h| h.position);
        for_each_batch(segment.file(), position, segment.size(), |_, batch| {
            if batch.base_offset() >= end {
                return ControlFlow::Break(());
            }
            if batch.base_offset() >= from
                && let Ok(Some(facts)) = facts(batch)
            {
                producers.apply(&facts);
            }
            ControlFlow::Continue(())
        })?;
    }
    producers.set_end(end);
    Ok((producers, last_snapshot))
}

fn read_topic_id(place: Place<'_>, partition: &TopicPartition) -> io::Result<Option<TopicId>> {
    let path = place.dir.join(meta::PARTITION_METADATA);
    match place.disk.read(&path, meta::MAX_BYTES) {
        Ok(bytes) if bytes.is_empty() => {
            tracing::warn!(%partition, "partition.metadata is empty: ignored");
            Ok(None)
        }
        Ok(bytes) => meta::read_partition_metadata(&bytes)
            .map(Some)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

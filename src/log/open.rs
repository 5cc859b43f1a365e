//! Opening a log: what a directory's files say. What has to be read again after an unclean stop is in `recover`.
//!
//! Order (facts: storage section 7; Kafka's `LogLoader`): leftovers go, segments load, unclean ones are recovered (the first corrupt
//! byte cuts the log there, later segments go), then ends, epochs, producer state. Blocks; called by `LogManager` on loading threads.
//! A cancel ends it between batches with nothing half-done: what was cut stays cut, what was rebuilt is rebuilt again.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};

use crate::base::{TopicId, TopicPartition};
use crate::config::LogConfig;
use crate::disk::Disk;

use super::checkpoint;
use super::epochs::Epochs;
use super::home::{Home, Shared};
use super::meta;
use super::names::{CLEANED, DELETED, FileKind, REFILLING, SWAP, file_name, file_path, parse_file};
use super::partition_log::{Log, WriterState};
use super::producers::{OpenTxns, Producers};
use super::segment::{Place, Segment};
use super::snapshots;
use super::tail::Tail;

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
            cleaned_up_to: home.cleaned_up_to(&partition).unwrap_or(0),
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
            _ => snapshots::load(shared, place, &segments, start, leo, options.clean)?,
        };
        snapshots::remove_stray(place, &segments)?;
        let topic_id = read_topic_id(place, &partition)?;
        let is_refilling = shared.disk.exists(&place.dir.join(REFILLING));
        Ok(Self::assemble(
            home,
            dir,
            partition,
            options,
            Parts { segments, start, leo, epochs, epochs_dirty, producers, last_snapshot, topic_id, is_refilling },
        ))
    }

    /// Makes the log in `dir`, which was made for it just now: there is nothing to look for.
    ///
    /// # Errors
    /// The device's.
    pub fn make(
        home: &Arc<Home>,
        dir: &Path,
        partition: TopicPartition,
        options: &OpenOptions,
    ) -> io::Result<Arc<Self>> {
        let shared = home.shared();
        let segment = new_segment(shared, Place { disk: &shared.disk, dir }, options)?;
        let start = segment.base_offset();
        Ok(Self::assemble(
            home,
            dir,
            partition,
            options,
            Parts {
                segments: vec![Arc::new(segment)],
                start,
                leo: start,
                epochs: Epochs::default(),
                epochs_dirty: false,
                producers: Producers::new(start),
                last_snapshot: 0,
                topic_id: None,
                is_refilling: false,
            },
        ))
    }

    fn assemble(
        home: &Arc<Home>,
        dir: &Path,
        partition: TopicPartition,
        options: &OpenOptions,
        parts: Parts,
    ) -> Arc<Self> {
        let Parts { segments, start, leo, epochs, epochs_dirty, producers, last_snapshot, topic_id, is_refilling } =
            parts;
        let shared = home.shared();
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
            topic_id_dirty: AtomicBool::new(false),
            topic_id_unnamed: AtomicBool::new(false),
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
            unsettled: Mutex::default(),
            flushing: Mutex::new(()),
            last_flush_ms: AtomicI64::new(shared.env.clock.wall_ms()),
            cuts: AtomicU64::new(0),
            lowest_cut: AtomicI64::new(i64::MAX),
            refilling: AtomicBool::new(is_refilling),
            writer: Arc::new(tokio::sync::Mutex::new(WriterState {
                producers: Producers::new(leo),
                bytes_since_index: 0,
                last_snapshot,
                flush_wanted: false,
                untouched: options.clean,
            })),
        });
        log.reset_txns(&producers, leo);
        if let Ok(mut state) = log.writer.try_lock() {
            state.producers = producers;
        }
        log
    }
}

/// What a directory's files say.
struct Parts {
    segments: Vec<Arc<Segment>>,
    start: i64,
    leo: i64,
    epochs: Epochs,
    epochs_dirty: bool,
    producers: Producers,
    last_snapshot: i64,
    topic_id: Option<TopicId>,
    is_refilling: bool,
}

/// A log on its way: filled in the order of [`Log::open`].
pub(super) struct Opening<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) place: Place<'a>,
    pub(super) partition: &'a TopicPartition,
    pub(super) options: &'a OpenOptions,
    pub(super) cancel: &'a CancelFlag,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) epochs: Epochs,
    pub(super) epochs_dirty: bool,
    /// Below this offset it was compacted.
    pub(super) cleaned_up_to: i64,
    /// Producer state after recovery, and the newest snapshot.
    pub(super) recovered: Option<(Producers, i64)>,
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
                    let jitter = jitter(self.shared, self.options);
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
            let (mut producers, _) = snapshots::rebuild(self.shared, self.place, &self.segments[..i], start, base)?;
            if !self.recover_segment(&segment, &mut producers)? {
                self.drop_from(i + 1)?;
                break;
            }
        }
        self.first_segment()?;
        Ok(())
    }

    fn first_segment(&mut self) -> io::Result<()> {
        if self.segments.is_empty() {
            self.segments.push(Arc::new(new_segment(self.shared, self.place, self.options)?));
        }
        Ok(())
    }

    /// Removes segments from the `keep`-th on, with their snapshots; leaves one segment at least.
    pub(super) fn drop_from(&mut self, keep: usize) -> io::Result<()> {
        for segment in self.segments.drain(keep..) {
            for kind in FileKind::ALL {
                self.place.disk.remove_file(&self.place.path(segment.base_offset(), kind))?;
            }
        }
        if keep == 0 {
            for offset in snapshots::offsets(self.place.disk, self.place.dir)? {
                self.place.disk.remove_file(&self.place.path(offset, FileKind::Snapshot))?;
            }
            self.epochs_dirty |= self.epochs.clear();
        }
        self.first_segment()
    }
}

fn jitter(shared: &Shared, options: &OpenOptions) -> i64 {
    let config = &options.config;
    let bound = usize::try_from(config.segment_jitter_ms.min(config.segment_ms)).unwrap_or(0);
    i64::try_from(shared.env.rng.below(bound)).unwrap_or(0)
}

/// The first segment of a log that has none.
fn new_segment(shared: &Shared, place: Place<'_>, options: &OpenOptions) -> io::Result<Segment> {
    let base = options.log_start.max(0);
    let segment = Segment::create(place, base, shared.env.clock.wall_ms(), jitter(shared, options))?;
    if options.config.preallocate {
        segment.preallocate(options.config.segment_bytes);
    }
    Ok(segment)
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

fn read_topic_id(place: Place<'_>, partition: &TopicPartition) -> io::Result<Option<TopicId>> {
    let path = place.dir.join(meta::PARTITION_METADATA);
    match place.disk.read(&path, meta::MAX_BYTES) {
        // It had its name before its content was on the device.
        Ok(bytes) if meta::is_torn(&bytes) => {
            tracing::warn!(%partition, "partition.metadata is empty or torn: ignored; the controller tells the topic's id again");
            Ok(None)
        }
        Ok(bytes) => meta::read_partition_metadata(&bytes)
            .map(Some)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

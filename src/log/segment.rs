//! One segment of a log: its file, its indexes, and finding positions in it.
//!
//! Shared by readers; only the holder of the append mutex changes it. Publication order: bytes in the file, index entries, then
//! [`Segment::grow`]; a reader that sees a size sees what lies below it. The directory is passed in ([`Place`]), because it is renamed
//! when a partition is deleted or moved. Locks here are leaves; index files are mapped, written and cut under the index lock.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::disk::{Disk, File};

use super::index::{Index, OFFSET_ENTRY, TIME_ENTRY};
use super::names::{FileKind, file_path};
use super::txn_index::{self, AbortEntry};
use super::walk::{Head, Heads};

/// Where a segment's files lie.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// On which disk.
    pub disk: &'a Disk,
    /// In which partition directory.
    pub dir: &'a Path,
}

impl Place<'_> {
    /// The path of a segment's file.
    pub fn path(&self, base_offset: i64, kind: FileKind) -> std::path::PathBuf {
        file_path(self.dir, base_offset, kind)
    }
}

/// The largest timestamp of a segment and the last offset of the first batch that has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MaxTimestamp {
    /// Milliseconds, -1 none.
    pub timestamp: i64,
    /// Last offset of that batch; the base offset when there is none.
    pub offset: i64,
}

/// A segment.
#[derive(Debug)]
pub struct Segment {
    base_offset: i64,
    file: Arc<File>,
    size: AtomicU64,
    created_ms: i64,
    jitter_ms: i64,
    indexes: RwLock<Indexes>,
    aborts: Mutex<Option<Arc<Vec<AbortEntry>>>>,
}

#[derive(Debug)]
struct Indexes {
    offsets: Index<OFFSET_ENTRY>,
    times: Index<TIME_ENTRY>,
    /// Known once the time index was read.
    max: Option<MaxTimestamp>,
    /// Largest timestamp of the first batch, once read.
    first_timestamp: Option<i64>,
    /// Its files have other names: what is loaded stays, nothing more can be.
    detached: bool,
}

impl Segment {
    /// Makes an empty segment with its files.
    ///
    /// # Errors
    /// The device's.
    pub fn create(place: Place<'_>, base_offset: i64, now_ms: i64, jitter_ms: i64) -> io::Result<Self> {
        let empty = |kind| {
            let file = place.disk.create(&place.path(base_offset, kind))?;
            if file.len()? > 0 {
                file.set_len(0)?;
            }
            Ok::<File, io::Error>(file)
        };
        let file = empty(FileKind::Log)?;
        empty(FileKind::Index)?;
        empty(FileKind::TimeIndex)?;
        place.disk.remove_file(&place.path(base_offset, FileKind::TxnIndex))?;
        let segment = Self::with(base_offset, file, 0, now_ms, jitter_ms, Index::new(), Index::new());
        segment.indexes.write().max = Some(MaxTimestamp { timestamp: -1, offset: base_offset });
        *segment.aborts.lock() = Some(Arc::default());
        Ok(segment)
    }

    /// Opens a segment whose indexes are read when asked.
    ///
    /// # Errors
    /// The device's.
    pub fn open(place: Place<'_>, base_offset: i64, now_ms: i64, jitter_ms: i64) -> io::Result<Self> {
        let file = place.disk.open(&place.path(base_offset, FileKind::Log))?;
        let size = file.len()?;
        Ok(Self::with(base_offset, file, size, now_ms, jitter_ms, Index::cold(), Index::cold()))
    }

    fn with(
        base_offset: i64,
        file: File,
        size: u64,
        created_ms: i64,
        jitter_ms: i64,
        offsets: Index<OFFSET_ENTRY>,
        times: Index<TIME_ENTRY>,
    ) -> Self {
        Self {
            base_offset,
            file: Arc::new(file),
            size: AtomicU64::new(size),
            created_ms,
            jitter_ms,
            indexes: RwLock::new(Indexes { offsets, times, max: None, first_timestamp: None, detached: false }),
            aborts: Mutex::new(None),
        }
    }

    /// Reads the indexes into memory: this is the newest segment.
    ///
    /// # Errors
    /// The device's.
    pub fn make_active(&self, place: Place<'_>) -> io::Result<()> {
        let mut indexes = self.indexes.write();
        let offsets = Index::load(place.disk, &place.path(self.base_offset, FileKind::Index))?;
        let times = Index::load(place.disk, &place.path(self.base_offset, FileKind::TimeIndex))?;
        let max = self.max_of(&times);
        (indexes.offsets, indexes.times, indexes.max) = (offsets, times, Some(max));
        Ok(())
    }

    /// `preallocate`: asks for the whole segment's room. Its length stays what was written, so that no reader and no recovery sees zeros
    /// (Kafka's file has its full length at once). In vain on a file system that can't, or a full one.
    pub fn preallocate(&self, bytes: i32) {
        if let Err(error) = self.file.allocate(u64::try_from(bytes).unwrap_or(0)) {
            tracing::warn!(base_offset = self.base_offset, %error, "could not preallocate a segment; going on without");
        }
    }

    /// Gives back what [`Segment::preallocate`] asked for too much.
    ///
    /// # Errors
    /// The device's.
    pub fn give_room_back(&self) -> io::Result<()> {
        self.file.set_len(self.size())
    }

    /// First offset it may have.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Bytes that readers may see.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// The `.log` file.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// When it was made, or opened, by the wall clock.
    pub fn created_ms(&self) -> i64 {
        self.created_ms
    }

    /// What is taken off `segment.ms`.
    pub fn jitter_ms(&self) -> i64 {
        self.jitter_ms
    }

    /// Readers may see this much now.
    pub fn grow(&self, size: u64) {
        self.size.store(size, Ordering::Release);
    }

    /// Maps what is cold. Under the lock: a file is cut only by who holds it too, and only when nothing maps it ([`File::map`]).
    fn warm(&self, place: Place<'_>) -> io::Result<()> {
        {
            let indexes = self.indexes.read();
            if !indexes.offsets.is_cold() && !indexes.times.is_cold() {
                return Ok(());
            }
        }
        let mut indexes = self.indexes.write();
        // A missing or unreadable index of an old segment is an empty one: lookups get slow, not wrong.
        if indexes.offsets.is_cold() {
            let path = place.path(self.base_offset, FileKind::Index);
            indexes.offsets = missing_is_empty(Index::map(place.disk, &path))?;
        }
        if indexes.times.is_cold() {
            let path = place.path(self.base_offset, FileKind::TimeIndex);
            let times = missing_is_empty(Index::map(place.disk, &path))?;
            indexes.max = indexes.max.or_else(|| Some(self.max_of(&times)));
            indexes.times = times;
        }
        Ok(())
    }

    fn max_of(&self, times: &Index<TIME_ENTRY>) -> MaxTimestamp {
        match times.last() {
            Some((timestamp, relative)) => MaxTimestamp { timestamp, offset: self.base_offset + i64::from(relative) },
            None => MaxTimestamp { timestamp: -1, offset: self.base_offset },
        }
    }

    /// Drops mappings; the next lookup maps again.
    pub fn cool(&self) {
        let mut indexes = self.indexes.write();
        if !indexes.detached {
            indexes.offsets.cool();
            indexes.times.cool();
        }
    }

    /// Its files are about to get other names, and its own may become those of another segment: loads what readers that still hold it
    /// may ask for.
    ///
    /// # Errors
    /// The device's.
    pub fn detach(&self, place: Place<'_>) -> io::Result<()> {
        self.aborts(place)?;
        self.warm(place)?;
        self.indexes.write().detached = true;
        self.warm(place) // it may have been cooled in between
    }

    /// Bytes of the offset and the time index.
    ///
    /// # Errors
    /// The device's.
    pub fn index_bytes(&self, place: Place<'_>) -> io::Result<(u64, u64)> {
        self.warm(place)?;
        let indexes = self.indexes.read();
        Ok((indexes.offsets.bytes().len() as u64, indexes.times.bytes().len() as u64))
    }

    /// The first batch whose last offset is at or above `offset`; `None` when the segment ends before.
    ///
    /// # Errors
    /// The device's; `InvalidData` for bytes that are no batch.
    pub fn find(&self, place: Place<'_>, offset: i64) -> io::Result<Option<Head>> {
        self.warm(place)?;
        let size = self.size();
        let (_, mut from) = self.indexes.read().offsets.lookup(offset - self.base_offset);
        if from >= size {
            from = 0; // an index that does not fit its log
        }
        let mut heads = Heads::new(&self.file, from, size);
        while let Some(head) = heads.next_head()? {
            if head.last_offset >= offset {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// A position at or before the batch that contains `offset`, by what is in memory of the index.
    pub fn position_before(&self, offset: i64) -> u64 {
        self.indexes.read().offsets.lookup(offset - self.base_offset).1
    }

    /// The last batch; `None` in an empty segment.
    ///
    /// # Errors
    /// The device's; `InvalidData` for bytes that are no batch.
    pub fn last_batch(&self, place: Place<'_>) -> io::Result<Option<Head>> {
        self.warm(place)?;
        let size = self.size();
        let (_, mut from) = self.indexes.read().offsets.lookup(i64::from(i32::MAX));
        if from >= size {
            from = 0;
        }
        let mut heads = Heads::new(&self.file, from, size);
        let mut last = None;
        while let Some(head) = heads.next_head()? {
            last = Some(head);
        }
        Ok(last)
    }

    /// The offset of the first index entry at or past a position.
    ///
    /// # Errors
    /// The device's.
    pub fn first_indexed_from(&self, place: Place<'_>, position: u64) -> io::Result<Option<i64>> {
        self.warm(place)?;
        Ok(self.indexes.read().offsets.first_at_position(position).map(|relative| self.base_offset + relative))
    }

    /// An offset at or below the first batch with a timestamp at or above `timestamp`, by the time index.
    ///
    /// # Errors
    /// The device's.
    pub fn offset_before_timestamp(&self, place: Place<'_>, timestamp: i64) -> io::Result<i64> {
        self.warm(place)?;
        Ok(self.base_offset + self.indexes.read().times.lookup(timestamp))
    }

    /// Largest timestamp so far.
    ///
    /// # Errors
    /// The device's.
    pub fn max_timestamp(&self, place: Place<'_>) -> io::Result<MaxTimestamp> {
        if let Some(max) = self.indexes.read().max {
            return Ok(max);
        }
        self.warm(place)?;
        Ok(self.indexes.read().max.unwrap_or(MaxTimestamp { timestamp: -1, offset: self.base_offset }))
    }

    /// Largest record timestamp, or the file's time where the records have none: what retention by time goes by.
    ///
    /// # Errors
    /// The device's.
    pub fn largest_timestamp(&self, place: Place<'_>) -> io::Result<i64> {
        match self.max_timestamp(place)?.timestamp {
            timestamp if timestamp >= 0 => Ok(timestamp),
            _ => self.file.modified_ms(),
        }
    }

    /// Largest timestamp of the first batch; `None` while empty.
    ///
    /// # Errors
    /// The device's.
    pub fn first_timestamp(&self) -> io::Result<Option<i64>> {
        if let Some(timestamp) = self.indexes.read().first_timestamp {
            return Ok(Some(timestamp));
        }
        let first = Heads::new(&self.file, 0, self.size()).next_head()?.map(|h| h.max_timestamp);
        self.indexes.write().first_timestamp = first;
        Ok(first)
    }

    /// Appender: a batch at `position` is in the file. `indexed` when it gets an offset index entry.
    pub fn note_batch(&self, last_offset: i64, position: u64, max_timestamp: i64, indexed: bool) {
        let mut indexes = self.indexes.write();
        if position == 0 {
            indexes.first_timestamp = Some(max_timestamp);
        }
        let max = indexes.max.get_or_insert(MaxTimestamp { timestamp: -1, offset: self.base_offset });
        if max_timestamp > max.timestamp {
            *max = MaxTimestamp { timestamp: max_timestamp, offset: last_offset };
        }
        let max = *max;
        if indexed && let (Ok(relative), Ok(position)) = (self.relative(last_offset), i32::try_from(position)) {
            indexes.offsets.append(relative, position);
            if let Ok(relative) = self.relative(max.offset) {
                indexes.times.append_if_grown(max.timestamp, relative);
            }
        }
    }

    fn relative(&self, offset: i64) -> Result<i32, std::num::TryFromIntError> {
        i32::try_from(offset - self.base_offset)
    }

    /// Entries of the offset and the time index.
    pub fn index_lens(&self) -> (usize, usize) {
        let indexes = self.indexes.read();
        (indexes.offsets.len(), indexes.times.len())
    }

    /// Index bytes that are not in the files yet.
    pub fn pending_index_bytes(&self) -> usize {
        let indexes = self.indexes.read();
        indexes.offsets.pending() + indexes.times.pending()
    }

    /// Appender: writes the index entries to their files.
    ///
    /// # Errors
    /// The device's.
    pub fn write_indexes(&self, place: Place<'_>) -> io::Result<()> {
        let mut indexes = self.indexes.write();
        indexes.offsets.write_out(place.disk, &place.path(self.base_offset, FileKind::Index))?;
        indexes.times.write_out(place.disk, &place.path(self.base_offset, FileKind::TimeIndex))
    }

    /// Appender: the final time index entry, as a segment gets when it is rolled or closed; then writes the indexes.
    ///
    /// # Errors
    /// The device's.
    pub fn finish_indexes(&self, place: Place<'_>) -> io::Result<()> {
        {
            let mut indexes = self.indexes.write();
            if let Some(max) = indexes.max
                && let Ok(relative) = self.relative(max.offset)
            {
                indexes.times.append_if_grown(max.timestamp, relative);
            }
        }
        self.write_indexes(place)
    }

    /// Appender: it is no longer the newest; memory goes back.
    pub fn retire(&self) {
        let mut indexes = self.indexes.write();
        indexes.offsets.retire();
        indexes.times.retire();
    }

    /// Recovery: starts indexes anew, in memory; entries of the files no longer count.
    pub fn reset_indexes(&self) {
        let mut indexes = self.indexes.write();
        (indexes.offsets, indexes.times) = (Index::new(), Index::new());
        indexes.offsets.mark_rewritten();
        indexes.times.mark_rewritten();
        indexes.max = Some(MaxTimestamp { timestamp: -1, offset: self.base_offset });
        indexes.first_timestamp = None;
    }

    /// Appender: cuts the log at a position, whose first batch starts at or above `offset`, and the indexes with it. The segment must be
    /// active. The time index keeps its entries below; the largest timestamp is what they say (as Kafka does).
    ///
    /// # Errors
    /// The device's.
    pub fn truncate(&self, place: Place<'_>, offset: i64, position: u64) -> io::Result<()> {
        self.grow(position);
        {
            let mut indexes = self.indexes.write();
            indexes.offsets.truncate_to(offset - self.base_offset);
            indexes.times.truncate_to(offset - self.base_offset);
            indexes.max = Some(self.max_of(&indexes.times));
            if position == 0 {
                indexes.first_timestamp = None;
            }
        }
        *self.aborts.lock() = None;
        txn_index::truncate(place.disk, &place.path(self.base_offset, FileKind::TxnIndex), self.base_offset, offset)?;
        self.file.set_len(position)?;
        // The recovery point may equal the new end: no later flush would make the cut durable, and it must not come undone.
        self.file.sync()?;
        self.write_indexes(place)
    }

    /// Aborted transactions whose marker lies here.
    ///
    /// # Errors
    /// The device's.
    pub fn aborts(&self, place: Place<'_>) -> io::Result<Arc<Vec<AbortEntry>>> {
        if let Some(aborts) = &*self.aborts.lock() {
            return Ok(Arc::clone(aborts));
        }
        let path = place.path(self.base_offset, FileKind::TxnIndex);
        let loaded = Arc::new(txn_index::load(place.disk, &path, self.base_offset)?);
        *self.aborts.lock() = Some(Arc::clone(&loaded));
        Ok(loaded)
    }

    /// Appender: adds an aborted transaction.
    ///
    /// # Errors
    /// The device's.
    pub fn add_abort(&self, place: Place<'_>, entry: AbortEntry) -> io::Result<()> {
        let mut all = self.aborts(place)?.as_ref().clone();
        all.push(entry);
        txn_index::append(place.disk, &place.path(self.base_offset, FileKind::TxnIndex), entry)?;
        *self.aborts.lock() = Some(Arc::new(all));
        Ok(())
    }

    /// Recovery: forgets the abort index and removes its file.
    ///
    /// # Errors
    /// The device's.
    pub fn reset_aborts(&self, place: Place<'_>) -> io::Result<()> {
        place.disk.remove_file(&place.path(self.base_offset, FileKind::TxnIndex))?;
        *self.aborts.lock() = Some(Arc::default());
        Ok(())
    }
}

fn missing_is_empty<const N: usize>(index: io::Result<Index<N>>) -> io::Result<Index<N>> {
    match index {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Index::new()),
        other => other,
    }
}

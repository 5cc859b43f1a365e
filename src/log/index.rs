//! The sparse indexes of a segment: `.index` (offset to position) and `.timeindex` (timestamp to offset).
//!
//! An [`Index`] is a sorted array of fixed entries. The newest segment's is in memory and written to its file in bulk (at flush, roll and
//! close; recovery rebuilds it after a kill); older ones are mapped when first asked and dropped when cold. Files are kept trimmed; the
//! zero tail that a Java broker preallocates is understood. Facts: storage section 2.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, Mapping};

/// Offset index entry: relative offset of the batch's last record, file position of the batch.
pub const OFFSET_ENTRY: usize = 8;
/// Time index entry: largest timestamp so far, relative offset of the batch that has it.
pub const TIME_ENTRY: usize = 12;

/// Entries of `N` bytes.
#[derive(Debug)]
pub struct Index<const N: usize> {
    data: Data,
    /// Bytes that are in the file.
    written: usize,
}

#[derive(Clone, Debug)]
enum Data {
    Memory(Vec<u8>),
    Mapped(Arc<Mapping>, usize),
    Cold,
}

impl<const N: usize> Index<N> {
    /// An empty one in memory.
    pub fn new() -> Self {
        Self { data: Data::Memory(Vec::new()), written: 0 }
    }

    /// One that is read when first asked.
    pub fn cold() -> Self {
        Self { data: Data::Cold, written: 0 }
    }

    /// Reads a file into memory: for the newest segment.
    ///
    /// # Errors
    /// The device's, `NotFound`.
    pub fn load(disk: &Disk, path: &Path) -> io::Result<Self> {
        let mut bytes = disk.read(path, MAX_BYTES)?;
        let used = used::<N>(&bytes);
        bytes.truncate(used);
        bytes.shrink_to_fit();
        Ok(Self { data: Data::Memory(bytes), written: used })
    }

    /// Maps a file: for older segments, whose files do not change.
    ///
    /// # Errors
    /// The device's, `NotFound`.
    pub fn map(disk: &Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path)?;
        let len = usize::try_from(file.len()?).map_or(MAX_BYTES, |len| len.min(MAX_BYTES));
        let map = file.map(len)?;
        let used = used::<N>(&map);
        Ok(Self { data: Data::Mapped(Arc::new(map), used), written: used })
    }

    /// True when it must be mapped before it is asked.
    pub fn is_cold(&self) -> bool {
        matches!(self.data, Data::Cold)
    }

    /// Drops a mapping.
    pub fn cool(&mut self) {
        if matches!(self.data, Data::Mapped(..)) {
            self.data = Data::Cold;
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.bytes().len() / N
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// The entries' bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Memory(bytes) => bytes,
            Data::Mapped(map, used) => &map[..*used],
            Data::Cold => &[],
        }
    }

    fn entry(&self, i: usize) -> Option<[u8; N]> {
        self.bytes().get(i * N..(i + 1) * N)?.try_into().ok()
    }

    /// How many entries satisfy `pred`; they must be the first ones.
    fn partition_point(&self, pred: impl Fn([u8; N]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let mid = low.midpoint(high);
            match self.entry(mid) {
                Some(entry) if pred(entry) => low = mid + 1,
                _ => high = mid,
            }
        }
        low
    }

    fn push(&mut self, entry: [u8; N]) {
        if let Data::Memory(bytes) = &mut self.data {
            bytes.extend_from_slice(&entry);
        }
    }

    fn truncate(&mut self, entries: usize) {
        if let Data::Memory(bytes) = &mut self.data {
            bytes.truncate(entries * N);
        }
    }

    /// Writes what is not in the file yet and cuts the file to its entries. On return it is in the page cache.
    ///
    /// # Errors
    /// The device's.
    pub fn write_out(&mut self, disk: &Disk, path: &Path) -> io::Result<()> {
        let Data::Memory(bytes) = &self.data else { return Ok(()) };
        let file = disk.create(path)?;
        if self.written > bytes.len() {
            self.written = bytes.len();
        }
        if self.written < bytes.len() {
            file.write_all_at(&[IoSlice::new(&bytes[self.written..])], self.written as u64)?;
        }
        if file.len()? != bytes.len() as u64 {
            file.set_len(bytes.len() as u64)?;
        }
        self.written = bytes.len();
        Ok(())
    }

    /// Bytes that a crash of the process would lose (recovery rebuilds them).
    pub fn pending(&self) -> usize {
        match &self.data {
            Data::Memory(bytes) => bytes.len().saturating_sub(self.written),
            _ => 0,
        }
    }

    /// The entries were rebuilt: nothing of the file counts.
    pub fn mark_rewritten(&mut self) {
        self.written = 0;
    }

    /// The segment is no longer the newest: memory is given back, the file is mapped when asked.
    pub fn retire(&mut self) {
        self.data = Data::Cold;
    }
}

impl<const N: usize> Default for Index<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// An index is at most as large as a segment allows (`segment.index.bytes` is an int); what is longer is not ours.
const MAX_BYTES: usize = i32::MAX as usize;

/// Bytes in use: whole entries before the zero tail.
fn used<const N: usize>(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
    // The last entry may end in zero bytes, an entry at all is what holds the last other byte.
    let used = last.div_ceil(N) * N;
    if used <= bytes.len() { used } else { bytes.len() / N * N }
}

impl Index<OFFSET_ENTRY> {
    /// The largest entry at or below a relative offset: (relative offset, position); (0, 0) before the first.
    pub fn lookup(&self, relative: i64) -> (i64, u64) {
        let after = self.partition_point(|e| i64::from(offset_entry(e).0) <= relative);
        match after.checked_sub(1).and_then(|i| self.entry(i)) {
            Some(entry) => {
                let (relative, position) = offset_entry(entry);
                (i64::from(relative), u64::from(position.unsigned_abs()))
            }
            None => (0, 0),
        }
    }

    /// The first entry at or past a position: its relative offset.
    pub fn first_at_position(&self, position: u64) -> Option<i64> {
        let before = self.partition_point(|e| u64::from(offset_entry(e).1.unsigned_abs()) < position);
        self.entry(before).map(|e| i64::from(offset_entry(e).0))
    }

    /// Adds an entry; one that does not grow is left out.
    pub fn append(&mut self, relative: i32, position: i32) {
        let grows = self.len().checked_sub(1).and_then(|i| self.entry(i)).is_none_or(|e| offset_entry(e).0 < relative);
        if grows {
            let mut entry = [0; OFFSET_ENTRY];
            entry[..4].copy_from_slice(&relative.to_be_bytes());
            entry[4..].copy_from_slice(&position.to_be_bytes());
            self.push(entry);
        }
    }

    /// Forgets entries at or above a relative offset.
    pub fn truncate_to(&mut self, relative: i64) {
        let keep = self.partition_point(|e| i64::from(offset_entry(e).0) < relative);
        self.truncate(keep);
    }
}

impl Index<TIME_ENTRY> {
    /// The last entry: (timestamp, relative offset).
    pub fn last(&self) -> Option<(i64, i32)> {
        self.len().checked_sub(1).and_then(|i| self.entry(i)).map(time_entry)
    }

    /// The largest entry at or below a timestamp: its relative offset; 0 before the first.
    pub fn lookup(&self, timestamp: i64) -> i64 {
        let after = self.partition_point(|e| time_entry(e).0 <= timestamp);
        after.checked_sub(1).and_then(|i| self.entry(i)).map_or(0, |e| i64::from(time_entry(e).1))
    }

    /// Adds an entry if the timestamp grew and the offset did not go back.
    pub fn append_if_grown(&mut self, timestamp: i64, relative: i32) {
        if timestamp >= 0 && self.last().is_none_or(|(t, o)| timestamp > t && relative >= o) {
            let mut entry = [0; TIME_ENTRY];
            entry[..8].copy_from_slice(&timestamp.to_be_bytes());
            entry[8..].copy_from_slice(&relative.to_be_bytes());
            self.push(entry);
        }
    }

    /// Forgets entries at or above a relative offset.
    pub fn truncate_to(&mut self, relative: i64) {
        let keep = self.partition_point(|e| i64::from(time_entry(e).1) < relative);
        self.truncate(keep);
    }
}

fn offset_entry(e: [u8; OFFSET_ENTRY]) -> (i32, i32) {
    (i32::from_be_bytes([e[0], e[1], e[2], e[3]]), i32::from_be_bytes([e[4], e[5], e[6], e[7]]))
}

fn time_entry(e: [u8; TIME_ENTRY]) -> (i64, i32) {
    let timestamp = i64::from_be_bytes([e[0], e[1], e[2], e[3], e[4], e[5], e[6], e[7]]);
    (timestamp, i32::from_be_bytes([e[8], e[9], e[10], e[11]]))
}

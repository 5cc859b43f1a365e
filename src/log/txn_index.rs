//! Aborted transactions of a segment (`.txnindex`): 34 bytes each, made with the first one. Codec, and the selection for a fetch.
//!
//! `int16 version 0, int64 producer, int64 first offset, int64 offset of the marker, int64 last stable offset then`. Facts: storage
//! sections 2 and 10; Kafka's `TransactionIndex`.

use std::io::{self, IoSlice};
use std::path::Path;

use crate::disk::Disk;

/// Bytes of an entry.
pub const ENTRY: usize = 34;

/// Aborted transactions of one segment are read whole: 64 MB hold two million.
const MAX_BYTES: usize = 64 << 20;

/// What a reader with `read_committed` skips.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbortedTxn {
    /// Whose.
    pub producer_id: i64,
    /// Its first offset.
    pub first_offset: i64,
}

/// One entry of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbortEntry {
    /// Whose.
    pub producer_id: i64,
    /// First offset of the transaction.
    pub first_offset: i64,
    /// Offset of its abort marker.
    pub last_offset: i64,
    /// Everything below was decided when the marker was written.
    pub last_stable_offset: i64,
}

impl From<&AbortEntry> for AbortedTxn {
    fn from(entry: &AbortEntry) -> Self {
        Self { producer_id: entry.producer_id, first_offset: entry.first_offset }
    }
}

impl AbortEntry {
    /// The bytes in the file.
    pub fn to_bytes(self) -> [u8; ENTRY] {
        let mut out = [0; ENTRY];
        let fields = [self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset];
        for (i, field) in fields.into_iter().enumerate() {
            out[2 + 8 * i..10 + 8 * i].copy_from_slice(&field.to_be_bytes());
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let field = |i: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[2 + 8 * i..10 + 8 * i]);
            i64::from_be_bytes(eight)
        };
        Self { producer_id: field(0), first_offset: field(1), last_offset: field(2), last_stable_offset: field(3) }
    }
}

/// Entries of a file's bytes. `None` when they are no entries: another version, a marker below the base.
pub fn read(bytes: &[u8], base_offset: i64) -> Option<Vec<AbortEntry>> {
    let mut entries = Vec::with_capacity(bytes.len() / ENTRY);
    for chunk in bytes.chunks(ENTRY) {
        if chunk.len() != ENTRY || chunk[0] != 0 {
            return None;
        }
        let entry = AbortEntry::from_bytes(chunk);
        if entry.last_offset < base_offset {
            return None;
        }
        entries.push(entry);
    }
    Some(entries)
}

/// Entries of a segment; none when there is no file. Malformed content is an `InvalidData` error.
///
/// # Errors
/// The device's; `InvalidData`.
pub fn load(disk: &Disk, path: &Path, base_offset: i64) -> io::Result<Vec<AbortEntry>> {
    match disk.read(path, MAX_BYTES) {
        Ok(bytes) => read(&bytes, base_offset)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{}: malformed", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Adds an entry at the file's end, making the file if need be.
///
/// # Errors
/// The device's.
pub fn append(disk: &Disk, path: &Path, entry: AbortEntry) -> io::Result<()> {
    let file = disk.create(path)?;
    let end = file.len()? / ENTRY as u64 * ENTRY as u64;
    file.write_all_at(&[IoSlice::new(&entry.to_bytes())], end)
}

/// Cuts entries whose marker is at or above `offset`.
///
/// # Errors
/// The device's.
pub fn truncate(disk: &Disk, path: &Path, base_offset: i64, offset: i64) -> io::Result<()> {
    let entries = match load(disk, path, base_offset) {
        Ok(entries) if entries.is_empty() => return Ok(()),
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Vec::new(),
        Err(error) => return Err(error),
    };
    let keep = entries.iter().take_while(|e| e.last_offset < offset).count();
    disk.open(path)?.set_len((keep * ENTRY) as u64)
}

/// Gives to `take` what overlaps `from..upper`. Returns true when no later segment can have more.
pub fn select(entries: &[AbortEntry], from: i64, upper: i64, mut take: impl FnMut(&AbortEntry)) -> bool {
    for entry in entries {
        if entry.last_offset >= from && entry.first_offset < upper {
            take(entry);
        }
        if entry.last_stable_offset >= upper {
            return true;
        }
    }
    false
}

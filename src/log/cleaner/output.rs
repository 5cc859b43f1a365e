//! The new segment of a group while it is written: `.cleaned` files, which no one else sees.
//!
//! Index entries are those that an append of the same batches would have made. On the device when [`Output::finish`] returns; a crash
//! before leaves files that the next start removes. The names are made from the log's directory at each call, because it may be renamed.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::File;
use crate::log::index::{Index, OFFSET_ENTRY, TIME_ENTRY};
use crate::log::names::{CLEANED, FileKind, file_path};
use crate::log::partition_log::Log;
use crate::log::txn_index::AbortEntry;
use crate::record::filter::Written;

/// A segment being written.
#[derive(Debug)]
pub struct Output {
    log: Arc<Log>,
    base_offset: i64,
    file: File,
    /// Bytes in the file.
    position: u64,
    /// Batches to be written next.
    buffer: Vec<u8>,
    buffer_bytes: usize,
    offsets: Index<OFFSET_ENTRY>,
    times: Index<TIME_ENTRY>,
    since_index: u64,
    max: (i64, i64),
    aborts: Vec<AbortEntry>,
}

impl Output {
    /// Makes the file, over one that an earlier pass left.
    ///
    /// # Errors
    /// The device's.
    pub fn create(log: &Arc<Log>, base_offset: i64, buffer_bytes: usize) -> io::Result<Self> {
        let path = suffixed(log, base_offset, FileKind::Log, CLEANED);
        let file = log.shared().disk.create(&path)?;
        file.set_len(0)?;
        for kind in INDEXES {
            log.shared().disk.remove_file(&suffixed(log, base_offset, kind, CLEANED))?;
        }
        Ok(Self {
            log: Arc::clone(log),
            base_offset,
            file,
            position: 0,
            buffer: Vec::new(),
            buffer_bytes,
            offsets: Index::new(),
            times: Index::new(),
            since_index: 0,
            max: (-1, base_offset),
            aborts: Vec::new(),
        })
    }

    /// Where the next batch is to be appended; then [`Output::wrote`].
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// A batch was appended to the buffer.
    ///
    /// # Errors
    /// The device's.
    pub fn wrote(&mut self, batch: Written, index_interval: u64) -> io::Result<()> {
        let Written { last_offset, max_timestamp, size } = batch;
        let at = self.position + (self.buffer.len() - size) as u64;
        if max_timestamp > self.max.0 {
            self.max = (max_timestamp, last_offset);
        }
        if self.since_index > index_interval {
            self.since_index = 0;
            if let (Some(relative), Ok(at)) = (self.relative(last_offset), i32::try_from(at)) {
                self.offsets.append(relative, at);
                self.note_time();
            }
        }
        self.since_index += size as u64;
        if self.buffer.len() >= self.buffer_bytes { self.write_out() } else { Ok(()) }
    }

    /// An aborted transaction stays in the abort index.
    pub fn aborted(&mut self, entry: AbortEntry) {
        self.aborts.push(entry);
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.position + self.buffer.len() as u64
    }

    fn relative(&self, offset: i64) -> Option<i32> {
        i32::try_from(offset - self.base_offset).ok()
    }

    fn note_time(&mut self) {
        if let Some(relative) = self.relative(self.max.1) {
            self.times.append_if_grown(self.max.0, relative);
        }
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_all_at(&[IoSlice::new(&self.buffer)], self.position)?;
        // All at once, at the end, it would keep the device from those who produce meanwhile.
        self.file.start_sync(self.position, self.buffer.len());
        self.position += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes and syncs everything; all files get the time of the newest source, by which tombstones of old formats go.
    ///
    /// # Errors
    /// The device's.
    pub fn finish(&mut self, modified_ms: i64) -> io::Result<()> {
        self.write_out()?;
        self.note_time();
        let disk = &self.log.shared().disk;
        self.offsets.write_out(disk, &self.path(FileKind::Index))?;
        self.times.write_out(disk, &self.path(FileKind::TimeIndex))?;
        let mut indexes = Vec::with_capacity(2);
        for (kind, bytes) in [(FileKind::Index, self.offsets.bytes()), (FileKind::TimeIndex, self.times.bytes())] {
            let file = disk.open(&self.path(kind))?;
            file.set_modified_ms(modified_ms)?;
            file.start_sync(0, bytes.len());
            indexes.push(file);
        }
        if !self.aborts.is_empty() {
            let bytes: Vec<u8> = self.aborts.iter().flat_map(|entry| entry.to_bytes()).collect();
            disk.write(&self.path(FileKind::TxnIndex), &bytes)?;
        }
        self.file.set_modified_ms(modified_ms)?;
        // The log first: the commit of the file system's journal that it needs is then mostly the indexes' as well.
        self.file.sync()?;
        indexes.iter().try_for_each(|file| file.sync())
    }

    fn path(&self, kind: FileKind) -> PathBuf {
        suffixed(&self.log, self.base_offset, kind, CLEANED)
    }

    /// Removes the files. A failure leaves them to the next start.
    pub fn discard(&self) {
        for kind in [FileKind::Log].into_iter().chain(INDEXES) {
            if let Err(error) = self.log.shared().disk.remove_file(&self.path(kind)) {
                tracing::debug!(partition = %self.log.partition(), "an unfinished segment is left: {error}");
            }
        }
    }
}

/// What lies beside the log file.
pub const INDEXES: [FileKind; 3] = [FileKind::Index, FileKind::TimeIndex, FileKind::TxnIndex];

/// The path of a segment's file with another ending.
pub fn suffixed(log: &Log, base_offset: i64, kind: FileKind, suffix: &str) -> PathBuf {
    let mut path = file_path(&log.dir_path(), base_offset, kind).into_os_string();
    path.push(suffix);
    path.into()
}

//! Reads the batches of a segment one by one, through a window that holds one batch at least.
//!
//! Every batch's CRC is checked: the cleaner writes batches anew, and a new CRC over damaged bytes would make the damage look sound.

use std::io;
use std::sync::Arc;

use crate::disk::File;
use crate::record::Batch;
use crate::record::batches::{SIZE_AND_MAGIC, peek};

/// A place in a segment's file.
#[derive(Debug)]
pub struct BatchReader {
    file: Option<Arc<File>>,
    /// Of the next batch, and where to stop.
    position: u64,
    end: u64,
    window: Vec<u8>,
    start: usize,
    filled: usize,
    window_bytes: usize,
}

impl BatchReader {
    /// Reads `window_bytes` at a time; a larger batch gets a larger window as long as the segment is read.
    pub fn new(window_bytes: usize) -> Self {
        let window_bytes = window_bytes.max(MIN_WINDOW);
        Self { file: None, position: 0, end: 0, window: Vec::new(), start: 0, filled: 0, window_bytes }
    }

    /// Turns to a file's bytes `from..to`; a batch starts at `from`.
    pub fn open(&mut self, file: &Arc<File>, from: u64, to: u64) {
        self.file = Some(Arc::clone(file));
        (self.position, self.end, self.start, self.filled) = (from, to, 0, 0);
        if self.window.len() > self.window_bytes {
            self.window = Vec::new();
        }
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// The device's; `InvalidData` or `UnexpectedEof` for bytes that are no sound batch.
    pub fn next_batch(&mut self) -> io::Result<Option<Batch<'_>>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let size = self.fill()?;
        let at = self.start;
        let position = self.position;
        self.start += size;
        self.position += size as u64;
        let invalid = |what: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, format!("position {position}: {what}"))
        };
        let batch = Batch::first(&self.window[at..at + size]).map_err(|e| invalid(&e))?;
        batch.check_crc().map_err(|e| invalid(&e))?;
        if batch.last_offset() < batch.base_offset() {
            return Err(invalid(&"a batch ends before it starts"));
        }
        Ok(Some(batch))
    }

    /// Reads until the next batch is in the window; its size.
    fn fill(&mut self) -> io::Result<usize> {
        loop {
            let have = &self.window[self.start..self.filled];
            let needed = match peek(have, i32::MAX) {
                Ok((size, _)) if size <= have.len() => return Ok(size),
                Ok((size, _)) => size,
                Err(error) if error.is_incomplete() => SIZE_AND_MAGIC,
                Err(error) => {
                    let text = format!("position {}: {error}", self.position);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
            };
            let left = self.end - self.position;
            if needed as u64 > left {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.read(needed, left)?;
        }
    }

    fn read(&mut self, needed: usize, left: u64) -> io::Result<()> {
        let Some(file) = &self.file else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        self.window.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        if self.window.len() < needed.max(self.window_bytes) {
            self.window.resize(needed.max(self.window_bytes), 0);
        }
        let to = usize::try_from(left).unwrap_or(usize::MAX).min(self.window.len());
        file.read_exact_at(&mut self.window[self.filled..to], self.position + self.filled as u64)?;
        self.filled = to;
        Ok(())
    }
}

/// Whatever is configured: a read of less costs more than it saves.
const MIN_WINDOW: usize = 16 << 10;

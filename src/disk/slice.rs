//! A piece of a file on its way to a socket: what a fetch answers with instead of bytes.
//!
//! `log/` makes them, `server/send` sends them (`sendfile` for large ones on plain connections). The file stays open as long as the
//! slice lives, also when the segment is deleted meanwhile; a truncation can cut it, which the reader sees as an early end.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::file::File;

/// `len` bytes of a file from `position` on.
#[derive(Clone, Debug)]
pub struct FileSlice {
    /// The open file.
    pub file: Arc<File>,
    /// Where the piece starts, bytes.
    pub position: u64,
    /// How long it is, bytes. Callers bounded it: a read's `max_bytes`, or one batch.
    pub len: usize,
}

impl FileSlice {
    /// Reads the piece into memory.
    ///
    /// # Errors
    /// The device's; `UnexpectedEof` when the file was cut meanwhile.
    pub fn read_to_bytes(&self) -> io::Result<Bytes> {
        let mut buf = vec![0; self.len];
        self.file.read_exact_at(&mut buf, self.position)?;
        Ok(buf.into())
    }

    /// Reads the piece into `buf`, which is as long, if all of it is in memory: true when it was.
    ///
    /// # Errors
    /// The device's; `UnexpectedEof` when the file was cut meanwhile.
    pub fn read_warm(&self, buf: &mut [u8]) -> io::Result<bool> {
        match self.file.probe_at(buf, self.position)? {
            Some(0) if !buf.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read == Some(buf.len())),
        }
    }

    /// True when first and last byte are in memory, so that sending it likely does not wait for the device.
    pub fn is_warm(&self) -> bool {
        let probe = |position| matches!(self.file.probe_at(&mut [0], position), Ok(Some(1)));
        self.len == 0 || (probe(self.position) && probe(self.position + self.len as u64 - 1))
    }

    /// Asks the kernel to read it ahead.
    pub fn read_ahead(&self) {
        self.file.read_ahead(self.position, self.len);
    }
}

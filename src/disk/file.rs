//! An open file, read and written at positions. Shared in an `Arc` by readers, the appender and slices under way to sockets.
//!
//! Beware: `write_all_at` of several parts is one positional write, so that a reader never sees a patched header without its batch; only
//! a short write (a full disk) splits it.

use std::io::{self, IoSlice};
use std::ops::Deref;
use std::os::fd::BorrowedFd;

use super::real::RealFile;
#[cfg(feature = "sim")]
use super::sim::SimFile;

/// One open file.
#[derive(Debug)]
pub enum File {
    /// The operating system's.
    Real(RealFile),
    /// In memory.
    #[cfg(feature = "sim")]
    Sim(SimFile),
}

impl File {
    /// Reads what is there at `position`, at most `buf.len()` bytes; 0 at the end of the file.
    ///
    /// # Errors
    /// The device's.
    pub fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        match self {
            File::Real(file) => file.read_at(buf, position),
            #[cfg(feature = "sim")]
            File::Sim(file) => file.read_at(buf, position),
        }
    }

    /// Fills `buf` from `position`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before; the device's.
    pub fn read_exact_at(&self, buf: &mut [u8], position: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], position + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => done += n,
            }
        }
        Ok(())
    }

    /// Reads only what is in memory already (`RWF_NOWAIT`). `None`: it would have to wait for the device, or the kernel can't tell.
    ///
    /// # Errors
    /// The device's.
    pub fn probe_at(&self, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        match self {
            File::Real(file) => file.probe_at(buf, position),
            #[cfg(feature = "sim")]
            File::Sim(file) => file.read_at(buf, position).map(Some),
        }
    }

    /// Writes all parts, one after the other, from `position`. On return they are in the file, not yet on the device.
    ///
    /// # Errors
    /// The device's; then some prefix may have been written.
    pub fn write_all_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        match self {
            File::Real(file) => file.write_all_at(parts, position),
            #[cfg(feature = "sim")]
            File::Sim(file) => file.write_all_at(parts, position),
        }
    }

    /// Length in bytes.
    ///
    /// # Errors
    /// The device's.
    pub fn len(&self) -> io::Result<u64> {
        match self {
            File::Real(file) => file.len(),
            #[cfg(feature = "sim")]
            File::Sim(file) => file.len(),
        }
    }

    /// True for an empty file.
    ///
    /// # Errors
    /// The device's.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or extends it with zeros.
    ///
    /// # Errors
    /// The device's.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        match self {
            File::Real(file) => file.set_len(len),
            #[cfg(feature = "sim")]
            File::Sim(file) => file.set_len(len),
        }
    }

    /// Asks for room on the device for the first `len` bytes; the length stays. [`File::set_len`] to the length gives back what is unused.
    ///
    /// # Errors
    /// The device's: no such room, or a file system that can't.
    pub fn allocate(&self, len: u64) -> io::Result<()> {
        match self {
            File::Real(file) => file.allocate(len),
            #[cfg(feature = "sim")]
            File::Sim(_) => Ok(()),
        }
    }

    /// On return content and length are on the device. A failure is final: the kernel may have dropped the pages, so a second try proves
    /// nothing; the directory must go offline.
    ///
    /// # Errors
    /// The device's.
    pub fn sync(&self) -> io::Result<()> {
        match self {
            File::Real(file) => file.sync(),
            #[cfg(feature = "sim")]
            File::Sim(file) => file.sync(),
        }
    }

    /// Time of the last change in ms since 1970.
    ///
    /// # Errors
    /// The device's.
    pub fn modified_ms(&self) -> io::Result<i64> {
        match self {
            File::Real(file) => file.modified_ms(),
            #[cfg(feature = "sim")]
            File::Sim(file) => file.modified_ms(),
        }
    }

    /// Sets that time: what replaces a file may have to be as old as the file was.
    ///
    /// # Errors
    /// The device's.
    pub fn set_modified_ms(&self, to_ms: i64) -> io::Result<()> {
        match self {
            File::Real(file) => file.set_modified_ms(to_ms),
            #[cfg(feature = "sim")]
            File::Sim(file) => file.set_modified_ms(to_ms),
        }
    }

    /// Read-only view of the first `len` bytes. The file must not be cut while a mapping lives: drop it first.
    ///
    /// # Errors
    /// The device's; `UnexpectedEof` when the file is shorter.
    pub fn map(&self, len: usize) -> io::Result<Mapping> {
        match self {
            File::Real(file) => file.map(len),
            #[cfg(feature = "sim")]
            File::Sim(file) => {
                let mut bytes = vec![0; len];
                self.read_exact_at(&mut bytes, 0)?;
                let _ = file;
                Ok(Mapping::Copy(bytes))
            }
        }
    }

    /// Asks the kernel to read a range ahead. Only advice.
    pub fn read_ahead(&self, position: u64, len: usize) {
        match self {
            File::Real(file) => file.read_ahead(position, len),
            #[cfg(feature = "sim")]
            File::Sim(_) => (),
        }
    }

    /// Asks the kernel to begin to write a range to the device, so that there is less for [`File::sync`] to do at once. Only advice.
    pub fn start_sync(&self, position: u64, len: usize) {
        match self {
            File::Real(file) => file.start_sync(position, len),
            #[cfg(feature = "sim")]
            File::Sim(_) => (),
        }
    }

    /// For `sendfile(2)`; `None` for a simulated file, which is read instead.
    pub fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            File::Real(file) => Some(file.fd()),
            #[cfg(feature = "sim")]
            File::Sim(_) => None,
        }
    }
}

/// Read-only bytes of a file.
#[derive(Debug)]
pub enum Mapping {
    /// Mapped pages.
    Mapped(memmap2::Mmap),
    /// A copy: empty or simulated files.
    Copy(Vec<u8>),
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Mapping::Mapped(map) => map,
            Mapping::Copy(bytes) => bytes,
        }
    }
}

//! The operating system's files: `pwritev`, `preadv2`, `fsync`, `fcntl` locks. Only `disk::{File, Disk}` call it.
//!
//! Beware: `fcntl` locks belong to the process and go when *any* descriptor of the file is closed, so a `.lock` file is opened once.

use std::fs::{self, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rustix::io::ReadWriteFlags;

use super::file::Mapping;
use super::storage::{Entry, Space};

/// A file of the operating system.
#[derive(Debug)]
pub struct RealFile(fs::File);

impl RealFile {
    pub(super) fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(buf, position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                other => return other,
            }
        }
    }

    pub(super) fn probe_at(&self, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        use rustix::io::Errno;
        match rustix::io::preadv2(&self.0, &mut [IoSliceMut::new(buf)], position, ReadWriteFlags::NOWAIT) {
            Ok(n) => Ok(Some(n)),
            // AGAIN: not in memory. The others: a kernel or file system without the flag.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn write_all_at(&self, parts: &[IoSlice<'_>], mut position: u64) -> io::Result<()> {
        // The usual case: everything in one call. What a short write left over (signal, full disk) follows part by part.
        let total: usize = parts.iter().map(|p| p.len()).sum();
        let mut written = if parts.len() <= MAX_PARTS {
            match rustix::io::pwritev(&self.0, parts, position) {
                Ok(n) => n,
                Err(rustix::io::Errno::INTR) => 0,
                Err(error) => return Err(error.into()),
            }
        } else {
            0
        };
        if written == total {
            return Ok(());
        }
        for part in parts {
            let skip = written.min(part.len());
            written -= skip;
            if skip < part.len() {
                self.0.write_all_at(&part[skip..], position + skip as u64)?;
            }
            position += part.len() as u64;
        }
        Ok(())
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    pub(super) fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    pub(super) fn allocate(&self, len: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::KEEP_SIZE, 0, len)?)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    pub(super) fn modified_ms(&self) -> io::Result<i64> {
        Ok(modified_ms(&self.0.metadata()?))
    }

    pub(super) fn set_modified_ms(&self, to_ms: i64) -> io::Result<()> {
        self.0.set_modified(UNIX_EPOCH + Duration::from_millis(u64::try_from(to_ms).unwrap_or(0)))
    }

    pub(super) fn map(&self, len: usize) -> io::Result<Mapping> {
        if len == 0 {
            return Ok(Mapping::Copy(Vec::new()));
        }
        if self.len()? < len as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: the file is at least `len` bytes long (checked above) and the callers' contract (`File::map`) is that it is not cut
        // while the mapping lives: only indexes of older segments are mapped, which never shrink; their maps are dropped before a
        // truncation, under the log's append mutex. The bytes are plain data; a foreign writer could change but not invalidate them.
        unsafe { memmap2::MmapOptions::new().len(len).map(&self.0) }.map(Mapping::Mapped)
    }

    pub(super) fn read_ahead(&self, position: u64, len: usize) {
        let _ =
            rustix::fs::fadvise(&self.0, position, std::num::NonZeroU64::new(len as u64), rustix::fs::Advice::WillNeed);
    }

    pub(super) fn start_sync(&self, position: u64, len: usize) {
        let (Ok(at), Ok(len)) = (position.try_into(), len.try_into()) else { return };
        // SAFETY: the descriptor is this file's, open as long as `self` is; the call touches no memory of the process.
        let _ = unsafe { libc::sync_file_range(self.0.as_raw_fd(), at, len, libc::SYNC_FILE_RANGE_WRITE) };
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

pub(super) fn open(path: &Path, create: bool) -> io::Result<RealFile> {
    OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path).map(RealFile)
}

pub(super) fn list(path: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue }; // no name of Kafka's
        let meta = match fs::metadata(entry.path()) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // removed meanwhile, or a dangling link
            Err(error) => return Err(error),
        };
        entries.push(Entry { name, is_dir: meta.is_dir(), len: meta.len(), modified_ms: modified_ms(&meta) });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

pub(super) fn lock(path: &Path) -> io::Result<Option<RealFile>> {
    let file = open(path, true)?;
    match rustix::fs::fcntl_lock(&file.0, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// `syncfs` tells of writes that failed since the directory was opened from Linux 5.8 on.
pub(super) fn file_system(path: &Path) -> io::Result<Option<fs::File>> {
    let dir = fs::File::open(path)?;
    Ok(tells_of_failed_writes(&rustix::system::uname().release().to_string_lossy()).then_some(dir))
}

/// Is a kernel's release, as `6.1.0-18-amd64`, 5.8 or later?
fn tells_of_failed_writes(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(5), Some(8))
}

pub(super) fn space(path: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(path)?;
    let unit = stat.f_frsize.max(1);
    Ok(Space { total: stat.f_blocks.saturating_mul(unit), usable: stat.f_bavail.saturating_mul(unit) })
}

fn modified_ms(meta: &fs::Metadata) -> i64 {
    let since = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Linux takes at most `IOV_MAX` parts a call.
const MAX_PARTS: usize = 1024;

//! A file system: names, directories, locks. `log/` is its caller; a [`File`] does the reading and writing.
//!
//! Beware: a rename or a new file is on the device only after `sync_dir` of its directory.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use super::file::File;
use super::real;
#[cfg(feature = "sim")]
use super::sim::SimDisk;

/// Where files live. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Disk {
    /// The operating system's file systems.
    Real,
    /// Memory.
    #[cfg(feature = "sim")]
    Sim(SimDisk),
}

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Name within the directory.
    pub name: String,
    /// A directory (links followed), or a file.
    pub is_dir: bool,
    /// Bytes of a file.
    pub len: u64,
    /// Last change, ms since 1970.
    pub modified_ms: i64,
}

/// Size of the file system that a directory lies on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that we may still use.
    pub usable: u64,
}

/// A held lock file; dropping it lets go.
#[derive(Debug)]
pub enum Lock {
    /// An `fcntl` lock, as Java's `FileChannel.tryLock` takes.
    Real(real::RealFile),
    /// A name in memory.
    #[cfg(feature = "sim")]
    Sim(super::sim::SimLock),
}

/// A file system, to bring all of it to the device at once.
#[derive(Debug)]
pub enum FileSystem {
    /// A directory of it: the kernel tells of writes that failed since this was opened.
    Real(std::fs::File),
    /// A directory in memory.
    #[cfg(feature = "sim")]
    Sim(super::sim::SimDisk, PathBuf),
}

/// Where a new content of a file lies until it gets the file's name.
pub fn temporary(path: &Path) -> PathBuf {
    let mut temp = path.as_os_str().to_owned();
    temp.push(".tmp");
    PathBuf::from(temp)
}

impl FileSystem {
    /// On return all that was written to files and names on it is on the device (`syncfs`): one call in place of one for each of thousands
    /// of files.
    ///
    /// # Errors
    /// The device's, also of writes since this was opened.
    pub fn sync_all(&self) -> io::Result<()> {
        match self {
            FileSystem::Real(dir) => Ok(rustix::fs::syncfs(dir)?),
            #[cfg(feature = "sim")]
            FileSystem::Sim(sim, path) => sim.sync_all(path),
        }
    }
}

impl Disk {
    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, the device's.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        match self {
            Disk::Real => real::open(path, false).map(File::Real),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => sim.open(path, false).map(File::Sim),
        }
    }

    /// Opens a file for reading and writing, making an empty one when there is none. Content is kept.
    ///
    /// # Errors
    /// The device's.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        match self {
            Disk::Real => real::open(path, true).map(File::Real),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => sim.open(path, true).map(File::Sim),
        }
    }

    /// Makes a directory and its parents; fine when it exists.
    ///
    /// # Errors
    /// The device's.
    pub fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        match self {
            Disk::Real => std::fs::create_dir_all(path),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => sim.create_dir_all(path),
        }
    }

    /// Makes a directory in one that exists; false when it is there already.
    ///
    /// # Errors
    /// The device's.
    pub fn create_dir(&self, path: &Path) -> io::Result<bool> {
        let made = match self {
            Disk::Real => std::fs::create_dir(path),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => sim.create_dir(path),
        };
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Files and directories of a directory, by name. Names that are no UTF-8 are left out.
    ///
    /// # Errors
    /// `NotFound`, the device's.
    pub fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        match self {
            Disk::Real => real::list(path),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => sim.list(path),
        }
    }

    /// True when the path names a file or directory.
    pub fn exists(&self, path: &Path) -> bool {
        match self {
            Disk::Real => path.exists(),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => sim.exists(path),
        }
    }

    /// The path without links and dots, so that two names of one directory are found out.
    ///
    /// # Errors
    /// `NotFound`, the device's.
    pub fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        match self {
            Disk::Real => path.canonicalize(),
            #[cfg(feature = "sim")]
            Disk::Sim(_) => Ok(path.to_path_buf()),
        }
    }

    /// Renames a file or directory, replacing a file of the new name at once.
    ///
    /// # Errors
    /// `NotFound`, the device's.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Disk::Real => std::fs::rename(from, to),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => sim.rename(from, to),
        }
    }

    /// Removes a file; fine when there is none.
    ///
    /// # Errors
    /// The device's.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        let removed = match self {
            Disk::Real => std::fs::remove_file(path),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => sim.remove_file(path),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Removes a directory with all it holds; fine when there is none.
    ///
    /// # Errors
    /// The device's.
    pub fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let removed = match self {
            Disk::Real => std::fs::remove_dir_all(path),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => sim.remove_dir_all(path),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// On return the names in the directory are on the device.
    ///
    /// # Errors
    /// The device's.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match self {
            Disk::Real => real::sync_dir(path),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => sim.sync_dir(path),
        }
    }

    /// The file system that `path`, a directory, lies on; none where the kernel would not tell of a failed write (before Linux 5.8).
    ///
    /// # Errors
    /// `NotFound`, the device's.
    pub fn file_system(&self, path: &Path) -> io::Result<Option<FileSystem>> {
        match self {
            Disk::Real => Ok(real::file_system(path)?.map(FileSystem::Real)),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => Ok(Some(FileSystem::Sim(sim.clone(), path.to_path_buf()))),
        }
    }

    /// The whole content of a small file; longer than `limit` is an error.
    ///
    /// # Errors
    /// `NotFound`, `InvalidData` when it is too long, the device's.
    pub fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let file = self.open(path)?;
        let len = file.len()?;
        if len > limit as u64 {
            let message = format!("{}: {len} bytes, at most {limit} expected", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(limit)];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Writes a new content in place (no temp file) and syncs it: for files whose reader checks a CRC of its own.
    ///
    /// # Errors
    /// The device's.
    pub fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.write_file(path, content)?.sync()
    }

    /// As [`Disk::write`], without the sync.
    ///
    /// # Errors
    /// The device's.
    pub fn write_unsynced(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.write_file(path, content).map(drop)
    }

    /// As [`Disk::write`], but the device is only told of it.
    ///
    /// # Errors
    /// The device's.
    pub fn write_begun(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.write_file(path, content)?.start_sync(0, content.len());
        Ok(())
    }

    fn write_file(&self, path: &Path, content: &[u8]) -> io::Result<File> {
        let file = self.create(path)?;
        file.set_len(0)?;
        file.write_all_at(&[IoSlice::new(content)], 0)?;
        Ok(file)
    }

    /// Replaces a file's content so that a reader, or the next start, sees the old one or the new one: `<name>.tmp`, fsync, rename,
    /// fsync of the directory. On return it is on the device.
    ///
    /// # Errors
    /// The device's.
    pub fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.swap_in(path, content)?;
        match path.parent() {
            Some(dir) => self.sync_dir(dir),
            None => Ok(()),
        }
    }

    /// As [`Disk::replace`], but after a loss of power it may also be the old content, or no file where there was none.
    ///
    /// # Errors
    /// The device's.
    pub fn swap_in(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let temp = temporary(path);
        self.write(&temp, content)?;
        self.rename(&temp, path)
    }

    /// Takes the lock file; `None` when another process holds it.
    ///
    /// # Errors
    /// The device's.
    pub fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        match self {
            Disk::Real => Ok(real::lock(path)?.map(Lock::Real)),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => Ok(sim.lock(path)?.map(Lock::Sim)),
        }
    }

    /// Size of the file system that `path` lies on.
    ///
    /// # Errors
    /// The device's.
    pub fn space(&self, path: &Path) -> io::Result<Space> {
        match self {
            Disk::Real => real::space(path),
            #[cfg(feature = "sim")]
            Disk::Sim(sim) => Ok(sim.space()),
        }
    }
}

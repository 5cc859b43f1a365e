//! The disk of one broker, as the harness breaks it: through the shim that is loaded below the broker's C library (`shim`), and at rest.
//!
//! A [`Disk`] gives the variables with which the broker is started. While it runs its writes and syncs fail or take long; after a kill
//! [`Disk::lose_power`] takes away what was not synced. `power` does that, `ends` reads what is left of each partition.

mod ends;
mod power;

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use ends::{LogEnd, log_ends};
pub use power::{PowerLoss, lose_power};

/// The shim's page (`shim/src/control.rs`).
const PAGE: usize = 4096;
const NUMBER_AT: u64 = 4;
const HITS_AT: u64 = 8;
const SYNCS_AT: u64 = 16;
const ONLY_AT: u64 = 64;
const ONLY_SIZE: usize = 1024;

/// What a disk does to a broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Writes fail with EIO.
    FailWrites,
    /// Writes fail with ENOSPC.
    Full,
    /// fsync and fdatasync fail with EIO.
    FailSyncs,
    /// Every write and sync takes so much longer.
    Slow(Duration),
}

impl Trouble {
    fn coded(self) -> (u32, u32) {
        let errno = |errno: rustix::io::Errno| errno.raw_os_error().unsigned_abs();
        match self {
            Trouble::FailWrites => (1, errno(rustix::io::Errno::IO)),
            Trouble::Full => (1, errno(rustix::io::Errno::NOSPC)),
            Trouble::FailSyncs => (2, errno(rustix::io::Errno::IO)),
            Trouble::Slow(by) => (3, u32::try_from(by.as_millis()).unwrap_or(u32::MAX)),
        }
    }
}

/// A broker's disk.
pub struct Disk {
    /// Of control, record and graves; on the file system of what is watched, beside it.
    dir: PathBuf,
    watched: PathBuf,
    shim: PathBuf,
    control: fs::File,
}

impl Disk {
    /// For what a broker keeps below `watched`, with files of its own in `dir`, both absolute and without links. `shim` is the built
    /// library, `libottla_torture_shim.so`.
    ///
    /// # Errors
    /// Of the files.
    pub fn new(dir: &Path, watched: &Path, shim: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir.join("graves"))?;
        let control =
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(dir.join("control"))?;
        control.write_all_at(&[0; PAGE], 0)?;
        Ok(Self { dir: dir.into(), watched: watched.into(), shim: shim.into(), control })
    }

    /// What the broker's environment needs.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        [
            ("LD_PRELOAD", text(&self.shim)),
            ("TORTURE_SHIM", text(&self.dir)),
            ("TORTURE_SHIM_WATCH", text(&self.watched)),
        ]
    }

    /// From now on, for everything that is watched or only what is below one directory of it.
    ///
    /// # Errors
    /// Of the control.
    pub fn inject(&self, trouble: Trouble, only: Option<&Path>) -> io::Result<()> {
        self.clear()?;
        let mut name = [0; ONLY_SIZE];
        let only = only.map_or(&[][..], |only| only.as_os_str().as_encoded_bytes());
        name.get_mut(..only.len()).ok_or(io::ErrorKind::InvalidFilename)?.copy_from_slice(only);
        self.control.write_all_at(&name, ONLY_AT)?;
        let (mode, number) = trouble.coded();
        self.control.write_all_at(&number.to_ne_bytes(), NUMBER_AT)?;
        self.control.write_all_at(&mode.to_ne_bytes(), 0)
    }

    /// The disk is well again.
    ///
    /// # Errors
    /// Of the control.
    pub fn clear(&self) -> io::Result<()> {
        self.control.write_all_at(&0u32.to_ne_bytes(), 0)
    }

    fn counter(&self, at: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// How many calls of the broker were failed or delayed so far: the proof that it saw it.
    ///
    /// # Errors
    /// Of the control.
    pub fn hits(&self) -> io::Result<u64> {
        self.counter(HITS_AT)
    }

    /// How many syncs of watched files went well so far: the proof that they are seen.
    ///
    /// # Errors
    /// Of the control.
    pub fn syncs(&self) -> io::Result<u64> {
        self.counter(SYNCS_AT)
    }

    /// Takes everything that was not synced, or some of it, as `below` says (a number below the one given). The broker was killed before.
    ///
    /// # Errors
    /// Of the files.
    pub fn lose_power(&self, below: impl FnMut(u64) -> u64) -> io::Result<PowerLoss> {
        let record = self.dir.join("record");
        let text = match fs::read_to_string(&record) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        let loss = lose_power(&text, &self.dir.join("graves"), &self.watched, below)?;
        self.forget()?;
        Ok(loss)
    }

    /// What is there is on the device: nothing of it can be lost any more. For who has changed it while the broker was away.
    ///
    /// # Errors
    /// Of the files.
    pub fn forget(&self) -> io::Result<()> {
        let there = match power::all_durable(&self.watched) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(), // an empty disk
            other => other?,
        };
        fs::write(self.dir.join("record"), there)?;
        for grave in fs::read_dir(self.dir.join("graves"))? {
            fs::remove_file(grave?.path())?;
        }
        Ok(())
    }
}

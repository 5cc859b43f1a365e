//! The directories of `log.dirs` before anything is loaded: made, locked, their `meta.properties` read.
//!
//! First stage of a start, before ZooKeeper: who holds the `.lock` owns what the earlier process of this broker left. A directory with
//! an I/O error is offline, as in Kafka; a lock held elsewhere or a foreign `meta.properties` ends the start. Blocks.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, Lock};

use super::error::StartError;
use super::meta::{self, MetaProperties};

/// Name of the lock file.
const LOCK: &str = ".lock";

/// Directories that are ours now.
#[derive(Debug)]
pub struct LogDirs {
    pub(super) disk: Disk,
    pub(super) dirs: Vec<OwnedDir>,
}

#[derive(Debug)]
pub(super) struct OwnedDir {
    pub(super) path: PathBuf,
    pub(super) lock: Option<Lock>,
    pub(super) meta: Option<MetaProperties>,
    /// Why it can't be used.
    pub(super) failed: Option<io::Error>,
}

impl LogDirs {
    /// Makes what is missing, takes all locks, reads all `meta.properties`.
    ///
    /// # Errors
    /// A directory named twice, locked by another process, or with a `meta.properties` that is not of ZooKeeper mode; none usable.
    pub fn open(disk: Disk, paths: &[PathBuf]) -> Result<Self, StartError> {
        let mut dirs: Vec<OwnedDir> = Vec::new();
        let mut canonical = Vec::new();
        for path in paths {
            let (lock, meta, failed) = match open_one(&disk, path, &mut canonical) {
                Ok((lock, meta)) => (Some(lock), meta, None),
                Err(StartError::Io(error)) => {
                    tracing::error!(dir = %path.display(), "log directory can't be used: {error}");
                    (None, None, Some(error))
                }
                Err(fatal) => return Err(fatal),
            };
            dirs.push(OwnedDir { path: path.clone(), lock, meta, failed });
        }
        if dirs.iter().all(|d| d.failed.is_some()) {
            return Err(StartError::NoUsableDir);
        }
        Ok(Self { disk, dirs })
    }

    /// Usable directories with what their `meta.properties` says; `None` where there is none.
    pub fn metas(&self) -> Vec<(&Path, Option<&MetaProperties>)> {
        self.online().map(|d| (d.path.as_path(), d.meta.as_ref())).collect()
    }

    /// The first usable directory.
    pub fn first_online(&self) -> Option<&Path> {
        self.online().next().map(|d| d.path.as_path())
    }

    fn online(&self) -> impl Iterator<Item = &OwnedDir> {
        self.dirs.iter().filter(|d| d.failed.is_none())
    }

    /// Writes broker and cluster id where they are missing or others; untouched where they are the same. A directory that can't be
    /// written is offline. `now_ms` is for the comment that Java writes.
    ///
    /// # Errors
    /// No usable directory left.
    pub fn write_meta(&mut self, broker_id: i32, cluster_id: &str, now_ms: i64) -> Result<(), StartError> {
        for dir in self.dirs.iter_mut().filter(|d| d.failed.is_none()) {
            let mut meta = dir.meta.clone().unwrap_or_default();
            (meta.version, meta.broker_id, meta.cluster_id) = (0, Some(broker_id), Some(cluster_id.to_string()));
            if dir.meta.as_ref() == Some(&meta) {
                continue;
            }
            match self.disk.replace(&dir.path.join(meta::META), meta.write(&java_date(now_ms)).as_bytes()) {
                Ok(()) => dir.meta = Some(meta),
                Err(error) => {
                    tracing::error!(dir = %dir.path.display(), "log directory can't be used: {error}");
                    dir.failed = Some(error);
                }
            }
        }
        if self.online().next().is_some() { Ok(()) } else { Err(StartError::NoUsableDir) }
    }
}

fn open_one(
    disk: &Disk,
    path: &Path,
    canonical: &mut Vec<PathBuf>,
) -> Result<(Lock, Option<MetaProperties>), StartError> {
    disk.create_dir_all(path)?;
    let real = disk.canonical(path)?;
    if canonical.contains(&real) {
        return Err(StartError::DuplicateDir(path.to_path_buf()));
    }
    canonical.push(real);
    disk.list(path)?;
    let lock = disk.lock(&path.join(LOCK))?.ok_or_else(|| StartError::Locked(path.to_path_buf()))?;
    let file = path.join(meta::META);
    let bytes = match disk.read(&file, meta::MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((lock, None)),
        Err(error) => return Err(error.into()),
    };
    let bad = |reason| StartError::Meta { path: file.clone(), reason };
    let meta = MetaProperties::read(&bytes).map_err(bad)?;
    if meta.version != 0 {
        return Err(bad(format!("version is {}, ZooKeeper mode has version 0", meta.version)));
    }
    Ok((lock, Some(meta)))
}

/// A time as `java.util.Date` prints it in UTC: `Fri Nov 20 12:09:38 UTC 2026`.
pub(super) fn java_date(now_ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]; // 1970-01-01 was a Thursday
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = now_ms.div_euclid(1000);
    let (days, in_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 1970 to a date: years are counted from March, so that the leap day is a year's last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 2 } else { month_from_march - 10 };
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let name =
        |names: &[&'static str], i: i64| usize::try_from(i).ok().and_then(|i| names.get(i)).copied().unwrap_or("");
    format!(
        "{} {} {day:02} {:02}:{:02}:{:02} UTC {year}",
        name(&DAYS, days.rem_euclid(7)),
        name(&MONTHS, month),
        in_day / 3600,
        in_day / 60 % 60,
        in_day % 60
    )
}

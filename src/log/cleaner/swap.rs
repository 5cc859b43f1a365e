//! The new segment takes the place of the old ones: under the append mutex, and so that a crash at any step leaves the one or the others.
//!
//! Kafka's `LocalLog.replaceSegments`. Step by step: `.cleaned` becomes `.swap` (a start that finds any `.cleaned` drops both, one that
//! finds only `.swap` completes the swap); the old files become `.deleted`; `.swap` loses its ending; readers get the new segment. File
//! systems keep the order of renames over a power loss; the directory is synced once, at the end, when appends may go on already.
//! Nobody stops a pass: whatever changed the log meanwhile (truncation, retention, deletion, close) is seen here, and the pass is given up.
//! Readers that hold an old segment go on in its open files and in what was loaded of its indexes, because their names mean others now.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::log::error::LogError;
use crate::log::names::{CLEANED, DELETED, FileKind, SWAP, file_path};
use crate::log::partition_log::Log;
use crate::log::segment::Segment;

use super::output::{INDEXES, suffixed};

impl Log {
    /// Puts the finished `.cleaned` segment in the place of `sources`. False, and nothing is done, when the log is not what it was: cut
    /// since `cuts`, or the sources are no longer its own. The append mutex is held. The new names are on the device after
    /// [`Log::sync_names`].
    ///
    /// # Errors
    /// Closed or deleted meanwhile; storage.
    pub(super) fn swap_in(self: &Arc<Self>, sources: &[Arc<Segment>], cuts: u64) -> Result<bool, LogError> {
        self.check_open()?;
        let segments = self.segments.load_full();
        let Some(at) = sources.first().and_then(|first| segments.iter().position(|s| Arc::ptr_eq(s, first))) else {
            return Ok(false);
        };
        let after = at + sources.len();
        let unchanged = after < segments.len() && sources.iter().zip(&segments[at..]).all(|(a, b)| Arc::ptr_eq(a, b));
        if !unchanged || self.cuts.load(Ordering::Acquire) != cuts {
            return Ok(false);
        }
        let _no_flush = self.flushing.lock();
        let swapped = self.swap_files(sources).map_err(|e| self.home.fail("swapping in a cleaned segment", &e))?;
        let mut new = segments[..at].to_vec();
        new.push(Arc::new(swapped));
        new.extend_from_slice(&segments[after..]);
        self.segments.store(Arc::new(new));
        Ok(true)
    }

    /// On return the names in the partition's directory are on the device. Blocks; no lock is held.
    ///
    /// # Errors
    /// The device's.
    pub(super) fn sync_names(&self) -> io::Result<()> {
        self.shared().disk.sync_dir(&self.dir_path())
    }

    fn swap_files(&self, sources: &[Arc<Segment>]) -> io::Result<Segment> {
        let (dir, disk) = (self.dir_path(), &self.shared().disk);
        let base = sources[0].base_offset();
        self.with_place(|place| sources.iter().try_for_each(|s| s.detach(place)))?;
        let files = || [FileKind::Log].into_iter().chain(INDEXES);
        let rename_all = |from: &str, to: &str| {
            files().try_for_each(|kind| {
                missing_is_fine(disk.rename(&suffixed(self, base, kind, from), &suffixed(self, base, kind, to)))
            })
        };
        rename_all(CLEANED, SWAP)?;
        let delay_ms = self.config().file_delete_delay_ms;
        for source in sources {
            // The snapshot at the new segment's base stays: there is still a segment that starts there.
            let snapshot = (source.base_offset() != base).then_some(FileKind::Snapshot);
            for kind in files().chain(snapshot) {
                let path = file_path(&dir, source.base_offset(), kind);
                let to = suffixed(self, source.base_offset(), kind, DELETED);
                match disk.rename(&path, &to) {
                    Ok(()) => self.home.remove_later(to, false, delay_ms),
                    other => missing_is_fine(other)?,
                }
            }
        }
        rename_all(SWAP, "")?;
        let now_ms = self.shared().env.clock.wall_ms();
        self.with_place(|place| Segment::open(place, base, now_ms, 0))
    }
}

fn missing_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

//! One log file that is set aside each hour, as Kafka's are (`server.log.2026-11-20-13`), and when it is large; the oldest of those set
//! aside go, so that a log never takes more than its share of the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Local};

/// The hour in a rolled file's name.
pub const STAMP: &str = "%Y-%m-%d-%H";

/// A file is set aside when it would grow beyond this.
pub const MAX_FILE_BYTES: u64 = 100 << 20;
/// What the files set aside of one log may take together.
pub const MAX_KEPT_BYTES: u64 = 1 << 30;
/// How many of them may stay: three days of hours.
pub const MAX_KEPT_FILES: usize = 72;

/// A log file. Opened at its first line.
#[derive(Debug)]
pub struct RollingFile {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    out: BufWriter<File>,
    size: u64,
    /// The hour of its lines.
    stamp: String,
}

impl RollingFile {
    /// At this path; no I/O yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    /// Writes a line in the hour `stamp`; in memory until [`RollingFile::flush`].
    ///
    /// # Errors
    /// The disk's; the next line tries anew.
    pub fn write(&mut self, line: &[u8], stamp: &str) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.reopen(stamp)?,
        };
        let (length, mut rolled) = (line.len() as u64, Ok(()));
        if open.stamp != stamp || (open.size > 0 && open.size + length > MAX_FILE_BYTES) {
            open.out.flush()?;
            // Where it can't be set aside it is gone on with: lines are worth more than an even size.
            rolled = if open.size > 0 { self.set_aside(&open.stamp) } else { Ok(()) };
            open = self.create(stamp)?;
        }
        open.out.write_all(line)?;
        open.size += length;
        self.open = Some(open);
        rolled
    }

    /// Everything written is in the file.
    ///
    /// # Errors
    /// The disk's.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.open {
            Some(open) => open.out.flush(),
            None => Ok(()),
        }
    }

    /// What an earlier process wrote is gone on with; it counts for the hour of its last line.
    fn reopen(&self, stamp: &str) -> io::Result<Open> {
        let open = self.create(stamp)?;
        if open.size == 0 {
            return Ok(open);
        }
        let changed: DateTime<Local> = fs::metadata(&self.path)?.modified()?.into();
        Ok(Open { stamp: changed.format(STAMP).to_string(), ..open })
    }

    fn create(&self, stamp: &str) -> io::Result<Open> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let size = file.metadata()?.len();
        Ok(Open { out: BufWriter::new(file), size, stamp: stamp.into() })
    }

    fn set_aside(&self, stamp: &str) -> io::Result<()> {
        let base = format!("{}.{stamp}", self.path.display());
        let names = std::iter::once(base.clone()).chain((1..).map(|n| format!("{base}.{n}")));
        let free = names.map(PathBuf::from).find(|name| !name.exists());
        fs::rename(&self.path, free.unwrap_or_else(|| base.into()))?;
        let kept = kept(&self.path)?;
        for old in surplus(&kept) {
            fs::remove_file(old)?;
        }
        Ok(())
    }
}

/// The files set aside of a log, oldest first, with their sizes.
fn kept(log: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let (Some(dir), Some(name)) = (log.parent(), log.file_name()) else { return Ok(Vec::new()) };
    let prefix = format!("{}.", name.to_string_lossy());
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        // Only what has a stamp: an operator's own copies are his.
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&prefix)) else { continue };
        if rest.starts_with(|c: char| c.is_ascii_digit())
            && let Ok(meta) = entry.metadata()
        {
            found.push((meta.modified()?, entry.path(), meta.len()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path, size)| (path, size)).collect())
}

/// Those that must go, of files given oldest first.
pub fn surplus(kept: &[(PathBuf, u64)]) -> Vec<&Path> {
    let mut bytes = 0;
    let fits = |(count, (_, size)): (usize, &(PathBuf, u64))| {
        bytes += size;
        count < MAX_KEPT_FILES && bytes <= MAX_KEPT_BYTES
    };
    let stay = kept.iter().rev().enumerate().map(fits).take_while(|fits| *fits).count();
    kept[..kept.len() - stay].iter().map(|(path, _)| path.as_path()).collect()
}

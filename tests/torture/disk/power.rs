//! A loss of power, after the fact: the files are made into what a device may hold whose cache was lost.
//!
//! Of each file stay the bytes that were synced, and of the rest a part that chance gives; its last page may be zeros, as of a file system that
//! wrote the size and not the data. Of each directory's changes since its last sync stay the first so many, in their order, as a journal
//! keeps them; the others are undone from the last back: a new file is gone, a changed name is the old one again, and what it replaced or
//! what was deleted is there again. A file that is synced has its name by that, as on every file system with a journal: with it what was
//! done to names of its directory before, and the directories it is in.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The last part of a file that may be zeros.
const TORN: u64 = 4096;

/// What was lost.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PowerLoss {
    /// Files that were cut, and how many bytes of each.
    pub cut: Vec<(PathBuf, u64)>,
    /// Changes of names that were undone, in words.
    pub undone: Vec<String>,
}

/// A change of names that is not durable yet.
#[derive(Debug)]
enum Change {
    Made { ino: u64, path: PathBuf },
    MadeDir { path: PathBuf },
    Renamed { ino: u64, old: u64, from: PathBuf, to: PathBuf },
    Removed { ino: u64, path: PathBuf },
}

impl Change {
    /// The directory whose sync makes it durable.
    fn dir(&self) -> &Path {
        self.path().parent().unwrap_or(self.path())
    }

    /// The name that it gave or took.
    fn path(&self) -> &Path {
        match self {
            Change::Made { path, .. }
            | Change::MadeDir { path }
            | Change::Renamed { to: path, .. }
            | Change::Removed { path, .. } => path,
        }
    }

    /// It gave this file its name.
    fn names(&self, file: u64) -> bool {
        matches!(self, Change::Made { ino, .. } | Change::Renamed { ino, .. } if *ino == file)
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Change::Made { path, .. } | Change::MadeDir { path } | Change::Removed { path, .. } => vec![path],
            Change::Renamed { from, to, .. } => vec![from, to],
        }
    }
}

/// What the record says.
#[derive(Default)]
struct State {
    /// Of each file that the record knows: so many bytes are durable.
    durable: HashMap<u64, u64>,
    pending: Vec<Change>,
}

impl State {
    fn read(record: &str) -> Self {
        let mut state = Self::default();
        let whole: HashSet<&str> = record.lines().filter_map(|line| line.strip_prefix("F ")).collect();
        for line in record.lines() {
            let Some((kind, rest)) = line.split_once(' ') else { continue };
            let (kind, rest) = match kind {
                "D" => {
                    state.pending.retain(|change| change.dir() != Path::new(rest));
                    continue;
                }
                // The loss is later than its end, if it has one: what was there when it began is durable.
                "B" if whole.contains(rest) => {
                    state.pending.clear();
                    continue;
                }
                "E" => match rest.split_once(' ') {
                    Some((call, file)) if whole.contains(call) => ("S", file),
                    _ => continue,
                },
                _ => (kind, rest),
            };
            let Some((ino, rest)) = rest.split_once(' ').and_then(|(ino, rest)| Some((ino.parse::<u64>().ok()?, rest)))
            else {
                continue;
            };
            state.take(kind, ino, rest);
        }
        state
    }

    fn take(&mut self, kind: &str, ino: u64, rest: &str) {
        match (kind, rest.parse::<u64>()) {
            ("S", Ok(size)) => {
                self.durable.insert(ino, size);
                self.keep_name(ino);
            }
            ("L", Ok(size)) => {
                // What the record has not seen made was there before it began, and was durable.
                self.durable.entry(ino).and_modify(|durable| *durable = size.min(*durable)).or_insert(size);
            }
            ("C", _) => {
                self.durable.insert(ino, 0);
                self.pending.push(Change::Made { ino, path: rest.into() });
            }
            ("K", _) => self.pending.push(Change::MadeDir { path: rest.into() }),
            ("U", _) => self.pending.push(Change::Removed { ino, path: rest.into() }),
            ("R", _) => {
                let Some((old, paths)) = rest.split_once(' ') else { return };
                let Some((from, to)) = paths.split_once('\t') else { return };
                let (from, to) = (PathBuf::from(from), PathBuf::from(to));
                // What is pending inside a directory goes with it.
                for path in self.pending.iter_mut().flat_map(Change::paths) {
                    if let Ok(inside) = path.strip_prefix(&from)
                        && !inside.as_os_str().is_empty()
                    {
                        *path = to.join(inside);
                    }
                }
                self.pending.push(Change::Renamed { ino, old: old.parse().unwrap_or(0), from, to });
            }
            _ => {}
        }
    }

    /// The name of a file is durable, and what goes with it.
    fn keep_name(&mut self, file: u64) {
        let Some(at) = self.pending.iter().rposition(|change| change.names(file)) else { return };
        let path = self.pending[at].path().to_path_buf();
        let mut index = 0;
        self.pending.retain(|change| {
            let is_before = index <= at && change.dir() == path.parent().unwrap_or(&path);
            index += 1;
            !(is_before || matches!(change, Change::MadeDir { .. }) && path.starts_with(change.path()))
        });
    }
}

/// Does it to what is below `watched`, by the shim's record and graves. `below(n)` is a number below `n`.
///
/// # Errors
/// Of the files.
pub fn lose_power(
    record: &str,
    graves: &Path,
    watched: &Path,
    mut below: impl FnMut(u64) -> u64,
) -> io::Result<PowerLoss> {
    let mut state = State::read(record);
    // The directory itself is the harness's.
    state.pending.retain(|change| change.dir().starts_with(watched));
    let mut loss = PowerLoss::default();
    let mut by_dir: BTreeMap<PathBuf, u64> = BTreeMap::new();
    state.pending.iter().for_each(|change| *by_dir.entry(change.dir().into()).or_default() += 1);
    let mut kept: BTreeMap<PathBuf, u64> = by_dir.into_iter().map(|(dir, n)| (dir, below(n + 1))).collect();
    let undone = state.pending.iter().filter(|change| match kept.get_mut(change.dir()) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    });
    for change in undone.collect::<Vec<_>>().into_iter().rev() {
        if undo(change, graves)? {
            loss.undone.push(format!("{change:?}"));
        }
    }
    cut(watched, &state.durable, &mut below, &mut loss)?;
    Ok(loss)
}

/// Not everything can be undone: its directory may be gone by now, with all that was in it.
fn undo(change: &Change, graves: &Path) -> io::Result<bool> {
    let done = match change {
        Change::Made { path, .. } => fs::remove_file(path),
        Change::MadeDir { path } => fs::remove_dir_all(path),
        Change::Renamed { old, from, to, .. } => fs::rename(to, from).and_then(|()| match old {
            0 => Ok(()),
            old => fs::hard_link(graves.join(old.to_string()), to),
        }),
        Change::Removed { ino, path } => fs::hard_link(graves.join(ino.to_string()), path),
    };
    match done {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A record that says of all files that are there that they are durable as they are. What is written to them later is not.
///
/// # Errors
/// Of the files.
pub fn all_durable(dir: &Path) -> io::Result<String> {
    let mut record = String::new();
    for path in paths(dir)? {
        let meta = fs::symlink_metadata(&path)?;
        match meta.is_dir() {
            true => record += &all_durable(&path)?,
            false => record += &format!("S {} {}\n", meta.ino(), meta.len()),
        }
    }
    Ok(record)
}

/// What is in a directory, in order of names, so that the same chance does the same.
fn paths(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<_> = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

fn cut(
    dir: &Path,
    durable: &HashMap<u64, u64>,
    below: &mut impl FnMut(u64) -> u64,
    loss: &mut PowerLoss,
) -> io::Result<()> {
    for path in paths(dir)? {
        let meta = fs::symlink_metadata(&path)?;
        if meta.is_dir() {
            cut(&path, durable, below, loss)?;
            continue;
        }
        let Some(&synced) = durable.get(&meta.ino()) else { continue };
        let rest = meta.len().saturating_sub(synced);
        if rest == 0 || !meta.is_file() {
            continue;
        }
        let stays = below(rest + 1);
        let file = fs::OpenOptions::new().write(true).open(&path)?;
        file.set_len(synced + stays)?;
        let mut lost = rest - stays;
        if stays > 0 && below(4) == 0 {
            let torn = stays.min(TORN);
            file.set_len(synced + stays - torn)?;
            file.set_len(synced + stays)?; // zeros from there on
            lost += torn;
        }
        if lost > 0 {
            loss.cut.push((path, lost));
        }
    }
    Ok(())
}

//! Files in memory that know what was fsynced, fail on command and lose power. Under the feature `sim` only.
//!
//! The model is strict: content survives a power loss only up to the last `sync` of the file, names only up to the last `sync_dir` of
//! their directory. Directories themselves are durable at once. Handles opened before a power loss fail afterwards, as those of a dead
//! process would be gone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::storage::{Entry, Space};

/// A file system in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

/// What a simulated disk may refuse, under a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Every write (and truncation) fails with an I/O error.
    Write,
    /// Every fsync fails; nothing becomes durable.
    Sync,
    /// Every read fails.
    Read,
    /// Every rename, removal or creation of a name fails.
    Name,
}

#[derive(Debug, Default)]
struct State {
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
    durable_names: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
    locks: BTreeSet<PathBuf>,
    faults: Vec<(PathBuf, Fault)>,
    generation: u64,
    now_ms: i64,
    /// Bytes that may still be written; `None` = no end.
    room: Option<u64>,
    /// Changes (writes, syncs, names) that may still be made; `None` = no end.
    changes_left: Option<u64>,
    syncs: u64,
}

#[derive(Debug, Default)]
struct Inode {
    content: Vec<u8>,
    durable: Vec<u8>,
    modified_ms: i64,
}

/// An open simulated file.
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    inode: Arc<Mutex<Inode>>,
    generation: u64,
}

/// A held simulated lock.
#[derive(Debug)]
pub struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.0.lock().locks.remove(&self.path);
    }
}

impl SimDisk {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that was not fsynced is gone; of unsynced appends `keep(unsynced bytes)` bytes survive. Locks are free again.
    pub fn lose_power(&self, mut keep: impl FnMut(usize) -> usize) {
        let mut state = self.0.lock();
        state.generation += 1;
        state.locks.clear();
        state.names = state.durable_names.clone();
        for inode in state.names.values() {
            let mut inode = inode.lock();
            let durable = inode.durable.len();
            let mut survived = inode.durable.clone();
            if inode.content.len() > durable && inode.content.starts_with(&inode.durable) {
                let unsynced = inode.content.len() - durable;
                survived.extend_from_slice(&inode.content[durable..durable + keep(unsynced).min(unsynced)]);
            }
            inode.durable.clone_from(&survived);
            inode.content = survived;
        }
    }

    /// Everything written stays, but all handles and locks are gone: what a killed process leaves.
    pub fn kill(&self) {
        let mut state = self.0.lock();
        state.generation += 1;
        state.locks.clear();
        state.durable_names = state.names.clone();
        for inode in state.names.values() {
            let mut inode = inode.lock();
            inode.durable = inode.content.clone();
        }
    }

    /// From now on, operations of this kind at or under `path` fail.
    pub fn fail(&self, path: impl Into<PathBuf>, fault: Fault) {
        self.0.lock().faults.push((path.into(), fault));
    }

    /// No faults any more.
    pub fn heal(&self) {
        self.0.lock().faults.clear();
    }

    /// After this many more bytes the disk is full.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.0.lock().room = bytes;
    }

    /// After this many more writes, syncs and changes of names every further one fails: where a crash comes.
    pub fn fail_after(&self, changes: Option<u64>) {
        self.0.lock().changes_left = changes;
    }

    /// Time that changed files carry from now on.
    pub fn set_now_ms(&self, now_ms: i64) {
        self.0.lock().now_ms = now_ms;
    }

    /// How often anything was fsynced so far.
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    pub(super) fn open(&self, path: &Path, create: bool) -> io::Result<SimFile> {
        let mut state = self.0.lock();
        let generation = state.generation;
        let inode = match state.names.get(path) {
            Some(inode) => Arc::clone(inode),
            None if create => {
                state.check(path, Fault::Name)?;
                match path.parent() {
                    Some(dir) if state.dirs.contains(dir) => (),
                    _ => return Err(io::ErrorKind::NotFound.into()),
                }
                let inode = Arc::new(Mutex::new(Inode { modified_ms: state.now_ms, ..Inode::default() }));
                state.names.insert(path.to_path_buf(), Arc::clone(&inode));
                inode
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(SimFile { disk: self.clone(), path: path.to_path_buf(), inode, generation })
    }

    pub(super) fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(path, Fault::Name)?;
        for dir in path.ancestors() {
            state.dirs.insert(dir.to_path_buf());
        }
        Ok(())
    }

    pub(super) fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(path, Fault::Name)?;
        if state.dirs.insert(path.to_path_buf()) { Ok(()) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut state = self.0.lock();
        state.check(path, Fault::Read)?;
        if !state.dirs.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let name = |p: &Path| p.file_name().and_then(|n| n.to_str()).map(str::to_string);
        let mut entries = Vec::new();
        for dir in state.dirs.iter().filter(|d| d.parent() == Some(path)) {
            entries.extend(name(dir).map(|name| Entry { name, is_dir: true, len: 0, modified_ms: 0 }));
        }
        for (file, inode) in state.names.iter().filter(|(f, _)| f.parent() == Some(path)) {
            let inode = inode.lock();
            let (len, modified_ms) = (inode.content.len() as u64, inode.modified_ms);
            entries.extend(name(file).map(|name| Entry { name, is_dir: false, len, modified_ms }));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        let state = self.0.lock();
        state.dirs.contains(path) || state.names.contains_key(path)
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(from, Fault::Name)?;
        if let Some(inode) = state.names.remove(from) {
            state.names.insert(to.to_path_buf(), inode);
            return Ok(());
        }
        if !state.dirs.contains(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let moved = |path: &Path| path.strip_prefix(from).ok().map(|rest| join(to, rest));
        state.dirs = state.dirs.iter().map(|d| moved(d).unwrap_or_else(|| d.clone())).collect();
        for map in [true, false] {
            let names = if map { &mut state.names } else { &mut state.durable_names };
            *names = std::mem::take(names).into_iter().map(|(p, i)| (moved(&p).unwrap_or(p), i)).collect();
        }
        Ok(())
    }

    pub(super) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(path, Fault::Name)?;
        state.names.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(path, Fault::Name)?;
        if !state.dirs.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.dirs.retain(|d| !d.starts_with(path));
        state.names.retain(|f, _| !f.starts_with(path));
        state.durable_names.retain(|f, _| !f.starts_with(path));
        Ok(())
    }

    pub(super) fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(path, Fault::Sync)?;
        state.syncs += 1;
        let State { names, durable_names, .. } = &mut *state;
        durable_names.retain(|f, _| f.parent() != Some(path));
        durable_names
            .extend(names.iter().filter(|(f, _)| f.parent() == Some(path)).map(|(f, i)| (f.clone(), Arc::clone(i))));
        Ok(())
    }

    pub(super) fn sync_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(path, Fault::Sync)?;
        if let Some((under, _)) = state.faults.iter().find(|(f, fault)| *fault == Fault::Sync && f.starts_with(path)) {
            return Err(io::Error::other(format!("simulated Sync fault at {}", under.display())));
        }
        state.syncs += 1;
        let State { names, durable_names, .. } = &mut *state;
        durable_names.retain(|f, _| !f.starts_with(path));
        for (name, inode) in names.iter().filter(|(f, _)| f.starts_with(path)) {
            durable_names.insert(name.clone(), Arc::clone(inode));
            let mut inode = inode.lock();
            inode.durable = inode.content.clone();
        }
        Ok(())
    }

    pub(super) fn lock(&self, path: &Path) -> io::Result<Option<SimLock>> {
        self.open(path, true)?;
        let taken = !self.0.lock().locks.insert(path.to_path_buf());
        Ok((!taken).then(|| SimLock { disk: self.clone(), path: path.to_path_buf() }))
    }

    pub(super) fn space(&self) -> Space {
        let state = self.0.lock();
        let used: u64 = state.names.values().map(|i| i.lock().content.len() as u64).sum();
        let usable = state.room.unwrap_or(1 << 40);
        Space { total: used.saturating_add(usable), usable }
    }
}

fn join(to: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { to.to_path_buf() } else { to.join(rest) }
}

impl State {
    fn check(&mut self, path: &Path, kind: Fault) -> io::Result<()> {
        if kind != Fault::Read
            && let Some(left) = &mut self.changes_left
        {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => return Err(io::Error::other(format!("simulated crash before {kind:?} at {}", path.display()))),
            }
        }
        match self.faults.iter().any(|(under, fault)| *fault == kind && path.starts_with(under)) {
            true => Err(io::Error::other(format!("simulated {kind:?} fault at {}", path.display()))),
            false => Ok(()),
        }
    }

    fn take_room(&mut self, bytes: u64) -> io::Result<()> {
        match &mut self.room {
            Some(room) if *room < bytes => Err(io::ErrorKind::StorageFull.into()),
            Some(room) => {
                *room -= bytes;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl SimFile {
    fn state(&self, kind: Fault) -> io::Result<parking_lot::MutexGuard<'_, State>> {
        let mut state = self.disk.0.lock();
        if state.generation != self.generation {
            return Err(io::Error::other("the process that opened this simulated file is gone"));
        }
        state.check(&self.path, kind)?;
        Ok(state)
    }

    pub(super) fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let _state = self.state(Fault::Read)?;
        let inode = self.inode.lock();
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(inode.content.len());
        let n = buf.len().min(inode.content.len() - start);
        buf[..n].copy_from_slice(&inode.content[start..start + n]);
        Ok(n)
    }

    pub(super) fn write_all_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut state = self.state(Fault::Write)?;
        state.take_room(parts.iter().map(|p| p.len() as u64).sum())?;
        let mut inode = self.inode.lock();
        inode.modified_ms = state.now_ms;
        let mut at = usize::try_from(position).map_err(|_| io::ErrorKind::InvalidInput)?;
        for part in parts {
            let end = at + part.len();
            if inode.content.len() < end {
                inode.content.resize(end, 0);
            }
            inode.content[at..end].copy_from_slice(part);
            at = end;
        }
        Ok(())
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        let _state = self.state(Fault::Read)?;
        Ok(self.inode.lock().content.len() as u64)
    }

    pub(super) fn set_len(&self, len: u64) -> io::Result<()> {
        let _state = self.state(Fault::Write)?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.inode.lock().content.resize(len, 0);
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        let mut state = self.state(Fault::Sync)?;
        state.syncs += 1;
        let mut inode = self.inode.lock();
        inode.durable = inode.content.clone();
        Ok(())
    }

    pub(super) fn modified_ms(&self) -> io::Result<i64> {
        let _state = self.state(Fault::Read)?;
        Ok(self.inode.lock().modified_ms)
    }

    pub(super) fn set_modified_ms(&self, to_ms: i64) -> io::Result<()> {
        let _state = self.state(Fault::Write)?;
        self.inode.lock().modified_ms = to_ms;
        Ok(())
    }
}

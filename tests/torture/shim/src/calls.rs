//! The calls, under the names that programs know them by. Each is the kernel's own, by its number, with the control before and the record
//! after it; a call that fails leaves no line.
//!
//! `open` and its kin are variadic in C; here they always take a mode. Who gives none leaves garbage in that register, which the kernel reads
//! only where a mode was given.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use libc::{AT_FDCWD, O_CREAT, iovec, mode_t, off_t, size_t, ssize_t, syscall};

use super::control::{Call, count, is_watched, obey};
use super::record;
use super::text::Text;

/// A file's inode number and size.
pub struct Stat {
    pub ino: u64,
    pub size: u64,
    pub is_dir: bool,
}

fn stat_of(result: c_int, stat: &libc::stat) -> Option<Stat> {
    let size = u64::try_from(stat.st_size).ok()?;
    let is_dir = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    (result == 0).then_some(Stat { ino: stat.st_ino, size, is_dir })
}

pub fn fstat(fd: c_int) -> Option<Stat> {
    // SAFETY: all zeros is a stat, and the C library writes one there. Nobody stands before this call.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        stat_of(libc::fstat(fd, &raw mut stat), &stat)
    }
}

/// # Safety
/// `path` is a C string.
unsafe fn lstat(dir: c_int, path: *const c_char) -> Option<Stat> {
    // SAFETY: as in `fstat`, and the caller's promise.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        stat_of(libc::fstatat(dir, path, &raw mut stat, libc::AT_SYMLINK_NOFOLLOW), &stat)
    }
}

/// What has a name in a directory.
pub fn fstat_below(dir: c_int, name: &CStr) -> Option<Stat> {
    // SAFETY: a C string.
    unsafe { lstat(dir, name.as_ptr()) }
}

pub fn fail(errno: c_int) -> c_int {
    // SAFETY: the address of this thread's own errno.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// errno as it is now, put back after what the record does: who calls looks at it only after a failure, but some save it before.
pub fn quietly<T>(act: impl FnOnce() -> T) -> T {
    // SAFETY: as in `fail`.
    let errno = unsafe { *libc::__errno_location() };
    let result = act();
    // SAFETY: as in `fail`.
    unsafe { *libc::__errno_location() = errno };
    result
}

/// # Safety
/// `path` is a C string.
unsafe fn do_open(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise.
    let watched = quietly(|| unsafe { Text::of_path(dir, path) }.filter(|text| is_watched(text.bytes())));
    let changes = watched.filter(|_| flags & (O_CREAT | libc::O_TRUNC) != 0);
    // SAFETY: the caller's promise.
    let before = changes.as_ref().and_then(|_| quietly(|| unsafe { lstat(dir, path) }));
    // SAFETY: the caller's promise.
    let fd = unsafe { syscall(libc::SYS_openat, dir, path, flags | libc::O_LARGEFILE, mode) } as c_int;
    if let Some(text) = changes.filter(|_| fd >= 0) {
        quietly(|| match (before, fstat(fd)) {
            (None, Some(now)) => record::created(now.ino, text.bytes(), false),
            (Some(_), Some(now)) if flags & libc::O_TRUNC != 0 => record::lowered(now.ino, 0),
            _ => {}
        });
    }
    fd
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise, here and in all below.
    unsafe { do_open(AT_FDCWD, path, flags, mode) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: see `open`.
    unsafe { do_open(AT_FDCWD, path, flags, mode) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: see `open`.
    unsafe { do_open(dir, path, flags, mode) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: see `open`.
    unsafe { do_open(dir, path, flags, mode) }
}

fn sync(number: c_long, fd: c_int) -> c_int {
    if let Some(errno) = quietly(|| obey(Call::Sync, fd)) {
        return fail(errno);
    }
    // What is written while it runs may be durable after it or not: the size before it is what counts.
    let before = quietly(|| fstat(fd));
    // SAFETY: a descriptor is all it takes.
    let result = unsafe { syscall(number, fd) } as c_int;
    if result == 0 {
        quietly(|| {
            let Some(path) = Text::of_descriptor(fd).filter(|path| is_watched(path.bytes())) else { return };
            let Some(file) = before else { return };
            match file.is_dir {
                true => record::directory_synced(path.bytes()),
                false => record::synced(file.ino, file.size),
            }
            count(Call::Sync);
        });
    }
    result
}

#[unsafe(no_mangle)]
pub extern "C" fn fsync(fd: c_int) -> c_int {
    sync(libc::SYS_fsync, fd)
}

#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync(libc::SYS_fdatasync, fd)
}

fn cut(fd: c_int, length: off_t) -> c_int {
    // SAFETY: numbers are all it takes.
    let result = unsafe { syscall(libc::SYS_ftruncate, fd, length) } as c_int;
    if result == 0 {
        quietly(|| {
            let is_ours = Text::of_descriptor(fd).is_some_and(|path| is_watched(path.bytes()));
            if let (true, Some(file), Ok(size)) = (is_ours, fstat(fd), u64::try_from(length)) {
                record::lowered(file.ino, size);
            }
        });
    }
    result
}

#[unsafe(no_mangle)]
pub extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    cut(fd, length)
}

#[unsafe(no_mangle)]
pub extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    cut(fd, length)
}

/// Before a write: how it fails, if it shall. Otherwise it is counted, if it can be.
fn before_write(fd: c_int) -> Option<c_int> {
    quietly(|| {
        let errno = obey(Call::Write, fd);
        if errno.is_none() {
            count(Call::Write);
        }
        errno
    })
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, len: size_t) -> ssize_t {
    match before_write(fd) {
        Some(errno) => fail(errno) as ssize_t,
        // SAFETY: see `open`.
        None => unsafe { syscall(libc::SYS_write, fd, bytes, len) as ssize_t },
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    match before_write(fd) {
        Some(errno) => fail(errno) as ssize_t,
        // SAFETY: see `open`.
        None => unsafe { syscall(libc::SYS_writev, fd, parts, count) as ssize_t },
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(fd: c_int, bytes: *const c_void, len: size_t, at: off_t) -> ssize_t {
    match before_write(fd) {
        Some(errno) => fail(errno) as ssize_t,
        // SAFETY: see `open`.
        None => unsafe { syscall(libc::SYS_pwrite64, fd, bytes, len, at) as ssize_t },
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, len: size_t, at: off_t) -> ssize_t {
    // SAFETY: see `open`.
    unsafe { pwrite(fd, bytes, len, at) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev(fd: c_int, parts: *const iovec, count: c_int, at: off_t) -> ssize_t {
    match before_write(fd) {
        Some(errno) => fail(errno) as ssize_t,
        // SAFETY: see `open`. The kernel takes the place in two halves; where a long has 64 bits the first has all of it.
        None => unsafe { syscall(libc::SYS_pwritev, fd, parts, count, at, 0usize) as ssize_t },
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev64(fd: c_int, parts: *const iovec, count: c_int, at: off_t) -> ssize_t {
    // SAFETY: see `open`.
    unsafe { pwritev(fd, parts, count, at) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev2(fd: c_int, parts: *const iovec, count: c_int, at: off_t, flags: c_int) -> ssize_t {
    match before_write(fd) {
        Some(errno) => fail(errno) as ssize_t,
        // SAFETY: see `pwritev`.
        None => unsafe { syscall(libc::SYS_pwritev2, fd, parts, count, at, 0usize, flags) as ssize_t },
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev64v2(fd: c_int, parts: *const iovec, count: c_int, at: off_t, flags: c_int) -> ssize_t {
    // SAFETY: see `open`.
    unsafe { pwritev2(fd, parts, count, at, flags) }
}

/// # Safety
/// `from` and `to` are C strings.
unsafe fn do_rename(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char, flags: c_uint) -> c_int {
    // SAFETY: the caller's promise.
    let paths = quietly(|| unsafe { Text::of_path(from_dir, from).zip(Text::of_path(to_dir, to)) });
    let paths = paths.filter(|(from, to)| is_watched(from.bytes()) || is_watched(to.bytes()));
    let inodes = paths.as_ref().and_then(|_| {
        // SAFETY: the caller's promise.
        quietly(|| unsafe {
            let (moved, old) = (lstat(from_dir, from)?, lstat(to_dir, to));
            let old = old.filter(|old| !old.is_dir).map_or(0, |old| old.ino);
            if old != 0 {
                record::bury(to_dir, to, old);
            }
            Some((moved.ino, old))
        })
    });
    // SAFETY: the caller's promise.
    let result = unsafe { syscall(libc::SYS_renameat2, from_dir, from, to_dir, to, flags) } as c_int;
    if let (0, Some((from, to)), Some((ino, old))) = (result, paths, inodes) {
        quietly(|| record::renamed(ino, old, from.bytes(), to.bytes()));
    }
    result
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: see `open`.
    unsafe { do_rename(AT_FDCWD, from, AT_FDCWD, to, 0) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char) -> c_int {
    // SAFETY: see `open`.
    unsafe { do_rename(from_dir, from, to_dir, to, 0) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat2(
    from_dir: c_int,
    from: *const c_char,
    to_dir: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    // SAFETY: see `open`.
    unsafe { do_rename(from_dir, from, to_dir, to, flags) }
}

/// # Safety
/// `path` is a C string.
unsafe fn do_unlink(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: the caller's promise.
    let text = quietly(|| unsafe { Text::of_path(dir, path) }).filter(|text| is_watched(text.bytes()));
    // A directory is not kept: it is empty when it goes.
    let file = text.as_ref().filter(|_| flags & libc::AT_REMOVEDIR == 0).and_then(|_| {
        // SAFETY: the caller's promise.
        quietly(|| unsafe {
            let file = lstat(dir, path)?;
            record::bury(dir, path, file.ino);
            Some(file.ino)
        })
    });
    // SAFETY: the caller's promise.
    let result = unsafe { syscall(libc::SYS_unlinkat, dir, path, flags) } as c_int;
    if let (0, Some(text), Some(ino)) = (result, text, file) {
        quietly(|| record::removed(ino, text.bytes()));
    }
    result
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: see `open`.
    unsafe { do_unlink(AT_FDCWD, path, 0) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: see `open`.
    unsafe { do_unlink(dir, path, flags) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: see `open`.
    let result = unsafe { syscall(libc::SYS_mkdirat, AT_FDCWD, path, mode) } as c_int;
    if result == 0 {
        quietly(|| {
            // SAFETY: see `open`.
            let made = unsafe { Text::of_path(AT_FDCWD, path).zip(lstat(AT_FDCWD, path)) };
            if let Some((text, dir)) = made.filter(|(text, _)| is_watched(text.bytes())) {
                record::created(dir.ino, text.bytes(), true);
            }
        });
    }
    result
}

/// Shared mappings of watched files: where, how long, whose. A slot with length 0 is free.
struct Mapping {
    start: AtomicUsize,
    len: AtomicUsize,
    ino: AtomicU64,
}

/// A Java broker maps two files a segment. What finds no room here counts as never synced.
static MAPPINGS: [Mapping; 8192] =
    [const { Mapping { start: AtomicUsize::new(0), len: AtomicUsize::new(0), ino: AtomicU64::new(0) } }; 8192];

/// How many there are: mostly none, and then nobody looks through them.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap(
    near: *mut c_void,
    len: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    at: off_t,
) -> *mut c_void {
    // SAFETY: see `open`.
    let address = unsafe { syscall(libc::SYS_mmap, near, len, protection, flags, fd, at) };
    let is_written = fd >= 0 && flags & libc::MAP_SHARED != 0 && protection & libc::PROT_WRITE != 0;
    if address != -1 && is_written {
        quietly(|| {
            let is_ours = Text::of_descriptor(fd).is_some_and(|path| is_watched(path.bytes()));
            let Some(file) = fstat(fd).filter(|_| is_ours) else { return };
            let free = |slot: &&Mapping| slot.len.compare_exchange(0, len, Ordering::AcqRel, Ordering::Relaxed).is_ok();
            if let Some(slot) = MAPPINGS.iter().find(free) {
                slot.ino.store(file.ino, Ordering::Release);
                slot.start.store(address as usize, Ordering::Release);
                MAPPED.fetch_add(1, Ordering::AcqRel);
            }
        });
    }
    address as *mut c_void
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap64(
    near: *mut c_void,
    len: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    at: off_t,
) -> *mut c_void {
    // SAFETY: see `open`.
    unsafe { mmap(near, len, protection, flags, fd, at) }
}

fn mapping_of(address: usize) -> Option<&'static Mapping> {
    if MAPPED.load(Ordering::Acquire) == 0 {
        return None;
    }
    MAPPINGS.iter().find(|slot| {
        let (start, len) = (slot.start.load(Ordering::Acquire), slot.len.load(Ordering::Acquire));
        len > 0 && start > 0 && address >= start && address < start + len
    })
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn munmap(address: *mut c_void, len: size_t) -> c_int {
    if let Some(slot) = mapping_of(address as usize) {
        slot.start.store(0, Ordering::Release);
        slot.len.store(0, Ordering::Release);
        MAPPED.fetch_sub(1, Ordering::AcqRel);
    }
    // SAFETY: see `open`.
    unsafe { syscall(libc::SYS_munmap, address, len) as c_int }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn msync(address: *mut c_void, len: size_t, flags: c_int) -> c_int {
    // SAFETY: see `open`.
    let result = unsafe { syscall(libc::SYS_msync, address, len, flags) } as c_int;
    if result == 0 && flags & libc::MS_SYNC != 0 {
        quietly(|| {
            if let Some(slot) = mapping_of(address as usize) {
                let size = slot.len.load(Ordering::Acquire) as u64;
                record::synced(slot.ino.load(Ordering::Acquire), size);
                count(Call::Sync);
            }
        });
    }
    result
}

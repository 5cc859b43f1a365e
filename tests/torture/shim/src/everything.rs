//! `syncfs`: all of a file system at once. Before the call what is watched is looked through, for the sizes that are durable after it.

use std::ffi::{CStr, c_int};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};

use libc::syscall;

use super::calls::{fail, fstat_below, quietly};
use super::control::{Call, count, is_watched, obey};
use super::record;
use super::text::Text;

/// Of names, at a time.
const ROOM: usize = 4096;
/// A log's directory is one below; nobody goes deeper.
const DEEPEST: u32 = 4;

/// Of this process.
static CALLS: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
pub extern "C" fn syncfs(fd: c_int) -> c_int {
    if let Some(errno) = quietly(|| obey(Call::Sync, fd)) {
        return fail(errno);
    }
    let number = quietly(|| {
        Text::of_descriptor(fd).filter(|path| is_watched(path.bytes()))?;
        // One that no other call has, of other lives of the broker neither.
        let number = u64::from(std::process::id()) << 32 | CALLS.fetch_add(1, Ordering::Relaxed);
        record::everything_begins(number);
        // Opened anew: reading names moves a descriptor's place.
        look_through(fd, c".", number, 0);
        Some(number)
    });
    // SAFETY: a descriptor is all it takes.
    let result = unsafe { syscall(libc::SYS_syncfs, fd) } as c_int;
    if let Some(number) = number.filter(|_| result == 0) {
        quietly(|| {
            record::everything_synced(number);
            count(Call::Sync);
        });
    }
    result
}

/// Names that the kernel has written, one behind the other.
#[repr(align(8))]
struct Names([u8; ROOM]);

/// Notes every file of a directory, which has that name in another one, and those below it.
fn look_through(parent: c_int, name: &CStr, number: u64, depth: u32) {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: a C string.
    let dir = unsafe { syscall(libc::SYS_openat, parent, name.as_ptr(), flags) } as c_int;
    if dir < 0 {
        return;
    }
    let mut names = Names([0; ROOM]);
    loop {
        // SAFETY: the kernel writes at most as many bytes as it is told there are.
        let got = unsafe { syscall(libc::SYS_getdents64, dir, names.0.as_mut_ptr(), ROOM) };
        let Some(got) = usize::try_from(got).ok().filter(|got| *got > 0) else { break };
        each_name(&names.0[..got], |name| note(dir, name, number, depth));
    }
    // SAFETY: ours, and not used again.
    unsafe { syscall(libc::SYS_close, dir) };
}

fn each_name(mut entries: &[u8], mut take: impl FnMut(&CStr)) {
    const LENGTH_AT: usize = offset_of!(libc::dirent64, d_reclen);
    const NAME_AT: usize = offset_of!(libc::dirent64, d_name);
    while let Some(&[low, high]) = entries.get(LENGTH_AT..LENGTH_AT + 2) {
        let Some((entry, rest)) = entries.split_at_checked(u16::from_ne_bytes([low, high]).into()) else { return };
        if let Some(Ok(name)) = entry.get(NAME_AT..).map(CStr::from_bytes_until_nul) {
            take(name);
        }
        entries = rest;
    }
}

fn note(dir: c_int, name: &CStr, number: u64, depth: u32) {
    if name == c"." || name == c".." {
        return;
    }
    match fstat_below(dir, name) {
        Some(found) if found.is_dir && depth < DEEPEST => look_through(dir, name, number, depth + 1),
        Some(found) if !found.is_dir => record::seen_before(number, found.ino, found.size),
        _ => {}
    }
}

//! The record: a line an event, appended with one write each, so that a kill tears none.
//!
//! | line | what |
//! |---|---|
//! | `S ino size` | the first `size` bytes of the file are durable |
//! | `L ino size` | at most the first `size` bytes of it still are: it was cut |
//! | `C ino path` | a file was made |
//! | `K ino path` | a directory was made |
//! | `R ino old from TAB to` | a name was changed; `old` is the inode that was replaced and is in its grave now, 0 for none |
//! | `U ino path` | a name was removed; its inode is in its grave now |
//! | `D path` | a directory was synced: what was done to its names is durable |
//! | `B n` | a sync of everything begins; `n` is given once |
//! | `E n ino size` | a file had that size when it began |
//! | `F n` | it went well: those sizes, and what was done to names before it began, are durable |

use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicI32, Ordering};

use super::control::variable;
use super::text::Text;

/// 0: not looked; -1: there is none; else the descriptor and one.
static RECORD: AtomicI32 = AtomicI32::new(0);

fn descriptor() -> Option<c_int> {
    let known = RECORD.load(Ordering::Acquire);
    if known != 0 {
        return (known > 0).then_some(known - 1);
    }
    let fd = variable(c"TORTURE_SHIM").map(|dir| {
        let mut path = Text::new();
        path.push(dir).push(b"/record");
        let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
        // SAFETY: a C string; the call has no other pointer.
        unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.c_str(), flags, 0o644) as c_int }
    });
    let fd = fd.unwrap_or(-1);
    // Two threads may come here at once: the record is opened twice then, and either will do.
    RECORD.store(if fd < 0 { -1 } else { fd + 1 }, Ordering::Release);
    (fd >= 0).then_some(fd)
}

fn write(line: &mut Text) {
    line.push(b"\n");
    if let Some(fd) = descriptor().filter(|_| line.is_whole()) {
        let bytes = line.bytes();
        // SAFETY: the bytes are live for the call.
        unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
    }
}

fn numbered(kind: &[u8], number: u64) -> Text {
    let mut line = Text::new();
    line.push(kind).push(b" ").number(number);
    line
}

pub fn synced(ino: u64, size: u64) {
    write(numbered(b"S", ino).push(b" ").number(size));
}

pub fn lowered(ino: u64, size: u64) {
    write(numbered(b"L", ino).push(b" ").number(size));
}

pub fn created(ino: u64, path: &[u8], is_dir: bool) {
    write(numbered(if is_dir { b"K" } else { b"C" }, ino).push(b" ").push(path));
}

pub fn renamed(ino: u64, old: u64, from: &[u8], to: &[u8]) {
    write(numbered(b"R", ino).push(b" ").number(old).push(b" ").push(from).push(b"\t").push(to));
}

pub fn removed(ino: u64, path: &[u8]) {
    write(numbered(b"U", ino).push(b" ").push(path));
}

pub fn directory_synced(path: &[u8]) {
    let mut line = Text::new();
    write(line.push(b"D ").push(path));
}

pub fn everything_begins(call: u64) {
    write(&mut numbered(b"B", call));
}

pub fn seen_before(call: u64, ino: u64, size: u64) {
    write(numbered(b"E", call).push(b" ").number(ino).push(b" ").number(size));
}

pub fn everything_synced(call: u64) {
    write(&mut numbered(b"F", call));
}

/// Keeps what is about to lose its name.
///
/// # Safety
/// `path` is a C string.
pub unsafe fn bury(dir: c_int, path: *const c_char, ino: u64) {
    let Some(home) = variable(c"TORTURE_SHIM") else { return };
    let mut grave = Text::new();
    grave.push(home).push(b"/graves/").number(ino);
    // SAFETY: two C strings. A grave that is there already is of an earlier inode of this number, whose loss is durable by now: it goes.
    unsafe {
        libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, grave.c_str(), 0);
        libc::syscall(libc::SYS_linkat, dir, path, libc::AT_FDCWD, grave.c_str(), 0);
    }
}

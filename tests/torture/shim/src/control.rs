//! The page that the harness writes and the broker obeys.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | what to do: 0 nothing, 1 fail writes, 2 fail syncs, 3 delay writes and syncs |
//! | 4..8 | the errno of a failure, or the delay in ms |
//! | 8..16 | how many calls this has hit; counted up here |
//! | 16..24 | how many syncs have passed; counted up here |
//! | 24..32 | how many writes have passed; counted up here |
//! | 64..1088 | only below this directory, up to its zero; empty: everywhere in what is watched |

use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::text::Text;

/// A page.
const SIZE: usize = 4096;
const ONLY_AT: usize = 64;
const ONLY_SIZE: usize = 1024;

/// A kind of call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Write,
    Sync,
}

/// What the harness has mapped too.
#[repr(C)]
struct Page {
    mode: AtomicU32,
    number: AtomicU32,
    hits: AtomicU64,
    syncs: AtomicU64,
    writes: AtomicU64,
}

/// 0: not looked; -1: there is none; 1: it is mapped.
static STATE: AtomicI32 = AtomicI32::new(0);
static PAGE: AtomicPtr<Page> = AtomicPtr::new(std::ptr::null_mut());

/// A variable of the environment.
pub fn variable(name: &CStr) -> Option<&'static [u8]> {
    // SAFETY: the name is a C string; what is found lives as long as nobody changes the environment, which neither broker does.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: a C string, says `getenv`.
    Some(unsafe { CStr::from_ptr(value) }.to_bytes()).filter(|value| !value.is_empty())
}

fn page() -> Option<&'static Page> {
    if STATE.load(Ordering::Acquire) == 0 {
        let mapped = map();
        PAGE.store(mapped, Ordering::Release);
        STATE.store(if mapped.is_null() { -1 } else { 1 }, Ordering::Release);
    }
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: null, or a page that is mapped for good, large enough and aligned for it, and all of it atomic.
    unsafe { page.as_ref() }
}

/// Two threads may come here at once: each maps it, and the page is the same.
fn map() -> *mut Page {
    let Some(dir) = variable(c"TORTURE_SHIM") else { return std::ptr::null_mut() };
    let mut path = Text::new();
    path.push(dir).push(b"/control");
    // SAFETY: a C string; the call has no other pointer.
    let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.c_str(), libc::O_RDWR | libc::O_CLOEXEC) };
    if fd < 0 {
        return std::ptr::null_mut();
    }
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, where the kernel likes; nothing of this process is replaced. The file is one page long, the harness says.
    let address = unsafe { libc::syscall(libc::SYS_mmap, 0usize, SIZE, protection, libc::MAP_SHARED, fd, 0usize) };
    // SAFETY: the descriptor is ours and not used again; the mapping stays.
    unsafe { libc::syscall(libc::SYS_close, fd) };
    if address < 0 { std::ptr::null_mut() } else { address as usize as *mut c_void as *mut Page }
}

/// Is this path in what is watched?
pub fn is_watched(path: &[u8]) -> bool {
    variable(c"TORTURE_SHIM_WATCH").is_some_and(|watched| is_below(path, watched))
}

fn is_below(path: &[u8], dir: &[u8]) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

/// Called before a write or a sync: waits if it has to, and gives the errno with which the call fails, if it shall.
pub fn obey(call: Call, fd: c_int) -> Option<c_int> {
    let page = page()?;
    let mode = page.mode.load(Ordering::Acquire);
    if mode == 0 {
        return None; // the usual case costs one load
    }
    let is_meant = match mode {
        1 => call == Call::Write,
        2 => call == Call::Sync,
        3 => true,
        _ => false,
    };
    let path = Text::of_descriptor(fd).filter(|path| is_meant && is_watched(path.bytes()))?;
    // SAFETY: inside the page, which the harness writes before it sets the mode; it ends with a zero there.
    let only = unsafe { std::slice::from_raw_parts(std::ptr::from_ref(page).cast::<u8>().add(ONLY_AT), ONLY_SIZE) };
    let only = only.split(|byte| *byte == 0).next().unwrap_or_default();
    if !only.is_empty() && !is_below(path.bytes(), only) {
        return None;
    }
    page.hits.fetch_add(1, Ordering::AcqRel);
    let number = page.number.load(Ordering::Acquire);
    if mode != 3 {
        return i32::try_from(number).ok();
    }
    let time = libc::timespec { tv_sec: i64::from(number / 1000), tv_nsec: i64::from(number % 1000) * 1_000_000 };
    // SAFETY: a live timespec, and no answer wanted.
    unsafe { libc::syscall(libc::SYS_nanosleep, &raw const time, 0usize) };
    None
}

/// Called after a sync or a write of a watched file that went well.
pub fn count(call: Call) {
    if let Some(page) = page() {
        let counter = if call == Call::Sync { &page.syncs } else { &page.writes };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

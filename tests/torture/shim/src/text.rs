//! Paths and lines in a buffer on the stack.

use std::ffi::{CStr, c_char, c_int};

/// The longest line: two paths and some numbers.
const SIZE: usize = 2 * libc::PATH_MAX as usize + 64;

/// Text that ends where its room does. What does not fit is dropped, and the text is then [`Text::is_whole`] no more.
pub struct Text {
    bytes: [u8; SIZE],
    len: usize,
    whole: bool,
}

impl Text {
    pub fn new() -> Self {
        Self { bytes: [0; SIZE], len: 0, whole: true }
    }

    pub fn push(&mut self, more: &[u8]) -> &mut Self {
        // One byte stays zero: the text is a C string too.
        let fits = more.len() < SIZE - self.len;
        if fits {
            self.bytes[self.len..self.len + more.len()].copy_from_slice(more);
            self.len += more.len();
        }
        self.whole &= fits;
        self
    }

    pub fn number(&mut self, number: u64) -> &mut Self {
        let (mut digits, mut at, mut left) = ([0u8; 20], 20, number);
        loop {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                return self.push(&digits[at..]);
            }
        }
    }

    pub fn is_whole(&self) -> bool {
        self.whole
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub fn c_str(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }

    /// The file of a descriptor, as the kernel knows it.
    pub fn of_descriptor(fd: c_int) -> Option<Self> {
        let mut link = Self::new();
        link.push(b"/proc/self/fd/").number(u64::try_from(fd).ok()?);
        let mut path = Self::new();
        // SAFETY: both pointers are to live arrays, and the kernel writes at most as many bytes as it is told there are.
        let n = unsafe {
            libc::syscall(libc::SYS_readlinkat, libc::AT_FDCWD, link.c_str(), path.bytes.as_mut_ptr(), SIZE - 1)
        };
        path.len = usize::try_from(n).ok()?;
        Some(path)
    }

    /// An absolute path, out of what a call was given.
    ///
    /// # Safety
    /// `path` is a C string.
    pub unsafe fn of_path(dir: c_int, path: *const c_char) -> Option<Self> {
        if path.is_null() {
            return None;
        }
        // SAFETY: a C string, the caller says.
        let path = unsafe { CStr::from_ptr(path) }.to_bytes();
        if path.first() == Some(&b'/') {
            let mut text = Self::new();
            text.push(path);
            return text.is_whole().then_some(text);
        }
        let mut text = if dir == libc::AT_FDCWD {
            let mut cwd = Self::new();
            // SAFETY: as in `of_descriptor`. The kernel's answer counts its terminating zero.
            let n = unsafe { libc::syscall(libc::SYS_getcwd, cwd.bytes.as_mut_ptr(), SIZE - 1) };
            cwd.len = usize::try_from(n).ok()?.checked_sub(1)?;
            cwd
        } else {
            Self::of_descriptor(dir)?
        };
        text.push(b"/").push(path.strip_prefix(b"./").unwrap_or(path));
        text.is_whole().then_some(text)
    }
}

//! Values that share the memory of the frame they were read from: [`Str`] and [`Records`].
//!
//! Cloning one costs a reference count. Beware: each pins its whole frame, so state that outlives a request copies
//! (`Arc<str>::from(&str)`), and no wire type stands in a field of group, txn, replica or controller.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

/// UTF-8 text in shared memory.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Str(Bytes);

impl Str {
    /// The empty text.
    pub const EMPTY: Str = Str::from_static("");

    /// Text that lives as long as the program; nothing is copied.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The text in `bytes`, which it goes on sharing; `None` if they are not UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Option<Self> {
        std::str::from_utf8(&bytes).is_ok().then_some(Self(bytes))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // SAFETY: every constructor takes a `str` or bytes checked to be UTF-8, and the bytes cannot be changed.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        self
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<Arc<str>> for Str {
    fn from(text: Arc<str>) -> Self {
        (&*text).into()
    }
}

impl From<&Arc<str>> for Str {
    fn from(text: &Arc<str>) -> Self {
        (&**text).into()
    }
}

impl From<&Str> for Arc<str> {
    fn from(text: &Str) -> Self {
        text.as_str().into()
    }
}

impl From<Str> for Arc<str> {
    fn from(text: Str) -> Self {
        text.as_str().into()
    }
}

impl From<&Str> for String {
    fn from(text: &Str) -> Self {
        text.as_str().into()
    }
}

impl From<Str> for String {
    fn from(text: Str) -> Self {
        text.as_str().into()
    }
}

/// Record batches inside a message: their bytes, or the place where they will be sent from files.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Records {
    /// Null, which old fetch responses never and produce requests rarely carry.
    #[default]
    Null,
    /// The batches themselves.
    Bytes(Bytes),
    /// So many bytes, which whoever sends the frame puts in: only written, never read.
    Hole(usize),
}

impl Records {
    /// No records, but not null.
    pub const EMPTY: Records = Records::Bytes(Bytes::new());

    /// Length in bytes; 0 for null.
    pub fn len(&self) -> usize {
        match self {
            Records::Null => 0,
            Records::Bytes(bytes) => bytes.len(),
            Records::Hole(len) => *len,
        }
    }

    /// True without a single byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True for null.
    pub fn is_null(&self) -> bool {
        matches!(self, Records::Null)
    }

    /// The bytes, unless null or a hole.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Records::Bytes(bytes) => Some(bytes),
            Records::Null | Records::Hole(_) => None,
        }
    }
}

/// Only the length: a batch can be megabytes, and somebody's data.
impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Records::Null => f.write_str("Null"),
            Records::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Records::Hole(len) => write!(f, "Hole({len} bytes)"),
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Records::Bytes(bytes)
    }
}

//! Inter-broker protocol versions (`MetadataVersion`): the names of Kafka releases that change what brokers say to each other.
//!
//! Ottla speaks 2.8 to 3.9. `3.5`, `3.5.1` and `3.5-IV2` are all accepted; a bare release means its last version.

use std::fmt;
use std::str::FromStr;

/// An inter-broker protocol version, comparable by age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MetadataVersion {
    /// Of the release.
    pub major: u8,
    /// Of the release.
    pub minor: u8,
    /// Step within the release.
    pub iv: u8,
}

/// Releases with the last `IV` of each.
const RELEASES: &[(u8, u8, u8)] = &[
    (2, 8, 1),
    (3, 0, 1),
    (3, 1, 0),
    (3, 2, 0),
    (3, 3, 3),
    (3, 4, 0),
    (3, 5, 2),
    (3, 6, 2),
    (3, 7, 4),
    (3, 8, 0),
    (3, 9, 0),
];

impl MetadataVersion {
    /// Topic ids and AlterPartition are there from here on; the oldest accepted.
    pub const V2_8_IV0: Self = Self { major: 2, minor: 8, iv: 0 };
    /// Producer ids are handed out by the controller.
    pub const V3_0_IV0: Self = Self { major: 3, minor: 0, iv: 0 };
    /// Message formats 0 and 1 are no longer written.
    pub const V3_0_IV1: Self = Self { major: 3, minor: 0, iv: 1 };
    /// Fetch by topic id.
    pub const V3_1_IV0: Self = Self { major: 3, minor: 1, iv: 0 };
    /// Leader recovery state in the partition state.
    pub const V3_2_IV0: Self = Self { major: 3, minor: 2, iv: 0 };
    /// The default, and the newest.
    pub const LATEST: Self = Self { major: 3, minor: 9, iv: 0 };

    /// Major and minor release, for rules that no later `IV` of it changed.
    pub fn release(self) -> (u32, u32) {
        (u32::from(self.major), u32::from(self.minor))
    }
}

impl Default for MetadataVersion {
    fn default() -> Self {
        Self::LATEST
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}-IV{}", self.major, self.minor, self.iv)
    }
}

/// Not a version from 2.8 to 3.9.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("Version {0} is not a valid version (2.8 to 3.9 here)")]
pub struct BadVersion(pub String);

impl FromStr for MetadataVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let bad = || BadVersion(text.into());
        // Kafka looks at the first two dotted parts only: a patch number says nothing.
        let mut parts = text.splitn(3, '.');
        let (major, minor) = (parts.next().ok_or_else(bad)?, parts.next().ok_or_else(bad)?);
        let (minor, iv) = match minor.split_once("-IV") {
            Some((minor, iv)) => (minor, Some(iv.parse::<u8>().map_err(|_| bad())?)),
            None => (minor, None),
        };
        let (major, minor): (u8, u8) = (major.parse().map_err(|_| bad())?, minor.parse().map_err(|_| bad())?);
        let last = RELEASES.iter().find(|r| (r.0, r.1) == (major, minor)).ok_or_else(bad)?.2;
        let iv = iv.unwrap_or(last);
        if iv > last { Err(bad()) } else { Ok(Self { major, minor, iv }) }
    }
}

/// True for the name of any Kafka release, however old: what `message.format.version` may say.
pub fn is_release_name(text: &str) -> bool {
    let (release, iv) = text.split_once("-IV").map_or((text, None), |(r, iv)| (r, Some(iv)));
    let number = |s: &str| (1..=3).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = release.split('.').collect();
    (2..=4).contains(&parts.len()) && parts.into_iter().all(number) && iv.is_none_or(number)
}

/// Does a `message.format.version` mean format 0 or 1, that is a release before 0.11?
pub fn is_old_message_format(text: &str) -> bool {
    let mut parts = text.split(['.', '-']);
    let mut next = || parts.next().and_then(|p| p.parse::<u16>().ok()).unwrap_or(u16::MAX);
    next() == 0 && next() < 11
}

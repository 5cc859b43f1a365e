//! Names of things: brokers, topics, partitions.
//!
//! Used by every layer. A [`TopicPartition`] is cheap to clone: the topic name is shared.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// `broker.id`: never negative for a broker; -1 stands for "none" on the wire and in znodes.
pub type BrokerId = i32;

/// "No broker": a partition without leader, a consumer's replica id.
pub const NO_BROKER: BrokerId = -1;

/// One partition of a topic.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition index, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The partition of an internal topic that a group or transactional id belongs to (`Utils.abs(id.hashCode) % partitions`): Java's hash
/// over UTF-16 units, and its smallest int counts as 0.
pub fn internal_partition(id: &str, partitions: i32) -> i32 {
    let hash = id.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % partitions.max(1)
}

/// A topic's id (KIP-516): a random UUID, written as 22 characters of unpadded base64url. Zero means "no id".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TopicId(pub Uuid);

impl TopicId {
    /// No id: a topic of an IBP below 2.8, or an older request.
    pub const ZERO: TopicId = TopicId(Uuid::nil());
    /// Length of an id's text: 16 bytes in base64url without padding.
    pub const TEXT_LEN: usize = 22;

    /// The id in 16 bytes, most significant first.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The id's 16 bytes, most significant first.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// True for [`TopicId::ZERO`].
    pub fn is_zero(&self) -> bool {
        self.0.is_nil()
    }

    /// True for the ids Kafka keeps for itself (`Uuid.RESERVED`: zero, one and the metadata topic's) and for those whose
    /// text starts with a dash, which command line tools would take for a flag.
    pub fn is_reserved(&self) -> bool {
        matches!(self.0.as_u128(), 0 | 1) || self.to_string().starts_with('-')
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 16 bytes of base64url.
#[derive(Debug, thiserror::Error)]
#[error("not a topic id (22 characters of base64url): {0:?}")]
pub struct BadTopicId(pub String);

impl FromStr for TopicId {
    type Err = BadTopicId;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(s.trim_end_matches('=')).map_err(|_| BadTopicId(s.into()))?;
        let bytes: [u8; 16] = bytes.try_into().map_err(|_| BadTopicId(s.into()))?;
        Ok(Self::from_bytes(bytes))
    }
}

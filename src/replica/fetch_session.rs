//! One incremental fetch session (KIP-227) as a plain state machine: which partitions a fetcher follows, what it was told last, and
//! what of an answer it need not be told again.
//!
//! Used under the lock of [`super::fetch_sessions`]. Kafka's class: `FetchSession` and `FetchContext`.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::base::env::Seed;
use crate::base::{ErrorCode, TopicId};

/// The epoch of a request that wants a full answer without a session.
pub const FINAL_EPOCH: i32 = -1;
/// The epoch of a request that opens a session.
pub const INITIAL_EPOCH: i32 = 0;
/// No session.
pub const NO_SESSION: i32 = 0;

/// A partition in a session: by id when the request named topics by id, else by name. With an id the name is no part of its identity:
/// it may become known only after the partition has joined the session (`CachedPartition.equals`).
#[derive(Clone, Debug)]
pub struct SessionKey {
    /// Zero when named.
    pub topic_id: TopicId,
    /// The name as known when the partition was added; empty while the id is unknown here.
    pub topic: Arc<str>,
    /// Partition index.
    pub partition: i32,
}

impl SessionKey {
    fn identity(&self) -> (TopicId, &str, i32) {
        (self.topic_id, if self.topic_id.is_zero() { &self.topic } else { "" }, self.partition)
    }
}

impl PartialEq for SessionKey {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for SessionKey {}

impl Hash for SessionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// What a fetcher asks of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The next offset it lacks.
    pub fetch_offset: i64,
    /// Its own log start; -1 for a consumer.
    pub log_start_offset: i64,
    /// At most so many bytes of records.
    pub max_bytes: i32,
    /// The leader epoch it knows, -1 for none.
    pub current_leader_epoch: i32,
    /// The epoch of its last record, -1 for none.
    pub last_fetched_epoch: i32,
}

/// What the fetcher is about to be told of one partition, as far as a session remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Kafka's code.
    pub error: ErrorCode,
    /// High watermark.
    pub high_watermark: i64,
    /// Log start offset.
    pub log_start_offset: i64,
    /// True when records, a diverging epoch or a preferred replica are in the answer.
    pub has_content: bool,
    /// True when records are in the answer.
    pub has_records: bool,
}

/// Unknown to the fetcher: told at the next chance.
const NEVER_TOLD: i64 = -1;

#[derive(Clone, Debug)]
struct Cached {
    order: u64,
    wanted: Wanted,
    told_high_watermark: i64,
    told_log_start: i64,
}

/// The partitions of one session, in the order in which they are served.
#[derive(Debug)]
pub struct FetchSession {
    by_key: HashMap<SessionKey, Cached, Seed>,
    by_order: BTreeMap<u64, SessionKey>,
    next_order: u64,
    /// The epoch that the next incremental request must carry.
    pub next_epoch: i32,
    /// True when the session's requests name topics by id (Fetch 13 and later).
    pub uses_topic_ids: bool,
}

impl FetchSession {
    /// An empty session whose first incremental request has epoch 1.
    pub fn new(uses_topic_ids: bool, seed: Seed) -> Self {
        Self { by_key: seed.map(), by_order: BTreeMap::new(), next_order: 0, next_epoch: 1, uses_topic_ids }
    }

    /// Partitions followed.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// True when nothing is followed: such a session is closed.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Adds a partition, or changes what is asked of it.
    pub fn want(&mut self, key: SessionKey, wanted: Wanted) {
        if let Some(cached) = self.by_key.get_mut(&key) {
            cached.wanted = wanted;
            return;
        }
        let order = self.take_order();
        self.by_order.insert(order, key.clone());
        self.by_key.insert(key, Cached { order, wanted, told_high_watermark: NEVER_TOLD, told_log_start: NEVER_TOLD });
    }

    /// Stops following a partition.
    pub fn forget(&mut self, key: &SessionKey) {
        if let Some(cached) = self.by_key.remove(key) {
            self.by_order.remove(&cached.order);
        }
    }

    /// Moves to the next epoch; wraps to 1, since 0 opens sessions.
    pub fn advance(&mut self) {
        self.next_epoch = if self.next_epoch == i32::MAX { 1 } else { self.next_epoch + 1 };
    }

    /// All partitions in serving order.
    pub fn partitions(&self) -> impl Iterator<Item = (&SessionKey, &Wanted)> {
        self.by_order.values().filter_map(|key| Some((key, &self.by_key.get(key)?.wanted)))
    }

    /// Takes note of an answer; true when the fetcher must be told (`CachedPartition.maybeUpdateResponseData`). A partition that
    /// returned records goes to the end of the order, so that a busy one can't starve the rest.
    pub fn tell(&mut self, key: &SessionKey, told: Told) -> bool {
        let next = self.next_order;
        let Some(cached) = self.by_key.get_mut(key) else { return true };
        let mut must_tell = told.has_content;
        if cached.told_high_watermark != told.high_watermark {
            cached.told_high_watermark = told.high_watermark;
            must_tell = true;
        }
        if cached.told_log_start != told.log_start_offset {
            cached.told_log_start = told.log_start_offset;
            must_tell = true;
        }
        if !told.error.is_none() {
            cached.told_high_watermark = NEVER_TOLD; // so that the recovery is told as well
            must_tell = true;
        }
        if told.has_records {
            let old = std::mem::replace(&mut cached.order, next);
            self.by_order.remove(&old);
            self.by_order.insert(next, key.clone());
            self.next_order += 1;
        }
        must_tell
    }

    fn take_order(&mut self) -> u64 {
        let order = self.next_order;
        self.next_order += 1;
        order
    }
}

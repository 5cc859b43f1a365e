//! The follower's side of an incremental fetch session (KIP-227): what the leader knows of what is wanted, and what to tell it. Pure.
//!
//! Kafka's class: `FetchSessionHandler`. After anything unclear (an error, a lost connection) the next request opens a new session and
//! names the old one, which the leader then closes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::{ErrorCode, TopicId, TopicPartition};
use crate::replica::fetch_session::{INITIAL_EPOCH, NO_SESSION, Wanted};
use crate::wire::{FetchRequestForgottenTopic, FetchRequestPartition, FetchRequestTopic};

/// A partition that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Zero when unknown.
    pub topic_id: TopicId,
    /// Offsets, epochs, bytes.
    pub wanted: Wanted,
}

/// The parts of a request that the session decides.
#[derive(Debug, Default, PartialEq)]
pub struct Built {
    /// 0 without a session.
    pub session_id: i32,
    /// 0 for a full request.
    pub epoch: i32,
    /// Whether topics are named by id.
    pub uses_topic_ids: bool,
    /// All that is wanted in a full request, else what changed.
    pub topics: Vec<FetchRequestTopic>,
    /// What the leader is to drop.
    pub forgotten: Vec<FetchRequestForgottenTopic>,
}

/// One session with one leader.
#[derive(Debug)]
pub struct ClientSession {
    may_use_topic_ids: bool,
    id: i32,
    epoch: i32,
    used_topic_ids: bool,
    wanted: BTreeMap<TopicPartition, Ask>,
    /// In `wanted` or no longer, and not told yet.
    changed: BTreeSet<TopicPartition>,
    /// What the leader's session holds, with the id it was named by.
    told: BTreeMap<TopicPartition, TopicId>,
    names: BTreeMap<TopicId, Arc<str>>,
    without_id: usize,
}

impl ClientSession {
    /// No session yet. `may_use_topic_ids`: the request version has them (13 and later).
    pub fn new(may_use_topic_ids: bool) -> Self {
        Self {
            may_use_topic_ids,
            id: NO_SESSION,
            epoch: INITIAL_EPOCH,
            used_topic_ids: false,
            wanted: BTreeMap::new(),
            changed: BTreeSet::new(),
            told: BTreeMap::new(),
            names: BTreeMap::new(),
            without_id: 0,
        }
    }

    /// True when there is nothing to fetch.
    pub fn is_idle(&self) -> bool {
        self.wanted.is_empty()
    }

    /// What is wanted of a partition, as the last request said.
    pub fn asked(&self, id: &TopicPartition) -> Option<&Ask> {
        self.wanted.get(id)
    }

    /// The topic that an answer names by id.
    pub fn name_of(&self, id: TopicId) -> Option<&Arc<str>> {
        self.names.get(&id)
    }

    /// Wants a partition, or something else of it than before.
    pub fn want(&mut self, id: &TopicPartition, ask: Ask) {
        let before = self.wanted.insert(id.clone(), ask);
        if before == Some(ask) {
            return;
        }
        self.without_id += usize::from(ask.topic_id.is_zero());
        self.without_id -= usize::from(before.is_some_and(|before| before.topic_id.is_zero()));
        if !ask.topic_id.is_zero() {
            self.names.insert(ask.topic_id, id.topic.clone());
        }
        self.changed.insert(id.clone());
    }

    /// Wants a partition no more.
    pub fn unwant(&mut self, id: &TopicPartition) {
        let Some(before) = self.wanted.remove(id) else { return };
        self.without_id -= usize::from(before.topic_id.is_zero());
        let first = TopicPartition::new(id.topic.clone(), i32::MIN);
        if self.wanted.range(first..).next().is_none_or(|(next, _)| next.topic != id.topic) {
            self.names.remove(&before.topic_id);
        }
        self.changed.insert(id.clone());
    }

    /// The next request. Answer it with [`ClientSession::answered`] or [`ClientSession::failed`].
    pub fn build(&mut self) -> Built {
        let uses_topic_ids = self.may_use_topic_ids && self.without_id == 0;
        if uses_topic_ids != self.used_topic_ids {
            self.epoch = INITIAL_EPOCH; // a session names topics in one way
            self.used_topic_ids = uses_topic_ids;
        }
        let changed = std::mem::take(&mut self.changed);
        let mut built = Built { session_id: self.id, epoch: self.epoch, uses_topic_ids, ..Built::default() };
        let mut topics = Topics::default();
        if self.epoch == INITIAL_EPOCH {
            self.told.clear();
            for (id, ask) in &self.wanted {
                topics.add(id, ask, uses_topic_ids);
                self.told.insert(id.clone(), ask.topic_id);
            }
        } else {
            for id in &changed {
                let ask = self.wanted.get(id);
                if let Some(old) = self.told.get(id).copied()
                    && ask.is_none_or(|ask| ask.topic_id != old)
                {
                    self.told.remove(id);
                    forget(&mut built.forgotten, id, old, uses_topic_ids);
                }
                if let Some(ask) = ask {
                    topics.add(id, ask, uses_topic_ids);
                    self.told.insert(id.clone(), ask.topic_id);
                }
            }
        }
        built.topics = topics.0;
        built
    }

    /// Takes note of an answer's top-level fields; false when it holds no data.
    pub fn answered(&mut self, error: ErrorCode, session_id: i32) -> bool {
        match error {
            ErrorCode::None => {
                let was_full = self.epoch == INITIAL_EPOCH;
                self.id = session_id;
                self.epoch = match self.epoch {
                    _ if session_id == NO_SESSION => INITIAL_EPOCH, // none was to be had, or it was closed
                    _ if was_full => 1,
                    i32::MAX => 1,
                    epoch => epoch + 1,
                };
                true
            }
            ErrorCode::FetchSessionIdNotFound => {
                self.id = NO_SESSION;
                self.epoch = INITIAL_EPOCH;
                false
            }
            _ => {
                self.epoch = INITIAL_EPOCH;
                false
            }
        }
    }

    /// No answer came: whether the leader has taken the request is unknown.
    pub fn failed(&mut self) {
        self.epoch = INITIAL_EPOCH;
    }
}

/// Topics of a request: partitions come sorted, so a topic's stand together.
#[derive(Default)]
struct Topics(Vec<FetchRequestTopic>);

impl Topics {
    fn add(&mut self, id: &TopicPartition, ask: &Ask, by_id: bool) {
        let partition = FetchRequestPartition {
            partition: id.partition,
            current_leader_epoch: ask.wanted.current_leader_epoch,
            fetch_offset: ask.wanted.fetch_offset,
            last_fetched_epoch: ask.wanted.last_fetched_epoch,
            log_start_offset: ask.wanted.log_start_offset,
            partition_max_bytes: ask.wanted.max_bytes,
            ..Default::default()
        };
        match self.0.last_mut() {
            Some(last) if (by_id && last.topic_id == ask.topic_id) || (!by_id && *last.topic == *id.topic) => {
                last.partitions.push(partition);
            }
            _ => self.0.push(FetchRequestTopic {
                topic: (&id.topic).into(),
                topic_id: if by_id { ask.topic_id } else { TopicId::ZERO },
                partitions: vec![partition],
            }),
        }
    }
}

fn forget(forgotten: &mut Vec<FetchRequestForgottenTopic>, id: &TopicPartition, topic_id: TopicId, by_id: bool) {
    match forgotten.last_mut() {
        Some(last) if (by_id && last.topic_id == topic_id) || (!by_id && *last.topic == *id.topic) => {
            last.partitions.push(id.partition);
        }
        _ => forgotten.push(FetchRequestForgottenTopic {
            topic: (&id.topic).into(),
            topic_id: if by_id { topic_id } else { TopicId::ZERO },
            partitions: vec![id.partition],
        }),
    }
}

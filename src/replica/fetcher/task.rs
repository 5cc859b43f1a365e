//! One fetcher: asks one leader for its share of partitions, over and over, one request at a time.
//!
//! Owned by itself; told what to copy through its inbox. A pause after an error grows from [`FIRST_BACKOFF`] to
//! `replica.fetch.backoff.ms`, so that a follower that was told of a leadership before the leader was does not lose a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::apply::{Followed, Trouble};
use super::session::ClientSession;
use super::{Command, Inbox, Interrupt, Key, Shared};
use crate::base::{ErrorCode, TopicPartition, timestamp};
use crate::client::{BrokerClient, ClientError, ClientOptions};
use crate::log::EpochEnd;
use crate::wire::{
    FetchRequest, FetchRequestReplicaState, FetchResponse, FetchResponsePartition, ListOffsetsRequest,
    ListOffsetsRequestPartition, ListOffsetsRequestTopic, Records,
};

/// The first pause after an error; doubled with each further one. A leader is usually told within milliseconds of its followers.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);

/// A fetcher with at most so many partitions gives the fetch under way up for a new one. That fetch may wait at its leader for half a
/// second, and the first acks=all record of a new topic with it; but the next has to name all partitions again, which with many of them
/// costs more than it is worth.
const INTERRUPTIBLE_PARTITIONS: usize = 500;

/// How long a throttled partition stands back before it is looked at again.
const THROTTLED_PAUSE: Duration = Duration::from_millis(200);

/// The version to use while a topic id is unknown.
const LAST_NAMED_VERSION: i16 = 12;
/// The follower is named in a struct of its own from here on.
const FIRST_REPLICA_STATE_VERSION: i16 = 15;

pub(super) struct Task {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    key: Key,
    client: Option<BrokerClient>,
    session: ClientSession,
    partitions: BTreeMap<TopicPartition, Entry>,
    /// Those that wait out an error.
    delayed: BTreeMap<TopicPartition, Instant>,
    /// The pause after the next failed connection.
    backoff: Duration,
}

struct Entry {
    followed: Followed,
    backoff: Duration,
    /// It had all that was committed at its last fetch: such a replica is not throttled.
    has_committed: bool,
}

impl Task {
    pub fn new(shared: Arc<Shared>, inbox: Arc<Inbox>, key: Key) -> Self {
        let session = ClientSession::new(shared.settings.fetch_version > LAST_NAMED_VERSION);
        Self {
            shared,
            inbox,
            key,
            client: None,
            session,
            partitions: BTreeMap::new(),
            delayed: BTreeMap::new(),
            backoff: FIRST_BACKOFF,
        }
    }

    /// Runs until the inbox is closed.
    pub async fn run(mut self) {
        let inbox = self.inbox.clone();
        tracing::debug!(leader = self.key.0, number = self.key.1, "fetcher started");
        while let Some(commands) = inbox.take() {
            self.obey(commands).await;
            self.wake_delayed();
            self.hold_throttled();
            if self.session.is_idle() {
                let until = self.delayed.values().min().copied();
                tokio::select! {
                    biased;
                    () = inbox.told() => {}
                    () = at(until) => {}
                }
                continue;
            }
            let may_interrupt = self.partitions.len() <= INTERRUPTIBLE_PARTITIONS;
            let answer = tokio::select! {
                biased;
                interrupt = inbox.interrupted(may_interrupt) => match interrupt {
                    Interrupt::Closed => break,
                    Interrupt::Newcomers => {
                        self.session.failed(); // nor is there a connection any more
                        continue;
                    }
                },
                answer = self.fetch() => answer,
            };
            match answer {
                Ok(answer) => {
                    self.backoff = FIRST_BACKOFF;
                    self.take(answer).await;
                }
                Err(error) => {
                    tracing::info!(leader = self.key.0, number = self.key.1, %error, "no answer to a fetch");
                    self.session.failed();
                    let pause = self.backoff;
                    self.backoff = (pause * 2).min(self.shared.settings.backoff).max(FIRST_BACKOFF);
                    tokio::select! {
                        biased;
                        () = inbox.told() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
        tracing::debug!(leader = self.key.0, number = self.key.1, "fetcher ended");
    }

    async fn obey(&mut self, commands: BTreeMap<TopicPartition, Command>) {
        for (id, command) in commands {
            self.delayed.remove(&id);
            match command {
                Command::Follow { partition, leader_epoch } => {
                    let followed = Followed { partition, leader_epoch };
                    let prepared = followed.prepare().await;
                    self.partitions
                        .insert(id.clone(), Entry { followed, backoff: FIRST_BACKOFF, has_committed: false });
                    self.go_on(&id, prepared);
                }
                Command::Stop => {
                    self.partitions.remove(&id);
                    self.session.unwant(&id);
                }
            }
        }
    }

    /// After something was done for a partition: asks for the next, or waits, or gives up.
    fn go_on(&mut self, id: &TopicPartition, done: Result<(), Trouble>) {
        let Some(entry) = self.partitions.get_mut(id) else { return };
        match done {
            Ok(()) => {
                entry.backoff = FIRST_BACKOFF;
                self.session.want(id, entry.followed.ask(self.shared.settings.partition_max_bytes));
            }
            Err(Trouble::Delay) => {
                self.delayed.insert(id.clone(), self.shared.env.clock.now() + entry.backoff);
                entry.backoff = (entry.backoff * 2).min(self.shared.settings.backoff).max(FIRST_BACKOFF);
                self.session.unwant(id);
            }
            Err(Trouble::Fail) => {
                self.partitions.remove(id);
                self.session.unwant(id);
            }
        }
    }

    fn wake_delayed(&mut self) {
        if self.delayed.is_empty() {
            return;
        }
        let now = self.shared.env.clock.now();
        let due: Vec<_> = self.delayed.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone()).collect();
        for id in due {
            self.delayed.remove(&id);
            if let Some(entry) = self.partitions.get(&id) {
                self.session.want(&id, entry.followed.ask(self.shared.settings.partition_max_bytes));
            }
        }
    }

    /// Leaves throttled partitions out of the next request while they have copied more than they may (KIP-73).
    fn hold_throttled(&mut self) {
        let shared = &self.shared;
        let now = shared.env.clock.now();
        if !shared.throttle.is_exceeded(now) {
            return;
        }
        let me = shared.cluster.broker_id;
        for (id, entry) in &self.partitions {
            if !entry.has_committed && !self.delayed.contains_key(id) && entry.followed.is_throttled(me) {
                self.session.unwant(id);
                self.delayed.insert(id.clone(), now + THROTTLED_PAUSE);
            }
        }
    }

    /// One request and its answer. May be dropped: then there is no connection and no session any more.
    async fn fetch(&mut self) -> Result<FetchResponse, ClientError> {
        let shared = self.shared.clone();
        let settings = &shared.settings;
        let built = self.session.build();
        let version =
            if built.uses_topic_ids { settings.fetch_version } else { settings.fetch_version.min(LAST_NAMED_VERSION) };
        let me = shared.cluster.broker_id;
        let mut request = FetchRequest {
            // A partition that waits out an error should not wait for a long poll of the others too.
            max_wait_ms: self.max_wait_ms(),
            min_bytes: settings.min_bytes,
            max_bytes: settings.max_bytes,
            session_id: built.session_id,
            session_epoch: built.epoch,
            topics: built.topics,
            forgotten_topics_data: built.forgotten,
            ..Default::default()
        };
        if version >= FIRST_REPLICA_STATE_VERSION {
            let replica_epoch = shared.cluster.epochs.broker();
            request.replica_state = FetchRequestReplicaState { replica_id: me, replica_epoch };
        } else {
            request.replica_id = me;
        }
        self.client()?.send(&request, version).await
    }

    fn max_wait_ms(&self) -> i32 {
        let most = self.shared.settings.max_wait_ms;
        let Some(due) = self.delayed.values().min() else { return most };
        let left = due.saturating_duration_since(self.shared.env.clock.now());
        i32::try_from(left.as_millis()).unwrap_or(most).clamp(0, most)
    }

    /// The connection, at the address that the leader has now.
    fn client(&mut self) -> Result<&mut BrokerClient, ClientError> {
        let is_connected = self.client.as_ref().is_some_and(BrokerClient::is_connected);
        if !is_connected && let Some(target) = self.shared.address(self.key.0) {
            match &mut self.client {
                Some(client) => client.retarget(target),
                none => {
                    let id = format!("broker-{}-fetcher-{}", self.shared.cluster.broker_id, self.key.1);
                    let mut options = ClientOptions::new(id);
                    options.connect_timeout = self.shared.settings.connect_timeout;
                    options.request_timeout = self.shared.settings.socket_timeout;
                    *none = Some(BrokerClient::new(self.shared.env.clone(), target, options));
                }
            }
        }
        self.client.as_mut().ok_or_else(|| ClientError::Connect {
            target: crate::client::Target::new(format!("broker {}", self.key.0), 0),
            source: std::io::Error::new(std::io::ErrorKind::NotFound, "its address is not known yet"),
        })
    }

    async fn take(&mut self, answer: FetchResponse) {
        let error = ErrorCode::from_code(answer.error_code);
        if !self.session.answered(error, answer.session_id) {
            tracing::info!(leader = self.key.0, code = %error, "fetch session ended; opening another");
            if error != ErrorCode::FetchSessionIdNotFound {
                tokio::time::sleep(FIRST_BACKOFF).await;
            }
            return;
        }
        for topic in answer.responses {
            let by_id = !topic.topic_id.is_zero();
            let name = if by_id { self.session.name_of(topic.topic_id).cloned() } else { Some((&topic.topic).into()) };
            let Some(name) = name else { continue };
            for partition in topic.partitions {
                let id = TopicPartition::new(name.clone(), partition.partition_index);
                let done = self.take_one(&id, partition).await;
                self.go_on(&id, done);
            }
        }
    }

    async fn take_one(&mut self, id: &TopicPartition, answer: FetchResponsePartition) -> Result<(), Trouble> {
        let Some(entry) = self.partitions.get(id) else { return Ok(()) };
        let followed = &entry.followed;
        if self.session.asked(id).is_none_or(|ask| ask.wanted.fetch_offset != followed.partition.log().leo()) {
            return Ok(()); // the log has moved meanwhile: ask again from where it is
        }
        match ErrorCode::from_code(answer.error_code) {
            ErrorCode::None if answer.diverging_epoch.epoch >= 0 => {
                let leader =
                    EpochEnd { epoch: answer.diverging_epoch.epoch, end_offset: answer.diverging_epoch.end_offset };
                followed.truncate(leader).await
            }
            ErrorCode::None => {
                let records = match answer.records {
                    Records::Bytes(records) => records,
                    Records::Null | Records::Hole(_) => bytes::Bytes::new(),
                };
                let bytes = records.len();
                self.shared.env.metrics.replication_bytes_in.add(bytes as u64);
                let appended = followed.append(records, answer.high_watermark, answer.log_start_offset).await;
                // Also what a replica in sync copies counts, so that the sum stays below the limit.
                if !self.shared.throttle.is_off() && followed.is_throttled(self.shared.cluster.broker_id) {
                    self.shared.throttle.record(self.shared.env.clock.now(), bytes);
                }
                if let Some(entry) = self.partitions.get_mut(id) {
                    entry.has_committed = answer.high_watermark <= entry.followed.partition.log().leo();
                }
                appended
            }
            ErrorCode::OffsetOutOfRange => {
                let end = self.leader_offset(id, timestamp::LATEST).await?;
                let start = self.leader_offset(id, timestamp::EARLIEST).await?;
                match self.partitions.get(id) {
                    Some(entry) => entry.followed.restart(start, end).await,
                    None => Ok(()),
                }
            }
            code => Err(followed.refused_by_leader(code)),
        }
    }

    /// Asks the leader where its log ends or starts.
    async fn leader_offset(&mut self, id: &TopicPartition, timestamp: i64) -> Result<i64, Trouble> {
        let Some(entry) = self.partitions.get(id) else { return Err(Trouble::Delay) };
        let partition = ListOffsetsRequestPartition {
            partition_index: id.partition,
            current_leader_epoch: entry.followed.leader_epoch,
            timestamp,
            ..Default::default()
        };
        let request = ListOffsetsRequest {
            replica_id: self.shared.cluster.broker_id,
            topics: vec![ListOffsetsRequestTopic { name: (&id.topic).into(), partitions: vec![partition] }],
            ..Default::default()
        };
        let version = self.shared.settings.list_offsets_version;
        let answer = match self.client() {
            Ok(client) => client.send(&request, version).await,
            Err(error) => Err(error),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::info!(partition = %id, %error, "the leader did not say where its log starts and ends");
                self.session.failed();
                return Err(Trouble::Delay);
            }
        };
        let found = answer.topics.iter().flat_map(|t| &t.partitions).find(|p| p.partition_index == id.partition);
        match found {
            Some(found) if found.error_code == ErrorCode::None.code() => Ok(found.offset),
            Some(found) => match self.partitions.get(id) {
                Some(entry) => Err(entry.followed.refused_by_leader(ErrorCode::from_code(found.error_code))),
                None => Err(Trouble::Delay),
            },
            None => Err(Trouble::Delay),
        }
    }
}

/// A point in time, or never.
async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

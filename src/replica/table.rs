//! The table of hosted partitions, and what operations over it need.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;

use super::fetch_sessions::FetchSessions;
use super::fetcher::Fetchers;
use super::heard::Heard;
use super::isr_changes::{DEFAULT_MAX_LAG, IsrChanges};
use super::moves::Moves;
use super::partition::Partition;
use super::selector::Selector;
use crate::base::env::Seed;
use crate::base::{Env, ErrorCode, TopicId, TopicPartition};
use crate::cluster::Cluster;
use crate::log::LogManager;
use crate::quota::Throttle;

/// What the broker knows of a partition that it was told to host.
#[derive(Clone, Debug)]
pub enum Hosted {
    /// In service.
    Online(Arc<Partition>),
    /// Its directory failed, or it could not be opened.
    Offline,
}

/// All replicas of this broker.
#[derive(Debug)]
pub struct Replicas {
    /// Clock, randomness, tasks.
    pub env: Env,
    /// Who is alive, and who this broker is.
    pub cluster: Arc<Cluster>,
    /// The logs.
    pub logs: Arc<LogManager>,
    /// Incremental fetch sessions.
    pub sessions: FetchSessions,
    /// Changes of in-sync replicas on their way to the controller.
    pub isr_changes: Arc<IsrChanges>,
    /// Followers whose fetch is received and not yet looked at.
    pub heard: Heard,
    /// `leader.replication.throttled.rate`, and what throttled followers were sent. The followers' own throttle is the fetchers'.
    pub throttle: Throttle,
    /// Replicas on their way to another directory.
    pub moves: Moves,
    /// Who consumers read from.
    pub selector: Selector,
    fetchers: OnceLock<Fetchers>,
    max_lag_ms: AtomicU64,
    table: RwLock<HashMap<TopicPartition, Hosted, Seed>>,
    /// Directories that AlterReplicaLogDirs named for partitions not here yet.
    pub(super) preferred_dirs: RwLock<BTreeMap<TopicPartition, PathBuf>>,
}

impl Replicas {
    /// An empty table over the loaded logs: the controller says which of them are hosted.
    pub fn new(env: Env, cluster: Arc<Cluster>, logs: Arc<LogManager>, session_slots: usize) -> Self {
        let table = RwLock::new(env.rng.seed().map());
        let sessions = FetchSessions::new(session_slots, env.rng.clone());
        Self {
            env,
            cluster,
            logs,
            sessions,
            isr_changes: Arc::default(),
            heard: Heard::default(),
            throttle: Throttle::default(),
            moves: Moves::default(),
            selector: Selector::default(),
            fetchers: OnceLock::new(),
            max_lag_ms: AtomicU64::new(DEFAULT_MAX_LAG.as_millis() as u64),
            table,
            preferred_dirs: RwLock::default(),
        }
    }

    /// Copies from now on what this broker follows. Once, before the first LeaderAndIsr.
    pub fn start_fetching(&self, fetchers: Fetchers) {
        if self.fetchers.set(fetchers).is_err() {
            tracing::error!("the fetchers were started twice");
        }
    }

    /// Who copies; none in a broker (or a test) without followers.
    pub fn fetchers(&self) -> Option<&Fetchers> {
        self.fetchers.get()
    }

    /// `replica.lag.time.max.ms`: how long a replica may be behind and still count as in sync.
    pub fn max_lag(&self) -> Duration {
        Duration::from_millis(self.max_lag_ms.load(Ordering::Relaxed))
    }

    /// Sets what [`Replicas::max_lag`] says.
    pub fn set_max_lag(&self, max_lag: Duration) {
        self.max_lag_ms.store(u64::try_from(max_lag.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// A hosted partition in service.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR when its directory failed; NOT_LEADER_OR_FOLLOWER when the cluster has the partition but not here;
    /// UNKNOWN_TOPIC_OR_PARTITION otherwise (`ReplicaManager.getPartitionOrError`).
    pub fn get(&self, id: &TopicPartition) -> Result<Arc<Partition>, ErrorCode> {
        match self.table.read().get(id) {
            Some(Hosted::Online(partition)) => Ok(partition.clone()),
            Some(Hosted::Offline) => Err(ErrorCode::KafkaStorageError),
            None if self.cluster.metadata.load().partition(&id.topic, id.partition).is_some() => {
                Err(ErrorCode::NotLeaderOrFollower)
            }
            None => Err(ErrorCode::UnknownTopicOrPartition),
        }
    }

    /// A hosted partition, with the topic id that the request named it by checked against the log's.
    ///
    /// # Errors
    /// As [`Replicas::get`]; INCONSISTENT_TOPIC_ID when the log is another incarnation of the topic.
    pub fn get_with_id(&self, id: &TopicPartition, topic_id: TopicId) -> Result<Arc<Partition>, ErrorCode> {
        let partition = self.get(id)?;
        match partition.log().topic_id() {
            Some(own) if !topic_id.is_zero() && own != topic_id => Err(ErrorCode::InconsistentTopicId),
            _ => Ok(partition),
        }
    }

    /// The entry of a partition, in service or not.
    pub fn hosted(&self, id: &TopicPartition) -> Option<Hosted> {
        self.table.read().get(id).cloned()
    }

    /// All partitions in service, by name.
    pub fn online(&self) -> Vec<Arc<Partition>> {
        let mut all: Vec<_> = self
            .table
            .read()
            .values()
            .filter_map(|hosted| match hosted {
                Hosted::Online(partition) => Some(partition.clone()),
                Hosted::Offline => None,
            })
            .collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// How many are out of service.
    pub(super) fn offline_count(&self) -> usize {
        self.table.read().values().filter(|hosted| matches!(hosted, Hosted::Offline)).count()
    }

    pub(super) fn insert(&self, id: TopicPartition, hosted: Hosted) {
        self.table.write().insert(id, hosted);
    }

    pub(super) fn remove(&self, id: &TopicPartition) -> Option<Hosted> {
        self.table.write().remove(id)
    }
}

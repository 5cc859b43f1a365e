//! Followers' copying: one task per (leader, fetcher number), each with one connection and one fetch session.
//!
//! | file | what |
//! |---|---|
//! | `mod` | [`Fetchers`]: which task copies which partition; called by the control applier alone |
//! | `settings` | what of the configuration a fetcher needs |
//! | `task` | the loop: take commands, ask, put the answer into effect |
//! | `apply` | one partition's answer: append, truncate, start elsewhere |
//! | `session` `truncation` | the client's side of a fetch session; where to cut (both pure) |
//!
//! A command replaces the one before it, so what waits for a task is bounded by the partitions there are. Nothing here needs to wait
//! until a task has let go of a partition: what it does to a log it does under the append mutex and only while the replica still
//! follows in the epoch that the task was told. Kafka's class: `ReplicaFetcherManager`.

mod apply;
pub mod session;
pub mod settings;
mod task;
pub mod truncation;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

pub(super) use apply::append_from_within;
pub use settings::FetcherSettings;

use super::partition::Partition;
use crate::base::env::Lane;
use crate::base::{BrokerId, Env, TopicPartition};
use crate::client::Target;
use crate::cluster::Cluster;
use crate::quota::Throttle;

/// Leader and fetcher number: a task.
type Key = (BrokerId, u32);

/// All fetchers of a broker.
#[derive(Debug)]
pub struct Fetchers {
    shared: Arc<Shared>,
    table: Mutex<Table>,
}

/// What all tasks see.
#[derive(Debug)]
struct Shared {
    env: Env,
    cluster: Arc<Cluster>,
    settings: FetcherSettings,
    /// `num.replica.fetchers`, which changes at run time.
    fetchers_per_leader: AtomicU32,
    /// `follower.replication.throttled.rate`, and what throttled replicas have copied.
    throttle: Throttle,
    /// Where leaders listen, as LeaderAndIsr said: UpdateMetadata comes after it.
    addresses: Mutex<BTreeMap<BrokerId, Target>>,
}

#[derive(Debug, Default)]
struct Table {
    tasks: BTreeMap<Key, Entry>,
    placed: BTreeMap<TopicPartition, Placed>,
}

/// What is copied, from whom, by which task.
#[derive(Debug)]
struct Placed {
    key: Key,
    partition: Arc<Partition>,
    leader_epoch: i32,
}

#[derive(Debug)]
struct Entry {
    inbox: Arc<Inbox>,
    partitions: usize,
}

/// What a task is told. The last word on a partition counts.
#[derive(Debug, Default)]
struct Inbox(Mutex<Told>, Notify);

#[derive(Debug, Default)]
struct Told {
    commands: BTreeMap<TopicPartition, Command>,
    closed: bool,
}

#[derive(Debug)]
enum Command {
    Follow { partition: Arc<Partition>, leader_epoch: i32 },
    Stop,
}

/// What ends a task's wait for an answer.
#[derive(Debug)]
enum Interrupt {
    Closed,
    Newcomers,
}

impl Fetchers {
    /// No tasks yet: they start with the first partition of their leader.
    pub fn new(env: Env, cluster: Arc<Cluster>, settings: FetcherSettings) -> Self {
        let fetchers_per_leader = AtomicU32::new(settings.fetchers_per_leader);
        let throttle = Throttle::default();
        let addresses = Mutex::default();
        let shared = Arc::new(Shared { env, cluster, settings, fetchers_per_leader, throttle, addresses });
        Self { shared, table: Mutex::default() }
    }

    /// The throttle of all followers on this broker.
    pub fn throttle(&self) -> &Throttle {
        &self.shared.throttle
    }

    /// Where a leader listens on the inter-broker listener, from a LeaderAndIsr.
    pub fn set_address(&self, leader: BrokerId, host: &str, port: u16) {
        self.shared.addresses.lock().insert(leader, Target::new(host, port));
    }

    /// Copies a partition from `leader` from now on, and from nobody else.
    pub fn follow(&self, partition: &Arc<Partition>, leader: BrokerId, leader_epoch: i32) {
        self.place(&mut self.table.lock(), partition, leader, leader_epoch);
    }

    fn place(&self, table: &mut Table, partition: &Arc<Partition>, leader: BrokerId, leader_epoch: i32) {
        let id = &partition.id;
        let key = (leader, fetcher_number(id, self.shared.fetchers_per_leader.load(Ordering::Relaxed)));
        if table.placed.get(id).is_some_and(|old| old.key != key) {
            table.stop(id);
        }
        let placed = Placed { key, partition: partition.clone(), leader_epoch };
        if table.placed.insert(id.clone(), placed).is_none() {
            table.tasks.entry(key).or_insert_with(|| self.start(key)).partitions += 1;
        }
        if let Some(entry) = table.tasks.get(&key) {
            entry.inbox.tell(id, Command::Follow { partition: partition.clone(), leader_epoch });
        }
    }

    /// Spreads what is copied over another number of fetchers towards each leader.
    pub fn resize(&self, fetchers_per_leader: u32) {
        let fetchers_per_leader = fetchers_per_leader.max(1);
        let mut table = self.table.lock();
        if self.shared.fetchers_per_leader.swap(fetchers_per_leader, Ordering::Relaxed) == fetchers_per_leader {
            return;
        }
        let all: Vec<_> = table.placed.values().map(|p| (p.partition.clone(), p.key.0, p.leader_epoch)).collect();
        for (partition, leader, leader_epoch) in all {
            self.place(&mut table, &partition, leader, leader_epoch);
        }
        drop(table);
        self.shut_idle();
    }

    /// Copies a partition no more.
    pub fn stop(&self, id: &TopicPartition) {
        self.table.lock().stop(id);
    }

    /// Ends the tasks that have nothing to copy. Called after each LeaderAndIsr.
    pub fn shut_idle(&self) {
        self.table.lock().tasks.retain(|_, entry| {
            if entry.partitions == 0 {
                entry.inbox.close();
            }
            entry.partitions > 0
        });
    }

    /// Ends all: the broker stops.
    pub fn stop_all(&self) {
        let mut table = self.table.lock();
        table.placed.clear();
        for entry in std::mem::take(&mut table.tasks).into_values() {
            entry.inbox.close();
        }
    }

    /// How many tasks run.
    pub fn tasks(&self) -> usize {
        self.table.lock().tasks.len()
    }

    fn start(&self, key: Key) -> Entry {
        let inbox = Arc::new(Inbox::default());
        let task = task::Task::new(self.shared.clone(), inbox.clone(), key);
        self.shared.env.tasks.spawn(Lane::Data, "replica fetcher", task.run());
        Entry { inbox, partitions: 0 }
    }
}

impl Table {
    fn stop(&mut self, id: &TopicPartition) {
        if let Some(placed) = self.placed.remove(id)
            && let Some(entry) = self.tasks.get_mut(&placed.key)
        {
            entry.partitions -= 1;
            entry.inbox.tell(id, Command::Stop);
        }
    }
}

impl Inbox {
    fn tell(&self, id: &TopicPartition, command: Command) {
        self.0.lock().commands.insert(id.clone(), command);
        self.1.notify_one();
    }

    fn close(&self) {
        self.0.lock().closed = true;
        self.1.notify_one();
    }

    /// All commands since the last time; none when the task is to end.
    fn take(&self) -> Option<BTreeMap<TopicPartition, Command>> {
        let mut told = self.0.lock();
        if told.closed { None } else { Some(std::mem::take(&mut told.commands)) }
    }

    /// Resolves after a command or the close; one is remembered.
    async fn told(&self) {
        self.1.notified().await;
    }

    /// Resolves when the task is to end, or, where that is asked for, to copy something that it may not copy yet.
    async fn interrupted(&self, by_newcomers: bool) -> Interrupt {
        loop {
            {
                let told = self.0.lock();
                if told.closed {
                    return Interrupt::Closed;
                }
                if by_newcomers && told.commands.values().any(|command| matches!(command, Command::Follow { .. })) {
                    return Interrupt::Newcomers;
                }
            }
            self.1.notified().await;
        }
    }
}

impl Shared {
    /// Where a leader listens, by what was heard last of it.
    fn address(&self, leader: BrokerId) -> Option<Target> {
        let image = self.cluster.metadata.load();
        let known = image.endpoint(leader, &self.settings.listener);
        let known = known.and_then(|e| Some(Target::new(e.host.clone(), u16::try_from(e.port).ok()?)));
        known.or_else(|| self.addresses.lock().get(&leader).cloned())
    }
}

/// Which of a leader's fetchers copies a partition (`AbstractFetcherManager.getFetcherId`).
pub fn fetcher_number(id: &TopicPartition, fetchers: u32) -> u32 {
    let topic = id.topic.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let hash = topic.wrapping_mul(31).wrapping_add(id.partition);
    // Java's absolute value of the smallest number is 0 here.
    hash.checked_abs().unwrap_or(0).unsigned_abs() % fetchers.max(1)
}

//! The ends of transactions on their way to the leaders of their partitions (`TransactionMarkerChannelManager`).
//!
//! One task a broker sends what has gathered for it, one WriteTxnMarkers at a time; this broker's own partitions are written without a
//! connection. What does not succeed is looked up and sent again, for as long as this broker coordinates the id: a marker that never
//! comes would hold up every reader of committed data. Beware: a job's shard may close at any time; who leads then sends it anew.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::coordinator::{Coordinator, Shard, Slot};
use super::transaction::Producer;
use crate::base::env::Lane;
use crate::base::{BrokerId, Env, ErrorCode, TopicPartition};
use crate::client::{BrokerClient, ClientError, ClientOptions, Target};
use crate::cluster::Cluster;
use crate::wire::{
    WriteTxnMarkersRequest, WriteTxnMarkersRequestMarker, WriteTxnMarkersRequestTopic, WriteTxnMarkersResponse,
};

/// Tells where a broker listens for brokers, by the metadata of this moment.
pub type Lookup = Arc<dyn Fn(BrokerId) -> Option<Target> + Send + Sync>;

/// Writes markers to partitions led from here, as the API does for other coordinators.
pub type LocalMarkers =
    Arc<dyn Fn(WriteTxnMarkersRequest) -> BoxFuture<'static, WriteTxnMarkersResponse> + Send + Sync>;

/// Asks ZooKeeper whether a topic was deleted, or is about to be; false where it can't be known.
pub type IsDeleted = Arc<dyn Fn(Arc<str>) -> BoxFuture<'static, bool> + Send + Sync>;

/// Before what did not succeed is tried again: a leader is elected, a follower comes back.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Transactions whose markers go in one request at most.
const MAX_JOBS: usize = 1000;

/// Markers of one transaction for one broker.
struct Job {
    shard: Arc<Shard>,
    slot: Arc<Slot>,
    producer: Producer,
    commit: bool,
    partitions: Vec<TopicPartition>,
}

/// Where markers queue.
pub(super) struct Markers {
    env: Env,
    cluster: Arc<Cluster>,
    lookup: Lookup,
    request_timeout: Duration,
    local: OnceLock<LocalMarkers>,
    is_deleted: OnceLock<IsDeleted>,
    /// Transactions with markers for partitions without a leader.
    pub(super) leaderless: AtomicUsize,
    // Unbounded, and yet bounded: each job belongs to an id here that takes no other transaction before it is done.
    queues: Mutex<BTreeMap<BrokerId, mpsc::UnboundedSender<Job>>>,
}

/// What is to become of a partition's marker after an answer.
enum Next {
    Done,
    Again,
    /// Another coordinator has taken over, or the producer has a newer epoch: this one has nothing to say any more.
    Fenced,
}

impl Next {
    /// Kafka's `TransactionMarkerRequestCompletionHandler`.
    fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::None => Next::Done,
            // Formats without transactions: nothing there waits for a marker.
            ErrorCode::UnsupportedForMessageFormat | ErrorCode::UnsupportedVersion => Next::Done,
            ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced => Next::Fenced,
            _ => Next::Again,
        }
    }
}

impl Markers {
    pub(super) fn new(env: Env, cluster: Arc<Cluster>, lookup: Lookup, request_timeout: Duration) -> Self {
        Self {
            env,
            cluster,
            lookup,
            request_timeout,
            local: OnceLock::new(),
            is_deleted: OnceLock::new(),
            leaderless: AtomicUsize::new(0),
            queues: Mutex::default(),
        }
    }

    /// Queues the markers of one transaction for the leaders of its partitions.
    pub(super) fn send(
        &self,
        coordinator: &Arc<Coordinator>,
        shard: &Arc<Shard>,
        slot: &Arc<Slot>,
        producer: Producer,
        commit: bool,
        partitions: Vec<TopicPartition>,
    ) {
        let image = self.cluster.metadata.load();
        let mut by_leader: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        let (mut unknown, mut leaderless) = (Vec::new(), Vec::new());
        for id in partitions {
            match image.partition(&id.topic, id.partition) {
                Some(info) if image.is_alive(info.leader) => by_leader.entry(info.leader).or_default().push(id),
                Some(_) => leaderless.push(id),
                None => unknown.push(id),
            }
        }
        let job = |partitions| Job { shard: shard.clone(), slot: slot.clone(), producer, commit, partitions };
        for (leader, partitions) in by_leader {
            self.queue(coordinator, leader, job(partitions));
        }
        if !leaderless.is_empty() {
            self.leaderless.fetch_add(1, Ordering::Relaxed);
            self.again(coordinator, job(leaderless), true);
        }
        if !unknown.is_empty() {
            self.leaderless.fetch_add(1, Ordering::Relaxed);
            self.look_for_deleted(coordinator, job(unknown));
        }
    }

    /// Partitions that the metadata does not have need no marker when they are deleted. But a broker that has just started hears of the
    /// partitions it leads before it hears of all others: taken for deleted, one would keep the transaction's records without a marker,
    /// and the next transaction's would count for them. Kafka asks nobody.
    fn look_for_deleted(&self, coordinator: &Arc<Coordinator>, mut job: Job) {
        let (coordinator, is_deleted) = (coordinator.clone(), self.is_deleted.get().cloned());
        self.env.tasks.spawn(Lane::Data, "markers of unknown partitions", async move {
            let mut deleted: BTreeMap<Arc<str>, bool> = BTreeMap::new();
            for id in &job.partitions {
                if let (Some(is_deleted), false) = (&is_deleted, deleted.contains_key(&id.topic)) {
                    deleted.insert(id.topic.clone(), is_deleted(id.topic.clone()).await);
                }
            }
            let is_gone = |id: &TopicPartition| deleted.get(&id.topic).copied().unwrap_or(false);
            let (gone, left): (Vec<_>, Vec<_>) = std::mem::take(&mut job.partitions).into_iter().partition(is_gone);
            if !gone.is_empty() && !job.shard.is_closed() {
                tracing::info!(partitions = ?gone, "partitions of a transaction are deleted: they need no marker");
                coordinator.markers_written(&job.shard, &job.slot, &gone);
            }
            if left.is_empty() {
                coordinator.markers.leaderless.fetch_sub(1, Ordering::Relaxed);
            } else {
                coordinator.markers.again(&coordinator, Job { partitions: left, ..job }, true);
            }
        });
    }

    fn queue(&self, coordinator: &Arc<Coordinator>, leader: BrokerId, job: Job) {
        let mut queues = self.queues.lock();
        let queue = queues.entry(leader).or_insert_with(|| {
            let (sender, queue) = mpsc::unbounded_channel();
            let sender_task = Sender { coordinator: coordinator.clone(), leader, client: None, failing: false };
            self.env.tasks.spawn(Lane::Data, "transaction markers", sender_task.run(queue));
            sender
        });
        let _ = queue.send(job); // an error: the runtime is going
    }

    /// Looks up the leaders once more, after a pause.
    fn again(&self, coordinator: &Arc<Coordinator>, job: Job, is_leaderless: bool) {
        let coordinator = coordinator.clone();
        self.env.tasks.spawn(Lane::Data, "markers again", async move {
            tokio::time::sleep(RETRY_PAUSE).await;
            if is_leaderless {
                coordinator.markers.leaderless.fetch_sub(1, Ordering::Relaxed);
            }
            let Job { shard, slot, producer, commit, partitions } = job;
            if !shard.is_closed() {
                coordinator.markers.send(&coordinator, &shard, &slot, producer, commit, partitions);
            }
        });
    }
}

/// Sends to one broker, for the life of the process.
struct Sender {
    coordinator: Arc<Coordinator>,
    leader: BrokerId,
    client: Option<BrokerClient>,
    /// The last request failed: told once, for it is tried again and again.
    failing: bool,
}

impl Sender {
    async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Job>) {
        let mut jobs = Vec::new();
        while queue.recv_many(&mut jobs, MAX_JOBS).await > 0 {
            jobs.retain(|job| !job.shard.is_closed());
            if jobs.is_empty() {
                continue;
            }
            let request = WriteTxnMarkersRequest { markers: jobs.iter().map(marker).collect() };
            match self.ask(request).await {
                Ok(answer) => {
                    self.failing = false;
                    self.settle(&mut jobs, &answer);
                }
                Err(why) => {
                    if !std::mem::replace(&mut self.failing, true) {
                        tracing::info!(broker = self.leader, %why, transactions = jobs.len(), "markers can't be sent; trying on");
                    }
                    jobs.drain(..).for_each(|job| self.coordinator.markers.again(&self.coordinator, job, false));
                }
            }
        }
    }

    async fn ask(&mut self, request: WriteTxnMarkersRequest) -> Result<WriteTxnMarkersResponse, String> {
        let markers = &self.coordinator.markers;
        if self.leader == markers.cluster.broker_id
            && let Some(local) = markers.local.get()
        {
            return Ok(local(request).await);
        }
        let target = (markers.lookup)(self.leader).ok_or("it is not alive")?;
        let client = self.client.get_or_insert_with(|| {
            let mut options = ClientOptions::new(markers.cluster.broker_id.to_string());
            options.request_timeout = markers.request_timeout;
            BrokerClient::new(markers.env.clone(), target.clone(), options)
        });
        client.retarget(target);
        client.send_negotiated(0..=1, |_| request).await.map_err(|error: ClientError| error.to_string())
    }

    fn settle(&self, jobs: &mut Vec<Job>, answer: &WriteTxnMarkersResponse) {
        // A producer has one transaction at a time: its id names the marker.
        let mut codes = BTreeMap::new();
        for marker in &answer.markers {
            for topic in &marker.topics {
                for partition in &topic.partitions {
                    let place = (marker.producer_id, &*topic.name, partition.partition_index);
                    codes.insert(place, ErrorCode::from_code(partition.error_code));
                }
            }
        }
        for job in jobs.drain(..) {
            let (mut done, mut again, mut fenced) = (Vec::new(), Vec::new(), false);
            for id in &job.partitions {
                let code = codes.get(&(job.producer.id, &*id.topic, id.partition)).copied();
                match code.map_or(Next::Again, Next::of) {
                    Next::Done => done.push(id.clone()),
                    Next::Again => {
                        tracing::debug!(partition = %id, ?code, "the marker is sent again");
                        again.push(id.clone());
                    }
                    Next::Fenced => {
                        tracing::info!(partition = %id, ?code, producer_id = job.producer.id, "fenced: no more markers are sent");
                        fenced = true;
                    }
                }
            }
            if fenced {
                continue;
            }
            self.coordinator.markers_written(&job.shard, &job.slot, &done);
            if !again.is_empty() {
                self.coordinator.markers.again(&self.coordinator, Job { partitions: again, ..job }, false);
            }
        }
    }
}

impl Coordinator {
    /// From now on markers for partitions led from here are written by this call. Once, before the first LeaderAndIsr.
    pub fn write_local_markers_by(&self, local: LocalMarkers) {
        if self.markers.local.set(local).is_err() {
            tracing::error!("the writer of local markers was set twice");
        }
    }

    /// From now on this call tells whether a topic that the metadata does not have was deleted; before, none was. Once, before the first
    /// LeaderAndIsr.
    pub fn ask_for_deleted_by(&self, is_deleted: IsDeleted) {
        if self.markers.is_deleted.set(is_deleted).is_err() {
            tracing::error!("who tells of deleted topics was set twice");
        }
    }
}

fn marker(job: &Job) -> WriteTxnMarkersRequestMarker {
    let mut topics: Vec<WriteTxnMarkersRequestTopic> = Vec::new();
    for id in &job.partitions {
        match topics.last_mut() {
            Some(topic) if *topic.name == *id.topic => topic.partition_indexes.push(id.partition),
            _ => topics
                .push(WriteTxnMarkersRequestTopic { name: (&id.topic).into(), partition_indexes: vec![id.partition] }),
        }
    }
    WriteTxnMarkersRequestMarker {
        producer_id: job.producer.id,
        producer_epoch: job.producer.epoch,
        transaction_result: job.commit,
        topics,
        coordinator_epoch: job.shard.epoch.load(Ordering::Relaxed),
    }
}

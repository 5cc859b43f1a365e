//! What the rest of the broker sees of the controller: calls that put an event in and wait for its answer.
//!
//! Used by api/ (the controller's APIs) and `broker/` (session, stop, dynamic configuration). Every call is answered, also when its
//! event is thrown away: then with what a broker answers that is not the controller. Dropping a call takes nothing back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::assignment::ReplicaAssignment;
use super::event::{Answer, Event, Events};
use crate::base::{BrokerId, ErrorCode, TopicId, TopicPartition};

/// How long a stop waits for an event that is being worked on. A call to a lost ZooKeeper would else hold the stop of the broker up
/// until the session's end.
const SHUTDOWN_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// A topic as a request names it: by name up to AlterPartition 1, by id from 2.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TopicRef {
    /// By name.
    Name(Arc<str>),
    /// By id.
    Id(TopicId),
}

/// A leader's proposal of a new ISR for one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlterPartition {
    /// Its topic.
    pub topic: TopicRef,
    /// Its index.
    pub partition: i32,
    /// The leader epoch that the leader knows.
    pub leader_epoch: i32,
    /// The proposed ISR.
    pub isr: Vec<BrokerId>,
    /// `leader_recovery_state` is RECOVERING.
    pub recovering: bool,
    /// The partition epoch that the leader knows.
    pub partition_epoch: i32,
}

/// The answer for one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlteredPartition {
    /// Its topic, as asked.
    pub topic: TopicRef,
    /// Its index.
    pub partition: i32,
    /// Its state now, or why it was not changed.
    pub result: Result<super::context::LeaderAndIsr, ErrorCode>,
}

/// A block of producer ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerIdBlock {
    /// The first id.
    pub first: i64,
    /// How many.
    pub count: i32,
}

/// ElectLeaders' `election_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElectionKind {
    /// 0: back to the preferred leader.
    Preferred,
    /// 1: any live replica of a partition without leader.
    Unclean,
}

/// How a finalized feature is to change (UpdateFeatures' `upgrade_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeatureChange {
    /// Not a type that is known.
    Unknown,
    /// 1: up.
    Upgrade,
    /// 2: down, without loss.
    SafeDowngrade,
    /// 3: down, whatever is lost.
    UnsafeDowngrade,
}

/// What UpdateFeatures asks of one feature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureUpdate {
    /// Its name.
    pub feature: String,
    /// The level to be finalized; below 1 with a downgrade: none.
    pub level: i16,
    /// Which way.
    pub change: FeatureChange,
}

/// An error with Kafka's words for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError {
    /// The code.
    pub code: ErrorCode,
    /// The message for the client, if there is one.
    pub message: Option<String>,
}

impl ApiError {
    /// A code with a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }
}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None }
    }
}

/// The controller in numbers, as of the last event. All but `controller_id` and the queue are 0 on a broker that is not the controller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControllerStatus {
    /// This broker is the controller.
    pub active: bool,
    /// The epoch of this term.
    pub epoch: i32,
    /// Who is the controller, -1 if unknown.
    pub controller_id: BrokerId,
    /// `ControllerState`: what the task is doing.
    pub state: u8,
    /// `GlobalTopicCount`.
    pub topics: usize,
    /// `GlobalPartitionCount`.
    pub partitions: usize,
    /// `OfflinePartitionsCount`.
    pub offline_partitions: usize,
    /// `PreferredReplicaImbalanceCount`.
    pub preferred_imbalance: usize,
    /// `TopicsToDeleteCount`.
    pub topics_to_delete: usize,
    /// The topics that are to be deleted: no partitions may be added to them (INVALID_TOPIC_EXCEPTION).
    pub deleting: Arc<BTreeSet<Arc<str>>>,
    /// `ReplicasToDeleteCount`.
    pub replicas_to_delete: usize,
    /// `TopicsIneligibleToDeleteCount`.
    pub topics_ineligible: usize,
    /// `ReplicasIneligibleToDeleteCount`.
    pub replicas_ineligible: usize,
    /// `ActiveBrokerCount`.
    pub active_brokers: usize,
    /// `UncleanLeaderElectionsPerSec`, as a count since the start.
    pub unclean_elections: u64,
    /// `EventQueueSize`.
    pub event_queue: usize,
}

impl Default for ControllerStatus {
    fn default() -> Self {
        Self {
            active: false,
            epoch: 0,
            controller_id: crate::base::ids::NO_BROKER,
            state: 0,
            topics: 0,
            partitions: 0,
            offline_partitions: 0,
            preferred_imbalance: 0,
            topics_to_delete: 0,
            deleting: Arc::default(),
            replicas_to_delete: 0,
            topics_ineligible: 0,
            replicas_ineligible: 0,
            active_brokers: 0,
            unclean_elections: 0,
            event_queue: 0,
        }
    }
}

/// The controller of this broker, active or not. Clones are the same controller.
#[derive(Clone, Debug)]
pub struct ControllerHandle {
    events: Events,
    status: Arc<ArcSwap<ControllerStatus>>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl ControllerHandle {
    pub(super) fn new(events: Events, status: Arc<ArcSwap<ControllerStatus>>, task: JoinHandle<()>) -> Self {
        Self { events, status, task: Arc::new(Mutex::new(Some(task))) }
    }

    async fn ask<T>(&self, gone: ErrorCode, event: impl FnOnce(Answer<T>) -> Event) -> Result<T, ErrorCode> {
        let (answer, waiting) = oneshot::channel();
        self.events.put(event(answer));
        waiting.await.unwrap_or(Err(gone))
    }

    /// ControlledShutdown (7): moves leaderships off a broker. Returns the partitions that it still leads, once ZooKeeper has the
    /// moves; the brokers hear of them after.
    ///
    /// # Errors
    /// STALE_CONTROLLER_EPOCH when this is not the controller; STALE_BROKER_EPOCH, BROKER_NOT_AVAILABLE, UNKNOWN_SERVER_ERROR.
    pub async fn controlled_shutdown(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> Result<Vec<TopicPartition>, ErrorCode> {
        self.ask(ErrorCode::StaleControllerEpoch, |a| Event::ControlledShutdown(broker, broker_epoch, a)).await
    }

    /// AlterPartition (56) in `version`: writes new ISRs. The answers are in the order of the request; the states in them are in
    /// ZooKeeper, and UpdateMetadata is queued.
    ///
    /// # Errors
    /// NOT_CONTROLLER, STALE_BROKER_EPOCH: for the whole request.
    pub async fn alter_partition(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
        version: i16,
        partitions: Vec<AlterPartition>,
    ) -> Result<Vec<AlteredPartition>, ErrorCode> {
        let event = |answer| Event::AlterPartition { broker, broker_epoch, version, partitions, answer };
        self.ask(ErrorCode::NotController, event).await
    }

    /// AllocateProducerIds (67): a block of ids that no other broker gets; it is in ZooKeeper.
    ///
    /// # Errors
    /// NOT_CONTROLLER, BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH, UNKNOWN_SERVER_ERROR.
    pub async fn allocate_producer_ids(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> Result<ProducerIdBlock, ErrorCode> {
        self.ask(ErrorCode::NotController, |a| Event::AllocateProducerIds(broker, broker_epoch, a)).await
    }

    /// ElectLeaders (43), of all partitions when none is named (then those that need no election are left out). A new leader is in
    /// ZooKeeper; it shows in a broker's metadata later.
    ///
    /// # Errors
    /// NOT_CONTROLLER.
    pub async fn elect_leaders(
        &self,
        partitions: Option<Vec<TopicPartition>>,
        kind: ElectionKind,
    ) -> Result<BTreeMap<TopicPartition, Result<BrokerId, ApiError>>, ErrorCode> {
        self.ask(ErrorCode::NotController, |a| Event::ElectLeaders(partitions, kind, a)).await
    }

    /// AlterPartitionReassignments (45): starts, replaces or (`None`) cancels moves. They are in ZooKeeper, not finished.
    ///
    /// # Errors
    /// NOT_CONTROLLER.
    pub async fn alter_reassignments(
        &self,
        targets: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
    ) -> Result<BTreeMap<TopicPartition, Result<(), ApiError>>, ErrorCode> {
        self.ask(ErrorCode::NotController, |a| Event::ApiReassignment(targets, a)).await
    }

    /// ListPartitionReassignments (46): the running moves, of all partitions or of some.
    ///
    /// # Errors
    /// NOT_CONTROLLER.
    pub async fn list_reassignments(
        &self,
        partitions: Option<Vec<TopicPartition>>,
    ) -> Result<BTreeMap<TopicPartition, ReplicaAssignment>, ErrorCode> {
        self.ask(ErrorCode::NotController, |a| Event::ListReassignments(partitions, a)).await
    }

    /// UpdateFeatures (57): a ZooKeeper-mode cluster has no features, so each is refused, in Kafka's order of checks.
    ///
    /// # Errors
    /// NOT_CONTROLLER.
    pub async fn update_features(&self, updates: Vec<FeatureUpdate>) -> Result<BTreeMap<String, ApiError>, ErrorCode> {
        self.ask(ErrorCode::NotController, |a| Event::UpdateFeatures(updates, a)).await
    }

    /// The broker's `unclean.leader.election.enable` has changed. Turned on, partitions without leader are tried at once.
    pub fn unclean_election_changed(&self, enabled: bool) {
        self.events.put(Event::UncleanElection(enabled));
    }

    /// The broker's `min.insync.replicas` has changed: the next takeover minds it.
    pub fn min_insync_replicas_changed(&self, count: i32) {
        self.events.put(Event::MinInsyncReplicas(count));
    }

    /// A topic's `unclean.leader.election.enable` was set to true.
    pub fn topic_unclean_enabled(&self, topic: &str) {
        self.events.put(Event::TopicUncleanElection(topic.into()));
    }

    /// The session has expired: throws away what is queued and resigns. Returns when that has begun; it needs no ZooKeeper.
    pub async fn expire(&self) {
        let (started, waiting) = oneshot::channel();
        if self.events.clear_and_put(Event::Expire(started)) {
            // An error says that the task has ended meanwhile: it leads nothing then either.
            let _ = waiting.await;
        }
    }

    /// The broker is registered in a new session: watches `/controller` in it, resigns if another leads now, elects.
    pub fn reelect(&self) {
        self.events.put(Event::NewSession);
    }

    /// This broker has found that the process of another has died. Should it become the controller, it will not wait for a connection to
    /// it first.
    pub fn suspect(&self, broker: BrokerId) {
        self.events.put(Event::Suspect(broker));
    }

    /// Resigns in memory (no znode is written) and ends the senders. Returns when the task has ended; one that hangs on a lost
    /// ZooKeeper is ended after five seconds.
    pub async fn shutdown(&self) {
        self.events.clear_and_put(Event::Shutdown);
        let Some(mut task) = self.task.lock().take() else { return };
        match tokio::time::timeout(SHUTDOWN_WAIT, &mut task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("controller task: {error}"),
            Err(_) => {
                tracing::warn!("the controller waits for ZooKeeper: ending it");
                task.abort();
                self.events.close();
                let before = ControllerStatus::clone(&self.status.load());
                self.status.store(Arc::new(ControllerStatus { active: false, epoch: 0, ..before }));
            }
        }
    }

    /// The controller in numbers.
    pub fn status(&self) -> ControllerStatus {
        let mut status = ControllerStatus::clone(&self.status.load());
        status.event_queue = self.events.len();
        status
    }

    /// True when this broker is the controller and the topic is to be deleted, as of the last event.
    pub fn is_being_deleted(&self, topic: &str) -> bool {
        self.status.load().deleting.contains(topic)
    }

    /// True when this broker is the controller.
    pub fn is_active(&self) -> bool {
        self.status.load().active
    }
}

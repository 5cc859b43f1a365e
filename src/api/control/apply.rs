//! The control applier: puts the controller's requests into effect, one after the other, in one task on the control lane.
//!
//! Epochs are compared inside, so that an old controller's request that waited behind a new one's has no effect. A new topic's configs
//! come without a notification: they are read before its first replica becomes leader or follower.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::admin::Admin;
use crate::base::env::{Lane, Tasks};
use crate::base::{Env, ErrorCode, TopicId, TopicPartition};
use crate::cluster::Cluster;
use crate::config::live::LiveConfig;
use crate::config::loggers::STATE_CHANGE;
use crate::group::{Coordinator, OFFSETS_TOPIC};
use crate::replica::Replicas;
use crate::replica::lifecycle::Stop;
use crate::replica::state::Assignment;
use crate::replica::table::Hosted;
use crate::txn::{self, TRANSACTION_TOPIC};
use crate::wire::{
    LeaderAndIsrRequest, LeaderAndIsrRequestPartitionState, LeaderAndIsrResponse, LeaderAndIsrResponsePartitionError,
    LeaderAndIsrResponseTopicError, StopReplicaRequest, StopReplicaResponse, StopReplicaResponsePartitionError,
    UpdateMetadataRequest, UpdateMetadataResponse,
};

/// Requests of the controller that wait for the applier: it sends one at a time to a broker, so more is not to be expected.
const QUEUE: usize = 16;

/// How long a new topic's config is waited for. While ZooKeeper is away the controller's requests must not queue up behind it: the
/// config watch reads everything again when it is back.
const CONFIG_WAIT: Duration = Duration::from_secs(3);

/// The version from which LeaderAndIsr answers by topic id.
const FIRST_TOPIC_ID_VERSION: i16 = 5;

enum Command {
    LeaderAndIsr(LeaderAndIsrRequest, i16, oneshot::Sender<LeaderAndIsrResponse>),
    UpdateMetadata(UpdateMetadataRequest, oneshot::Sender<UpdateMetadataResponse>),
    StopReplica(StopReplicaRequest, i16, oneshot::Sender<StopReplicaResponse>),
}

/// Sends to the applier's task.
#[derive(Clone)]
pub struct Applier(mpsc::Sender<Command>);

/// What the applier acts on.
pub struct ApplierParts {
    /// Clock and tasks.
    pub env: Env,
    /// Image, epochs, overrides.
    pub cluster: Arc<Cluster>,
    /// Hosted partitions.
    pub replicas: Arc<Replicas>,
    /// Consumer groups: they come and go with their partitions.
    pub groups: Arc<Coordinator>,
    /// Transactional ids: likewise.
    pub txns: Arc<txn::Coordinator>,
    /// Reads the configs of new topics.
    pub admin: Arc<Admin>,
    /// The broker's defaults for topics.
    pub config: Arc<LiveConfig>,
}

struct Task {
    parts: ApplierParts,
    checkpointing: bool,
    /// Replicas that would have led without their log, and have been refused.
    refused: BTreeSet<TopicPartition>,
}

impl Applier {
    /// Starts the task.
    pub fn start(parts: ApplierParts) -> Self {
        let (sender, mut commands) = mpsc::channel(QUEUE);
        let tasks = parts.env.tasks.clone();
        tasks.spawn_vital(Lane::Control, "control applier", async move {
            let mut task = Task { parts, checkpointing: false, refused: BTreeSet::new() };
            for hand_over in [task.parts.groups.hand_over(), task.parts.txns.hand_over()] {
                let (tasks, admin) = (task.parts.env.tasks.clone(), task.parts.admin.clone());
                hand_over.ask_by(Box::new(move || ask_for_roles(&tasks, admin.clone())));
            }
            while let Some(command) = commands.recv().await {
                // A dropped answer is a closed connection: the controller asks again.
                match command {
                    Command::LeaderAndIsr(request, version, answer) => {
                        let _ = answer.send(task.leader_and_isr(request, version).await);
                    }
                    Command::UpdateMetadata(request, answer) => {
                        let _ = answer.send(task.update_metadata(&request));
                    }
                    Command::StopReplica(request, version, answer) => {
                        let _ = answer.send(task.stop_replica(&request, version).await);
                    }
                }
            }
        });
        Self(sender)
    }

    /// In effect when this returns; none when the broker stops.
    pub async fn leader_and_isr(&self, request: LeaderAndIsrRequest, version: i16) -> Option<LeaderAndIsrResponse> {
        self.ask(|answer| Command::LeaderAndIsr(request, version, answer)).await
    }

    /// In effect when this returns; none when the broker stops.
    pub async fn update_metadata(&self, request: UpdateMetadataRequest) -> Option<UpdateMetadataResponse> {
        self.ask(|answer| Command::UpdateMetadata(request, answer)).await
    }

    /// In effect when this returns; none when the broker stops.
    pub async fn stop_replica(&self, request: StopReplicaRequest, version: i16) -> Option<StopReplicaResponse> {
        self.ask(|answer| Command::StopReplica(request, version, answer)).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        self.0.send(command(sender)).await.ok()?;
        answer.await.ok()
    }
}

impl Task {
    fn check_epochs(&self, broker_epoch: i64, controller_epoch: i32, what: &str) -> Result<(), ErrorCode> {
        let epochs = &self.parts.cluster.epochs;
        let checked = epochs.check_broker(broker_epoch).and_then(|()| epochs.check_controller(controller_epoch));
        checked.map_err(|stale| {
            tracing::warn!("refused {what}: {stale}");
            match stale {
                crate::cluster::StaleEpoch::Broker { .. } => ErrorCode::StaleBrokerEpoch,
                crate::cluster::StaleEpoch::Controller { .. } => ErrorCode::StaleControllerEpoch,
            }
        })
    }

    async fn leader_and_isr(&mut self, request: LeaderAndIsrRequest, version: i16) -> LeaderAndIsrResponse {
        if let Err(code) = self.check_epochs(request.broker_epoch, request.controller_epoch, "LeaderAndIsr") {
            return LeaderAndIsrResponse { error_code: code.code(), ..Default::default() };
        }
        // UpdateMetadata, which names all brokers, comes after this.
        if let Some(fetchers) = self.parts.replicas.fetchers() {
            for leader in &request.live_leaders {
                if let Ok(port) = u16::try_from(leader.port) {
                    fetchers.set_address(leader.broker_id, leader.host_name.as_str(), port);
                }
            }
        }
        let mut answer = LeaderAndIsrResponse::default();
        let mut topics_read = TopicsRead::default();
        self.prepare(&request, &mut topics_read).await;
        for state in &request.ungrouped_partition_states {
            let error = self.assign(&state.topic_name, TopicId::ZERO, state, &mut topics_read).await;
            answer.partition_errors.push(partition_error(&state.topic_name, state, error));
        }
        for topic in &request.topic_states {
            let mut errors = Vec::with_capacity(topic.partition_states.len());
            for state in &topic.partition_states {
                let error = self.assign(&topic.topic_name, topic.topic_id, state, &mut topics_read).await;
                errors.push(partition_error(&topic.topic_name, state, error));
            }
            if version >= FIRST_TOPIC_ID_VERSION {
                answer
                    .topics
                    .push(LeaderAndIsrResponseTopicError { topic_id: topic.topic_id, partition_errors: errors });
            } else {
                answer.partition_errors.append(&mut errors);
            }
        }
        self.parts.replicas.assigned();
        self.start_checkpoints();
        answer
    }

    /// Makes the logs of a new topic's partitions together.
    async fn prepare(&self, request: &LeaderAndIsrRequest, topics_read: &mut TopicsRead) {
        let me = self.parts.cluster.broker_id;
        let mut new = Vec::new();
        for topic in &request.topic_states {
            let mut config = None;
            for state in topic.partition_states.iter().filter(|state| state.is_new && state.replicas.contains(&me)) {
                let partition = TopicPartition::new(&*topic.topic_name, state.partition_index);
                if self.parts.replicas.hosted(&partition).is_some() {
                    continue;
                }
                if config.is_none() {
                    if topics_read.topics.insert(String::from(&topic.topic_name)) {
                        self.read_config(&topic.topic_name, topics_read).await;
                    }
                    config = Some(self.parts.config.topic(&self.parts.cluster.overrides.get(&topic.topic_name)));
                }
                let topic_id = (!topic.topic_id.is_zero()).then_some(topic.topic_id);
                new.extend(config.clone().map(|config| (partition, topic_id, config)));
            }
        }
        if new.len() > 1 {
            self.parts.replicas.prepare(new).await;
        }
    }

    async fn assign(
        &mut self,
        topic: &str,
        topic_id: TopicId,
        state: &LeaderAndIsrRequestPartitionState,
        topics_read: &mut TopicsRead,
    ) -> ErrorCode {
        let id = TopicPartition::new(topic, state.partition_index);
        let is_new_here = self.parts.replicas.hosted(&id).is_none();
        if is_new_here && topics_read.topics.insert(topic.into()) {
            self.read_config(topic, topics_read).await;
        }
        let assignment = Assignment {
            leader: state.leader,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: state.isr.clone(),
            replicas: state.replicas.clone(),
            adding: state.adding_replicas.clone(),
            removing: state.removing_replicas.clone(),
            is_new: state.is_new,
        };
        if self.parts.replicas.would_begin_without_its_log(&id, &assignment) && self.had_a_life_before(&id).await {
            tracing::error!(
                partition = %id, leader = assignment.leader, epoch = assignment.leader_epoch, isr = ?assignment.isr,
                "refusing to lead: the log of this replica is not in any log directory, or not whole yet, and the other replicas would \
                 cut theirs to it. If its disk can be brought back, do so and start this broker again; if not, let another replica lead \
                 (an unclean election, if none is in sync), and this one is filled from it. (A file \"refilling\" in the partition's directory \
                 says that it is not whole)"
            );
            self.refused.insert(id);
            return ErrorCode::KafkaStorageError;
        }
        let topic_id = (!topic_id.is_zero()).then_some(topic_id);
        let config = || self.parts.config.topic(&self.parts.cluster.overrides.get(topic));
        if self.should_hand_over(&id, &assignment) {
            tracing::error!(partition = %id, "refusing to lead: the log is broken here, and another in-sync replica can lead");
            self.refused.insert(id);
            return ErrorCode::KafkaStorageError;
        }
        match self.parts.replicas.assign(&id, topic_id, &assignment, &config).await {
            Ok(()) => {
                if is_new_here && let Some(Hosted::Online(partition)) = self.parts.replicas.hosted(&id) {
                    // A change that came while the log was being made found no log to tell.
                    partition.log().set_config(config());
                }
                if state.leader == self.parts.cluster.broker_id {
                    self.coordinate(&id, state.leader_epoch);
                } else {
                    self.resign(&id);
                }
                tracing::info!(target: STATE_CHANGE, partition = %id, leader = state.leader, epoch = state.leader_epoch, isr = ?state.isr, "assigned");
                ErrorCode::None
            }
            Err(code) => {
                tracing::debug!(partition = %id, %code, epoch = state.leader_epoch, "not assigned");
                code
            }
        }
    }

    /// Was the partition there before this process? Yes, when ZooKeeper does not say: a leader that waits harms nobody.
    async fn had_a_life_before(&self, id: &TopicPartition) -> bool {
        match tokio::time::timeout(CONFIG_WAIT, self.parts.admin.had_a_life_before(id)).await {
            Ok(Ok(older)) => older,
            Ok(Err(error)) => {
                tracing::warn!(partition = %id, %error, "could not ask when the partition was made");
                true
            }
            Err(_) => true,
        }
    }

    /// Replicas that were refused as leaders have another leader now: they can be filled from it, and the controller is asked to say so
    /// again, as it takes them for replicas in a failed directory.
    fn retry_refused(&mut self) {
        let image = self.parts.cluster.metadata.load();
        let me = self.parts.cluster.broker_id;
        let led = |id: &TopicPartition| {
            image.partition(&id.topic, id.partition).is_some_and(|state| state.leader >= 0 && state.leader != me)
        };
        let before = self.refused.len();
        self.refused.retain(|id| !led(id));
        if self.refused.len() < before {
            ask_for_roles(&self.parts.env.tasks, self.parts.admin.clone());
        }
    }

    /// Is this a coordinator's partition that can't be read here, and somebody else is in sync?
    fn should_hand_over(&self, id: &TopicPartition, assignment: &Assignment) -> bool {
        let refuses = match &*id.topic {
            OFFSETS_TOPIC => self.parts.groups.hand_over().refuses(id.partition),
            TRANSACTION_TOPIC => self.parts.txns.hand_over().refuses(id.partition),
            _ => false,
        };
        let me = self.parts.cluster.broker_id;
        let image = self.parts.cluster.metadata.load();
        refuses && assignment.leader == me && assignment.isr.iter().any(|id| *id != me && image.is_alive(*id))
    }

    /// This broker leads the partition: if it is a coordinator's journal, what is in it is coordinated from here.
    fn coordinate(&self, id: &TopicPartition, leader_epoch: i32) {
        match &*id.topic {
            OFFSETS_TOPIC => self.parts.groups.become_leader(id.partition, leader_epoch),
            TRANSACTION_TOPIC => self.parts.txns.become_leader(id.partition, leader_epoch),
            _ => {}
        }
    }

    fn resign(&self, id: &TopicPartition) {
        match &*id.topic {
            OFFSETS_TOPIC => self.parts.groups.resign(id.partition),
            TRANSACTION_TOPIC => self.parts.txns.resign(id.partition),
            _ => {}
        }
    }

    /// Reads what a topic overrides, before its first log is made: a new topic's config comes without a notification.
    async fn read_config(&self, topic: &str, topics_read: &mut TopicsRead) {
        let overrides = &self.parts.cluster.overrides;
        if topics_read.zookeeper_is_away {
            return;
        }
        let known = overrides.get(topic);
        match tokio::time::timeout(CONFIG_WAIT, self.parts.admin.topic_config(topic)).await {
            // What the watch has put there meanwhile may be newer than what was read here.
            Ok(Ok(read)) if *overrides.get(topic) == *known => overrides.set(topic, read),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(topic, %error, "could not read the topic's config; using what is known"),
            Err(_) => {
                tracing::warn!(
                    topic,
                    "ZooKeeper did not give the topic's config within {CONFIG_WAIT:?}; using what is known"
                );
                topics_read.zookeeper_is_away = true;
            }
        }
    }

    /// Before the first LeaderAndIsr the watermarks on disk say more than the broker knows.
    fn start_checkpoints(&mut self) {
        if !std::mem::replace(&mut self.checkpointing, true) {
            let interval = self.parts.config.load().replica_high_watermark_checkpoint_interval_ms;
            let interval = Duration::from_millis(u64::try_from(interval).unwrap_or(0).max(1));
            let replicas = self.parts.replicas.clone();
            self.parts.env.tasks.spawn(
                Lane::Data,
                "high watermark checkpoints",
                replicas.checkpoint_high_watermarks(interval),
            );
        }
    }

    fn update_metadata(&mut self, request: &UpdateMetadataRequest) -> UpdateMetadataResponse {
        if let Err(code) = self.check_epochs(request.broker_epoch, request.controller_epoch, "UpdateMetadata") {
            return UpdateMetadataResponse { error_code: code.code() };
        }
        let before = self.parts.cluster.metadata.load();
        let gone = self.parts.cluster.metadata.update(request);
        let after = self.parts.cluster.metadata.load();
        if before.brokers.keys().any(|id| !after.is_alive(*id)) {
            self.parts.replicas.forget_dead_brokers();
        }
        if !self.refused.is_empty() {
            self.retry_refused();
        }
        if !gone.is_empty() {
            tracing::info!(partitions = gone.len(), first = %gone[0], "partitions deleted from the metadata");
            self.parts.groups.partitions_deleted(&gone);
            let image = self.parts.cluster.metadata.load();
            for topic in gone.iter().map(|id| &id.topic).filter(|topic| !image.contains(topic)) {
                self.parts.env.metrics.forget_topic(topic);
                self.parts.cluster.overrides.remove(topic); // a topic made anew brings its own
            }
        }
        UpdateMetadataResponse::default()
    }

    async fn stop_replica(&mut self, request: &StopReplicaRequest, version: i16) -> StopReplicaResponse {
        if let Err(code) = self.check_epochs(request.broker_epoch, request.controller_epoch, "StopReplica") {
            return StopReplicaResponse { error_code: code.code(), ..Default::default() };
        }
        let mut answer = StopReplicaResponse::default();
        for (topic, partition_index, stop) in stops(request, version) {
            let id = TopicPartition::new(topic, partition_index);
            let result = self.parts.replicas.stop(&id, stop).await;
            if result.is_ok() {
                self.resign(&id);
            }
            if stop.delete {
                self.refused.remove(&id);
            }
            tracing::info!(target: STATE_CHANGE, partition = %id, delete = stop.delete, code = %result.err().unwrap_or_default(), "stopped");
            answer.partition_errors.push(StopReplicaResponsePartitionError {
                topic_name: topic.into(),
                partition_index,
                error_code: result.err().unwrap_or_default().code(),
            });
        }
        answer
    }
}

/// Has the controller say again what this broker leads and follows.
fn ask_for_roles(tasks: &Tasks, admin: Arc<Admin>) {
    tasks.spawn(Lane::Control, "ask for roles", async move {
        if let Err(error) = admin.ask_for_roles().await {
            tracing::warn!(%error, "could not ask the controller for this broker's roles again: a restart of this broker will");
        }
    });
}

/// Topics whose config one LeaderAndIsr has asked for.
#[derive(Default)]
struct TopicsRead {
    topics: BTreeSet<String>,
    /// The wait was in vain once: not again in this request.
    zookeeper_is_away: bool,
}

/// The three shapes that a StopReplica had over time, as one.
fn stops(request: &StopReplicaRequest, version: i16) -> Vec<(&str, i32, Stop)> {
    let for_all = Stop { leader_epoch: -1, delete: request.delete_partitions };
    match version {
        0 => request.ungrouped_partitions.iter().map(|p| (&*p.topic_name, p.partition_index, for_all)).collect(),
        1..=2 => {
            let flat = |topic: &'_ crate::wire::StopReplicaRequestTopicV1| topic.partition_indexes.clone();
            request.topics.iter().flat_map(|t| flat(t).into_iter().map(|p| (&*t.name, p, for_all))).collect()
        }
        _ => request
            .topic_states
            .iter()
            .flat_map(|t| {
                t.partition_states.iter().map(|p| {
                    let stop = Stop { leader_epoch: p.leader_epoch, delete: p.delete_partition };
                    (&*t.topic_name, p.partition_index, stop)
                })
            })
            .collect(),
    }
}

fn partition_error(
    topic: &str,
    state: &LeaderAndIsrRequestPartitionState,
    error: ErrorCode,
) -> LeaderAndIsrResponsePartitionError {
    LeaderAndIsrResponsePartitionError {
        topic_name: topic.into(),
        partition_index: state.partition_index,
        error_code: error.code(),
    }
}

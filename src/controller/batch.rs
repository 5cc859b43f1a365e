//! The control requests of one change (`ControllerBrokerRequestBatch`): maps are filled, broker by broker, then turned into requests in the
//! order LeaderAndIsr, UpdateMetadata, StopReplica, ListOffsets. Pure: `channel.rs` sends them.
//!
//! A batch lives as long as one call of a state machine: what a failed change had put in is dropped with it. Epochs and assignments
//! are those of the moment of adding, the list of brokers that of the moment of sending.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::assignment::ReplicaAssignment;
use super::context::{Broker, Context, LeaderAndIsr, Leadership};
use super::settings::ControllerSettings;
use crate::base::ids::NO_BROKER;
use crate::base::{BrokerId, TopicPartition, timestamp};
use crate::wire::{
    LeaderAndIsrRequest, LeaderAndIsrRequestLiveLeader, LeaderAndIsrRequestPartitionState,
    LeaderAndIsrRequestTopicState, ListOffsetsRequest, ListOffsetsRequestPartition, ListOffsetsRequestTopic,
    StopReplicaRequest, StopReplicaRequestPartitionState, StopReplicaRequestPartitionV0, StopReplicaRequestTopicState,
    StopReplicaRequestTopicV1, Str, UpdateMetadataRequest, UpdateMetadataRequestBroker, UpdateMetadataRequestEndpoint,
    UpdateMetadataRequestPartitionState, UpdateMetadataRequestTopicState,
};

/// Sent as leader of a partition that is being deleted (`LeaderDuringDelete`).
pub const LEADER_DURING_DELETE: BrokerId = -2;
/// Sent as leader epoch of a partition that is being deleted (`EpochDuringDelete`): overrides any epoch.
pub const EPOCH_DURING_DELETE: i32 = -2;
/// Sent as leader epoch of a partition that never had a leader (`NoEpoch`).
pub const NO_EPOCH: i32 = -1;
/// The replica id of whoever looks at a replica whatever its role (`FetchRequest.DEBUGGING_CONSUMER_ID`).
const DEBUGGER: i32 = -2;

/// A request from the controller to a broker.
#[derive(Clone, PartialEq, Debug)]
pub enum ControlRequest {
    /// Become leader or follower.
    LeaderAndIsr(LeaderAndIsrRequest),
    /// Know brokers and leaders.
    UpdateMetadata(UpdateMetadataRequest),
    /// Stop following, or delete.
    StopReplica(StopReplicaRequest),
    /// Say where logs end, whatever the replica's role.
    ListOffsets(ListOffsetsRequest),
}

/// What is to be sent because of one change.
#[derive(Debug, Default)]
pub struct Batch {
    leader_and_isr: BTreeMap<BrokerId, BTreeMap<TopicPartition, LeaderAndIsrRequestPartitionState>>,
    update_brokers: BTreeSet<BrokerId>,
    update_partitions: BTreeMap<TopicPartition, UpdateMetadataRequestPartitionState>,
    stop_replica: BTreeMap<BrokerId, BTreeMap<TopicPartition, StopReplicaRequestPartitionState>>,
    log_ends: BTreeMap<BrokerId, BTreeSet<TopicPartition>>,
}

impl Batch {
    /// LeaderAndIsr to some replicas, and UpdateMetadata of the partition to every registered broker. The partition's leadership
    /// and assignment are taken from the context; without leadership nothing is added.
    pub fn add_leader_and_isr(&mut self, ctx: &Context, to: &[BrokerId], of: &TopicPartition, is_new: bool) {
        let Some(partition) = ctx.partition(of) else { return };
        let Some(Leadership { controller_epoch, state }) = &partition.leadership else { return };
        for broker in to.iter().copied().filter(|id| *id >= 0) {
            let entries = self.leader_and_isr.entry(broker).or_default();
            let already_new = entries.get(of).is_some_and(|e| e.is_new);
            let entry = partition_state(of, &partition.assignment, *controller_epoch, state);
            entries.insert(of.clone(), LeaderAndIsrRequestPartitionState { is_new: is_new || already_new, ..entry });
        }
        self.add_update_metadata(ctx, &ctx.live_or_shutting_down(), [of]);
    }

    /// Asks some replicas for the ends of their logs. A broker that has just started answers for a partition only when it was told of it:
    /// by a LeaderAndIsr that names no leader, and nobody in sync, as who is counted as in sync would not open a log that is lost.
    pub fn add_log_end(&mut self, ctx: &Context, to: &[BrokerId], of: &TopicPartition) {
        let Some(partition) = ctx.partition(of) else { return };
        let Some(Leadership { controller_epoch, state }) = &partition.leadership else { return };
        let nobody = LeaderAndIsr { leader: NO_BROKER, isr: Vec::new(), ..state.clone() };
        for broker in to {
            let entries = self.leader_and_isr.entry(*broker).or_default();
            entries
                .entry(of.clone())
                .or_insert_with(|| partition_state(of, &partition.assignment, *controller_epoch, &nobody));
            self.log_ends.entry(*broker).or_default().insert(of.clone());
        }
    }

    /// StopReplica to some replicas; a deletion asked for once stays one.
    pub fn add_stop_replica(&mut self, ctx: &Context, to: &[BrokerId], of: &TopicPartition, delete: bool) {
        let leader_epoch = if ctx.is_queued_for_deletion(&of.topic) {
            EPOCH_DURING_DELETE
        } else {
            ctx.leadership(of).map_or(NO_EPOCH, |l| l.state.leader_epoch)
        };
        for broker in to.iter().copied().filter(|id| *id >= 0) {
            let entries = self.stop_replica.entry(broker).or_default();
            let already_delete = entries.get(of).is_some_and(|e| e.delete_partition);
            let entry = StopReplicaRequestPartitionState {
                partition_index: of.partition,
                leader_epoch,
                delete_partition: delete || already_delete,
            };
            entries.insert(of.clone(), entry);
        }
    }

    /// UpdateMetadata to some brokers, with those of the partitions that have leadership information. The list of brokers goes
    /// with it in any case, also when there is no partition.
    pub fn add_update_metadata<'a>(
        &mut self,
        ctx: &Context,
        to: &[BrokerId],
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) {
        self.update_brokers.extend(to.iter().copied().filter(|id| *id >= 0));
        for of in partitions {
            let Some(partition) = ctx.partition(of) else { continue };
            let Some(Leadership { controller_epoch, state }) = &partition.leadership else { continue };
            let replicas = &partition.assignment.replicas;
            let offline = replicas.iter().copied().filter(|id| !ctx.is_replica_online(*id, of, false)).collect();
            let (leader, leader_epoch, zk_version) = if ctx.is_queued_for_deletion(&of.topic) {
                (LEADER_DURING_DELETE, 0, 0)
            } else {
                (state.leader, state.leader_epoch, state.partition_epoch)
            };
            let entry = UpdateMetadataRequestPartitionState {
                topic_name: Str::from(&of.topic),
                partition_index: of.partition,
                controller_epoch: *controller_epoch,
                leader,
                leader_epoch,
                isr: state.isr.clone(),
                zk_version,
                replicas: replicas.clone(),
                offline_replicas: offline,
            };
            self.update_partitions.insert(of.clone(), entry);
        }
    }

    /// True when nothing would be sent.
    pub fn is_empty(&self) -> bool {
        self.leader_and_isr.is_empty()
            && self.update_brokers.is_empty()
            && self.stop_replica.is_empty()
            && self.log_ends.is_empty()
    }

    /// The requests, in the order in which each broker must get them. Only registered brokers get any.
    pub fn into_requests(self, ctx: &Context, settings: &ControllerSettings) -> Vec<(BrokerId, ControlRequest)> {
        let mut out = Vec::new();
        for (broker, entries) in self.leader_and_isr {
            if let Some(to) = ctx.brokers.get(&broker) {
                out.push((broker, ControlRequest::LeaderAndIsr(leader_and_isr(ctx, settings, to, entries))));
            }
        }
        if !self.update_brokers.is_empty() {
            let common = update_metadata(ctx, settings, self.update_partitions);
            for broker in self.update_brokers {
                if let Some(to) = ctx.brokers.get(&broker) {
                    let request = UpdateMetadataRequest { broker_epoch: to.epoch, ..common.clone() };
                    out.push((broker, ControlRequest::UpdateMetadata(request)));
                }
            }
        }
        for (broker, entries) in self.stop_replica {
            if let Some(to) = ctx.brokers.get(&broker) {
                let requests = stop_replica(ctx, settings, to, entries);
                out.extend(requests.into_iter().map(|r| (broker, ControlRequest::StopReplica(r))));
            }
        }
        let log_ends = self.log_ends.into_iter().filter(|(broker, _)| ctx.brokers.contains_key(broker));
        out.extend(log_ends.map(|(broker, partitions)| (broker, ControlRequest::ListOffsets(log_ends_of(partitions)))));
        out
    }
}

fn partition_state(
    of: &TopicPartition,
    assignment: &ReplicaAssignment,
    controller_epoch: i32,
    state: &LeaderAndIsr,
) -> LeaderAndIsrRequestPartitionState {
    LeaderAndIsrRequestPartitionState {
        topic_name: Str::from(&of.topic),
        partition_index: of.partition,
        controller_epoch,
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        isr: state.isr.clone(),
        partition_epoch: state.partition_epoch,
        replicas: assignment.replicas.clone(),
        adding_replicas: assignment.adding.clone(),
        removing_replicas: assignment.removing.clone(),
        is_new: false,
        leader_recovery_state: i8::from(state.recovering),
    }
}

/// Asks as a debugger, whom any replica answers, with the end of its log.
fn log_ends_of(partitions: BTreeSet<TopicPartition>) -> ListOffsetsRequest {
    let entries = partitions.into_iter().map(|of| {
        let partition = ListOffsetsRequestPartition {
            partition_index: of.partition,
            timestamp: timestamp::LATEST,
            ..Default::default()
        };
        (of, partition)
    });
    let topics = by_topic(entries.collect()).into_iter();
    let topics = topics.map(|(topic, partitions)| ListOffsetsRequestTopic { name: Str::from(&topic), partitions });
    ListOffsetsRequest { replica_id: DEBUGGER, topics: topics.collect(), ..Default::default() }
}

/// Puts entries under their topics, in order.
fn by_topic<E>(entries: BTreeMap<TopicPartition, E>) -> BTreeMap<Arc<str>, Vec<E>> {
    let mut topics: BTreeMap<Arc<str>, Vec<E>> = BTreeMap::new();
    for (of, entry) in entries {
        topics.entry(of.topic).or_default().push(entry);
    }
    topics
}

/// From this LeaderAndIsr version on, partitions stand under their topics.
const LEADER_AND_ISR_GROUPED: i16 = 2;
/// From this UpdateMetadata version on, partitions stand under their topics.
const UPDATE_METADATA_GROUPED: i16 = 5;
/// From this StopReplica version on, each partition says whether it is to be deleted.
const STOP_REPLICA_PER_PARTITION: i16 = 3;

fn leader_and_isr(
    ctx: &Context,
    settings: &ControllerSettings,
    to: &Broker,
    entries: BTreeMap<TopicPartition, LeaderAndIsrRequestPartitionState>,
) -> LeaderAndIsrRequest {
    let leaders: BTreeSet<BrokerId> = entries.values().map(|e| e.leader).collect();
    let live_leaders = leaders.into_iter().filter_map(|id| {
        let endpoint = ctx.brokers.get(&id)?.endpoint(&settings.inter_broker_listener)?;
        Some(LeaderAndIsrRequestLiveLeader {
            broker_id: id,
            host_name: endpoint.host.as_str().into(),
            port: endpoint.port,
        })
    });
    let mut request = LeaderAndIsrRequest {
        controller_id: settings.broker_id,
        controller_epoch: ctx.epoch,
        broker_epoch: to.epoch,
        live_leaders: live_leaders.collect(),
        ..Default::default()
    };
    let version = settings.versions.leader_and_isr;
    if version < LEADER_AND_ISR_GROUPED {
        request.ungrouped_partition_states = entries.into_values().collect();
        return request;
    }
    let topics = by_topic(entries).into_iter().map(|(topic, partition_states)| LeaderAndIsrRequestTopicState {
        topic_id: ctx.topic_id(&topic),
        partition_states: partition_states
            .into_iter()
            .map(|e| LeaderAndIsrRequestPartitionState { topic_name: Str::default(), ..e })
            .collect(),
        topic_name: Str::from(&topic),
    });
    request.topic_states = topics.collect();
    request
}

fn update_metadata(
    ctx: &Context,
    settings: &ControllerSettings,
    entries: BTreeMap<TopicPartition, UpdateMetadataRequestPartitionState>,
) -> UpdateMetadataRequest {
    let live_brokers = ctx.brokers.values().map(|broker| UpdateMetadataRequestBroker {
        id: broker.id,
        endpoints: broker
            .endpoints
            .iter()
            .map(|e| UpdateMetadataRequestEndpoint {
                port: e.port,
                host: e.host.as_str().into(),
                listener: e.listener.as_str().into(),
                security_protocol: e.security_protocol,
            })
            .collect(),
        rack: broker.rack.as_deref().map(Str::from),
        ..Default::default()
    });
    let mut request = UpdateMetadataRequest {
        controller_id: settings.broker_id,
        controller_epoch: ctx.epoch,
        live_brokers: live_brokers.collect(),
        ..Default::default()
    };
    if settings.versions.update_metadata < UPDATE_METADATA_GROUPED {
        request.ungrouped_partition_states = entries.into_values().collect();
        return request;
    }
    let topics = by_topic(entries).into_iter().map(|(topic, partition_states)| UpdateMetadataRequestTopicState {
        topic_id: ctx.topic_id(&topic),
        partition_states: partition_states
            .into_iter()
            .map(|e| UpdateMetadataRequestPartitionState { topic_name: Str::default(), ..e })
            .collect(),
        topic_name: Str::from(&topic),
    });
    request.topic_states = topics.collect();
    request
}

fn stop_replica(
    ctx: &Context,
    settings: &ControllerSettings,
    to: &Broker,
    entries: BTreeMap<TopicPartition, StopReplicaRequestPartitionState>,
) -> Vec<StopReplicaRequest> {
    let base = StopReplicaRequest {
        controller_id: settings.broker_id,
        controller_epoch: ctx.epoch,
        broker_epoch: to.epoch,
        ..Default::default()
    };
    let version = settings.versions.stop_replica;
    if version >= STOP_REPLICA_PER_PARTITION {
        let topics = by_topic(entries).into_iter();
        let topic_states = topics
            .map(|(topic, partition_states)| StopReplicaRequestTopicState {
                topic_name: Str::from(&topic),
                partition_states,
            })
            .collect();
        return vec![StopReplicaRequest { topic_states, ..base }];
    }
    // Before version 3 the whole request deletes or does not: two requests, deletions first.
    let (deleting, stopping): (BTreeMap<_, _>, BTreeMap<_, _>) =
        entries.into_iter().partition(|(_, e)| e.delete_partition);
    let mut out = Vec::new();
    for (delete_partitions, entries) in [(true, deleting), (false, stopping)] {
        if entries.is_empty() {
            continue;
        }
        let mut request = StopReplicaRequest { delete_partitions, ..base.clone() };
        if version == 0 {
            let flat = entries.keys().map(|of| StopReplicaRequestPartitionV0 {
                topic_name: Str::from(&of.topic),
                partition_index: of.partition,
            });
            request.ungrouped_partitions = flat.collect();
        } else {
            let topics = by_topic(entries).into_iter().map(|(topic, entries)| StopReplicaRequestTopicV1 {
                name: Str::from(&topic),
                partition_indexes: entries.into_iter().map(|e| e.partition_index).collect(),
            });
            request.topics = topics.collect();
        }
        out.push(request);
    }
    out
}

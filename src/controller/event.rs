//! What the controller's task is asked to do, and the queue it takes it from.
//!
//! Watches, timers, senders and the handle only put events in; `run.rs` alone takes them out, one at a time. An event that is
//! thrown away (the session expired, the task has ended) drops its answer channel, and the handle answers for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::assignment::ReplicaAssignment;
use super::doubt::Told;
use super::handle::{AlterPartition, AlteredPartition, ApiError, ElectionKind, FeatureUpdate, ProducerIdBlock};
use crate::base::{BrokerId, ErrorCode, TopicPartition};

/// Where an answer goes; whoever waits may have gone.
pub(super) type Answer<T> = oneshot::Sender<Result<T, ErrorCode>>;

/// Outcome of an election, by partition: the new leader.
pub(super) type Elections = BTreeMap<TopicPartition, Result<BrokerId, ApiError>>;
/// Outcome of a change of replicas, by partition.
pub(super) type Reassignments = BTreeMap<TopicPartition, Result<(), ApiError>>;
/// What is being moved.
pub(super) type Moves = BTreeMap<TopicPartition, ReplicaAssignment>;

/// One thing to do. The names follow Kafka's events.
#[derive(Debug)]
pub(super) enum Event {
    Startup,
    /// `/controller` was created or changed.
    ControllerChange,
    /// `/controller` has gone, or its watch has.
    Reelect,
    /// The broker is registered in a new session.
    NewSession,
    /// The session has expired. Tells when it is taken up.
    Expire(oneshot::Sender<()>),
    BrokerChange,
    BrokerModifications(BrokerId),
    TopicChange,
    PartitionModifications(Arc<str>),
    TopicDeletion,
    StopReplicaAnswered {
        broker: BrokerId,
        error: i16,
        errors: Vec<(TopicPartition, i16)>,
    },
    ZkReassignment,
    ApiReassignment(BTreeMap<TopicPartition, Option<Vec<BrokerId>>>, Answer<Reassignments>),
    AutoBalance,
    ZkPreferredElection,
    ElectLeaders(Option<Vec<TopicPartition>>, ElectionKind, Answer<Elections>),
    ControlledShutdown(BrokerId, i64, Answer<Vec<TopicPartition>>),
    IsrChange,
    AlterPartition {
        broker: BrokerId,
        broker_epoch: i64,
        version: i16,
        partitions: Vec<AlterPartition>,
        answer: Answer<Vec<AlteredPartition>>,
    },
    LeaderAndIsrAnswered {
        broker: BrokerId,
        error: i16,
        errors: Vec<(TopicPartition, i16)>,
    },
    UpdateMetadataAnswered {
        broker: BrokerId,
        error: i16,
    },
    /// The broker registered with this epoch has said where logs end.
    LogEndsTold {
        broker: BrokerId,
        epoch: i64,
        ends: Vec<(TopicPartition, Told)>,
    },
    LogDirFailure,
    /// `unclean.leader.election.enable` of the broker has changed.
    UncleanElection(bool),
    /// `min.insync.replicas` of the broker has changed.
    MinInsyncReplicas(i32),
    /// A topic now allows unclean leaders.
    TopicUncleanElection(Arc<str>),
    ListReassignments(Option<Vec<TopicPartition>>, Answer<Moves>),
    UpdateFeatures(Vec<FeatureUpdate>, Answer<BTreeMap<String, ApiError>>),
    AllocateProducerIds(BrokerId, i64, Answer<ProducerIdBlock>),
    /// The broker registered with this epoch does not listen any more.
    ProcessDied(BrokerId, i64),
    /// It does again.
    ProcessBack(BrokerId, i64),
    /// Another part of this broker has found that the process of a broker has died.
    Suspect(BrokerId),
    /// The broker stops.
    Shutdown,
}

impl Event {
    /// A broker has refused a whole request.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Event::LeaderAndIsrAnswered { error, .. }
            | Event::UpdateMetadataAnswered { error, .. }
            | Event::StopReplicaAnswered { error, .. } => *error != 0,
            _ => false,
        }
    }

    /// Kafka's `ControllerState` while it is worked on.
    pub(super) fn state(&self) -> u8 {
        match self {
            Event::AllocateProducerIds(..) => 0,
            Event::Startup | Event::ControllerChange | Event::Reelect | Event::NewSession | Event::Expire(_) => 1,
            Event::BrokerChange | Event::BrokerModifications(_) | Event::Suspect(_) => 2,
            Event::ProcessDied(..) | Event::ProcessBack(..) => 2,
            Event::TopicChange | Event::PartitionModifications(_) => 3,
            Event::TopicDeletion | Event::StopReplicaAnswered { .. } => 4,
            Event::ZkReassignment | Event::ApiReassignment(..) => 5,
            Event::AutoBalance => 6,
            Event::ZkPreferredElection | Event::ElectLeaders(..) => 7,
            Event::ControlledShutdown(..) => 8,
            Event::IsrChange | Event::AlterPartition { .. } => 9,
            Event::LeaderAndIsrAnswered { .. } | Event::LogEndsTold { .. } => 10,
            Event::LogDirFailure => 11,
            Event::Shutdown => 12,
            Event::UncleanElection(_) | Event::MinInsyncReplicas(_) => 13,
            Event::TopicUncleanElection(_) => 14,
            Event::ListReassignments(..) => 15,
            Event::UpdateMetadataAnswered { .. } => 16,
            Event::UpdateFeatures(..) => 17,
        }
    }
}

/// The queue: first in, first out, never full. It is bounded by those who fill it: a watch fires once until it is set again, a
/// sender has one request in flight, a connection one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Events(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Event>,
    closed: bool,
}

impl Events {
    /// Appends an event; dropped when the task has ended.
    pub(super) fn put(&self, event: Event) {
        let mut state = self.0.state.lock();
        if !state.closed {
            state.waiting.push_back(event);
            drop(state);
            self.0.ready.notify_one();
        }
    }

    /// Throws away what waits and leaves this one (`clearAndPut`). False when the task has ended.
    pub(super) fn clear_and_put(&self, event: Event) -> bool {
        let mut state = self.0.state.lock();
        if state.closed {
            return false;
        }
        let dropped = std::mem::take(&mut state.waiting);
        state.waiting.push_back(event);
        drop(state);
        self.0.ready.notify_one();
        drop(dropped); // answers their waiters, outside the lock
        true
    }

    /// The next event; only the one task calls it.
    pub(super) async fn next(&self) -> Event {
        loop {
            if let Some(event) = self.0.state.lock().waiting.pop_front() {
                return event;
            }
            self.0.ready.notified().await;
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.0.state.lock().waiting.len()
    }

    /// Throws away what waits and takes nothing more.
    pub(super) fn close(&self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        let dropped = std::mem::take(&mut state.waiting);
        drop(state);
        drop(dropped);
    }
}

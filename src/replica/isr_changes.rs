//! Changes of in-sync replicas on their way to the controller: AlterPartition (KIP-497), one request in flight that carries all that
//! is pending, one pending change a partition (`DefaultAlterPartitionManager`). And the check for replicas that have fallen behind.
//!
//! What is proposed lies in the partition's state; the queue holds names only, so that a request always says what is so when it is
//! built. A change that the controller's own LeaderAndIsr overtook is gone from the state and is not sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::isr::{self, Verdict};
use super::state::{PendingIsr, Role};
use super::table::Replicas;
use crate::base::{BrokerId, ErrorCode, TopicId, TopicPartition};
use crate::client::ControllerChannel;
use crate::config::loggers::STATE_CHANGE;
use crate::wire::{
    AlterPartitionRequest, AlterPartitionRequestBrokerState, AlterPartitionRequestPartition,
    AlterPartitionRequestTopic, AlterPartitionResponse, AlterPartitionResponsePartition,
};

/// `replica.lag.time.max.ms` until the configuration is known.
pub(super) const DEFAULT_MAX_LAG: Duration = Duration::from_secs(30);

/// Before a change is sent again after an error, as in Kafka.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Topics are named by id from here on: not to be used while an id is unknown.
const FIRST_TOPIC_ID_VERSION: i16 = 2;
/// The ISR comes with broker epochs from here on.
const FIRST_EPOCHS_VERSION: i16 = 3;

/// "Do not check": what brokers of a ZooKeeper cluster send for every member of an ISR.
const UNCHECKED_EPOCH: i64 = -1;

/// Partitions with a change to send.
#[derive(Debug, Default)]
pub struct IsrChanges {
    waiting: Mutex<BTreeSet<TopicPartition>>,
    wake: Notify,
}

impl IsrChanges {
    /// The partition's state has a pending change that is not on its way yet.
    pub fn enqueue(&self, id: &TopicPartition) {
        self.waiting.lock().insert(id.clone());
        self.wake.notify_one();
    }

    /// All that waits, once there is anything.
    async fn take(&self) -> BTreeSet<TopicPartition> {
        loop {
            let waiting = std::mem::take(&mut *self.waiting.lock());
            if !waiting.is_empty() {
                return waiting;
            }
            self.wake.notified().await;
        }
    }
}

/// One partition's change, as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Proposal {
    id: TopicPartition,
    topic_id: TopicId,
    leader_epoch: i32,
    partition_epoch: i32,
    isr: Vec<BrokerId>,
}

impl Replicas {
    /// Sends changes to the controller for the life of the broker.
    pub async fn send_isr_changes(self: Arc<Self>, mut controller: ControllerChannel) {
        loop {
            let proposals: Vec<_> = self.isr_changes.take().await.iter().filter_map(|id| self.proposal(id)).collect();
            if proposals.is_empty() {
                continue;
            }
            let last = if proposals.iter().any(|p| p.topic_id.is_zero()) { FIRST_TOPIC_ID_VERSION - 1 } else { 3 };
            let (me, epochs) = (self.cluster.broker_id, &self.cluster.epochs);
            let build = |version| request(me, epochs.broker(), &proposals, version);
            let answer = controller.send_until(0..=last, build, came_from_elsewhere).await;
            if self.take_answer(proposals, &answer) {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// The pending change of a partition, unless the controller has spoken meanwhile.
    fn proposal(&self, id: &TopicPartition) -> Option<Proposal> {
        let partition = self.get(id).ok()?;
        let topic_id = partition.log().topic_id().unwrap_or(TopicId::ZERO);
        let state = partition.state();
        let pending = state.pending.as_ref().filter(|pending| !pending.parked && state.role == Role::Leader)?;
        Some(Proposal {
            id: id.clone(),
            topic_id,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: pending.isr.clone(),
        })
    }

    /// True when something has to be sent again.
    fn take_answer(&self, proposals: Vec<Proposal>, answer: &AlterPartitionResponse) -> bool {
        let top = ErrorCode::from_code(answer.error_code);
        if !top.is_none() {
            tracing::warn!(code = %top, "the controller refused changes of in-sync replicas; trying again");
        }
        let mut answers = BTreeMap::new();
        for topic in &answer.topics {
            for partition in &topic.partitions {
                answers.insert((&*topic.topic_name, topic.topic_id, partition.partition_index), partition);
            }
        }
        let mut again = false;
        for proposal in proposals {
            let by_id = answers.get(&("", proposal.topic_id, proposal.id.partition));
            let answer = by_id.or_else(|| answers.get(&(&*proposal.id.topic, TopicId::ZERO, proposal.id.partition)));
            let verdict = match answer {
                Some(answer) if top.is_none() => verdict(&proposal, answer),
                _ => Verdict::Retry,
            };
            let Ok(partition) = self.get(&proposal.id) else { continue };
            self.count_verdict(partition.state().isr.len(), &verdict);
            let retry = isr::settle(&mut partition.change(), &proposal.isr, proposal.leader_epoch, verdict);
            if retry {
                self.isr_changes.enqueue(&proposal.id);
            } else {
                self.flush_if_alone(&partition);
            }
            again |= retry;
        }
        again
    }

    fn count_verdict(&self, isr_before: usize, verdict: &Verdict) {
        let metrics = &self.env.metrics;
        match verdict {
            Verdict::Committed { isr, .. } if isr.len() < isr_before => metrics.isr_shrinks.add(1),
            Verdict::Committed { .. } => metrics.isr_expands.add(1),
            Verdict::Revert | Verdict::Park => metrics.failed_isr_updates.add(1),
            Verdict::Retry => {}
        }
    }

    /// Looks for replicas that have fallen behind, every half of the lag time, for the life of the broker.
    pub async fn watch_lag(self: Arc<Self>) {
        loop {
            // Read anew each time: the setting may change. Never 0, which would spin.
            tokio::time::sleep((self.max_lag() / 2).max(Duration::from_millis(1))).await;
            self.shrink_isrs();
        }
    }

    /// Proposes to drop from each led partition's ISR whoever has been behind for longer than the lag time.
    pub fn shrink_isrs(&self) {
        let now = self.env.clock.now();
        let (me, max_lag) = (self.cluster.broker_id, self.max_lag());
        for partition in self.online() {
            if partition.state().role != Role::Leader {
                continue;
            }
            let log_end = partition.log().leo();
            let is_behind = {
                let state = partition.state();
                let behind = |f: &super::state::Follower| !isr::is_caught_up(f, log_end, now, max_lag);
                state.followers.values().any(|f| f.joining && behind(f))
                    || isr::shrinkage(&state, me, log_end, now, |id| self.allowance(id)).is_some()
            };
            if !is_behind {
                continue; // the common case takes no write lock
            }
            let mut state = partition.touch();
            for follower in state.followers.values_mut() {
                follower.joining &= isr::is_caught_up(follower, log_end, now, max_lag);
            }
            let smaller = isr::shrinkage(&state, me, log_end, now, |id| self.allowance(id));
            if let Some(isr) = smaller {
                tracing::info!(
                    target: STATE_CHANGE, partition = %partition.id, from = ?state.isr, to = ?isr, high_watermark = partition.log().high_watermark(),
                    log_end, "shrinking the ISR"
                );
                state.pending = Some(PendingIsr { isr: isr.clone(), parked: false });
                drop(state);
                self.propose_smaller(&partition, &isr);
            }
        }
    }
}

fn request(me: BrokerId, broker_epoch: i64, proposals: &[Proposal], version: i16) -> AlterPartitionRequest {
    let mut topics: Vec<AlterPartitionRequestTopic> = Vec::new();
    let mut last: Option<&TopicPartition> = None;
    for proposal in proposals {
        let mut partition = AlterPartitionRequestPartition {
            partition_index: proposal.id.partition,
            leader_epoch: proposal.leader_epoch,
            partition_epoch: proposal.partition_epoch,
            ..Default::default()
        };
        if version >= FIRST_EPOCHS_VERSION {
            let member =
                |id: &BrokerId| AlterPartitionRequestBrokerState { broker_id: *id, broker_epoch: UNCHECKED_EPOCH };
            partition.new_isr_with_epochs = proposal.isr.iter().map(member).collect();
        } else {
            partition.new_isr.clone_from(&proposal.isr);
        }
        // Proposals come sorted by name, so a topic's stand together.
        match topics.last_mut() {
            Some(topic) if last.is_some_and(|last| last.topic == proposal.id.topic) => topic.partitions.push(partition),
            _ => topics.push(AlterPartitionRequestTopic {
                topic_name: (&proposal.id.topic).into(),
                topic_id: proposal.topic_id,
                partitions: vec![partition],
            }),
        }
        last = Some(&proposal.id);
    }
    AlterPartitionRequest { broker_id: me, broker_epoch, topics }
}

/// A broker that is not the controller says so for the whole request or for a partition whose state it does not know yet.
fn came_from_elsewhere(answer: &AlterPartitionResponse) -> bool {
    let elsewhere = ErrorCode::NotController.code();
    let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    answer.error_code == elsewhere || partitions.any(|partition| partition.error_code == elsewhere)
}

fn verdict(proposal: &Proposal, answer: &AlterPartitionResponsePartition) -> Verdict {
    let code = ErrorCode::from_code(answer.error_code);
    if code.is_none() {
        return Verdict::Committed {
            leader_epoch: answer.leader_epoch,
            partition_epoch: answer.partition_epoch,
            isr: answer.isr.clone(),
        };
    }
    tracing::info!(partition = %proposal.id, %code, isr = ?proposal.isr, "the controller refused a change of in-sync replicas");
    match code {
        ErrorCode::OperationNotAttempted | ErrorCode::IneligibleReplica => Verdict::Revert,
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId
        | ErrorCode::FencedLeaderEpoch
        | ErrorCode::InvalidUpdateVersion
        | ErrorCode::InvalidRequest
        | ErrorCode::NewLeaderElected => Verdict::Park,
        _ => Verdict::Retry,
    }
}

//! The state machine of partitions (`ZkPartitionStateMachine`): the moves of `states.rs`, with what they write and send.
//!
//! Called by the handlers. Every write is conditional on the partition epoch known or read and on the controller epoch. Requests go
//! out at the end of a call, after the writes. A partition that can't move stays as it is, with the reason logged and returned.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::batch::Batch;
use super::context::{LeaderAndIsr, Leadership};
use super::core::{Core, Outcome};
use super::election::{Candidates, Elected, Strategy, elect, initial};
use super::states::PartitionState;
use crate::base::{BrokerId, TopicPartition};
use crate::config::loggers::STATE_CHANGE;
use crate::zk::store::{self, StoreError, partitions::SetOutcome};
use crate::zk::znode::partition_state as znode;

/// Why a partition did not move.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum StateChangeFailed {
    /// The state machine does not allow it.
    #[error("illegal move from {0:?} to {1:?}")]
    Illegal(PartitionState, PartitionState),
    /// Nobody can lead.
    #[error("no replica can lead: live {live:?}, in sync {isr:?}")]
    NoCandidate { live: Vec<BrokerId>, isr: Vec<BrokerId> },
    /// Who can lead may lack records, and has to say first where its log ends.
    #[error("in-sync replicas restarted unseen and were asked where their logs end: {0:?}")]
    EndsUnknown(Vec<BrokerId>),
    /// The state has been written by a later controller.
    #[error("controller {0} has written the state already")]
    LaterController(i32),
    /// There is no such partition, or its state node is missing.
    #[error("no state in ZooKeeper")]
    NoState,
    /// The write failed.
    #[error("{0}")]
    Write(String),
}

/// How the partitions of a call fared.
pub(super) type Moved = BTreeMap<TopicPartition, Result<LeaderAndIsr, StateChangeFailed>>;

/// How often a lost race on a state node is run again. Only leaders of IBP below 2.7 write these nodes besides the controller, so
/// more than one round is rare; a race without end would block every other event.
pub(super) const MAX_RACES: usize = 100;

/// The znode's form of a state that this controller writes.
pub(super) fn to_znode(controller_epoch: i32, state: &LeaderAndIsr) -> znode::PartitionState {
    znode::PartitionState {
        controller_epoch,
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        isr: state.isr.clone(),
        recovering: state.recovering,
    }
}

/// The controller's form of a state read, with the version of its node.
pub(super) fn from_znode(read: znode::PartitionState, version: i32) -> Leadership {
    Leadership {
        controller_epoch: read.controller_epoch,
        state: LeaderAndIsr {
            leader: read.leader,
            leader_epoch: read.leader_epoch,
            isr: read.isr,
            recovering: read.recovering,
            partition_epoch: version,
        },
    }
}

impl Core {
    /// Gives partitions their first state of this term.
    pub(super) fn init_partition_states(&mut self, names: &[TopicPartition]) {
        for name in names {
            let state = match self.ctx.leadership(name) {
                None => PartitionState::New,
                Some(l) if self.ctx.is_replica_online(l.state.leader, name, false) => PartitionState::Online,
                Some(_) => PartitionState::Offline,
            };
            self.set_partition_state(name, state);
        }
    }

    /// Tries to bring those of `partitions` online that are new or offline and not about to be deleted.
    pub(super) async fn bring_online(&mut self, partitions: &[TopicPartition]) -> Outcome<Moved> {
        let waiting: Vec<TopicPartition> = partitions
            .iter()
            .filter(|name| {
                let state = self.ctx.partition(name).map(|p| p.state);
                matches!(state, Some(PartitionState::New | PartitionState::Offline))
                    && !self.ctx.is_queued_for_deletion(&name.topic)
            })
            .cloned()
            .collect();
        let strategy = Strategy::Offline { allow_unclean: false };
        let in_doubt: Vec<TopicPartition> =
            waiting.iter().filter(|name| self.ctx.waits_in_doubt(name)).cloned().collect();
        let moved = self.move_partitions(&waiting, PartitionState::Online, Some(strategy)).await?;
        let led: Vec<TopicPartition> =
            in_doubt.into_iter().filter(|name| moved.get(name).is_some_and(Result::is_ok)).collect();
        self.go_on_with_reassignments_of(&led).await?;
        Ok(moved)
    }

    /// [`Core::bring_online`] for all partitions.
    pub(super) async fn bring_all_online(&mut self) -> Outcome<Moved> {
        let all: Vec<TopicPartition> = self.ctx.partitions().map(|(name, _)| name).collect();
        self.bring_online(&all).await
    }

    /// Moves partitions to a state. The move to online needs a strategy; its outcome is returned by partition.
    pub(super) async fn move_partitions(
        &mut self,
        partitions: &[TopicPartition],
        to: PartitionState,
        strategy: Option<Strategy>,
    ) -> Outcome<Moved> {
        let mut moved = Moved::new();
        let mut allowed = Vec::with_capacity(partitions.len());
        for name in partitions {
            let Some(from) = self.ctx.partition(name).map(|p| p.state) else {
                moved.insert(name.clone(), Err(StateChangeFailed::NoState));
                continue;
            };
            if to.allowed_from().contains(&from) {
                allowed.push((name.clone(), from));
            } else {
                tracing::error!(partition = %name, ?from, ?to, "illegal state change of a partition refused");
                moved.insert(name.clone(), Err(StateChangeFailed::Illegal(from, to)));
            }
        }
        match (to, strategy) {
            (PartitionState::Online, Some(strategy)) => {
                let (new, known): (Vec<_>, Vec<_>) =
                    allowed.into_iter().partition(|(_, from)| *from == PartitionState::New);
                let mut batch = Batch::default();
                self.initialize(new.into_iter().map(|(name, _)| name).collect(), &mut batch, &mut moved).await?;
                self.elect(known.into_iter().map(|(name, _)| name).collect(), strategy, &mut batch, &mut moved).await?;
                self.send(batch);
                for (name, outcome) in &moved {
                    match outcome {
                        Err(StateChangeFailed::EndsUnknown(_)) | Ok(_) => {}
                        Err(error) => tracing::error!(partition = %name, "partition does not go online: {error}"),
                    }
                }
            }
            (to, _) => {
                for (name, from) in allowed {
                    tracing::trace!(partition = %name, ?from, ?to, "state of partition");
                    self.set_partition_state(&name, to);
                }
            }
        }
        Ok(moved)
    }

    pub(super) fn set_partition_state(&mut self, name: &TopicPartition, state: PartitionState) {
        if let Some(partition) = self.ctx.partition_mut(name) {
            partition.state = state;
        }
    }

    /// The first election: creates the state nodes and tells the live replicas.
    async fn initialize(&mut self, new: Vec<TopicPartition>, batch: &mut Batch, moved: &mut Moved) -> Outcome {
        let mut writes = Vec::new();
        for name in new {
            let replicas = self.ctx.replicas(&name);
            let live: Vec<BrokerId> =
                replicas.iter().copied().filter(|id| self.ctx.is_replica_online(*id, &name, false)).collect();
            match initial(&live) {
                Some(state) => writes.push((name, state)),
                None => {
                    let failed = StateChangeFailed::NoCandidate { live, isr: Vec::new() };
                    moved.insert(name, Err(failed));
                }
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        let epoch = self.ctx.epoch;
        let nodes: Vec<_> = writes.iter().map(|(name, state)| (name.clone(), to_znode(epoch, state))).collect();
        let results = store::partitions::create(&self.link.session, self.link.term()?, &nodes).await?;
        for ((name, state), result) in writes.into_iter().zip(results) {
            match result {
                Ok(()) => self.online(&name, state, None, true, batch, moved),
                Err(error) => {
                    moved.insert(name, Err(StateChangeFailed::Write(error.to_string())));
                }
            }
        }
        Ok(())
    }

    /// Elections by a strategy. First by the states that the context knows, which Kafka reads once more: the write finds out whether
    /// one has changed, and a failover reads nothing twice. Lost races, and partitions that nobody could lead, are run again with what
    /// is read then.
    async fn elect(
        &mut self,
        partitions: Vec<TopicPartition>,
        strategy: Strategy,
        batch: &mut Batch,
        moved: &mut Moved,
    ) -> Outcome {
        let mut remaining = partitions;
        // Whether a leader has restarted shows only in the age of what is read.
        let mut by_context = strategy != Strategy::Restarted;
        for _ in 0..MAX_RACES {
            if remaining.is_empty() {
                return Ok(());
            }
            remaining = self.elect_once(remaining, strategy, by_context, batch, moved).await?;
            by_context = false;
        }
        for name in remaining {
            moved.insert(name, Err(StateChangeFailed::Write("lost every race on its state node".into())));
        }
        Ok(())
    }

    /// One round: know or read, choose, write. Returns those whose write lost a race, or for whom what is known does not do.
    async fn elect_once(
        &mut self,
        partitions: Vec<TopicPartition>,
        strategy: Strategy,
        by_context: bool,
        batch: &mut Batch,
        moved: &mut Moved,
    ) -> Outcome<Vec<TopicPartition>> {
        let mut again = Vec::new();
        let mut current = Vec::with_capacity(partitions.len());
        let mut restarted: BTreeMap<TopicPartition, Vec<BrokerId>> = BTreeMap::new();
        let read = if by_context { Vec::new() } else { self.read_states_with_age(&partitions).await? };
        let mut read = read.into_iter();
        for name in partitions {
            if by_context {
                match self.ctx.leadership(&name) {
                    Some(known) => current.push((name, known.state.clone())),
                    None => again.push(name),
                }
                continue;
            }
            let read = read.next().flatten();
            match read {
                None => drop(moved.insert(name, Err(StateChangeFailed::NoState))),
                Some((read, _)) if read.controller_epoch > self.ctx.epoch => {
                    moved.insert(name, Err(StateChangeFailed::LaterController(read.controller_epoch)));
                }
                Some((read, age)) => {
                    if strategy == Strategy::Restarted {
                        // A write since then does not make whole who was doubted.
                        let mut since = self.ctx.registered_since(age);
                        let doubts = self.ctx.partition(&name).map(|partition| &partition.doubts);
                        since.extend(read.state.isr.iter().filter(|id| doubts.is_some_and(|of| of.of(**id).is_some())));
                        restarted.insert(name.clone(), since);
                    }
                    current.push((name, read.state));
                }
            }
        }
        let unclean = self.unclean_topics(&current, strategy).await?;
        let shutting_down: Vec<BrokerId> = self.ctx.shutting_down.iter().copied().collect();
        let mut elected = Vec::with_capacity(current.len());
        let mut unknown = Vec::new();
        for (name, state) in current {
            let Some(partition) = self.ctx.partition(&name) else { continue };
            let replicas = match strategy {
                Strategy::Reassign => partition.assignment.target(),
                _ => partition.assignment.replicas.clone(),
            };
            // Where somebody may lack records, those of whom nothing was heard do not count.
            let is_careful = strategy == Strategy::Restarted || !partition.doubts.is_empty();
            let is_heard =
                |id: &BrokerId| !is_careful || !self.ctx.unheard.contains(id) || self.channels.has_answered(*id);
            let online = |with_shutting_down: bool| -> Vec<BrokerId> {
                let up = |id: &BrokerId| self.ctx.is_replica_online(*id, &name, with_shutting_down) && is_heard(id);
                replicas.iter().copied().filter(up).collect()
            };
            let live = online(false);
            let candidates = Candidates {
                replicas: &replicas,
                live: &live,
                live_or_shutting_down: &online(true),
                shutting_down: restarted.get(&name).unwrap_or(&shutting_down),
                doubts: &partition.doubts,
                unclean_allowed: unclean.get(&name.topic).copied().unwrap_or(false),
                leader_recovery: self.settings.leader_recovery,
            };
            match elect(strategy, &state, candidates) {
                Some(choice) if is_careful => {
                    // Who was not counted on is told all the same: it may only be slow.
                    let up = |id: &BrokerId| self.ctx.is_replica_online(*id, &name, true);
                    let recipients = replicas.iter().copied().filter(up).collect();
                    elected.push((name, state, Elected { recipients, ..choice }));
                }
                Some(choice) => elected.push((name, state, choice)),
                None if by_context => again.push(name),
                None => {
                    let in_sync: Vec<BrokerId> = live.iter().copied().filter(|id| state.isr.contains(id)).collect();
                    if self.ctx.waits_in_doubt(&name) && partition.doubts.awaits(&in_sync) {
                        unknown.push((name, in_sync));
                        continue;
                    }
                    moved.insert(name, Err(StateChangeFailed::NoCandidate { live, isr: state.isr }));
                }
            }
        }
        for (name, in_sync) in unknown {
            self.ask_log_ends(&name, &in_sync, batch);
            moved.insert(name, Err(StateChangeFailed::EndsUnknown(in_sync)));
        }
        if elected.is_empty() {
            return Ok(again);
        }
        let epoch = self.ctx.epoch;
        let writes: Vec<_> = elected
            .iter()
            .map(|(name, read, choice)| (name.clone(), to_znode(epoch, &choice.state), read.partition_epoch))
            .collect();
        let outcomes = store::partitions::set(&self.link.session, self.link.term()?, &writes).await?;
        for ((name, read, choice), outcome) in elected.into_iter().zip(outcomes) {
            match outcome {
                SetOutcome::Done(version) => {
                    if choice.unclean {
                        self.unclean_elections += 1;
                        tracing::warn!(partition = %name, leader = choice.state.leader, isr = ?read.isr,
                            "unclean leader: records that only the ISR had are lost");
                    }
                    let state = LeaderAndIsr { partition_epoch: version, ..choice.state };
                    self.online(&name, state, Some(&choice.recipients), false, batch, moved);
                }
                SetOutcome::BadVersion => again.push(name),
                SetOutcome::Failed(error) => {
                    moved.insert(name, Err(StateChangeFailed::Write(error.to_string())));
                }
            }
        }
        Ok(again)
    }

    /// A leader is written: remember it, tell the recipients (the ISR if none are given), go online.
    fn online(
        &mut self,
        name: &TopicPartition,
        state: LeaderAndIsr,
        recipients: Option<&[BrokerId]>,
        is_new: bool,
        batch: &mut Batch,
        moved: &mut Moved,
    ) {
        tracing::info!(target: STATE_CHANGE, partition = %name, leader = state.leader, leader_epoch = state.leader_epoch, isr = ?state.isr,
            "leader elected");
        self.ctx.set_leadership(name, Leadership { controller_epoch: self.ctx.epoch, state: state.clone() });
        batch.add_leader_and_isr(&self.ctx, recipients.unwrap_or(&state.isr), name, is_new);
        self.set_partition_state(name, PartitionState::Online);
        if let Some(partition) = self.ctx.partition_mut(name) {
            partition.doubts.clear();
        }
        moved.insert(name.clone(), Ok(state));
    }

    /// Of the topics whose partitions have lost all of their ISR: which may elect outside of it.
    async fn unclean_topics(
        &self,
        partitions: &[(TopicPartition, LeaderAndIsr)],
        strategy: Strategy,
    ) -> Outcome<BTreeMap<Arc<str>, bool>> {
        let mut unclean = BTreeMap::new();
        let Strategy::Offline { allow_unclean } = strategy else { return Ok(unclean) };
        for (name, state) in partitions {
            let has_live_isr = state.isr.iter().any(|id| self.ctx.is_replica_online(*id, name, false));
            if has_live_isr && !self.ctx.is_in_doubt(name) || unclean.contains_key(&name.topic) {
                continue;
            }
            let allowed = allow_unclean || self.is_unclean_enabled(&name.topic).await?;
            unclean.insert(name.topic.clone(), allowed);
        }
        Ok(unclean)
    }

    /// A topic's effective `unclean.leader.election.enable`: its own override, else the broker's.
    async fn is_unclean_enabled(&self, topic: &str) -> Outcome<bool> {
        Ok(match self.topic_override(topic, "unclean.leader.election.enable").await? {
            Override::Is(own) => own.eq_ignore_ascii_case("true"),
            Override::None => self.settings.unclean_leader_election,
            Override::Unknown => false,
        })
    }

    /// A topic's effective `min.insync.replicas`.
    pub(super) async fn min_insync_replicas(&self, topic: &str) -> Outcome<i32> {
        let own = match self.topic_override(topic, "min.insync.replicas").await? {
            Override::Is(own) => own.parse().ok(),
            Override::None | Override::Unknown => None,
        };
        Ok(own.unwrap_or(self.settings.min_insync_replicas))
    }

    async fn topic_override(&self, topic: &str, key: &str) -> Outcome<Override> {
        let entity = crate::zk::znode::config::ConfigEntity::topic(topic);
        match store::configs::read(&self.link.session, &entity).await {
            Err(StoreError::Znode(error)) => {
                tracing::error!(topic, "topic's config not understood, its {key} is not known: {error}");
                Ok(Override::Unknown)
            }
            read => Ok(read?.get(key).map_or(Override::None, |own| Override::Is(own.trim().to_string()))),
        }
    }
}

/// What a topic says of a key itself.
enum Override {
    Is(String),
    None,
    Unknown,
}

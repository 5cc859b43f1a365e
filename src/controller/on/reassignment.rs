//! Events reassignment: moving the replicas of partitions (KIP-455), asked for over the API or the old ZooKeeper node.
//!
//! A move begins with the topic's node naming both sets, goes on while the new replicas catch up, and ends when all target replicas
//! are in the ISR. Its whole state is in ZooKeeper, so a new controller takes it up where it stands.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{BrokerId, ErrorCode, TopicPartition};
use crate::controller::assignment::{ReplicaAssignment, refuse_target, without};
use crate::controller::batch::Batch;
use crate::controller::context::{LeaderAndIsr, Replica};
use crate::controller::core::{Core, Outcome};
use crate::controller::election::Strategy;
use crate::controller::event::{Event, Moves, Reassignments};
use crate::controller::handle::ApiError;
use crate::controller::partition_state::{MAX_RACES, to_znode};
use crate::controller::reads::to_node;
use crate::controller::states::{PartitionState, ReplicaState};
use crate::zk::session::WatchKind;
use crate::zk::store::{self, StoreError, partitions::SetOutcome};
use crate::zk::znode::{reassign, topic};

/// Targets by partition, as the ZooKeeper node holds them.
type Targets = Vec<(TopicPartition, Vec<BrokerId>)>;

impl Core {
    /// AlterPartitionReassignments: starts, replaces or cancels moves.
    pub(in crate::controller) async fn on_api_reassignment(
        &mut self,
        targets: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
    ) -> Outcome<Result<Reassignments, ErrorCode>> {
        if !self.is_active() {
            return Ok(Err(ErrorCode::NotController));
        }
        let live = self.ctx.live_brokers();
        let mut results = Reassignments::new();
        let mut moves = Moves::new();
        for (name, target) in targets {
            let current = self.assignment_of(&name);
            if let Some(refused) = target.as_ref().and_then(|target| refuse_target(&current, target, &live)) {
                results.insert(name, Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, refused)));
                continue;
            }
            match plan(&current, target.as_deref()) {
                Some(assignment) => drop(moves.insert(name, assignment)),
                None => {
                    let error =
                        ApiError::new(ErrorCode::NoReassignmentInProgress, "No partition reassignment is in progress.");
                    results.insert(name, Err(error));
                }
            }
        }
        // The latest word counts: what the old node says of these partitions is taken out of it.
        self.remove_from_reassign_node(|name, _| moves.contains_key(name)).await?;
        results.extend(self.start_moves(moves).await?);
        Ok(Ok(results))
    }

    /// ListPartitionReassignments.
    pub(in crate::controller) fn on_list_reassignments(
        &self,
        partitions: Option<Vec<TopicPartition>>,
    ) -> Result<Moves, ErrorCode> {
        if !self.is_active() {
            return Err(ErrorCode::NotController);
        }
        let names = partitions.unwrap_or_else(|| self.ctx.reassigning.iter().cloned().collect());
        let moving = names.into_iter().map(|name| (self.assignment_of(&name), name));
        Ok(moving.filter(|(a, _)| a.is_being_reassigned()).map(|(a, name)| (name, a)).collect())
    }

    /// At the start of a term: moves named in ZooKeeper's node first, then those found in topics.
    pub(in crate::controller) async fn start_reassignments(&mut self) -> Outcome {
        let taken_up = self.on_zk_reassignment().await?;
        self.resume_reassignments(None, &taken_up).await
    }

    /// `/admin/reassign_partitions` was created. Returns the partitions whose moves were started.
    pub(in crate::controller) async fn on_zk_reassignment(&mut self) -> Outcome<Vec<TopicPartition>> {
        let (exists, watch) = store::admin::watch_reassignments(&self.link.session).await?;
        self.link.watches.keep(reassign::PATH, watch, |fired| match fired.kind {
            // This controller takes out of it what is done: to start the rest anew would raise leader epochs for nothing.
            WatchKind::DataChanged => None,
            _ => Some(Event::ZkReassignment),
        });
        if !exists {
            return Ok(Vec::new());
        }
        let targets = self.asked_reassignments().await?.unwrap_or_default();
        let mut moves = Moves::new();
        for (name, target) in targets {
            // Unlike over the API the target's brokers need not live; the move waits for them.
            if let Some(assignment) = plan(&self.assignment_of(&name), Some(&target)) {
                moves.insert(name, assignment);
            }
        }
        let results = self.start_moves(moves).await?;
        let failed: BTreeSet<&TopicPartition> = results.iter().filter(|r| r.1.is_err()).map(|r| r.0).collect();
        if !failed.is_empty() {
            tracing::warn!(?failed, "moves asked for over ZooKeeper can't be started");
            self.remove_from_reassign_node(|name, _| failed.contains(name)).await?;
        }
        Ok(results.into_iter().filter(|(_, result)| result.is_ok()).map(|(name, _)| name).collect())
    }

    /// Takes up running moves again, all or those with a target on one of `brokers`, but for those in `except`.
    pub(in crate::controller) async fn resume_reassignments(
        &mut self,
        brokers: Option<&[BrokerId]>,
        except: &[TopicPartition],
    ) -> Outcome {
        let moving: Vec<TopicPartition> = self.ctx.reassigning.iter().cloned().collect();
        for name in moving {
            let assignment = self.assignment_of(&name);
            let concerned = brokers.is_none_or(|brokers| assignment.target().iter().any(|id| brokers.contains(id)));
            if concerned && !except.contains(&name) {
                self.move_on(&name, assignment).await?;
            }
        }
        Ok(())
    }

    /// ISRs have changed: ends the moves among these partitions whose targets are all in sync now.
    pub(in crate::controller) async fn complete_reassignments_of(&mut self, partitions: &[TopicPartition]) -> Outcome {
        for name in partitions {
            if !self.ctx.reassigning.contains(name) {
                continue;
            }
            let assignment = self.assignment_of(name);
            if self.is_complete(name, &assignment).await? {
                tracing::info!(partition = %name, target = ?assignment.target(), "all target replicas are in sync");
                self.move_on(name, assignment).await?;
            }
        }
        Ok(())
    }

    /// Partitions have a leader again that could not be moved on without one.
    pub(in crate::controller) async fn go_on_with_reassignments_of(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Outcome {
        for name in partitions {
            if self.ctx.reassigning.contains(name) {
                self.move_on(name, self.assignment_of(name)).await?;
            }
        }
        Ok(())
    }

    fn assignment_of(&self, name: &TopicPartition) -> ReplicaAssignment {
        self.ctx.partition(name).map(|p| p.assignment.clone()).unwrap_or_default()
    }

    async fn start_moves(&mut self, moves: Moves) -> Outcome<Reassignments> {
        let mut results = Reassignments::new();
        for (name, assignment) in moves {
            let known = !self.ctx.replicas(&name).is_empty() && !self.ctx.is_queued_for_deletion(&name.topic);
            let result = if known {
                self.move_on(&name, assignment).await?;
                Ok(())
            } else {
                Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, "The partition does not exist."))
            };
            results.insert(name, result);
        }
        Ok(results)
    }

    /// Starts a move, goes on with it, or ends it: whichever its state asks for (`onPartitionReassignment`, whose letters these are).
    async fn move_on(&mut self, name: &TopicPartition, assignment: ReplicaAssignment) -> Outcome {
        self.mark_ineligible([name.topic.clone()], "reassignment in progress");
        self.adopt(name, &assignment).await?;
        if self.ctx.waits_in_doubt(name) {
            return Ok(()); // a leader comes first, and goes on from here
        }
        let of = |ids: &[BrokerId]| -> Vec<Replica> { ids.iter().map(|id| (name.clone(), *id)).collect() };
        if !self.is_complete(name, &assignment).await? {
            // A1, A2: everybody learns the larger set; the new replicas begin to follow.
            self.bump_leader_epoch(name, &assignment).await?;
            return self.move_replicas(&of(&assignment.adding), ReplicaState::New).await;
        }
        // B1, B2
        self.move_replicas(&of(&assignment.adding), ReplicaState::Online).await?;
        let done = ReplicaAssignment::new(assignment.target());
        self.ctx.set_assignment(name, done.clone());
        // B3: the leader stays if it is a live member of the target
        let leader = self.ctx.leadership(name).map(|l| l.state.leader);
        match leader {
            Some(leader) if done.replicas.contains(&leader) && self.ctx.is_replica_online(leader, name, false) => {
                self.bump_leader_epoch(name, &done).await?;
            }
            _ => {
                let one = std::slice::from_ref(name);
                self.move_partitions(one, PartitionState::Online, Some(Strategy::Reassign)).await?;
            }
        }
        // B4: the others are stopped and deleted; nobody waits for that
        self.discard_replicas(name, &assignment.removing).await?;
        // B5 to B8
        self.write_assignment(name, &done).await?;
        self.remove_from_reassign_node(|n, target| n == name && *target == done.replicas).await?;
        self.ctx.reassigning.remove(name);
        self.send_update_metadata(&self.ctx.live_or_shutting_down(), [name]);
        self.resume_deletion_of([name.topic.clone()]).await
    }

    /// Makes an assignment the current one, in ZooKeeper and here. What a replaced move had added is thrown away.
    async fn adopt(&mut self, name: &TopicPartition, assignment: &ReplicaAssignment) -> Outcome {
        let before = self.assignment_of(name);
        if before != *assignment {
            self.write_assignment(name, assignment).await?;
            self.ctx.set_assignment(name, assignment.clone());
            let unneeded = without(&before.replicas, &assignment.replicas);
            if !unneeded.is_empty() {
                self.discard_replicas(name, &unneeded).await?;
            }
        }
        self.ctx.reassigning.insert(name.clone());
        Ok(())
    }

    /// All target replicas are in the ISR that ZooKeeper has.
    async fn is_complete(&self, name: &TopicPartition, assignment: &ReplicaAssignment) -> Outcome<bool> {
        if !assignment.is_being_reassigned() {
            return Ok(true);
        }
        let read = self.read_states(std::slice::from_ref(name)).await?.pop().flatten();
        Ok(read.is_some_and(|read| assignment.target().iter().all(|id| read.state.isr.contains(id))))
    }

    /// Stops and deletes replicas without waiting for the broker: success is assumed.
    async fn discard_replicas(&mut self, name: &TopicPartition, removed: &[BrokerId]) -> Outcome {
        let replicas: Vec<Replica> = removed.iter().map(|id| (name.clone(), *id)).collect();
        for state in [
            ReplicaState::Offline,
            ReplicaState::DeletionStarted,
            ReplicaState::DeletionSuccessful,
            ReplicaState::NonExistent,
        ] {
            self.move_replicas(&replicas, state).await?;
        }
        Ok(())
    }

    /// Writes the topic's node with this partition's assignment.
    async fn write_assignment(&mut self, name: &TopicPartition, assignment: &ReplicaAssignment) -> Outcome {
        let Some(known) = self.ctx.topics.get(&name.topic) else { return Ok(()) };
        let mut partitions: BTreeMap<i32, _> =
            known.partitions.iter().map(|(index, p)| (*index, to_node(&p.assignment))).collect();
        partitions.insert(name.partition, to_node(assignment));
        let node = topic::TopicNode { topic_id: (!known.id.is_zero()).then_some(known.id), partitions };
        tracing::info!(partition = %name, replicas = ?assignment.replicas, adding = ?assignment.adding,
            removing = ?assignment.removing, "assignment changed");
        store::topics::set(&self.link.session, self.link.term()?, &name.topic, &node).await?;
        Ok(())
    }

    /// Writes the next leader epoch, so that the leader takes the assignment over, and sends it: `assignment`'s origin hears of a
    /// known partition, its added replicas of a new one.
    async fn bump_leader_epoch(&mut self, name: &TopicPartition, assignment: &ReplicaAssignment) -> Outcome {
        let one = std::slice::from_ref(name);
        for _ in 0..MAX_RACES {
            let Some(read) = self.read_states(one).await?.pop().flatten() else {
                tracing::error!(partition = %name, "leader epoch not raised: no state in ZooKeeper");
                return Ok(());
            };
            if read.controller_epoch > self.ctx.epoch {
                tracing::error!(partition = %name, by = read.controller_epoch,
                    "leader epoch not raised: a later controller has written the state");
                return Ok(());
            }
            let next = read.state.with_leader(read.state.leader);
            let write = (name.clone(), to_znode(self.ctx.epoch, &next), next.partition_epoch);
            let outcomes = store::partitions::set(&self.link.session, self.link.term()?, &[write]).await?;
            match outcomes.into_iter().next() {
                Some(SetOutcome::Done(version)) => {
                    let state = LeaderAndIsr { partition_epoch: version, ..next };
                    self.ctx.set_leadership(name, self.of_this_term(state));
                    let mut batch = Batch::default();
                    batch.add_leader_and_isr(&self.ctx, &assignment.origin(), name, false);
                    batch.add_leader_and_isr(&self.ctx, &assignment.adding, name, true);
                    self.send(batch);
                    return Ok(());
                }
                Some(SetOutcome::BadVersion) => {}
                Some(SetOutcome::Failed(error)) => {
                    tracing::error!(partition = %name, "leader epoch not raised: {error}");
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
        tracing::error!(partition = %name, "leader epoch not raised: lost every race on the state node");
        Ok(())
    }

    /// What `/admin/reassign_partitions` asks for. None without the node, or with one that can't be understood: that is left for its
    /// writer to mend, and must not keep this controller from its other work.
    async fn asked_reassignments(&self) -> Outcome<Option<Targets>> {
        match store::admin::reassignments(&self.link.session).await {
            Err(StoreError::Znode(error)) => {
                tracing::error!("{} not understood: {error}", reassign::PATH);
                Ok(None)
            }
            read => Ok(read?),
        }
    }

    /// Takes partitions out of `/admin/reassign_partitions`; an empty node is deleted, and looked for again.
    async fn remove_from_reassign_node(&mut self, which: impl Fn(&TopicPartition, &Vec<BrokerId>) -> bool) -> Outcome {
        let Some(asked) = self.asked_reassignments().await? else { return Ok(()) };
        let left: Targets = asked.into_iter().filter(|(name, target)| !which(name, target)).collect();
        store::admin::set_reassignments(&self.link.session, self.link.term()?, &left).await?;
        if left.is_empty() {
            self.events.put(Event::ZkReassignment);
        }
        Ok(())
    }
}

/// The assignment that a request leads to: towards the target, or back to the origin of a running move. `None` when there is
/// nothing to cancel.
fn plan(current: &ReplicaAssignment, target: Option<&[BrokerId]>) -> Option<ReplicaAssignment> {
    match target {
        Some(target) => Some(current.reassign_to(target)),
        None if current.is_being_reassigned() => Some(current.reassign_to(&current.origin())),
        None => None,
    }
}

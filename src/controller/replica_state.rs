//! The state machine of replicas (`ZkReplicaStateMachine`): the moves of `states.rs`, with what they write and send.
//!
//! Called by the handlers. Replicas are taken broker by broker, as the removal from the ISR is; the requests of all go out together
//! at the end, in the order LeaderAndIsr, UpdateMetadata, StopReplica.

use std::collections::BTreeMap;

use super::batch::Batch;
use super::context::{LeaderAndIsr, Leadership, Replica};
use super::core::{Core, Outcome};
use super::election::shrink;
use super::partition_state::{MAX_RACES, to_znode};
use super::states::ReplicaState;
use crate::base::{BrokerId, TopicPartition};
use crate::zk::store::{self, partitions::SetOutcome};

impl Core {
    /// Gives every replica its first state of this term, tells the live ones of their roles and takes the others out of the ISRs
    /// (`startup`).
    pub(super) async fn start_replica_states(&mut self, of: &[TopicPartition]) -> Outcome {
        let (online, offline) = self.ctx.online_and_offline_replicas(of);
        for (replicas, state) in [(&online, ReplicaState::Online), (&offline, ReplicaState::DeletionIneligible)] {
            for (name, broker) in replicas {
                self.set_replica_state(name, *broker, state);
            }
        }
        self.move_replicas(&online, ReplicaState::Online).await?;
        self.move_replicas(&offline, ReplicaState::Offline).await
    }

    /// Moves replicas to a state. Those that may not go there, or whose write fails, stay.
    pub(super) async fn move_replicas(&mut self, replicas: &[Replica], to: ReplicaState) -> Outcome {
        let mut by_broker: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        for (name, broker) in replicas {
            let Some(from) = self.ctx.partition(name).map(|p| p.replica_state(*broker)) else { continue };
            if to.allowed_from().contains(&from) {
                by_broker.entry(*broker).or_default().push(name.clone());
            } else {
                tracing::error!(partition = %name, broker, ?from, ?to, "illegal state change of a replica refused");
            }
        }
        let mut batch = Batch::default();
        for (broker, partitions) in by_broker {
            self.move_replicas_of(broker, partitions, to, &mut batch).await?;
        }
        self.send(batch);
        Ok(())
    }

    async fn move_replicas_of(
        &mut self,
        broker: BrokerId,
        partitions: Vec<TopicPartition>,
        to: ReplicaState,
        batch: &mut Batch,
    ) -> Outcome {
        match to {
            ReplicaState::New => {
                for name in partitions {
                    if let Some(leadership) = self.ctx.leadership(&name) {
                        if leadership.state.leader == broker {
                            tracing::error!(partition = %name, broker, "a new replica leads already: not moved");
                            continue;
                        }
                        batch.add_leader_and_isr(&self.ctx, &[broker], &name, true);
                    }
                    self.set_replica_state(&name, broker, to);
                }
            }
            ReplicaState::Online => {
                for name in partitions {
                    let Some(partition) = self.ctx.partition_mut(&name) else { continue };
                    if partition.replica_state(broker) == ReplicaState::New {
                        if !partition.assignment.replicas.contains(&broker) {
                            partition.assignment.replicas.push(broker);
                        }
                    } else if !(self.ctx.waits_in_doubt(&name) && self.ctx.is_led_by(&name, broker)) {
                        // Who is waited with would lead on.
                        batch.add_leader_and_isr(&self.ctx, &[broker], &name, false);
                    }
                    self.set_replica_state(&name, broker, to);
                }
            }
            ReplicaState::Offline => self.take_offline(broker, partitions, batch).await?,
            ReplicaState::DeletionStarted => {
                for name in partitions {
                    batch.add_stop_replica(&self.ctx, &[broker], &name, true);
                    self.set_replica_state(&name, broker, to);
                }
            }
            ReplicaState::DeletionSuccessful | ReplicaState::DeletionIneligible => {
                for name in partitions {
                    self.set_replica_state(&name, broker, to);
                }
            }
            ReplicaState::NonExistent => {
                for name in partitions {
                    self.set_replica_state(&name, broker, to);
                    if let Some(partition) = self.ctx.partition_mut(&name) {
                        partition.assignment.replicas.retain(|id| *id != broker);
                    }
                }
            }
        }
        Ok(())
    }

    fn set_replica_state(&mut self, name: &TopicPartition, broker: BrokerId, state: ReplicaState) {
        if let Some(partition) = self.ctx.partition_mut(name) {
            tracing::trace!(partition = %name, broker, from = ?partition.replica_state(broker), to = ?state, "state of replica");
            partition.set_replica_state(broker, state);
        }
    }

    /// Stops a broker's replicas and takes them out of their ISRs; the other replicas are told.
    async fn take_offline(&mut self, broker: BrokerId, partitions: Vec<TopicPartition>, batch: &mut Batch) -> Outcome {
        for name in partitions.iter().filter(|name| self.must_stop(broker, name)) {
            // Before the write below: the broker still knows the old leader epoch.
            batch.add_stop_replica(&self.ctx, &[broker], name, false);
        }
        // Who waits for another one of the ISR does not take it out.
        let may_shrink = |name: &TopicPartition| self.ctx.leadership(name).is_some() && !self.ctx.waits_in_doubt(name);
        let (led, headless): (Vec<_>, Vec<_>) = partitions.into_iter().partition(may_shrink);
        for name in self.remove_from_isr(broker, led).await? {
            if !self.ctx.is_queued_for_deletion(&name.topic) {
                let others: Vec<BrokerId> =
                    self.ctx.replicas(&name).iter().copied().filter(|id| *id != broker).collect();
                batch.add_leader_and_isr(&self.ctx, &others, &name, false);
            }
            self.set_replica_state(&name, broker, ReplicaState::Offline);
        }
        for name in headless {
            batch.add_update_metadata(&self.ctx, &self.ctx.live_or_shutting_down(), [&name]);
            self.set_replica_state(&name, broker, ReplicaState::Offline);
        }
        Ok(())
    }

    /// Is a broker told to stop a replica that goes offline? Not where its process is presumed dead: should it live, then nothing but a
    /// new leader epoch would make an Apache broker fetch again what it was told to stop, and a replica outside the ISR gets none.
    pub(super) fn must_stop(&self, broker: BrokerId, name: &TopicPartition) -> bool {
        !self.ctx.presumed_dead.contains(&broker) || self.ctx.is_queued_for_deletion(&name.topic)
    }

    /// Takes a replica out of ISRs. Returns the partitions that are done: written, or read again because it was not in the ISR. As in
    /// elections what the context knows is tried before anything is read.
    async fn remove_from_isr(
        &mut self,
        broker: BrokerId,
        partitions: Vec<TopicPartition>,
    ) -> Outcome<Vec<TopicPartition>> {
        let mut done = Vec::with_capacity(partitions.len());
        let mut remaining = Vec::new();
        let mut writes = Vec::new();
        for name in partitions {
            match self.ctx.leadership(&name).and_then(|known| shrink(&known.state, broker)) {
                Some(next) => writes.push((name, next)),
                None => remaining.push(name),
            }
        }
        for _ in 0..MAX_RACES {
            self.write_shrunk(broker, std::mem::take(&mut writes), &mut done, &mut remaining).await?;
            if remaining.is_empty() {
                break;
            }
            let read = self.read_states(&remaining).await?;
            for (name, read) in remaining.drain(..).zip(read) {
                let Some(read) = read else {
                    tracing::error!(partition = %name, broker, "replica not taken offline: no state in ZooKeeper");
                    continue;
                };
                if read.controller_epoch > self.ctx.epoch {
                    tracing::error!(partition = %name, broker, by = read.controller_epoch,
                        "replica not taken offline: a later controller has written the state");
                    continue;
                }
                let current = read.state;
                match shrink(&current, broker) {
                    Some(next) => writes.push((name, next)),
                    None => {
                        // Kafka keeps what it has read under its own epoch here.
                        self.ctx.set_leadership(&name, self.of_this_term(current));
                        done.push(name);
                    }
                }
            }
        }
        for (name, _) in writes {
            tracing::error!(partition = %name, broker, "replica not taken offline: lost every race on its state node");
        }
        Ok(done)
    }

    /// Writes ISRs without a replica. What is written goes to `done`, what has lost a race to `lost`.
    async fn write_shrunk(
        &mut self,
        broker: BrokerId,
        writes: Vec<(TopicPartition, LeaderAndIsr)>,
        done: &mut Vec<TopicPartition>,
        lost: &mut Vec<TopicPartition>,
    ) -> Outcome {
        if writes.is_empty() {
            return Ok(());
        }
        let epoch = self.ctx.epoch;
        let nodes: Vec<_> =
            writes.iter().map(|(name, next)| (name.clone(), to_znode(epoch, next), next.partition_epoch)).collect();
        let outcomes = store::partitions::set(&self.link.session, self.link.term()?, &nodes).await?;
        for ((name, next), outcome) in writes.into_iter().zip(outcomes) {
            match outcome {
                SetOutcome::Done(version) => {
                    let leadership = self.of_this_term(LeaderAndIsr { partition_epoch: version, ..next });
                    self.ctx.set_leadership(&name, leadership);
                    done.push(name);
                }
                SetOutcome::BadVersion => lost.push(name),
                SetOutcome::Failed(error) => {
                    tracing::error!(partition = %name, broker, "replica not taken offline: {error}");
                }
            }
        }
        Ok(())
    }

    /// A state under this term's epoch.
    pub(super) fn of_this_term(&self, state: LeaderAndIsr) -> Leadership {
        Leadership { controller_epoch: self.ctx.epoch, state }
    }
}

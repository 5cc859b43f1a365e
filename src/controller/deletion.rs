//! Taking topics away (`TopicDeletionManager`): off the metadata, off the disks of all replicas, then out of ZooKeeper.
//!
//! A deletion goes on whenever something happens that lets it: it was asked for, a StopReplica was answered, a broker came back, a
//! move ended. All its state is in the context, so a new controller starts it over. Called by the handlers in `on/`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::Replica;
use super::core::{Core, Outcome};
use super::states::{PartitionState, ReplicaState};
use crate::base::TopicPartition;
use crate::zk::store;

impl Core {
    /// What a new controller finds in ZooKeeper. With `delete.topic.enable=false` the marks are taken away.
    pub(super) async fn start_deletions(
        &mut self,
        marked: BTreeSet<Arc<str>>,
        mut ineligible: BTreeSet<Arc<str>>,
    ) -> Outcome {
        if !self.settings.delete_topic_enable {
            return self.unmark(marked).await;
        }
        ineligible.retain(|topic| marked.contains(topic));
        self.ctx.deletion.queued = marked;
        self.ctx.deletion.ineligible = ineligible;
        Ok(())
    }

    /// Takes marks away.
    pub(super) async fn unmark(&mut self, topics: BTreeSet<Arc<str>>) -> Outcome {
        if topics.is_empty() {
            return Ok(());
        }
        let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
        tracing::info!(?topics, "taking deletion marks away");
        store::topics::unmark(&self.link.session, self.link.term()?, &topics).await?;
        Ok(())
    }

    /// Halts the deletion of those of `topics` that are to be deleted.
    pub(super) fn mark_ineligible(&mut self, topics: impl IntoIterator<Item = Arc<str>>, reason: &str) {
        for topic in topics {
            if self.ctx.deletion.queued.contains(&topic) && self.ctx.deletion.ineligible.insert(topic.clone()) {
                tracing::info!(%topic, reason, "deletion of topic halted");
            }
        }
    }

    /// Lets halted deletions go on.
    pub(super) async fn resume_deletion_of(&mut self, topics: impl IntoIterator<Item = Arc<str>>) -> Outcome {
        let mut any = false;
        for topic in topics {
            if self.ctx.deletion.queued.contains(&topic) {
                self.ctx.deletion.ineligible.remove(&topic);
                any = true;
            }
        }
        if any { self.resume_deletions().await } else { Ok(()) }
    }

    /// Replicas that can't be deleted now: their topics wait.
    pub(super) async fn fail_replica_deletion(&mut self, replicas: Vec<Replica>) -> Outcome {
        let failed: Vec<Replica> =
            replicas.into_iter().filter(|(p, _)| self.ctx.is_queued_for_deletion(&p.topic)).collect();
        if failed.is_empty() {
            return Ok(());
        }
        self.move_replicas(&failed, ReplicaState::DeletionIneligible).await?;
        let topics: BTreeSet<Arc<str>> = failed.into_iter().map(|(p, _)| p.topic).collect();
        self.mark_ineligible(topics, "replica deletion failure");
        self.resume_deletions().await
    }

    /// Replicas whose deletion was answered.
    pub(super) async fn complete_replica_deletion(&mut self, replicas: Vec<Replica>) -> Outcome {
        let done: Vec<Replica> =
            replicas.into_iter().filter(|(p, _)| self.ctx.is_queued_for_deletion(&p.topic)).collect();
        self.move_replicas(&done, ReplicaState::DeletionSuccessful).await?;
        self.resume_deletions().await
    }

    /// Goes on with every deletion that can go on.
    pub(super) async fn resume_deletions(&mut self) -> Outcome {
        let queued: Vec<Arc<str>> = self.ctx.deletion.queued.iter().cloned().collect();
        let mut retry = Vec::new();
        let mut start = Vec::new();
        for topic in queued {
            let (mut all_deleted, mut any_started, mut any_ineligible) = (true, false, false);
            for (name, broker) in self.ctx.replicas_of(&topic) {
                let state = self.ctx.partition(&name).map(|p| p.replica_state(broker)).unwrap_or_default();
                all_deleted &= state == ReplicaState::DeletionSuccessful;
                any_started |= state == ReplicaState::DeletionStarted;
                any_ineligible |= state == ReplicaState::DeletionIneligible;
            }
            if all_deleted {
                self.complete_topic(&topic).await?;
                continue;
            }
            if !any_started && any_ineligible {
                retry.extend(self.ctx.replicas_in_state(&topic, ReplicaState::DeletionIneligible));
            }
            if !any_started && !self.ctx.deletion.ineligible.contains(&topic) {
                start.push(topic);
            }
        }
        if !retry.is_empty() {
            self.move_replicas(&retry, ReplicaState::Offline).await?;
        }
        if !start.is_empty() {
            self.delete_topics(start).await?;
        }
        Ok(())
    }

    /// Every replica is gone: the topic's znodes go too. No broker is told any more.
    async fn complete_topic(&mut self, topic: &Arc<str>) -> Outcome {
        self.link.watches.drop(&crate::zk::znode::topic::path(topic));
        let deleted = self.ctx.replicas_in_state(topic, ReplicaState::DeletionSuccessful);
        self.move_replicas(&deleted, ReplicaState::NonExistent).await?;
        store::topics::delete(&self.link.session, self.link.term()?, topic).await?;
        self.ctx.remove_topic(topic);
        tracing::info!(%topic, "topic deleted");
        Ok(())
    }

    /// Takes topics off: partitions end, all brokers forget them, live replicas are stopped and then deleted.
    async fn delete_topics(&mut self, topics: Vec<Arc<str>>) -> Outcome {
        tracing::info!(?topics, "deleting topics");
        let unseen: Vec<TopicPartition> = topics
            .iter()
            .filter(|topic| !self.ctx.deletion.started.contains(*topic))
            .flat_map(|topic| self.ctx.partitions_of(topic))
            .collect();
        self.move_partitions(&unseen, PartitionState::Offline, None).await?;
        self.move_partitions(&unseen, PartitionState::NonExistent, None).await?;
        self.ctx.deletion.started.extend(topics.iter().cloned());

        let all: Vec<TopicPartition> = topics.iter().flat_map(|topic| self.ctx.partitions_of(topic)).collect();
        self.send_update_metadata(&self.ctx.live_or_shutting_down(), &all);

        let (mut dead, mut doomed, mut wait) = (Vec::new(), Vec::new(), BTreeSet::new());
        for topic in &topics {
            for (name, broker) in self.ctx.replicas_of(topic) {
                if !self.ctx.is_replica_online(broker, &name, false) {
                    wait.insert(topic.clone());
                    dead.push((name, broker));
                } else if self
                    .ctx
                    .partition(&name)
                    .is_some_and(|p| p.replica_state(broker) != ReplicaState::DeletionSuccessful)
                {
                    doomed.push((name, broker));
                }
            }
        }
        self.move_replicas(&dead, ReplicaState::DeletionIneligible).await?;
        self.move_replicas(&doomed, ReplicaState::Offline).await?;
        self.move_replicas(&doomed, ReplicaState::DeletionStarted).await?;
        self.mark_ineligible(wait, "offline replicas");
        Ok(())
    }
}

//! Events topic change and partition modifications: topics and partitions appear, made by whoever writes them to ZooKeeper.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::TopicPartition;
use crate::controller::context::{Context, Replica};
use crate::controller::core::{Core, Outcome};
use crate::controller::election::Strategy;
use crate::controller::event::Event;
use crate::controller::reads::{from_node, to_node};
use crate::controller::states::{PartitionState, ReplicaState};
use crate::zk::store;
use crate::zk::znode::{partition_state, topic};

impl Core {
    /// The list of topics has changed.
    pub(in crate::controller) async fn on_topic_change(&mut self) -> Outcome {
        let names = self.list_and_watch(topic::PATH, || Event::TopicChange).await?;
        let now: BTreeSet<Arc<str>> = names.into_iter().map(Arc::from).collect();
        let gone: Vec<Arc<str>> = self.ctx.topics.keys().filter(|name| !now.contains(*name)).cloned().collect();
        let new: Vec<Arc<str>> = now.into_iter().filter(|name| !self.ctx.topics.contains_key(name)).collect();
        let read = self.read_topics(&new).await?;
        for name in gone {
            self.link.watches.drop(&topic::path(&name));
            self.ctx.remove_topic(&name);
        }
        let names: Vec<Arc<str>> = read.iter().map(|(name, _)| name.clone()).collect();
        self.take_topics(read).await?;
        let (mended, new): (Vec<&Arc<str>>, Vec<&Arc<str>>) =
            names.iter().partition(|name| self.ctx.unreadable.remove(*name));
        let of = |ctx: &Context, names: &[&Arc<str>]| -> Vec<TopicPartition> {
            names.iter().flat_map(|name| ctx.partitions_of(name)).collect()
        };
        let (mended, mut new) = (of(&self.ctx, &mended), of(&self.ctx, &new));
        if !mended.is_empty() {
            new.extend(self.adopt_partitions(mended).await?);
        }
        self.on_new_partitions(&new).await
    }

    /// Takes in the partitions of topics whose node has been mended, as a new controller would. Returns those that never had a leader.
    async fn adopt_partitions(&mut self, partitions: Vec<TopicPartition>) -> Outcome<Vec<TopicPartition>> {
        self.refresh_leadership(&partitions).await?;
        let (old, new): (Vec<_>, Vec<_>) = partitions.into_iter().partition(|name| self.ctx.leadership(name).is_some());
        self.init_partition_states(&old);
        self.start_replica_states(&old).await?;
        self.bring_online(&old).await?;
        Ok(new)
    }

    /// A topic's node has changed: new partitions are taken in, other replicas of known ones are not looked at.
    pub(in crate::controller) async fn on_partition_modifications(&mut self, name: &Arc<str>) -> Outcome {
        let Some((name, node)) = self.read_topics(std::slice::from_ref(name)).await?.pop() else { return Ok(()) };
        if !self.ctx.topics.contains_key(&name) {
            // The change of the list has not been taken up yet, or the node could not be understood when it was.
            self.events.put(Event::TopicChange);
            return Ok(());
        }
        let of = |index: i32| TopicPartition { topic: name.clone(), partition: index };
        let added: Vec<i32> =
            node.partitions.keys().copied().filter(|index| self.ctx.replicas(&of(*index)).is_empty()).collect();
        if added.is_empty() {
            return Ok(());
        }
        if self.ctx.is_queued_for_deletion(&name) {
            tracing::warn!(topic = %name, ?added, "no partitions are added to a topic that is being deleted");
            return self.restore_assignment(&name, node).await;
        }
        for (index, assignment) in node.partitions {
            if added.contains(&index) {
                self.ctx.set_assignment(&of(index), from_node(assignment));
            }
        }
        let added: Vec<TopicPartition> = added.into_iter().map(of).collect();
        self.on_new_partitions(&added).await
    }

    /// Writes a topic's node back to the partitions that exist.
    async fn restore_assignment(&mut self, name: &Arc<str>, node: topic::TopicNode) -> Outcome {
        let existing = self.link.session.children(&partition_state::partitions_path(name)).await?.unwrap_or_default();
        let existing: BTreeSet<i32> = existing.iter().filter_map(|index| index.parse().ok()).collect();
        let known = |index: i32| {
            let of = TopicPartition { topic: name.clone(), partition: index };
            self.ctx.partition(&of).map(|p| (index, to_node(&p.assignment)))
        };
        let partitions =
            node.partitions.keys().copied().filter(|index| existing.contains(index)).filter_map(known).collect();
        let restored = topic::TopicNode { partitions, ..node };
        store::topics::set(&self.link.session, self.link.term()?, name, &restored).await?;
        Ok(())
    }

    /// New partitions: elect their first leaders, tell their replicas.
    async fn on_new_partitions(&mut self, partitions: &[TopicPartition]) -> Outcome {
        if partitions.is_empty() {
            return Ok(());
        }
        tracing::info!(?partitions, "new partitions");
        let of = |name: &TopicPartition| -> Vec<Replica> {
            self.ctx.replicas(name).iter().map(|id| (name.clone(), *id)).collect()
        };
        let replicas: Vec<Replica> = partitions.iter().flat_map(of).collect();
        self.move_partitions(partitions, PartitionState::New, None).await?;
        self.move_replicas(&replicas, ReplicaState::New).await?;
        let strategy = Strategy::Offline { allow_unclean: false };
        self.move_partitions(partitions, PartitionState::Online, Some(strategy)).await?;
        self.move_replicas(&replicas, ReplicaState::Online).await
    }
}

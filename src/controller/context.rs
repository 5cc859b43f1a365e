//! What the elected controller knows of the cluster (`ControllerContext`): plain data and questions about it, no effects.
//!
//! Owned by the one task of `run.rs` and handed to handlers as `&mut`; it is empty whenever this broker is not the controller.
//! Everything is kept in ordered maps, so that a simulated run repeats itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::assignment::ReplicaAssignment;
use super::doubt::{Doubt, Doubts};
use super::states::{PartitionState, ReplicaState};
use crate::base::ids::NO_BROKER;
use crate::base::{BrokerId, TopicId, TopicPartition};

/// Leader and in-sync replicas of a partition, as in its state znode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaderAndIsr {
    /// The leader, or -1.
    pub leader: BrokerId,
    /// Counts the leaders.
    pub leader_epoch: i32,
    /// In-sync replicas in the order of the writer, not of the assignment.
    pub isr: Vec<BrokerId>,
    /// The leader was elected uncleanly and has not recovered yet (KIP-704).
    pub recovering: bool,
    /// Version of the znode's data, which every conditional write checks ("zkVersion").
    pub partition_epoch: i32,
}

impl LeaderAndIsr {
    /// The same with another leader and the next leader epoch.
    #[must_use]
    pub fn with_leader(&self, leader: BrokerId) -> Self {
        Self { leader, leader_epoch: self.leader_epoch.saturating_add(1), ..self.clone() }
    }
}

/// The last state of a partition that the controller wrote or read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leadership {
    /// Epoch of the controller that wrote it.
    pub controller_epoch: i32,
    /// The state.
    pub state: LeaderAndIsr,
}

/// Where clients and brokers reach a broker, for one listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokerEndpoint {
    /// Listener name.
    pub listener: String,
    /// Advertised host.
    pub host: String,
    /// Advertised port.
    pub port: i32,
    /// `SecurityProtocol.id`: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// A registered broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broker {
    /// Its id.
    pub id: BrokerId,
    /// The creation zxid of its znode: another one is another life of the broker.
    pub epoch: i64,
    /// Its advertised endpoints.
    pub endpoints: Vec<BrokerEndpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Supported features, as in its znode.
    pub features: BTreeMap<String, (i16, i16)>,
}

impl Broker {
    /// Its endpoint on a listener.
    pub fn endpoint(&self, listener: &str) -> Option<&BrokerEndpoint> {
        self.endpoints.iter().find(|e| e.listener == listener)
    }
}

/// One partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Partition {
    /// Its replicas.
    pub assignment: ReplicaAssignment,
    /// Leader and ISR; none before the first election.
    pub leadership: Option<Leadership>,
    /// Where it is in its state machine.
    pub state: PartitionState,
    /// Where its replicas are; one that is missing is [`ReplicaState::NonExistent`].
    pub replicas: BTreeMap<BrokerId, ReplicaState>,
    /// Members of the ISR that restarted and may lack the end of their logs, while no other was there to lead; until a leader is
    /// elected.
    pub doubts: Doubts,
}

impl Partition {
    /// State of a replica.
    pub fn replica_state(&self, replica: BrokerId) -> ReplicaState {
        self.replicas.get(&replica).copied().unwrap_or_default()
    }

    /// This broker leads it, as far as is known.
    pub fn is_led_by(&self, broker: BrokerId) -> bool {
        self.leadership.as_ref().is_some_and(|known| known.state.leader == broker)
    }

    /// This broker is in sync, as far as is known.
    pub fn is_in_sync(&self, broker: BrokerId) -> bool {
        self.leadership.as_ref().is_some_and(|known| known.state.isr.contains(&broker))
    }

    /// Moves a replica's state, forgetting it when it exists no more.
    pub fn set_replica_state(&mut self, replica: BrokerId, state: ReplicaState) {
        match state {
            ReplicaState::NonExistent => self.replicas.remove(&replica),
            state => self.replicas.insert(replica, state),
        };
    }
}

/// One topic.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Topic {
    /// Its id; zero for a topic of an IBP below 2.8.
    pub id: TopicId,
    /// Its partitions by index.
    pub partitions: BTreeMap<i32, Partition>,
}

/// One replica of a partition.
pub type Replica = (TopicPartition, BrokerId);

/// The controller's knowledge. Epochs are 0 while this broker is not the controller.
#[derive(Debug, Default)]
pub struct Context {
    /// This term's controller epoch.
    pub epoch: i32,
    /// Data version of `/controller_epoch` in this term: every write checks it.
    pub epoch_version: i32,
    /// Registered brokers, those that are shutting down included.
    pub brokers: BTreeMap<BrokerId, Broker>,
    /// Brokers that asked for a controlled shutdown, or are presumed dead, and are still registered.
    pub shutting_down: BTreeSet<BrokerId>,
    /// Those of `shutting_down` that did not ask: nobody listens where they were.
    pub presumed_dead: BTreeSet<BrokerId>,
    /// Registered since before this term, and had not answered when they were asked: a registration may outlive its process.
    pub unheard: BTreeSet<BrokerId>,
    /// Replicas in failed log directories, by broker.
    pub offline_dirs: BTreeMap<BrokerId, BTreeSet<TopicPartition>>,
    /// Topics by name.
    pub topics: BTreeMap<Arc<str>, Topic>,
    /// Names by id, of topics that have one.
    pub topic_names: BTreeMap<TopicId, Arc<str>>,
    /// Partitions whose replicas are being moved.
    pub reassigning: BTreeSet<TopicPartition>,
    /// What is being deleted.
    pub deletion: Deletion,
    /// Topics whose node could not be understood when it was read last.
    pub unreadable: BTreeSet<Arc<str>>,
}

/// Topics on their way out (`TopicDeletionManager`'s sets).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Deletion {
    /// All that are to be deleted.
    pub queued: BTreeSet<Arc<str>>,
    /// Those among them whose partitions have been taken off.
    pub started: BTreeSet<Arc<str>>,
    /// Those among them that must wait: a dead replica, a running move, a failed StopReplica.
    pub ineligible: BTreeSet<Arc<str>>,
}

impl Context {
    /// Forgets everything, epochs included.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    // ---- brokers ----

    /// Registered and not shutting down.
    pub fn is_live(&self, broker: BrokerId) -> bool {
        self.brokers.contains_key(&broker) && !self.shutting_down.contains(&broker)
    }

    /// Ids of brokers that are registered and not shutting down, ascending.
    pub fn live_brokers(&self) -> Vec<BrokerId> {
        self.brokers.keys().copied().filter(|id| !self.shutting_down.contains(id)).collect()
    }

    /// Ids of all registered brokers, ascending.
    pub fn live_or_shutting_down(&self) -> Vec<BrokerId> {
        self.brokers.keys().copied().collect()
    }

    /// Brokers that have registered after a transaction of ZooKeeper.
    pub fn registered_since(&self, zxid: i64) -> Vec<BrokerId> {
        self.brokers.values().filter(|broker| broker.epoch > zxid).map(|broker| broker.id).collect()
    }

    /// A replica whose broker lives and whose log directory has not failed. `with_shutting_down` counts a broker that is shutting down.
    pub fn is_replica_online(&self, broker: BrokerId, of: &TopicPartition, with_shutting_down: bool) -> bool {
        let up = if with_shutting_down { self.brokers.contains_key(&broker) } else { self.is_live(broker) };
        up && !self.offline_dirs.get(&broker).is_some_and(|failed| failed.contains(of))
    }

    // ---- topics and partitions ----

    /// A partition.
    pub fn partition(&self, of: &TopicPartition) -> Option<&Partition> {
        self.topics.get(&of.topic)?.partitions.get(&of.partition)
    }

    /// A partition, to change it.
    pub fn partition_mut(&mut self, of: &TopicPartition) -> Option<&mut Partition> {
        self.topics.get_mut(&of.topic)?.partitions.get_mut(&of.partition)
    }

    /// Leader and ISR, when it ever had a leader.
    pub fn leadership(&self, of: &TopicPartition) -> Option<&Leadership> {
        self.partition(of)?.leadership.as_ref()
    }

    /// All replicas of a partition in assignment order; empty when it is unknown.
    pub fn replicas(&self, of: &TopicPartition) -> &[BrokerId] {
        self.partition(of).map_or(&[], |p| &p.assignment.replicas)
    }

    /// Id of a topic, zero when it has none.
    pub fn topic_id(&self, topic: &str) -> TopicId {
        self.topics.get(topic).map_or(TopicId::ZERO, |t| t.id)
    }

    /// Puts a topic's id in (in both directions).
    pub fn set_topic_id(&mut self, topic: &Arc<str>, id: TopicId) {
        self.topics.entry(topic.clone()).or_default().id = id;
        if !id.is_zero() {
            self.topic_names.insert(id, topic.clone());
        }
    }

    /// Sets a partition's assignment, making the partition when it is new.
    pub fn set_assignment(&mut self, of: &TopicPartition, assignment: ReplicaAssignment) {
        self.topics.entry(of.topic.clone()).or_default().partitions.entry(of.partition).or_default().assignment =
            assignment;
    }

    /// Caches what was read or written of a partition; nothing when the partition is unknown.
    pub fn set_leadership(&mut self, of: &TopicPartition, leadership: Leadership) {
        if let Some(partition) = self.partition_mut(of) {
            partition.leadership = Some(leadership);
        }
    }

    /// Nobody leads it, and of its ISR nobody is there but who may lack the end of its log: it waits for another one, or for what they
    /// say of their logs.
    pub fn waits_in_doubt(&self, of: &TopicPartition) -> bool {
        self.partition(of).is_some_and(|p| p.state == PartitionState::Offline) && self.is_in_doubt(of)
    }

    /// Members of its ISR may lack the end of their logs.
    pub fn is_in_doubt(&self, of: &TopicPartition) -> bool {
        self.partition(of).is_some_and(|p| !p.doubts.is_empty())
    }

    /// This broker leads it, as far as is known.
    pub fn is_led_by(&self, of: &TopicPartition, broker: BrokerId) -> bool {
        self.partition(of).is_some_and(|partition| partition.is_led_by(broker))
    }

    /// A broker has another life: what it said of its logs in the one before is forgotten, and where others of the ISR are doubted it is
    /// doubted too.
    pub fn doubt_anew(&mut self, broker: BrokerId) {
        for partition in self.topics.values_mut().flat_map(|topic| topic.partitions.values_mut()) {
            if partition.is_in_sync(broker) && !partition.doubts.is_empty() {
                partition.doubts.set(broker, Doubt::Unasked);
            }
        }
    }

    /// Somebody of its ISR who is there was asked for the end of its log, and has not told.
    pub fn awaits_log_end(&self, of: &TopicPartition) -> bool {
        let Some(partition) = self.partition(of) else { return false };
        let is_asked = |id: &BrokerId| partition.doubts.of(*id) == Some(Doubt::Asked);
        let isr = partition.leadership.iter().flat_map(|known| &known.state.isr);
        isr.copied().any(|id| is_asked(&id) && self.is_replica_online(id, of, false))
    }

    /// Those of such partitions in whose ISR a broker is.
    pub fn waiting_in_doubt_for(&self, broker: BrokerId) -> Vec<TopicPartition> {
        let names = self.partitions().filter(|(_, p)| p.is_in_sync(broker)).map(|(name, _)| name);
        names.filter(|name| self.waits_in_doubt(name)).collect()
    }

    /// Forgets a topic.
    pub fn remove_topic(&mut self, topic: &str) {
        if let Some(gone) = self.topics.remove(topic) {
            self.topic_names.remove(&gone.id);
        }
        self.reassigning.retain(|p| &*p.topic != topic);
        self.deletion.queued.remove(topic);
        self.deletion.started.remove(topic);
        self.deletion.ineligible.remove(topic);
    }

    /// Every partition with its name, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (TopicPartition, &Partition)> {
        self.topics.iter().flat_map(|(name, topic)| {
            topic
                .partitions
                .iter()
                .map(move |(index, p)| (TopicPartition { topic: name.clone(), partition: *index }, p))
        })
    }

    /// The partitions of one topic.
    pub fn partitions_of(&self, topic: &str) -> Vec<TopicPartition> {
        self.topics.get_key_value(topic).map_or_else(Vec::new, |(name, t)| {
            t.partitions.keys().map(|index| TopicPartition { topic: name.clone(), partition: *index }).collect()
        })
    }

    /// The replicas of one topic.
    pub fn replicas_of(&self, topic: &str) -> Vec<Replica> {
        let of = |p: TopicPartition| {
            let replicas = self.replicas(&p).to_vec();
            replicas.into_iter().map(move |id| (p.clone(), id))
        };
        self.partitions_of(topic).into_iter().flat_map(of).collect()
    }

    /// The replicas on one broker.
    pub fn replicas_on(&self, broker: BrokerId) -> Vec<Replica> {
        let on = self.partitions().filter(|(_, p)| p.assignment.replicas.contains(&broker));
        on.map(|(name, _)| (name, broker)).collect()
    }

    /// All replicas, those that are online first.
    pub fn online_and_offline_replicas(&self, of: &[TopicPartition]) -> (Vec<Replica>, Vec<Replica>) {
        let all = of.iter().flat_map(|name| self.replicas(name).iter().map(move |id| (name.clone(), *id)));
        all.partition(|(name, id)| self.is_replica_online(*id, name, false))
    }

    /// The topics of which a replica is offline.
    pub fn topics_with_offline_replicas(&self) -> BTreeSet<Arc<str>> {
        let dead = |(name, p): &(TopicPartition, &Partition)| {
            p.assignment.replicas.iter().any(|id| !self.is_replica_online(*id, name, false))
        };
        self.partitions().filter(dead).map(|(name, _)| name.topic).collect()
    }

    /// Partitions that have a leader which is not online.
    pub fn partitions_with_offline_leader(&self) -> Vec<TopicPartition> {
        let headless = |(name, p): &(TopicPartition, &Partition)| {
            p.leadership.as_ref().is_some_and(|l| !self.is_replica_online(l.state.leader, name, false))
                && !self.deletion.queued.contains(&name.topic)
        };
        self.partitions().filter(headless).map(|(name, _)| name).collect()
    }

    /// Partitions that have leadership information and are not being deleted.
    pub fn partitions_with_leadership(&self) -> Vec<TopicPartition> {
        let known = |(name, p): &(TopicPartition, &Partition)| {
            p.leadership.is_some() && !self.deletion.queued.contains(&name.topic)
        };
        self.partitions().filter(known).map(|(name, _)| name).collect()
    }

    /// Partitions led by a broker.
    pub fn partitions_led_by(&self, broker: BrokerId) -> Vec<TopicPartition> {
        self.partitions().filter(|(_, p)| p.is_led_by(broker)).map(|(name, _)| name).collect()
    }

    // ---- deletion ----

    /// To be deleted.
    pub fn is_queued_for_deletion(&self, topic: &str) -> bool {
        self.deletion.queued.contains(topic)
    }

    /// The replicas of a topic that are in a state.
    pub fn replicas_in_state(&self, topic: &str, state: ReplicaState) -> Vec<Replica> {
        let in_state = |(p, id): &Replica| self.partition(p).is_some_and(|p| p.replica_state(*id) == state);
        self.replicas_of(topic).into_iter().filter(in_state).collect()
    }

    // ---- numbers ----

    /// Partitions that are neither online nor being deleted, as `OfflinePartitionsCount`.
    pub fn offline_partition_count(&self) -> usize {
        let offline = |(name, p): &(TopicPartition, &Partition)| {
            p.state != PartitionState::Online
                && p.state != PartitionState::NonExistent
                && !self.deletion.queued.contains(&name.topic)
        };
        self.partitions().filter(offline).count()
    }

    /// Partitions whose leader is not the first replica, as `PreferredReplicaImbalanceCount`.
    pub fn preferred_imbalance_count(&self) -> usize {
        let imbalanced = |(name, p): &(TopicPartition, &Partition)| {
            let leader = p.leadership.as_ref().map_or(NO_BROKER, |l| l.state.leader);
            p.leadership.is_some()
                && p.assignment.replicas.first().is_some_and(|first| *first != leader)
                && !self.deletion.queued.contains(&name.topic)
        };
        self.partitions().filter(imbalanced).count()
    }
}

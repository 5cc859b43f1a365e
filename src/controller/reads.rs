//! Reads of the controller that set a watch again: lists, brokers, topics. Called at the start of a term and by the handlers.
//!
//! A node that can't be understood is logged and taken as absent: one bad node must not stop the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::assignment::ReplicaAssignment;
use super::context::{Broker, BrokerEndpoint, Leadership};
use super::core::{Core, Outcome};
use super::event::Event;
use super::partition_state::from_znode;
use crate::base::{BrokerId, TopicPartition};
use crate::zk::session::Stat;
use crate::zk::store;
use crate::zk::znode::broker_ids::{self, BrokerNode};
use crate::zk::znode::partition_state;
use crate::zk::znode::topic::{self, PartitionAssignment, TopicNode};

/// Reads in flight at once: enough to hide the round trip, and what ZooKeeper's own request throttle (1,000) takes from one client.
const READ_WINDOW: usize = 256;

impl Core {
    /// The children of a node, watched. An absent node has none; it is watched for its creation.
    pub(super) async fn list_and_watch(&mut self, path: &str, event: fn() -> Event) -> Outcome<Vec<String>> {
        let (children, watch) = self.link.session.children_and_watch(path).await?;
        self.link.watches.keep(path, watch, move |_| Some(event()));
        Ok(children.unwrap_or_default())
    }

    /// The registered brokers, their list watched. One whose node is not understood stays as it is known: it is registered, and to
    /// take it for dead would move its partitions.
    pub(super) async fn read_brokers(&mut self) -> Outcome<BTreeMap<BrokerId, Broker>> {
        let names = self.list_and_watch(broker_ids::PATH, || Event::BrokerChange).await?;
        let ids: Vec<BrokerId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let paths: Vec<String> = ids.iter().map(|id| broker_ids::path(*id)).collect();
        let nodes = self.link.session.get_all(&paths).await?;
        let mut brokers = BTreeMap::new();
        for (id, node) in ids.into_iter().zip(nodes) {
            let Some((data, stat)) = node else { continue };
            match BrokerNode::decode(id, &data) {
                Ok(node) => drop(brokers.insert(id, broker(node, stat.czxid))),
                Err(error) => {
                    tracing::error!(broker = id, "broker's registration not understood: {error}");
                    brokers.extend(self.ctx.brokers.get(&id).cloned().map(|known| (id, known)));
                }
            }
        }
        Ok(brokers)
    }

    /// One broker's registration, watched; none if it has gone.
    pub(super) async fn read_broker(&mut self, id: BrokerId) -> Outcome<Option<Broker>> {
        let path = broker_ids::path(id);
        let (node, watch) = self.link.session.get_and_watch(&path).await?;
        let Some((data, stat)) = node else {
            return Ok(None); // its deletion comes as a change of the list
        };
        self.link.watches.keep(&path, watch, move |_| Some(Event::BrokerModifications(id)));
        match BrokerNode::decode(id, &data) {
            Ok(node) => Ok(Some(broker(node, stat.czxid))),
            Err(error) => {
                tracing::error!(broker = id, "broker's registration not understood: {error}");
                Ok(None)
            }
        }
    }

    /// Watches the registrations of brokers.
    pub(super) async fn watch_brokers(&mut self, ids: &[BrokerId]) -> Outcome {
        for id in ids {
            self.read_broker(*id).await?;
        }
        Ok(())
    }

    /// Topics by name, each watched; those that have gone are left out.
    pub(super) async fn read_topics(&mut self, names: &[Arc<str>]) -> Outcome<Vec<(Arc<str>, TopicNode)>> {
        let session = self.link.session.clone();
        let reads = names.iter().cloned().map(move |name| {
            let session = session.clone();
            async move {
                let read = session.get_and_watch(&topic::path(&name)).await?;
                Ok::<_, crate::zk::session::ZkError>((name, read))
            }
        });
        let read: Vec<_> = stream::iter(reads).buffered(READ_WINDOW).try_collect().await?;
        let mut topics = Vec::with_capacity(read.len());
        for (name, (node, watch)) in read {
            let Some((data, _)) = node else { continue };
            let changed = name.clone();
            self.link.watches.keep(&topic::path(&name), watch, move |_| Some(Event::PartitionModifications(changed)));
            match TopicNode::decode(&name, &data) {
                Ok(node) => topics.push((name, node)),
                Err(error) => {
                    tracing::error!(topic = %name, "topic not understood: {error}");
                    self.ctx.unreadable.insert(name);
                }
            }
        }
        Ok(topics)
    }

    /// Leader and ISR of partitions, in their order; none where there is no state node.
    pub(super) async fn read_states(&self, of: &[TopicPartition]) -> Outcome<Vec<Option<Leadership>>> {
        let read = self.read_states_with_age(of).await?;
        Ok(read.into_iter().map(|read| read.map(|(leadership, _)| leadership)).collect())
    }

    /// [`Core::read_states`] with the transaction (zxid) that wrote each last: broker epochs are such numbers too.
    pub(super) async fn read_states_with_age(&self, of: &[TopicPartition]) -> Outcome<Vec<Option<(Leadership, i64)>>> {
        let paths: Vec<String> = of.iter().map(partition_state::path).collect();
        let nodes = self.link.session.get_all(&paths).await?;
        let decode = |(name, node): (&TopicPartition, Option<(bytes::Bytes, Stat)>)| {
            let (data, stat) = node?;
            match partition_state::PartitionState::decode(name, &data) {
                Ok(state) => Some((from_znode(state, stat.version), stat.mzxid)),
                Err(error) => {
                    tracing::error!(partition = %name, "partition state not understood: {error}");
                    None
                }
            }
        };
        Ok(of.iter().zip(nodes).map(decode).collect())
    }

    /// Puts topics into the context: ids (made for those that lack one), assignments, running moves.
    pub(super) async fn take_topics(&mut self, topics: Vec<(Arc<str>, TopicNode)>) -> Outcome {
        for (name, mut node) in topics {
            if node.topic_id.is_none() && self.settings.topic_ids {
                node.topic_id = Some(self.env.rng.topic_id());
                store::topics::set(&self.link.session, self.link.term()?, &name, &node).await?;
            }
            self.ctx.set_topic_id(&name, node.topic_id.unwrap_or_default());
            for (index, assignment) in node.partitions {
                let of = TopicPartition { topic: name.clone(), partition: index };
                if assignment.is_being_reassigned() {
                    self.ctx.reassigning.insert(of.clone());
                }
                self.ctx.set_assignment(&of, from_node(assignment));
            }
        }
        Ok(())
    }
}

/// The controller's form of an assignment in a topic node.
pub(super) fn from_node(node: PartitionAssignment) -> ReplicaAssignment {
    ReplicaAssignment { replicas: node.replicas, adding: node.adding, removing: node.removing }
}

/// The topic node's form of an assignment.
pub(super) fn to_node(assignment: &ReplicaAssignment) -> PartitionAssignment {
    PartitionAssignment {
        replicas: assignment.replicas.clone(),
        adding: assignment.adding.clone(),
        removing: assignment.removing.clone(),
    }
}

/// The controller's form of a registration.
fn broker(node: BrokerNode, epoch: i64) -> Broker {
    let endpoint = |e: crate::zk::znode::broker_ids::EndpointNode| {
        let security_protocol = match e.protocol.as_str() {
            "PLAINTEXT" => 0,
            "SSL" => 1,
            "SASL_PLAINTEXT" => 2,
            "SASL_SSL" => 3,
            other => {
                tracing::error!(broker = node.id, protocol = other, "endpoint left out: unknown protocol");
                return None;
            }
        };
        Some(BrokerEndpoint { listener: e.listener, host: e.host, port: e.port, security_protocol })
    };
    let endpoints = node.endpoints.into_iter().filter_map(endpoint).collect();
    Broker { id: node.id, epoch, endpoints, rack: node.rack, features: node.features }
}

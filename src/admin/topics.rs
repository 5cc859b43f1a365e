//! Topics: created by request or automatically, grown, marked for deletion. The controller does the rest.
//!
//! The order of the checks is Kafka's (`ZkAdminManager`, `AdminZkClient`), so that a request with two faults gets the same answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::placement::{self, Assignment, Broker};
use super::shell::{Admin, MAX_NODE_BYTES, node_map};
use super::{AdminError, names};
use crate::base::env::Lane;
use crate::base::{BrokerId, ErrorCode, TopicId, topic_names};
use crate::cluster::MetadataImage;
use crate::config::describe::{self, Entry};
use crate::config::{BrokerConfig, ConfigMap, topic};
use crate::zk::session::Session;
use crate::zk::store;
use crate::zk::znode::config::ConfigEntity;
use crate::zk::znode::topic::{PartitionAssignment, TopicNode};

/// "Let the broker's default decide" in counts of partitions and replicas.
const DEFAULT_COUNT: i32 = -1;

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// -1: the broker's default, and the only choice beside an assignment.
    pub partitions: i32,
    /// -1: the broker's default, and the only choice beside an assignment.
    pub replication: i32,
    /// Replicas chosen by hand.
    pub assignment: Option<Assignment>,
    /// Overrides; null values are refused.
    pub configs: Vec<(String, Option<String>)>,
}

impl NewTopic {
    /// A topic with counts and no overrides.
    pub fn new(name: impl Into<String>, partitions: i32, replication: i32) -> Self {
        Self { name: name.into(), partitions, replication, assignment: None, configs: Vec::new() }
    }
}

/// What CreateTopics tells of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id; zero when it was only validated.
    pub id: TopicId,
    /// Its partitions: 0 up to this.
    pub partitions: i32,
    /// Replicas of each.
    pub replication: i16,
    /// All its configs, as DescribeConfigs lists them.
    pub configs: Vec<Entry>,
}

/// Partitions to add to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The topic.
    pub topic: String,
    /// How many partitions it is to have.
    pub count: i32,
    /// Replicas of the added ones, chosen by hand.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

impl Admin {
    /// Creates a topic, or only checks whether it could. When it returns, the topic's config and its node are in ZooKeeper; the
    /// controller makes partitions and leaders next. When an error tells of ZooKeeper, the config may be there without the topic.
    ///
    /// # Errors
    /// [`AdminError`] with Kafka's code and words.
    pub async fn create_topic(&self, new: &NewTopic, validate_only: bool) -> Result<Created, AdminError> {
        let current = self.config.current();
        let broker = &current.effective;
        let image = self.cluster.metadata.load();
        let name = new.name.as_str();
        if image.contains(name) {
            return Err(already_exists(name));
        }
        let overrides = overrides(&new.configs)?;
        let assignment = self.place(new, &broker.config, &image)?;
        names::check(name)?;
        let session = self.session().await;
        check_free(&session, name).await?;
        placement::validate_manual(&assignment)?;
        topic::validate(&overrides, &broker.values).map_err(|error| AdminError::InvalidConfig(error.to_string()))?;
        let config = node_map(&overrides)?;
        let node = topic_node(self.env.rng.topic_id(), &assignment)?;
        if !validate_only {
            tracing::info!(topic = name, partitions = assignment.len(), config = ?overrides, "creating the topic");
            let written = store::topics::create(&session, name, &config, &node).await;
            written.map_err(|error| AdminError::of(error, &ConfigEntity::topic(name)))?;
        }
        Ok(Created {
            id: if validate_only { TopicId::ZERO } else { node.topic_id.unwrap_or_default() },
            partitions: count(assignment.len()),
            replication: i16::try_from(assignment.values().next().map_or(0, Vec::len)).unwrap_or(i16::MAX),
            configs: describe::topic(self.config.statics(), &current.dynamic, &broker.values, &overrides),
        })
    }

    /// Has ZooKeeper any topic? False when it can't be asked.
    pub async fn has_topics(&self) -> bool {
        store::topics::names(&self.session().await).await.is_ok_and(|names| !names.is_empty())
    }

    /// Was a topic deleted, or is it to be? False when ZooKeeper can't be asked.
    pub async fn is_deleted(&self, topic: &str) -> bool {
        let session = self.session().await;
        match store::topics::get(&session, topic).await {
            Ok(None) => true,
            Ok(Some(_)) => self.is_to_be_deleted(&session, topic).await.unwrap_or(false),
            Err(_) => false,
        }
    }

    /// Is a topic marked for deletion? With `delete.topic.enable=false` the controller takes the mark away, and it means nothing.
    pub(super) async fn is_to_be_deleted(&self, session: &Session, topic: &str) -> Result<bool, AdminError> {
        Ok(self.config.load().delete_topic_enable && store::topics::is_marked(session, topic).await?)
    }

    /// Creates topics that clients asked about but that don't exist, with the broker's defaults and, for internal topics, what their
    /// coordinators need. Each gets the code that Metadata answers: LEADER_NOT_AVAILABLE when it was made or is there,
    /// UNKNOWN_TOPIC_OR_PARTITION when another request is making it just now, else why not. Runs to its end when dropped.
    pub async fn auto_create(self: &Arc<Self>, topics: &[Arc<str>]) -> BTreeMap<Arc<str>, ErrorCode> {
        let mut codes = BTreeMap::new();
        let mut claimed = Vec::new();
        for topic in topics {
            if codes.contains_key(topic) {
                continue;
            }
            let code = match names::check(topic) {
                Err(error) => error.code(),
                Ok(()) => {
                    claimed.extend(self.claim(topic));
                    ErrorCode::UnknownTopicOrPartition // unless claimed: replaced below
                }
            };
            codes.insert(topic.clone(), code);
        }
        if claimed.is_empty() {
            return codes;
        }
        let (admin, writer) = (self.clone(), self.writer().await);
        let work = self.env.tasks.spawn(Lane::Data, "auto-create topics", async move {
            let mut made = Vec::with_capacity(claimed.len());
            for claim in claimed {
                let new = admin.automatic(&claim.topic);
                let code = match admin.create_topic(&new, false).await {
                    Ok(_) => ErrorCode::LeaderNotAvailable,
                    Err(error) => {
                        tracing::info!(topic = %claim.topic, %error, "the topic was not created automatically");
                        match error.code() {
                            ErrorCode::TopicAlreadyExists | ErrorCode::RequestTimedOut => ErrorCode::LeaderNotAvailable,
                            code => code,
                        }
                    }
                };
                made.push((claim.topic.clone(), code));
            }
            drop(writer);
            made
        });
        // An error: the runtime is going, and with it whoever asked.
        codes.extend(work.await.unwrap_or_default());
        codes
    }

    /// Adds partitions to a topic, or only checks whether that could be done; answers how many there are then. Written without a check
    /// of the controller, as Kafka does: a reassignment that starts in the same moment may undo it.
    ///
    /// # Errors
    /// [`AdminError`] with Kafka's code and words.
    pub async fn create_partitions(&self, growth: &Growth, validate_only: bool) -> Result<i32, AdminError> {
        let topic = growth.topic.as_str();
        let unknown = || AdminError::UnknownTopic(format!("The topic '{topic}' does not exist."));
        if names::check(topic).is_err() {
            return Err(unknown()); // it must not become a path to something else
        }
        let session = self.session().await;
        let brokers: Vec<Broker> = store::brokers::all(&session)
            .await?
            .into_iter()
            .map(|found| Broker { id: found.node.id, rack: found.node.rack })
            .collect();
        let marked = store::topics::marked(&session).await?;
        if marked.iter().any(|marked| marked == topic) {
            return Err(AdminError::InvalidTopic("The topic is queued for deletion.".into()));
        }
        let (mut node, _) = store::topics::get(&session, topic).await?.ok_or_else(unknown)?;
        if node.partitions.values().any(PartitionAssignment::is_being_reassigned) {
            return Err(AdminError::ReassignmentInProgress(topic.into()));
        }
        let added = added_partitions(&node, growth, &brokers)?;
        node.partitions.extend(added.into_iter().map(|(p, replicas)| (p, PartitionAssignment::stable(replicas))));
        check_size(&node)?;
        if !validate_only {
            tracing::info!(topic, partitions = node.partitions.len(), "adding partitions");
            store::topics::set_unfenced(&session, topic, &node).await?;
        }
        Ok(count(node.partitions.len()))
    }

    /// Marks a topic for deletion; so it is already: nothing to do. The controller deletes it when all its replicas can be reached.
    ///
    /// # Errors
    /// [`AdminError::UnknownTopic`]; ZooKeeper's.
    pub async fn mark_for_deletion(&self, topic: &str) -> Result<(), AdminError> {
        let unknown = || AdminError::UnknownTopic(format!("Topic `{topic}` to delete does not exist"));
        if names::check(topic).is_err() {
            return Err(unknown());
        }
        let session = self.session().await;
        store::topics::get(&session, topic).await?.ok_or_else(unknown)?;
        let new = store::topics::mark_for_deletion(&session, topic).await?;
        tracing::info!(topic, new, "marked for deletion");
        Ok(())
    }

    fn place(&self, new: &NewTopic, config: &BrokerConfig, image: &MetadataImage) -> Result<Assignment, AdminError> {
        if let Some(assignment) = &new.assignment {
            if new.partitions != DEFAULT_COUNT || new.replication != DEFAULT_COUNT {
                return Err(AdminError::InvalidRequest(
                    "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same \
                     time."
                        .into(),
                ));
            }
            return Ok(assignment.clone());
        }
        let or = |asked: i32, default: i32| if asked == DEFAULT_COUNT { default } else { asked };
        let partitions = or(new.partitions, config.num_partitions);
        let replication = or(new.replication, config.default_replication_factor);
        let brokers: Vec<Broker> =
            image.brokers.iter().map(|(id, broker)| Broker { id: *id, rack: broker.rack.clone() }).collect();
        placement::assign(&brokers, partitions, replication, &self.env.rng)
    }

    /// The topic that is made when nobody said how.
    fn automatic(&self, topic: &str) -> NewTopic {
        let config = self.config.load();
        let set = |key: &str, value: String| (key.to_owned(), Some(value));
        match topic {
            topic_names::GROUP_METADATA => NewTopic {
                configs: vec![
                    set("cleanup.policy", "compact".into()),
                    set("compression.type", "producer".into()),
                    set("segment.bytes", config.offsets_topic_segment_bytes.to_string()),
                ],
                ..NewTopic::new(
                    topic,
                    config.offsets_topic_num_partitions,
                    i32::from(config.offsets_topic_replication_factor),
                )
            },
            topic_names::TRANSACTION_STATE => NewTopic {
                configs: vec![
                    set("cleanup.policy", "compact".into()),
                    set("compression.type", "uncompressed".into()),
                    set("min.insync.replicas", config.transaction_state_log_min_isr.to_string()),
                    set("segment.bytes", config.transaction_state_log_segment_bytes.to_string()),
                    set("unclean.leader.election.enable", "false".into()),
                ],
                ..NewTopic::new(
                    topic,
                    config.transaction_state_log_num_partitions,
                    i32::from(config.transaction_state_log_replication_factor),
                )
            },
            _ => NewTopic::new(topic, config.num_partitions, config.default_replication_factor),
        }
    }

    /// `None` when another request is creating the topic just now.
    fn claim(&self, topic: &Arc<str>) -> Option<Claim> {
        let fresh = self.creating.lock().insert(topic.clone());
        fresh.then(|| Claim { topic: topic.clone(), creating: self.creating.clone() })
    }
}

/// A topic's name stays in the set of those being created for as long as this lives.
struct Claim {
    topic: Arc<str>,
    creating: Arc<parking_lot::Mutex<std::collections::BTreeSet<Arc<str>>>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.creating.lock().remove(&self.topic);
    }
}

fn already_exists(topic: &str) -> AdminError {
    AdminError::TopicExists(format!("Topic '{topic}' already exists."))
}

/// No topic of that name, none that collides with it, none on its way out.
async fn check_free(session: &Session, name: &str) -> Result<(), AdminError> {
    if store::topics::marked(session).await?.iter().any(|marked| marked == name) {
        return Err(AdminError::TopicExists(format!("Topic '{name}' is marked for deletion.")));
    }
    if !names::has_collision_chars(name) {
        return match store::topics::get(session, name).await? {
            Some(_) => Err(already_exists(name)),
            None => Ok(()),
        };
    }
    let all = store::topics::names(session).await?;
    if all.iter().any(|other| other == name) {
        return Err(already_exists(name));
    }
    let colliding: Vec<String> = all.into_iter().filter(|other| names::collides(name, other)).collect();
    if colliding.is_empty() {
        return Ok(());
    }
    Err(AdminError::InvalidTopic(format!("Topic '{name}' collides with existing topics: {}", colliding.join(", "))))
}

fn overrides(configs: &[(String, Option<String>)]) -> Result<ConfigMap, AdminError> {
    let nulls: Vec<&str> = configs.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key.as_str()).collect();
    if !nulls.is_empty() {
        let nulls = nulls.join(",");
        return Err(AdminError::InvalidConfig(format!("Null value not supported for topic configs: {nulls}")));
    }
    Ok(configs.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect())
}

fn topic_node(id: TopicId, assignment: &Assignment) -> Result<TopicNode, AdminError> {
    let partitions =
        assignment.iter().map(|(p, replicas)| (*p, PartitionAssignment::stable(replicas.clone()))).collect();
    let node = TopicNode { topic_id: Some(id), partitions };
    check_size(&node)?;
    Ok(node)
}

fn check_size(node: &TopicNode) -> Result<(), AdminError> {
    let bytes = node.encode().len();
    if bytes <= MAX_NODE_BYTES {
        return Ok(());
    }
    Err(AdminError::InvalidPartitions(format!(
        "The assignment of {} partitions has {bytes} bytes; ZooKeeper takes at most {MAX_NODE_BYTES}.",
        node.partitions.len()
    )))
}

fn added_partitions(node: &TopicNode, growth: &Growth, brokers: &[Broker]) -> Result<Assignment, AdminError> {
    let existing = count(node.partitions.len());
    let wanted = growth.count;
    if wanted < existing {
        return Err(AdminError::InvalidPartitions(format!(
            "Topic currently has {existing} partitions, which is higher than the requested {wanted}."
        )));
    }
    if wanted == existing {
        return Err(AdminError::InvalidPartitions(format!("Topic already has {existing} partitions.")));
    }
    let first = node.partitions.get(&0).map(|partition| partition.replicas.as_slice()).unwrap_or_default();
    let Some(leader) = first.first() else {
        return Err(AdminError::Corrupt(format!("the assignment of topic '{}' has no partition 0", growth.topic)));
    };
    let added = wanted - existing;
    match &growth.assignments {
        Some(lists) => placement::validate_growth(lists, brokers, added, existing, first.len()),
        None => placement::grow(brokers, added, count(first.len()), *leader, existing),
    }
}

fn count(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

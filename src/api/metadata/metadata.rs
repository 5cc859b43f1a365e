//! Metadata (0-12): brokers, controller, topics and leaders; creates missing topics where that is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::api::{Api, Malformed, Outcome, Peer, Request, operations};
use crate::base::topic_names::is_internal;
use crate::base::{BrokerId, ErrorCode, TopicId, ids::NO_BROKER};
use crate::cluster::{MetadataImage, NO_LEADER, PartitionInfo, TopicInfo};
use crate::wire::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};

/// The first version that may name topics by id.
const FIRST_TOPIC_ID_VERSION: i16 = 12;
/// The first version that tells a missing listener from a missing leader.
const FIRST_LISTENER_ERROR_VERSION: i16 = 6;

/// Less than clients wait for an answer, more than a controller that is there takes to greet a broker.
const FIRST_IMAGE_WAIT: Duration = Duration::from_secs(5);

/// Answers from the metadata image; a topic that is created on the way is answered as LEADER_NOT_AVAILABLE.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: MetadataRequest = request.decode()?;
    wait_for_first_image(api, &request.peer).await;
    let image = api.cluster.metadata.load();
    if image.brokers.is_empty() {
        // Kafka answers with a cluster of nobody, which its own clients pass over. librdkafka 2.12 gives up all brokers that it knew, and has
        // nobody left to ask: it is better off without an answer, for others may know more.
        return Ok(Outcome::Close);
    }
    let topic_operations = operations::told(operations::TOPIC, asked.include_topic_authorized_operations);
    let view = View { image: &image, peer: &request.peer, version, topic_operations };
    let mut answer = MetadataResponse {
        brokers: view.brokers(),
        cluster_id: Some((&api.cluster.id).into()),
        controller_id: image.controller.unwrap_or(NO_BROKER),
        cluster_authorized_operations: operations::told(
            operations::CLUSTER,
            asked.include_cluster_authorized_operations,
        ),
        ..Default::default()
    };
    match asked.topics {
        None => answer.topics = view.all_topics(),
        Some(topics) if topics.is_empty() && version == 0 => answer.topics = view.all_topics(),
        Some(topics) => {
            let may_create = asked.allow_auto_topic_creation && api.config.load().auto_create_topics_enable;
            if version < FIRST_TOPIC_ID_VERSION && topics.iter().any(|t| t.name.is_none() || !t.topic_id.is_zero()) {
                return Ok(request.replier().reply(&refused(&topics)));
            }
            let mut missing = Vec::new();
            // Once each: an answer must not outgrow the image because a small request repeats itself.
            let mut asked_before = BTreeSet::new();
            for topic in topics {
                if !asked_before.insert((topic.name.clone(), topic.topic_id)) {
                    continue;
                }
                match view.named_topic(&topic) {
                    Some(found) => answer.topics.push(found),
                    None => missing.push(topic.name.unwrap_or_default()),
                }
            }
            let missing = missing_topics(api, &missing, may_create).await;
            answer.topics.extend(
                missing
                    .into_iter()
                    .map(|t| MetadataResponseTopic { topic_authorized_operations: topic_operations, ..t }),
            );
        }
    }
    Ok(request.replier().reply(&answer))
}

/// A broker that has just started knows nobody until the controller has told it. Clients that hear of a cluster without brokers forget
/// those they knew, and with them their coordinators; one without topics fails what they wanted to send. So they are kept waiting, on their
/// connection, but not for ever. A controller that has just been elected names brokers first and partitions later.
async fn wait_for_first_image(api: &Api, peer: &Peer) {
    let metadata = &api.cluster.metadata;
    if metadata.is_complete() {
        return;
    }
    let told = async {
        metadata.wait_until(|image| !image.brokers.is_empty()).await;
        if metadata.load().topics.is_empty() && api.admin.has_topics().await {
            metadata.wait_until(|image| !image.topics.is_empty()).await;
        }
    };
    tokio::select! {
        biased;
        _ = tokio::time::timeout(FIRST_IMAGE_WAIT, told) => {}
        () = peer.stopped() => return,
    }
    if !metadata.load().brokers.is_empty() {
        metadata.set_complete(); // topics that nobody leads are waited for once
    }
}

/// Names that are not in the image: created, refused, or just unknown.
async fn missing_topics<N: AsRef<str>>(api: &Api, names: &[N], may_create: bool) -> Vec<MetadataResponseTopic> {
    let names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(name.as_ref())).collect();
    let codes: BTreeMap<Arc<str>, ErrorCode> = if names.is_empty() {
        BTreeMap::new()
    } else if may_create {
        api.admin.auto_create(&names).await
    } else {
        let code = |name: &Arc<str>| match crate::admin::names::check(name) {
            Ok(()) => ErrorCode::UnknownTopicOrPartition,
            Err(_) => ErrorCode::InvalidTopicException,
        };
        names.iter().map(|name| (name.clone(), code(name))).collect()
    };
    codes
        .into_iter()
        .map(|(name, code)| MetadataResponseTopic {
            error_code: code.code(),
            is_internal: is_internal(&name),
            name: Some(name.into()),
            ..Default::default()
        })
        .collect()
}

/// The image as seen from one listener by one version.
struct View<'a> {
    image: &'a MetadataImage,
    peer: &'a Peer,
    version: i16,
    /// What the asker may do to a topic, if that was asked for.
    topic_operations: i32,
}

impl View<'_> {
    fn brokers(&self) -> Vec<MetadataResponseBroker> {
        let broker = |(id, broker): (&BrokerId, &crate::cluster::BrokerInfo)| {
            let endpoint = self.image.endpoint(*id, &self.peer.listener)?;
            Some(MetadataResponseBroker {
                node_id: *id,
                host: (&endpoint.host).into(),
                port: endpoint.port,
                rack: broker.rack.as_ref().map(Into::into),
            })
        };
        self.image.brokers.iter().filter_map(broker).collect()
    }

    fn all_topics(&self) -> Vec<MetadataResponseTopic> {
        self.image.topics.iter().map(|(name, topic)| self.topic(name, topic)).collect()
    }

    /// The answer for one asked topic; none when it is to be created or is unknown by name.
    fn named_topic(&self, asked: &MetadataRequestTopic) -> Option<MetadataResponseTopic> {
        if self.version >= FIRST_TOPIC_ID_VERSION && !asked.topic_id.is_zero() {
            return Some(match self.image.name_of(asked.topic_id).and_then(|n| self.image.topics.get_key_value(n)) {
                Some((name, topic)) => self.topic(name, topic),
                None => unknown_id(asked.topic_id),
            });
        }
        let name = asked.name.as_deref().unwrap_or("");
        self.image.topics.get_key_value(name).map(|(name, topic)| self.topic(name, topic))
    }

    fn topic(&self, name: &Arc<str>, topic: &TopicInfo) -> MetadataResponseTopic {
        MetadataResponseTopic {
            error_code: ErrorCode::None.code(),
            name: Some(name.into()),
            topic_id: topic.id,
            is_internal: is_internal(name),
            topic_authorized_operations: self.topic_operations,
            partitions: topic.partitions.iter().map(|(index, info)| self.partition(*index, info)).collect(),
        }
    }

    /// `ZkMetadataCache.getPartitionMetadata`: version 0 hides replicas that can't be reached, later ones list them as offline.
    fn partition(&self, index: i32, info: &PartitionInfo) -> MetadataResponsePartition {
        let reachable = |id: &BrokerId| self.image.endpoint(*id, &self.peer.listener).is_some();
        let visible = |ids: &[BrokerId]| -> Vec<BrokerId> {
            ids.iter().copied().filter(|id| self.version > 0 || reachable(id)).collect()
        };
        let replicas = visible(&info.replicas);
        let isr = visible(&info.isr);
        let (error, leader) = if info.leader >= 0 && reachable(&info.leader) {
            let hidden = replicas.len() < info.replicas.len() || isr.len() < info.isr.len();
            (if hidden { ErrorCode::ReplicaNotAvailable } else { ErrorCode::None }, info.leader)
        } else if self.image.is_alive(info.leader) && self.version >= FIRST_LISTENER_ERROR_VERSION {
            (ErrorCode::ListenerNotFound, NO_LEADER)
        } else {
            (ErrorCode::LeaderNotAvailable, NO_LEADER)
        };
        let offline = |id: &&BrokerId| info.offline_replicas.contains(id) || !reachable(id);
        MetadataResponsePartition {
            error_code: error.code(),
            partition_index: index,
            leader_id: leader,
            leader_epoch: info.leader_epoch,
            offline_replicas: info.replicas.iter().filter(offline).copied().collect(),
            replica_nodes: replicas,
            isr_nodes: isr,
        }
    }
}

/// Ids came with version 10, but may only be asked by from 12 on; before it a name is a must.
fn refused(topics: &[MetadataRequestTopic]) -> MetadataResponse {
    let topics = topics.iter().map(|topic| MetadataResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..Default::default()
    });
    MetadataResponse { topics: topics.collect(), ..Default::default() }
}

fn unknown_id(topic_id: TopicId) -> MetadataResponseTopic {
    MetadataResponseTopic { error_code: ErrorCode::UnknownTopicId.code(), name: None, topic_id, ..Default::default() }
}

//! Puts an UpdateMetadata into the image: brokers are replaced as a whole, partitions one by one.
//!
//! Called by the control applier alone, after it has checked the epochs. Kafka's class: `ZkMetadataCache.updateMetadata`.

use std::sync::Arc;

use super::image::{BrokerInfo, Endpoint, MetadataImage, PartitionInfo, TopicInfo};
use super::metadata::Metadata;
use crate::base::{TopicId, TopicPartition};
use crate::wire::{UpdateMetadataRequest, UpdateMetadataRequestBroker, UpdateMetadataRequestPartitionState};

/// The leader that marks a partition of a topic being deleted (`LeaderAndIsr.LeaderDuringDelete`).
const LEADER_DURING_DELETE: i32 = -2;

/// Listener names of the security protocols: before version 3 the protocol was the listener.
const PROTOCOL_NAMES: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

impl Metadata {
    /// Publishes the image with the request applied; returns the partitions that are gone.
    pub fn update(&self, request: &UpdateMetadataRequest) -> Vec<TopicPartition> {
        let mut image = MetadataImage::clone(&self.load());
        image.controller = (request.controller_id >= 0).then_some(request.controller_id);
        image.brokers = Arc::new(request.live_brokers.iter().map(broker).collect());
        let mut gone = Vec::new();
        for state in &request.ungrouped_partition_states {
            apply(&mut image, &state.topic_name, TopicId::ZERO, std::slice::from_ref(state), &mut gone);
        }
        for topic in &request.topic_states {
            apply(&mut image, &topic.topic_name, topic.topic_id, &topic.partition_states, &mut gone);
        }
        self.publish(image);
        gone
    }
}

fn apply(
    image: &mut MetadataImage,
    name: &str,
    id: TopicId,
    states: &[UpdateMetadataRequestPartitionState],
    gone: &mut Vec<TopicPartition>,
) {
    let (name, mut topic) = match image.topics.get_key_value(name) {
        Some((known, topic)) => (known.clone(), TopicInfo::clone(topic)),
        None => (Arc::from(name), TopicInfo::default()),
    };
    if !id.is_zero() && id != topic.id {
        image.topic_names.remove(&topic.id);
        image.topic_names.insert(id, name.clone());
        topic.id = id;
    }
    for state in states {
        if state.leader == LEADER_DURING_DELETE {
            topic.partitions.remove(&state.partition_index);
            gone.push(TopicPartition::new(name.clone(), state.partition_index));
        } else {
            topic.partitions.insert(state.partition_index, partition(state));
        }
    }
    if topic.partitions.is_empty() {
        image.topics.remove(&name);
        image.topic_names.remove(&topic.id);
    } else {
        image.topics.insert(name, Arc::new(topic));
    }
}

fn partition(state: &UpdateMetadataRequestPartitionState) -> PartitionInfo {
    PartitionInfo {
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.zk_version,
        isr: state.isr.clone(),
        replicas: state.replicas.clone(),
        offline_replicas: state.offline_replicas.clone(),
    }
}

fn broker(broker: &UpdateMetadataRequestBroker) -> (i32, BrokerInfo) {
    let mut endpoints: Vec<_> = broker
        .endpoints
        .iter()
        .map(|e| Endpoint {
            listener: if e.listener.is_empty() {
                protocol_name(e.security_protocol).into()
            } else {
                (&e.listener).into()
            },
            host: (&e.host).into(),
            port: e.port,
            protocol: e.security_protocol,
        })
        .collect();
    if endpoints.is_empty() && !broker.v0_host.is_empty() {
        let host = (&broker.v0_host).into();
        endpoints.push(Endpoint { listener: protocol_name(0).into(), host, port: broker.v0_port, protocol: 0 });
    }
    let rack = broker.rack.as_ref().filter(|rack| !rack.is_empty()).map(Into::into);
    (broker.id, BrokerInfo { endpoints, rack })
}

fn protocol_name(id: i16) -> &'static str {
    usize::try_from(id).ok().and_then(|i| PROTOCOL_NAMES.get(i)).copied().unwrap_or(PROTOCOL_NAMES[0])
}

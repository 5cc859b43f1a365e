//! Hints about the current leader, for clients that were refused because they did not know it (KIP-951).

use std::collections::BTreeMap;

use crate::api::{Api, Peer};
use crate::base::{BrokerId, ErrorCode};
use crate::cluster::{Endpoint, MetadataImage};

/// Leaders named in one answer, with their endpoints on the asker's listener.
pub struct Leaders<'a> {
    image: &'a MetadataImage,
    listener: &'a str,
    named: BTreeMap<BrokerId, (Endpoint, Option<String>)>,
}

impl<'a> Leaders<'a> {
    /// None named yet.
    pub fn new(image: &'a MetadataImage, peer: &'a Peer) -> Self {
        Self { image, listener: &peer.listener, named: BTreeMap::new() }
    }

    /// Leader and epoch of a partition when the code says that the client does not know them. Nothing where nobody leads: Kafka sends
    /// the epoch then, with -1 for the leader, which tells a client nothing (Java's looks away), and librdkafka, up to 2.12 at least,
    /// counts it among the hints of a fetch without filling its place in, and crashes on what lay there.
    pub fn hint(&mut self, code: ErrorCode, topic: &str, partition: i32) -> Option<(BrokerId, i32)> {
        if !matches!(code, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
            return None;
        }
        let info = self.image.partition(topic, partition).filter(|info| info.leader >= 0)?;
        if let Some(endpoint) = self.image.endpoint(info.leader, self.listener) {
            let rack = self.image.brokers.get(&info.leader).and_then(|broker| broker.rack.clone());
            self.named.insert(info.leader, (endpoint.clone(), rack));
        }
        Some((info.leader, info.leader_epoch))
    }

    /// Every broker named, with its endpoint and rack.
    pub fn named(self) -> impl Iterator<Item = (BrokerId, Endpoint, Option<String>)> {
        self.named.into_iter().map(|(id, (endpoint, rack))| (id, endpoint, rack))
    }
}

impl Api {
    /// Answers about partitions the metadata does not have are the same for all data APIs.
    pub(in crate::api) fn knows(&self, topic: &str, partition: i32) -> bool {
        self.cluster.metadata.load().partition(topic, partition).is_some()
    }
}

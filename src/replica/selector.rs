//! Who a consumer should read from (KIP-392): the replica of its own rack that has most, if there is one.
//!
//! Kafka's `ReplicaManager.findPreferredReadReplica` with its `RackAwareReplicaSelector`. Asked by `api/data/fetch` before the leader
//! reads; the leader alone answers, as it alone knows who is in sync.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};

use super::fetch_session::{SessionKey, Wanted};
use super::read::PartitionRead;
use super::state::Follower;
use super::table::Replicas;
use crate::base::{BrokerId, ErrorCode, TopicPartition};
use crate::cluster::MetadataImage;

/// `replica.selector.class`: by rack, or always the leader.
#[derive(Debug, Default)]
pub struct Selector(AtomicBool);

impl Selector {
    /// Consumers read in their own rack from now on (`RackAwareReplicaSelector`).
    pub fn set_rack_aware(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// False: every consumer reads from the leader.
    pub fn is_rack_aware(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A consumer that may be sent elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Consumer<'a> {
    /// `client.rack`; empty: it has none.
    pub rack: &'a str,
    /// The listener it came in on: it can only be sent to who has that too.
    pub listener: &'a str,
}

impl Replicas {
    /// The answer that sends a consumer to a follower; none when it is to read here, or when something is wrong, which the read tells.
    pub fn read_elsewhere(&self, key: &SessionKey, wanted: &Wanted, consumer: Consumer<'_>) -> Option<PartitionRead> {
        if consumer.rack.is_empty() || !self.selector.is_rack_aware() || key.topic.is_empty() {
            return None;
        }
        let id = TopicPartition::new(key.topic.clone(), key.partition);
        let partition = self.get_with_id(&id, key.topic_id).ok()?;
        partition.check_leader(wanted.current_leader_epoch).ok()?;
        let image = self.cluster.metadata.load();
        let replica = {
            let state = partition.state();
            let followers = state.followers.iter().filter(|(id, _)| state.isr.contains(id));
            preferred(&image, self.cluster.broker_id, consumer, wanted.fetch_offset, followers)?
        };
        Some(PartitionRead {
            error: ErrorCode::None,
            high_watermark: partition.log().high_watermark(),
            last_stable_offset: partition.log().last_stable_offset(),
            log_start_offset: partition.log().start_offset(),
            slice: None,
            aborted: None,
            diverging: None,
            preferred: Some(replica),
        })
    }
}

/// The follower to read from, of those that are in sync: in the consumer's rack, with the offset, and of those the one that has most,
/// then the one that was caught up last. None: the leader, also when that is in the rack.
pub fn preferred<'a>(
    image: &MetadataImage,
    leader: BrokerId,
    consumer: Consumer<'_>,
    offset: i64,
    in_sync: impl Iterator<Item = (&'a BrokerId, &'a Follower)>,
) -> Option<BrokerId> {
    let in_rack = |id: BrokerId| {
        image.endpoint(id, consumer.listener).is_some()
            && image.brokers.get(&id).is_some_and(|broker| broker.rack.as_deref() == Some(consumer.rack))
    };
    if in_rack(leader) {
        return None;
    }
    let has_it = |follower: &Follower| {
        follower.end_offset.is_some_and(|end| end >= offset) && follower.log_start_offset <= offset
    };
    let near = in_sync.filter(|(id, follower)| in_rack(**id) && has_it(follower));
    near.max_by_key(|(id, follower)| (follower.end_offset, follower.caught_up_at, Reverse(**id))).map(|(id, _)| *id)
}

//! The throttles of replication (KIP-73): how much of a move's copying goes through this broker, as leader and as follower.
//!
//! A topic's `leader.` and `follower.replication.throttled.replicas` say whose copying counts, the broker's rates how much there may be.
//! Replicas in sync are never held back. Kafka's `ReplicaManager.shouldLeaderThrottle`; the follower's half is in `fetcher/task`.

use std::time::Duration;

use super::fetch_session::{SessionKey, Wanted};
use super::partition::Partition;
use super::read::PartitionRead;
use super::table::Replicas;
use crate::base::{BrokerId, TopicPartition};

impl Replicas {
    /// Sets both rates in bytes a second; `i64::MAX` is off.
    pub fn set_throttle_rates(&self, leader: i64, follower: i64) {
        self.throttle.set_limit(leader);
        if let Some(fetchers) = self.fetchers() {
            fetchers.throttle().set_limit(follower);
        }
    }

    /// Sets how many bytes a second moves between directories copy; `i64::MAX` is off.
    pub fn set_move_rate(&self, bytes_per_second: i64) {
        self.moves.throttle.set_limit(bytes_per_second);
    }

    /// Sets the windows that both rates are measured over. Once, at the start.
    pub fn set_throttle_windows(&self, most: usize, window: Duration) {
        self.throttle.set_windows(most, window);
        if let Some(fetchers) = self.fetchers() {
            fetchers.throttle().set_windows(most, window);
        }
    }

    /// Is a follower to get nothing of this partition for now?
    pub(super) fn holds_back(&self, partition: &Partition, follower: BrokerId) -> bool {
        !self.throttle.is_off()
            && self.is_throttled(partition)
            && !partition.state().isr.contains(&follower)
            && self.throttle.is_exceeded(self.env.clock.now())
    }

    /// A follower's fetch is being answered: what is throttled of it counts.
    pub fn note_sent(&self, wanted: &[(SessionKey, Wanted)], reads: &[PartitionRead]) {
        if self.throttle.is_off() {
            return;
        }
        let mut bytes = 0;
        for ((key, _), read) in wanted.iter().zip(reads).filter(|(_, read)| !read.is_empty()) {
            let partition = self.get(&TopicPartition::new(key.topic.clone(), key.partition));
            if partition.is_ok_and(|partition| self.is_throttled(&partition)) {
                bytes += read.len();
            }
        }
        self.throttle.record(self.env.clock.now(), bytes);
    }

    fn is_throttled(&self, partition: &Partition) -> bool {
        partition.log().config().leader_throttled_replicas.contains(partition.id.partition, self.cluster.broker_id)
    }
}

//! The last one in sync. What was acknowledged by `min.insync.replicas` of at least two is in the memory of each of them, and need be on no
//! device. When the others fall out of the ISR, only the last one may lead: were its memory lost now, it would lead with what is left and
//! the others would cut what they have. So it brings all it has to its device: before it proposes to be alone, and once it is.
//! Apache Kafka in ZooKeeper mode loses these records; with KRaft KIP-966 is there for them.

use std::sync::Arc;

use super::partition::Partition;
use super::state::State;
use super::table::Replicas;
use crate::base::BrokerId;
use crate::base::env::Lane;

/// Would this replica, alone in sync, keep what others have seen acknowledged? Where one replica is enough for that, nobody was promised
/// more than its memory.
pub fn must_be_durable(state: &State, isr: &[BrokerId], me: BrokerId, min_insync_replicas: i32) -> bool {
    isr == [me] && state.replicas.len() > 1 && min_insync_replicas > 1
}

impl Replicas {
    /// To be called when the ISR of a partition is another one.
    pub(super) fn flush_if_alone(&self, partition: &Arc<Partition>) {
        let min_isr = partition.log().config().min_insync_replicas;
        let is_due = {
            let state = partition.state();
            must_be_durable(&state, &state.isr, self.cluster.broker_id, min_isr)
        };
        if is_due {
            self.flush_alone(partition, false);
        }
    }

    /// Proposes the pending change of the ISR, when everything is durable that the last one in it must keep.
    pub(super) fn propose_smaller(&self, partition: &Arc<Partition>, isr: &[BrokerId]) {
        let min_isr = partition.log().config().min_insync_replicas;
        if must_be_durable(&partition.state(), isr, self.cluster.broker_id, min_isr) {
            self.flush_alone(partition, true);
        } else {
            self.isr_changes.enqueue(&partition.id);
        }
    }

    fn flush_alone(&self, partition: &Arc<Partition>, then_propose: bool) {
        let (partition, changes) = (Arc::clone(partition), Arc::clone(&self.isr_changes));
        self.env.tasks.spawn(Lane::Data, "flush of the last in sync", async move {
            match partition.log().flush().await {
                Ok(()) if then_propose => changes.enqueue(&partition.id),
                Ok(()) => {}
                // Its directory is offline then, and so is the partition.
                Err(error) => tracing::warn!(partition = %partition.id, %error, "alone in sync, and not flushed"),
            }
        });
    }
}

//! Leadership of `__transaction_state` comes and goes: loading and unloading of its partitions.
//!
//! Called by the control applier, in the order of the controller's requests. While a partition is read its ids answer
//! COORDINATOR_LOAD_IN_PROGRESS; a load that leadership has left behind is dropped when it ends. A raised epoch under the same leader
//! needs no reading: the log is the one this coordinator has written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use parking_lot::Mutex;

use super::coordinator::{Coordinator, Shard, Slot, TRANSACTION_TOPIC};
use super::load::Loaded;
use super::transaction::Transaction;
use crate::base::TopicPartition;
use crate::base::env::Lane;
use crate::replica::append::ACKS_ALL;
use crate::replica::journal::Journal;
use crate::replica::shards::Lead;

impl Coordinator {
    /// This broker leads the partition now, in this epoch: reads it, unless it leads it already.
    pub fn become_leader(self: &Arc<Self>, partition: i32, epoch: i32) {
        match self.shards.lead(partition, epoch) {
            Lead::Ready(shard) => {
                shard.epoch.fetch_max(epoch, Ordering::Relaxed);
            }
            Lead::Loading => {}
            Lead::Read(load) => {
                let coordinator = self.clone();
                let work = async move { coordinator.load(partition, load).await };
                self.env.tasks.spawn(Lane::Control, "load transactions", work);
            }
        }
    }

    /// This broker does not lead the partition any more: its ids are forgotten, and so are markers on their way.
    pub fn resign(&self, partition: i32) {
        if let Some(shard) = self.shards.resign(partition) {
            shard.closed.store(true, Ordering::Release);
            let ids = std::mem::take(&mut *shard.slots.lock()).len();
            tracing::debug!(partition, ids, "transactional ids unloaded");
        }
    }

    async fn load(self: Arc<Self>, partition: i32, load: u64) {
        let started = self.env.clock.now();
        let Some(loaded) = self.shards.read(partition, load, self.settings.load_buffer, Loaded::see).await else {
            return;
        };
        let slots: BTreeMap<_, _> = loaded
            .transactions
            .into_iter()
            .map(|(id, value)| (id.clone(), Slot::new(Transaction::load(id, value))))
            .collect();
        let took = self.env.clock.now().duration_since(started);
        self.load_times.add(took);
        let ms = took.as_millis();
        if slots.is_empty() {
            tracing::debug!(partition, ms, "no transactional ids to load");
        } else {
            tracing::info!(partition, ids = slots.len(), ms, "transactional ids loaded");
        }
        let unfinished: Vec<Arc<Slot>> =
            slots.values().filter(|slot| slot.lock().txn.state.is_prepared()).cloned().collect();
        let id = TopicPartition::new(TRANSACTION_TOPIC, partition);
        let shard = Arc::new(Shard {
            journal: Journal::open(&self.replicas, id, ACKS_ALL, self.settings.request_timeout),
            epoch: AtomicI32::new(0),
            slots: Mutex::new(slots),
            closed: AtomicBool::new(false),
        });
        let ready = |epoch| {
            shard.epoch.store(epoch, Ordering::Relaxed);
            shard.clone()
        };
        if self.shards.serve(partition, load, ready) {
            unfinished.iter().for_each(|slot| self.send_markers(&shard, slot));
        }
    }
}

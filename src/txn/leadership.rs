//! Leadership of `__transaction_state` comes and goes: loading and unloading of its partitions.
//!
//! Called by the control applier, in the order of the controller's requests. While a partition is read its ids answer
//! COORDINATOR_LOAD_IN_PROGRESS; a load that leadership has left behind is dropped when it ends. A raised epoch under the same leader
//! needs no reading: the log is the one this coordinator has written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use parking_lot::Mutex;

use super::coordinator::{Coordinator, Owned, Shard, Slot, TRANSACTION_TOPIC};
use super::load::Loaded;
use super::transaction::Transaction;
use crate::base::TopicPartition;
use crate::base::env::Lane;
use crate::replica::append::ACKS_ALL;
use crate::replica::journal::{self, Journal, LoadError};

impl Coordinator {
    /// This broker leads the partition now, in this epoch: reads it, unless it leads it already.
    pub fn become_leader(self: &Arc<Self>, partition: i32, epoch: i32) {
        let load = self.loads.fetch_add(1, Ordering::Relaxed);
        {
            let mut shards = self.shards.write();
            match shards.get_mut(&partition) {
                Some(Owned::Ready(shard)) => {
                    shard.epoch.fetch_max(epoch, Ordering::Relaxed);
                    return;
                }
                Some(Owned::Loading(_, known)) => {
                    *known = epoch.max(*known);
                    return;
                }
                Some(Owned::Unreadable) | None => {
                    shards.insert(partition, Owned::Loading(load, epoch));
                }
            }
        }
        let coordinator = self.clone();
        self.env.tasks.spawn(
            Lane::Control,
            "load transactions",
            async move { coordinator.load(partition, load).await },
        );
    }

    /// This broker does not lead the partition any more: its ids are forgotten, and so are markers on their way.
    pub fn resign(&self, partition: i32) {
        self.hand_over.is_over(partition);
        let Some(owned) = self.shards.write().remove(&partition) else { return };
        self.load_ended.notify_waiters(); // who waits for the load hears that it is elsewhere
        if let Owned::Ready(shard) = owned {
            shard.closed.store(true, Ordering::Release);
            let ids = std::mem::take(&mut *shard.slots.lock()).len();
            tracing::debug!(partition, ids, "transactional ids unloaded");
        }
    }

    async fn load(self: Arc<Self>, partition: i32, load: u64) {
        let started = self.env.clock.now();
        let id = TopicPartition::new(TRANSACTION_TOPIC, partition);
        let read = journal::load(&self.replicas, &id, self.settings.load_buffer, Loaded::default(), |loaded, batch| {
            loaded.see(batch)
        })
        .await;
        let loaded = match read {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(partition = %id, %error, "could not load the transactions: their coordinator is not available");
                let is_broken = !matches!(error, LoadError::Gone(_));
                if self.finish(partition, load, |_| Owned::Unreadable) && is_broken {
                    let is_unreadable = || matches!(self.shards.read().get(&partition), Some(Owned::Unreadable));
                    self.hand_over.keep_giving_up(partition, &self.env.clock, is_unreadable).await;
                }
                return;
            }
        };
        let slots: std::collections::BTreeMap<_, _> = loaded
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
        let shard = Arc::new(Shard {
            journal: Journal::open(&self.replicas, id, ACKS_ALL, self.settings.request_timeout),
            epoch: AtomicI32::new(0),
            slots: Mutex::new(slots),
            closed: AtomicBool::new(false),
        });
        let ready = |epoch| {
            shard.epoch.store(epoch, Ordering::Relaxed);
            Owned::Ready(shard.clone())
        };
        if self.finish(partition, load, ready) {
            self.hand_over.is_over(partition);
            unfinished.iter().for_each(|slot| self.send_markers(&shard, slot));
        }
    }

    /// False when leadership has gone on meanwhile.
    fn finish(&self, partition: i32, load: u64, to: impl FnOnce(i32) -> Owned) -> bool {
        let mut shards = self.shards.write();
        match shards.get(&partition) {
            Some(Owned::Loading(now, epoch)) if *now == load => {
                let to = to(*epoch);
                shards.insert(partition, to);
                drop(shards);
                self.load_ended.notify_waiters();
                true
            }
            _ => false,
        }
    }
}

//! Leadership of `__consumer_offsets` comes and goes: loading and unloading of its partitions.
//!
//! Called by the control applier, in the order of the controller's requests. While a partition is read its groups answer
//! COORDINATOR_LOAD_IN_PROGRESS; a load that leadership has left behind is dropped when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::coordinator::{Coordinator, OFFSETS_TOPIC, Owned, Shard, Slot};
use super::group::Group;
use super::load::Loaded;
use crate::base::env::Lane;
use crate::base::{ErrorCode, TopicPartition};
use crate::replica::journal::{self, Journal, LoadError};

impl Coordinator {
    /// This broker leads the partition now: reads it, unless it has done so in this term.
    pub fn become_leader(self: &Arc<Self>, partition: i32) {
        let load = self.loads.fetch_add(1, Ordering::Relaxed);
        {
            let mut shards = self.shards.write();
            if matches!(shards.get(&partition), Some(Owned::Loading(_) | Owned::Ready(_))) {
                return; // a new epoch of the same leader
            }
            shards.insert(partition, Owned::Loading(load));
        }
        let coordinator = self.clone();
        self.env.tasks.spawn(Lane::Control, "load groups", async move { coordinator.load(partition, load).await });
    }

    /// This broker does not lead the partition any more: its groups are forgotten, who waits is sent elsewhere.
    pub fn resign(self: &Arc<Self>, partition: i32) {
        self.hand_over.is_over(partition);
        let Some(owned) = self.shards.write().remove(&partition) else { return };
        let Owned::Ready(shard) = owned else { return };
        let groups = {
            let mut groups = shard.groups.lock();
            shard.closed.store(true, Ordering::Relaxed);
            std::mem::take(&mut *groups)
        };
        tracing::debug!(partition, groups = groups.len(), "groups unloaded");
        for slot in groups.into_values() {
            self.step_slot(&slot, |group, _, out| group.kill(ErrorCode::NotCoordinator, out));
        }
    }

    async fn load(self: Arc<Self>, partition: i32, load: u64) {
        let started = self.env.clock.now();
        let id = TopicPartition::new(OFFSETS_TOPIC, partition);
        let read = journal::load(&self.replicas, &id, self.settings.load_buffer, Loaded::default(), |loaded, batch| {
            loaded.see(batch)
        })
        .await;
        let loaded = match read {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(partition = %id, %error, "could not load the groups: their coordinator is not available");
                let is_broken = !matches!(error, LoadError::Gone(_));
                if self.finish(partition, load, Owned::Unreadable) && is_broken {
                    let is_unreadable = || matches!(self.shards.read().get(&partition), Some(Owned::Unreadable));
                    self.hand_over.keep_giving_up(partition, &self.env.clock, is_unreadable).await;
                }
                return;
            }
        };
        let shard = self.shard_of(id, loaded);
        let groups: Vec<Arc<Slot>> = shard.groups.lock().values().cloned().collect();
        let took = self.env.clock.now().duration_since(started);
        self.counts.loads.add(took);
        let ms = took.as_millis();
        if groups.is_empty() {
            tracing::debug!(partition, ms, "no groups to load");
        } else {
            tracing::info!(partition, groups = groups.len(), ms, "groups loaded");
        }
        if self.finish(partition, load, Owned::Ready(shard)) {
            self.hand_over.is_over(partition);
            for slot in groups {
                self.step_slot(&slot, |group, now, out| group.shrink_to_limit(now, out));
            }
        }
    }

    /// False when leadership has gone on meanwhile.
    fn finish(&self, partition: i32, load: u64, to: Owned) -> bool {
        let mut shards = self.shards.write();
        let current = matches!(shards.get(&partition), Some(Owned::Loading(now)) if *now == load);
        if current {
            shards.insert(partition, to);
        }
        current
    }

    fn shard_of(&self, id: TopicPartition, mut loaded: Loaded) -> Arc<Shard> {
        let journal = Journal::open(&self.replicas, id, self.settings.acks, self.settings.commit_timeout);
        let now = self.now();
        let rules = self.settings.rules;
        let mut groups = BTreeMap::new();
        for (name, value) in std::mem::take(&mut loaded.groups) {
            groups.insert(name.clone(), Group::load(name, &value, rules, now));
        }
        for (name, offsets) in std::mem::take(&mut loaded.offsets) {
            let group = groups.entry(name.clone()).or_insert_with(|| Group::new(name, rules, now.wall_ms));
            for (place, committed) in offsets {
                group.offsets.put(place, committed);
            }
        }
        let mut open: BTreeMap<i64, BTreeSet<Arc<str>>> = BTreeMap::new();
        for (producer_id, changes) in std::mem::take(&mut loaded.open) {
            for (name, place, committed) in changes {
                let Some(committed) = committed else { continue };
                let group = groups.entry(name.clone()).or_insert_with(|| Group::new(name.clone(), rules, now.wall_ms));
                group.offsets.put_in_txn(producer_id, place, committed);
                open.entry(producer_id).or_default().insert(name);
            }
        }
        let slots = groups.into_iter().map(|(name, group)| (name, Slot::new(group, journal.clone()))).collect();
        Arc::new(Shard { journal, groups: Mutex::new(slots), open: Mutex::new(open), closed: AtomicBool::new(false) })
    }
}

//! Leadership of `__consumer_offsets` comes and goes: loading and unloading of its partitions.
//!
//! Called by the control applier, in the order of the controller's requests. While a partition is read its groups answer
//! COORDINATOR_LOAD_IN_PROGRESS; a load that leadership has left behind is dropped when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::coordinator::{Coordinator, OFFSETS_TOPIC, Shard, Slot};
use super::group::Group;
use super::load::Loaded;
use crate::base::env::Lane;
use crate::base::{ErrorCode, TopicPartition};
use crate::replica::journal::Journal;
use crate::replica::shards::Lead;

impl Coordinator {
    /// This broker leads the partition now: reads it, unless it has done so in this term.
    pub fn become_leader(self: &Arc<Self>, partition: i32, epoch: i32) {
        let Lead::Read(load) = self.shards.lead(partition, epoch) else { return };
        let coordinator = self.clone();
        self.env.tasks.spawn(Lane::Control, "load groups", async move { coordinator.load(partition, load).await });
    }

    /// This broker does not lead the partition any more: its groups are forgotten, who waits is sent elsewhere.
    pub fn resign(self: &Arc<Self>, partition: i32) {
        let Some(shard) = self.shards.resign(partition) else { return };
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
        let Some(loaded) = self.shards.read(partition, load, self.settings.load_buffer, Loaded::see).await else {
            return;
        };
        let shard = self.shard_of(TopicPartition::new(OFFSETS_TOPIC, partition), loaded);
        let groups: Vec<Arc<Slot>> = shard.groups.lock().values().cloned().collect();
        let took = self.env.clock.now().duration_since(started);
        self.counts.loads.add(took);
        let ms = took.as_millis();
        if groups.is_empty() {
            tracing::debug!(partition, ms, "no groups to load");
        } else {
            tracing::info!(partition, groups = groups.len(), ms, "groups loaded");
        }
        if self.shards.serve(partition, load, |_| shard) {
            for slot in groups {
                self.step_slot(&slot, |group, now, out| group.shrink_to_limit(now, out));
            }
        }
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

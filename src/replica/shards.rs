//! The partitions of an internal topic that this broker leads, as their coordinator has them: being read, in service, or unreadable.
//!
//! The coordinators of groups and of transactions keep theirs here; `S` is what one has in memory of a partition. The control applier
//! tells them who leads, in the order of the controller's requests; a load that leadership has left behind is dropped when it ends.
//! What can't be read is never answered as empty, and is given up by `hand_over`. The map's lock is held for moments, and alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::Notify;

use super::hand_over::HandOver;
use super::journal::{self, LoadError};
use super::table::Replicas;
use crate::base::notified::until_found;
use crate::base::{ErrorCode, TopicPartition};
use crate::record::{Batch, RecordError};

/// All partitions of one topic that are led from here.
pub struct Shards<S> {
    topic: &'static str,
    /// What lies in it, for a line in the log.
    what: &'static str,
    replicas: Arc<Replicas>,
    owned: RwLock<BTreeMap<i32, Owned<S>>>,
    loads: AtomicU64,
    /// A partition was read, or could not be, or is led elsewhere.
    load_ended: Notify,
    /// Partitions that can't be read here.
    pub hand_over: HandOver,
}

enum Owned<S> {
    /// Being read: the number tells one load from another; with the leader epoch of now.
    Loading { load: u64, epoch: i32 },
    /// In service.
    Ready(Arc<S>),
    /// Could not be read.
    Unreadable,
}

/// What leading a partition asks for.
pub enum Lead<S> {
    /// It has to be read, under this number.
    Read(u64),
    /// It is being read.
    Loading,
    /// It is in service: another epoch of the same leader needs no reading, the log is the one this coordinator has written.
    Ready(Arc<S>),
}

impl<S> Shards<S> {
    /// None yet, of this topic; `what` lies in it.
    pub fn new(topic: &'static str, what: &'static str, replicas: Arc<Replicas>) -> Self {
        Self {
            topic,
            what,
            replicas,
            owned: RwLock::default(),
            loads: AtomicU64::new(0),
            load_ended: Notify::new(),
            hand_over: HandOver::default(),
        }
    }

    /// This broker leads the partition now, in this epoch.
    pub fn lead(&self, partition: i32, epoch: i32) -> Lead<S> {
        let mut owned = self.owned.write();
        match owned.get_mut(&partition) {
            Some(Owned::Ready(shard)) => Lead::Ready(shard.clone()),
            Some(Owned::Loading { epoch: known, .. }) => {
                *known = epoch.max(*known);
                Lead::Loading
            }
            Some(Owned::Unreadable) | None => {
                let load = self.loads.fetch_add(1, Ordering::Relaxed);
                owned.insert(partition, Owned::Loading { load, epoch });
                Lead::Read(load)
            }
        }
    }

    /// Reads a partition's journal, every batch through `see`. None when that can't be, or not any more: then nothing is left to do. Where
    /// the journal is broken, this returns when somebody else leads.
    pub async fn read<L: Default + Send + 'static>(
        &self,
        partition: i32,
        load: u64,
        buffer_bytes: usize,
        see: impl FnMut(&mut L, &Batch<'_>) -> Result<(), RecordError> + Send + 'static,
    ) -> Option<L> {
        let id = TopicPartition::new(self.topic, partition);
        let error = match journal::load(&self.replicas, &id, buffer_bytes, L::default(), see).await {
            Ok(loaded) => return Some(loaded),
            Err(error) => error,
        };
        tracing::error!(partition = %id, %error, "could not load the {}: their coordinator is not available", self.what);
        let is_broken = !matches!(error, LoadError::Gone(_));
        if self.settle(partition, load, |_| Owned::Unreadable) && is_broken {
            let is_unreadable = || matches!(self.owned.read().get(&partition), Some(Owned::Unreadable));
            self.hand_over.keep_giving_up(partition, &self.replicas.env.clock, is_unreadable).await;
        }
        None
    }

    /// Puts a partition that was read into service, in the epoch of now. False when leadership has gone on meanwhile.
    pub fn serve(&self, partition: i32, load: u64, shard: impl FnOnce(i32) -> Arc<S>) -> bool {
        let serves = self.settle(partition, load, |epoch| Owned::Ready(shard(epoch)));
        if serves {
            self.hand_over.is_over(partition);
        }
        serves
    }

    fn settle(&self, partition: i32, load: u64, to: impl FnOnce(i32) -> Owned<S>) -> bool {
        let mut owned = self.owned.write();
        let Some(place) = owned.get_mut(&partition) else { return false };
        let Owned::Loading { load: now, epoch } = *place else { return false };
        if now != load {
            return false;
        }
        *place = to(epoch);
        drop(owned);
        self.load_ended.notify_waiters();
        true
    }

    /// This broker does not lead the partition any more: what was in service.
    pub fn resign(&self, partition: i32) -> Option<Arc<S>> {
        self.hand_over.is_over(partition);
        let owned = self.owned.write().remove(&partition)?;
        self.load_ended.notify_waiters(); // who waits for the load hears that it is elsewhere
        match owned {
            Owned::Ready(shard) => Some(shard),
            Owned::Loading { .. } | Owned::Unreadable => None,
        }
    }

    /// A partition in service.
    ///
    /// # Errors
    /// NOT_COORDINATOR; COORDINATOR_LOAD_IN_PROGRESS; COORDINATOR_NOT_AVAILABLE when it could not be read.
    pub fn get(&self, partition: i32) -> Result<Arc<S>, ErrorCode> {
        match self.owned.read().get(&partition) {
            None => Err(ErrorCode::NotCoordinator),
            Some(Owned::Loading { .. }) => Err(ErrorCode::CoordinatorLoadInProgress),
            Some(Owned::Unreadable) => Err(ErrorCode::CoordinatorNotAvailable),
            Some(Owned::Ready(shard)) => Ok(shard.clone()),
        }
    }

    /// As [`Shards::get`], after waiting so long at most for a load that has begun.
    ///
    /// # Errors
    /// As there.
    pub async fn get_loaded(&self, partition: i32, most: Duration) -> Result<Arc<S>, ErrorCode> {
        let loaded = || match self.get(partition) {
            Err(ErrorCode::CoordinatorLoadInProgress) => None,
            result => Some(result),
        };
        let wait = until_found(&self.load_ended, loaded);
        tokio::time::timeout(most, wait).await.unwrap_or(Err(ErrorCode::CoordinatorLoadInProgress))
    }

    /// All in service.
    pub fn ready(&self) -> Vec<Arc<S>> {
        let ready = |owned: &Owned<S>| match owned {
            Owned::Ready(shard) => Some(shard.clone()),
            Owned::Loading { .. } | Owned::Unreadable => None,
        };
        self.owned.read().values().filter_map(ready).collect()
    }

    /// Whether [`Shards::ready`] are all that are led from here. Whoever lists what is in them would say of the rest that it does not exist.
    ///
    /// # Errors
    /// COORDINATOR_LOAD_IN_PROGRESS while some are being read; COORDINATOR_NOT_AVAILABLE when some can't be.
    pub fn all_ready(&self) -> Result<(), ErrorCode> {
        let owned = self.owned.read();
        if owned.values().any(|owned| matches!(owned, Owned::Loading { .. })) {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        if owned.values().any(|owned| matches!(owned, Owned::Unreadable)) {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        Ok(())
    }
}

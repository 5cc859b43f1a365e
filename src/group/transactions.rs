//! Offsets that are committed in transactions: kept aside until the transaction's marker comes, then they count or are forgotten.
//!
//! Called by `api/txn`: TxnOffsetCommit, and WriteTxnMarkers for `__consumer_offsets`. Markers go through the shard's journal like
//! everything else, so that their effect in memory comes in the order of the log.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::commits::commit_error;
use super::coordinator::{Coordinator, OFFSETS_TOPIC, Shard};
use super::offsets::Place;
use super::record::{self, OffsetValue};
use super::types::Claim;
use crate::base::{ErrorCode, TopicPartition};
use crate::record::builder::marker;
use crate::record::{BatchBuilder, EndTxnMarker};
use crate::replica::append::{ACKS_ALL, Verified};

/// A producer's marker in one partition.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Producer id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Commit or abort, and the coordinator's epoch.
    pub marker: EndTxnMarker,
}

/// Who commits in a transaction.
#[derive(Clone, Copy, Debug)]
pub struct TxnProducer {
    /// Producer id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Proof that the transaction is open; none when it was open here already.
    pub verified: Option<Verified>,
}

impl Coordinator {
    /// The partition to which a group's commits in a transaction are written.
    pub fn partition_for(&self, group: &str) -> TopicPartition {
        TopicPartition::new(OFFSETS_TOPIC, self.partition_of(group))
    }

    /// Is the group here and may it be written to? What TxnOffsetCommit asks before it asks anybody else.
    ///
    /// # Errors
    /// The code for every partition.
    pub fn check_here(&self, group: &str) -> Result<(), ErrorCode> {
        self.named_shard(group).map(drop)
    }

    /// Commits offsets in a producer's transaction. When it returns `Ok`, they are replicated, and wait for the transaction's end. May
    /// be dropped: the commit goes on.
    ///
    /// # Errors
    /// The code for every partition.
    pub async fn commit_in_txn(
        self: &Arc<Self>,
        group: &str,
        who: &Claim,
        producer: TxnProducer,
        entries: Vec<(Place, OffsetValue)>,
    ) -> Result<(), ErrorCode> {
        let shard = self.named_shard(group)?;
        let slot = self.slot(&shard, group, true).ok_or(ErrorCode::CoordinatorNotAvailable)?;
        let (sender, answer) = oneshot::channel();
        self.step_slot(&slot, |state, now, _| {
            state.may_commit_in_txn(who)?;
            let mut batch = BatchBuilder::new(0)
                .codec(self.settings.codec, None)
                .producer(producer.id, producer.epoch, 0)
                .transactional(true);
            for ((topic, partition), value) in &entries {
                let key = record::offset_key(&state.id, topic, *partition);
                batch.append(now.wall_ms, Some(&key), Some(&value.to_bytes()), &[]);
            }
            let batch = batch.build().map_err(|_| ErrorCode::InvalidCommitOffsetSize)?;
            state.offsets.begin_in_txn(producer.id, &entries);
            // Before the marker can be written, and so before anyone looks for it.
            shard.open.lock().entry(producer.id).or_default().insert(state.id.clone());
            let (coordinator, slot) = (self.clone(), slot.clone());
            let done = move |result: Result<i64, ErrorCode>| {
                if result.is_ok() {
                    coordinator.counts.commits.add(entries.len() as u64);
                }
                coordinator
                    .step_slot(&slot, |group, _, _| group.offsets.end_in_txn(producer.id, result.ok(), &entries));
                let _ = sender.send(result.map(drop).map_err(commit_error)); // or the connection is gone
            };
            shard.journal.append_verified(batch, producer.verified, Box::new(done));
            Ok::<(), ErrorCode>(())
        })?;
        answer.await.unwrap_or(Err(ErrorCode::CoordinatorNotAvailable))
    }

    /// Writes a transaction's marker to a partition of `__consumer_offsets` led from here. When it returns `Ok`, the marker is
    /// replicated and the transaction's commits count, or are forgotten.
    ///
    /// # Errors
    /// The partition's code; NOT_LEADER_OR_FOLLOWER while it is being read: the coordinator of the transaction tries again.
    pub async fn write_marker(self: &Arc<Self>, partition: i32, ending: Ending) -> Result<(), ErrorCode> {
        let batch = marker(0, -1, self.env.clock.wall_ms(), ending.producer_id, ending.producer_epoch, ending.marker);
        let shard = match self.shards.get(partition) {
            Ok(shard) => shard,
            Err(ErrorCode::CoordinatorLoadInProgress) => return Err(ErrorCode::NotLeaderOrFollower),
            // Nobody's memory to keep: the log alone, for its readers and for whoever can read it.
            Err(_) => {
                let id = TopicPartition::new(OFFSETS_TOPIC, partition);
                let origin = crate::record::Origin::Coordinator;
                let written = self.replicas.append(&id, batch, ACKS_ALL, origin).await.map_err(|r| r.code)?;
                return written.committed(self.env.clock.now() + self.settings.commit_timeout).await;
            }
        };
        let (sender, answer) = oneshot::channel();
        let (coordinator, then) = (self.clone(), shard.clone());
        let done = move |result: Result<i64, ErrorCode>| {
            if result.is_ok() {
                coordinator.complete_txn(&then, ending.producer_id, ending.marker.commit);
            }
            let _ = sender.send(result.map(drop));
        };
        shard.journal.append(batch, Box::new(done));
        answer.await.unwrap_or(Err(ErrorCode::UnknownServerError))
    }

    fn complete_txn(self: &Arc<Self>, shard: &Shard, producer_id: i64, commit: bool) {
        let groups = shard.open.lock().remove(&producer_id).unwrap_or_default();
        for name in groups {
            let Some(slot) = self.find(shard, &name) else { continue };
            let is_open = self.step_slot(&slot, |group, _, _| group.offsets.complete_txn(producer_id, commit));
            if is_open {
                shard.open.lock().entry(producer_id).or_default().insert(name);
            }
        }
    }
}

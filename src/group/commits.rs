//! Committed offsets at the coordinator: commit, fetch, delete, and what removes them without being asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::coordinator::{Coordinator, Shard, Slot};
use super::group::Group;
use super::offsets::Place;
use super::record::{self, OffsetValue};
use super::types::Claim;
use crate::base::{ErrorCode, TopicPartition};
use crate::record::BatchBuilder;

/// One partition of an OffsetFetch.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Which.
    pub place: Place,
    /// None when nothing was committed.
    pub value: Option<OffsetValue>,
    /// UNSTABLE_OFFSET_COMMIT while a commit is being written, or waits for its transaction's end, and the asker wants to know.
    pub error: ErrorCode,
}

impl Coordinator {
    /// Commits offsets. When it returns `Ok`, they are replicated as `offsets.commit.required.acks` says, and fetched from now on. May
    /// be dropped: the commit goes on.
    ///
    /// # Errors
    /// The code for every partition.
    pub async fn commit(
        self: &Arc<Self>,
        group: &str,
        who: &Claim,
        entries: Vec<(Place, OffsetValue)>,
    ) -> Result<(), ErrorCode> {
        let shard = self.shard(group)?;
        let slot = self.slot(&shard, group, who.generation < 0).ok_or(ErrorCode::IllegalGeneration)?;
        let (sender, answer) = oneshot::channel();
        let begun = self.step_slot(&slot, |state, now, _| {
            state.may_commit(who, now)?;
            if entries.is_empty() {
                return Ok(false);
            }
            let mut batch = BatchBuilder::new(0).codec(self.settings.codec, None).producer(-1, -1, 0);
            for ((topic, partition), value) in &entries {
                let key = record::offset_key(&state.id, topic, *partition);
                batch.append(now.wall_ms, Some(&key), Some(&value.to_bytes()), &[]);
            }
            let batch = batch.build().map_err(|_| ErrorCode::InvalidCommitOffsetSize)?;
            let places: Vec<Place> = entries.iter().map(|(place, _)| place.clone()).collect();
            state.offsets.begin(&places);
            let (coordinator, slot) = (self.clone(), slot.clone());
            let done = move |result: Result<i64, ErrorCode>| {
                if result.is_ok() {
                    coordinator.counts.commits.add(entries.len() as u64);
                }
                coordinator.step_slot(&slot, |group, _, _| group.offsets.end(result.ok(), &entries));
                let _ = sender.send(result.map(drop).map_err(commit_error)); // or the connection is gone
            };
            shard.journal.append(batch, Box::new(done));
            Ok(true)
        })?;
        if !begun {
            return Ok(());
        }
        answer.await.unwrap_or(Err(ErrorCode::CoordinatorNotAvailable))
    }

    /// Committed offsets of the places asked for, or all.
    ///
    /// # Errors
    /// The group's code.
    pub fn fetch(
        &self,
        group: &str,
        places: Option<Vec<Place>>,
        require_stable: bool,
    ) -> Result<Vec<Fetched>, ErrorCode> {
        let shard = self.shard(group)?;
        let Some(slot) = self.find(&shard, group) else {
            let nothing = |place| Fetched { place, value: None, error: ErrorCode::None };
            return Ok(places.unwrap_or_default().into_iter().map(nothing).collect());
        };
        Ok(slot.look(|group| {
            let places =
                places.unwrap_or_else(|| group.offsets.all().map(|(topic, p, _)| (topic.clone(), p)).collect());
            let one = |place: Place| {
                if require_stable && group.offsets.is_unstable(&place.0, place.1) {
                    return Fetched { place, value: None, error: ErrorCode::UnstableOffsetCommit };
                }
                let value = group.offsets.get(&place.0, place.1).map(|committed| committed.value.clone());
                Fetched { place, value, error: ErrorCode::None }
            };
            places.into_iter().map(one).collect()
        }))
    }

    /// OffsetDelete: the code of each place.
    ///
    /// # Errors
    /// The request's code.
    pub fn delete_offsets(
        self: &Arc<Self>,
        group: &str,
        places: Vec<Place>,
    ) -> Result<BTreeMap<Place, ErrorCode>, ErrorCode> {
        let shard = self.shard(group)?;
        let slot = self.find(&shard, group).ok_or(ErrorCode::GroupIdNotFound)?;
        let mut codes = Vec::new();
        let mut refused = None;
        self.sweep(&shard, &slot, |state| match state.delete_offsets(places) {
            Ok((each, removed)) => {
                self.counts.deletions.add(removed.len() as u64);
                codes = each;
                removed
            }
            Err(error) => {
                refused = Some(error);
                Vec::new()
            }
        });
        refused.map_or(Ok(codes.into_iter().collect()), Err)
    }

    /// Partitions of other topics are deleted: what groups committed for them goes too.
    pub fn partitions_deleted(self: &Arc<Self>, partitions: &[TopicPartition]) {
        let places: Vec<Place> = partitions.iter().map(|id| (id.topic.clone(), id.partition)).collect();
        self.sweep_all(|group| group.forget_partitions(&places));
    }

    /// Looks for offsets whose time is over, at the start and then in every `offsets.retention.check.interval.ms`.
    pub(super) async fn run_expiry(self: Arc<Self>) {
        let retention_ms = i64::try_from(self.settings.retention.as_millis()).unwrap_or(i64::MAX);
        loop {
            let now_ms = self.env.clock.wall_ms();
            self.sweep_all(|group| {
                let expired = group.expire_offsets(now_ms, retention_ms);
                self.counts.expirations.add(expired.len() as u64);
                expired
            });
            tokio::time::sleep(self.settings.retention_check).await;
        }
    }

    fn sweep_all(self: &Arc<Self>, mut remove: impl FnMut(&mut Group) -> Vec<Place>) {
        for shard in self.shards.ready() {
            let slots: Vec<Arc<Slot>> = shard.groups.lock().values().cloned().collect();
            for slot in slots {
                self.sweep(&shard, &slot, &mut remove);
            }
        }
    }

    /// Removes offsets with tombstones, and the group when it is empty and has none left (`cleanupGroupMetadata`).
    fn sweep(self: &Arc<Self>, shard: &Shard, slot: &Arc<Slot>, remove: impl FnOnce(&mut Group) -> Vec<Place>) {
        let buried = self.step_slot(slot, |group, _, _| {
            let removed = remove(group);
            let is_buried = group.bury_if_useless();
            self.write_tombstones(slot, group, &removed, is_buried);
            is_buried.then(|| group.id.clone())
        });
        if let Some(id) = buried {
            tracing::info!(group = %id, "an empty group without offsets is removed");
            self.bury(shard, slot, &id);
        }
    }
}

/// What a client is told of a commit that was not written (`GroupMetadataManager.storeOffsets`).
pub fn commit_error(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::NetworkException => ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::NotEnoughReplicasAfterAppend => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::InvalidCommitOffsetSize
        }
        code => code,
    }
}

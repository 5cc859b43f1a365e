//! Reads for fetches: many partitions under one budget, waiting until there is enough.
//!
//! Nothing of the log is copied: a read ends as file slices. Kafka's rule is kept that the first partition with data may exceed every
//! limit by one batch, or a record larger than the limits could never be fetched (`ReplicaManager.readFromLog`).

use std::sync::Arc;

use tokio::time::Instant;

use super::fetch_session::{SessionKey, Wanted};
use super::follower_fetch::{FollowerId, divergence};
use super::partition::Partition;
use super::table::Replicas;
use super::wait::{Registration, Until, Waiter};
use crate::base::sabotage::{self, Sabotage};
use crate::base::{BrokerId, ErrorCode, TopicPartition};
use crate::disk::FileSlice;
use crate::log::{AbortedTxn, EpochEnd, LogError, ReadRequest};

/// How a fetch reads, whatever the partition.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Bytes of records over all partitions.
    pub max_bytes: usize,
    /// Fetch 0-2: the limit holds even for the first batch, which may then be cut short.
    pub hard_max_bytes: bool,
    /// Up to the last stable offset, with aborted transactions listed.
    pub committed_transactions_only: bool,
    /// A follower reads, and up to the log's end; none for a consumer.
    pub follower: Option<FollowerId>,
    /// A consumer that may read from a follower too (Fetch 11 and later, KIP-392).
    pub any_replica: bool,
}

/// What one partition gave.
#[derive(Debug)]
pub struct PartitionRead {
    /// None when it went well.
    pub error: ErrorCode,
    /// -1 when refused before the read.
    pub high_watermark: i64,
    /// -1 when refused before the read.
    pub last_stable_offset: i64,
    /// -1 when refused before the read.
    pub log_start_offset: i64,
    /// Record bytes.
    pub slice: Option<FileSlice>,
    /// Only when asked for.
    pub aborted: Option<Vec<AbortedTxn>>,
    /// The reader's log parts from this one here: it has to truncate before it reads on.
    pub diverging: Option<EpochEnd>,
    /// The consumer is to read from this replica instead.
    pub preferred: Option<BrokerId>,
}

impl PartitionRead {
    /// Refused before anything was read: partitions that nobody knows, and records that the asker's version can't carry.
    pub fn refused(error: ErrorCode) -> Self {
        Self {
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            slice: None,
            aborted: Some(Vec::new()),
            diverging: None,
            preferred: None,
        }
    }

    /// The partition itself said no: on the wire its aborted transactions are null, not empty.
    fn failed(error: ErrorCode) -> Self {
        Self { aborted: None, ..Self::refused(error) }
    }

    /// Bytes of records.
    pub fn len(&self) -> usize {
        self.slice.as_ref().map_or(0, |slice| slice.len)
    }

    /// True without records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Replicas {
    /// Reads all partitions once, in order, under one budget. Takes a follower's offsets as its acknowledgement, so it is called once
    /// a fetch; see [`Replicas::read_again`].
    pub async fn read(&self, wanted: &[(SessionKey, Wanted)], limits: ReadLimits) -> Vec<PartitionRead> {
        self.read_all(wanted, limits, true).await
    }

    /// Reads once more for a fetch that has waited. What it says of a follower was noted when it came: it is not news of now.
    pub async fn read_again(&self, wanted: &[(SessionKey, Wanted)], limits: ReadLimits) -> Vec<PartitionRead> {
        self.read_all(wanted, limits, false).await
    }

    async fn read_all(
        &self,
        wanted: &[(SessionKey, Wanted)],
        limits: ReadLimits,
        is_first: bool,
    ) -> Vec<PartitionRead> {
        let mut left = limits.max_bytes;
        let mut at_least_one = !limits.hard_max_bytes;
        let mut reads = Vec::with_capacity(wanted.len());
        for (key, wanted) in wanted {
            let read = self.read_one(key, wanted, limits, is_first, left, at_least_one).await;
            at_least_one &= read.is_empty();
            left = left.saturating_sub(read.len());
            reads.push(read);
        }
        reads
    }

    async fn read_one(
        &self,
        key: &SessionKey,
        wanted: &Wanted,
        limits: ReadLimits,
        is_first: bool,
        left: usize,
        at_least_one: bool,
    ) -> PartitionRead {
        let partition = match self.readable(key) {
            Ok(partition) => partition,
            Err(code @ (ErrorCode::UnknownTopicId | ErrorCode::UnknownTopicOrPartition)) => {
                return PartitionRead::refused(code);
            }
            Err(code) => return PartitionRead::failed(code),
        };
        let checked = match limits.any_replica {
            true => partition.check_readable(wanted.current_leader_epoch),
            false => partition.check_leader(wanted.current_leader_epoch),
        };
        if let Err(code) = checked {
            return PartitionRead::failed(code);
        }
        let log = &partition.log();
        let checked = match limits.follower {
            Some(follower) => self.check_follower(&partition, wanted, follower),
            None => Ok(()),
        };
        let diverging = match checked.and_then(|()| divergence(&partition, wanted)) {
            Ok(diverging) => diverging,
            Err(code) => return PartitionRead::failed(code),
        };
        if is_first
            && diverging.is_none()
            && let Some(follower) = limits.follower
            && let Err(code) = self.note_follower(&partition, wanted, follower)
        {
            return PartitionRead::failed(code);
        }
        // The ends are taken before the read, so that what is answered as readable was readable when the records were chosen.
        let high_watermark = log.high_watermark();
        let last_stable_offset = log.last_stable_offset();
        let upper = match limits.follower {
            Some(_) => log.leo(),
            None => partition.readable_end(limits.committed_transactions_only),
        };
        let ask = ReadRequest {
            offset: wanted.fetch_offset,
            max_bytes: left.min(usize::try_from(wanted.max_bytes).unwrap_or(0)),
            min_one_message: at_least_one,
            upper,
            aborted: limits.committed_transactions_only,
        };
        let mut read = PartitionRead {
            error: ErrorCode::None,
            high_watermark,
            last_stable_offset,
            log_start_offset: log.start_offset(),
            slice: None,
            aborted: None,
            diverging,
            preferred: None,
        };
        let held_back = limits.follower.is_some_and(|follower| self.holds_back(&partition, follower.broker));
        if diverging.is_some() || held_back {
            return read;
        }
        let read_now = match log.read(ask).await {
            Err(LogError::Gone(_)) if !partition.has(log) => partition.log().read(ask).await, // it has moved meanwhile
            found => found,
        };
        match read_now {
            Ok(found) => {
                // Since Fetch 3 an incomplete first batch is of no use to anyone.
                read.slice = found.slice.filter(|_| limits.hard_max_bytes || !found.first_batch_incomplete);
                let aborted = if sabotage::is_on(Sabotage::ServeAborted) { Vec::new() } else { found.aborted };
                read.aborted = limits.committed_transactions_only.then_some(aborted);
            }
            Err(error) => return PartitionRead::failed(error.code()),
        }
        read
    }

    /// Waits until the partitions have more than they gave, the deadline, or a change that a fetcher must hear of. The next read tells.
    pub async fn wait_for_more(&self, wait: &ReadWait, deadline: Instant) -> bool {
        !wait.waiter.wait(deadline).await
    }

    /// Registers a fetch in its partitions. Read after this, then wait: nothing is missed.
    pub fn register_read(&self, wanted: &[(SessionKey, Wanted)], limits: ReadLimits) -> ReadWait {
        let waiter = Waiter::new();
        let places = wanted
            .iter()
            .filter_map(|(key, wanted)| {
                let partition = self.readable(key).ok()?;
                let until = match limits.follower {
                    Some(_) => Until::Appended(wanted.fetch_offset),
                    None => Until::Committed(wanted.fetch_offset),
                };
                Some(partition.waiters.register(&waiter, until))
            })
            .collect();
        ReadWait { waiter, _places: places }
    }

    fn readable(&self, key: &SessionKey) -> Result<Arc<Partition>, ErrorCode> {
        if key.topic.is_empty() {
            return Err(ErrorCode::UnknownTopicId);
        }
        self.get_with_id(&TopicPartition::new(key.topic.clone(), key.partition), key.topic_id)
    }
}

/// A fetch that waits in its partitions.
#[derive(Debug)]
pub struct ReadWait {
    waiter: Arc<Waiter>,
    _places: Vec<Registration>,
}

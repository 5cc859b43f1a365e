//! Appends by clients and coordinators, and the wait for their replication.
//!
//! An append runs to its end on the caller's task under the log's append mutex; the wait after it may be dropped. A waiting produce
//! holds (term, last offset): it succeeds when the same term still runs and the high watermark is above the offset, both seen in one
//! look at the state. Losing leadership and winning it back in between acknowledges nothing.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::partition::Partition;
use super::state::Role;
use super::table::Replicas;
use super::wait::{Until, Waiter};
use crate::base::sabotage::{self, Sabotage};
use crate::base::{ErrorCode, TopicPartition};
use crate::log::{AppendError, Appended, LeaderAppend, LogWriter, VerificationGuard};
use crate::record::Origin;

/// `acks` of a produce that wants every in-sync replica to have it.
pub const ACKS_ALL: i16 = -1;

/// A batch to be appended.
#[derive(Debug)]
pub struct NewBatch {
    /// Its bytes.
    pub records: Bytes,
    /// For the first one of a transaction here.
    pub verified: Option<Verified>,
    /// For a producer of which an earlier batch was refused: that one's sequence. A log that does not know the producer takes no later
    /// one first.
    pub awaited: Option<i32>,
}

/// Proof that a transaction was verified with its coordinator, after which nothing ended it here (KIP-890).
#[derive(Clone, Copy, Debug)]
pub struct Verified(VerificationGuard);

impl From<Bytes> for NewBatch {
    fn from(records: Bytes) -> Self {
        Self { records, verified: None, awaited: None }
    }
}

/// What a refused append tells the producer.
#[derive(Debug)]
pub struct Refusal {
    /// The partition's code.
    pub code: ErrorCode,
    /// For people; produce 8 and later carry it.
    pub message: Option<String>,
    /// Records of the batch that are to blame: index and reason.
    pub records: Vec<(i32, String)>,
    /// The log's start, told only with refused records (`LogAppendInfo.unknownLogAppendInfoWithAdditionalInfo`); else -1.
    pub start_offset: i64,
}

/// A batch that is in the leader's log and waits to be committed.
#[derive(Debug)]
pub struct Written {
    /// Offsets, times.
    pub appended: Appended,
    partition: Arc<Partition>,
    term: u64,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None, records: Vec::new(), start_offset: -1 }
    }
}

impl Refusal {
    /// Only with refused records does Kafka send a message (`ReplicaManager.hasCustomErrorMessage`).
    fn of(error: AppendError, log_start_offset: i64) -> Self {
        let code = error.code();
        match error {
            AppendError::Invalid(invalid) if !invalid.refused().is_empty() => Self {
                code,
                message: Some(invalid.to_string()),
                records: invalid.refused().iter().map(|r| (r.batch_index, r.message.clone())).collect(),
                start_offset: log_start_offset,
            },
            error => {
                tracing::debug!(%error, "append refused");
                code.into()
            }
        }
    }
}

impl Replicas {
    /// Appends records to the partition's log as its leader. On return they are in the file (page cache), not yet replicated.
    ///
    /// # Errors
    /// [`Refusal`]: nothing was written.
    pub async fn append(
        &self,
        id: &TopicPartition,
        batch: impl Into<NewBatch>,
        acks: i16,
        origin: Origin,
    ) -> Result<Written, Refusal> {
        let NewBatch { records, verified, awaited } = batch.into();
        let partition = self.get(id)?;
        partition.check_appendable(acks)?; // before the work of validation, which a replica that does not lead must not do
        let refused = |error| Refusal::of(error, partition.log().start_offset());
        let valid = partition.log().validate(&records, origin).map_err(refused)?;
        let (appended, term) = {
            let mut writer = partition.lock().await;
            let (leader_epoch, term) = admit(&partition, &mut writer, acks, None).await?;
            let verification = verified.map(|proof| proof.0);
            let append = LeaderAppend { records, leader_epoch, origin, verification, awaited };
            (writer.append_valid(append, valid).await.map_err(refused)?, term)
        };
        partition.advance();
        if !appended.duplicate {
            let (records, bytes) = (appended.records, appended.bytes as u64);
            for (messages_in, bytes_in) in [
                (&self.env.metrics.messages_in, &self.env.metrics.bytes_in),
                (&partition.metrics.messages_in, &partition.metrics.bytes_in),
            ] {
                messages_in.add(records);
                bytes_in.add(bytes);
            }
        }
        Ok(Written { appended, partition, term })
    }

    /// Appends what a coordinator has gathered, batch by batch, in one turn of the log; all of it in this `term` of leadership or not
    /// at all. On return it is in the file (page cache), not yet replicated.
    ///
    /// # Errors
    /// The code for all; or a [`Refusal`] of one batch, which leaves the others in place.
    pub async fn append_all(
        &self,
        id: &TopicPartition,
        batches: Vec<NewBatch>,
        acks: i16,
        term: u64,
    ) -> Result<Vec<Result<Written, Refusal>>, ErrorCode> {
        let partition = self.get(id)?;
        let results = {
            let mut writer = partition.lock().await;
            let (leader_epoch, _) = admit(&partition, &mut writer, acks, Some(term)).await?;
            let append = |NewBatch { records, verified, awaited }| LeaderAppend {
                records,
                leader_epoch,
                origin: Origin::Coordinator,
                verification: verified.map(|proof| proof.0),
                awaited,
            };
            let appended = writer.append_leader_all(batches.into_iter().map(append).collect()).await;
            appended.map_err(|error| error.code())?
        };
        partition.advance();
        let start = partition.log().start_offset();
        let written = |appended| Written { appended, partition: partition.clone(), term };
        Ok(results.into_iter().map(|result| result.map(written).map_err(|e| Refusal::of(e, start))).collect())
    }

    /// Begins the verification of a producer's transaction on a partition led from here (KIP-890): what its first batch must
    /// bring, none when the transaction is open here already. `sequence` is the first batch's, -1 for a coordinator's.
    ///
    /// # Errors
    /// The partition's code.
    pub async fn start_verification(
        &self,
        id: &TopicPartition,
        producer_id: i64,
        epoch: i16,
        sequence: i32,
    ) -> Result<Option<Verified>, ErrorCode> {
        let partition = self.get(id)?;
        partition.check_leader(-1)?;
        Ok(partition.log().start_verification(producer_id, sequence, epoch).await.map(Verified))
    }
}

/// May this replica append now? Leader epoch and term of the append. Looked at under the append mutex: whoever makes this replica a
/// follower cannot truncate before the append is done.
async fn admit(
    partition: &Partition,
    writer: &mut LogWriter,
    acks: i16,
    only_in: Option<u64>,
) -> Result<(i32, u64), ErrorCode> {
    partition.settle(writer).await.map_err(|error| error.code())?;
    let (leader_epoch, term) = partition.check_appendable(acks)?;
    if only_in.is_some_and(|only| only != term) {
        return Err(ErrorCode::NotLeaderOrFollower); // of leadership that has ended; it is another coordinator's log by now
    }
    Ok((leader_epoch, term))
}

impl Partition {
    /// Whether a client may append here now: leader epoch and term.
    fn check_appendable(&self, acks: i16) -> Result<(i32, u64), ErrorCode> {
        let state = self.state();
        state.check_leader()?;
        if acks == ACKS_ALL && !state.has_min_isr(self.log().config().min_insync_replicas) {
            return Err(ErrorCode::NotEnoughReplicas);
        }
        Ok((state.leader_epoch, state.term))
    }
}

impl Written {
    /// Waits until every in-sync replica has the batch. A duplicate waits exactly like its original did.
    ///
    /// # Errors
    /// NOT_LEADER_OR_FOLLOWER or KAFKA_STORAGE_ERROR when the term has ended, NOT_ENOUGH_REPLICAS_AFTER_APPEND when it is replicated
    /// to too few, REQUEST_TIMED_OUT at the deadline: the data stays in every case.
    pub async fn committed(&self, deadline: Instant) -> Result<(), ErrorCode> {
        if let Some(result) = self.look() {
            return result; // one replica, or a quick follower: nothing to register
        }
        let waiter = Waiter::new();
        let _place = self.partition.waiters.register(&waiter, Until::Committed(self.appended.last_offset));
        loop {
            if let Some(result) = self.look() {
                return result;
            }
            if waiter.wait(deadline).await {
                return self.look().unwrap_or(Err(ErrorCode::RequestTimedOut));
            }
        }
    }

    /// The answer, if it is known: term and high watermark in one look.
    pub(super) fn look(&self) -> Option<Result<(), ErrorCode>> {
        let state = self.partition.state();
        if state.offline {
            return Some(Err(ErrorCode::KafkaStorageError));
        }
        let is_over = state.role != Role::Leader || state.term != self.term;
        if is_over && !sabotage::is_on(Sabotage::AnswerOldWaiters) {
            return Some(Err(ErrorCode::NotLeaderOrFollower));
        }
        if state.role != Role::Leader {
            return None; // sabotaged
        }
        if sabotage::is_on(Sabotage::AnswerBeforeReplication) {
            return Some(Ok(()));
        }
        if self.partition.log().high_watermark() <= self.appended.last_offset {
            return None;
        }
        let enough = state.has_min_maximal_isr(self.partition.log().config().min_insync_replicas);
        Some(if enough { Ok(()) } else { Err(ErrorCode::NotEnoughReplicasAfterAppend) })
    }
}

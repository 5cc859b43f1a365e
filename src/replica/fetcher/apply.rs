//! One partition's part of an answer, put into effect on the follower's log.
//!
//! Everything that changes the log happens under its append mutex, and only while the replica still follows in the epoch that the
//! request was sent in: an answer that comes after the next LeaderAndIsr changes nothing.

use std::sync::Arc;

use bytes::Bytes;

use super::truncation::{self, Restart};
use crate::base::sabotage::{self, Sabotage};
use crate::base::{BrokerId, ErrorCode, TopicId};
use crate::log::{AppendError, EpochEnd, LogError, LogWriter};
use crate::replica::fetch_session::Wanted;
use crate::replica::partition::Partition;
use crate::replica::state::Role;

/// A partition that is copied.
#[derive(Debug)]
pub(super) struct Followed {
    pub partition: Arc<Partition>,
    /// In which it follows; the fence of all it does.
    pub leader_epoch: i32,
}

/// Why a partition can't go on at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Worth another try after a pause.
    Delay,
    /// Not before the controller tells of the partition again.
    Fail,
}

impl Followed {
    /// What to ask the leader for next.
    pub fn ask(&self, max_bytes: i32) -> super::session::Ask {
        let log = &self.partition.log();
        let wanted = Wanted {
            fetch_offset: log.leo(),
            log_start_offset: log.start_offset(),
            max_bytes,
            current_leader_epoch: self.leader_epoch,
            last_fetched_epoch: log.latest_epoch().unwrap_or(-1),
        };
        super::session::Ask { topic_id: log.topic_id().unwrap_or(TopicId::ZERO), wanted }
    }

    /// Is this replica one of those that `follower.replication.throttled.replicas` names?
    pub fn is_throttled(&self, me: BrokerId) -> bool {
        let Partition { id, .. } = &*self.partition;
        self.partition.log().config().follower_throttled_replicas.contains(id.partition, me)
    }

    /// Before the first fetch: a log that knows no epoch can't find out by fetching where it parts from the leader's, so it goes back
    /// to what is committed.
    pub async fn prepare(&self) -> Result<(), Trouble> {
        let log = &self.partition.log();
        let knows_epochs = log.latest_epoch().is_some() && !sabotage::is_on(Sabotage::TruncateToHighWatermark);
        if knows_epochs || log.leo() <= log.high_watermark() {
            return Ok(());
        }
        let Some(mut writer) = self.writer().await else { return Ok(()) };
        let to = writer.log().high_watermark();
        writer.truncate_to(to).await.map(|_| ()).map_err(|error| self.storage(&error))
    }

    /// The append mutex, while the replica still follows in its epoch.
    async fn writer(&self) -> Option<LogWriter> {
        let writer = self.partition.lock().await;
        self.is_current().then_some(writer)
    }

    fn is_current(&self) -> bool {
        let state = self.partition.state();
        matches!(state.role, Role::Follower { .. }) && state.leader_epoch == self.leader_epoch && !state.offline
    }

    /// Appends what came and takes over the leader's high watermark and log start.
    pub async fn append(&self, records: Bytes, high_watermark: i64, log_start_offset: i64) -> Result<(), Trouble> {
        let Some(mut writer) = self.writer().await else { return Ok(()) };
        let log = Arc::clone(writer.log());
        if !records.is_empty() {
            append_from_within(&mut writer, records, self.leader_epoch).await.map_err(|error| self.refused(&error))?;
        }
        let is_whole = {
            let state = self.partition.touch(); // held, so that no leader's watermark is overwritten
            let follows = matches!(state.role, Role::Follower { .. }) && state.leader_epoch == self.leader_epoch;
            if follows && high_watermark >= 0 && high_watermark != log.high_watermark() {
                log.set_high_watermark(high_watermark);
            }
            follows && high_watermark >= 0 && log.leo() >= high_watermark
        };
        if is_whole && log.is_refilling() {
            writer.refilled().await.map_err(|error| self.storage(&error))?;
            tracing::info!(partition = %self.partition.id, log_end = log.leo(), "a lost log is whole again");
        }
        if log_start_offset > log.start_offset() && log_start_offset <= log.high_watermark() {
            writer.increment_start_offset(log_start_offset).await.map_err(|error| self.storage(&error))?;
        }
        Ok(())
    }

    /// Cuts what the leader does not have.
    pub async fn truncate(&self, leader: EpochEnd) -> Result<(), Trouble> {
        let Some(mut writer) = self.writer().await else { return Ok(()) };
        let log = Arc::clone(writer.log());
        let to = truncation::cut(leader, log.end_offset_for(leader.epoch), log.leo(), log.high_watermark());
        tracing::info!(
            partition = %self.partition.id, to, log_end = log.leo(), high_watermark = log.high_watermark(), ?leader,
            "this log parts from the leader's"
        );
        if to < log.high_watermark() {
            tracing::warn!(partition = %self.partition.id, to, "truncating below the high watermark");
        }
        writer.truncate_to(to).await.map(|_| ()).map_err(|error| self.storage(&error))
    }

    /// Starts where the leader's log does, or cuts what lies above its end.
    pub async fn restart(&self, leader_start: i64, leader_end: i64) -> Result<(), Trouble> {
        let Some(mut writer) = self.writer().await else { return Ok(()) };
        let log_end = writer.leo();
        let step = truncation::restart(leader_start, leader_end, log_end);
        tracing::warn!(partition = %self.partition.id, log_end, leader_start, leader_end, ?step, "out of the leader's range");
        let done = match step {
            Restart::CutTo(offset) => writer.truncate_to(offset).await.map(|_| ()),
            Restart::AnewAt(offset) => writer.truncate_fully_and_start_at(offset).await,
            Restart::GoOn => Ok(()),
        };
        done.map_err(|error| self.storage(&error))
    }

    /// What an error code of the leader means.
    pub fn refused_by_leader(&self, code: ErrorCode) -> Trouble {
        match code {
            ErrorCode::FencedLeaderEpoch => {
                tracing::info!(partition = %self.partition.id, epoch = self.leader_epoch, "the leader is in a later epoch");
                Trouble::Fail
            }
            ErrorCode::NotLeaderOrFollower
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId => {
                tracing::debug!(partition = %self.partition.id, %code, "the leader is not ready");
                Trouble::Delay
            }
            code => {
                tracing::warn!(partition = %self.partition.id, %code, "the leader refused a fetch");
                Trouble::Delay
            }
        }
    }

    fn refused(&self, error: &AppendError) -> Trouble {
        match error {
            AppendError::Log(_) => {
                tracing::error!(partition = %self.partition.id, %error, "could not append what was fetched");
                Trouble::Fail
            }
            error => {
                // Nothing of it was written. The leader may do better next time.
                tracing::error!(partition = %self.partition.id, %error, "fetched batches are not usable; fetching them again");
                Trouble::Delay
            }
        }
    }

    fn storage(&self, error: &LogError) -> Trouble {
        tracing::error!(partition = %self.partition.id, %error, "could not change the log of a follower");
        Trouble::Fail
    }
}

/// Appends as a follower. An empty log that starts within the first batch, since the log that is copied does, takes the whole batch.
pub(in crate::replica) async fn append_from_within(
    writer: &mut LogWriter,
    records: Bytes,
    leader_epoch: i32,
) -> Result<(), AppendError> {
    match writer.append_follower(records.clone(), leader_epoch).await {
        Err(AppendError::UnexpectedOffset { first, last, leo })
            if leo == writer.log().start_offset() && first < leo && last >= leo =>
        {
            writer.truncate_fully_and_start_at(first).await.map_err(AppendError::Log)?;
            writer.append_follower(records, leader_epoch).await.map(|_| ())
        }
        appended => appended.map(|_| ()),
    }
}

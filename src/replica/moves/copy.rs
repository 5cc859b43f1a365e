//! One step of copying a partition's log into the one that is to take its place. Both lie on this broker: no request, no leader.
//!
//! Kafka's `ReplicaAlterLogDirsThread` and `LocalLeaderEndPoint`. The current log may be cut, emptied or deleted from at any moment between
//! two steps; each step begins by taking that over.

use std::sync::Arc;

use crate::log::{AppendError, EpochEnd, Log, LogError, LogWriter, ReadRequest};
use crate::replica::fetcher::append_from_within;
use crate::replica::fetcher::truncation::{self, Restart};

/// Bytes read at a time: the default of `replica.fetch.max.bytes`.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes were copied; there may be more.
    Copied(usize),
    /// Both ended at the same offset.
    Even,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// Reading, cutting, or a log that is gone.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What was read can't be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The file can't be read.
    #[error("reading a segment: {0}")]
    Io(#[from] std::io::Error),
}

/// Makes the copy a beginning of the current log. After a restart nobody knows what that was cut by meanwhile: the leader epochs tell. And
/// after a loss of power a segment that was not on the device may be empty between two that were: what is above the recovery point is
/// copied again.
pub(super) async fn align(current: &Arc<Log>, copy: &mut LogWriter) -> Result<(), CopyError> {
    let sure = copy.log().recovery_point();
    if sure < copy.leo() {
        copy.truncate_to(sure).await?;
    }
    while let Some(epoch) = copy.log().latest_epoch() {
        let own_end = copy.leo();
        let mut theirs = current.end_offset_for(epoch);
        if theirs == EpochEnd::UNKNOWN {
            // The current log knows no epoch as late: its latest is where both may still agree.
            let Some(latest) = current.latest_epoch() else { break };
            theirs = EpochEnd { epoch: latest, end_offset: current.leo() };
        }
        let own = copy.log().end_offset_for(theirs.epoch);
        let to = truncation::cut(theirs, own, own_end, copy.log().high_watermark());
        if to >= own_end {
            break;
        }
        tracing::info!(partition = %current.partition(), to, own_end, "a copy in another directory parts from its log");
        copy.truncate_to(to).await?;
    }
    Ok(())
}

/// Copies the next records, and takes over log start and high watermark.
pub(super) async fn step(current: &Arc<Log>, copy: &mut LogWriter) -> Result<Step, CopyError> {
    if let Some(cut) = current.take_cut()
        && cut < copy.leo()
    {
        copy.truncate_to(cut.max(0)).await?;
    }
    match truncation::restart(current.start_offset(), current.leo(), copy.leo()) {
        Restart::CutTo(offset) => copy.truncate_to(offset).await.map(|_| ())?,
        Restart::AnewAt(offset) => copy.truncate_fully_and_start_at(offset).await?,
        Restart::GoOn => {}
    }
    let (from, end) = (copy.leo(), current.leo());
    let ask = ReadRequest { offset: from, max_bytes: CHUNK_BYTES, min_one_message: true, upper: end, aborted: false };
    let slice = if from < end { current.read(ask).await?.slice } else { None };
    let mut bytes = 0;
    if let Some(slice) = slice {
        let records = current.gate().run(move || slice.read_to_bytes()).await?;
        if current.was_cut() {
            return Ok(Step::Copied(0)); // what was read may come from behind the cut
        }
        bytes = records.len();
        // No epoch is too late for a copy.
        append_from_within(copy, records, i32::MAX).await?;
    }
    copy.log().set_high_watermark(current.high_watermark());
    let start = current.start_offset().min(copy.log().high_watermark());
    if start > copy.log().start_offset() {
        copy.increment_start_offset(start).await?;
    }
    Ok(if copy.leo() == current.leo() { Step::Even } else { Step::Copied(bytes) })
}

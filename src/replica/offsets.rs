//! Answers about offsets: by timestamp, by leader epoch, and the earliest and latest of a partition.

use super::partition::Partition;
use super::table::Replicas;
use crate::base::{ErrorCode, TopicPartition};

/// What ListOffsets asks of a partition; the special timestamps have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetQuery {
    /// -1: the end of what the asker may read.
    Latest,
    /// -2: the log start.
    Earliest,
    /// -3: the record with the largest timestamp (KIP-734).
    MaxTimestamp,
    /// -4: the log start on local disk (KIP-405); the same without tiering.
    EarliestLocal,
    /// -5: the end of what is tiered: nothing here.
    LatestTiered,
    /// The first record at or after a time.
    At(i64),
}

/// Who asks for an offset: it decides how far the partition reaches, and who may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Sees what is committed, to the last stable offset or the high watermark.
    Consumer {
        /// Skips open transactions.
        committed_transactions_only: bool,
    },
    /// Another broker: sees the leader's whole log.
    Replica,
    /// A tool that looks at one replica, whatever its role: sees its whole log.
    Debugger,
}

impl Asker {
    /// From the fields of the request: -1 is a consumer, -2 a debugger.
    pub fn of(replica_id: i32, committed_transactions_only: bool) -> Self {
        match replica_id {
            0.. => Self::Replica,
            -2 => Self::Debugger,
            _ => Self::Consumer { committed_transactions_only },
        }
    }
}

/// An offset with what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// -1 when a special offset was asked for, or nothing was found.
    pub timestamp: i64,
    /// -1 when nothing was found.
    pub offset: i64,
    /// -1 when unknown.
    pub leader_epoch: i32,
    /// For a debugger that asks for the end: the epoch of the last records, -1 when there are none. Kafka's brokers do not tell. With
    /// the offset -1: the log was lost, and is not whole again.
    pub log_epoch: Option<i32>,
}

/// Nothing at or after that time.
pub const NOT_FOUND: FoundOffset = FoundOffset { timestamp: -1, offset: -1, leader_epoch: -1, log_epoch: None };

/// The largest epoch at or below the one asked for, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// -1 when unknown.
    pub leader_epoch: i32,
    /// -1 when unknown.
    pub end_offset: i64,
}

impl Replicas {
    /// Finds an offset.
    ///
    /// # Errors
    /// The partition's code: not leader, fenced or unknown epoch, storage, and OFFSET_NOT_AVAILABLE while a new leader's high
    /// watermark has not reached the start of its epoch.
    pub async fn find_offset(
        &self,
        id: &TopicPartition,
        query: OffsetQuery,
        known_epoch: i32,
        asker: Asker,
    ) -> Result<FoundOffset, ErrorCode> {
        let partition = self.get(id)?;
        partition.check_asker(asker, known_epoch)?;
        let log = &partition.log();
        let special = |offset, leader_epoch: Option<i32>| FoundOffset {
            timestamp: -1,
            offset,
            leader_epoch: leader_epoch.unwrap_or(-1),
            log_epoch: None,
        };
        let readable_end = match asker {
            Asker::Consumer { committed_transactions_only } => partition.readable_end(committed_transactions_only),
            Asker::Replica | Asker::Debugger => log.leo(),
        };
        // Only what a consumer may see can go back.
        let is_unsure = || matches!(asker, Asker::Consumer { .. }) && partition.is_catching_up();
        let found = match query {
            OffsetQuery::Earliest | OffsetQuery::EarliestLocal => {
                let start = log.start_offset();
                return Ok(special(start, log.epoch_at(start)));
            }
            OffsetQuery::LatestTiered => return Ok(NOT_FOUND),
            OffsetQuery::Latest => {
                if is_unsure() {
                    return Err(ErrorCode::OffsetNotAvailable);
                }
                if asker == Asker::Debugger && partition.is_refilling() {
                    return Ok(FoundOffset { log_epoch: Some(-1), ..NOT_FOUND }); // the end of what was lost is not known
                }
                let log_epoch = (asker == Asker::Debugger).then(|| log.latest_epoch().unwrap_or(-1));
                let found = special(readable_end, Some(partition.state().leader_epoch));
                return Ok(FoundOffset { log_epoch, ..found });
            }
            OffsetQuery::MaxTimestamp => log.max_timestamp().await,
            OffsetQuery::At(timestamp) => log.offset_for_timestamp(timestamp).await,
        };
        let found = found.map_err(|error| error.code())?.filter(|found| found.offset < readable_end);
        if found.is_none() && is_unsure() {
            return Err(ErrorCode::OffsetNotAvailable);
        }
        Ok(found.map_or(NOT_FOUND, |found| FoundOffset {
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch: found.leader_epoch.unwrap_or(-1),
            log_epoch: None,
        }))
    }

    /// Offsets at which segments begin, newest first, as ListOffsets 0 answered.
    ///
    /// # Errors
    /// The partition's code.
    pub fn find_offsets_v0(
        &self,
        id: &TopicPartition,
        timestamp: i64,
        most: usize,
        asker: Asker,
    ) -> Result<Vec<i64>, ErrorCode> {
        let partition = self.get(id)?;
        partition.check_asker(asker, -1)?;
        let high_watermark = partition.log().high_watermark();
        let offsets = partition.log().legacy_offsets_before(timestamp, most).map_err(|error| error.code())?;
        if !matches!(asker, Asker::Consumer { .. }) {
            return Ok(offsets);
        }
        // A consumer sees nothing above the high watermark: where the log's end would be told, the watermark is.
        let (above, mut below): (Vec<i64>, Vec<i64>) = offsets.into_iter().partition(|o| *o > high_watermark);
        if !above.is_empty() && below.first() != Some(&high_watermark) {
            below.insert(0, high_watermark);
            below.truncate(most);
        }
        Ok(below)
    }

    /// Where a leader epoch ends (KIP-101, KIP-320).
    ///
    /// # Errors
    /// The partition's code.
    pub fn epoch_end(&self, id: &TopicPartition, known_epoch: i32, asked: i32) -> Result<EpochEndOffset, ErrorCode> {
        let partition = self.get(id)?;
        partition.check_leader(known_epoch)?;
        let end = partition.log().end_offset_for(asked);
        Ok(EpochEndOffset { leader_epoch: end.epoch, end_offset: end.end_offset })
    }
}

impl Partition {
    /// May this replica answer?
    fn check_asker(&self, asker: Asker, known_epoch: i32) -> Result<(), ErrorCode> {
        if asker != Asker::Debugger {
            return self.check_leader(known_epoch);
        }
        let state = self.state();
        if state.offline { Err(ErrorCode::KafkaStorageError) } else { state.check_epoch(known_epoch) }
    }
}

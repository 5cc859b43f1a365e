//! What can go wrong in a log, and which Kafka code it is: the one place that maps.
//!
//! [`LogError`] for everything, [`AppendError`] adds what a batch can do wrong, [`StartError`] ends the start of the broker.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::{ErrorCode, TopicId, TopicPartition};
use crate::record::{RecordError, ValidationError};

use super::producers::ProducerError;

/// An operation on a log failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The offset is not in the log.
    #[error("offset {offset} is out of range: the log has {start}..{end}")]
    OffsetOutOfRange {
        /// What was asked.
        offset: i64,
        /// Log start offset, or the lowest allowed.
        start: i64,
        /// Log end offset, or the highest allowed.
        end: i64,
    },
    /// The directory failed, now or earlier; it is offline.
    #[error("log directory {} is offline: {reason}", dir.display())]
    Storage {
        /// The directory of `log.dirs`.
        dir: PathBuf,
        /// What failed.
        reason: Arc<str>,
    },
    /// Bytes in the log do not parse. The directory stays online: other records are fine.
    #[error("corrupt data in {partition}: {reason}")]
    Corrupt {
        /// Whose log.
        partition: TopicPartition,
        /// What is wrong.
        reason: Arc<str>,
    },
    /// `partition.metadata` names another topic.
    #[error("{partition} has topic id {found} on disk, not {expected}")]
    InconsistentTopicId {
        /// Whose log.
        partition: TopicPartition,
        /// On disk.
        found: TopicId,
        /// Asked for.
        expected: TopicId,
    },
    /// No such log, or it was closed or deleted meanwhile.
    #[error("there is no log of {0}")]
    Gone(TopicPartition),
    /// The directory is not one of `log.dirs`, or offline.
    #[error("no online log directory {}", .0.display())]
    NoSuchDir(PathBuf),
}

impl LogError {
    /// Kafka's code for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            LogError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            LogError::Storage { .. } => ErrorCode::KafkaStorageError,
            LogError::Corrupt { .. } => ErrorCode::CorruptMessage,
            LogError::InconsistentTopicId { .. } => ErrorCode::InconsistentTopicId,
            LogError::Gone(_) => ErrorCode::NotLeaderOrFollower,
            LogError::NoSuchDir(_) => ErrorCode::LogDirNotFound,
        }
    }
}

/// An append was refused or failed. Nothing of it is in the log, except after `Storage`.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The batch or some of its records break the rules.
    #[error("{0}")]
    Invalid(ValidationError),
    /// The bytes are no batches.
    #[error("{0}")]
    Malformed(RecordError),
    /// The producer's epoch, sequence or transaction does not fit.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// Larger than `max.message.bytes`.
    #[error("the batch has {size} bytes, max.message.bytes is {limit}")]
    MessageTooLarge {
        /// Bytes of the batch as it would be written.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Larger than `segment.bytes`.
    #[error("the batch has {size} bytes, segment.bytes is {limit}")]
    LargerThanSegment {
        /// Bytes of the batch as it would be written.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// A follower got batches that start below its end (`UnexpectedAppendOffsetException`).
    #[error("batches {first}..={last} start below the log's end {leo}")]
    UnexpectedOffset {
        /// First offset offered.
        first: i64,
        /// Last offset offered.
        last: i64,
        /// The log's end.
        leo: i64,
    },
    /// Offsets within one append go back (`OffsetsOutOfOrderException`).
    #[error("offsets are not in order: {offset} after {previous}")]
    NotInOrder {
        /// The one that goes back.
        offset: i64,
        /// The one before.
        previous: i64,
    },
    /// The log itself.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl AppendError {
    /// Kafka's code for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            AppendError::Invalid(error) => error.code(),
            AppendError::Malformed(_) => ErrorCode::CorruptMessage,
            AppendError::Producer(error) => error.code(),
            AppendError::MessageTooLarge { .. } => ErrorCode::MessageTooLarge,
            AppendError::LargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
            AppendError::UnexpectedOffset { .. } | AppendError::NotInOrder { .. } => ErrorCode::UnknownServerError,
            AppendError::Log(error) => error.code(),
        }
    }
}

/// The log directories can't be used as they are: the broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process holds the directory.
    #[error("failed to acquire the lock on {}: another process or thread is using this log directory", .0.display())]
    Locked(PathBuf),
    /// No directory is usable.
    #[error("none of the log directories can be used")]
    NoUsableDir,
    /// `log.dirs` names a directory twice.
    #[error("log.dirs names {} twice", .0.display())]
    DuplicateDir(PathBuf),
    /// A directory that is no partition's.
    #[error(
        "found directory {}, {name:?} is not in the form of topic-partition or topic-partition.uniqueId-delete (if marked for \
         deletion). Kafka's log directories (and children) should only contain Kafka topic data",
        dir.display()
    )]
    ForeignDir {
        /// Where.
        dir: PathBuf,
        /// Its name.
        name: String,
    },
    /// The same partition lies in two directories.
    #[error("duplicate log directories found for {partition}: {} and {}", first.display(), second.display())]
    DuplicatePartition {
        /// The partition.
        partition: TopicPartition,
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// `meta.properties` is not ours to use.
    #[error("{}: {reason}", path.display())]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Asked to stop while loading.
    #[error("cancelled while the logs were being loaded")]
    Cancelled,
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

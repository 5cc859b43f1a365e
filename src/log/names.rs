//! Names on disk: segment files by base offset, partition directories with their suffixes. Pure.
//!
//! `00000000000000000042.log`; `topic-7`, `topic-7.<32 hex>-delete`, `-future`, `-stray` (facts: storage section 1; Kafka's
//! `LogFileUtils` and `UnifiedLog.parseTopicPartitionName`).

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::base::TopicPartition;

/// What a partition directory's name ends with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DirKind {
    /// The partition's log.
    Current,
    /// A replica being moved here.
    Future,
    /// Deleted, to be removed.
    Delete,
    /// Of a topic nobody knows: loaded, not served.
    Stray,
}

/// The files of one segment, and the snapshot at its base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// Batches.
    Log,
    /// Offset index.
    Index,
    /// Time index.
    TimeIndex,
    /// Aborted transactions.
    TxnIndex,
    /// Producer state.
    Snapshot,
}

impl FileKind {
    /// All of them, the log first.
    pub const ALL: [FileKind; 5] =
        [FileKind::Log, FileKind::Index, FileKind::TimeIndex, FileKind::TxnIndex, FileKind::Snapshot];

    /// With the dot.
    pub fn suffix(self) -> &'static str {
        match self {
            FileKind::Log => ".log",
            FileKind::Index => ".index",
            FileKind::TimeIndex => ".timeindex",
            FileKind::TxnIndex => ".txnindex",
            FileKind::Snapshot => ".snapshot",
        }
    }
}

/// Pending deletion.
pub const DELETED: &str = ".deleted";
/// Output of the cleaner, incomplete.
pub const CLEANED: &str = ".cleaned";
/// Output of the cleaner, complete.
pub const SWAP: &str = ".swap";

/// Lies beside the segments of a log that was made anew for an old partition, until it has all that its leader has: such a log must not
/// lead. Kafka looks at no file of this name.
pub const REFILLING: &str = "refilling";

/// The longest name a file system takes.
const MAX_NAME: usize = 255;

/// The path of a segment's file.
pub fn file_path(dir: &Path, base_offset: i64, kind: FileKind) -> PathBuf {
    dir.join(file_name(base_offset, kind))
}

/// The name of a segment's file: 20 digits and the suffix.
pub fn file_name(base_offset: i64, kind: FileKind) -> String {
    format!("{base_offset:020}{}", kind.suffix())
}

/// Offset and kind of a segment's file; `None` for any other name. The suffix must be the last thing in the name.
pub fn parse_file(name: &str) -> Option<(i64, FileKind)> {
    let (number, suffix) = name.split_at(name.find('.')?);
    let kind = FileKind::ALL.into_iter().find(|k| k.suffix() == suffix)?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    if digits { number.parse().ok().map(|n| (n, kind)) } else { None }
}

/// Partition and kind of a directory's name; `None` when it is not of that form.
pub fn parse_dir(name: &str) -> Option<(TopicPartition, DirKind)> {
    let kinds = [(DirKind::Delete, "-delete"), (DirKind::Future, "-future"), (DirKind::Stray, "-stray")];
    for (kind, suffix) in kinds {
        if let Some(rest) = name.strip_suffix(suffix)
            && let Some((tp, id)) = rest.rsplit_once('.')
            && is_unique_id(id)
        {
            return Some((parse_partition(tp)?, kind));
        }
    }
    Some((parse_partition(name)?, DirKind::Current))
}

fn parse_partition(name: &str) -> Option<TopicPartition> {
    let (topic, partition) = name.rsplit_once('-')?;
    let partition: i32 = partition.parse().ok()?;
    (!topic.is_empty() && partition >= 0).then(|| TopicPartition::new(topic, partition))
}

fn is_unique_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The directory name of a partition.
pub fn dir_name(partition: &TopicPartition) -> String {
    partition.to_string()
}

/// The name for a replica that is being moved.
pub fn future_name(partition: &TopicPartition, id: Uuid) -> String {
    format!("{partition}.{}-future", id.simple())
}

/// The name for a deleted partition; the topic is cut where the name would be too long (KAFKA-5163).
pub fn delete_name(partition: &TopicPartition, id: Uuid) -> String {
    let suffix = format!("-{}.{}-delete", partition.partition, id.simple());
    let topic: &str = &partition.topic; // topic names are ASCII; anything else is cut at a character
    let mut end = topic.len().min(MAX_NAME.saturating_sub(suffix.len()));
    while !topic.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &topic[..end])
}

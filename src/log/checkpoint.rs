//! Checkpoint files: text, a version, a count, then one line an entry. Pure codec.
//!
//! ```text
//! 0
//! 1
//! foo 0 12
//! ```
//! `topic partition offset` in the files of a log directory, `epoch startOffset` in a partition's `leader-epoch-checkpoint`. The reader
//! splits on any white space; an empty file is an empty checkpoint. Lines are written in order of their keys (Kafka's order is a hash's).

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::base::TopicPartition;

/// Recovery point a partition: everything before is on the device.
pub const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
/// Log start offset of partitions that start within a segment.
pub const LOG_START: &str = "log-start-offset-checkpoint";
/// High watermark a partition.
pub const HIGH_WATERMARK: &str = "replication-offset-checkpoint";
/// First dirty offset of partitions that were compacted.
pub const CLEANER: &str = "cleaner-offset-checkpoint";
/// A partition's epochs.
pub const LEADER_EPOCH: &str = "leader-epoch-checkpoint";

/// A checkpoint is read whole: 16 MB hold some 300,000 partitions of one directory.
pub const MAX_BYTES: usize = 16 << 20;

/// Offsets by partition.
pub type Offsets = BTreeMap<TopicPartition, i64>;

/// The text is no checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed checkpoint, line {line}: {reason}")]
pub struct BadCheckpoint {
    /// From 1.
    pub line: usize,
    /// What was expected.
    pub reason: &'static str,
}

/// Reads `topic partition offset` lines.
///
/// # Errors
/// Another version, a wrong count, a malformed line.
pub fn read_offsets(bytes: &[u8]) -> Result<Offsets, BadCheckpoint> {
    entries(bytes, |words| {
        let [topic, partition, offset] = words else { return None };
        Some((TopicPartition::new(*topic, partition.parse().ok()?), offset.parse().ok()?))
    })
    .map(|list| list.into_iter().collect())
}

/// The text of a checkpoint of offsets.
pub fn write_offsets(offsets: &Offsets) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for (tp, offset) in offsets {
        let _ = writeln!(text, "{} {} {offset}", tp.topic, tp.partition);
    }
    text
}

/// Reads `epoch startOffset` lines.
///
/// # Errors
/// Another version, a wrong count, a malformed line.
pub fn read_epochs(bytes: &[u8]) -> Result<Vec<(i32, i64)>, BadCheckpoint> {
    entries(bytes, |words| {
        let [epoch, offset] = words else { return None };
        Some((epoch.parse().ok()?, offset.parse().ok()?))
    })
}

/// The text of a checkpoint of epochs.
pub fn write_epochs(epochs: &[(i32, i64)]) -> String {
    let mut text = format!("0\n{}\n", epochs.len());
    for (epoch, offset) in epochs {
        let _ = writeln!(text, "{epoch} {offset}");
    }
    text
}

fn entries<T>(bytes: &[u8], parse: impl Fn(&[&str]) -> Option<T>) -> Result<Vec<T>, BadCheckpoint> {
    let bad = |line, reason| BadCheckpoint { line, reason };
    let text = std::str::from_utf8(bytes).map_err(|_| bad(1, "text"))?;
    let mut lines = text.lines();
    let Some(version) = lines.next() else { return Ok(Vec::new()) };
    if version.trim() != "0" {
        return Err(bad(1, "version 0"));
    }
    let Some(count) = lines.next() else { return Ok(Vec::new()) };
    let count: usize = count.trim().parse().map_err(|_| bad(2, "the number of entries"))?;
    let mut list = Vec::new();
    for (i, line) in lines.enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        list.push(parse(&words).ok_or(bad(i + 3, "a key and an offset"))?);
    }
    match list.len() == count {
        true => Ok(list),
        false => Err(bad(2, "as many entries as there are lines")),
    }
}

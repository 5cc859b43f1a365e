//! Comparing what replicas gave: batch by batch, up to the high watermark. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::base::BrokerId;
use crate::record::{Batches, RecordError};
use crate::tools::admin_client::offsets::Partition;
use crate::tools::java::{DEFAULT_CAPACITY, hash_order_by, partition_hash};

/// What one replica was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// -1 when the broker did not tell.
    pub high_watermark: i64,
    /// Batches, the last of which may be cut off.
    pub records: Bytes,
}

impl Default for Fetched {
    fn default() -> Self {
        Self { high_watermark: -1, records: Bytes::new() }
    }
}

/// The partition that is the furthest behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lag {
    /// Offsets between what is verified and the largest high watermark; -1 without a partition.
    pub lag: i64,
    /// `topic-partition`, "null" without one.
    pub partition: String,
    /// Verified up to here.
    pub offset: i64,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// Replicas have batches with other contents at the same offsets. The verification goes on.
    Checksum(String),
    /// Replicas have other offsets: nothing more can be compared.
    Offset(String),
    /// Bytes that are no batches.
    Unreadable(String),
}

/// Partitions, how far each is verified, and what its replicas gave in this round.
#[derive(Debug, Default)]
pub struct Replicas {
    offsets: BTreeMap<Partition, i64>,
    fetched: BTreeMap<Partition, BTreeMap<BrokerId, Fetched>>,
}

impl Replicas {
    /// To be verified from these offsets on.
    pub fn new(offsets: BTreeMap<Partition, i64>) -> Self {
        Self { offsets, fetched: BTreeMap::new() }
    }

    /// Where to read on; 0 for a partition that is not verified.
    pub fn offset(&self, partition: &Partition) -> i64 {
        self.offsets.get(partition).copied().unwrap_or(0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// What a replica gave.
    pub fn add(&mut self, partition: Partition, broker: BrokerId, fetched: Fetched) {
        self.fetched.entry(partition).or_default().insert(broker, fetched);
    }

    /// Compares what was fetched and forgets it; the offsets move on over what all replicas have.
    pub fn verify(&mut self) -> (Vec<Finding>, Lag) {
        let mut findings = Vec::new();
        let mut largest = Lag { lag: -1, partition: "null".to_owned(), offset: -1 };
        let fetched: Vec<_> = std::mem::take(&mut self.fetched).into_iter().collect();
        let order = |((topic, index), _): &(Partition, _)| partition_hash(topic, *index);
        for (partition, replicas) in hash_order_by(fetched, DEFAULT_CAPACITY, order) {
            let name = format!("{}-{}", partition.0, partition.1);
            let offset = self.offsets.entry(partition).or_default();
            findings.extend(compare(&name, &replicas, offset));
            let high_watermark = replicas.values().map(|replica| replica.high_watermark).max().unwrap_or(-1);
            if high_watermark - *offset > largest.lag {
                largest = Lag { lag: high_watermark - *offset, partition: name, offset: *offset };
            }
        }
        (findings, largest)
    }
}

/// Goes through all replicas at once, a batch of each at a time, until one has no more below its high watermark.
fn compare(name: &str, replicas: &BTreeMap<BrokerId, Fetched>, offset: &mut i64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut walks: Vec<_> = replicas.iter().map(|(id, f)| (*id, f.high_watermark, Batches::new(&f.records))).collect();
    loop {
        let mut first: Option<(BrokerId, i64, i64, u32)> = None;
        let mut in_all = !walks.is_empty();
        for (id, high_watermark, walk) in &mut walks {
            let batch = match walk.next() {
                Some(Ok(batch)) if batch.last_offset() < *high_watermark => batch,
                None | Some(Ok(_) | Err(RecordError::Incomplete { .. })) => {
                    in_all = false;
                    continue;
                }
                Some(Err(error)) => {
                    let what =
                        format!("Error in processing replica {id} in partition {name} at offset {offset}: {error}");
                    findings.push(Finding::Unreadable(what));
                    return findings;
                }
            };
            let last = batch.last_offset();
            match first {
                None => first = Some((*id, last, batch.next_offset(), batch.crc())),
                Some((other, others_last, ..)) if others_last != last => {
                    findings.push(Finding::Offset(format!(
                        "partition {name}: replica {other}'s offset {others_last} doesn't match replica {id}'s offset {last}"
                    )));
                    return findings;
                }
                Some((other, _, _, checksum)) if checksum != batch.crc() => {
                    findings.push(Finding::Checksum(format!(
                        "partition {name} has unmatched checksum at offset {last}; replica {other}'s checksum {checksum}; replica \
                         {id}'s checksum {}",
                        batch.crc()
                    )));
                }
                Some(_) => {}
            }
        }
        match first {
            Some((_, _, next, _)) if in_all => *offset = next,
            _ => return findings,
        }
    }
}

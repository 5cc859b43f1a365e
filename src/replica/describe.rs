//! What tools ask of replicas: sizes by directory, and the producers a partition remembers.

use std::path::PathBuf;

use super::state::Role;
use super::table::Replicas;
use crate::base::{ErrorCode, TopicPartition};

/// A log directory and what lies in it.
#[derive(Debug)]
pub struct DirDescription {
    /// As configured.
    pub path: PathBuf,
    /// False once it failed.
    pub is_online: bool,
    /// Of its file system; -1 when unknown.
    pub total_bytes: i64,
    /// Of its file system; -1 when unknown.
    pub usable_bytes: i64,
    /// The replicas in it, by name.
    pub replicas: Vec<ReplicaDescription>,
}

/// One replica in a directory.
#[derive(Debug)]
pub struct ReplicaDescription {
    /// Its partition.
    pub id: TopicPartition,
    /// Of its segments.
    pub size_bytes: i64,
    /// Offsets that the replica lacks.
    pub offset_lag: i64,
    /// Being moved here from another directory.
    pub is_future: bool,
}

/// A producer that a partition remembers.
#[derive(Debug)]
pub struct ProducerDescription {
    /// Producer id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Of its last batch, -1 for none.
    pub last_sequence: i32,
    /// Of its last batch or marker.
    pub last_timestamp: i64,
    /// Of its last marker, -1 for none.
    pub coordinator_epoch: i32,
    /// Where its open transaction began, -1 for none.
    pub open_since: i64,
}

/// How many partitions of this broker are what (`ReplicaManager`'s gauges).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PartitionCounts {
    /// Hosted, those in failed directories not counted.
    pub hosted: usize,
    /// Led.
    pub led: usize,
    /// In failed directories.
    pub offline: usize,
    /// Led, with fewer in-sync replicas than replicas.
    pub under_replicated: usize,
    /// Led, with fewer in-sync replicas than `min.insync.replicas`.
    pub under_min_isr: usize,
    /// Led, with just as many.
    pub at_min_isr: usize,
}

impl Replicas {
    /// Counts partitions. Looks at each: for a scraper, not for a request.
    pub fn counts(&self) -> PartitionCounts {
        let mut counts = PartitionCounts { offline: self.offline_count(), ..PartitionCounts::default() };
        for partition in self.online() {
            counts.hosted += 1;
            let state = partition.state();
            if state.role != Role::Leader {
                continue;
            }
            let (isr, least) =
                (state.isr.len(), usize::try_from(partition.log().config().min_insync_replicas).unwrap_or(0));
            counts.led += 1;
            // A reassignment's new replicas are not missing yet (`Partition.isUnderReplicated`).
            counts.under_replicated += usize::from(isr < state.replicas.len() - state.adding.len());
            counts.under_min_isr += usize::from(isr < least);
            counts.at_min_isr += usize::from(isr == least);
        }
        counts
    }

    /// All directories, in the order of the configuration. Asks the file systems for their sizes.
    pub async fn describe_dirs(&self) -> Vec<DirDescription> {
        let logs = self.logs.clone();
        self.env
            .tasks
            .blocking(move || {
                let describe = |dir: crate::log::DirStatus| {
                    let mut replicas: Vec<_> = logs
                        .partitions_in(&dir.path)
                        .into_iter()
                        .map(|log| ReplicaDescription {
                            id: log.partition().clone(),
                            size_bytes: i64::try_from(log.size_bytes()).unwrap_or(i64::MAX),
                            offset_lag: match logs.get(log.partition()) {
                                Some(current) if log.is_future() => current.leo() - log.leo(),
                                None => -1,
                                // A replica in service lags its own high watermark only while it has fallen behind it.
                                Some(_) => (log.high_watermark() - log.leo()).max(0),
                            },
                            is_future: log.is_future(),
                        })
                        .collect();
                    replicas.sort_by(|a, b| a.id.cmp(&b.id));
                    DirDescription {
                        is_online: dir.online,
                        total_bytes: dir.total_bytes,
                        usable_bytes: dir.usable_bytes,
                        path: dir.path,
                        replicas,
                    }
                };
                logs.dirs().into_iter().map(describe).collect()
            })
            .await
    }

    /// The producers that a partition remembers. Waits for the append mutex.
    ///
    /// # Errors
    /// The partition's code: only the leader knows.
    pub async fn describe_producers(&self, id: &TopicPartition) -> Result<Vec<ProducerDescription>, ErrorCode> {
        let partition = self.get(id)?;
        partition.check_leader(-1)?;
        let producers = partition.log().producers().await;
        Ok(producers
            .into_iter()
            .map(|p| ProducerDescription {
                id: p.producer_id,
                epoch: p.epoch,
                last_sequence: p.last_sequence,
                last_timestamp: p.last_timestamp,
                coordinator_epoch: p.coordinator_epoch,
                open_since: p.txn_first_offset,
            })
            .collect())
    }
}

//! Groups and transactions on `/metrics`, under the names of Kafka's `GroupMetadataManager`, `TransactionMarkerChannelManager`,
//! `group-coordinator-metrics` and `transaction-coordinator-metrics`. What Kafka's sensors count stays a gauge, as the exporter shows it.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::metrics::{gauges, whole};
use crate::{group, txn};

/// Consumer groups.
pub(super) fn groups(out: &mut DescriptorEncoder, n: &group::Numbers) -> fmt::Result {
    let all = n.empty + n.preparing + n.completing + n.stable + n.dead;
    let rows: [(&str, &str, usize); 7] = [
        ("numgroups", "Groups coordinated here", all),
        ("numgroupsempty", "Groups without members", n.empty),
        ("numgroupspreparingrebalance", "Groups that wait for members to join", n.preparing),
        ("numgroupscompletingrebalance", "Groups that wait for an assignment", n.completing),
        ("numgroupsstable", "Groups at work", n.stable),
        ("numgroupsdead", "Groups on their way out of memory", n.dead),
        ("numoffsets", "Committed offsets of all groups", n.offsets),
    ];
    gauges(out, "kafka_coordinator_group_groupmetadatamanager", &rows)?;
    let rows: [(&str, &str, usize); 6] = [
        ("offset_commit_count", "Offsets committed", whole(n.commits)),
        ("offset_expiration_count", "Offsets removed when their time was over", whole(n.expirations)),
        ("offset_deletion_count", "Offsets deleted by request", whole(n.deletions)),
        ("group_completed_rebalance_count", "Rebalances that ended with an assignment", whole(n.rebalances)),
        ("partition_load_time_max", "Longest load of a partition, ms", whole(n.load_ms.0)),
        ("partition_load_time_avg", "Mean load of a partition, ms", whole(n.load_ms.1)),
    ];
    gauges(out, "kafka_server_group_coordinator_metrics", &rows)
}

/// Transactional ids.
pub(super) fn transactions(out: &mut DescriptorEncoder, n: &txn::Numbers) -> fmt::Result {
    let rows = [
        ("unknowndestinationqueuesize", "Markers that wait for their partition to have a leader", n.leaderless),
        ("logappendretryqueuesize", "Ends of transactions whose write is tried again", n.append_retries),
    ];
    gauges(out, "kafka_coordinator_transaction_transactionmarkerchannelmanager", &rows)?;
    let rows = [
        ("partition_load_time_max", "Longest load of a partition, ms", whole(n.load_ms.0)),
        ("partition_load_time_avg", "Mean load of a partition, ms", whole(n.load_ms.1)),
    ];
    gauges(out, "kafka_server_transaction_coordinator_metrics", &rows)
}

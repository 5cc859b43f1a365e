//! Groups and transactions on `/metrics`, under the names of Kafka's `GroupMetadataManager`, `TransactionMarkerChannelManager`,
//! `group-coordinator-metrics` and `transaction-coordinator-metrics`. What Kafka's sensors count stays a gauge, as the exporter shows it.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::metrics::gauge;
use crate::{group, txn};

fn whole(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

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
    for (name, help, value) in rows {
        gauge(out, &format!("kafka_coordinator_group_groupmetadatamanager_{name}"), help, value)?;
    }
    let rows: [(&str, &str, u64); 6] = [
        ("offset_commit_count", "Offsets committed", n.commits),
        ("offset_expiration_count", "Offsets removed when their time was over", n.expirations),
        ("offset_deletion_count", "Offsets deleted by request", n.deletions),
        ("group_completed_rebalance_count", "Rebalances that ended with an assignment", n.rebalances),
        ("partition_load_time_max", "Longest load of a partition, ms", n.load_ms.0),
        ("partition_load_time_avg", "Mean load of a partition, ms", n.load_ms.1),
    ];
    for (name, help, value) in rows {
        gauge(out, &format!("kafka_server_group_coordinator_metrics_{name}"), help, whole(value))?;
    }
    Ok(())
}

/// Transactional ids.
pub(super) fn transactions(out: &mut DescriptorEncoder, n: &txn::Numbers) -> fmt::Result {
    let manager = "kafka_coordinator_transaction_transactionmarkerchannelmanager";
    let help = "Markers that wait for their partition to have a leader";
    gauge(out, &format!("{manager}_unknowndestinationqueuesize"), help, n.leaderless)?;
    let help = "Ends of transactions whose write is tried again";
    gauge(out, &format!("{manager}_logappendretryqueuesize"), help, n.append_retries)?;
    let rows: [(&str, &str, u64); 2] = [
        ("partition_load_time_max", "Longest load of a partition, ms", n.load_ms.0),
        ("partition_load_time_avg", "Mean load of a partition, ms", n.load_ms.1),
    ];
    for (name, help, value) in rows {
        gauge(out, &format!("kafka_server_transaction_coordinator_metrics_{name}"), help, whole(value))?;
    }
    Ok(())
}

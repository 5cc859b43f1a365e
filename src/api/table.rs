//! The one table of APIs that are built: what is in it is advertised, let through and called; what is not is closed on.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Api, Malformed, Outcome, Request, admin, configs, control, data, group, metadata, security, txn};
use crate::wire::ApiKey;

macro_rules! handlers {
    ($($key:ident => $area:ident::$file:ident,)*) => {
        /// What is built, in the order of the keys.
        pub const SERVED: &[ApiKey] = &[$(ApiKey::$key),*];

        /// Calls the handler. The future is boxed, so that an idle connection does not hold room for the largest of them.
        pub fn call(api: &Arc<Api>, request: Request) -> BoxFuture<'static, Result<Outcome, Malformed>> {
            let api = api.clone();
            match request.key {
                $(ApiKey::$key => Box::pin(async move { $area::$file::handle(&api, request).await }),)*
                // The dispatch lets served keys alone through.
                _ => Box::pin(async { Ok(Outcome::Close) }),
            }
        }
    };
}

handlers! {
    Produce => data::produce,
    Fetch => data::fetch,
    ListOffsets => data::list_offsets,
    Metadata => metadata::metadata,
    LeaderAndIsr => control::leader_and_isr,
    StopReplica => control::stop_replica,
    UpdateMetadata => control::update_metadata,
    ControlledShutdown => control::controlled_shutdown,
    OffsetCommit => group::offset_commit,
    OffsetFetch => group::offset_fetch,
    FindCoordinator => group::find_coordinator,
    JoinGroup => group::join_group,
    Heartbeat => group::heartbeat,
    LeaveGroup => group::leave_group,
    SyncGroup => group::sync_group,
    DescribeGroups => group::describe_groups,
    ListGroups => group::list_groups,
    SaslHandshake => security::sasl_handshake,
    ApiVersions => metadata::api_versions,
    CreateTopics => admin::create_topics,
    DeleteTopics => admin::delete_topics,
    DeleteRecords => data::delete_records,
    InitProducerId => txn::init_producer_id,
    OffsetForLeaderEpoch => data::offset_for_leader_epoch,
    AddPartitionsToTxn => txn::add_partitions_to_txn,
    AddOffsetsToTxn => txn::add_offsets_to_txn,
    EndTxn => txn::end_txn,
    WriteTxnMarkers => txn::write_txn_markers,
    TxnOffsetCommit => txn::txn_offset_commit,
    DescribeAcls => security::describe_acls,
    CreateAcls => security::create_acls,
    DeleteAcls => security::delete_acls,
    DescribeConfigs => configs::describe_configs,
    AlterConfigs => configs::alter_configs,
    AlterReplicaLogDirs => admin::alter_replica_log_dirs,
    DescribeLogDirs => admin::describe_log_dirs,
    SaslAuthenticate => security::sasl_authenticate,
    CreatePartitions => admin::create_partitions,
    CreateDelegationToken => security::create_delegation_token,
    RenewDelegationToken => security::renew_delegation_token,
    ExpireDelegationToken => security::expire_delegation_token,
    DescribeDelegationToken => security::describe_delegation_token,
    DeleteGroups => group::delete_groups,
    ElectLeaders => admin::elect_leaders,
    IncrementalAlterConfigs => configs::incremental_alter_configs,
    AlterPartitionReassignments => admin::alter_partition_reassignments,
    ListPartitionReassignments => admin::list_partition_reassignments,
    OffsetDelete => group::offset_delete,
    DescribeClientQuotas => security::describe_client_quotas,
    AlterClientQuotas => security::alter_client_quotas,
    DescribeUserScramCredentials => security::describe_user_scram_credentials,
    AlterUserScramCredentials => security::alter_user_scram_credentials,
    AlterPartition => control::alter_partition,
    UpdateFeatures => control::update_features,
    DescribeCluster => metadata::describe_cluster,
    DescribeProducers => data::describe_producers,
    DescribeTransactions => txn::describe_transactions,
    ListTransactions => txn::list_transactions,
    AllocateProducerIds => control::allocate_producer_ids,
}

/// True for the APIs in [`SERVED`].
pub fn is_served(key: ApiKey) -> bool {
    SERVED.contains(&key)
}

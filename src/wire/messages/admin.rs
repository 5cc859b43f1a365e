//! Messages that change or show topics, their partitions and where these lie.
//!
//! Used by api/admin and the tools. The notation is explained at `message!` in `wire/message.rs`.
//! Beware: a null list of topics mostly means "all", an empty one "none".

use crate::base::TopicId;
use crate::wire::field::empty;
use crate::wire::message::message;
use crate::wire::types::Str;

message! {
    /// Creates topics, with a count of partitions or an assignment.
    CreateTopicsRequest: request CreateTopics -> CreateTopicsResponse {
        topics: Vec<CreateTopicsRequestTopic>, 0..;
        timeout_ms: i32, 0.., default 60000;
        /// Check only, create nothing.
        validate_only: bool, 1..;
    }
    CreateTopicsRequestTopic {
        name: Str, 0..;
        /// -1 with an assignment, or for the broker's default.
        num_partitions: i32, 0..;
        /// -1 with an assignment, or for the broker's default.
        replication_factor: i16, 0..;
        assignments: Vec<CreateTopicsRequestReplicaAssignment>, 0..;
        configs: Vec<CreateTopicsRequestConfig>, 0..;
    }
    CreateTopicsRequestReplicaAssignment {
        partition_index: i32, 0..;
        broker_ids: Vec<i32>, 0..;
    }
    CreateTopicsRequestConfig {
        name: Str, 0..;
        value: Option<Str>, 0.., default empty();
    }

    /// Which topics were created; from version 5 also their configs.
    CreateTopicsResponse: response CreateTopics {
        throttle_time_ms: i32, 2.., else drop;
        topics: Vec<CreateTopicsResponseTopic>, 0..;
    }
    CreateTopicsResponseTopic {
        name: Str, 0..;
        topic_id: TopicId, 7.., else drop;
        error_code: i16, 0..;
        error_message: Option<Str>, 1.., default empty(), else drop;
        num_partitions: i32, 5.., default -1, else drop;
        replication_factor: i16, 5.., default -1, else drop;
        configs: Option<Vec<CreateTopicsResponseConfig>>, 5.., default empty(), else drop;
        @0 topic_config_error_code: i16, 5.., else drop;
    }
    CreateTopicsResponseConfig {
        name: Str, 5..;
        value: Option<Str>, 5.., default empty();
        read_only: bool, 5..;
        config_source: i8, 5.., default -1, else drop;
        is_sensitive: bool, 5..;
    }

    /// Deletes topics by name, from version 6 also by id.
    DeleteTopicsRequest: request DeleteTopics -> DeleteTopicsResponse {
        topics: Vec<DeleteTopicsRequestTopic>, 6..;
        topic_names: Vec<Str>, 0..=5, else drop;
        timeout_ms: i32, 0..;
    }
    DeleteTopicsRequestTopic {
        name: Option<Str>, 6..;
        topic_id: TopicId, 6..;
    }

    /// Which topics were queued for deletion.
    DeleteTopicsResponse: response DeleteTopics {
        throttle_time_ms: i32, 1.., else drop;
        responses: Vec<DeleteTopicsResponseTopic>, 0..;
    }
    DeleteTopicsResponseTopic {
        name: Option<Str>, 0.., null 6.., default empty();
        topic_id: TopicId, 6.., else drop;
        error_code: i16, 0..;
        error_message: Option<Str>, 5.., else drop;
    }

    /// Adds partitions to topics.
    CreatePartitionsRequest: request CreatePartitions -> CreatePartitionsResponse {
        topics: Vec<CreatePartitionsRequestTopic>, 0..;
        timeout_ms: i32, 0..;
        validate_only: bool, 0..;
    }
    CreatePartitionsRequestTopic {
        name: Str, 0..;
        /// The partitions the topic shall have in all.
        count: i32, 0..;
        assignments: Option<Vec<CreatePartitionsRequestAssignment>>, 0.., default empty();
    }
    CreatePartitionsRequestAssignment {
        broker_ids: Vec<i32>, 0..;
    }

    /// Which topics grew.
    CreatePartitionsResponse: response CreatePartitions {
        throttle_time_ms: i32, 0..;
        results: Vec<CreatePartitionsResponseTopic>, 0..;
    }
    CreatePartitionsResponseTopic {
        name: Str, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0..;
    }

    /// Elects preferred (type 0) or unclean (1) leaders; null partitions mean all.
    ElectLeadersRequest: request ElectLeaders -> ElectLeadersResponse {
        /// 0 preferred, 1 unclean.
        election_type: i8, 1..;
        topic_partitions: Option<Vec<ElectLeadersRequestTopic>>, 0.., default empty();
        timeout_ms: i32, 0.., default 60000;
    }
    ElectLeadersRequestTopic {
        topic: Str, 0..;
        partitions: Vec<i32>, 0..;
    }

    /// The outcome of each election.
    ElectLeadersResponse: response ElectLeaders {
        throttle_time_ms: i32, 0..;
        error_code: i16, 1..;
        replica_election_results: Vec<ElectLeadersResponseTopic>, 0..;
    }
    ElectLeadersResponseTopic {
        topic: Str, 0..;
        partition_result: Vec<ElectLeadersResponsePartition>, 0..;
    }
    ElectLeadersResponsePartition {
        partition_id: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
    }

    /// Moves partitions (KIP-455); null replicas cancel.
    AlterPartitionReassignmentsRequest: request AlterPartitionReassignments -> AlterPartitionReassignmentsResponse {
        timeout_ms: i32, 0.., default 60000;
        topics: Vec<AlterPartitionReassignmentsRequestTopic>, 0..;
    }
    AlterPartitionReassignmentsRequestTopic {
        name: Str, 0..;
        partitions: Vec<AlterPartitionReassignmentsRequestPartition>, 0..;
    }
    AlterPartitionReassignmentsRequestPartition {
        partition_index: i32, 0..;
        /// Null cancels the move under way.
        replicas: Option<Vec<i32>>, 0..;
    }

    /// Which moves were accepted.
    AlterPartitionReassignmentsResponse: response AlterPartitionReassignments {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        responses: Vec<AlterPartitionReassignmentsResponseTopic>, 0..;
    }
    AlterPartitionReassignmentsResponseTopic {
        name: Str, 0..;
        partitions: Vec<AlterPartitionReassignmentsResponsePartition>, 0..;
    }
    AlterPartitionReassignmentsResponsePartition {
        partition_index: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
    }

    /// Lists moves under way; null topics mean all.
    ListPartitionReassignmentsRequest: request ListPartitionReassignments -> ListPartitionReassignmentsResponse {
        timeout_ms: i32, 0.., default 60000;
        topics: Option<Vec<ListPartitionReassignmentsRequestTopic>>, 0..;
    }
    ListPartitionReassignmentsRequestTopic {
        name: Str, 0..;
        partition_indexes: Vec<i32>, 0..;
    }

    /// The moves.
    ListPartitionReassignmentsResponse: response ListPartitionReassignments {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        topics: Vec<ListPartitionReassignmentsResponseTopic>, 0..;
    }
    ListPartitionReassignmentsResponseTopic {
        name: Str, 0..;
        partitions: Vec<ListPartitionReassignmentsResponsePartition>, 0..;
    }
    ListPartitionReassignmentsResponsePartition {
        partition_index: i32, 0..;
        replicas: Vec<i32>, 0..;
        adding_replicas: Vec<i32>, 0..;
        removing_replicas: Vec<i32>, 0..;
    }

    /// Moves replicas between the log directories of this broker (KIP-113).
    AlterReplicaLogDirsRequest: request AlterReplicaLogDirs -> AlterReplicaLogDirsResponse {
        dirs: Vec<AlterReplicaLogDirsRequestDir>, 0..;
    }
    AlterReplicaLogDirsRequestDir {
        path: Str, 0..;
        topics: Vec<AlterReplicaLogDirsRequestTopic>, 0..;
    }
    AlterReplicaLogDirsRequestTopic {
        name: Str, 0..;
        partitions: Vec<i32>, 0..;
    }

    /// Which moves were accepted.
    AlterReplicaLogDirsResponse: response AlterReplicaLogDirs {
        throttle_time_ms: i32, 0..;
        results: Vec<AlterReplicaLogDirsResponseTopic>, 0..;
    }
    AlterReplicaLogDirsResponseTopic {
        topic_name: Str, 0..;
        partitions: Vec<AlterReplicaLogDirsResponsePartition>, 0..;
    }
    AlterReplicaLogDirsResponsePartition {
        partition_index: i32, 0..;
        error_code: i16, 0..;
    }

    /// Asks what lies in the log directories; null topics mean all.
    DescribeLogDirsRequest: request DescribeLogDirs -> DescribeLogDirsResponse {
        topics: Option<Vec<DescribeLogDirsRequestTopic>>, 0.., default empty();
    }
    DescribeLogDirsRequestTopic {
        topic: Str, 0..;
        partitions: Vec<i32>, 0..;
    }

    /// Sizes and lags of the replicas in each directory.
    DescribeLogDirsResponse: response DescribeLogDirs {
        throttle_time_ms: i32, 0..;
        error_code: i16, 3.., else drop;
        results: Vec<DescribeLogDirsResponseDir>, 0..;
    }
    DescribeLogDirsResponseDir {
        error_code: i16, 0..;
        log_dir: Str, 0..;
        topics: Vec<DescribeLogDirsResponseTopic>, 0..;
        /// Of the file system; -1 if unknown.
        total_bytes: i64, 4.., default -1, else drop;
        usable_bytes: i64, 4.., default -1, else drop;
    }
    DescribeLogDirsResponseTopic {
        name: Str, 0..;
        partitions: Vec<DescribeLogDirsResponsePartition>, 0..;
    }
    DescribeLogDirsResponsePartition {
        partition_index: i32, 0..;
        partition_size: i64, 0..;
        /// Records the copy is behind.
        offset_lag: i64, 0..;
        /// True for the copy that a move between directories is building.
        is_future_key: bool, 0..;
    }
}

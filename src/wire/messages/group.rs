//! Messages of consumer groups: membership, offsets, listing, deletion.
//!
//! Used by api/group. The notation is explained at `message!` in `wire/message.rs`.
//! Beware: OffsetFetch has two shapes, one group flat (to v7) and many groups (from v8). The two ConsumerGroup APIs (KIP-848)
//! are advertised in ZooKeeper mode but always answered with UNSUPPORTED_VERSION.

use bytes::Bytes;

use crate::base::TopicId;
use crate::wire::field::empty;
use crate::wire::message::message;
use crate::wire::types::Str;

message! {
    /// Commits offsets of a group. Version 0 wrote them to ZooKeeper.
    OffsetCommitRequest: request OffsetCommit -> OffsetCommitResponse {
        group_id: Str, 0..;
        /// -1 for a consumer outside a group.
        generation_id_or_member_epoch: i32, 1.., default -1, else drop;
        member_id: Str, 1.., else drop;
        group_instance_id: Option<Str>, 7..;
        /// -1 for the broker's.
        retention_time_ms: i64, 2..=4, default -1, else drop;
        topics: Vec<OffsetCommitRequestTopic>, 0..;
    }
    OffsetCommitRequestTopic {
        name: Str, 0..;
        partitions: Vec<OffsetCommitRequestPartition>, 0..;
    }
    OffsetCommitRequestPartition {
        partition_index: i32, 0..;
        committed_offset: i64, 0..;
        committed_leader_epoch: i32, 6.., default -1, else drop;
        commit_timestamp: i64, 1..=1, default -1;
        committed_metadata: Option<Str>, 0.., default empty();
    }

    /// Which offsets were committed.
    OffsetCommitResponse: response OffsetCommit {
        throttle_time_ms: i32, 3.., else drop;
        topics: Vec<OffsetCommitResponseTopic>, 0..;
    }
    OffsetCommitResponseTopic {
        name: Str, 0..;
        partitions: Vec<OffsetCommitResponsePartition>, 0..;
    }
    OffsetCommitResponsePartition {
        partition_index: i32, 0..;
        error_code: i16, 0..;
    }

    /// Committed offsets of a group, from version 8 of many. A null list of topics means all.
    OffsetFetchRequest: request OffsetFetch -> OffsetFetchResponse {
        group_id: Str, 0..=7;
        topics: Option<Vec<OffsetFetchRequestTopic>>, 0..=7, null 2..=7, default empty();
        groups: Vec<OffsetFetchRequestGroup>, 8..;
        /// Answer UNSTABLE_OFFSET_COMMIT while a transaction is pending.
        require_stable: bool, 7..;
    }
    OffsetFetchRequestTopic {
        name: Str, 0..=7;
        partition_indexes: Vec<i32>, 0..=7;
    }
    OffsetFetchRequestGroup {
        group_id: Str, 8..;
        member_id: Option<Str>, 9.., else drop;
        member_epoch: i32, 9.., default -1, else drop;
        topics: Option<Vec<OffsetFetchRequestGroupTopic>>, 8.., default empty();
    }
    OffsetFetchRequestGroupTopic {
        name: Str, 8..;
        partition_indexes: Vec<i32>, 8..;
    }

    /// The offsets; -1 where there is none.
    OffsetFetchResponse: response OffsetFetch {
        throttle_time_ms: i32, 3.., else drop;
        topics: Vec<OffsetFetchResponseTopic>, 0..=7;
        error_code: i16, 2..=7, else drop;
        groups: Vec<OffsetFetchResponseGroup>, 8..;
    }
    OffsetFetchResponseTopic {
        name: Str, 0..=7;
        partitions: Vec<OffsetFetchResponsePartition>, 0..=7;
    }
    OffsetFetchResponsePartition {
        partition_index: i32, 0..=7;
        committed_offset: i64, 0..=7;
        committed_leader_epoch: i32, 5..=7, default -1, else drop;
        metadata: Option<Str>, 0..=7, default empty();
        error_code: i16, 0..=7;
    }
    OffsetFetchResponseGroup {
        group_id: Str, 8..;
        topics: Vec<OffsetFetchResponseGroupTopic>, 8..;
        error_code: i16, 8..;
    }
    OffsetFetchResponseGroupTopic {
        name: Str, 8..;
        partitions: Vec<OffsetFetchResponseGroupPartition>, 8..;
    }
    OffsetFetchResponseGroupPartition {
        partition_index: i32, 8..;
        committed_offset: i64, 8..;
        committed_leader_epoch: i32, 8.., default -1, else drop;
        metadata: Option<Str>, 8.., default empty();
        error_code: i16, 8..;
    }

    /// Forgets committed offsets of a group.
    OffsetDeleteRequest: request OffsetDelete -> OffsetDeleteResponse {
        group_id: Str, 0..;
        topics: Vec<OffsetDeleteRequestTopic>, 0..;
    }
    OffsetDeleteRequestTopic {
        name: Str, 0..;
        partitions: Vec<OffsetDeleteRequestPartition>, 0..;
    }
    OffsetDeleteRequestPartition {
        partition_index: i32, 0..;
    }

    /// Which offsets were forgotten.
    OffsetDeleteResponse: response OffsetDelete {
        error_code: i16, 0..;
        throttle_time_ms: i32, 0.., else drop;
        topics: Vec<OffsetDeleteResponseTopic>, 0..;
    }
    OffsetDeleteResponseTopic {
        name: Str, 0..;
        partitions: Vec<OffsetDeleteResponsePartition>, 0..;
    }
    OffsetDeleteResponsePartition {
        partition_index: i32, 0..;
        error_code: i16, 0..;
    }

    /// A member joins a classic group and offers its protocols.
    JoinGroupRequest: request JoinGroup -> JoinGroupResponse {
        group_id: Str, 0..;
        session_timeout_ms: i32, 0..;
        rebalance_timeout_ms: i32, 1.., default -1, else drop;
        /// Empty for a member that joins the first time.
        member_id: Str, 0..;
        /// The name of a static member (KIP-345); null for a dynamic one.
        group_instance_id: Option<Str>, 5..;
        protocol_type: Str, 0..;
        protocols: Vec<JoinGroupRequestProtocol>, 0..;
        reason: Option<Str>, 8.., else drop;
    }
    JoinGroupRequestProtocol {
        name: Str, 0..;
        metadata: Bytes, 0..;
    }

    /// The generation the member is in; the leader also gets all members.
    JoinGroupResponse: response JoinGroup {
        throttle_time_ms: i32, 2.., else drop;
        error_code: i16, 0..;
        generation_id: i32, 0.., default -1;
        protocol_type: Option<Str>, 7.., else drop;
        protocol_name: Option<Str>, 0.., null 7.., default empty();
        leader: Str, 0..;
        /// A static leader is back: the assignment stands.
        skip_assignment: bool, 9..;
        member_id: Str, 0..;
        members: Vec<JoinGroupResponseMember>, 0..;
    }
    JoinGroupResponseMember {
        member_id: Str, 0..;
        group_instance_id: Option<Str>, 5.., else drop;
        metadata: Bytes, 0..;
    }

    /// A member asks for its assignment; the leader brings everyone's.
    SyncGroupRequest: request SyncGroup -> SyncGroupResponse {
        group_id: Str, 0..;
        generation_id: i32, 0..;
        member_id: Str, 0..;
        group_instance_id: Option<Str>, 3..;
        protocol_type: Option<Str>, 5.., else drop;
        protocol_name: Option<Str>, 5.., else drop;
        /// Empty but from the leader.
        assignments: Vec<SyncGroupRequestAssignment>, 0..;
    }
    SyncGroupRequestAssignment {
        member_id: Str, 0..;
        assignment: Bytes, 0..;
    }

    /// The member's assignment.
    SyncGroupResponse: response SyncGroup {
        throttle_time_ms: i32, 1.., else drop;
        error_code: i16, 0..;
        protocol_type: Option<Str>, 5.., else drop;
        protocol_name: Option<Str>, 5.., else drop;
        assignment: Bytes, 0..;
    }

    /// A member says it is alive.
    HeartbeatRequest: request Heartbeat -> HeartbeatResponse {
        group_id: Str, 0..;
        generation_id: i32, 0..;
        member_id: Str, 0..;
        group_instance_id: Option<Str>, 3..;
    }

    /// Whether its generation still stands.
    HeartbeatResponse: response Heartbeat {
        throttle_time_ms: i32, 1.., else drop;
        error_code: i16, 0..;
    }

    /// A member leaves; from version 3 many may be named.
    LeaveGroupRequest: request LeaveGroup -> LeaveGroupResponse {
        group_id: Str, 0..;
        member_id: Str, 0..=2;
        members: Vec<LeaveGroupRequestMember>, 3..;
    }
    LeaveGroupRequestMember {
        member_id: Str, 3..;
        group_instance_id: Option<Str>, 3..;
        reason: Option<Str>, 5.., else drop;
    }

    /// Who left.
    LeaveGroupResponse: response LeaveGroup {
        throttle_time_ms: i32, 1.., else drop;
        error_code: i16, 0..;
        members: Vec<LeaveGroupResponseMember>, 3..;
    }
    LeaveGroupResponseMember {
        member_id: Str, 3..;
        group_instance_id: Option<Str>, 3.., default empty();
        error_code: i16, 3..;
    }

    /// Asks for the state of groups.
    DescribeGroupsRequest: request DescribeGroups -> DescribeGroupsResponse {
        groups: Vec<Str>, 0..;
        include_authorized_operations: bool, 3..;
    }

    /// State, protocol and members of each group.
    DescribeGroupsResponse: response DescribeGroups {
        throttle_time_ms: i32, 1.., else drop;
        groups: Vec<DescribeGroupsResponseGroup>, 0..;
    }
    DescribeGroupsResponseGroup {
        error_code: i16, 0..;
        group_id: Str, 0..;
        group_state: Str, 0..;
        protocol_type: Str, 0..;
        protocol_data: Str, 0..;
        members: Vec<DescribeGroupsResponseMember>, 0..;
        authorized_operations: i32, 3.., default i32::MIN;
    }
    DescribeGroupsResponseMember {
        member_id: Str, 0..;
        group_instance_id: Option<Str>, 4.., else drop;
        client_id: Str, 0..;
        client_host: Str, 0..;
        member_metadata: Bytes, 0..;
        member_assignment: Bytes, 0..;
    }

    /// Lists the groups this broker coordinates.
    ListGroupsRequest: request ListGroups -> ListGroupsResponse {
        states_filter: Vec<Str>, 4..;
        types_filter: Vec<Str>, 5..;
    }

    /// The groups.
    ListGroupsResponse: response ListGroups {
        throttle_time_ms: i32, 1.., else drop;
        error_code: i16, 0..;
        groups: Vec<ListGroupsResponseGroup>, 0..;
    }
    ListGroupsResponseGroup {
        group_id: Str, 0..;
        protocol_type: Str, 0..;
        group_state: Str, 4.., else drop;
        group_type: Str, 5.., else drop;
    }

    /// Deletes empty groups.
    DeleteGroupsRequest: request DeleteGroups -> DeleteGroupsResponse {
        groups_names: Vec<Str>, 0..;
    }

    /// Which groups were deleted.
    DeleteGroupsResponse: response DeleteGroups {
        throttle_time_ms: i32, 0..;
        results: Vec<DeleteGroupsResponseGroup>, 0..;
    }
    DeleteGroupsResponseGroup {
        group_id: Str, 0..;
        error_code: i16, 0..;
    }

    /// A member of a new-style group (KIP-848); refused in ZooKeeper mode.
    ConsumerGroupHeartbeatRequest: request ConsumerGroupHeartbeat -> ConsumerGroupHeartbeatResponse {
        group_id: Str, 0..;
        member_id: Str, 0..;
        member_epoch: i32, 0..;
        instance_id: Option<Str>, 0..;
        rack_id: Option<Str>, 0..;
        rebalance_timeout_ms: i32, 0.., default -1;
        subscribed_topic_names: Option<Vec<Str>>, 0..;
        server_assignor: Option<Str>, 0..;
        topic_partitions: Option<Vec<ConsumerGroupHeartbeatRequestTopicPartitions>>, 0..;
    }
    ConsumerGroupHeartbeatRequestTopicPartitions {
        topic_id: TopicId, 0..;
        partitions: Vec<i32>, 0..;
    }

    /// In ZooKeeper mode only its error code says something.
    ConsumerGroupHeartbeatResponse: response ConsumerGroupHeartbeat {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0..;
        member_id: Option<Str>, 0..;
        member_epoch: i32, 0..;
        heartbeat_interval_ms: i32, 0..;
        assignment: Option<ConsumerGroupHeartbeatResponseAssignment>, 0..;
    }
    ConsumerGroupHeartbeatResponseAssignment {
        topic_partitions: Vec<ConsumerGroupHeartbeatResponseTopicPartitions>, 0..;
    }
    ConsumerGroupHeartbeatResponseTopicPartitions {
        topic_id: TopicId, 0..;
        partitions: Vec<i32>, 0..;
    }

    /// Asks for the state of new-style groups (KIP-848).
    ConsumerGroupDescribeRequest: request ConsumerGroupDescribe -> ConsumerGroupDescribeResponse {
        group_ids: Vec<Str>, 0..;
        include_authorized_operations: bool, 0..;
    }

    /// In ZooKeeper mode every group answers UNSUPPORTED_VERSION.
    ConsumerGroupDescribeResponse: response ConsumerGroupDescribe {
        throttle_time_ms: i32, 0..;
        groups: Vec<ConsumerGroupDescribeResponseGroup>, 0..;
    }
    ConsumerGroupDescribeResponseGroup {
        error_code: i16, 0..;
        error_message: Option<Str>, 0..;
        group_id: Str, 0..;
        group_state: Str, 0..;
        group_epoch: i32, 0..;
        assignment_epoch: i32, 0..;
        assignor_name: Str, 0..;
        members: Vec<ConsumerGroupDescribeResponseMember>, 0..;
        authorized_operations: i32, 0.., default i32::MIN;
    }
    ConsumerGroupDescribeResponseMember {
        member_id: Str, 0..;
        instance_id: Option<Str>, 0..;
        rack_id: Option<Str>, 0..;
        member_epoch: i32, 0..;
        client_id: Str, 0..;
        client_host: Str, 0..;
        subscribed_topic_names: Vec<Str>, 0..;
        subscribed_topic_regex: Option<Str>, 0..;
        assignment: ConsumerGroupDescribeResponseAssignment, 0..;
        target_assignment: ConsumerGroupDescribeResponseAssignment, 0..;
    }
    ConsumerGroupDescribeResponseTopicPartitions {
        topic_id: TopicId, 0..;
        topic_name: Str, 0..;
        partitions: Vec<i32>, 0..;
    }
    ConsumerGroupDescribeResponseAssignment {
        topic_partitions: Vec<ConsumerGroupDescribeResponseTopicPartitions>, 0..;
    }
}

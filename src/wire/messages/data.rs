//! Messages of the data path: Produce, Fetch, ListOffsets, OffsetForLeaderEpoch, DeleteRecords.
//!
//! Used by api/data, the replica fetcher and the tools. The notation is explained at `message!` in `wire/message.rs`.
//! Beware: records are slices of the request's frame; copy what outlives the request.

use uuid::Uuid;

use crate::base::TopicId;
use crate::wire::field::empty;
use crate::wire::message::message;
use crate::wire::types::{Records, Str};

message! {
    /// Appends record batches to the logs this broker leads.
    ProduceRequest: request Produce -> ProduceResponse {
        /// Null for a producer without transactions.
        transactional_id: Option<Str>, 3..;
        /// 0 no answer wanted, 1 the leader has it, -1 all in-sync replicas have it.
        acks: i16, 0..;
        timeout_ms: i32, 0..;
        topic_data: Vec<ProduceRequestTopic>, 0..;
    }
    ProduceRequestTopic {
        name: Str, 0..;
        partition_data: Vec<ProduceRequestPartition>, 0..;
    }
    ProduceRequestPartition {
        index: i32, 0..;
        records: Records, 0..;
    }

    /// Where the batches went, partition by partition.
    ProduceResponse: response Produce {
        responses: Vec<ProduceResponseTopic>, 0..;
        throttle_time_ms: i32, 1.., else drop;
        @0 node_endpoints: Vec<ProduceResponseNodeEndpoint>, 10.., else drop; // a hint, like the current leader
    }
    ProduceResponseTopic {
        name: Str, 0..;
        partition_responses: Vec<ProduceResponsePartition>, 0..;
    }
    ProduceResponsePartition {
        index: i32, 0..;
        error_code: i16, 0..;
        base_offset: i64, 0..;
        /// -1 unless the topic uses LogAppendTime.
        log_append_time_ms: i64, 2.., default -1, else drop;
        log_start_offset: i64, 5.., default -1, else drop;
        /// The records for which the batch was refused.
        record_errors: Vec<ProduceResponseRecordError>, 8.., else drop;
        error_message: Option<Str>, 8.., else drop;
        @0 current_leader: ProduceResponseLeaderIdAndEpoch, 10.., else drop;
    }
    ProduceResponseRecordError {
        /// Position of the record in its batch.
        batch_index: i32, 8..;
        batch_index_error_message: Option<Str>, 8..;
    }
    ProduceResponseLeaderIdAndEpoch {
        leader_id: i32, 10.., default -1;
        leader_epoch: i32, 10.., default -1;
    }
    ProduceResponseNodeEndpoint {
        node_id: i32, 10..;
        host: Str, 10..;
        port: i32, 10..;
        rack: Option<Str>, 10..;
    }

    /// Reads records, for a consumer or a follower. A session (KIP-227) lets a client name only what changed.
    FetchRequest: request Fetch -> FetchResponse {
        /// Broker id of a follower, -1 for a consumer, -2 for a debugging consumer. From version 15 in `replica_state`.
        replica_id: i32, 0..=14, default -1;
        max_wait_ms: i32, 0..;
        /// The answer waits, up to `max_wait_ms`, until there is so much.
        min_bytes: i32, 0..;
        max_bytes: i32, 3.., default i32::MAX, else drop;
        /// 0 read uncommitted, 1 read committed.
        isolation_level: i8, 4.., else drop;
        /// 0 asks for a new session.
        session_id: i32, 7.., else drop;
        /// -1 for a fetch without session, 0 for the first of a new one.
        session_epoch: i32, 7.., default -1, else drop;
        /// What to read; in an established session only what changed.
        topics: Vec<FetchRequestTopic>, 0..;
        /// What to remove from the session.
        forgotten_topics_data: Vec<FetchRequestForgottenTopic>, 7..;
        rack_id: Str, 11.., else drop;
        @0 cluster_id: Option<Str>, 12.., else drop;
        @1 replica_state: FetchRequestReplicaState, 15..;
    }
    FetchRequestReplicaState {
        replica_id: i32, 15.., default -1;
        /// The follower's broker epoch.
        replica_epoch: i64, 15.., default -1;
    }
    FetchRequestTopic {
        topic: Str, 0..=12, else drop;
        topic_id: TopicId, 13.., else drop;
        partitions: Vec<FetchRequestPartition>, 0..;
    }
    FetchRequestPartition {
        partition: i32, 0..;
        /// What the reader takes for the leader's epoch; -1 to skip the check.
        current_leader_epoch: i32, 9.., default -1, else drop;
        fetch_offset: i64, 0..;
        /// Epoch of the follower's last record, by which the leader finds a divergence; -1 for none.
        last_fetched_epoch: i32, 12.., default -1;
        /// Of the follower; -1 from a consumer.
        log_start_offset: i64, 5.., default -1, else drop;
        partition_max_bytes: i32, 0..;
        @0 replica_directory_id: Uuid, 17.., else drop;
    }
    FetchRequestForgottenTopic {
        topic: Str, 7..=12, else drop;
        topic_id: TopicId, 13.., else drop;
        partitions: Vec<i32>, 7..;
    }

    /// The records, and what the reader must know about the partition.
    FetchResponse: response Fetch {
        throttle_time_ms: i32, 1.., else drop;
        error_code: i16, 7.., else drop;
        session_id: i32, 7..;
        responses: Vec<FetchResponseTopic>, 0..;
        @0 node_endpoints: Vec<FetchResponseNodeEndpoint>, 16.., else drop; // a hint, like the current leader
    }
    FetchResponseTopic {
        topic: Str, 0..=12, else drop;
        topic_id: TopicId, 13.., else drop;
        partitions: Vec<FetchResponsePartition>, 0..;
    }
    FetchResponsePartition {
        partition_index: i32, 0..;
        error_code: i16, 0..;
        high_watermark: i64, 0..;
        /// All transactions below are decided.
        last_stable_offset: i64, 4.., default -1, else drop;
        log_start_offset: i64, 5.., default -1, else drop;
        /// Null unless read committed.
        aborted_transactions: Option<Vec<FetchResponseAbortedTransaction>>, 4.., default empty(), else drop;
        /// Where a consumer should rather read; -1 for here.
        preferred_read_replica: i32, 11.., default -1;
        records: Records, 0..;
        @0 diverging_epoch: FetchResponseEpochEndOffset, 12..;
        @1 current_leader: FetchResponseLeaderIdAndEpoch, 12.., else drop;
        @2 snapshot_id: FetchResponseSnapshotId, 12..;
    }
    FetchResponseEpochEndOffset {
        epoch: i32, 12.., default -1;
        end_offset: i64, 12.., default -1;
    }
    FetchResponseLeaderIdAndEpoch {
        leader_id: i32, 12.., default -1;
        leader_epoch: i32, 12.., default -1;
    }
    FetchResponseSnapshotId {
        end_offset: i64, 0.., default -1;
        epoch: i32, 0.., default -1;
    }
    FetchResponseAbortedTransaction {
        producer_id: i64, 4..;
        first_offset: i64, 4..;
    }
    FetchResponseNodeEndpoint {
        node_id: i32, 16..;
        host: Str, 16..;
        port: i32, 16..;
        rack: Option<Str>, 16..;
    }

    /// Offsets by timestamp: -1 latest, -2 earliest, -3 of the largest timestamp.
    ListOffsetsRequest: request ListOffsets -> ListOffsetsResponse {
        /// Broker id of a follower, -1 for a consumer.
        replica_id: i32, 0..;
        /// 0 read uncommitted, 1 read committed.
        isolation_level: i8, 2..;
        topics: Vec<ListOffsetsRequestTopic>, 0..;
    }
    ListOffsetsRequestTopic {
        name: Str, 0..;
        partitions: Vec<ListOffsetsRequestPartition>, 0..;
    }
    ListOffsetsRequestPartition {
        partition_index: i32, 0..;
        current_leader_epoch: i32, 4.., default -1, else drop;
        /// Milliseconds, or -1 latest, -2 earliest, -3 largest timestamp, -4 earliest local, -5 latest tiered.
        timestamp: i64, 0..;
        max_num_offsets: i32, 0..=0, default 1;
    }

    /// The offsets found. Version 0 answered with a list.
    ListOffsetsResponse: response ListOffsets {
        throttle_time_ms: i32, 2.., else drop;
        topics: Vec<ListOffsetsResponseTopic>, 0..;
    }
    ListOffsetsResponseTopic {
        name: Str, 0..;
        partitions: Vec<ListOffsetsResponsePartition>, 0..;
    }
    ListOffsetsResponsePartition {
        partition_index: i32, 0..;
        error_code: i16, 0..;
        old_style_offsets: Vec<i64>, 0..=0;
        timestamp: i64, 1.., default -1;
        offset: i64, 1.., default -1;
        leader_epoch: i32, 4.., default -1;
        @10000 log_epoch: i32, 6.., default -2, else drop; // not Kafka's: of the last records, for whoever asks for a replica's end; -1 none
    }

    /// Where a leader epoch ended, so that a follower or consumer can find a divergence.
    OffsetForLeaderEpochRequest: request OffsetForLeaderEpoch -> OffsetForLeaderEpochResponse {
        /// Broker id of a follower, -1 for a consumer, -2 from whoever speaks an older version.
        replica_id: i32, 3.., default -2, else drop;
        topics: Vec<OffsetForLeaderEpochRequestTopic>, 0..;
    }
    OffsetForLeaderEpochRequestTopic {
        topic: Str, 0..;
        partitions: Vec<OffsetForLeaderEpochRequestPartition>, 0..;
    }
    OffsetForLeaderEpochRequestPartition {
        partition: i32, 0..;
        current_leader_epoch: i32, 2.., default -1, else drop;
        leader_epoch: i32, 0..;
    }

    /// The largest epoch not above the one asked for, and its end offset.
    OffsetForLeaderEpochResponse: response OffsetForLeaderEpoch {
        throttle_time_ms: i32, 2.., else drop;
        topics: Vec<OffsetForLeaderEpochResponseTopic>, 0..;
    }
    OffsetForLeaderEpochResponseTopic {
        topic: Str, 0..;
        partitions: Vec<OffsetForLeaderEpochResponseEpochEndOffset>, 0..;
    }
    OffsetForLeaderEpochResponseEpochEndOffset {
        error_code: i16, 0..;
        partition: i32, 0..;
        leader_epoch: i32, 1.., default -1, else drop;
        end_offset: i64, 0.., default -1;
    }

    /// Raises log start offsets. An offset of -1 means the high watermark.
    DeleteRecordsRequest: request DeleteRecords -> DeleteRecordsResponse {
        topics: Vec<DeleteRecordsRequestTopic>, 0..;
        timeout_ms: i32, 0..;
    }
    DeleteRecordsRequestTopic {
        name: Str, 0..;
        partitions: Vec<DeleteRecordsRequestPartition>, 0..;
    }
    DeleteRecordsRequestPartition {
        partition_index: i32, 0..;
        offset: i64, 0..;
    }

    /// The log start offset each partition now has on all live replicas.
    DeleteRecordsResponse: response DeleteRecords {
        throttle_time_ms: i32, 0..;
        topics: Vec<DeleteRecordsResponseTopic>, 0..;
    }
    DeleteRecordsResponseTopic {
        name: Str, 0..;
        partitions: Vec<DeleteRecordsResponsePartition>, 0..;
    }
    DeleteRecordsResponsePartition {
        partition_index: i32, 0..;
        /// The smallest log start offset of the live replicas; -1 on an error.
        low_watermark: i64, 0..;
        error_code: i16, 0..;
    }
}

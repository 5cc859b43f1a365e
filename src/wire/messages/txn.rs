//! Messages of idempotent and transactional producers.
//!
//! Used by api/txn and the transaction coordinator's marker sender. The notation is explained at `message!` in `wire/message.rs`.
//! Beware: AddPartitionsToTxn has two shapes, one transaction flat (to v3, clients) and many (from v4, brokers that verify).

use crate::wire::field::empty;
use crate::wire::message::message;
use crate::wire::types::Str;

message! {
    /// Asks for a producer id; with a transactional id, also fences whoever used it before.
    InitProducerIdRequest: request InitProducerId -> InitProducerIdResponse {
        transactional_id: Option<Str>, 0.., default empty();
        transaction_timeout_ms: i32, 0..;
        /// -1 for a producer that has none yet.
        producer_id: i64, 3.., default -1;
        producer_epoch: i16, 3.., default -1;
    }

    /// The producer's id and epoch.
    InitProducerIdResponse: response InitProducerId {
        throttle_time_ms: i32, 0.., else drop;
        error_code: i16, 0..;
        producer_id: i64, 0.., default -1;
        producer_epoch: i16, 0..;
    }

    /// Adds partitions to a transaction; from version 4 brokers use it to verify that they were added.
    AddPartitionsToTxnRequest: request AddPartitionsToTxn -> AddPartitionsToTxnResponse {
        transactions: Vec<AddPartitionsToTxnRequestTransaction>, 4..;
        v3_and_below_transactional_id: Str, 0..=3;
        v3_and_below_producer_id: i64, 0..=3;
        v3_and_below_producer_epoch: i16, 0..=3;
        v3_and_below_topics: Vec<AddPartitionsToTxnRequestTopic>, 0..=3;
    }
    AddPartitionsToTxnRequestTransaction {
        transactional_id: Str, 4..;
        producer_id: i64, 4..;
        producer_epoch: i16, 4..;
        /// Ask whether the partitions are there, do not add them.
        verify_only: bool, 4..;
        topics: Vec<AddPartitionsToTxnRequestTopic>, 4..;
    }
    AddPartitionsToTxnRequestTopic {
        name: Str, 0..;
        partitions: Vec<i32>, 0..;
    }

    /// Which partitions are in the transaction.
    AddPartitionsToTxnResponse: response AddPartitionsToTxn {
        throttle_time_ms: i32, 0..;
        error_code: i16, 4.., else drop;
        results_by_transaction: Vec<AddPartitionsToTxnResponseTransaction>, 4..;
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnResponseTopic>, 0..=3;
    }
    AddPartitionsToTxnResponseTransaction {
        transactional_id: Str, 4..;
        topic_results: Vec<AddPartitionsToTxnResponseTopic>, 4..;
    }
    AddPartitionsToTxnResponseTopic {
        name: Str, 0..;
        results_by_partition: Vec<AddPartitionsToTxnResponsePartition>, 0..;
    }
    AddPartitionsToTxnResponsePartition {
        partition_index: i32, 0..;
        partition_error_code: i16, 0..;
    }

    /// Adds the offsets partition of a group to a transaction.
    AddOffsetsToTxnRequest: request AddOffsetsToTxn -> AddOffsetsToTxnResponse {
        transactional_id: Str, 0..;
        producer_id: i64, 0..;
        producer_epoch: i16, 0..;
        group_id: Str, 0..;
    }

    /// Done or not.
    AddOffsetsToTxnResponse: response AddOffsetsToTxn {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
    }

    /// Commits or aborts a transaction.
    EndTxnRequest: request EndTxn -> EndTxnResponse {
        transactional_id: Str, 0..;
        producer_id: i64, 0..;
        producer_epoch: i16, 0..;
        /// True to commit, false to abort.
        committed: bool, 0..;
    }

    /// Done or not.
    EndTxnResponse: response EndTxn {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
    }

    /// A transaction coordinator has commit or abort markers written to the logs.
    WriteTxnMarkersRequest: request WriteTxnMarkers -> WriteTxnMarkersResponse {
        markers: Vec<WriteTxnMarkersRequestMarker>, 0..;
    }
    WriteTxnMarkersRequestMarker {
        producer_id: i64, 0..;
        producer_epoch: i16, 0..;
        /// True for commit, false for abort.
        transaction_result: bool, 0..;
        topics: Vec<WriteTxnMarkersRequestTopic>, 0..;
        coordinator_epoch: i32, 0..;
    }
    WriteTxnMarkersRequestTopic {
        name: Str, 0..;
        partition_indexes: Vec<i32>, 0..;
    }

    /// Which logs have their marker.
    WriteTxnMarkersResponse: response WriteTxnMarkers {
        markers: Vec<WriteTxnMarkersResponseMarker>, 0..;
    }
    WriteTxnMarkersResponseMarker {
        producer_id: i64, 0..;
        topics: Vec<WriteTxnMarkersResponseTopic>, 0..;
    }
    WriteTxnMarkersResponseTopic {
        name: Str, 0..;
        partitions: Vec<WriteTxnMarkersResponsePartition>, 0..;
    }
    WriteTxnMarkersResponsePartition {
        partition_index: i32, 0..;
        error_code: i16, 0..;
    }

    /// Commits offsets of a group within a transaction.
    TxnOffsetCommitRequest: request TxnOffsetCommit -> TxnOffsetCommitResponse {
        transactional_id: Str, 0..;
        group_id: Str, 0..;
        producer_id: i64, 0..;
        producer_epoch: i16, 0..;
        generation_id: i32, 3.., default -1;
        member_id: Str, 3..;
        group_instance_id: Option<Str>, 3..;
        topics: Vec<TxnOffsetCommitRequestTopic>, 0..;
    }
    TxnOffsetCommitRequestTopic {
        name: Str, 0..;
        partitions: Vec<TxnOffsetCommitRequestPartition>, 0..;
    }
    TxnOffsetCommitRequestPartition {
        partition_index: i32, 0..;
        committed_offset: i64, 0..;
        committed_leader_epoch: i32, 2.., default -1, else drop;
        committed_metadata: Option<Str>, 0.., default empty();
    }

    /// Which offsets wait for the transaction's end.
    TxnOffsetCommitResponse: response TxnOffsetCommit {
        throttle_time_ms: i32, 0..;
        topics: Vec<TxnOffsetCommitResponseTopic>, 0..;
    }
    TxnOffsetCommitResponseTopic {
        name: Str, 0..;
        partitions: Vec<TxnOffsetCommitResponsePartition>, 0..;
    }
    TxnOffsetCommitResponsePartition {
        partition_index: i32, 0..;
        error_code: i16, 0..;
    }

    /// Asks for the producers a partition leader remembers.
    DescribeProducersRequest: request DescribeProducers -> DescribeProducersResponse {
        topics: Vec<DescribeProducersRequestTopic>, 0..;
    }
    DescribeProducersRequestTopic {
        name: Str, 0..;
        partition_indexes: Vec<i32>, 0..;
    }

    /// Producer states of each partition.
    DescribeProducersResponse: response DescribeProducers {
        throttle_time_ms: i32, 0..;
        topics: Vec<DescribeProducersResponseTopic>, 0..;
    }
    DescribeProducersResponseTopic {
        name: Str, 0..;
        partitions: Vec<DescribeProducersResponsePartition>, 0..;
    }
    DescribeProducersResponsePartition {
        partition_index: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0..;
        active_producers: Vec<DescribeProducersResponseProducer>, 0..;
    }
    DescribeProducersResponseProducer {
        producer_id: i64, 0..;
        producer_epoch: i32, 0..;
        last_sequence: i32, 0.., default -1;
        last_timestamp: i64, 0.., default -1;
        coordinator_epoch: i32, 0..;
        /// -1 without an open transaction.
        current_txn_start_offset: i64, 0.., default -1;
    }

    /// Asks a coordinator for transactions.
    DescribeTransactionsRequest: request DescribeTransactions -> DescribeTransactionsResponse {
        transactional_ids: Vec<Str>, 0..;
    }

    /// State and partitions of each transaction.
    DescribeTransactionsResponse: response DescribeTransactions {
        throttle_time_ms: i32, 0..;
        transaction_states: Vec<DescribeTransactionsResponseTransaction>, 0..;
    }
    DescribeTransactionsResponseTransaction {
        error_code: i16, 0..;
        transactional_id: Str, 0..;
        transaction_state: Str, 0..;
        transaction_timeout_ms: i32, 0..;
        transaction_start_time_ms: i64, 0..;
        producer_id: i64, 0..;
        producer_epoch: i16, 0..;
        topics: Vec<DescribeTransactionsResponseTopic>, 0..;
    }
    DescribeTransactionsResponseTopic {
        topic: Str, 0..;
        partitions: Vec<i32>, 0..;
    }

    /// Lists transactions by state, producer and, from version 1, age.
    ListTransactionsRequest: request ListTransactions -> ListTransactionsResponse {
        state_filters: Vec<Str>, 0..;
        producer_id_filters: Vec<i64>, 0..;
        /// Milliseconds the transactions must have been open; negative for any.
        duration_filter: i64, 1.., default -1;
    }

    /// The transactions.
    ListTransactionsResponse: response ListTransactions {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        unknown_state_filters: Vec<Str>, 0..;
        transaction_states: Vec<ListTransactionsResponseTransaction>, 0..;
    }
    ListTransactionsResponseTransaction {
        transactional_id: Str, 0..;
        producer_id: i64, 0..;
        transaction_state: Str, 0..;
    }
}

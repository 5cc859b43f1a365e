//! Messages between controller and brokers: LeaderAndIsr, StopReplica, UpdateMetadata, ControlledShutdown, AlterPartition,
//! AllocateProducerIds, UpdateFeatures, Envelope.
//!
//! Used by `controller`, api/control and replica's ISR sender. The notation is explained at `message!` in `wire/message.rs`.
//! Beware: the version is dictated by `inter.broker.protocol.version`, so the oldest versions are still spoken.

use bytes::Bytes;

use crate::base::TopicId;
use crate::wire::field::empty;
use crate::wire::message::message;
use crate::wire::types::Str;

message! {
    /// The controller tells a broker which replicas it hosts, and which of them lead.
    LeaderAndIsrRequest: request LeaderAndIsr -> LeaderAndIsrResponse {
        controller_id: i32, 0..;
        is_kraft_controller: bool, 7..;
        controller_epoch: i32, 0..;
        /// The epoch the controller knows of the receiving broker; -1 for unknown.
        broker_epoch: i64, 2.., default -1, else drop;
        /// 0 unknown, 1 incremental, 2 full.
        r#type: i8, 5..;
        ungrouped_partition_states: Vec<LeaderAndIsrRequestPartitionState>, 0..=1;
        topic_states: Vec<LeaderAndIsrRequestTopicState>, 2..;
        live_leaders: Vec<LeaderAndIsrRequestLiveLeader>, 0..;
    }
    LeaderAndIsrRequestTopicState {
        topic_name: Str, 2..;
        topic_id: TopicId, 5.., else drop;
        partition_states: Vec<LeaderAndIsrRequestPartitionState>, 2..;
    }
    LeaderAndIsrRequestLiveLeader {
        broker_id: i32, 0..;
        host_name: Str, 0..;
        port: i32, 0..;
    }
    LeaderAndIsrRequestPartitionState {
        topic_name: Str, 0..=1, else drop;
        partition_index: i32, 0..;
        controller_epoch: i32, 0..;
        leader: i32, 0..;
        leader_epoch: i32, 0..;
        isr: Vec<i32>, 0..;
        /// Version of the partition state's znode.
        partition_epoch: i32, 0..;
        replicas: Vec<i32>, 0..;
        adding_replicas: Vec<i32>, 3.., else drop;
        removing_replicas: Vec<i32>, 3.., else drop;
        /// The partition's first announcement: its log may be created although a log directory is offline.
        is_new: bool, 1.., else drop;
        /// 0 recovered, 1 recovering from an unclean election.
        leader_recovery_state: i8, 6..;
    }

    /// Which partitions the broker took over, or why not.
    LeaderAndIsrResponse: response LeaderAndIsr {
        error_code: i16, 0..;
        partition_errors: Vec<LeaderAndIsrResponsePartitionError>, 0..=4;
        topics: Vec<LeaderAndIsrResponseTopicError>, 5..;
    }
    LeaderAndIsrResponseTopicError {
        topic_id: TopicId, 5..;
        partition_errors: Vec<LeaderAndIsrResponsePartitionError>, 5..;
    }
    LeaderAndIsrResponsePartitionError {
        topic_name: Str, 0..=4, else drop;
        partition_index: i32, 0..;
        error_code: i16, 0..;
    }

    /// The controller tells a broker to stop following partitions, or to delete them.
    StopReplicaRequest: request StopReplica -> StopReplicaResponse {
        controller_id: i32, 0..;
        is_kraft_controller: bool, 4..;
        controller_epoch: i32, 0..;
        broker_epoch: i64, 1.., default -1, else drop;
        delete_partitions: bool, 0..=2;
        ungrouped_partitions: Vec<StopReplicaRequestPartitionV0>, 0..=0;
        topics: Vec<StopReplicaRequestTopicV1>, 1..=2;
        topic_states: Vec<StopReplicaRequestTopicState>, 3..;
    }
    StopReplicaRequestPartitionV0 {
        topic_name: Str, 0..=0;
        partition_index: i32, 0..=0;
    }
    StopReplicaRequestTopicV1 {
        name: Str, 1..=2;
        partition_indexes: Vec<i32>, 1..=2;
    }
    StopReplicaRequestTopicState {
        topic_name: Str, 3..;
        partition_states: Vec<StopReplicaRequestPartitionState>, 3..;
    }
    StopReplicaRequestPartitionState {
        partition_index: i32, 3..;
        /// -1 without leadership, -2 when the topic is being deleted.
        leader_epoch: i32, 3.., default -1;
        delete_partition: bool, 3..;
    }

    /// Which partitions were stopped, or why not.
    StopReplicaResponse: response StopReplica {
        error_code: i16, 0..;
        partition_errors: Vec<StopReplicaResponsePartitionError>, 0..;
    }
    StopReplicaResponsePartitionError {
        topic_name: Str, 0..;
        partition_index: i32, 0..;
        error_code: i16, 0..;
    }

    /// The controller tells a broker the state of the cluster. Live brokers are a full list, partitions only what changed.
    UpdateMetadataRequest: request UpdateMetadata -> UpdateMetadataResponse {
        controller_id: i32, 0..;
        is_kraft_controller: bool, 8..;
        controller_epoch: i32, 0..;
        broker_epoch: i64, 5.., default -1, else drop;
        ungrouped_partition_states: Vec<UpdateMetadataRequestPartitionState>, 0..=4;
        topic_states: Vec<UpdateMetadataRequestTopicState>, 5..;
        live_brokers: Vec<UpdateMetadataRequestBroker>, 0..;
        @0 r#type: i8, 8..;
    }
    UpdateMetadataRequestTopicState {
        topic_name: Str, 5..;
        topic_id: TopicId, 7.., else drop;
        partition_states: Vec<UpdateMetadataRequestPartitionState>, 5..;
    }
    UpdateMetadataRequestBroker {
        id: i32, 0..;
        v0_host: Str, 0..=0, else drop;
        v0_port: i32, 0..=0, else drop;
        endpoints: Vec<UpdateMetadataRequestEndpoint>, 1.., else drop;
        rack: Option<Str>, 2.., default empty(), else drop;
    }
    UpdateMetadataRequestEndpoint {
        port: i32, 1..;
        host: Str, 1..;
        listener: Str, 3.., else drop;
        /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
        security_protocol: i16, 1..;
    }
    UpdateMetadataRequestPartitionState {
        topic_name: Str, 0..=4, else drop;
        partition_index: i32, 0..;
        controller_epoch: i32, 0..;
        /// -1 for none, -2 when the topic is being deleted.
        leader: i32, 0..;
        leader_epoch: i32, 0..;
        isr: Vec<i32>, 0..;
        zk_version: i32, 0..;
        replicas: Vec<i32>, 0..;
        offline_replicas: Vec<i32>, 4.., else drop;
    }

    /// Accepted or not.
    UpdateMetadataResponse: response UpdateMetadata {
        error_code: i16, 0..;
    }

    /// A broker asks the controller to move its leaderships away. Version 0 has no client id in its header.
    ControlledShutdownRequest: request ControlledShutdown -> ControlledShutdownResponse {
        broker_id: i32, 0..;
        broker_epoch: i64, 2.., default -1, else drop;
    }

    /// The partitions the broker still leads.
    ControlledShutdownResponse: response ControlledShutdown {
        error_code: i16, 0..;
        remaining_partitions: Vec<ControlledShutdownResponseRemainingPartition>, 0..;
    }
    ControlledShutdownResponseRemainingPartition {
        topic_name: Str, 0..;
        partition_index: i32, 0..;
    }

    /// A leader proposes a new ISR (KIP-497).
    AlterPartitionRequest: request AlterPartition -> AlterPartitionResponse {
        broker_id: i32, 0..;
        broker_epoch: i64, 0.., default -1;
        topics: Vec<AlterPartitionRequestTopic>, 0..;
    }
    AlterPartitionRequestTopic {
        topic_name: Str, 0..=1, else drop;
        topic_id: TopicId, 2.., else drop;
        partitions: Vec<AlterPartitionRequestPartition>, 0..;
    }
    AlterPartitionRequestPartition {
        partition_index: i32, 0..;
        leader_epoch: i32, 0..;
        new_isr: Vec<i32>, 0..=2;
        new_isr_with_epochs: Vec<AlterPartitionRequestBrokerState>, 3..;
        /// 0 recovered, 1 recovering from an unclean election.
        leader_recovery_state: i8, 1..;
        /// The version of the partition state the proposal rests on.
        partition_epoch: i32, 0..;
    }
    AlterPartitionRequestBrokerState {
        broker_id: i32, 3..;
        broker_epoch: i64, 3.., default -1;
    }

    /// The partition states as the controller now has them.
    AlterPartitionResponse: response AlterPartition {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        topics: Vec<AlterPartitionResponseTopic>, 0..;
    }
    AlterPartitionResponseTopic {
        topic_name: Str, 0..=1, else drop;
        topic_id: TopicId, 2.., else drop;
        partitions: Vec<AlterPartitionResponsePartition>, 0..;
    }
    AlterPartitionResponsePartition {
        partition_index: i32, 0..;
        error_code: i16, 0..;
        leader_id: i32, 0..;
        leader_epoch: i32, 0..;
        isr: Vec<i32>, 0..;
        leader_recovery_state: i8, 1.., else drop;
        partition_epoch: i32, 0..;
    }

    /// A broker asks the controller for a block of producer ids (KIP-730).
    AllocateProducerIdsRequest: request AllocateProducerIds -> AllocateProducerIdsResponse {
        broker_id: i32, 0..;
        broker_epoch: i64, 0.., default -1;
    }

    /// The block.
    AllocateProducerIdsResponse: response AllocateProducerIds {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        producer_id_start: i64, 0..;
        producer_id_len: i32, 0..;
    }

    /// Changes finalized features (KIP-584); a ZooKeeper-mode broker supports none.
    UpdateFeaturesRequest: request UpdateFeatures -> UpdateFeaturesResponse {
        timeout_ms: i32, 0.., default 60000;
        feature_updates: Vec<UpdateFeaturesRequestFeature>, 0..;
        validate_only: bool, 1..;
    }
    UpdateFeaturesRequestFeature {
        feature: Str, 0..;
        max_version_level: i16, 0..;
        allow_downgrade: bool, 0..=0;
        /// 1 upgrade, 2 safe downgrade, 3 unsafe downgrade.
        upgrade_type: i8, 1.., default 1;
    }

    /// Which features changed.
    UpdateFeaturesResponse: response UpdateFeatures {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        results: Vec<UpdateFeaturesResponseFeature>, 0..;
    }
    UpdateFeaturesResponseFeature {
        feature: Str, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
    }

    /// A request forwarded for a client (KIP-590); only during a migration to KRaft.
    EnvelopeRequest: request Envelope -> EnvelopeResponse {
        request_data: Bytes, 0..;
        request_principal: Option<Bytes>, 0.., default empty();
        client_host_address: Bytes, 0..;
    }

    /// The answer to the forwarded request.
    EnvelopeResponse: response Envelope {
        response_data: Option<Bytes>, 0..;
        error_code: i16, 0..;
    }
}

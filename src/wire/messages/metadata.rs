//! Messages by which a client finds its way: ApiVersions, Metadata, DescribeCluster, FindCoordinator.
//!
//! Used by api/metadata, api/session and `client`. The notation is explained at `message!` in `wire/message.rs`.
//! Beware: ApiVersions is the one API whose request may come in a version we do not know, and whose response header is always v0.

use crate::base::TopicId;
use crate::wire::field::empty;
use crate::wire::message::message;
use crate::wire::types::Str;

message! {
    /// What do you speak? The name and version of the client's library come along from version 3.
    ApiVersionsRequest: request ApiVersions -> ApiVersionsResponse {
        client_software_name: Str, 3.., else drop;
        client_software_version: Str, 3.., else drop;
    }

    /// The APIs and versions of this broker.
    ApiVersionsResponse: response ApiVersions {
        error_code: i16, 0..;
        api_keys: Vec<ApiVersionsResponseApiVersion>, 0..;
        throttle_time_ms: i32, 1.., else drop;
        @0 supported_features: Vec<ApiVersionsResponseSupportedFeature>, 3.., else drop;
        @1 finalized_features_epoch: i64, 3.., default -1, else drop;
        @2 finalized_features: Vec<ApiVersionsResponseFinalizedFeature>, 3.., else drop;
        @3 zk_migration_ready: bool, 3.., else drop;
    }
    ApiVersionsResponseApiVersion {
        api_key: i16, 0..;
        min_version: i16, 0..;
        max_version: i16, 0..;
    }
    ApiVersionsResponseSupportedFeature {
        name: Str, 3..;
        min_version: i16, 3..;
        max_version: i16, 3..;
    }
    ApiVersionsResponseFinalizedFeature {
        name: Str, 3..;
        max_version_level: i16, 3..;
        min_version_level: i16, 3..;
    }

    /// Topics to describe; null means all, in version 0 an empty list does.
    MetadataRequest: request Metadata -> MetadataResponse {
        topics: Option<Vec<MetadataRequestTopic>>, 0.., null 1.., default empty();
        allow_auto_topic_creation: bool, 4.., default true;
        include_cluster_authorized_operations: bool, 8..=10;
        include_topic_authorized_operations: bool, 8..;
    }
    MetadataRequestTopic {
        topic_id: TopicId, 10.., else drop;
        name: Option<Str>, 0.., null 10.., default empty();
    }

    /// Live brokers, the controller, and the leaders of the partitions asked for.
    MetadataResponse: response Metadata {
        throttle_time_ms: i32, 3.., else drop;
        brokers: Vec<MetadataResponseBroker>, 0..;
        cluster_id: Option<Str>, 2.., else drop;
        controller_id: i32, 1.., default -1, else drop;
        topics: Vec<MetadataResponseTopic>, 0..;
        cluster_authorized_operations: i32, 8..=10, default i32::MIN;
    }
    MetadataResponseBroker {
        node_id: i32, 0..;
        host: Str, 0..;
        port: i32, 0..;
        rack: Option<Str>, 1.., else drop;
    }
    MetadataResponseTopic {
        error_code: i16, 0..;
        name: Option<Str>, 0.., null 12.., default empty();
        topic_id: TopicId, 10.., else drop;
        is_internal: bool, 1.., else drop;
        partitions: Vec<MetadataResponsePartition>, 0..;
        /// Bits by ACL operation; `i32::MIN` where not asked for.
        topic_authorized_operations: i32, 8.., default i32::MIN;
    }
    MetadataResponsePartition {
        error_code: i16, 0..;
        partition_index: i32, 0..;
        /// -1 for none.
        leader_id: i32, 0..;
        leader_epoch: i32, 7.., default -1, else drop;
        replica_nodes: Vec<i32>, 0..;
        isr_nodes: Vec<i32>, 0..;
        /// Replicas whose broker or log directory is gone.
        offline_replicas: Vec<i32>, 5.., else drop;
    }

    /// Asks for the brokers and the controller.
    DescribeClusterRequest: request DescribeCluster -> DescribeClusterResponse {
        include_cluster_authorized_operations: bool, 0..;
        /// 1 brokers, 2 controllers.
        endpoint_type: i8, 1.., default 1;
    }

    /// Brokers of the listener the request came in on.
    DescribeClusterResponse: response DescribeCluster {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0..;
        endpoint_type: i8, 1.., default 1;
        cluster_id: Str, 0..;
        controller_id: i32, 0.., default -1;
        brokers: Vec<DescribeClusterResponseBroker>, 0..;
        cluster_authorized_operations: i32, 0.., default i32::MIN;
    }
    DescribeClusterResponseBroker {
        broker_id: i32, 0..;
        host: Str, 0..;
        port: i32, 0..;
        rack: Option<Str>, 0..;
    }

    /// Who coordinates this group (key type 0) or transaction (1)?
    FindCoordinatorRequest: request FindCoordinator -> FindCoordinatorResponse {
        key: Str, 0..=3;
        /// 0 group, 1 transaction.
        key_type: i8, 1..;
        coordinator_keys: Vec<Str>, 4..;
    }

    /// The coordinator; from version 4 one for each key.
    FindCoordinatorResponse: response FindCoordinator {
        throttle_time_ms: i32, 1.., else drop;
        error_code: i16, 0..=3;
        error_message: Option<Str>, 1..=3, default empty(), else drop;
        node_id: i32, 0..=3;
        host: Str, 0..=3;
        port: i32, 0..=3;
        coordinators: Vec<FindCoordinatorResponseCoordinator>, 4..;
    }
    FindCoordinatorResponseCoordinator {
        key: Str, 4..;
        node_id: i32, 4..;
        host: Str, 4..;
        port: i32, 4..;
        error_code: i16, 4..;
        error_message: Option<Str>, 4.., default empty(), else drop;
    }
}

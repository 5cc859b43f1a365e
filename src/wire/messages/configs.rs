//! Messages of dynamic configuration and client quotas.
//!
//! Used by api/admin and the tools. The notation is explained at `message!` in `wire/message.rs`.
//! Beware: a null value of a config means "remove" in AlterConfigs, and "sensitive or unset" in DescribeConfigs.

use crate::wire::field::empty;
use crate::wire::message::message;
use crate::wire::types::Str;

message! {
    /// Asks for the configs of topics, brokers or loggers; null keys mean all.
    DescribeConfigsRequest: request DescribeConfigs -> DescribeConfigsResponse {
        resources: Vec<DescribeConfigsRequestResource>, 0..;
        include_synonyms: bool, 1..;
        include_documentation: bool, 3..;
    }
    DescribeConfigsRequestResource {
        /// 2 topic, 4 broker, 8 broker logger.
        resource_type: i8, 0..;
        resource_name: Str, 0..;
        /// Null for all.
        configuration_keys: Option<Vec<Str>>, 0.., default empty();
    }

    /// The configs, where each comes from, and what it overrides.
    DescribeConfigsResponse: response DescribeConfigs {
        throttle_time_ms: i32, 0..;
        results: Vec<DescribeConfigsResponseResult>, 0..;
    }
    DescribeConfigsResponseResult {
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        resource_type: i8, 0..;
        resource_name: Str, 0..;
        configs: Vec<DescribeConfigsResponseConfig>, 0..;
    }
    DescribeConfigsResponseConfig {
        name: Str, 0..;
        value: Option<Str>, 0.., default empty();
        read_only: bool, 0..;
        is_default: bool, 0..=0;
        /// 1 topic, 2 broker, 3 all brokers, 4 server.properties, 5 default, 6 logger.
        config_source: i8, 1.., default -1, else drop;
        is_sensitive: bool, 0..;
        synonyms: Vec<DescribeConfigsResponseSynonym>, 1.., else drop;
        config_type: i8, 3.., else drop;
        documentation: Option<Str>, 3.., default empty(), else drop;
    }
    DescribeConfigsResponseSynonym {
        name: Str, 1..;
        value: Option<Str>, 1.., default empty();
        source: i8, 1..;
    }

    /// Replaces all dynamic configs of a resource.
    AlterConfigsRequest: request AlterConfigs -> AlterConfigsResponse {
        resources: Vec<AlterConfigsRequestResource>, 0..;
        validate_only: bool, 0..;
    }
    AlterConfigsRequestResource {
        resource_type: i8, 0..;
        resource_name: Str, 0..;
        configs: Vec<AlterConfigsRequestConfig>, 0..;
    }
    AlterConfigsRequestConfig {
        name: Str, 0..;
        value: Option<Str>, 0.., default empty();
    }

    /// Which resources were changed.
    AlterConfigsResponse: response AlterConfigs {
        throttle_time_ms: i32, 0..;
        responses: Vec<AlterConfigsResponseResource>, 0..;
    }
    AlterConfigsResponseResource {
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        resource_type: i8, 0..;
        resource_name: Str, 0..;
    }

    /// Sets (0), deletes (1), appends to (2) or subtracts from (3) single configs (KIP-339).
    IncrementalAlterConfigsRequest: request IncrementalAlterConfigs -> IncrementalAlterConfigsResponse {
        resources: Vec<IncrementalAlterConfigsRequestResource>, 0..;
        validate_only: bool, 0..;
    }
    IncrementalAlterConfigsRequestResource {
        resource_type: i8, 0..;
        resource_name: Str, 0..;
        configs: Vec<IncrementalAlterConfigsRequestConfig>, 0..;
    }
    IncrementalAlterConfigsRequestConfig {
        name: Str, 0..;
        /// 0 set, 1 delete, 2 append, 3 subtract.
        config_operation: i8, 0..;
        value: Option<Str>, 0.., default empty();
    }

    /// Which resources were changed.
    IncrementalAlterConfigsResponse: response IncrementalAlterConfigs {
        throttle_time_ms: i32, 0..;
        responses: Vec<IncrementalAlterConfigsResponseResource>, 0..;
    }
    IncrementalAlterConfigsResponseResource {
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        resource_type: i8, 0..;
        resource_name: Str, 0..;
    }

    /// Asks for quotas by filters (KIP-546): match type 0 exact, 1 default, 2 any.
    DescribeClientQuotasRequest: request DescribeClientQuotas -> DescribeClientQuotasResponse {
        components: Vec<DescribeClientQuotasRequestComponent>, 0..;
        strict: bool, 0..;
    }
    DescribeClientQuotasRequestComponent {
        entity_type: Str, 0..;
        /// 0 exact, 1 the default entity, 2 any.
        match_type: i8, 0..;
        r#match: Option<Str>, 0.., default empty();
    }

    /// The quotas of each entity that matched.
    DescribeClientQuotasResponse: response DescribeClientQuotas {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        entries: Option<Vec<DescribeClientQuotasResponseEntry>>, 0.., default empty();
    }
    DescribeClientQuotasResponseEntry {
        entity: Vec<DescribeClientQuotasResponseEntity>, 0..;
        values: Vec<DescribeClientQuotasResponseValue>, 0..;
    }
    DescribeClientQuotasResponseEntity {
        entity_type: Str, 0..;
        entity_name: Option<Str>, 0.., default empty();
    }
    DescribeClientQuotasResponseValue {
        key: Str, 0..;
        value: f64, 0..;
    }

    /// Sets or removes quotas; a null entity name is the default entity.
    AlterClientQuotasRequest: request AlterClientQuotas -> AlterClientQuotasResponse {
        entries: Vec<AlterClientQuotasRequestEntry>, 0..;
        validate_only: bool, 0..;
    }
    AlterClientQuotasRequestEntry {
        entity: Vec<AlterClientQuotasRequestEntity>, 0..;
        ops: Vec<AlterClientQuotasRequestOp>, 0..;
    }
    AlterClientQuotasRequestEntity {
        entity_type: Str, 0..;
        entity_name: Option<Str>, 0.., default empty();
    }
    AlterClientQuotasRequestOp {
        key: Str, 0..;
        value: f64, 0..;
        /// True to remove the key, whatever the value.
        remove: bool, 0..;
    }

    /// Which entities were changed.
    AlterClientQuotasResponse: response AlterClientQuotas {
        throttle_time_ms: i32, 0..;
        entries: Vec<AlterClientQuotasResponseEntry>, 0..;
    }
    AlterClientQuotasResponseEntry {
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        entity: Vec<AlterClientQuotasResponseEntity>, 0..;
    }
    AlterClientQuotasResponseEntity {
        entity_type: Str, 0..;
        entity_name: Option<Str>, 0.., default empty();
    }
}

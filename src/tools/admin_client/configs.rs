//! Describing and altering configs of topics, brokers and broker loggers.
//!
//! What concerns one broker (its own configs, its loggers) goes to that broker, the rest to any: any broker writes topic configs and the
//! brokers' defaults to ZooKeeper.

use super::{AdminClient, To, all, checked, never};
use crate::base::{BrokerId, ErrorCode};
use crate::tools::java::Exception;
use crate::wire::{
    AlterConfigsRequest, AlterConfigsRequestConfig, AlterConfigsRequestResource, ApiKey, DescribeConfigsRequest,
    DescribeConfigsRequestResource, DescribeConfigsResponseConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestConfig, IncrementalAlterConfigsRequestResource,
};

/// `ConfigEntry.ConfigSource`, by its number on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // Kafka's names
pub enum Source {
    Unknown,
    DynamicTopicConfig,
    DynamicBrokerConfig,
    DynamicDefaultBrokerConfig,
    StaticBrokerConfig,
    DefaultConfig,
    DynamicBrokerLoggerConfig,
    DynamicClientMetricsConfig,
}

impl Source {
    fn from_wire(number: i8) -> Self {
        match number {
            1 => Self::DynamicTopicConfig,
            2 => Self::DynamicBrokerConfig,
            3 => Self::DynamicDefaultBrokerConfig,
            4 => Self::StaticBrokerConfig,
            5 => Self::DefaultConfig,
            6 => Self::DynamicBrokerLoggerConfig,
            7 => Self::DynamicClientMetricsConfig,
            _ => Self::Unknown,
        }
    }

    /// As the tools print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::DynamicTopicConfig => "DYNAMIC_TOPIC_CONFIG",
            Self::DynamicBrokerConfig => "DYNAMIC_BROKER_CONFIG",
            Self::DynamicDefaultBrokerConfig => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Self::StaticBrokerConfig => "STATIC_BROKER_CONFIG",
            Self::DefaultConfig => "DEFAULT_CONFIG",
            Self::DynamicBrokerLoggerConfig => "DYNAMIC_BROKER_LOGGER_CONFIG",
            Self::DynamicClientMetricsConfig => "DYNAMIC_CLIENT_METRICS_CONFIG",
        }
    }
}

/// Whose configs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Resource {
    /// A topic's.
    Topic(String),
    /// A broker's.
    Broker(BrokerId),
    /// The default of all brokers.
    BrokerDefault,
    /// A broker's loggers.
    BrokerLogger(BrokerId),
}

impl Resource {
    fn wire_type(&self) -> i8 {
        match self {
            Self::Topic(_) => 2,
            Self::Broker(_) | Self::BrokerDefault => 4,
            Self::BrokerLogger(_) => 8,
        }
    }

    fn wire_name(&self) -> String {
        match self {
            Self::Topic(name) => name.clone(),
            Self::Broker(id) | Self::BrokerLogger(id) => id.to_string(),
            Self::BrokerDefault => String::new(),
        }
    }

    fn to(&self) -> To {
        match self {
            Self::Topic(_) | Self::BrokerDefault => To::Any,
            Self::Broker(id) | Self::BrokerLogger(id) => To::Broker(*id),
        }
    }
}

/// One config of a resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigEntry {
    /// Name.
    pub name: String,
    /// `None` when unset or sensitive.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: Source,
    /// Its value is not told.
    pub sensitive: bool,
    /// Name, value, source of all that would count, the effective one first.
    pub synonyms: Vec<(String, Option<String>, Source)>,
}

/// What to do with a config (KIP-339).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigOp {
    /// Set it.
    Set(String, String),
    /// Back to what lies beneath.
    Delete(String),
}

impl AdminClient {
    /// The configs of several topics in one request, in the order of the names; entries in the broker's order.
    ///
    /// # Errors
    /// The first the broker gives.
    pub async fn describe_topic_configs(&mut self, topics: &[String]) -> Result<Vec<Vec<ConfigEntry>>, Exception> {
        let resources: Vec<_> = topics.iter().map(|t| Resource::Topic(t.clone())).collect();
        self.describe_resources(To::Any, &resources, false).await
    }

    /// The configs of one resource, in the broker's order.
    ///
    /// # Errors
    /// The broker's.
    pub async fn describe_configs(
        &mut self,
        resource: &Resource,
        synonyms: bool,
    ) -> Result<Vec<ConfigEntry>, Exception> {
        let found = self.describe_resources(resource.to(), std::slice::from_ref(resource), synonyms).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    async fn describe_resources(
        &mut self,
        to: To,
        resources: &[Resource],
        synonyms: bool,
    ) -> Result<Vec<Vec<ConfigEntry>>, Exception> {
        if resources.is_empty() {
            return Ok(Vec::new());
        }
        let build = |version: i16, _| DescribeConfigsRequest {
            resources: resources
                .iter()
                .map(|r| DescribeConfigsRequestResource {
                    resource_type: r.wire_type(),
                    resource_name: r.wire_name().into(),
                    configuration_keys: None,
                })
                .collect(),
            include_synonyms: synonyms && version >= 1,
            include_documentation: false,
        };
        let answer = self.call("describeConfigs", to, all(ApiKey::DescribeConfigs), build, never).await?;
        let mut found = Vec::new();
        for resource in resources {
            let (kind, name) = (resource.wire_type(), resource.wire_name());
            let result = answer.results.iter().find(|r| r.resource_type == kind && r.resource_name == *name);
            let Some(result) = result else {
                return Err(Exception::of_code(
                    ErrorCode::UnknownServerError,
                    Some(&format!("no configs of {name} in the answer")),
                ));
            };
            checked(result.error_code, result.error_message.as_deref())?;
            found.push(result.configs.iter().map(|c| entry(c, resource)).collect());
        }
        Ok(found)
    }

    /// Alters single configs.
    ///
    /// # Errors
    /// The broker's; UNSUPPORTED_VERSION before 2.3.
    pub async fn incremental_alter_configs(&mut self, resource: &Resource, ops: &[ConfigOp]) -> Result<(), Exception> {
        self.incremental_alter_all(&[(resource.clone(), ops.to_vec())]).await
    }

    /// Alters single configs of several resources, in one request for each broker that they are for. All are tried.
    ///
    /// # Errors
    /// The first that a broker gives.
    pub async fn incremental_alter_all(&mut self, resources: &[(Resource, Vec<ConfigOp>)]) -> Result<(), Exception> {
        let config = |op: &ConfigOp| match op {
            ConfigOp::Set(name, value) => IncrementalAlterConfigsRequestConfig {
                name: name.into(),
                config_operation: 0,
                value: Some(value.into()),
            },
            ConfigOp::Delete(name) => {
                IncrementalAlterConfigsRequestConfig { name: name.into(), config_operation: 1, value: Some("".into()) }
            }
        };
        let mut result = Ok(());
        let mut rest: Vec<_> = resources.iter().collect();
        while let Some(to) = rest.first().map(|(resource, _)| resource.to()) {
            let (now, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(resource, _)| resource.to() == to);
            rest = later;
            let build = |_, _| IncrementalAlterConfigsRequest {
                resources: now
                    .iter()
                    .map(|(resource, ops)| IncrementalAlterConfigsRequestResource {
                        resource_type: resource.wire_type(),
                        resource_name: resource.wire_name().into(),
                        configs: ops.iter().map(config).collect(),
                    })
                    .collect(),
                validate_only: false,
            };
            let ours = all(ApiKey::IncrementalAlterConfigs);
            let answered = self.call("incrementalAlterConfigs", to, ours, build, never).await.and_then(|answer| {
                answer.responses.iter().try_for_each(|r| checked(r.error_code, r.error_message.as_deref()))
            });
            result = result.and(answered);
        }
        result
    }

    /// Replaces all dynamic configs of a resource.
    ///
    /// # Errors
    /// The broker's.
    pub async fn alter_configs(&mut self, resource: &Resource, configs: &[(String, String)]) -> Result<(), Exception> {
        let config = |(name, value): &(String, String)| AlterConfigsRequestConfig {
            name: name.into(),
            value: Some(value.into()),
        };
        let build = |_, _| AlterConfigsRequest {
            resources: vec![AlterConfigsRequestResource {
                resource_type: resource.wire_type(),
                resource_name: resource.wire_name().into(),
                configs: configs.iter().map(config).collect(),
            }],
            validate_only: false,
        };
        let answer = self.call("alterConfigs", resource.to(), all(ApiKey::AlterConfigs), build, never).await?;
        answer.responses.iter().try_for_each(|r| checked(r.error_code, r.error_message.as_deref()))
    }
}

fn entry(config: &DescribeConfigsResponseConfig, resource: &Resource) -> ConfigEntry {
    let text = |value: &Option<crate::wire::Str>| value.as_ref().map(ToString::to_string);
    // Version 0 only tells defaults from the rest.
    let source = match (config.config_source, config.is_default, resource) {
        (-1, true, _) => Source::DefaultConfig,
        (-1, false, Resource::Topic(_)) => Source::DynamicTopicConfig,
        (-1, false, _) => Source::StaticBrokerConfig,
        (number, ..) => Source::from_wire(number),
    };
    ConfigEntry {
        name: config.name.to_string(),
        value: text(&config.value),
        source,
        sensitive: config.is_sensitive,
        synonyms: config
            .synonyms
            .iter()
            .map(|s| (s.name.to_string(), text(&s.value), Source::from_wire(s.source)))
            .collect(),
    }
}

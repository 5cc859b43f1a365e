//! DescribeConfigs (32): values, where they come from and what they override. Topics are read from ZooKeeper, brokers from what this
//! broker has in effect, loggers from what they are set to.

use std::sync::Arc;

use super::{BROKER, BROKER_LOGGER, CLIENT_METRICS, TOPIC, broker_of, once, repeated};
use crate::admin::{AdminError, names};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::{BrokerId, ErrorCode};
use crate::config::describe::{self, Entry, Source};
use crate::wire::{
    DescribeConfigsRequest, DescribeConfigsRequestResource, DescribeConfigsResponse, DescribeConfigsResponseConfig,
    DescribeConfigsResponseResult, DescribeConfigsResponseSynonym, Str,
};

/// Kafka's words for INVALID_REQUEST, used when a request names a kind of resource that nobody knows.
const UNKNOWN_KIND: &str = "This most likely occurs because of a request being malformed by the client library or the message was \
                            sent to an incompatible broker. See the broker logs for more details.";

/// The shape of the answer.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Of the request.
    pub version: i16,
    /// Tell every place where a value stands.
    pub synonyms: bool,
    /// Tell what a key is for.
    pub documentation: bool,
}

/// Answers when ZooKeeper has been read.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DescribeConfigsRequest = request.decode()?;
    let replier = request.replier();
    let wanted = Wanted {
        version: request.version(),
        synonyms: asked.include_synonyms,
        documentation: asked.include_documentation,
    };
    let known = |kind: i8| matches!(kind, TOPIC | BROKER | BROKER_LOGGER | CLIENT_METRICS);
    if !asked.resources.iter().all(|resource| known(resource.resource_type)) {
        // The request as a whole, as Kafka does.
        let refuse = |resource| refused(resource, ErrorCode::InvalidRequest, Some(Str::from_static(UNKNOWN_KIND)));
        let results = asked.resources.iter().map(refuse).collect();
        return Ok(replier.reply(&DescribeConfigsResponse { results, ..Default::default() }));
    }
    let api = api.clone();
    Ok(Outcome::later(async move {
        // Kafka answers a resource as often as it is named; here that would let a small request have a huge answer.
        let repeated = repeated(asked.resources.iter().map(|r| (r.resource_type, r.resource_name.as_str())));
        let mut results = Vec::new();
        for resource in &asked.resources {
            let found = if repeated.contains(&(resource.resource_type, resource.resource_name.as_str())) {
                Err(once())
            } else {
                entries(&api, resource).await
            };
            results.push(result(resource, found, wanted));
        }
        replier.reply(&DescribeConfigsResponse { results, ..Default::default() })
    }))
}

/// What is told of one resource; no entries: there is no such topic.
pub fn result(
    resource: &DescribeConfigsRequestResource,
    found: Result<Option<Vec<Entry>>, AdminError>,
    wanted: Wanted,
) -> DescribeConfigsResponseResult {
    match found {
        Ok(Some(entries)) => DescribeConfigsResponseResult {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs: entries
                .into_iter()
                .filter(|entry| is_wanted(resource, &entry.name))
                .map(|entry| config(entry, wanted))
                .collect(),
            ..Default::default()
        },
        Ok(None) => refused(resource, ErrorCode::UnknownTopicOrPartition, Some(Str::EMPTY)),
        Err(error) => {
            let (code, message) = error.answer();
            refused(resource, code, message.map(Str::from))
        }
    }
}

/// `None`: there is no such topic.
async fn entries(api: &Api, resource: &DescribeConfigsRequestResource) -> Result<Option<Vec<Entry>>, AdminError> {
    let name: &str = &resource.resource_name;
    let statics = api.config.statics();
    match resource.resource_type {
        TOPIC => {
            names::check(name)?;
            if !api.cluster.metadata.load().contains(name) {
                return Ok(None);
            }
            let overrides = api.admin.topic_config(name).await?;
            let current = api.config.current();
            Ok(Some(describe::topic(statics, &current.dynamic, &current.effective.values, &overrides)))
        }
        BROKER => {
            let current = api.config.current();
            Ok(Some(match broker_of(name, api.cluster.broker_id, "Broker")? {
                Some(_) => describe::broker(statics, &current.dynamic, &current.effective.values),
                None => describe::cluster_default(statics, &current.dynamic),
            }))
        }
        BROKER_LOGGER if name.is_empty() => Err(AdminError::InvalidRequest("Broker id must not be empty".into())),
        BROKER_LOGGER => match broker_of(name, api.cluster.broker_id, "Broker") {
            Ok(_) => Ok(Some(describe::loggers(&api.loggers))),
            // Here Kafka has other words than for a broker's configs.
            Err(_) if name.parse::<BrokerId>().is_ok() => {
                let own = api.cluster.broker_id;
                Err(AdminError::InvalidRequest(format!("Unexpected broker id, expected {own} but received {name}")))
            }
            Err(error) => Err(error),
        },
        _ => Err(AdminError::InvalidRequest("Config type client-metrics is only supported on KRaft clusters".into())),
    }
}

/// No names are all names.
fn is_wanted(resource: &DescribeConfigsRequestResource, name: &str) -> bool {
    match &resource.configuration_keys {
        Some(keys) if !keys.is_empty() => keys.iter().any(|key| *key == name),
        _ => true,
    }
}

fn config(entry: Entry, wanted: Wanted) -> DescribeConfigsResponseConfig {
    let synonym = |synonym: describe::Synonym| DescribeConfigsResponseSynonym {
        name: synonym.name.into(),
        value: synonym.value.map(Str::from),
        source: synonym.source.code(),
    };
    DescribeConfigsResponseConfig {
        name: entry.name.into(),
        value: entry.value.map(Str::from),
        read_only: entry.read_only,
        is_default: wanted.version == 0 && entry.source == Source::Default,
        config_source: entry.source.code(),
        is_sensitive: entry.sensitive,
        synonyms: if wanted.synonyms { entry.synonyms.into_iter().map(synonym).collect() } else { Vec::new() },
        config_type: entry.config_type,
        documentation: entry.documentation.filter(|_| wanted.documentation).map(Str::from),
    }
}

fn refused(
    resource: &DescribeConfigsRequestResource,
    code: ErrorCode,
    message: Option<Str>,
) -> DescribeConfigsResponseResult {
    DescribeConfigsResponseResult {
        error_code: code.code(),
        error_message: message,
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        configs: Vec::new(),
    }
}

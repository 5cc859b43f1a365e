//! AlterConfigs (33): replaces all configs of a resource. kafka-configs alters brokers with it, after a DescribeConfigs.

use std::sync::Arc;

use super::{BROKER, CLIENT_METRICS, TOPIC, broker_of, once, repeated};
use crate::admin::AdminError;
use crate::api::admin::to_its_end;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::config::{ConfigMap, ops};
use crate::wire::{
    AlterConfigsRequest, AlterConfigsRequestResource, AlterConfigsResponse, AlterConfigsResponseResource, Str,
};

/// Answers when all resources are written or refused, each on its own.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: AlterConfigsRequest = request.decode()?;
    let replier = request.replier();
    let api = api.clone();
    Ok(Outcome::later(async move {
        let worker = api.clone();
        let work = async move {
            let named = asked.resources.iter().map(|r| (r.resource_type, r.resource_name.as_str()));
            let repeated = repeated(named);
            let mut responses = Vec::with_capacity(asked.resources.len());
            for resource in &asked.resources {
                let done = if repeated.contains(&(resource.resource_type, resource.resource_name.as_str())) {
                    Err(once())
                } else {
                    alter(&worker, resource, asked.validate_only).await
                };
                responses.push(response(resource, done));
            }
            responses
        };
        let responses = to_its_end(&api.env, &api.admin, "alter configs", work).await;
        replier.reply(&AlterConfigsResponse { responses, ..Default::default() })
    }))
}

async fn alter(api: &Api, resource: &AlterConfigsRequestResource, validate_only: bool) -> Result<(), AdminError> {
    ops::check_request(resource.configs.iter().map(|config| (config.name.as_str(), config.value.is_none())))?;
    let map: ConfigMap = resource
        .configs
        .iter()
        .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())))
        .collect();
    match resource.resource_type {
        TOPIC => api.admin.alter_topic_config(&resource.resource_name, &map, validate_only).await,
        BROKER => {
            let broker = broker_of(&resource.resource_name, api.cluster.broker_id, "Node")?;
            api.admin.alter_broker_config(broker, &map, validate_only).await
        }
        CLIENT_METRICS => Err(AdminError::InvalidRequest(
            "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS".into(),
        )),
        other => Err(AdminError::InvalidRequest(format!("Unknown resource type {other}"))),
    }
}

/// What is told of one resource.
pub fn response(resource: &AlterConfigsRequestResource, done: Result<(), AdminError>) -> AlterConfigsResponseResource {
    if let Err(error) = &done {
        tracing::info!(resource = %resource.resource_name, %error, "the config was not altered");
    }
    let (code, message) = done.err().map_or((ErrorCode::None, None), |error| error.answer());
    AlterConfigsResponseResource {
        error_code: code.code(),
        error_message: message.map(Str::from),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
    }
}

//! IncrementalAlterConfigs (44, KIP-339): sets, removes, appends to and subtracts from single configs. kafka-configs alters topics with it.

use std::sync::Arc;

use super::{BROKER, BROKER_LOGGER, CLIENT_METRICS, NO_LOGGERS, TOPIC, broker_of, once, repeated};
use crate::admin::AdminError;
use crate::api::admin::to_its_end;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::config::ops::{self, AlterOp, Op};
use crate::wire::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsRequestResource, IncrementalAlterConfigsResponse,
    IncrementalAlterConfigsResponseResource, Str,
};

/// Answers when all resources are written or refused, each on its own.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: IncrementalAlterConfigsRequest = request.decode()?;
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
        replier.reply(&IncrementalAlterConfigsResponse { responses, ..Default::default() })
    }))
}

async fn alter(
    api: &Api,
    resource: &IncrementalAlterConfigsRequestResource,
    validate_only: bool,
) -> Result<(), AdminError> {
    let removes = |code: i8| code == Op::Delete as i8;
    let configs = &resource.configs;
    ops::check_request(configs.iter().map(|c| (c.name.as_str(), c.value.is_none() && !removes(c.config_operation))))?;
    let name = &resource.resource_name;
    match resource.resource_type {
        TOPIC => api.admin.alter_topic_keys(name, &operations(resource)?, validate_only).await,
        BROKER => {
            let broker = broker_of(name, api.cluster.broker_id, "Node")?;
            api.admin.alter_broker_keys(broker, &operations(resource)?, validate_only).await
        }
        BROKER_LOGGER => {
            broker_of(name, api.cluster.broker_id, "Node")?;
            Err(AdminError::InvalidRequest(NO_LOGGERS.into()))
        }
        CLIENT_METRICS => Err(AdminError::InvalidRequest(
            "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS".into(),
        )),
        other => Err(AdminError::InvalidRequest(format!("Unknown resource type {other}"))),
    }
}

fn operations(resource: &IncrementalAlterConfigsRequestResource) -> Result<Vec<AlterOp>, AdminError> {
    let operation = |config: &crate::wire::IncrementalAlterConfigsRequestConfig| {
        Ok(AlterOp {
            key: config.name.to_string(),
            op: Op::from_code(config.config_operation)?,
            value: config.value.as_ref().map(String::from),
        })
    };
    resource.configs.iter().map(operation).collect()
}

/// What is told of one resource.
pub fn response(
    resource: &IncrementalAlterConfigsRequestResource,
    done: Result<(), AdminError>,
) -> IncrementalAlterConfigsResponseResource {
    if let Err(error) = &done {
        tracing::info!(resource = %resource.resource_name, %error, "the config was not altered");
    }
    let (code, message) = done.err().map_or((ErrorCode::None, None), |error| error.answer());
    IncrementalAlterConfigsResponseResource {
        error_code: code.code(),
        error_message: message.map(Str::from),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
    }
}

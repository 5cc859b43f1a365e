//! IncrementalAlterConfigs (44, KIP-339): sets, removes, appends to and subtracts from single configs. kafka-configs alters topics with it.

use std::sync::Arc;

use super::{Alteration, BROKER, BROKER_LOGGER, CLIENT_METRICS, TOPIC, alter_all, broker_of};
use crate::admin::AdminError;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::{BrokerId, ErrorCode};
use crate::config::ops::{self, AlterOp, Op};
use crate::wire::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsRequestConfig, IncrementalAlterConfigsRequestResource,
    IncrementalAlterConfigsResponse, IncrementalAlterConfigsResponseResource, Str,
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
        let outcomes = alter_all(&api, asked.resources, asked.validate_only).await;
        let responses = outcomes.into_iter().map(|(resource, done)| response(&resource, done)).collect();
        replier.reply(&IncrementalAlterConfigsResponse { responses, ..Default::default() })
    }))
}

impl Alteration for IncrementalAlterConfigsRequestResource {
    fn id(&self) -> (i8, &str) {
        (self.resource_type, &self.resource_name)
    }

    async fn alter(&self, api: &Api, validate_only: bool) -> Result<(), AdminError> {
        let removes = |code: i8| code == Op::Delete as i8;
        let nulls = |c: &IncrementalAlterConfigsRequestConfig| c.value.is_none() && !removes(c.config_operation);
        ops::check_request(self.configs.iter().map(|config| (config.name.as_str(), nulls(config))))?;
        let (name, own) = (self.resource_name.as_str(), api.cluster.broker_id);
        match self.resource_type {
            TOPIC => api.admin.alter_topic_keys(name, &operations(self)?, validate_only).await,
            BROKER => {
                api.admin.alter_broker_keys(broker_of(name, own, "Node")?, &operations(self)?, validate_only).await
            }
            BROKER_LOGGER => {
                own_node(name, own)?;
                Ok(api.loggers.alter(&operations(self)?, validate_only)?)
            }
            CLIENT_METRICS => Err(AdminError::InvalidRequest(
                "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS".into(),
            )),
            other => Err(AdminError::InvalidRequest(format!("Unknown resource type {other}"))),
        }
    }
}

/// Loggers are a node's own; all nodes at once can't be named (`RuntimeLoggerManager.validateResourceNameIsNodeId`).
fn own_node(name: &str, own: BrokerId) -> Result<(), AdminError> {
    let why = match name.parse::<BrokerId>() {
        Ok(id) if id == own => return Ok(()),
        Ok(id) => format!("Unexpected node id. Expected {own}, but received {id}"),
        Err(_) => format!("Node id must be an integer, but it is: {name}"),
    };
    Err(AdminError::InvalidRequest(why))
}

fn operations(resource: &IncrementalAlterConfigsRequestResource) -> Result<Vec<AlterOp>, AdminError> {
    let operation = |config: &IncrementalAlterConfigsRequestConfig| {
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
    let (code, message) = done.err().map_or((ErrorCode::None, None), |error| error.answer());
    IncrementalAlterConfigsResponseResource {
        error_code: code.code(),
        error_message: message.map(Str::from),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
    }
}

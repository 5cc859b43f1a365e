//! AlterConfigs (33): replaces all configs of a resource. kafka-configs alters brokers with it, after a DescribeConfigs.

use std::sync::Arc;

use super::{Alteration, BROKER, CLIENT_METRICS, TOPIC, alter_all, broker_of};
use crate::admin::AdminError;
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
        let outcomes = alter_all(&api, asked.resources, asked.validate_only).await;
        let responses = outcomes.into_iter().map(|(resource, done)| response(&resource, done)).collect();
        replier.reply(&AlterConfigsResponse { responses, ..Default::default() })
    }))
}

impl Alteration for AlterConfigsRequestResource {
    fn id(&self) -> (i8, &str) {
        (self.resource_type, &self.resource_name)
    }

    async fn alter(&self, api: &Api, validate_only: bool) -> Result<(), AdminError> {
        ops::check_request(self.configs.iter().map(|config| (config.name.as_str(), config.value.is_none())))?;
        let map: ConfigMap = self
            .configs
            .iter()
            .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())))
            .collect();
        match self.resource_type {
            TOPIC => api.admin.alter_topic_config(&self.resource_name, &map, validate_only).await,
            BROKER => {
                let broker = broker_of(&self.resource_name, api.cluster.broker_id, "Node")?;
                api.admin.alter_broker_config(broker, &map, validate_only).await
            }
            CLIENT_METRICS => Err(AdminError::InvalidRequest(
                "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS".into(),
            )),
            other => Err(AdminError::InvalidRequest(format!("Unknown resource type {other}"))),
        }
    }
}

/// What is told of one resource.
pub fn response(resource: &AlterConfigsRequestResource, done: Result<(), AdminError>) -> AlterConfigsResponseResource {
    let (code, message) = done.err().map_or((ErrorCode::None, None), |error| error.answer());
    AlterConfigsResponseResource {
        error_code: code.code(),
        error_message: message.map(Str::from),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
    }
}

//! DescribeCluster (0-1): the brokers on the asker's listener, and the controller.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request, operations};
use crate::base::{ErrorCode, ids::NO_BROKER};
use crate::wire::{DescribeClusterRequest, DescribeClusterResponse, DescribeClusterResponseBroker};

/// `endpoint_type` of brokers, the only one there is with ZooKeeper.
const BROKERS: i8 = 1;
/// `endpoint_type` of KRaft controllers.
const CONTROLLERS: i8 = 2;

/// Answers from the metadata image.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DescribeClusterRequest = request.decode()?;
    let replier = request.replier();
    if asked.endpoint_type != BROKERS {
        let code = match asked.endpoint_type {
            _ if request.version() == 0 => ErrorCode::InvalidRequest,
            CONTROLLERS => ErrorCode::MismatchedEndpointType,
            _ => ErrorCode::UnsupportedEndpointType,
        };
        let message = format!("Unsupported endpoint type {}", asked.endpoint_type);
        return Ok(replier.reply(&DescribeClusterResponse {
            error_code: code.code(),
            error_message: Some(message.into()),
            ..Default::default()
        }));
    }
    let image = api.cluster.metadata.load();
    let brokers: Vec<_> = image
        .brokers
        .iter()
        .filter_map(|(id, broker)| {
            let endpoint = image.endpoint(*id, &request.peer.listener)?;
            Some(DescribeClusterResponseBroker {
                broker_id: *id,
                host: (&endpoint.host).into(),
                port: endpoint.port,
                rack: broker.rack.as_ref().map(Into::into),
            })
        })
        .collect();
    let controller = image.controller.filter(|id| brokers.iter().any(|broker| broker.broker_id == *id));
    Ok(replier.reply(&DescribeClusterResponse {
        error_message: None,
        cluster_id: (&api.cluster.id).into(),
        controller_id: controller.unwrap_or(NO_BROKER),
        brokers,
        cluster_authorized_operations: operations::told(
            operations::CLUSTER,
            asked.include_cluster_authorized_operations,
        ),
        ..Default::default()
    }))
}

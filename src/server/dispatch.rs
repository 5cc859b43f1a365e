//! From a frame to its handler: reads the header, refuses what Kafka refuses by closing, calls the one function of the API.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::api::{self, Api, Malformed, Outcome, Peer, Request};
use crate::wire::{ApiKey, DecodeError, decode_request_header};

/// Why a connection is closed instead of an answer given.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The header does not parse.
    #[error("malformed request header: {0}")]
    Header(#[from] DecodeError),
    /// A key of another kind of server, or of a later Kafka.
    #[error("API key {0} is not served here")]
    UnknownApi(i16),
    /// A version that was not advertised.
    #[error("{0} version {1} is not served here")]
    UnknownVersion(ApiKey, i16),
    /// The body does not parse.
    #[error(transparent)]
    Body(#[from] Malformed),
}

/// Reads the header of a frame.
///
/// # Errors
/// [`Refused`]: close the connection. ApiVersions of any version is let through, since its answer tells the client what to use.
pub fn open(frame: Bytes, peer: &Arc<Peer>) -> Result<Request, Refused> {
    let (header, body) = decode_request_header(frame)?;
    let key = header.api().filter(|key| api::is_served(*key)).ok_or(Refused::UnknownApi(header.api_key))?;
    if !key.supports(header.api_version) && key != ApiKey::ApiVersions {
        return Err(Refused::UnknownVersion(key, header.api_version));
    }
    Ok(Request { header, key, body, peer: peer.clone() })
}

/// Calls the handler. The future is boxed, so that an idle connection does not hold room for the largest of them.
pub fn call(api: &Arc<Api>, request: Request) -> BoxFuture<'static, Result<Outcome, Malformed>> {
    let api = api.clone();
    macro_rules! handlers {
        ($($key:ident => $handler:path),* $(,)?) => {
            match request.key {
                $(ApiKey::$key => Box::pin(async move { $handler(&api, request).await }),)*
                // `open` lets served keys alone through.
                _ => Box::pin(async { Ok(Outcome::Close) }),
            }
        };
    }
    handlers! {
        Produce => api::data::produce::handle,
        Fetch => api::data::fetch::handle,
        ListOffsets => api::data::list_offsets::handle,
        OffsetForLeaderEpoch => api::data::offset_for_leader_epoch::handle,
        InitProducerId => api::data::init_producer_id::handle,
        DeleteRecords => api::data::delete_records::handle,
        DescribeProducers => api::data::describe_producers::handle,
        ApiVersions => api::metadata::api_versions::handle,
        Metadata => api::metadata::metadata::handle,
        DescribeCluster => api::metadata::describe_cluster::handle,
        LeaderAndIsr => api::control::leader_and_isr::handle,
        UpdateMetadata => api::control::update_metadata::handle,
        StopReplica => api::control::stop_replica::handle,
        ControlledShutdown => api::control::controlled_shutdown::handle,
        AlterPartition => api::control::alter_partition::handle,
        AllocateProducerIds => api::control::allocate_producer_ids::handle,
        DescribeLogDirs => api::admin::describe_log_dirs::handle,
    }
}

//! FindCoordinator (0-6): the leader of the partition that a group's or transactional id hashes to; makes the internal topic on first use.

use std::sync::Arc;
use std::time::Duration;

use crate::api::{Api, Malformed, Outcome, Peer, Request};
use crate::base::{BrokerId, ErrorCode};
use crate::cluster::{Endpoint, MetadataImage};
use crate::group::OFFSETS_TOPIC;
use crate::txn::TRANSACTION_TOPIC;
use crate::wire::{FindCoordinatorRequest, FindCoordinatorResponse, FindCoordinatorResponseCoordinator, Str};

/// The first version that asks for many keys.
const FIRST_BATCH_VERSION: i16 = 4;
/// The first version whose clients know share groups.
const FIRST_SHARE_VERSION: i16 = 6;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// How long the creation of an internal topic is waited for: a client that is told COORDINATOR_NOT_AVAILABLE comes back half a second
/// later.
const CREATION_WAIT: Duration = Duration::from_secs(1);

/// Answers from the metadata image. Who asks first waits for the topic to be created and led; after a second it is told
/// COORDINATOR_NOT_AVAILABLE.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: FindCoordinatorRequest = request.decode()?;
    let keys = if version >= FIRST_BATCH_VERSION { asked.coordinator_keys } else { vec![asked.key] };
    let topic = match asked.key_type {
        GROUP => Ok(OFFSETS_TOPIC),
        TRANSACTION => Ok(TRANSACTION_TOPIC),
        SHARE if version >= FIRST_SHARE_VERSION => Err(ErrorCode::CoordinatorNotAvailable),
        _ => Err(ErrorCode::InvalidRequest),
    };
    let is_new = topic.is_ok_and(|topic| !api.cluster.metadata.load().contains(topic));
    let replier = request.replier();
    let (then, peer) = (api.clone(), request.peer.clone());
    let answer = move || replier.reply(&answer(&then, &peer, topic, keys, version));
    if !is_new {
        return Ok(answer());
    }
    let api = api.clone();
    Ok(Outcome::later(async move {
        if let Ok(topic) = topic {
            make_topic(&api, topic).await;
        }
        answer()
    }))
}

fn answer(
    api: &Api,
    peer: &Peer,
    topic: Result<&'static str, ErrorCode>,
    keys: Vec<Str>,
    version: i16,
) -> FindCoordinatorResponse {
    let mut coordinators: Vec<_> = keys
        .into_iter()
        .map(|key| match topic.and_then(|topic| coordinator(api, peer, topic, &key)) {
            Ok((node_id, endpoint)) => FindCoordinatorResponseCoordinator {
                key,
                node_id,
                host: endpoint.host.into(),
                port: endpoint.port,
                ..Default::default()
            },
            Err(error) => FindCoordinatorResponseCoordinator {
                key,
                node_id: -1,
                host: Str::EMPTY,
                port: -1,
                error_code: error.code(),
                ..Default::default()
            },
        })
        .collect();
    if version >= FIRST_BATCH_VERSION {
        FindCoordinatorResponse { coordinators, ..Default::default() }
    } else {
        let one = coordinators.pop().unwrap_or_default();
        FindCoordinatorResponse {
            error_code: one.error_code,
            node_id: one.node_id,
            host: one.host,
            port: one.port,
            ..Default::default()
        }
    }
}

/// Creates an internal topic and waits until all its partitions have leaders; not for long. The creation goes on when that ends.
async fn make_topic(api: &Api, topic: &'static str) {
    let led = |image: &MetadataImage| {
        image.topics.get(topic).is_some_and(|topic| topic.partitions.values().all(|partition| partition.leader >= 0))
    };
    let made = async {
        let codes = api.admin.auto_create(&[topic.into()]).await;
        tracing::debug!(?codes, "an internal topic is asked for the first time");
        // With too few brokers nothing comes.
        if !codes.values().any(|code| *code == ErrorCode::InvalidReplicationFactor) {
            api.cluster.metadata.wait_until(led).await;
        }
    };
    let _ = tokio::time::timeout(CREATION_WAIT, made).await; // what is known then is told
}

fn coordinator(api: &Api, peer: &Peer, topic: &str, key: &str) -> Result<(BrokerId, Endpoint), ErrorCode> {
    let image = api.cluster.metadata.load();
    let index = if topic == OFFSETS_TOPIC { api.groups.partition_of(key) } else { api.txns.partition_of(key) };
    let partition = image.partition(topic, index);
    let leader = partition.ok_or(ErrorCode::CoordinatorNotAvailable)?.leader;
    let endpoint = image.endpoint(leader, &peer.listener).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    Ok((leader, endpoint.clone()))
}

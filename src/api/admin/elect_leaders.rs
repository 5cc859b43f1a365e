//! ElectLeaders (0-2): the controller elects preferred or unclean leaders, then waits until this broker's metadata shows them.
//!
//! Kafka's `ReplicaManager.electLeaders` and `DelayedElectLeader`. With a null list all partitions are meant, and those that need no
//! election are left out of the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Parts;
use crate::api::{Api, Malformed, Outcome, Peer, Request};
use crate::base::{BrokerId, ErrorCode, TopicPartition};
use crate::cluster::MetadataImage;
use crate::controller::{ApiError, ControllerHandle, ElectionKind};
use crate::wire::{
    ElectLeadersRequest, ElectLeadersResponse, ElectLeadersResponsePartition, ElectLeadersResponseTopic,
};

/// From this version on the request says what kind of election; before, it is preferred.
const FIRST_TYPE_VERSION: i16 = 1;

/// What became of the elections, by partition: the leader, or why there was none.
pub type Elected = BTreeMap<TopicPartition, Result<BrokerId, ApiError>>;

/// Answers when all new leaders show in the metadata, or the time is over.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: ElectLeadersRequest = request.decode()?;
    let replier = request.replier();
    let partitions: Option<Vec<TopicPartition>> = asked.topic_partitions.as_ref().map(|topics| {
        let of = |topic: &crate::wire::ElectLeadersRequestTopic| {
            let name: Arc<str> = (&topic.topic).into();
            let of = move |index: &i32| TopicPartition { topic: name.clone(), partition: *index };
            topic.partitions.iter().map(of).collect::<Vec<_>>()
        };
        topics.iter().flat_map(of).collect()
    });
    let kind = match asked.election_type {
        0 => ElectionKind::Preferred,
        1 if replier.version() >= FIRST_TYPE_VERSION => ElectionKind::Unclean,
        _ => {
            // Kafka's handler throws here.
            let refused = refuse_all(partitions, ErrorCode::UnknownServerError);
            return Ok(replier.reply(&answer(ErrorCode::UnknownServerError, refused)));
        }
    };
    let (parts, controller, peer) = (Parts::of(api), api.controller.clone(), request.peer.clone());
    let timeout_ms = asked.timeout_ms;
    Ok(Outcome::later(async move {
        let elected = elect(&parts, &controller, &peer, partitions, kind, timeout_ms).await;
        replier.reply(&answer(ErrorCode::None, elected))
    }))
}

/// Elects and waits. What is not the controller refuses each partition that was named, and nothing where none was.
async fn elect(
    parts: &Parts,
    controller: &ControllerHandle,
    peer: &Peer,
    partitions: Option<Vec<TopicPartition>>,
    kind: ElectionKind,
    timeout_ms: i32,
) -> Elected {
    let started = parts.env.clock.now();
    let mut elected = match controller.elect_leaders(partitions.clone(), kind).await {
        Ok(elected) => elected,
        Err(code) => return refuse_all(partitions, code),
    };
    let spent_ms = i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX);
    parts.wait_for_metadata(peer, timeout_ms.saturating_sub(spent_ms), |image| late(image, &elected).is_empty()).await;
    for name in late(&parts.cluster.metadata.load(), &elected) {
        elected.insert(name, Err(ErrorCode::RequestTimedOut.into()));
    }
    elected
}

/// The partitions whose new leader the image does not show.
fn late(image: &MetadataImage, elected: &Elected) -> Vec<TopicPartition> {
    let shows = |name: &TopicPartition, leader: BrokerId| {
        image.partition(&name.topic, name.partition).is_some_and(|p| p.leader == leader)
    };
    let led = elected.iter().filter_map(|(name, result)| Some((name, *result.as_ref().ok()?)));
    led.filter(|(name, leader)| !shows(name, *leader)).map(|(name, _)| name.clone()).collect()
}

fn refuse_all(partitions: Option<Vec<TopicPartition>>, code: ErrorCode) -> Elected {
    partitions.unwrap_or_default().into_iter().map(|name| (name, Err(code.into()))).collect()
}

/// The answer, in the order of the names.
pub fn answer(code: ErrorCode, elected: Elected) -> ElectLeadersResponse {
    let mut topics: Vec<ElectLeadersResponseTopic> = Vec::new();
    for (name, result) in elected {
        let error = result.err();
        let partition = ElectLeadersResponsePartition {
            partition_id: name.partition,
            error_code: error.as_ref().map_or(0, |error| error.code.code()),
            error_message: error.and_then(|error| error.message).map(Into::into),
        };
        match topics.last_mut() {
            Some(topic) if *topic.topic == *name.topic => topic.partition_result.push(partition),
            _ => topics
                .push(ElectLeadersResponseTopic { topic: (&name.topic).into(), partition_result: vec![partition] }),
        }
    }
    ElectLeadersResponse { error_code: code.code(), replica_election_results: topics, ..Default::default() }
}

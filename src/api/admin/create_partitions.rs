//! CreatePartitions (37): the controller adds partitions to topics, then waits until this broker's metadata has a leader for every
//! partition of them, the old ones included.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Parts, all_led, to_its_end};
use crate::admin::Growth;
use crate::api::{Api, Malformed, Outcome, Peer, Request};
use crate::base::ErrorCode;
use crate::wire::{
    CreatePartitionsRequest, CreatePartitionsRequestTopic, CreatePartitionsResponse, CreatePartitionsResponseTopic, Str,
};

/// Code and message of one topic.
pub type Told = (ErrorCode, Option<String>);

/// Answers when all topics are refused, led, or late.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: CreatePartitionsRequest = request.decode()?;
    let replier = request.replier();
    if !api.controller.is_active() {
        let told = asked.topics.iter().map(|topic| (topic.name.clone(), (ErrorCode::NotController, None))).collect();
        return Ok(replier.reply(&answer(told)));
    }
    let (parts, peer) = (Parts::of(api), request.peer.clone());
    Ok(Outcome::later(async move { replier.reply(&grow(&parts, &peer, asked).await) }))
}

/// Adds partitions at the controller and waits for their leaders. The work in ZooKeeper runs to its end when this is dropped.
pub async fn grow(parts: &Parts, peer: &Peer, asked: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let (timeout_ms, validate_only) = (asked.timeout_ms, asked.validate_only);
    let mut told = duplicates(&asked.topics);
    let to_grow: Vec<CreatePartitionsRequestTopic> =
        asked.topics.into_iter().filter(|topic| !told.contains_key(&topic.name)).collect();
    let admin = parts.admin.clone();
    let work = async move {
        let mut grown = Vec::with_capacity(to_grow.len());
        for topic in to_grow {
            let done = admin.create_partitions(&growth(&topic), validate_only).await;
            if let Err(error) = &done {
                tracing::info!(topic = %topic.name, %error, "no partitions were added");
            }
            grown.push((topic.name, done));
        }
        grown
    };
    let grown = to_its_end(&parts.env, &parts.admin, "create partitions", work).await;
    let wait = timeout_ms > 0 && !validate_only;
    if wait {
        let done: Vec<(&Str, i32)> =
            grown.iter().filter_map(|(name, done)| Some((name, *done.as_ref().ok()?))).collect();
        let led = |image: &_| done.iter().all(|(name, partitions)| all_led(image, name, *partitions));
        parts.wait_for_metadata(peer, timeout_ms, led).await;
    }
    let image = parts.cluster.metadata.load();
    for (name, done) in grown {
        let result = match done {
            Ok(partitions) if validate_only || (wait && all_led(&image, &name, partitions)) => (ErrorCode::None, None),
            Ok(_) => (ErrorCode::RequestTimedOut, None),
            Err(error) => error.answer(),
        };
        told.insert(name, result);
    }
    answer(told)
}

/// Topics named more than once.
fn duplicates(topics: &[CreatePartitionsRequestTopic]) -> BTreeMap<Str, Told> {
    let refused = (ErrorCode::InvalidRequest, Some("Duplicate topic in request.".to_owned()));
    let mut seen = BTreeSet::new();
    let twice = topics.iter().filter(|topic| !seen.insert(&topic.name));
    twice.map(|topic| (topic.name.clone(), refused.clone())).collect()
}

fn growth(topic: &CreatePartitionsRequestTopic) -> Growth {
    let by_hand = topic.assignments.as_ref();
    Growth {
        topic: topic.name.to_string(),
        count: topic.count,
        assignments: by_hand.map(|lists| lists.iter().map(|list| list.broker_ids.clone()).collect()),
    }
}

/// The answer, in the order of the names.
pub fn answer(told: BTreeMap<Str, Told>) -> CreatePartitionsResponse {
    let result = |(name, (code, message)): (Str, Told)| CreatePartitionsResponseTopic {
        name,
        error_code: code.code(),
        error_message: message.map(Str::from),
    };
    CreatePartitionsResponse { results: told.into_iter().map(result).collect(), ..Default::default() }
}

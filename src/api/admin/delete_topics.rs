//! DeleteTopics (20): the controller marks the topics in ZooKeeper, then waits until they are gone from this broker's metadata. From
//! version 6 on a topic may be named by its id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Parts, to_its_end};
use crate::api::{Api, Malformed, Outcome, Peer, Request};
use crate::base::{ErrorCode, TopicId};
use crate::cluster::MetadataImage;
use crate::wire::{DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicsResponseTopic, Str};

/// From this version on a client knows TOPIC_DELETION_DISABLED.
const KNOWS_DISABLED: i16 = 3;

/// A topic as asked for: by name, by id, or (a fault) by both or neither.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its name.
    pub name: Option<Str>,
    /// Its id, zero when asked by name.
    pub id: TopicId,
}

/// Answers when all topics are refused, gone, or late.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let decoded: DeleteTopicsRequest = request.decode()?;
    let replier = request.replier();
    let timeout_ms = decoded.timeout_ms;
    let asked = asked_topics(decoded);
    let all = |code: ErrorCode| {
        let responses = asked.iter().map(|topic| told(topic.name.clone(), topic.id, code)).collect();
        replier.reply(&DeleteTopicsResponse { responses, ..Default::default() })
    };
    if !api.controller.is_active() {
        return Ok(all(ErrorCode::NotController));
    }
    if !api.config.load().delete_topic_enable {
        let known = request.version() >= KNOWS_DISABLED;
        return Ok(all(if known { ErrorCode::TopicDeletionDisabled } else { ErrorCode::InvalidRequest }));
    }
    if asked.iter().any(|topic| topic.name.is_some() && !topic.id.is_zero()) {
        return Ok(all(ErrorCode::InvalidRequest));
    }
    let (parts, peer) = (Parts::of(api), request.peer.clone());
    Ok(Outcome::later(async move { replier.reply(&delete(&parts, &peer, &asked, timeout_ms).await) }))
}

/// Marks topics at the controller and waits until they are gone. The work in ZooKeeper runs to its end when this is dropped.
pub async fn delete(parts: &Parts, peer: &Peer, asked: &[Asked], timeout_ms: i32) -> DeleteTopicsResponse {
    let mut responses = resolve(asked, &parts.cluster.metadata.load());
    let to_delete: BTreeSet<String> = responses
        .iter()
        .filter(|topic| topic.error_code == ErrorCode::None.code())
        .filter_map(|topic| topic.name.as_ref().map(String::from))
        .collect();
    let admin = parts.admin.clone();
    let work = async move {
        let mut codes: BTreeMap<String, ErrorCode> = BTreeMap::new();
        for topic in to_delete {
            let code = match admin.mark_for_deletion(&topic).await {
                Ok(()) => ErrorCode::None,
                Err(error) => {
                    tracing::warn!(topic, %error, "the topic could not be marked for deletion");
                    error.code()
                }
            };
            codes.insert(topic, code);
        }
        codes
    };
    let mut codes = to_its_end(&parts.env, &parts.admin, "delete topics", work).await;
    let marked: Vec<String> = codes.iter().filter(|(_, code)| code.is_none()).map(|(topic, _)| topic.clone()).collect();
    if timeout_ms > 0 {
        let gone = |image: &MetadataImage| !marked.iter().any(|topic| image.contains(topic));
        parts.wait_for_metadata(peer, timeout_ms, gone).await;
    }
    let image = parts.cluster.metadata.load();
    for topic in marked {
        if timeout_ms <= 0 || image.contains(&topic) {
            codes.insert(topic, ErrorCode::RequestTimedOut);
        }
    }
    for response in &mut responses {
        if let Some(code) = response.name.as_deref().and_then(|name| codes.get(name)) {
            response.error_code = code.code();
        }
    }
    DeleteTopicsResponse { responses, ..Default::default() }
}

fn asked_topics(decoded: DeleteTopicsRequest) -> Vec<Asked> {
    let by_name = decoded.topic_names.into_iter().map(|name| Asked { name: Some(name), id: TopicId::ZERO });
    decoded.topics.into_iter().map(|topic| Asked { name: topic.name, id: topic.topic_id }).chain(by_name).collect()
}

/// Names for ids, and refusals of what the metadata doesn't know. A topic asked for by name is told with a zero id.
fn resolve(asked: &[Asked], image: &MetadataImage) -> Vec<DeleteTopicsResponseTopic> {
    let resolve = |topic: &Asked| {
        if !topic.id.is_zero() {
            return match image.name_of(topic.id) {
                Some(name) => told(Some(name.into()), topic.id, ErrorCode::None),
                None => told(None, topic.id, ErrorCode::UnknownTopicId),
            };
        }
        let code = match &topic.name {
            Some(name) if image.contains(name) => ErrorCode::None,
            Some(_) => ErrorCode::UnknownTopicOrPartition,
            None => ErrorCode::TopicAuthorizationFailed, // neither name nor id: nobody may delete that
        };
        told(topic.name.clone(), topic.id, code)
    };
    asked.iter().map(resolve).collect()
}

/// What is told of one topic.
pub fn told(name: Option<Str>, topic_id: TopicId, code: ErrorCode) -> DeleteTopicsResponseTopic {
    DeleteTopicsResponseTopic { name, topic_id, error_code: code.code(), ..Default::default() }
}

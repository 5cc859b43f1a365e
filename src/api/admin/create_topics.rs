//! CreateTopics (19): the controller writes the topics to ZooKeeper, then waits until this broker's metadata has a leader for every
//! partition. A topic whose leaders don't come in time is told as REQUEST_TIMED_OUT; it exists all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Parts, all_led, to_its_end};
use crate::admin::placement::Assignment;
use crate::admin::{AdminError, Created, NewTopic};
use crate::api::{Api, Malformed, Outcome, Peer, Request};
use crate::base::{ErrorCode, topic_names};
use crate::config::describe::Entry;
use crate::wire::{
    CreateTopicsRequest, CreateTopicsRequestTopic, CreateTopicsResponse, CreateTopicsResponseConfig,
    CreateTopicsResponseTopic, Str,
};

/// What became of a topic that was tried.
pub type Tried = Result<Created, AdminError>;

/// Answers when all topics are refused, led, or late.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: CreateTopicsRequest = request.decode()?;
    let replier = request.replier();
    if !api.controller.is_active() {
        let topics = asked.topics.into_iter().map(|topic| refused(topic.name, ErrorCode::NotController)).collect();
        return Ok(replier.reply(&CreateTopicsResponse { topics, ..Default::default() }));
    }
    let (parts, peer) = (Parts::of(api), request.peer.clone());
    Ok(Outcome::later(async move { replier.reply(&create(&parts, &peer, asked).await) }))
}

/// Creates topics at the controller and waits for their leaders. The work in ZooKeeper runs to its end when this is dropped.
pub async fn create(parts: &Parts, peer: &Peer, asked: CreateTopicsRequest) -> CreateTopicsResponse {
    let names: Vec<Str> = asked.topics.iter().map(|topic| topic.name.clone()).collect();
    let (timeout_ms, validate_only) = (asked.timeout_ms, asked.validate_only);
    let mut answers = refusals(&names);
    let to_create: Vec<CreateTopicsRequestTopic> =
        asked.topics.into_iter().filter(|topic| !answers.contains_key(&topic.name)).collect();
    let admin = parts.admin.clone();
    let work = async move {
        let mut tried = Vec::with_capacity(to_create.len());
        for topic in to_create {
            let done = admin.create_topic(&new_topic(&topic), validate_only).await;
            if let Err(error) = &done {
                tracing::info!(topic = %topic.name, %error, "the topic was not created");
            }
            tried.push((topic.name, done));
        }
        tried
    };
    let tried = to_its_end(&parts.env, &parts.admin, "create topics", work).await;
    let wait = timeout_ms > 0 && !validate_only;
    if wait {
        let made: Vec<(&Str, i32)> =
            tried.iter().filter_map(|(name, done)| Some((name, done.as_ref().ok()?.partitions))).collect();
        let led = |image: &_| made.iter().all(|(name, partitions)| all_led(image, name, *partitions));
        parts.wait_for_metadata(peer, timeout_ms, led).await;
    }
    let image = parts.cluster.metadata.load();
    for (name, done) in tried {
        let in_time = validate_only || (wait && all_led(&image, &name, done.as_ref().map_or(0, |c| c.partitions)));
        answers.insert(name.clone(), answer(name, done, in_time));
    }
    let topics = names.iter().filter_map(|name| answers.get(name).cloned()).collect();
    CreateTopicsResponse { topics, ..Default::default() }
}

/// Topics that are refused without a look at ZooKeeper.
fn refusals(asked: &[Str]) -> BTreeMap<Str, CreateTopicsResponseTopic> {
    let mut seen = BTreeSet::new();
    let mut refusals = BTreeMap::new();
    for name in asked {
        let why = if *name == topic_names::CLUSTER_METADATA {
            format!("Creation of internal topic {} is prohibited.", topic_names::CLUSTER_METADATA)
        } else if !seen.insert(name) {
            "Found multiple entries for this topic.".into()
        } else {
            continue;
        };
        let refusal = CreateTopicsResponseTopic {
            error_message: Some(why.into()),
            ..refused(name.clone(), ErrorCode::InvalidRequest)
        };
        refusals.insert(name.clone(), refusal);
    }
    refusals
}

fn refused(name: Str, code: ErrorCode) -> CreateTopicsResponseTopic {
    CreateTopicsResponseTopic { name, error_code: code.code(), ..Default::default() }
}

fn new_topic(topic: &CreateTopicsRequestTopic) -> NewTopic {
    let by_hand: Assignment =
        topic.assignments.iter().map(|list| (list.partition_index, list.broker_ids.clone())).collect();
    NewTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication: i32::from(topic.replication_factor),
        assignment: (!by_hand.is_empty()).then_some(by_hand),
        configs: topic.configs.iter().map(|c| (c.name.to_string(), c.value.as_ref().map(String::from))).collect(),
    }
}

/// What is told of one topic: a failed or late one without counts and configs.
pub fn answer(name: Str, done: Tried, in_time: bool) -> CreateTopicsResponseTopic {
    match done {
        Ok(created) if in_time => CreateTopicsResponseTopic {
            name,
            topic_id: created.id,
            error_message: None,
            num_partitions: created.partitions,
            replication_factor: created.replication,
            configs: Some(created.configs.into_iter().map(config).collect()),
            ..Default::default()
        },
        Ok(created) => CreateTopicsResponseTopic {
            topic_id: created.id,
            error_message: None,
            ..refused(name, ErrorCode::RequestTimedOut)
        },
        Err(error) => {
            let (code, message) = error.answer();
            CreateTopicsResponseTopic { error_message: message.map(Str::from), ..refused(name, code) }
        }
    }
}

fn config(entry: Entry) -> CreateTopicsResponseConfig {
    CreateTopicsResponseConfig {
        name: entry.name.into(),
        value: entry.value.map(Str::from),
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: entry.sensitive,
    }
}

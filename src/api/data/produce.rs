//! Produce (0-11): appends one batch a partition, answers when `acks` is satisfied.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::leaders::Leaders;
use super::refused::Sent;
use super::verify::{Proofs, verify};
use crate::api::{Api, Malformed, Outcome, Peer, Replier, Request};
use crate::base::topic_names::is_internal;
use crate::base::{ErrorCode, TopicPartition};
use crate::record::{Batches, Codec, Origin};
use crate::replica::append::{ACKS_ALL, NewBatch, Refusal, Verified, Written};
use crate::wire::{
    ProduceRequest, ProduceResponse, ProduceResponseLeaderIdAndEpoch, ProduceResponseNodeEndpoint,
    ProduceResponsePartition, ProduceResponseRecordError, ProduceResponseTopic, Records,
};

/// Only Kafka's own admin tools may write to internal topics, and they say so by this client id.
const ADMIN_CLIENT_ID: &str = "__admin_client";

/// The first version whose batches are of format 2; before it, message sets are converted.
const FIRST_BATCH_VERSION: i16 = 3;
/// The first version whose clients understand zstd.
const FIRST_ZSTD_VERSION: i16 = 7;

/// What became of one partition's batch.
struct Done {
    id: TopicPartition,
    result: Result<Written, Refusal>,
}

/// Appends in request order, on the connection's task; with acks=all the answer comes later.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: ProduceRequest = request.decode()?;
    let rules = Rules {
        acks: asked.acks,
        version,
        from_admin: request.client_id() == ADMIN_CLIENT_ID,
        in_transaction: asked.transactional_id.is_some(),
    };
    let mut proofs = match &asked.transactional_id {
        Some(id) => verify(api, id, &asked.topic_data, version).await,
        None => Proofs::new(),
    };
    let (refused, now) = (&request.peer.refused, api.env.clock.now());
    let mut done = Vec::new();
    for topic in asked.topic_data {
        let name: Arc<str> = (&topic.name).into();
        for partition in topic.partition_data {
            let id = TopicPartition::new(name.clone(), partition.index);
            let sent = partition.records.bytes().and_then(|bytes| Sent::first(bytes));
            let awaited = sent.and_then(|sent| refused.awaited(&id, sent, now));
            let result = match proofs.remove(&id).transpose() {
                Ok(verified) => append(api, &id, partition.records, verified, awaited, rules).await,
                Err(refusal) => Err(refusal),
            };
            if let Some(sent) = sent {
                refused.note(&id, sent, result.as_ref().err().map(|refusal| refusal.code), now);
            }
            done.push(Done { id, result });
        }
    }
    let replier = request.replier();
    if asked.acks == 0 {
        // The producer reads no answers: closing is the only way to tell it that something is wrong.
        return Ok(if done.iter().any(|d| d.result.is_err()) { Outcome::Close } else { Outcome::NoReply });
    }
    if asked.acks != ACKS_ALL || done.iter().all(|d| d.result.is_err()) {
        let codes = done.iter().map(|_| Ok(())).collect();
        return Ok(answer(api, &request.peer, replier, done, codes));
    }
    let deadline = api.env.clock.now() + Duration::from_millis(u64::try_from(asked.timeout_ms).unwrap_or(0));
    let (api, peer) = (api.clone(), request.peer);
    Ok(Outcome::later(async move {
        let waits = done.iter().map(|d| async {
            match &d.result {
                Ok(written) => written.committed(deadline).await,
                Err(_) => Ok(()),
            }
        });
        let codes = join_all(waits).await;
        answer(&api, &peer, replier, done, codes)
    }))
}

/// What a request says of all its batches.
#[derive(Clone, Copy)]
struct Rules {
    acks: i16,
    version: i16,
    from_admin: bool,
    in_transaction: bool,
}

async fn append(
    api: &Api,
    id: &TopicPartition,
    records: Records,
    verified: Option<Verified>,
    awaited: Option<i32>,
    rules: Rules,
) -> Result<Written, Refusal> {
    // In Kafka's order: the handler's checks, then those of `ReplicaManager`.
    if !api.knows(&id.topic, id.partition) {
        return Err(ErrorCode::UnknownTopicOrPartition.into());
    }
    let records = records.bytes().cloned().unwrap_or_default();
    if rules.version >= FIRST_BATCH_VERSION {
        check_shape(&records, rules)?;
    }
    if !matches!(rules.acks, ACKS_ALL..=1) {
        return Err(ErrorCode::InvalidRequiredAcks.into());
    }
    if is_internal(&id.topic) && !rules.from_admin {
        return Err(ErrorCode::InvalidTopicException.into());
    }
    api.replicas.append(id, NewBatch { records, verified, awaited }, rules.acks, Origin::Client).await
}

/// One batch of format 2 (`ProduceRequest.validateRecords`). What the batch says is checked at the append.
fn check_shape(records: &Bytes, rules: Rules) -> Result<(), ErrorCode> {
    let mut batches = Batches::new(records);
    let first = match batches.next() {
        Some(Ok(batch)) => batch,
        Some(Err(error)) if !error.is_incomplete() => return Err(error.code()),
        Some(Err(_)) | None => return Err(ErrorCode::InvalidRecord), // half a batch is none
    };
    if first.magic() != 2 || batches.next().is_some() {
        return Err(ErrorCode::InvalidRecord);
    }
    if first.is_transactional() && !rules.in_transaction {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed); // nobody is allowed to write under no id
    }
    match first.codec() {
        Ok(Codec::Zstd) if rules.version < FIRST_ZSTD_VERSION => Err(ErrorCode::UnsupportedCompressionType),
        Ok(_) => Ok(()),
        Err(error) => Err(error.code()),
    }
}

fn answer(api: &Api, peer: &Peer, replier: Replier, done: Vec<Done>, codes: Vec<Result<(), ErrorCode>>) -> Outcome {
    let image = api.cluster.metadata.load();
    let mut leaders = Leaders::new(&image, peer);
    let mut responses: Vec<ProduceResponseTopic> = Vec::new();
    for (Done { id, result }, code) in done.into_iter().zip(codes) {
        let mut partition = match result {
            Ok(written) => ProduceResponsePartition {
                error_code: code.err().unwrap_or_default().code(),
                base_offset: written.appended.first_offset,
                log_append_time_ms: written.appended.append_time,
                log_start_offset: written.appended.start_offset,
                ..Default::default()
            },
            Err(refusal) => ProduceResponsePartition {
                error_code: refusal.code.code(),
                base_offset: -1,
                record_errors: refusal
                    .records
                    .into_iter()
                    .map(|(batch_index, message)| ProduceResponseRecordError {
                        batch_index,
                        batch_index_error_message: Some(message.into()),
                    })
                    .collect(),
                error_message: refusal.message.map(Into::into),
                log_start_offset: refusal.start_offset,
                ..Default::default()
            },
        };
        partition.index = id.partition;
        if partition.error_code != ErrorCode::None.code() {
            api.env.metrics.failed_produces.add(1);
        }
        if replier.version() >= FIRST_HINT_VERSION
            && partition.error_code == ErrorCode::NotLeaderOrFollower.code()
            && let Some((leader_id, leader_epoch)) =
                leaders.hint(ErrorCode::NotLeaderOrFollower, &id.topic, id.partition)
        {
            partition.current_leader = ProduceResponseLeaderIdAndEpoch { leader_id, leader_epoch };
        }
        match responses.last_mut() {
            Some(topic) if *topic.name == *id.topic => topic.partition_responses.push(partition),
            _ => {
                responses.push(ProduceResponseTopic { name: (&id.topic).into(), partition_responses: vec![partition] })
            }
        }
    }
    let node_endpoints = leaders
        .named()
        .map(|(node_id, endpoint, rack)| ProduceResponseNodeEndpoint {
            node_id,
            host: endpoint.host.into(),
            port: endpoint.port,
            rack: rack.map(Into::into),
        })
        .collect();
    replier.reply(&ProduceResponse { responses, throttle_time_ms: 0, node_endpoints })
}

/// The first version that tells of the current leader.
const FIRST_HINT_VERSION: i16 = 10;

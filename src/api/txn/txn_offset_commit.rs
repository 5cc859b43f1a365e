//! TxnOffsetCommit (0-4): writes offsets of a group within a transaction; they count when the transaction is committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::group::by_topic;
use crate::api::{Api, Malformed, Outcome, Replier, Request};
use crate::base::ErrorCode;
use crate::group::offsets::Place;
use crate::group::record::OffsetValue;
use crate::group::types::Claim;
use crate::group::{TxnProducer, commit_error};
use crate::txn::Producer;
use crate::wire::{
    TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

/// The first version whose clients know TRANSACTION_ABORTABLE.
const FIRST_ABORTABLE_VERSION: i16 = 4;
/// The first version whose clients survive COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
const FIRST_LOADING_VERSION: i16 = 2;
/// Offsets have no sequence.
const NO_SEQUENCE: i32 = -1;

/// What the request asks, out of its frame.
struct Asked {
    transactional_id: Arc<str>,
    group: Arc<str>,
    who: Claim,
    producer: Producer,
}

/// Commits what can be; each partition has its code.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: TxnOffsetCommitRequest = request.decode()?;
    let replier = request.replier();
    let now_ms = api.env.clock.wall_ms();
    let mut codes: Vec<(Place, ErrorCode)> = Vec::new();
    let mut entries: BTreeMap<Place, OffsetValue> = BTreeMap::new();
    {
        let image = api.cluster.metadata.load();
        for topic in &asked.topics {
            let name: Arc<str> = (&topic.name).into();
            for partition in &topic.partitions {
                let place = (name.clone(), partition.partition_index);
                let note = partition.committed_metadata.as_deref().unwrap_or("");
                let code = if image.partition(&name, partition.partition_index).is_none() {
                    ErrorCode::UnknownTopicOrPartition
                } else if !api.groups.settings().admits_note(note) {
                    ErrorCode::OffsetMetadataTooLarge
                } else {
                    let value = OffsetValue {
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                        metadata: note.into(),
                        commit_ms: now_ms,
                        expire_ms: None,
                    };
                    entries.insert(place.clone(), value);
                    ErrorCode::None
                };
                codes.push((place, code));
            }
        }
    }
    let asked = Asked {
        transactional_id: (&asked.transactional_id).into(),
        group: (&asked.group_id).into(),
        who: Claim {
            member_id: (&asked.member_id).into(),
            instance: asked.group_instance_id.as_ref().map(Into::into),
            generation: asked.generation_id,
        },
        producer: Producer { id: asked.producer_id, epoch: asked.producer_epoch },
    };
    let api = api.clone();
    Ok(Outcome::later(async move {
        if codes.iter().any(|(_, code)| *code != ErrorCode::UnknownTopicOrPartition)
            && let Err(error) = commit(&api, &asked, entries.into_iter().collect(), version).await
        {
            for (_, code) in codes.iter_mut().filter(|(_, code)| *code != ErrorCode::UnknownTopicOrPartition) {
                *code = error;
            }
        }
        answer(replier, codes)
    }))
}

/// The group is looked for first, then the transaction is verified, then the group may refuse (`handleTxnCommitOffsets`).
async fn commit(api: &Api, asked: &Asked, entries: Vec<(Place, OffsetValue)>, version: i16) -> Result<(), ErrorCode> {
    api.groups.check_here(&asked.group)?;
    if entries.is_empty() {
        return Ok(());
    }
    let partition = api.groups.partition_for(&asked.group);
    let mut verified = None;
    if api.config.load().transaction_partition_verification_enable {
        let begun = api.replicas.start_verification(&partition, asked.producer.id, asked.producer.epoch, NO_SEQUENCE);
        verified = begun.await.map_err(commit_error)?;
        if verified.is_some() {
            let knows_abortable = version >= FIRST_ABORTABLE_VERSION;
            let verify =
                api.txns.verify(&asked.transactional_id, asked.producer, vec![partition], knows_abortable).await;
            if let Some(code) = verify.into_iter().find(|code| !code.is_none()) {
                return Err(commit_error(code));
            }
        }
    }
    let producer = TxnProducer { id: asked.producer.id, epoch: asked.producer.epoch, verified };
    api.groups.commit_in_txn(&asked.group, &asked.who, producer, entries).await
}

fn answer(replier: Replier, codes: Vec<(Place, ErrorCode)>) -> Outcome {
    let code = |error: ErrorCode| match error {
        ErrorCode::CoordinatorLoadInProgress if replier.version() < FIRST_LOADING_VERSION => {
            ErrorCode::CoordinatorNotAvailable.code()
        }
        error => error.code(),
    };
    let topics = by_topic(codes).into_iter().map(|(name, partitions)| TxnOffsetCommitResponseTopic {
        name: name.into(),
        partitions: partitions
            .into_iter()
            .map(|(partition_index, error)| TxnOffsetCommitResponsePartition {
                partition_index,
                error_code: code(error),
            })
            .collect(),
    });
    replier.reply(&TxnOffsetCommitResponse { topics: topics.collect(), ..Default::default() })
}

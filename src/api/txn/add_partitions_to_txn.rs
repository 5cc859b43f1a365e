//! AddPartitionsToTxn (0-5): adds partitions to a transaction; from version 4 on for many transactions, and for brokers that only ask
//! whether partitions were added (KIP-890).

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;

use super::{FIRST_FENCED_VERSION, code_for};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::topic_names::is_internal;
use crate::base::{ErrorCode, TopicPartition};
use crate::txn::Producer;
use crate::wire::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnRequestTransaction, AddPartitionsToTxnResponse,
    AddPartitionsToTxnResponsePartition, AddPartitionsToTxnResponseTopic, AddPartitionsToTxnResponseTransaction,
};

/// The first version for many transactions; only brokers use it.
const FIRST_BATCH_VERSION: i16 = 4;

/// Each transaction for itself.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: AddPartitionsToTxnRequest = request.decode()?;
    let transactions = if version >= FIRST_BATCH_VERSION {
        asked.transactions
    } else {
        vec![AddPartitionsToTxnRequestTransaction {
            transactional_id: asked.v3_and_below_transactional_id,
            producer_id: asked.v3_and_below_producer_id,
            producer_epoch: asked.v3_and_below_producer_epoch,
            verify_only: false,
            topics: asked.v3_and_below_topics,
        }]
    };
    let (api, replier) = (api.clone(), request.replier());
    Ok(Outcome::later(async move {
        let results = transactions.iter().map(|transaction| one(&api, transaction, version));
        let mut results: Vec<_> = join_all(results).await;
        replier.reply(&if version >= FIRST_BATCH_VERSION {
            AddPartitionsToTxnResponse { results_by_transaction: results, ..Default::default() }
        } else {
            let only = results.pop().unwrap_or_default();
            AddPartitionsToTxnResponse { results_by_topic_v3_and_below: only.topic_results, ..Default::default() }
        })
    }))
}

async fn one(
    api: &Api,
    asked: &AddPartitionsToTxnRequestTransaction,
    version: i16,
) -> AddPartitionsToTxnResponseTransaction {
    let id: Arc<str> = (&asked.transactional_id).into();
    let who = Producer { id: asked.producer_id, epoch: asked.producer_epoch };
    let partitions: Vec<TopicPartition> = asked
        .topics
        .iter()
        .flat_map(|topic| {
            let name: Arc<str> = (&topic.name).into();
            topic.partitions.iter().map(move |index| TopicPartition::new(name.clone(), *index))
        })
        .collect();
    let refusals: Vec<ErrorCode> = partitions.iter().map(|partition| refusal(api, partition, version)).collect();
    let codes = if refusals.iter().any(|code| !code.is_none()) {
        // One that can't be added keeps all others out.
        let attempted = |code: ErrorCode| if code.is_none() { ErrorCode::OperationNotAttempted } else { code };
        refusals.into_iter().map(attempted).collect()
    } else if asked.verify_only {
        api.txns.check_partitions(&id, who, &partitions).unwrap_or_else(|code| vec![code; partitions.len()])
    } else {
        let all: BTreeSet<TopicPartition> = partitions.iter().cloned().collect();
        let code = api.txns.add_partitions(&id, who, all).await.err().unwrap_or_default();
        vec![code; partitions.len()]
    };
    let mut codes = codes.into_iter();
    let topics = asked.topics.iter().map(|topic| AddPartitionsToTxnResponseTopic {
        name: topic.name.clone(),
        results_by_partition: topic
            .partitions
            .iter()
            .map(|index| AddPartitionsToTxnResponsePartition {
                partition_index: *index,
                partition_error_code: code_for(codes.next().unwrap_or_default(), version, FIRST_FENCED_VERSION),
            })
            .collect(),
    });
    AddPartitionsToTxnResponseTransaction {
        topic_results: topics.collect(),
        transactional_id: asked.transactional_id.clone(),
    }
}

/// Clients add offsets by AddOffsetsToTxn, not by the topic's name.
fn refusal(api: &Api, partition: &TopicPartition, version: i16) -> ErrorCode {
    if version < FIRST_BATCH_VERSION && is_internal(&partition.topic) {
        ErrorCode::TopicAuthorizationFailed
    } else if !api.knows(&partition.topic, partition.partition) {
        ErrorCode::UnknownTopicOrPartition
    } else {
        ErrorCode::None
    }
}

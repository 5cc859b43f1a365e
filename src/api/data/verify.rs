//! Before a transactional produce: is each partition in the producer's open transaction (KIP-890 part 1)?
//!
//! Only the first batch of a transaction in a partition needs an answer from the coordinator; afterwards the log knows by itself. A
//! producer whose transaction was ended over its head (time-out, fence) could otherwise open one here that nobody ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::refused::Sent;
use crate::api::Api;
use crate::base::{ErrorCode, TopicPartition};
use crate::replica::append::{Refusal, Verified};
use crate::txn::Producer;
use crate::wire::{ProduceRequestTopic, Str};

/// The first version whose clients know TRANSACTION_ABORTABLE.
const FIRST_ABORTABLE_VERSION: i16 = 11;

/// What is known of a partition: the proof to append with, or why it must not be appended to. Without an entry no proof is needed.
pub type Proofs = BTreeMap<TopicPartition, Result<Verified, Refusal>>;

/// Verifies a request's transaction. Waited for on the connection: the batches behind must not overtake this one.
pub async fn verify(api: &Api, transactional_id: &Str, topics: &[ProduceRequestTopic], version: i16) -> Proofs {
    let mut proofs = Proofs::new();
    if !api.config.load().transaction_partition_verification_enable {
        return proofs;
    }
    let mut only: Option<Producer> = None;
    let mut asked: Vec<(TopicPartition, Verified)> = Vec::new();
    for topic in topics {
        let name: Arc<str> = (&topic.name).into();
        for partition in &topic.partition_data {
            let id = TopicPartition::new(name.clone(), partition.index);
            let sent = partition.records.bytes().and_then(|bytes| Sent::first(bytes));
            let Some(Sent { producer: who, sequence, .. }) = sent.filter(|sent| sent.transactional) else { continue };
            if !api.knows(&id.topic, id.partition) {
                continue;
            }
            if *only.get_or_insert(who) != who {
                proofs.insert(id, Err(ErrorCode::InvalidProducerIdMapping.into()));
                continue;
            }
            // An error is the append's to tell.
            if let Ok(Some(verified)) = api.replicas.start_verification(&id, who.id, who.epoch, sequence).await {
                asked.push((id, verified));
            }
        }
    }
    let Some(who) = only.filter(|_| !asked.is_empty()) else { return proofs };
    let ids = asked.iter().map(|(id, _)| id.clone()).collect();
    let codes = api.txns.verify(transactional_id, who, ids, version >= FIRST_ABORTABLE_VERSION).await;
    for ((id, verified), code) in asked.into_iter().zip(codes) {
        proofs.insert(id, if code.is_none() { Ok(verified) } else { Err(refusal(code)) });
    }
    proofs
}

/// The coordinator's code as producers know it: all understand NOT_ENOUGH_REPLICAS as "again", without asking for metadata.
fn refusal(code: ErrorCode) -> Refusal {
    let (told, message) = match code {
        ErrorCode::InvalidTxnState => (code, Some("Partition was not added to the transaction".into())),
        ErrorCode::ConcurrentTransactions
        | ErrorCode::NetworkException
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => {
            let why =
                format!("Unable to verify the partition has been added to the transaction. Underlying error: {code}");
            (ErrorCode::NotEnoughReplicas, Some(why))
        }
        code => (code, None),
    };
    Refusal { message, ..told.into() }
}

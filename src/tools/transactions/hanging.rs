//! `find-hanging`: transactions that have been open for longer than any may, and that no coordinator will ever end.

use std::collections::{BTreeMap, BTreeSet};

use super::failed;
use crate::base::{BrokerId, ErrorCode};
use crate::tools::admin_client::AdminClient;
use crate::tools::admin_client::offsets::Partition;
use crate::tools::admin_client::transactions::{ProducerState, TransactionDescription};
use crate::tools::java::{DEFAULT_CAPACITY, Failure, hash_order_by, long_hash};

/// So many topics, and partitions, are asked for at a time.
const BATCH: usize = 500;

const MINUTE_MS: i64 = 60_000;

/// The columns of the table.
pub const HEADER: [&str; 8] = [
    "Topic",
    "Partition",
    "ProducerId",
    "ProducerEpoch",
    "CoordinatorEpoch",
    "StartOffset",
    "LastTimestamp",
    "Duration(min)",
];

/// Where to look.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Scope {
    /// Only replicas of this broker.
    pub broker: Option<BrokerId>,
    /// Only this topic.
    pub topic: Option<String>,
    /// Only this partition of it.
    pub partition: Option<i32>,
}

/// A transaction that a replica has open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    /// In which partition.
    pub partition: Partition,
    /// Whose.
    pub producer: ProducerState,
}

/// The cells of the table.
pub(super) async fn find(
    admin: &mut AdminClient,
    scope: &Scope,
    max_timeout_minutes: i32,
) -> Result<Vec<Vec<String>>, Failure> {
    let partitions = partitions(admin, scope).await?;
    let mut candidates = Vec::new();
    for batch in partitions.chunks(BATCH) {
        let answers = admin.describe_producers(scope.broker, batch).await;
        let now = now_ms();
        for (partition, answer) in answers {
            let producers = answer.map_err(|error| {
                let broker = scope.broker.map_or("Optional.empty".to_owned(), |id| format!("Optional[{id}]"));
                let what = format!("Failed to describe producers for {} partitions on broker {broker}", batch.len());
                failed(&what, &error)
            })?;
            let old = |producer: &ProducerState| {
                producer.transaction_start.is_some()
                    && now - producer.last_timestamp > i64::from(max_timeout_minutes) * MINUTE_MS
            };
            let open = producers.into_iter().filter(old);
            candidates.extend(open.map(|producer| Open { partition: partition.clone(), producer }));
        }
    }
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let producers: BTreeSet<i64> = candidates.iter().map(|open| open.producer.id).collect();
    let ids = transactional_ids(admin, producers).await?;
    let mut descriptions = BTreeMap::new();
    for (producer, id) in &ids {
        match admin.describe_transaction(id).await {
            Ok(description) => drop(descriptions.insert(*producer, description)),
            Err(error) if error.code == Some(ErrorCode::TransactionalIdNotFound) => {}
            Err(error) => return Err(failed(&format!("Failed to describe {} transactions", ids.len()), &error)),
        }
    }
    let now = now_ms();
    Ok(hanging(candidates, &descriptions).iter().map(|open| row(open, now)).collect())
}

/// Those that no coordinator has among the partitions it will still write a marker to, by producer in the order of a Java map.
pub fn hanging(open: Vec<Open>, known: &BTreeMap<i64, TransactionDescription>) -> Vec<Open> {
    let waits = |open: &Open| known.get(&open.producer.id).is_some_and(|t| t.partitions.contains(&open.partition));
    let mut producers: BTreeMap<i64, Vec<Open>> = BTreeMap::new();
    for open in open.into_iter().filter(|open| !waits(open)) {
        producers.entry(open.producer.id).or_default().push(open);
    }
    let producers = producers.into_iter().collect();
    hash_order_by(producers, DEFAULT_CAPACITY, |(id, _)| long_hash(*id))
        .into_iter()
        .flat_map(|(_, open)| open)
        .collect()
}

async fn partitions(admin: &mut AdminClient, scope: &Scope) -> Result<Vec<Partition>, Failure> {
    let topics = match (&scope.topic, scope.partition) {
        (Some(topic), Some(index)) => return Ok(vec![(topic.clone(), index)]),
        (Some(topic), None) => vec![topic.clone()],
        (None, _) => {
            let all = admin.list_topics(true).await.map_err(|error| failed("Failed to list topics", &error))?;
            all.into_iter().map(|(name, _)| name).collect()
        }
    };
    let mut partitions = Vec::new();
    for batch in topics.chunks(BATCH) {
        let described = admin.describe_topics(batch).await;
        let described =
            described.map_err(|error| failed(&format!("Failed to describe {} topics", batch.len()), &error))?;
        for topic in described {
            let here = topic.partitions.iter().filter(|p| scope.broker.is_none_or(|id| p.replicas.contains(&id)));
            partitions.extend(here.map(|p| (topic.name.clone(), p.partition)));
        }
    }
    Ok(partitions)
}

async fn transactional_ids(
    admin: &mut AdminClient,
    producers: BTreeSet<i64>,
) -> Result<BTreeMap<i64, String>, Failure> {
    let wanted: Vec<i64> = producers.iter().copied().collect();
    let listed = admin.list_transactions(&wanted, None).await;
    let listed = listed
        .map_err(|error| failed(&format!("Failed to list transactions for {} producers", wanted.len()), &error))?;
    let listed = listed.into_values().flatten().filter(|listing| producers.contains(&listing.producer_id));
    Ok(listed.map(|listing| (listing.producer_id, listing.id)).collect())
}

fn row(open: &Open, now_ms: i64) -> Vec<String> {
    let producer = &open.producer;
    vec![
        open.partition.0.clone(),
        open.partition.1.to_string(),
        producer.id.to_string(),
        producer.epoch.to_string(),
        producer.coordinator_epoch.unwrap_or(-1).to_string(),
        producer.transaction_start.unwrap_or(-1).to_string(),
        producer.last_timestamp.to_string(),
        ((now_ms - producer.last_timestamp) / MINUTE_MS).to_string(),
    ]
}

fn now_ms() -> i64 {
    chrono::Local::now().timestamp_millis()
}

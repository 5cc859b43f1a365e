//! Transactions: every coordinator lists its own and describes them; the leaders of partitions know their producers, and write the
//! marker that ends a transaction by an administrator's word.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::groups::{TRANSACTION_KEY, is_passing};
use super::offsets::{Answers, Partition};
use super::{AdminClient, LOOK_AGAIN, To, all, never};
use crate::base::{BrokerId, ErrorCode};
use crate::tools::java::Exception;
use crate::wire::{
    ApiKey, DescribeProducersRequest, DescribeProducersRequestTopic, DescribeProducersResponse,
    DescribeTransactionsRequest, DescribeTransactionsResponseTransaction, ListTransactionsRequest,
    ListTransactionsResponse, WriteTxnMarkersRequest, WriteTxnMarkersRequestMarker, WriteTxnMarkersRequestTopic,
    WriteTxnMarkersResponse,
};

/// States that Java's clients know (`TransactionState`).
const STATES: [&str; 7] =
    ["Ongoing", "PrepareAbort", "PrepareCommit", "CompleteAbort", "CompleteCommit", "Empty", "PrepareEpochFence"];

/// A transactional id as its coordinator lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionListing {
    /// `transactional.id`.
    pub id: String,
    /// Its producer.
    pub producer_id: i64,
    /// `Ongoing`, `CompleteCommit`, ...
    pub state: String,
}

/// A transactional id as its coordinator knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionDescription {
    /// Who knows it.
    pub coordinator: BrokerId,
    /// As in the listing.
    pub state: String,
    /// Its producer.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// `transaction.timeout.ms`.
    pub timeout_ms: i32,
    /// When the last transaction began.
    pub start_ms: Option<i64>,
    /// Partitions of the transaction under way that have no marker yet.
    pub partitions: BTreeSet<Partition>,
}

/// What a replica remembers of a producer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducerState {
    /// Its id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i32,
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// When that was written.
    pub last_timestamp: i64,
    /// Epoch of the coordinator that wrote its last marker; `None` before the first.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction starts here.
    pub transaction_start: Option<i64>,
}

/// A transaction to be aborted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AbortSpec {
    /// In this partition alone.
    pub partition: Partition,
    /// Whose.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// No marker of a younger coordinator may be there.
    pub coordinator_epoch: i32,
}

/// As Java prints it.
impl std::fmt::Display for AbortSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (topic, index) = &self.partition;
        write!(
            f,
            "AbortTransactionSpec(topicPartition={topic}-{index}, producerId={}, producerEpoch={}, coordinatorEpoch={})",
            self.producer_id, self.producer_epoch, self.coordinator_epoch
        )
    }
}

impl AdminClient {
    /// The transactional ids of all brokers, by coordinator: of these producers (none: of any), and in a transaction for longer than
    /// so many milliseconds.
    ///
    /// # Errors
    /// The first broker's that does not answer, or refuses.
    pub async fn list_transactions(
        &mut self,
        producer_ids: &[i64],
        longer_than_ms: Option<i64>,
    ) -> Result<BTreeMap<BrokerId, Vec<TransactionListing>>, Exception> {
        let longer_than_ms = longer_than_ms.filter(|duration| *duration >= 0);
        let least = i16::from(longer_than_ms.is_some());
        let mut found = BTreeMap::new();
        for node in self.describe_cluster().await?.nodes {
            let build = |_, _| ListTransactionsRequest {
                producer_id_filters: producer_ids.to_vec(),
                duration_filter: longer_than_ms.unwrap_or(-1),
                ..Default::default()
            };
            let loading = |answer: &ListTransactionsResponse| {
                Some(ErrorCode::from_code(answer.error_code))
                    .filter(|code| *code == ErrorCode::CoordinatorLoadInProgress)
            };
            let versions = least..=ApiKey::ListTransactions.max_version();
            let answer = self.call("listTransactions", To::Broker(node.id), versions, build, loading).await?;
            let why = match ErrorCode::from_code(answer.error_code) {
                ErrorCode::None => None,
                code @ ErrorCode::CoordinatorNotAvailable => {
                    Some((code, "failed because the coordinator is shutting down"))
                }
                code => Some((code, "failed with an unexpected exception")),
            };
            if let Some((code, why)) = why {
                let why = format!("ListTransactions request sent to broker {} {why}", node.id);
                return Err(Exception::of_code(code, Some(&why)));
            }
            let listing = |t: &crate::wire::ListTransactionsResponseTransaction| TransactionListing {
                id: t.transactional_id.to_string(),
                producer_id: t.producer_id,
                state: state(&t.transaction_state),
            };
            found.insert(node.id, answer.transaction_states.iter().map(listing).collect());
        }
        Ok(found)
    }

    /// What its coordinator knows of a transactional id.
    ///
    /// # Errors
    /// `TRANSACTIONAL_ID_NOT_FOUND` and the like, or no answer came.
    pub async fn describe_transaction(&mut self, id: &str) -> Result<TransactionDescription, Exception> {
        let deadline = Instant::now() + self.config.api_timeout;
        loop {
            let broker = self.coordinator_of(TRANSACTION_KEY, id).await?;
            let build = |_, _| DescribeTransactionsRequest { transactional_ids: vec![id.into()] };
            let ours = all(ApiKey::DescribeTransactions);
            let answer = self.call("describeTransactions", To::Broker(broker), ours, build, never).await?;
            let found = answer.transaction_states.iter().find(|t| t.transactional_id == *id);
            let Some(found) = found else {
                return Err(Exception::of_code(ErrorCode::UnknownServerError, None));
            };
            let code = ErrorCode::from_code(found.error_code);
            if code.is_none() {
                return Ok(description(broker, found));
            }
            if !is_passing(code) || Instant::now() + LOOK_AGAIN >= deadline {
                let why = match code {
                    ErrorCode::TransactionalIdAuthorizationFailed => "authorization failure",
                    ErrorCode::TransactionalIdNotFound => {
                        let why = format!(
                            "DescribeTransactions request for transactionalId `{id}` failed because the ID could not be found"
                        );
                        return Err(Exception::of_code(code, Some(&why)));
                    }
                    _ => "unexpected error",
                };
                let why = format!("DescribeTransactions request for transactionalId `{id}` failed due to {why}");
                return Err(Exception::of_code(code, Some(&why)));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The producers that partitions remember: their leaders', or one replica's.
    pub async fn describe_producers(
        &mut self,
        broker: Option<BrokerId>,
        partitions: &[Partition],
    ) -> Answers<Vec<ProducerState>> {
        let answers = match broker {
            None => {
                let wanted = partitions.iter().map(|partition| (partition.clone(), 0)).collect();
                let build = |topics: &BTreeMap<String, Vec<(i32, i64)>>, _: i32| {
                    let indexes = |of: &[(i32, i64)]| of.iter().map(|(index, _)| *index).collect();
                    producers_of(topics.iter().map(|(name, of)| (name.as_str(), indexes(of))))
                };
                let ours = all(ApiKey::DescribeProducers);
                self.ask_leaders("describeProducers", wanted, ours, build, |answer| producers(&answer)).await
            }
            Some(broker) => self.producers_at(broker, partitions).await,
        };
        let told = |(partition, result): (Partition, Result<_, Exception>)| {
            let result = result.map_err(|error| of_producers(&partition, broker, error));
            (partition, result)
        };
        answers.into_iter().map(told).collect()
    }

    async fn producers_at(&mut self, broker: BrokerId, partitions: &[Partition]) -> Answers<Vec<ProducerState>> {
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for (topic, index) in partitions {
            topics.entry(topic).or_default().push(*index);
        }
        let build = |_, _| producers_of(topics.iter().map(|(name, indexes)| (*name, indexes.clone())));
        // What the broker does not know yet it may come to know.
        let unknown = |answer: &DescribeProducersResponse| {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            let mut codes = partitions.map(|partition| ErrorCode::from_code(partition.error_code));
            codes.find(|code| *code == ErrorCode::UnknownTopicOrPartition)
        };
        let ours = all(ApiKey::DescribeProducers);
        match self.call("describeProducers", To::Broker(broker), ours, build, unknown).await {
            Ok(answer) => producers(&answer)
                .into_iter()
                .map(|(partition, code, found)| match ErrorCode::from_code(code) {
                    ErrorCode::None => (partition, Ok(found)),
                    code => (partition, Err(Exception::of_code(code, None))),
                })
                .collect(),
            Err(error) => partitions.iter().map(|partition| (partition.clone(), Err(error.clone()))).collect(),
        }
    }

    /// Has the leader of a partition write the marker that aborts a transaction there.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_EPOCH`, `TRANSACTION_COORDINATOR_FENCED` and the like, or no answer came.
    pub async fn abort_transaction(&mut self, spec: &AbortSpec) -> Result<(), Exception> {
        let build = |topics: &BTreeMap<String, Vec<(i32, i64)>>, _: i32| WriteTxnMarkersRequest {
            markers: vec![WriteTxnMarkersRequestMarker {
                producer_id: spec.producer_id,
                producer_epoch: spec.producer_epoch,
                transaction_result: false,
                topics: topics
                    .iter()
                    .map(|(name, partitions)| WriteTxnMarkersRequestTopic {
                        name: name.into(),
                        partition_indexes: partitions.iter().map(|(index, _)| *index).collect(),
                    })
                    .collect(),
                coordinator_epoch: spec.coordinator_epoch,
            }],
        };
        let read = |answer: WriteTxnMarkersResponse| {
            let topics = answer.markers.iter().flat_map(|marker| &marker.topics);
            let partitions = topics.flat_map(|topic| topic.partitions.iter().map(move |p| (topic, p)));
            partitions.map(|(topic, p)| ((topic.name.to_string(), p.partition_index), p.error_code, ())).collect()
        };
        let wanted = BTreeMap::from([(spec.partition.clone(), 0)]);
        let ours = all(ApiKey::WriteTxnMarkers);
        let answers = self.ask_leaders("abortTransaction", wanted, ours, build, read).await;
        let Some(result) = answers.into_values().next() else {
            return Err(Exception::of_code(ErrorCode::UnknownServerError, None));
        };
        result.map_err(|error| {
            let why = match error.code {
                None | Some(ErrorCode::RequestTimedOut | ErrorCode::UnsupportedVersion) => return error,
                Some(ErrorCode::ClusterAuthorizationFailed) => "failed due to cluster authorization error".to_owned(),
                Some(ErrorCode::InvalidProducerEpoch) => "failed due an invalid producer epoch".to_owned(),
                Some(ErrorCode::TransactionCoordinatorFenced) => format!(
                    "failed since the provided coordinator epoch {} has been fenced by the active coordinator",
                    spec.coordinator_epoch
                ),
                Some(_) => format!("failed due to unexpected error: {error}"),
            };
            let code = error.code.unwrap_or(ErrorCode::UnknownServerError);
            Exception::of_code(code, Some(&format!("WriteTxnMarkers request with {spec} {why}")))
        })
    }
}

fn state(name: &str) -> String {
    STATES.iter().find(|state| **state == name).map_or("Unknown", |state| *state).to_owned()
}

fn description(coordinator: BrokerId, found: &DescribeTransactionsResponseTransaction) -> TransactionDescription {
    let partitions = found.topics.iter().flat_map(|t| t.partitions.iter().map(|index| (t.topic.to_string(), *index)));
    TransactionDescription {
        coordinator,
        state: state(&found.transaction_state),
        producer_id: found.producer_id,
        producer_epoch: found.producer_epoch,
        timeout_ms: found.transaction_timeout_ms,
        start_ms: Some(found.transaction_start_time_ms).filter(|ms| *ms >= 0),
        partitions: partitions.collect(),
    }
}

fn producers_of<'a>(topics: impl Iterator<Item = (&'a str, Vec<i32>)>) -> DescribeProducersRequest {
    let topic = |(name, partition_indexes): (&str, Vec<i32>)| DescribeProducersRequestTopic {
        name: name.into(),
        partition_indexes,
    };
    DescribeProducersRequest { topics: topics.map(topic).collect() }
}

fn producers(answer: &DescribeProducersResponse) -> Vec<(Partition, i16, Vec<ProducerState>)> {
    let producer = |p: &crate::wire::DescribeProducersResponseProducer| ProducerState {
        id: p.producer_id,
        epoch: p.producer_epoch,
        last_sequence: p.last_sequence,
        last_timestamp: p.last_timestamp,
        coordinator_epoch: Some(p.coordinator_epoch).filter(|epoch| *epoch >= 0),
        transaction_start: Some(p.current_txn_start_offset).filter(|offset| *offset >= 0),
    };
    let mut found = Vec::new();
    for topic in &answer.topics {
        for p in &topic.partitions {
            let partition = (topic.name.to_string(), p.partition_index);
            found.push((partition, p.error_code, p.active_producers.iter().map(producer).collect()));
        }
    }
    found
}

/// What is said of a partition whose producers are not told.
fn of_producers((topic, index): &Partition, broker: Option<BrokerId>, error: Exception) -> Exception {
    let active = format!("Failed to describe active producers for partition {topic}-{index}");
    let why = match (error.code, broker) {
        (None | Some(ErrorCode::RequestTimedOut | ErrorCode::UnsupportedVersion), _) => return error,
        (Some(ErrorCode::NotLeaderOrFollower), Some(broker)) => format!("{active} on brokerId {broker}"),
        (Some(ErrorCode::InvalidTopicException), _) => {
            format!("Failed to fetch metadata for partition {topic}-{index} due to invalid topic error: {error}")
        }
        (Some(ErrorCode::TopicAuthorizationFailed), _) => {
            format!("{active} due to authorization failure on topic `{topic}`")
        }
        _ => format!("{active} due to unexpected error"),
    };
    Exception::of_code(error.code.unwrap_or(ErrorCode::UnknownServerError), Some(&why))
}

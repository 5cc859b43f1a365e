//! What only the leader of a partition answers: offsets by time, and the deletion of records; `transactions` asks them too.
//!
//! Leaders are looked up, each is sent what it leads, and what moved meanwhile is looked up again, until all are answered or the call's
//! time is over; then the rest fails with what was last wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use tokio::time::Instant;

use super::{AdminClient, LOOK_AGAIN, NO_BROKER, Slot, unsupported};
use crate::base::{BrokerId, ErrorCode, timestamp};
use crate::client::ClientError;
use crate::tools::java::Exception;
use crate::wire::{
    ApiKey, DeleteRecordsRequest, DeleteRecordsRequestPartition, DeleteRecordsRequestTopic, ListOffsetsRequest,
    ListOffsetsRequestPartition, ListOffsetsRequestTopic, Request,
};

/// A topic and a partition.
pub type Partition = (String, i32);

/// What each partition was answered: an offset, where nothing else is said.
pub type Answers<T = i64> = BTreeMap<Partition, Result<T, Exception>>;

impl AdminClient {
    /// The first offset at or after a time in each partition, or what a special timestamp stands for; -1 where there is none.
    pub async fn list_offsets(&mut self, partitions: &BTreeSet<Partition>, time: i64) -> Answers {
        // Older leaders would take the special timestamps for times.
        let first = match time {
            timestamp::MAX => 7,
            timestamp::EARLIEST_LOCAL => 8,
            timestamp::LATEST_TIERED => 9,
            _ => 1,
        };
        let wanted = partitions.iter().map(|p| (p.clone(), time)).collect();
        let build = |topics: &BTreeMap<String, Vec<(i32, i64)>>, _: i32| ListOffsetsRequest {
            replica_id: -1,
            isolation_level: 0,
            topics: topics
                .iter()
                .map(|(name, partitions)| ListOffsetsRequestTopic {
                    name: name.into(),
                    partitions: partitions
                        .iter()
                        .map(|(index, timestamp)| ListOffsetsRequestPartition {
                            partition_index: *index,
                            timestamp: *timestamp,
                            ..Default::default()
                        })
                        .collect(),
                })
                .collect(),
        };
        let read = |answer: crate::wire::ListOffsetsResponse| {
            let of_topic = |t: &crate::wire::ListOffsetsResponseTopic| {
                let name = t.name.to_string();
                let one = |p: &crate::wire::ListOffsetsResponsePartition| {
                    ((name.clone(), p.partition_index), p.error_code, p.offset)
                };
                t.partitions.iter().map(one).collect::<Vec<_>>()
            };
            answer.topics.iter().flat_map(of_topic).collect()
        };
        self.ask_leaders("listOffsets", wanted, first..=ApiKey::ListOffsets.max_version(), build, read).await
    }

    /// Deletes what lies before an offset (-1: the high watermark) in each partition; gives the log's new start.
    pub async fn delete_records(&mut self, before: BTreeMap<Partition, i64>) -> Answers {
        let build = |topics: &BTreeMap<String, Vec<(i32, i64)>>, timeout_ms: i32| DeleteRecordsRequest {
            topics: topics
                .iter()
                .map(|(name, partitions)| DeleteRecordsRequestTopic {
                    name: name.into(),
                    partitions: partitions
                        .iter()
                        .map(|(index, offset)| DeleteRecordsRequestPartition {
                            partition_index: *index,
                            offset: *offset,
                        })
                        .collect(),
                })
                .collect(),
            timeout_ms,
        };
        let read = |answer: crate::wire::DeleteRecordsResponse| {
            let of_topic = |t: &crate::wire::DeleteRecordsResponseTopic| {
                let name = t.name.to_string();
                let one = |p: &crate::wire::DeleteRecordsResponsePartition| {
                    ((name.clone(), p.partition_index), p.error_code, p.low_watermark)
                };
                t.partitions.iter().map(one).collect::<Vec<_>>()
            };
            answer.topics.iter().flat_map(of_topic).collect()
        };
        let ours = 0..=ApiKey::DeleteRecords.max_version();
        self.ask_leaders("deleteRecords", before, ours, build, read).await
    }

    /// Asks the leaders of partitions, each with a number that `build` is given. `read` finds an answer's partitions, codes and values.
    pub(super) async fn ask_leaders<Q: Request, T>(
        &mut self,
        name: &str,
        mut pending: BTreeMap<Partition, i64>,
        ours: RangeInclusive<i16>,
        build: impl Fn(&BTreeMap<String, Vec<(i32, i64)>>, i32) -> Q,
        read: impl Fn(Q::Response) -> Vec<(Partition, i16, T)>,
    ) -> Answers<T> {
        let deadline = Instant::now() + self.config.api_timeout;
        let mut done: Answers<T> = BTreeMap::new();
        let mut last = Exception::timeout(format!("Timed out waiting for a node assignment. Call: {name}"));
        let mut pause = self.config.retry_backoff.max(LOOK_AGAIN);
        loop {
            let leaders = match self.leaders(name, &pending).await {
                Ok(leaders) => leaders,
                Err(error) => return fail(done, pending, &error),
            };
            for (partition, result) in &leaders.refused {
                pending.remove(partition);
                done.insert(partition.clone(), Err(result.clone()));
            }
            for (leader, partitions) in leaders.by_broker {
                let mut topics: BTreeMap<String, Vec<(i32, i64)>> = BTreeMap::new();
                for partition in &partitions {
                    let value = pending.get(partition).copied().unwrap_or_default();
                    topics.entry(partition.0.clone()).or_default().push((partition.1, value));
                }
                let left = deadline.saturating_duration_since(Instant::now()).min(self.config.request_timeout);
                let timeout_ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
                match self.send(Slot::Broker(leader), ours.clone(), |_| build(&topics, timeout_ms)).await {
                    Ok(answer) => {
                        for (partition, code, value) in read(answer) {
                            let code = ErrorCode::from_code(code);
                            if is_passing(code) {
                                last = Exception::of_code(code, None);
                            } else if pending.remove(&partition).is_some() {
                                let result =
                                    if code.is_none() { Ok(value) } else { Err(Exception::of_code(code, None)) };
                                done.insert(partition, result);
                            }
                        }
                    }
                    Err(ClientError::Unsupported { api, ours, theirs, .. }) => {
                        for partition in partitions {
                            pending.remove(&partition);
                            done.insert(partition, Err(unsupported(api, &ours, theirs)));
                        }
                    }
                    Err(error) => {
                        if let Ok(Some(error)) = self.after(Slot::Broker(leader), error, None) {
                            last = error;
                        }
                    }
                }
            }
            if pending.is_empty() {
                return done;
            }
            if Instant::now() + pause >= deadline {
                let error = Exception::timeout(format!("Call(callName={name}) timed out: {last}"));
                return fail(done, pending, &error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.config.retry_backoff_max.max(LOOK_AGAIN));
        }
    }

    /// Who leads what is asked for. Partitions without a leader are in neither part: to be looked up again.
    async fn leaders(&mut self, name: &str, partitions: &BTreeMap<Partition, i64>) -> Result<Leaders, Exception> {
        let names: BTreeSet<String> = partitions.keys().map(|(topic, _)| topic.clone()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let answer = self.metadata(name, Some(&names)).await?;
        let mut found = Leaders::default();
        for topic in &answer.topics {
            let Some(topic_name) = topic.name.as_deref() else { continue };
            let code = ErrorCode::from_code(topic.error_code);
            let asked = partitions.keys().filter(|(t, _)| t == topic_name);
            if !code.is_none() && !is_passing(code) {
                found.refused.extend(asked.map(|p| (p.clone(), Exception::of_code(code, None))));
                continue;
            }
            for partition in asked {
                let described = topic.partitions.iter().find(|p| p.partition_index == partition.1);
                if let Some(p) = described.filter(|p| p.leader_id != NO_BROKER) {
                    found.by_broker.entry(p.leader_id).or_default().push(partition.clone());
                }
            }
        }
        Ok(found)
    }
}

#[derive(Default)]
struct Leaders {
    by_broker: BTreeMap<BrokerId, Vec<Partition>>,
    refused: Vec<(Partition, Exception)>,
}

fn fail<T>(mut done: Answers<T>, pending: BTreeMap<Partition, i64>, error: &Exception) -> Answers<T> {
    done.extend(pending.into_keys().map(|partition| (partition, Err(error.clone()))));
    done
}

/// Codes that another look may mend (`RetriableException`, as far as leaders give it).
fn is_passing(code: ErrorCode) -> bool {
    use ErrorCode::*;
    matches!(
        code,
        UnknownTopicOrPartition
            | LeaderNotAvailable
            | NotLeaderOrFollower
            | RequestTimedOut
            | BrokerNotAvailable
            | ReplicaNotAvailable
            | NetworkException
            | KafkaStorageError
            | ListenerNotFound
            | FencedLeaderEpoch
            | UnknownLeaderEpoch
            | OffsetNotAvailable
    )
}

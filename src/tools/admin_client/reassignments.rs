//! Moves of partitions between brokers, which are the controller's to answer, and of replicas between log directories, which are their
//! broker's.

use std::collections::BTreeMap;

use super::{AdminClient, To, all, checked, never, not_controller};
use crate::base::{BrokerId, ErrorCode};
use crate::tools::java::Exception;
use crate::wire::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsRequestPartition,
    AlterPartitionReassignmentsRequestTopic, AlterPartitionReassignmentsResponse, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsRequestDir, AlterReplicaLogDirsRequestTopic, ApiKey, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsRequestTopic, Str,
};

/// A partition, by topic and index.
pub type Partition = (String, i32);

/// What became of what was asked for each partition.
pub type Results = BTreeMap<Partition, Result<(), Exception>>;

/// A move of a partition under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reassignment {
    /// All of both assignments.
    pub replicas: Vec<BrokerId>,
    /// Those still to come.
    pub adding: Vec<BrokerId>,
    /// Those still to go.
    pub removing: Vec<BrokerId>,
}

/// Where a replica lies on its broker.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ReplicaDirs {
    /// `None` when no live directory has it.
    pub current: Option<String>,
    /// The directory that it is being moved to.
    pub future: Option<String>,
}

impl AdminClient {
    /// The moves under way of these partitions, by topic and partition; all there are when none is named.
    ///
    /// # Errors
    /// The broker's; UNSUPPORTED_VERSION before 2.4.
    pub async fn list_reassignments(
        &mut self,
        partitions: Option<&BTreeMap<String, Vec<i32>>>,
    ) -> Result<BTreeMap<Partition, Reassignment>, Exception> {
        let topic = |(name, indexes): (&String, &Vec<i32>)| ListPartitionReassignmentsRequestTopic {
            name: name.into(),
            partition_indexes: indexes.clone(),
        };
        let build = |_, timeout_ms| ListPartitionReassignmentsRequest {
            timeout_ms,
            topics: partitions.map(|partitions| partitions.iter().map(topic).collect()),
        };
        let again = |r: &crate::wire::ListPartitionReassignmentsResponse| not_controller(r.error_code);
        let ours = all(ApiKey::ListPartitionReassignments);
        let answer = self.call("listPartitionReassignments", To::Controller, ours, build, again).await?;
        checked(answer.error_code, answer.error_message.as_deref())?;
        let mut found = BTreeMap::new();
        for topic in &answer.topics {
            for p in &topic.partitions {
                let moved = Reassignment {
                    replicas: p.replicas.clone(),
                    adding: p.adding_replicas.clone(),
                    removing: p.removing_replicas.clone(),
                };
                found.insert((topic.name.to_string(), p.partition_index), moved);
            }
        }
        Ok(found)
    }

    /// Moves partitions to these brokers, or calls their moves off (`None`). An error of the whole call is each one's result.
    pub async fn alter_reassignments(&mut self, targets: &BTreeMap<Partition, Option<Vec<BrokerId>>>) -> Results {
        let mut topics: BTreeMap<&str, Vec<AlterPartitionReassignmentsRequestPartition>> = BTreeMap::new();
        for ((topic, index), replicas) in targets {
            let partition =
                AlterPartitionReassignmentsRequestPartition { partition_index: *index, replicas: replicas.clone() };
            topics.entry(topic).or_default().push(partition);
        }
        let build = |_, timeout_ms| AlterPartitionReassignmentsRequest {
            timeout_ms,
            topics: topics
                .iter()
                .map(|(name, partitions)| AlterPartitionReassignmentsRequestTopic {
                    name: Str::from(*name),
                    partitions: partitions.clone(),
                })
                .collect(),
        };
        let again = |answer: &AlterPartitionReassignmentsResponse| {
            let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
            let mut codes = partitions.map(|partition| partition.error_code).chain([answer.error_code]);
            codes.find_map(not_controller)
        };
        let ours = all(ApiKey::AlterPartitionReassignments);
        let answer = self.call("alterPartitionReassignments", To::Controller, ours, build, again).await;
        let answer = answer.and_then(|answer| {
            checked(answer.error_code, answer.error_message.as_deref())?;
            Ok(answer)
        });
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return each(targets.keys(), &error),
        };
        let mut results = each(targets.keys(), &no_result());
        for topic in &answer.responses {
            for p in &topic.partitions {
                let result = checked(p.error_code, p.error_message.as_deref());
                results.insert((topic.name.to_string(), p.partition_index), result);
            }
        }
        results
    }

    /// Moves a broker's replicas to directories of it. The answer says that the moves have begun; an error of the whole call is each
    /// one's result.
    pub async fn alter_replica_log_dirs(&mut self, broker: BrokerId, targets: &BTreeMap<Partition, String>) -> Results {
        let mut dirs: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
        for ((topic, index), dir) in targets {
            dirs.entry(dir).or_default().entry(topic).or_default().push(*index);
        }
        let topic = |(name, partitions): (&&str, &Vec<i32>)| AlterReplicaLogDirsRequestTopic {
            name: Str::from(*name),
            partitions: partitions.clone(),
        };
        let build = |_, _| AlterReplicaLogDirsRequest {
            dirs: dirs
                .iter()
                .map(|(path, topics)| AlterReplicaLogDirsRequestDir {
                    path: Str::from(*path),
                    topics: topics.iter().map(topic).collect(),
                })
                .collect(),
        };
        let ours = all(ApiKey::AlterReplicaLogDirs);
        let answer = match self.call("alterReplicaLogDirs", To::Broker(broker), ours, build, never).await {
            Ok(answer) => answer,
            Err(error) => return each(targets.keys(), &error),
        };
        let mut results = each(targets.keys(), &no_result());
        for topic in &answer.results {
            for p in &topic.partitions {
                results.insert((topic.topic_name.to_string(), p.partition_index), checked(p.error_code, None));
            }
        }
        results
    }

    /// Where these replicas lie on their broker. Directories that are offline have nothing to tell.
    ///
    /// # Errors
    /// The answer's, a directory's other than of storage, or none came.
    pub async fn describe_replica_log_dirs(
        &mut self,
        broker: BrokerId,
        partitions: &[&Partition],
    ) -> Result<BTreeMap<Partition, ReplicaDirs>, Exception> {
        let mut found: BTreeMap<Partition, ReplicaDirs> =
            partitions.iter().map(|partition| ((*partition).clone(), ReplicaDirs::default())).collect();
        for dir in self.describe_log_dirs(broker).await? {
            if dir.error_code == ErrorCode::KafkaStorageError.code() {
                continue;
            }
            checked(dir.error_code, None)?;
            for topic in &dir.topics {
                for p in &topic.partitions {
                    if let Some(dirs) = found.get_mut(&(topic.name.to_string(), p.partition_index)) {
                        let place = if p.is_future_key { &mut dirs.future } else { &mut dirs.current };
                        *place = Some(dir.log_dir.to_string());
                    }
                }
            }
        }
        Ok(found)
    }
}

/// The same for each.
fn each<'a>(partitions: impl Iterator<Item = &'a Partition>, error: &Exception) -> Results {
    partitions.map(|partition| (partition.clone(), Err(error.clone()))).collect()
}

fn no_result() -> Exception {
    Exception::of_code(ErrorCode::UnknownServerError, Some("The server response did not contain a result."))
}

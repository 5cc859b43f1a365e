//! Consumer groups: every broker lists its own; all else is answered by a group's coordinator.
//!
//! A coordinator that is loading or has moved is looked up again until the call's time is over.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use tokio::time::Instant;

use super::offsets::Partition;
use super::{AdminClient, LOOK_AGAIN, NO_BROKER, Node, To, all, checked, never};
use crate::base::{BrokerId, ErrorCode};
use crate::record::RecordError;
use crate::record::fields::Fields;
use crate::tools::java::Exception;
use crate::wire::{
    ApiKey, DeleteGroupsRequest, DescribeGroupsRequest, DescribeGroupsResponseMember, FindCoordinatorRequest,
    FindCoordinatorResponse, ListGroupsRequest, OffsetCommitRequest, OffsetCommitRequestPartition,
    OffsetCommitRequestTopic, OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
    OffsetFetchRequest, OffsetFetchRequestGroup, Request, Str,
};

/// A group as its broker lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupListing {
    /// Its id.
    pub id: String,
    /// `Stable`, `Empty`, ..; before 2.6 unknown.
    pub state: String,
    /// `classic`; before 3.8 unknown.
    pub kind: String,
}

/// A group as its coordinator knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupDescription {
    /// `Dead` for one that is not there.
    pub state: String,
    /// The assignor that the members agreed on.
    pub assignor: String,
    /// Its coordinator.
    pub coordinator: Node,
    /// In the coordinator's order.
    pub members: Vec<GroupMember>,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupMember {
    /// The id it was given.
    pub id: String,
    /// `group.instance.id`.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// `/host`.
    pub host: String,
    /// What it was assigned, sorted.
    pub assignment: Vec<Partition>,
}

/// What a coordinator is looked for: a group.
const GROUP_KEY: i8 = 0;
/// A transactional id.
pub(super) const TRANSACTION_KEY: i8 = 1;

/// What becomes of offsets that are deleted: of the whole, or by partition.
pub type Deleted = Result<BTreeMap<Partition, ErrorCode>, ErrorCode>;

impl AdminClient {
    /// The consumer groups of all brokers, by id. No states and no types mean any.
    ///
    /// # Errors
    /// The first broker's that does not answer.
    pub async fn list_groups(&mut self, states: &[String], types: &[String]) -> Result<Vec<GroupListing>, Exception> {
        let least = if !types.is_empty() { 5 } else { i16::from(!states.is_empty()) * 4 };
        let mut found = BTreeMap::new();
        for node in self.describe_cluster().await?.nodes {
            let build = |_, _| ListGroupsRequest {
                states_filter: states.iter().map(Into::into).collect(),
                types_filter: types.iter().map(Into::into).collect(),
            };
            let loading = |answer: &crate::wire::ListGroupsResponse| {
                let code = ErrorCode::from_code(answer.error_code);
                Some(code).filter(|code| *code == ErrorCode::CoordinatorLoadInProgress)
            };
            let versions = least..=ApiKey::ListGroups.max_version();
            let answer = self.call("listConsumerGroups", To::Broker(node.id), versions, build, loading).await?;
            checked(answer.error_code, None)?;
            for group in answer.groups.iter().filter(|g| matches!(&*g.protocol_type, "" | "consumer")) {
                let id = group.group_id.to_string();
                let (state, kind) = (group.group_state.to_string(), group.group_type.to_string());
                found.insert(id.clone(), GroupListing { id, state, kind });
            }
        }
        Ok(found.into_values().collect())
    }

    /// The broker that coordinates a group.
    async fn coordinator(&mut self, group: &str) -> Result<BrokerId, Exception> {
        self.coordinator_of(GROUP_KEY, group).await
    }

    /// The broker that coordinates a group, or a transactional id.
    ///
    /// # Errors
    /// When none is known in time.
    pub(super) async fn coordinator_of(&mut self, key_type: i8, key: &str) -> Result<BrokerId, Exception> {
        let build = |version: i16, _| FindCoordinatorRequest {
            key: if version < 4 { key.into() } else { Str::default() },
            key_type,
            coordinator_keys: if version < 4 { Vec::new() } else { vec![key.into()] },
        };
        let of = |answer: &FindCoordinatorResponse| match answer.coordinators.first() {
            Some(found) => (found.error_code, found.node_id),
            None => (answer.error_code, answer.node_id),
        };
        let not_yet = |answer: &FindCoordinatorResponse| {
            Some(ErrorCode::from_code(of(answer).0)).filter(|code| is_passing(*code))
        };
        let answer = self.call("findCoordinator", To::Any, all(ApiKey::FindCoordinator), build, not_yet).await?;
        let (code, node) = of(&answer);
        checked(code, None)?;
        if node == NO_BROKER {
            return Err(Exception::of_code(ErrorCode::CoordinatorNotAvailable, None));
        }
        Ok(node)
    }

    /// Asks a group's coordinator. `code` finds the error of an answer as a whole.
    async fn at_coordinator<Q: Request>(
        &mut self,
        name: &str,
        group: &str,
        ours: RangeInclusive<i16>,
        build: impl Fn(i16) -> Q,
        code: impl Fn(&Q::Response) -> i16,
    ) -> Result<(BrokerId, Q::Response), Exception> {
        let deadline = Instant::now() + self.config.api_timeout;
        loop {
            let broker = self.coordinator(group).await?;
            let answer = self.call(name, To::Broker(broker), ours.clone(), |version, _| build(version), never).await?;
            if !is_passing(ErrorCode::from_code(code(&answer))) || Instant::now() + LOOK_AGAIN >= deadline {
                return Ok((broker, answer));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// State and members of a group.
    ///
    /// # Errors
    /// The coordinator's.
    pub async fn describe_group(&mut self, group: &str) -> Result<GroupDescription, Exception> {
        let build = |_| DescribeGroupsRequest { groups: vec![group.into()], include_authorized_operations: false };
        let code =
            |answer: &crate::wire::DescribeGroupsResponse| answer.groups.first().map_or(0, |group| group.error_code);
        let api = all(ApiKey::DescribeGroups);
        let (broker, answer) = self.at_coordinator("describeConsumerGroups", group, api, build, code).await?;
        let found = answer.groups.into_iter().next();
        let found = found.ok_or_else(|| Exception::of_code(ErrorCode::UnknownServerError, None))?;
        checked(found.error_code, None)?;
        let coordinator = self.nodes.iter().find(|node| node.id == broker).cloned();
        Ok(GroupDescription {
            state: found.group_state.to_string(),
            assignor: found.protocol_data.to_string(),
            coordinator: coordinator.unwrap_or(Node { id: broker, host: String::new(), port: 0, rack: None }),
            members: found.members.iter().map(member).collect(),
        })
    }

    /// All offsets that a group has committed.
    ///
    /// # Errors
    /// The coordinator's.
    pub async fn committed_offsets(&mut self, group: &str) -> Result<BTreeMap<Partition, i64>, Exception> {
        let build = |version: i16| match version {
            0..=7 => OffsetFetchRequest { group_id: group.into(), topics: None, ..Default::default() },
            _ => OffsetFetchRequest {
                topics: Some(Vec::new()),
                groups: vec![OffsetFetchRequestGroup { group_id: group.into(), topics: None, ..Default::default() }],
                ..Default::default()
            },
        };
        let code = |answer: &crate::wire::OffsetFetchResponse| {
            answer.groups.first().map_or(answer.error_code, |group| group.error_code)
        };
        let versions = 2..=ApiKey::OffsetFetch.max_version();
        let (_, answer) = self.at_coordinator("listConsumerGroupOffsets", group, versions, build, code).await?;
        checked(code(&answer), None)?;
        let mut offsets = BTreeMap::new();
        for topic in &answer.topics {
            for p in topic.partitions.iter().filter(|p| p.committed_offset >= 0) {
                offsets.insert((topic.name.to_string(), p.partition_index), p.committed_offset);
            }
        }
        for topic in answer.groups.iter().flat_map(|group| &group.topics) {
            for p in topic.partitions.iter().filter(|p| p.committed_offset >= 0) {
                offsets.insert((topic.name.to_string(), p.partition_index), p.committed_offset);
            }
        }
        Ok(offsets)
    }

    /// Commits offsets of a group that has no members.
    ///
    /// # Errors
    /// The coordinator's, for the first partition that is refused.
    pub async fn commit_offsets(&mut self, group: &str, offsets: &BTreeMap<Partition, i64>) -> Result<(), Exception> {
        let topics: Vec<OffsetCommitRequestTopic> = by_topic(offsets.iter().map(|((t, p), offset)| (t, (*p, *offset))))
            .into_iter()
            .map(|(name, partitions)| OffsetCommitRequestTopic {
                name: name.into(),
                partitions: partitions
                    .into_iter()
                    .map(|(partition_index, committed_offset)| OffsetCommitRequestPartition {
                        partition_index,
                        committed_offset,
                        ..Default::default()
                    })
                    .collect(),
            })
            .collect();
        let build = |_| OffsetCommitRequest { group_id: group.into(), topics: topics.clone(), ..Default::default() };
        let code = |answer: &crate::wire::OffsetCommitResponse| {
            let all = answer.topics.iter().flat_map(|topic| &topic.partitions);
            all.map(|p| p.error_code).find(|code| *code != 0).unwrap_or(0)
        };
        let api = 2..=ApiKey::OffsetCommit.max_version();
        let (_, answer) = self.at_coordinator("alterConsumerGroupOffsets", group, api, build, code).await?;
        checked(code(&answer), None)
    }

    /// Deletes a group and its offsets.
    ///
    /// # Errors
    /// The coordinator's.
    pub async fn delete_group(&mut self, group: &str) -> Result<(), Exception> {
        let build = |_| DeleteGroupsRequest { groups_names: vec![group.into()] };
        let code = |answer: &crate::wire::DeleteGroupsResponse| answer.results.first().map_or(0, |r| r.error_code);
        let api = all(ApiKey::DeleteGroups);
        let (_, answer) = self.at_coordinator("deleteConsumerGroups", group, api, build, code).await?;
        checked(code(&answer), None)
    }

    /// Deletes offsets of partitions.
    ///
    /// # Errors
    /// When no coordinator answers; what it says of the group or of partitions is the result.
    pub async fn delete_offsets(&mut self, group: &str, partitions: &[Partition]) -> Result<Deleted, Exception> {
        let topics: Vec<OffsetDeleteRequestTopic> = by_topic(partitions.iter().map(|(t, p)| (t, *p)))
            .into_iter()
            .map(|(name, partitions)| OffsetDeleteRequestTopic {
                name: name.into(),
                partitions: partitions
                    .into_iter()
                    .map(|partition_index| OffsetDeleteRequestPartition { partition_index })
                    .collect(),
            })
            .collect();
        let build = |_| OffsetDeleteRequest { group_id: group.into(), topics: topics.clone() };
        let code = |answer: &crate::wire::OffsetDeleteResponse| answer.error_code;
        let api = all(ApiKey::OffsetDelete);
        let (_, answer) = self.at_coordinator("deleteConsumerGroupOffsets", group, api, build, code).await?;
        Ok(match ErrorCode::from_code(answer.error_code) {
            ErrorCode::None => Ok(answer
                .topics
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(|p| (topic.name.to_string(), p)))
                .map(|(topic, p)| ((topic, p.partition_index), ErrorCode::from_code(p.error_code)))
                .collect()),
            code => Err(code),
        })
    }
}

fn by_topic<'a, T>(items: impl Iterator<Item = (&'a String, T)>) -> BTreeMap<&'a str, Vec<T>> {
    let mut topics: BTreeMap<&str, Vec<T>> = BTreeMap::new();
    items.for_each(|(topic, item)| topics.entry(topic).or_default().push(item));
    topics
}

/// What another look may mend.
pub(super) fn is_passing(code: ErrorCode) -> bool {
    use ErrorCode::*;
    matches!(code, NotCoordinator | CoordinatorNotAvailable | CoordinatorLoadInProgress)
}

fn member(member: &DescribeGroupsResponseMember) -> GroupMember {
    let mut assignment = assignment(&member.member_assignment).unwrap_or_default();
    assignment.sort();
    GroupMember {
        id: member.member_id.to_string(),
        instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment,
    }
}

/// `ConsumerProtocolAssignment`, as far as partitions go.
fn assignment(bytes: &[u8]) -> Result<Vec<Partition>, RecordError> {
    let mut fields = Fields::new(bytes);
    fields.int16()?;
    let topics = fields.array(|fields| {
        let topic = fields.text()?;
        fields.array(|fields| Ok((topic.clone(), fields.int32()?)))
    })?;
    Ok(topics.concat())
}

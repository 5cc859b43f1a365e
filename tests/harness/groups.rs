//! A member of a group that says exactly what a test wants said: JoinGroup 5, SyncGroup 3, Heartbeat 3, LeaveGroup 2, OffsetCommit 7,
//! OffsetFetch 7, for one group.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetCommitResponse,
    OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::raw;

/// The group of these requests.
pub const GROUP: &str = "group";

fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.into())
}

fn group() -> GroupId {
    GroupId(text(GROUP))
}

/// What a member knows of itself.
#[derive(Clone, Debug)]
pub struct Member {
    /// Empty before it was given one.
    pub id: String,
    /// -1 before it joined.
    pub generation: i32,
    /// `group.instance.id`.
    pub instance: Option<String>,
    /// Its session, ms.
    pub session_ms: i32,
    /// Protocol type and the name of its one protocol.
    pub protocol: (String, String),
    /// What it says to the leader of the group.
    pub subscription: Bytes,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            id: String::new(),
            generation: -1,
            instance: None,
            session_ms: 120_000,
            protocol: ("consumer".into(), "range".into()),
            subscription: subscription(&[]),
        }
    }
}

/// A subscription to `topic`, version 0 of the consumers' protocol, with user data of these bytes. It must be well formed: Apache Kafka looks
/// into it when a join completes, and where it can't be read at all nobody is answered any more.
pub fn subscription(user_data: &[u8]) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, 5];
    bytes.extend(b"topic");
    bytes.extend(i32::try_from(user_data.len()).expect("a small blob").to_be_bytes());
    bytes.extend(user_data);
    bytes.into()
}

impl Member {
    fn instance(&self) -> Option<StrBytes> {
        self.instance.as_deref().map(text)
    }

    /// JoinGroup 5.
    pub fn join(&self) -> JoinGroupRequest {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text(&self.protocol.1))
            .with_metadata(self.subscription.clone());
        JoinGroupRequest::default()
            .with_group_id(group())
            .with_session_timeout_ms(self.session_ms)
            .with_rebalance_timeout_ms(20_000)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance())
            .with_protocol_type(text(&self.protocol.0))
            .with_protocols(vec![protocol])
    }

    /// SyncGroup 3, as the leader, who assigns to itself alone.
    pub fn sync(&self) -> SyncGroupRequest {
        let assignment = SyncGroupRequestAssignment::default()
            .with_member_id(text(&self.id))
            .with_assignment(Bytes::from_static(b"assignment"));
        SyncGroupRequest::default()
            .with_group_id(group())
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance())
            .with_assignments(vec![assignment])
    }

    /// Heartbeat 3.
    pub fn heartbeat(&self) -> HeartbeatRequest {
        HeartbeatRequest::default()
            .with_group_id(group())
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance())
    }

    /// LeaveGroup 2.
    pub fn leave(&self) -> LeaveGroupRequest {
        LeaveGroupRequest::default().with_group_id(group()).with_member_id(text(&self.id))
    }

    /// OffsetCommit 7 for partition 0 of a topic.
    pub fn commit(&self, topic: &str, offset: i64) -> OffsetCommitRequest {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(text("")));
        let topic =
            OffsetCommitRequestTopic::default().with_name(raw::topic_name(topic)).with_partitions(vec![partition]);
        OffsetCommitRequest::default()
            .with_group_id(group())
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance())
            .with_topics(vec![topic])
    }
}

/// The code of an OffsetCommit of one partition.
pub fn committed(answer: &OffsetCommitResponse) -> i16 {
    answer.topics[0].partitions[0].error_code
}

/// OffsetFetch 7 for partition 0 of a topic.
pub fn fetch(topic: &str, require_stable: bool) -> OffsetFetchRequest {
    let topic = OffsetFetchRequestTopic::default().with_name(raw::topic_name(topic)).with_partition_indexes(vec![0]);
    OffsetFetchRequest::default()
        .with_group_id(group())
        .with_topics(Some(vec![topic]))
        .with_require_stable(require_stable)
}

/// Code and offset (-1 for none) of an OffsetFetch of one partition.
pub fn fetched(answer: &OffsetFetchResponse) -> (i16, i64) {
    match answer.topics.first().and_then(|topic| topic.partitions.first()) {
        Some(partition) if answer.error_code == 0 => (partition.error_code, partition.committed_offset),
        _ => (answer.error_code, -1),
    }
}

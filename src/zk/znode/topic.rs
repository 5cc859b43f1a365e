//! `/brokers/topics/<topic>`: a topic's id and the replicas of each partition. The first replica is the preferred leader.
//!
//! During a reassignment `replicas` holds the full set, with what is added and removed beside it. Read in versions 1 to 3.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ZnodeError, parse, print};
use crate::base::{BrokerId, TopicId};

/// The parent.
pub const PATH: &str = "/brokers/topics";

/// The node of a topic.
pub fn path(topic: &str) -> String {
    format!("{PATH}/{topic}")
}

/// The replicas of one partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PartitionAssignment {
    /// All replicas; the first is the preferred leader.
    pub replicas: Vec<BrokerId>,
    /// Those a reassignment adds.
    pub adding: Vec<BrokerId>,
    /// Those a reassignment removes.
    pub removing: Vec<BrokerId>,
}

impl PartitionAssignment {
    /// Replicas that are not being reassigned.
    pub fn stable(replicas: Vec<BrokerId>) -> Self {
        Self { replicas, adding: Vec::new(), removing: Vec::new() }
    }

    /// A reassignment is under way.
    pub fn is_being_reassigned(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }
}

/// A topic.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TopicNode {
    /// Its id; none below IBP 2.8.
    pub topic_id: Option<TopicId>,
    /// Its partitions.
    pub partitions: BTreeMap<i32, PartitionAssignment>,
}

impl TopicNode {
    /// The node's data, always in version 3 (as Kafka writes it since 2.8; the id is left out when there is none).
    pub fn encode(&self) -> Bytes {
        let lists = |pick: fn(&PartitionAssignment) -> &Vec<BrokerId>, empty_too: bool| -> Value {
            let lists = self.partitions.iter().filter(|(_, p)| empty_too || !pick(p).is_empty());
            let lists = lists.map(|(index, p)| (index.to_string(), pick(p).clone().into()));
            Value::Object(lists.collect())
        };
        let mut json = Map::new();
        json.insert("partitions".into(), lists(|p| &p.replicas, true));
        if let Some(id) = self.topic_id {
            json.insert("topic_id".into(), id.to_string().into());
        }
        json.insert("adding_replicas".into(), lists(|p| &p.adding, false));
        json.insert("removing_replicas".into(), lists(|p| &p.removing, false));
        json.insert("version".into(), 3.into());
        print(&json)
    }

    /// Reads the node of `topic`.
    ///
    /// # Errors
    /// When it is not that JSON.
    pub fn decode(topic: &str, data: &[u8]) -> Result<Self, ZnodeError> {
        type Lists = BTreeMap<i32, Vec<BrokerId>>;
        #[derive(Deserialize)]
        struct Read {
            #[serde(default)]
            topic_id: Option<String>,
            partitions: Lists,
            #[serde(default)]
            adding_replicas: Option<Lists>,
            #[serde(default)]
            removing_replicas: Option<Lists>,
        }
        let node = path(topic);
        let json: Read = parse(&node, data)?;
        let topic_id = match json.topic_id {
            Some(text) => Some(text.parse().map_err(|_| ZnodeError::new(&node, "not a topic id", data))?),
            None => None,
        };
        let mut adding = json.adding_replicas.unwrap_or_default();
        let mut removing = json.removing_replicas.unwrap_or_default();
        let partitions = json.partitions.into_iter().map(|(index, replicas)| {
            let adding = adding.remove(&index).unwrap_or_default();
            let removing = removing.remove(&index).unwrap_or_default();
            (index, PartitionAssignment { replicas, adding, removing })
        });
        Ok(Self { topic_id, partitions: partitions.collect() })
    }
}

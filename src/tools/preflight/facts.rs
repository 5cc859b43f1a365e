//! What a preflight has read, before it is judged. Plain data: tests make it by hand.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::BrokerId;
use crate::config::unenforced::Unenforced;
use crate::config::{ConfigMap, DynamicConfig, MetadataVersion, StaticConfig};
use crate::log::meta::MetaProperties;
use crate::zk::znode::broker_ids::BrokerNode;
use crate::zk::znode::controller::ControllerNode;
use crate::zk::znode::migration::MigrationNode;
use crate::zk::znode::partition_state::PartitionState;
use crate::zk::znode::topic::TopicNode;

/// Everything.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The file.
    pub settings: Settings,
    /// `log.dirs`, in its order.
    pub dirs: Vec<Dir>,
    /// What ZooKeeper holds, or why it can't be read.
    pub zk: Result<ClusterFacts, String>,
    /// The brokers that are registered, each asked.
    pub peers: Vec<Peer>,
}

/// What the file and its overrides come to. Where they can't be loaded, what can be read of them all the same.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Each keeps a broker from starting.
    pub errors: Vec<String>,
    /// Unknown keys, keys without effect.
    pub warnings: Vec<String>,
    /// As texts.
    pub statics: StaticConfig,
    /// `zookeeper.connect`.
    pub connect: String,
    /// `broker.id`; -1 when it is left open.
    pub broker_id: BrokerId,
    /// `log.dirs`.
    pub log_dirs: Vec<PathBuf>,
    /// `inter.broker.protocol.version`.
    pub ibp: MetadataVersion,
    /// Its name.
    pub inter_broker_listener: String,
    /// Hosts and ports of advertised listeners; those without a host are left out.
    pub advertised: Vec<(String, u16)>,
    /// `min.insync.replicas`.
    pub min_isr: usize,
    /// Quotas and the like are no hindrance.
    pub accept_unenforced: bool,
}

impl Settings {
    /// Whose preflight it is.
    pub fn title(&self) -> String {
        match self.broker_id {
            -1 => format!("a broker without broker.id at {}", self.connect),
            id => format!("broker {id} at {}", self.connect),
        }
    }
}

/// A directory of `log.dirs`.
#[derive(Clone, Debug, Default)]
pub struct Dir {
    /// Where.
    pub path: PathBuf,
    /// Why it can't be read.
    pub problem: Option<String>,
    /// `meta.properties`, or what is wrong with it; none when there is none.
    pub meta: Option<Result<MetaProperties, String>>,
    /// It was closed by a clean stop.
    pub is_clean: bool,
    /// The directories in it.
    pub names: Vec<String>,
}

/// What ZooKeeper holds.
#[derive(Clone, Debug, Default)]
pub struct ClusterFacts {
    /// `/cluster/id`.
    pub cluster_id: Option<String>,
    /// `/controller`.
    pub controller: Option<ControllerNode>,
    /// `/migration`: none when it does not exist, and without a state when it can't be understood.
    pub migration: Option<Option<MigrationNode>>,
    /// Names in `/feature`.
    pub features: Vec<String>,
    /// `/brokers/ids`.
    pub brokers: Vec<BrokerNode>,
    /// Quotas and the like.
    pub unenforced: Unenforced,
    /// `/config/brokers`.
    pub dynamic: DynamicConfig,
    /// `/brokers/topics` with `/config/topics`.
    pub topics: Vec<Topic>,
    /// `/admin/delete_topics`.
    pub deletions: Vec<String>,
    /// Nodes that can't be understood, with the reason.
    pub unreadable: Vec<String>,
}

/// A topic.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its assignment.
    pub node: TopicNode,
    /// Of its partitions; those without a state are left out.
    pub states: BTreeMap<i32, PartitionState>,
    /// Its overrides.
    pub config: ConfigMap,
}

/// A registered broker.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its id.
    pub id: BrokerId,
    /// What it said, or why it said nothing.
    pub answer: Result<Answer, String>,
}

/// What a running broker says of itself.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its configuration, by key; without what is secret.
    pub configs: BTreeMap<String, String>,
    /// Keys that are set by its file.
    pub from_file: Vec<String>,
    /// The highest version of Fetch it serves, which tells its age.
    pub fetch_version: i16,
}

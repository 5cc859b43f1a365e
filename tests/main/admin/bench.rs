//! A broker's `Admin` on a simulated ZooKeeper: three brokers registered, broker 0 is controller.

use std::sync::Arc;

use ottla::admin::Admin;
use ottla::base::Env;
use ottla::base::env::SimNet;
use ottla::cluster::Cluster;
use ottla::config::live::LiveConfig;
use ottla::config::{ConfigMap, DynamicConfig, StaticConfig};
use ottla::wire::{
    UpdateMetadataRequest, UpdateMetadataRequestBroker, UpdateMetadataRequestPartitionState,
    UpdateMetadataRequestTopicState,
};
use ottla::zk::session::{Zk, sim::SimZk};

pub struct Bench {
    pub server: SimZk,
    pub zk: Zk,
    pub cluster: Arc<Cluster>,
    pub admin: Arc<Admin>,
}

pub const CONTROLLER: &str = r#"{"version":2,"brokerid":0,"timestamp":"1","kraftControllerEpoch":-1}"#;

impl Bench {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With these settings in the properties file.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let server = SimZk::new();
        for path in ["/config/changes", "/config/topics", "/config/users", "/config/brokers", "/brokers/topics"] {
            server.put(path, "");
        }
        server.put("/admin/delete_topics", "");
        server.put("/controller", CONTROLLER);
        for id in 0..3 {
            let node = format!(
                r#"{{"features":{{}},"listener_security_protocol_map":{{"PLAINTEXT":"PLAINTEXT"}},"endpoints":["PLAINTEXT://h:909{id}"],"jmx_port":-1,"port":909{id},"host":"h","version":5,"timestamp":"1"}}"#
            );
            server.put(&format!("/brokers/ids/{id}"), node);
        }
        let zk = server.connect().await;
        let cluster = Arc::new(Cluster::new("c".into(), 0));
        let mut raw: ConfigMap =
            [("broker.id", "0"), ("zookeeper.connect", "z:2181")].map(|(k, v)| (k.into(), v.into())).into();
        raw.extend(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let live = LiveConfig::new(StaticConfig::new(raw), DynamicConfig::default()).expect("a good configuration");
        let env = Env::sim(7, 1_700_000_000_000, SimNet::default());
        let admin = Arc::new(Admin::new(env, zk.clone(), cluster.clone(), Arc::new(live)));
        let bench = Self { server, zk, cluster, admin };
        bench.tell(&[]);
        bench
    }

    /// The controller tells of topics with one partition each, led by broker 0.
    pub fn tell(&self, topics: &[&str]) {
        let broker = |id| UpdateMetadataRequestBroker { id, ..Default::default() };
        let state = |topic: &&str| UpdateMetadataRequestTopicState {
            topic_name: (*topic).into(),
            partition_states: vec![UpdateMetadataRequestPartitionState::default()],
            ..Default::default()
        };
        self.cluster.metadata.update(&UpdateMetadataRequest {
            live_brokers: (0..3).map(broker).collect(),
            topic_states: topics.iter().map(state).collect(),
            ..Default::default()
        });
    }

    /// A topic as ZooKeeper and the metadata know it.
    pub fn with_topic(self, topic: &str, node: &str) -> Self {
        self.server.put(&format!("/brokers/topics/{topic}"), node.to_owned());
        self.tell(&[topic]);
        self
    }

    pub fn text(&self, path: &str) -> Option<String> {
        self.server.text(path)
    }

    /// What the change notifications name, in order.
    pub fn changes(&self) -> Vec<String> {
        let dump = self.server.dump();
        let changes = dump.iter().filter(|(path, _)| path.starts_with("/config/changes/"));
        changes.map(|(_, (text, _))| text.clone()).collect()
    }
}

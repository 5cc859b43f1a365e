//! A whole broker inside the test: simulated ZooKeeper, disk and network, under tokio's paused clock. The other replicas of its
//! partitions are words only: a test says how far they have come.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use ottla::base::env::{SimNet, Stream};
use ottla::base::{Env, TopicId, TopicPartition};
use ottla::broker::Broker;
use ottla::broker::start::StartError;
use ottla::config::{self, Sources};
use ottla::disk::{Disk, SimDisk};
use ottla::record::BatchBuilder;
use ottla::replica::Partition;
use ottla::wire::{
    FetchRequest, FetchRequestPartition, FetchRequestTopic, Message, ProduceRequest, ProduceRequestPartition,
    ProduceRequestTopic, ProduceResponse, ProduceResponsePartition, Records, Request, decode_response, encode_request,
};
use ottla::zk::session::{Zk, sim::SimZk};
use ottla::zk::store;
use ottla::zk::znode::config::ConfigMap;
use ottla::zk::znode::topic::{PartitionAssignment, TopicNode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// This broker.
pub const ME: i32 = 1;
/// A broker that is registered, but never fetches by itself.
pub const OTHER: i32 = 2;

/// Long in virtual time: reached only when something never comes.
pub const PATIENCE: Duration = Duration::from_secs(120);

const OTHER_NODE: &str = r#"{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://h2:9"],"jmx_port":-1,"port":9,"host":"h2","version":5,"timestamp":"1"}"#;

pub struct Bed {
    pub server: SimZk,
    pub env: Env,
    pub broker: Broker,
    _stop: watch::Sender<bool>,
}

/// Starts a broker; the sender stops a start that is under way.
pub async fn start(
    env: &Env,
    zk: Zk,
    settings: &[(&str, &str)],
    stopping: watch::Receiver<bool>,
) -> Result<Broker, StartError> {
    start_on(env, zk, Disk::Sim(SimDisk::new()), settings, stopping).await
}

async fn start_on(
    env: &Env,
    zk: Zk,
    disk: Disk,
    settings: &[(&str, &str)],
    stopping: watch::Receiver<bool>,
) -> Result<Broker, StartError> {
    let mut all: BTreeMap<&str, &str> = BTreeMap::from([
        ("broker.id", "1"),
        ("zookeeper.connect", "sim:2181"),
        ("listeners", "PLAINTEXT://127.0.0.1:0"),
        ("log.dirs", "/sim/a"),
        ("controlled.shutdown.enable", "false"),
    ]);
    all.extend(settings.iter().copied());
    let overrides = all.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    let sources = Sources { file: Default::default(), env: Vec::new(), plain_kafka_env: false, overrides };
    let loaded = config::load(&sources).expect("a good configuration");
    Broker::start_sim(env, loaded.config, loaded.statics, disk, zk, stopping).await
}

impl Bed {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With these settings beside the usual ones.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let env = Env::sim(11, 1_700_000_000_000, SimNet::default());
        Self::build(env, Disk::Sim(SimDisk::new()), settings).await
    }

    /// With real files below `dir` and real sockets, in real time; ZooKeeper alone is simulated.
    pub async fn real(dir: &Path) -> Self {
        let dir = dir.to_str().expect("a path of text");
        Self::build(Env::current(), Disk::Real, &[("log.dirs", dir)]).await
    }

    async fn build(env: Env, disk: Disk, settings: &[(&str, &str)]) -> Self {
        let server = SimZk::new();
        server.put("/brokers/ids/2", OTHER_NODE);
        let (stop, stopping) = watch::channel(false);
        let broker = start_on(&env, server.connect().await, disk, settings, stopping).await.expect("started");
        let bed = Self { server, env, broker, _stop: stop };
        bed.until("controller", || bed.broker.api().controller.is_active()).await;
        bed.until("metadata", || bed.broker.api().cluster.metadata.load().is_alive(ME)).await;
        bed
    }

    /// Waits, in virtual time, for what has no event of its own.
    pub async fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !done() {
            assert!(tokio::time::Instant::now() < deadline, "{what} never came");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets everything run that can run without time passing for long.
    pub async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    /// Makes a topic of one partition, and waits until this broker leads it.
    pub async fn topic(&self, name: &str, replicas: &[i32]) -> TopicId {
        self.topic_with(name, replicas, &ConfigMap::new()).await
    }

    pub async fn topic_with(&self, name: &str, replicas: &[i32], config: &ConfigMap) -> TopicId {
        let id = self.create(name, replicas, config, ME).await;
        let api = self.broker.api();
        self.until("the leader", || api.replicas.get(&tp(name)).is_ok_and(|p| p.state().epoch_start.is_some())).await;
        id
    }

    /// Makes a topic of one partition that somebody else leads.
    pub async fn topic_led_by(&self, name: &str, replicas: &[i32], leader: i32) -> TopicId {
        self.create(name, replicas, &ConfigMap::new(), leader).await
    }

    async fn create(&self, name: &str, replicas: &[i32], config: &ConfigMap, leader: i32) -> TopicId {
        let id = self.env.rng.topic_id();
        let node = TopicNode {
            topic_id: Some(id),
            partitions: BTreeMap::from([(0, PartitionAssignment::stable(replicas.to_vec()))]),
        };
        let session = self.broker.zk().session();
        store::topics::create(&session, name, config, &node).await.expect("topic written");
        let api = self.broker.api();
        self.until("the topic in the metadata", || {
            api.cluster.metadata.load().partition(name, 0).is_some_and(|p| p.leader == leader)
        })
        .await;
        id
    }

    pub fn partition(&self, topic: &str) -> Arc<Partition> {
        self.broker.api().replicas.get(&tp(topic)).expect("hosted")
    }

    /// The other replica has fetched up to an offset.
    pub fn other_has(&self, topic: &str, end_offset: i64) {
        let partition = self.partition(topic);
        if let Some(other) = partition.change().followers.get_mut(&OTHER) {
            other.end_offset = Some(end_offset);
        }
    }

    pub async fn connect(&self) -> Client {
        let address = self.broker.address();
        Client::over(self.env.net.connect(&address.host, address.port).await.expect("connected"))
    }
}

pub fn tp(topic: &str) -> TopicPartition {
    TopicPartition::new(topic, 0)
}

/// A client that says exactly what the test wants.
pub struct Client {
    pub stream: Stream,
    next_id: i32,
}

impl Client {
    /// Over a connection that the test has made itself.
    pub fn over(stream: Stream) -> Self {
        Self { stream, next_id: 1 }
    }

    /// Sends a request and returns its correlation id.
    pub async fn send<R: Request>(&mut self, request: &R, version: i16) -> i32 {
        let (id, bytes) = self.encode(request, version);
        self.send_bytes(&bytes).await;
        id
    }

    pub fn encode<R: Request>(&mut self, request: &R, version: i16) -> (i32, BytesMut) {
        let id = self.next_id;
        self.next_id += 1;
        let mut bytes = BytesMut::new();
        encode_request(&mut bytes, request, version, id, Some("test")).expect("encoded");
        (id, bytes)
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("sent");
    }

    /// The next answer; none when the broker has closed the connection.
    pub async fn frame(&mut self) -> Option<Bytes> {
        let read = async {
            let size = self.stream.read_u32().await.ok()?;
            let mut frame = vec![0; size as usize];
            self.stream.read_exact(&mut frame).await.expect("a whole answer");
            Some(Bytes::from(frame))
        };
        tokio::time::timeout(PATIENCE, read).await.expect("an answer or the end")
    }

    pub async fn answer<M: Message>(&mut self, version: i16) -> (i32, M) {
        decode_response(self.frame().await.expect("an answer"), version).expect("an answer of this kind")
    }

    /// Sends a request and waits for its answer.
    pub async fn ask<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        let id = self.send(request, version).await;
        let (answered, response) = self.answer(version).await;
        assert_eq!(answered, id);
        response
    }

    /// The correlation id of the next answer.
    pub async fn next_id(&mut self) -> i32 {
        self.frame().await.expect("an answer").get_i32()
    }

    /// Correlation id and the one partition of a produce's answer.
    pub async fn produced(&mut self) -> (i32, ProduceResponsePartition) {
        let (id, mut answer) = self.answer::<ProduceResponse>(PRODUCE).await;
        (id, answer.responses.remove(0).partition_responses.remove(0))
    }

    /// True when nothing has come, and the connection is open.
    pub async fn hears_nothing(&mut self) -> bool {
        let mut byte = [0; 1];
        tokio::time::timeout(Duration::from_millis(5), self.stream.read(&mut byte)).await.is_err()
    }
}

pub const PRODUCE: i16 = 11;
pub const FETCH: i16 = 12;

pub fn produce(topic: &str, acks: i16) -> ProduceRequest {
    produce_records(topic, acks, batch(b"v"))
}

pub fn batch(value: &[u8]) -> Bytes {
    let mut batch = BatchBuilder::new(0);
    batch.append(1_700_000_000_000, None, Some(value), &[]);
    batch.build().expect("a batch")
}

pub fn produce_records(topic: &str, acks: i16, records: Bytes) -> ProduceRequest {
    ProduceRequest {
        acks,
        timeout_ms: 30_000,
        topic_data: vec![ProduceRequestTopic {
            name: topic.into(),
            partition_data: vec![ProduceRequestPartition { index: 0, records: Records::Bytes(records) }],
        }],
        ..Default::default()
    }
}

/// A fetch without session that waits for a byte.
pub fn fetch(topic: &str, offset: i64, max_wait_ms: i32) -> FetchRequest {
    FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        topics: vec![FetchRequestTopic {
            topic: topic.into(),
            partitions: vec![FetchRequestPartition {
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

//! A cluster without brokers: a simulated ZooKeeper, and for each broker a listener that writes down what the controller sends.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use ottla::base::env::{Lane, Listener, SimNet, Stream};
use ottla::base::{BrokerId, Env, TopicId, TopicPartition};
use ottla::client::Target;
use ottla::controller::{Controller, ControllerHandle, ControllerSettings};
use ottla::wire::{
    ApiKey, LeaderAndIsrRequest, LeaderAndIsrResponse, LeaderAndIsrResponsePartitionError,
    LeaderAndIsrResponseTopicError, ListOffsetsRequest, ListOffsetsRequestPartition, ListOffsetsRequestTopic,
    ListOffsetsResponse, ListOffsetsResponsePartition, ListOffsetsResponseTopic, Message, Reader, RequestHeader,
    StopReplicaRequest, StopReplicaResponse, StopReplicaResponsePartitionError, UpdateMetadataRequest,
    UpdateMetadataResponse, decode_request_header, encode_response,
};
use ottla::zk::session::sim::SimZk;
use ottla::zk::session::{Session, Zk};
use ottla::zk::store;
use ottla::zk::znode::broker_ids::{BrokerNode, EndpointNode};
use ottla::zk::znode::config::ConfigMap;
use ottla::zk::znode::topic::{PartitionAssignment, TopicNode};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

/// Long in virtual time; reached only when something never comes.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const START_MS: i64 = 1_700_000_000_000;

#[derive(Clone, Debug)]
pub(crate) enum Received {
    LeaderAndIsr(LeaderAndIsrRequest),
    UpdateMetadata(UpdateMetadataRequest),
    StopReplica(StopReplicaRequest),
    ListOffsets(ListOffsetsRequest),
}

#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) header: RequestHeader,
    pub(crate) request: Received,
}

/// Error codes that a broker answers for partitions, by API; for LeaderAndIsr and UpdateMetadata as a whole under no topic's partition -1; others are 0.
pub(crate) type Answers = Arc<Mutex<HashMap<(ApiKey, TopicPartition), i16>>>;

/// The epoch, if it tells one, and the offset at which the log of a partition ends on a broker; 0 and 10 unless said.
pub(crate) type Ends = Arc<Mutex<HashMap<TopicPartition, (Option<i32>, i64)>>>;

pub(crate) struct World {
    pub(crate) zk: SimZk,
    pub(crate) net: SimNet,
}

pub(crate) struct Node {
    pub(crate) id: BrokerId,
    pub(crate) env: Env,
    pub(crate) zk: Zk,
    pub(crate) epoch: i64,
    pub(crate) settings: ControllerSettings,
    pub(crate) answers: Answers,
    pub(crate) ends: Ends,
    port: u16,
    arrive: mpsc::UnboundedSender<Arrived>,
    arrived: mpsc::UnboundedReceiver<Arrived>,
    process: watch::Sender<bool>,
}

pub(crate) fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

pub(crate) fn registration(id: BrokerId, port: u16) -> BrokerNode {
    BrokerNode {
        id,
        version: 5,
        endpoints: vec![EndpointNode {
            listener: "PLAINTEXT".into(),
            protocol: "PLAINTEXT".into(),
            host: "127.0.0.1".into(),
            port: i32::from(port),
        }],
        rack: None,
        jmx_port: -1,
        timestamp_ms: START_MS,
        features: BTreeMap::new(),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self { zk: SimZk::new(), net: SimNet::default() }
    }

    /// A registered broker that listens where it says.
    pub(crate) async fn broker(&self, id: BrokerId) -> Node {
        let port = 9092 + u16::try_from(id).expect("small id");
        self.broker_at(id, port, port).await
    }

    /// A registered broker that listens at `bound` and advertises `advertised`.
    pub(crate) async fn broker_at(&self, id: BrokerId, advertised: u16, bound: u16) -> Node {
        let zk = self.zk.connect().await;
        let session = zk.session();
        store::ids::create_top_level_paths(&session).await.expect("top level paths");
        let epoch = store::brokers::register(&session, &registration(id, advertised), &[]).await.expect("registered");
        let env = Env::sim(7 + id as u64, START_MS, self.net.clone());
        let (arrive, arrived) = mpsc::unbounded_channel();
        let mut settings = ControllerSettings::new(id, "PLAINTEXT", Target::new("127.0.0.1", bound));
        settings.auto_leader_rebalance = false;
        let answers = Answers::default();
        let mut node = Node {
            id,
            env,
            zk,
            epoch,
            settings,
            answers,
            ends: Ends::default(),
            port: bound,
            arrive,
            arrived,
            process: watch::Sender::new(true),
        };
        node.listen();
        node
    }

    /// Makes a topic as any broker does: by writing it.
    pub(crate) async fn create_topic(&self, session: &Session, name: &str, replicas: &[&[BrokerId]]) -> TopicId {
        let id = TopicId::from_bytes([name.len() as u8 + 17; 16]);
        let partitions = replicas.iter().enumerate();
        let node = TopicNode {
            topic_id: Some(id),
            partitions: partitions.map(|(p, r)| (p as i32, PartitionAssignment::stable(r.to_vec()))).collect(),
        };
        store::topics::create(session, name, &ConfigMap::new(), &node).await.expect("topic written");
        id
    }

    /// A topic of one partition on broker 0, there before any controller.
    pub(crate) fn create_topic_unchecked(&self, name: &str) {
        let node = TopicNode {
            topic_id: Some(TopicId::from_bytes([5; 16])),
            partitions: BTreeMap::from([(0, PartitionAssignment::stable(vec![0]))]),
        };
        self.zk.put(&ottla::zk::znode::topic::path(name), node.encode());
    }

    /// The JSON of a partition's state and the version of its node.
    pub(crate) fn state(&self, name: &TopicPartition) -> (String, i32) {
        let path = ottla::zk::znode::partition_state::path(name);
        let dump = self.zk.dump();
        let (text, stat) = dump.get(&path).unwrap_or_else(|| panic!("no {path}"));
        (text.clone(), stat.version)
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.zk.dump().contains_key(path)
    }
}

impl Node {
    pub(crate) fn start(&self) -> ControllerHandle {
        Controller::start(self.env.clone(), self.zk.clone(), self.settings.clone())
    }

    /// What listens at its port.
    pub(crate) fn listen(&mut self) {
        let (process, alive) = watch::channel(true);
        self.process = process;
        let listener = self.env.net.listen(SocketAddr::from(([127, 0, 0, 1], self.port)), None).expect("free port");
        let replies = Replies { answers: self.answers.clone(), ends: self.ends.clone() };
        let serving = serve(listener, self.env.clone(), self.arrive.clone(), replies, alive);
        self.env.tasks.spawn(Lane::Data, "receiver", serving);
    }

    /// Its process dies: connections close, and its host refuses new ones. Its session lives on.
    pub(crate) fn die(&self) {
        self.process.send_replace(false);
    }

    pub(crate) fn session(&self) -> Session {
        self.zk.session()
    }

    /// The next request that arrives.
    pub(crate) async fn next(&mut self) -> Arrived {
        match tokio::time::timeout(PATIENCE, self.arrived.recv()).await {
            Ok(Some(arrived)) => arrived,
            Ok(None) => panic!("broker {} has stopped listening", self.id),
            Err(_) => panic!("nothing more arrives at broker {}", self.id),
        }
    }

    /// The next request, if one has arrived.
    pub(crate) fn try_next(&mut self) -> Option<Arrived> {
        self.arrived.try_recv().ok()
    }

    /// The next request in words.
    pub(crate) async fn told(&mut self) -> String {
        words(&self.next().await.request)
    }

    /// Requests up to the first whose words begin with `end`, that one included.
    pub(crate) async fn told_until(&mut self, end: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let next = match tokio::time::timeout(PATIENCE, self.arrived.recv()).await {
                Ok(Some(arrived)) => words(&arrived.request),
                _ => panic!("broker {} never hears {end:?}; heard {all:#?}", self.id),
            };
            let last = next.starts_with(end);
            all.push(next);
            if last {
                return all;
            }
        }
    }

    /// Nothing has arrived and nothing is on its way: checked after all tasks have come to rest.
    pub(crate) async fn silent(&mut self) {
        settle().await;
        if let Ok(arrived) = self.arrived.try_recv() {
            panic!("broker {} also hears {}", self.id, words(&arrived.request));
        }
    }

    /// Drops what has arrived so far, after all tasks have come to rest.
    pub(crate) async fn forget(&mut self) {
        settle().await;
        while self.arrived.try_recv().is_ok() {}
    }
}

/// Lets every task run until it waits for the clock: the paused clock moves only when nothing else can.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// A request in words: what is asked of whom, one line.
pub(crate) fn words(request: &Received) -> String {
    match request {
        Received::LeaderAndIsr(request) => {
            let mut parts = Vec::new();
            for topic in &request.topic_states {
                for p in &topic.partition_states {
                    let new = if p.is_new { " new" } else { "" };
                    parts.push(format!(
                        "{}-{} leader {} epoch {} isr {:?}{new}",
                        topic.topic_name, p.partition_index, p.leader, p.leader_epoch, p.isr
                    ));
                }
            }
            format!("LeaderAndIsr {}", parts.join("; "))
        }
        Received::UpdateMetadata(request) => {
            let mut brokers: Vec<i32> = request.live_brokers.iter().map(|b| b.id).collect();
            brokers.sort_unstable();
            let mut parts = vec![format!("UpdateMetadata brokers {brokers:?}")];
            for topic in &request.topic_states {
                for p in &topic.partition_states {
                    let offline = match p.offline_replicas.as_slice() {
                        [] => String::new(),
                        ids => format!(" offline {ids:?}"),
                    };
                    parts.push(format!(
                        "{}-{} leader {} epoch {}{offline}",
                        topic.topic_name, p.partition_index, p.leader, p.leader_epoch
                    ));
                }
            }
            parts.join("; ")
        }
        Received::StopReplica(request) => {
            let mut parts = Vec::new();
            for topic in &request.topic_states {
                for p in &topic.partition_states {
                    let delete = if p.delete_partition { " delete" } else { "" };
                    parts.push(format!("{}-{} epoch {}{delete}", topic.topic_name, p.partition_index, p.leader_epoch));
                }
            }
            format!("StopReplica {}", parts.join("; "))
        }
        Received::ListOffsets(request) => {
            let of = |topic: &ListOffsetsRequestTopic| {
                let partitions = topic.partitions.iter();
                partitions
                    .map(|p| format!("{}-{} at {}", topic.name, p.partition_index, p.timestamp))
                    .collect::<Vec<_>>()
            };
            let parts: Vec<_> = request.topics.iter().flat_map(of).collect();
            format!("ListOffsets as {} {}", request.replica_id, parts.join("; "))
        }
    }
}

/// What a broker answers.
#[derive(Clone)]
struct Replies {
    answers: Answers,
    ends: Ends,
}

async fn serve(
    listener: Listener,
    env: Env,
    arrive: mpsc::UnboundedSender<Arrived>,
    replies: Replies,
    mut alive: watch::Receiver<bool>,
) {
    loop {
        let mut dies = alive.clone();
        tokio::select! {
            biased;
            _ = alive.wait_for(|alive| !alive) => return,
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                let talk = connection(stream, arrive.clone(), replies.clone());
                env.tasks.spawn(Lane::Data, "receiver-connection", async move {
                    tokio::select! {
                        biased;
                        _ = dies.wait_for(|alive| !alive) => {}
                        () = talk => {}
                    }
                });
            }
        }
    }
}

async fn connection(mut stream: Stream, arrive: mpsc::UnboundedSender<Arrived>, replies: Replies) {
    while let Ok(len) = stream.read_i32().await {
        let mut frame = vec![0; usize::try_from(len).expect("length")];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        let frame = Bytes::from(frame);
        let (header, reader) = decode_request_header(frame).expect("header");
        let (request, answer) = respond(&header, reader, &replies);
        if arrive.send(Arrived { header, request }).is_err() {
            return;
        }
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn respond(header: &RequestHeader, mut reader: Reader, replies: &Replies) -> (Received, BytesMut) {
    let Replies { answers, ends } = replies;
    let version = header.api_version;
    let code =
        |key: ApiKey, name: &str, partition: i32| answers.lock().get(&(key, tp(name, partition))).copied().unwrap_or(0);
    let mut out = BytesMut::new();
    let mut put = |encoded: ottla::wire::Encoded| out.put(encoded.bytes);
    let request = match header.api() {
        Some(key @ ApiKey::LeaderAndIsr) => {
            let request = LeaderAndIsrRequest::read(&mut reader, version).expect("LeaderAndIsr");
            let topics = request.topic_states.iter().map(|topic| LeaderAndIsrResponseTopicError {
                topic_id: topic.topic_id,
                partition_errors: topic
                    .partition_states
                    .iter()
                    .map(|p| LeaderAndIsrResponsePartitionError {
                        partition_index: p.partition_index,
                        error_code: code(key, &topic.topic_name, p.partition_index),
                        ..Default::default()
                    })
                    .collect(),
            });
            let error_code = code(key, "", -1);
            let response = LeaderAndIsrResponse { error_code, topics: topics.collect(), ..Default::default() };
            put(encode_response(&response, version, header.correlation_id).expect("encoded"));
            Received::LeaderAndIsr(request)
        }
        Some(key @ ApiKey::UpdateMetadata) => {
            let request = UpdateMetadataRequest::read(&mut reader, version).expect("UpdateMetadata");
            let response = UpdateMetadataResponse { error_code: code(key, "", -1) };
            put(encode_response(&response, version, header.correlation_id).expect("encoded"));
            Received::UpdateMetadata(request)
        }
        Some(key @ ApiKey::StopReplica) => {
            let request = StopReplicaRequest::read(&mut reader, version).expect("StopReplica");
            let mut response = StopReplicaResponse::default();
            for topic in &request.topic_states {
                for p in &topic.partition_states {
                    response.partition_errors.push(StopReplicaResponsePartitionError {
                        topic_name: topic.topic_name.clone(),
                        partition_index: p.partition_index,
                        error_code: code(key, &topic.topic_name, p.partition_index),
                    });
                }
            }
            put(encode_response(&response, version, header.correlation_id).expect("encoded"));
            Received::StopReplica(request)
        }
        Some(key @ ApiKey::ListOffsets) => {
            let request = ListOffsetsRequest::read(&mut reader, version).expect("ListOffsets");
            let topics = request.topics.iter().map(|topic| {
                let end = |p: &ListOffsetsRequestPartition| {
                    let known = ends.lock().get(&tp(&topic.name, p.partition_index)).copied();
                    let (epoch, offset) = known.unwrap_or((Some(0), 10));
                    ListOffsetsResponsePartition {
                        partition_index: p.partition_index,
                        error_code: code(key, &topic.name, p.partition_index),
                        offset,
                        log_epoch: epoch.unwrap_or(-2),
                        ..Default::default()
                    }
                };
                let partitions = topic.partitions.iter().map(end).collect();
                ListOffsetsResponseTopic { name: topic.name.clone(), partitions }
            });
            let response = ListOffsetsResponse { topics: topics.collect(), ..Default::default() };
            put(encode_response(&response, version, header.correlation_id).expect("encoded"));
            Received::ListOffsets(request)
        }
        other => panic!("the controller sends {other:?}"),
    };
    (request, out)
}

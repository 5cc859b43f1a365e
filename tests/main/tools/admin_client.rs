//! The admin client on a simulated network: whom it asks, when it asks again, and how it gives up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla::base::env::{Lane, SimNet, Stream};
use ottla::base::{Env, ErrorCode};
use ottla::config::Properties;
use ottla::tools::admin_client::topics::NewTopic;
use ottla::tools::admin_client::{AdminClient, AdminConfig};
use ottla::tools::console::Console;
use ottla::wire::{
    ApiKey, ApiVersionsResponse, ApiVersionsResponseApiVersion, CreateTopicsRequest, CreateTopicsResponse,
    CreateTopicsResponseTopic, DescribeClusterResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsResponsePartition, ListOffsetsResponseTopic, Message, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic, Reader, decode_request_header, encode_response,
};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the brokers of a test share, and what they were asked, as `broker: API`.
#[derive(Default)]
struct World {
    controller: i32,
    leader: i32,
    refuse_controller_once: bool,
    asked: Vec<String>,
    /// APIs and their highest version, where not all are known.
    known: Option<Vec<(ApiKey, i16)>>,
}

type Shared = Arc<Mutex<World>>;

const FIRST_PORT: u16 = 9000;

fn env() -> Env {
    Env::sim(7, 1_000_000, SimNet::default())
}

/// Starts brokers 1 and 2 on ports 9001 and 9002.
fn brokers(env: &Env, world: World) -> Shared {
    let world = Arc::new(Mutex::new(world));
    for id in [1, 2] {
        let port = FIRST_PORT + id as u16;
        let listener = env.net.listen(SocketAddr::from(([127, 0, 0, 1], port)), None).unwrap();
        let (tasks, world) = (env.tasks.clone(), world.clone());
        env.tasks.spawn(Lane::Data, "broker", async move {
            while let Ok((stream, _)) = listener.accept().await {
                tasks.spawn(Lane::Data, "connection", serve(stream, id, world.clone()));
            }
        });
    }
    world
}

async fn serve(mut stream: Stream, id: i32, world: Shared) {
    while let Ok(len) = stream.read_i32().await {
        let mut frame = vec![0; usize::try_from(len).unwrap()];
        stream.read_exact(&mut frame).await.unwrap();
        let (header, reader) = decode_request_header(Bytes::from(frame)).unwrap();
        let api = header.api().unwrap();
        let answer = answer(&mut world.lock(), id, api, header.api_version, reader, header.correlation_id);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn answer(world: &mut World, id: i32, api: ApiKey, version: i16, mut body: Reader, correlation_id: i32) -> Bytes {
    fn encoded<M: Message>(message: &M, version: i16, correlation_id: i32) -> Bytes {
        encode_response(message, version, correlation_id).unwrap().bytes
    }
    if api != ApiKey::ApiVersions {
        world.asked.push(format!("{id}: {api}"));
    }
    match api {
        ApiKey::ApiVersions => {
            let known =
                world.known.clone().unwrap_or_else(|| ApiKey::ALL.iter().map(|a| (*a, a.max_version())).collect());
            let key = |(api, max): &(ApiKey, i16)| ApiVersionsResponseApiVersion {
                api_key: api.code(),
                min_version: api.min_version(),
                max_version: *max,
            };
            let answer = ApiVersionsResponse { api_keys: known.iter().map(key).collect(), ..Default::default() };
            encoded(&answer, version, correlation_id)
        }
        ApiKey::Metadata => encoded(&metadata(world), version, correlation_id),
        ApiKey::DescribeCluster => {
            let answer = DescribeClusterResponse { cluster_id: "c".into(), controller_id: 2, ..Default::default() };
            encoded(&answer, version, correlation_id)
        }
        ApiKey::CreateTopics => {
            let request = CreateTopicsRequest::read(&mut body, version).unwrap();
            let mut code = ErrorCode::None;
            if world.controller != id {
                code = ErrorCode::NotController;
            } else if std::mem::take(&mut world.refuse_controller_once) {
                // The controller moves while it is asked.
                world.controller = 3 - id;
                code = ErrorCode::NotController;
            }
            let topic = |t: &ottla::wire::CreateTopicsRequestTopic| CreateTopicsResponseTopic {
                name: t.name.clone(),
                error_code: code.code(),
                ..Default::default()
            };
            let answer =
                CreateTopicsResponse { topics: request.topics.iter().map(topic).collect(), ..Default::default() };
            encoded(&answer, version, correlation_id)
        }
        ApiKey::ListOffsets => {
            let request = ListOffsetsRequest::read(&mut body, version).unwrap();
            let led = world.leader == id;
            world.leader = 2; // by the time of the next look
            let partition = ListOffsetsResponsePartition {
                error_code: if led { 0 } else { ErrorCode::NotLeaderOrFollower.code() },
                offset: 42,
                ..Default::default()
            };
            let topic = ListOffsetsResponseTopic { name: request.topics[0].name.clone(), partitions: vec![partition] };
            encoded(&ListOffsetsResponse { topics: vec![topic], ..Default::default() }, version, correlation_id)
        }
        _ => unreachable!("{api} is not asked for"),
    }
}

fn metadata(world: &World) -> MetadataResponse {
    let broker = |id: i32| MetadataResponseBroker {
        node_id: id,
        host: "127.0.0.1".into(),
        port: i32::from(FIRST_PORT) + id,
        rack: None,
    };
    // The first answer names the old leader.
    let leader =
        if world.asked.iter().filter(|asked| asked.ends_with("Metadata")).count() > 1 { world.leader } else { 1 };
    let partition = MetadataResponsePartition { leader_id: leader, ..Default::default() };
    let topic = MetadataResponseTopic { name: Some("t".into()), partitions: vec![partition], ..Default::default() };
    MetadataResponse {
        brokers: vec![broker(1), broker(2)],
        controller_id: world.controller,
        cluster_id: Some("old".into()),
        topics: vec![topic],
        ..Default::default()
    }
}

fn client(env: &Env, bootstrap: &str) -> (AdminClient, Arc<Mutex<Vec<u8>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let console = Console::new(std::io::sink(), Lines(said.clone()));
    let config = AdminConfig::new(bootstrap, &Properties::new(), &console).unwrap();
    (AdminClient::with_env(env.clone(), config, console), said)
}

struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn topic(name: &str) -> NewTopic {
    let (assignment, configs) = (Vec::new(), BTreeMap::new());
    NewTopic { name: name.into(), partitions: Some(1), replication_factor: Some(1), assignment, configs }
}

#[tokio::test(start_paused = true)]
async fn a_controllers_request_follows_the_controller() {
    let env = env();
    let world = brokers(&env, World { controller: 2, refuse_controller_once: true, ..World::default() });
    let (mut admin, _) = client(&env, "127.0.0.1:9001");
    admin.create_topic(&topic("t")).await.unwrap();
    let expected = ["1: Metadata", "2: CreateTopics", "1: Metadata", "1: CreateTopics"];
    assert_eq!(world.lock().asked, expected);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_request_itself_is_not_tried_again() {
    let env = env();
    let world = brokers(&env, World { controller: 1, ..World::default() });
    world.lock().known = Some(vec![(ApiKey::Metadata, 12), (ApiKey::CreateTopics, 3)]);
    let (mut admin, _) = client(&env, "127.0.0.1:9001");
    let error = admin.create_topic(&NewTopic { partitions: None, ..topic("t") }).await.unwrap_err();
    assert_eq!(error.code, Some(ErrorCode::UnsupportedVersion));
    assert_eq!(
        error.to_string(),
        "The node does not support CREATE_TOPICS with version in range [4,7]. The supported range is [0,3]."
    );
    assert_eq!(world.lock().asked, ["1: Metadata"]);
}

#[tokio::test(start_paused = true)]
async fn the_next_bootstrap_server_is_asked_when_one_is_down() {
    let env = env();
    let world = brokers(&env, World { controller: 1, ..World::default() });
    let (mut admin, said) = client(&env, "127.0.0.1:9009,127.0.0.1:9002");
    assert_eq!(admin.list_topics(true).await.unwrap().len(), 1);
    assert_eq!(world.lock().asked, ["2: Metadata"]);
    let said = String::from_utf8(said.lock().clone()).unwrap();
    assert!(said.contains("WARN [AdminClient clientId=adminclient-1] Connection to node -1 (127.0.0.1:9009) could not be established. "), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_not_there_is_given_up_after_a_minute() {
    let env = env();
    let (mut admin, said) = client(&env, "127.0.0.1:9009");
    let start = tokio::time::Instant::now();
    let error = admin.list_topics(true).await.unwrap_err();
    assert_eq!(
        error.line(),
        "org.apache.kafka.common.errors.TimeoutException: Timed out waiting for a node assignment. Call: listTopics"
    );
    let took = start.elapsed();
    assert!(took > Duration::from_secs(58) && took <= Duration::from_secs(60), "{took:?}");
    let warnings = String::from_utf8(said.lock().clone()).unwrap().lines().count();
    assert!((50..80).contains(&warnings), "{warnings} tries, a second between two");
}

#[tokio::test(start_paused = true)]
async fn brokers_before_2_8_are_described_by_their_metadata() {
    let env = env();
    let world = brokers(&env, World { controller: 2, known: Some(vec![(ApiKey::Metadata, 5)]), ..World::default() });
    let (mut admin, _) = client(&env, "127.0.0.1:9001");
    let cluster = admin.describe_cluster().await.unwrap();
    assert_eq!((cluster.cluster_id.as_deref(), cluster.controller, cluster.nodes.len()), (Some("old"), Some(2), 2));
    assert_eq!(world.lock().asked, ["1: Metadata"]);
    let error = admin.describe_client_quotas(&[]).await.unwrap_err();
    assert_eq!(error.to_string(), "The node does not support DESCRIBE_CLIENT_QUOTAS");
}

#[tokio::test(start_paused = true)]
async fn offsets_are_asked_of_the_leader_wherever_it_goes() {
    let env = env();
    let world = brokers(&env, World { controller: 1, leader: 2, ..World::default() });
    let (mut admin, _) = client(&env, "127.0.0.1:9001");
    let offsets = admin.list_offsets(&BTreeSet::from([("t".to_owned(), 0)]), -1).await;
    assert_eq!(offsets.into_iter().collect::<Vec<_>>(), [(("t".to_owned(), 0), Ok(42))]);
    let world = world.lock();
    assert_eq!(
        world.asked.iter().filter(|asked| asked.ends_with("ListOffsets")).collect::<Vec<_>>(),
        ["1: ListOffsets", "2: ListOffsets"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_there_has_an_error_of_its_own() {
    let env = env();
    brokers(&env, World { controller: 1, ..World::default() });
    let (mut admin, _) = client(&env, "127.0.0.1:9001");
    let error = admin.describe_topics(&["other".to_owned()]).await.unwrap_err();
    assert_eq!(error.code, Some(ErrorCode::UnknownTopicOrPartition));
}

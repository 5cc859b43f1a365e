//! CreateTopics, CreatePartitions and DeleteTopics wait for the metadata: in time, too late, not at all.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ottla::api::Peer;
use ottla::api::admin::delete_topics::Asked;
use ottla::api::admin::{Parts, create_partitions, create_topics, delete_topics};
use ottla::base::env::SimNet;
use ottla::base::{Env, ErrorCode, TopicId};
use ottla::wire::*;
use tokio::sync::watch;
use tokio::time::Instant;

use super::bench::Bench;

const NODE: &str = r#"{"partitions":{"0":[0]},"topic_id":"Nl8G2bdgTL-tmkgpgFhvnQ","adding_replicas":{},"removing_replicas":{},"version":3}"#;

struct Ground {
    bench: Bench,
    parts: Parts,
    peer: Peer,
    stop: watch::Sender<bool>,
}

impl Ground {
    fn on(bench: Bench) -> Self {
        let (stop, stopping) = watch::channel(false);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let peer = Peer::new("PLAINTEXT".into(), address, stopping);
        let env = Env::sim(1, 0, SimNet::default());
        let parts = Parts { env, cluster: bench.cluster.clone(), admin: bench.admin.clone() };
        Self { bench, parts, peer, stop }
    }

    /// Waits until a node is there, then tells of it as the controller does.
    async fn controller_acts(&self, path: &str, tell: &[&str]) {
        while self.bench.text(path).is_none() {
            tokio::task::yield_now().await;
        }
        self.bench.tell(tell);
    }

    async fn create(&self, request: CreateTopicsRequest) -> Vec<CreateTopicsResponseTopic> {
        create_topics::create(&self.parts, &self.peer, request).await.topics
    }
}

fn one(name: &str, timeout_ms: i32) -> CreateTopicsRequest {
    let topic =
        CreateTopicsRequestTopic { name: name.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    CreateTopicsRequest { topics: vec![topic], timeout_ms, validate_only: false }
}

fn codes(topics: &[CreateTopicsResponseTopic]) -> Vec<ErrorCode> {
    topics.iter().map(|topic| ErrorCode::from_code(topic.error_code)).collect()
}

#[tokio::test(start_paused = true)]
async fn creation_is_answered_when_leaders_are_known() {
    let ground = Ground::on(Bench::new().await);
    let (topics, ()) =
        tokio::join!(ground.create(one("t", 30_000)), ground.controller_acts("/brokers/topics/t", &["t"]));
    assert_eq!(codes(&topics), [ErrorCode::None]);
    assert_eq!((topics[0].num_partitions, topics[0].error_message.as_deref()), (1, None));
    assert!(!topics[0].topic_id.is_zero());
}

#[tokio::test(start_paused = true)]
async fn creation_without_leaders_times_out_but_is_done() {
    let ground = Ground::on(Bench::new().await);
    let before = Instant::now();
    let topics = ground.create(one("t", 500)).await;
    assert_eq!(codes(&topics), [ErrorCode::RequestTimedOut]);
    assert_eq!(before.elapsed(), Duration::from_millis(500));
    assert!(ground.bench.text("/brokers/topics/t").is_some());
}

#[tokio::test(start_paused = true)]
async fn creation_without_a_timeout_does_not_wait() {
    let ground = Ground::on(Bench::new().await);
    let before = Instant::now();
    for timeout_ms in [0, -1, i32::MIN] {
        let topics = ground.create(one(&format!("t{}", timeout_ms.unsigned_abs()), timeout_ms)).await;
        assert_eq!(codes(&topics), [ErrorCode::RequestTimedOut]);
    }
    let valid = ground.create(CreateTopicsRequest { validate_only: true, ..one("v", 30_000) }).await;
    assert_eq!(codes(&valid), [ErrorCode::None]);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_refused_topic_does_not_make_the_others_wait() {
    let ground = Ground::on(Bench::new().await);
    let before = Instant::now();
    assert_eq!(codes(&ground.create(one("a b", 30_000)).await), [ErrorCode::InvalidTopicException]);
    let mut mixed = one("t", 30_000);
    mixed.topics.extend(one("__cluster_metadata", 0).topics);
    mixed.topics.extend(one("twice", 0).topics);
    mixed.topics.extend(one("twice", 0).topics);
    let (topics, ()) = tokio::join!(ground.create(mixed), ground.controller_acts("/brokers/topics/t", &["t"]));
    let bad = ErrorCode::InvalidRequest;
    assert_eq!(codes(&topics), [ErrorCode::None, bad, bad, bad]);
    assert_eq!(
        topics[1].error_message.as_deref(),
        Some("Creation of internal topic __cluster_metadata is prohibited.")
    );
    assert_eq!(topics[3].error_message.as_deref(), Some("Found multiple entries for this topic."));
    assert_eq!(ground.bench.text("/brokers/topics/twice"), None);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_stopping_broker_answers_at_once() {
    let ground = Ground::on(Bench::new().await);
    let before = Instant::now();
    let (topics, _) = tokio::join!(ground.create(one("t", 30_000)), async { ground.stop.send(true) });
    assert_eq!(codes(&topics), [ErrorCode::RequestTimedOut]);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_does_not_drop_the_creation() {
    let ground = Ground::on(Bench::new().await);
    let dropped = tokio::time::timeout(Duration::ZERO, ground.create(one("t", 30_000))).await;
    assert!(dropped.is_err());
    ground.controller_acts("/brokers/topics/t", &[]).await;
}

#[tokio::test(start_paused = true)]
async fn growth_waits_for_all_partitions() {
    let ground = Ground::on(Bench::new().await.with_topic("t", NODE));
    let request = |timeout_ms| CreatePartitionsRequest {
        topics: vec![CreatePartitionsRequestTopic { name: "t".into(), count: 2, assignments: None }],
        timeout_ms,
        validate_only: timeout_ms == 0,
    };
    let valid = create_partitions::grow(&ground.parts, &ground.peer, request(0)).await;
    assert_eq!((valid.results[0].error_code, &valid.results[0].error_message), (0, &None));
    let late = create_partitions::grow(&ground.parts, &ground.peer, request(100)).await;
    assert_eq!(late.results[0].error_code, ErrorCode::RequestTimedOut.code());
    let mut twice = request(100);
    twice.topics.extend(twice.topics.clone());
    let refused = create_partitions::grow(&ground.parts, &ground.peer, twice).await;
    assert_eq!(refused.results.len(), 1);
    assert_eq!(refused.results[0].error_message.as_deref(), Some("Duplicate topic in request."));
}

fn named(name: &str) -> Asked {
    Asked { name: Some(name.into()), id: TopicId::ZERO }
}

#[tokio::test(start_paused = true)]
async fn deletion_waits_until_the_topic_is_gone() {
    let ground = Ground::on(Bench::new().await.with_topic("t", NODE));
    let asked = [named("t"), named("nothere"), Asked { name: None, id: TopicId::from_bytes([9; 16]) }];
    let late = delete_topics::delete(&ground.parts, &ground.peer, &asked, 100).await;
    let codes: Vec<ErrorCode> = late.responses.iter().map(|r| ErrorCode::from_code(r.error_code)).collect();
    use ErrorCode::{RequestTimedOut, UnknownTopicId, UnknownTopicOrPartition};
    assert_eq!(codes, [RequestTimedOut, UnknownTopicOrPartition, UnknownTopicId]);
    assert_eq!(late.responses[2].name, None);
    assert!(ground.bench.text("/admin/delete_topics/t").is_some());
    // Asked again while the first deletion is under way, and then done.
    let gone = async {
        ground.bench.cluster.metadata.update(&UpdateMetadataRequest {
            topic_states: vec![UpdateMetadataRequestTopicState {
                topic_name: "t".into(),
                partition_states: vec![UpdateMetadataRequestPartitionState { leader: -2, ..Default::default() }],
                ..Default::default()
            }],
            ..Default::default()
        });
    };
    let again = [named("t")];
    let (done, ()) = tokio::join!(delete_topics::delete(&ground.parts, &ground.peer, &again, 30_000), gone);
    assert_eq!((done.responses[0].error_code, done.responses[0].topic_id), (0, TopicId::ZERO));
}

#[tokio::test(start_paused = true)]
async fn deletion_finds_a_topic_by_its_id() {
    let ground = Ground::on(Bench::new().await.with_topic("t", NODE));
    let id = TopicId::from_bytes([3; 16]);
    ground.bench.cluster.metadata.update(&UpdateMetadataRequest {
        topic_states: vec![UpdateMetadataRequestTopicState {
            topic_name: "t".into(),
            topic_id: id,
            partition_states: vec![UpdateMetadataRequestPartitionState::default()],
        }],
        ..Default::default()
    });
    let asked = [Asked { name: None, id }];
    let told = delete_topics::delete(&ground.parts, &ground.peer, &asked, 0).await;
    assert_eq!((told.responses[0].name.as_deref(), told.responses[0].topic_id), (Some("t"), id));
    assert_eq!(told.responses[0].error_code, ErrorCode::RequestTimedOut.code());
}

//! What each key changes that only brokers have.

use std::time::Duration;

use ottla::base::env::Stream;
use ottla::record::BatchBuilder;
use ottla::wire::{ApiVersionsRequest, DescribeProducersRequest, DescribeProducersRequestTopic};
use ottla::zk::znode::config::ConfigEntity;
use tokio::time::Instant;

use super::super::bed::{Bed, Client, ME, OTHER, produce_records};
use super::super::configs::write;
use super::Held::{self, Apart, NoEffect, Shown};
use super::{BROKER, alter, set_broker};

const MEMORY: &str = "how much memory a cleaning takes, not what it does: log::cleaner holds it";
const THROTTLES: &str = "held where replication throttles are";
const THREADS: &str = "there is no such thread pool";

macro_rules! shown {
    ($check:ident) => {
        Shown(|()| Box::pin($check()))
    };
}

pub(super) const KEYS: &[(&str, Held<()>)] = &[
    ("advertised.listeners", shown!(advertised_listeners)),
    ("background.threads", NoEffect(THREADS)),
    ("follower.replication.throttled.rate", Apart(THROTTLES)),
    ("leader.replication.throttled.rate", Apart(THROTTLES)),
    ("listener.security.protocol.map", shown!(protocol_map)),
    ("listeners", shown!(listeners)),
    ("log.cleaner.backoff.ms", shown!(cleaner_backoff)),
    ("log.cleaner.dedupe.buffer.size", Apart(MEMORY)),
    ("log.cleaner.io.buffer.load.factor", Apart(MEMORY)),
    ("log.cleaner.io.buffer.size", Apart(MEMORY)),
    ("log.cleaner.io.max.bytes.per.second", shown!(cleaner_throttle)),
    ("log.cleaner.threads", Apart("how many logs are cleaned at once, not what is: log::cleaner holds it")),
    ("max.connection.creation.rate", shown!(creation_rate)),
    ("max.connections", shown!(max_connections)),
    ("max.connections.per.ip", shown!(per_ip)),
    ("max.connections.per.ip.overrides", shown!(per_ip_overrides)),
    ("num.io.threads", NoEffect(THREADS)),
    ("num.network.threads", NoEffect(THREADS)),
    (
        "num.recovery.threads.per.data.dir",
        Apart("seen at the next stop alone: log::manager closes with so many threads"),
    ),
    ("num.replica.fetchers", shown!(fetchers)),
    ("producer.id.expiration.ms", shown!(producer_expiration)),
    ("replica.alter.log.dirs.io.max.bytes.per.second", Apart(THROTTLES)),
    ("transaction.partition.verification.enable", shown!(verification)),
];

/// An answer within a moment?
async fn answers(client: &mut Client) -> bool {
    client.send(&ApiVersionsRequest::default(), 0).await;
    tokio::time::timeout(Duration::from_millis(50), client.frame()).await.is_ok_and(|frame| frame.is_some())
}

async fn max_connections() {
    let bed = Bed::with(&[("max.connections", "2")]).await; // the controller's own is one of them
    let mut first = bed.connect().await;
    assert!(answers(&mut first).await);
    let mut waiting = bed.connect().await;
    assert!(!answers(&mut waiting).await);
    // Not by a request, for which there is no room.
    write(&bed, &ConfigEntity::broker(None), &[("max.connections", "10")]).await;
    waiting.frame().await.expect("the answer that was waited for");
    assert!(answers(&mut bed.connect().await).await);
    set_broker(&bed, "", "max.connections", "1").await;
    let mut late = [bed.connect().await, bed.connect().await];
    assert!(!(answers(&mut late[0]).await && answers(&mut late[1]).await), "there is room for one");
    of_a_listener().await;
}

/// A listener's own bound, which stands under the listener's prefix.
async fn of_a_listener() {
    let bed = Bed::new().await;
    set_broker(&bed, "", "listener.name.plaintext.max.connections", "2").await;
    let mut first = bed.connect().await;
    assert!(answers(&mut first).await, "with the controller's own the second");
    let mut second = bed.connect().await;
    assert!(!answers(&mut second).await, "the third waits");
    drop(first);
    second.frame().await.expect("the answer that was waited for");
}

async fn per_ip() {
    let bed = Bed::new().await;
    set_broker(&bed, "", "max.connections.per.ip", "2").await;
    let mut first = bed.connect().await;
    assert!(answers(&mut first).await, "with the controller's own the second");
    assert!(bed.connect().await.frame().await.is_none(), "closed at once");
    drop(first);
    bed.settle().await;
    set_broker(&bed, "", "max.connections.per.ip", "10").await;
    let mut all = [bed.connect().await, bed.connect().await];
    assert!(answers(&mut all[0]).await && answers(&mut all[1]).await);
}

async fn per_ip_overrides() {
    let bed = Bed::new().await;
    let key = "max.connections.per.ip.overrides";
    set_broker(&bed, &ME.to_string(), key, "127.0.0.1:2").await;
    let mut first = bed.connect().await;
    assert!(answers(&mut first).await);
    assert!(bed.connect().await.frame().await.is_none(), "closed at once");
    drop(first);
    bed.settle().await;
    set_broker(&bed, &ME.to_string(), key, "127.0.0.1:20").await;
    let mut all = [bed.connect().await, bed.connect().await];
    assert!(answers(&mut all[0]).await && answers(&mut all[1]).await);
}

/// How long the broker takes to answer on `count` new connections.
async fn connecting(bed: &Bed, count: usize) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        bed.connect().await.ask(&ApiVersionsRequest::default(), 0).await;
    }
    start.elapsed()
}

async fn creation_rate() {
    let bed = Bed::with(&[("quota.window.num", "2")]).await; // a burst of one window's connections
    assert!(connecting(&bed, 20).await < Duration::from_secs(1));
    set_broker(&bed, "", "max.connection.creation.rate", "2").await;
    assert!(connecting(&bed, 10).await >= Duration::from_secs(3), "two a second");
    set_broker(&bed, "", "max.connection.creation.rate", "2147483647").await;
    assert!(connecting(&bed, 20).await < Duration::from_secs(1));
}

const TWO: &str = "PLAINTEXT:PLAINTEXT,SIDE:PLAINTEXT";

async fn connect_to(bed: &Bed, port: u16) -> Option<Stream> {
    bed.env.net.connect("127.0.0.1", port).await.ok()
}

/// The broker's own listener as it stands in its configuration, and a second.
fn both(port: u16) -> String {
    format!("PLAINTEXT://127.0.0.1:0,SIDE://127.0.0.1:{port}")
}

async fn listeners() {
    let bed = Bed::with(&[("listener.security.protocol.map", TWO)]).await;
    let me = ME.to_string();
    assert!(connect_to(&bed, 7001).await.is_none());
    set_broker(&bed, &me, "listeners", &both(7001)).await;
    let mut side = Client::over(connect_to(&bed, 7001).await.expect("the new listener accepts"));
    side.ask(&ApiVersionsRequest::default(), 0).await;
    let endpoints = || bed.server.dump()["/brokers/ids/1"].0.clone();
    bed.until("its registration", || endpoints().contains("SIDE://127.0.0.1:7001")).await;

    let mut client = bed.connect().await;
    let moved = format!("PLAINTEXT://127.0.0.1:7002,SIDE://127.0.0.1:{}", 7001);
    let (code, why) = alter(&mut client, BROKER, &me, "listeners", &moved).await;
    assert_eq!(code, 42, "an address that clients know is not moved under them: {why}");
    assert!(why.contains("existing listener PLAINTEXT"), "{why}");

    set_broker(&bed, &me, "listeners", "PLAINTEXT://127.0.0.1:0").await;
    assert!(side.frame().await.is_none(), "a removed listener's connections are closed");
    assert!(connect_to(&bed, 7001).await.is_none(), "and its port is free");
    bed.until("its registration", || !endpoints().contains("SIDE")).await;
    client.ask(&ApiVersionsRequest::default(), 0).await;
}

async fn advertised_listeners() {
    let bed = Bed::new().await;
    set_broker(&bed, &ME.to_string(), "advertised.listeners", "PLAINTEXT://elsewhere:4711").await;
    let image = || bed.broker.api().cluster.metadata.load();
    let told = || image().endpoint(ME, "PLAINTEXT").is_some_and(|e| &*e.host == "elsewhere" && e.port == 4711);
    bed.until("what clients are told", told).await;
    // A new session says the same.
    bed.server.expire(bed.broker.zk().session().id());
    let registered = || bed.server.dump().get("/brokers/ids/1").is_some_and(|node| node.0.contains("elsewhere"));
    bed.until("the next session's registration", registered).await;
}

async fn protocol_map() {
    let bed = Bed::new().await;
    let me = ME.to_string();
    let mut client = bed.connect().await;
    let (code, why) = alter(&mut client, BROKER, &me, "listeners", &both(7003)).await;
    assert_eq!(code, 42, "no protocol is known for the second listener: {why}");
    set_broker(&bed, &me, "listener.security.protocol.map", TWO).await;
    set_broker(&bed, &me, "listeners", &both(7003)).await;
    assert!(connect_to(&bed, 7003).await.is_some());
    let (code, why) = alter(&mut client, BROKER, &me, "listener.security.protocol.map", "PLAINTEXT:SSL").await;
    assert_eq!(code, 42, "{why}");
}

async fn fetchers() {
    let bed = Bed::new().await;
    for n in 0..6 {
        bed.topic_led_by(&format!("t{n}"), &[OTHER, ME], OTHER).await;
    }
    let fetchers = || bed.broker.api().replicas.fetchers().map_or(0, |fetchers| fetchers.tasks());
    bed.until("the one fetcher", || fetchers() == 1).await;
    set_broker(&bed, "", "num.replica.fetchers", "2").await;
    bed.until("two fetchers", || fetchers() == 2).await;
    set_broker(&bed, "", "num.replica.fetchers", "1").await;
    bed.until("one again", || fetchers() == 1).await;
}

async fn producers(bed: &Bed) -> usize {
    let topics = vec![DescribeProducersRequestTopic { name: "t".into(), partition_indexes: vec![0] }];
    let answer = bed.connect().await.ask(&DescribeProducersRequest { topics }, 0).await;
    answer.topics[0].partitions[0].active_producers.len()
}

async fn producer_expiration() {
    let bed = Bed::with(&[("producer.id.expiration.check.interval.ms", "1000")]).await;
    bed.topic("t", &[ME]).await;
    let mut batch = BatchBuilder::new(0).producer(5, 0, 0);
    batch.append(bed.env.clock.wall_ms(), None, Some(b"v"), &[]);
    let batch = batch.build().expect("a batch");
    let answer = bed.connect().await.ask(&produce_records("t", -1, batch), 11).await;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(producers(&bed).await, 1);
    set_broker(&bed, "", "producer.id.expiration.ms", "2000").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(producers(&bed).await, 0);
}

/// A transactional batch whose partition was never added to its transaction.
async fn unverified(bed: &Bed, producer: i64) -> i16 {
    let mut batch = BatchBuilder::new(0).producer(producer, 0, 0).transactional(true);
    batch.append(bed.env.clock.wall_ms(), None, Some(b"v"), &[]);
    let mut request = produce_records("t", -1, batch.build().expect("a batch"));
    request.transactional_id = Some("x".into());
    bed.connect().await.ask(&request, 11).await.responses[0].partition_responses[0].error_code
}

async fn verification() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    assert_ne!(unverified(&bed, 7).await, 0);
    set_broker(&bed, "", "transaction.partition.verification.enable", "false").await;
    assert_eq!(unverified(&bed, 8).await, 0);
}

/// A compacted topic with some kilobytes of one key in closed segments, and its size.
async fn dirty(bed: &Bed) -> u64 {
    let compacted = [("cleanup.policy", "compact"), ("segment.bytes", "500")].into_iter().collect();
    bed.topic_with("t", &[ME], &compacted).await;
    let mut client = bed.connect().await;
    for _ in 0..40 {
        let mut batch = BatchBuilder::new(0);
        batch.append(bed.env.clock.wall_ms(), Some(b"k"), Some(&[b'a'; 100]), &[]);
        let answer = client.ask(&produce_records("t", -1, batch.build().expect("a batch")), 11).await;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
    bed.partition("t").log().size_bytes()
}

async fn cleaner_backoff() {
    let bed = Bed::with(&[("log.cleaner.backoff.ms", "100000000")]).await;
    let full = dirty(&bed).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bed.partition("t").log().size_bytes(), full);
    set_broker(&bed, "", "log.cleaner.backoff.ms", "1000").await;
    bed.until("the cleaning", || bed.partition("t").log().size_bytes() < full / 2).await;
}

async fn cleaner_throttle() {
    let bed = Bed::with(&[("log.cleaner.backoff.ms", "1000")]).await;
    set_broker(&bed, "", "log.cleaner.io.max.bytes.per.second", "300.0").await;
    let start = Instant::now();
    let full = dirty(&bed).await;
    bed.until("the slow cleaning", || bed.partition("t").log().size_bytes() < full / 2).await;
    let slow = start.elapsed();
    assert!(slow >= Duration::from_secs(10), "{full} bytes were read and written in {slow:?}");
    let bed = Bed::with(&[("log.cleaner.backoff.ms", "1000")]).await;
    let start = Instant::now();
    let full = dirty(&bed).await;
    bed.until("the cleaning", || bed.partition("t").log().size_bytes() < full / 2).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

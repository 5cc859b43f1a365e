//! Following over a simulated network: a leader in the test serves its own replica to the fetchers of another.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla::base::env::{Lane, SimNet, Stream};
use ottla::base::{Env, ErrorCode, TopicId, TopicPartition};
use ottla::cluster::Cluster;
use ottla::config::{LogConfig, ThrottledReplicas};
use ottla::disk::{Disk, SimDisk};
use ottla::log::{CancelFlag, LogDirs, LogManager, ManagerConfig};
use ottla::record::{BatchBuilder, Origin};
use ottla::replica::delete_records::Deletion;
use ottla::replica::fetch_session::{SessionKey, Wanted};
use ottla::replica::fetcher::{FetcherSettings, Fetchers};
use ottla::replica::follower_fetch::FollowerId;
use ottla::replica::offsets::{Asker, OffsetQuery};
use ottla::replica::read::ReadLimits;
use ottla::replica::{Partition, Replicas};
use ottla::wire::{
    ApiKey, FetchRequest, FetchResponse, FetchResponseEpochEndOffset, FetchResponsePartition, FetchResponseTopic,
    ListOffsetsRequest, ListOffsetsResponse, ListOffsetsResponsePartition, ListOffsetsResponseTopic, Records,
    UpdateMetadataRequest, UpdateMetadataRequestBroker, UpdateMetadataRequestEndpoint, decode_request,
    decode_request_header, encode_response,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

const LEADER: i32 = 1;
const FOLLOWER: i32 = 2;
const PORT: u16 = 9092;

fn id() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn topic_id() -> TopicId {
    TopicId::from_bytes([7; 16])
}

/// The replicas of one broker.
fn broker(net: &SimNet, me: i32) -> Arc<Replicas> {
    broker_with(net, me, settings())
}

fn broker_with(net: &SimNet, me: i32, settings: FetcherSettings) -> Arc<Replicas> {
    let env = Env::sim(u64::try_from(me).expect("an id"), 1_700_000_000_000, net.clone());
    let dirs = LogDirs::open(Disk::Sim(SimDisk::new()), &[PathBuf::from("/a")]).expect("a directory");
    let config = Arc::new(LogConfig::default());
    let logs =
        LogManager::load(env.clone(), dirs, ManagerConfig::default(), &move |_| config.clone(), &CancelFlag::new());
    let cluster = Arc::new(Cluster::new("c".into(), me));
    cluster.epochs.registered(i64::from(me) * 10);
    let replicas = Arc::new(Replicas::new(env.clone(), cluster.clone(), logs.expect("loaded"), 100));
    let fetchers = Fetchers::new(env, cluster, settings);
    fetchers.set_address(LEADER, "leader", PORT);
    replicas.start_fetching(fetchers);
    replicas
}

fn settings() -> FetcherSettings {
    FetcherSettings {
        fetchers_per_leader: 1,
        listener: "PLAINTEXT".into(),
        max_wait_ms: 50,
        min_bytes: 1,
        max_bytes: 1 << 20,
        partition_max_bytes: 1 << 20,
        backoff: Duration::from_millis(100),
        socket_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        fetch_version: 17,
        list_offsets_version: 9,
    }
}

async fn assign(replicas: &Replicas, leader: i32, leader_epoch: i32) {
    assign_with(replicas, leader, leader_epoch, &[LEADER, FOLLOWER], LogConfig::default()).await;
}

async fn assign_with(replicas: &Replicas, leader: i32, leader_epoch: i32, isr: &[i32], config: LogConfig) {
    let assignment = super::assignment(leader, leader_epoch, isr, &[LEADER, FOLLOWER]);
    let config = || Arc::new(config);
    replicas.assign(&id(), Some(topic_id()), &assignment, config).await.expect("assigned");
    replicas.assigned();
}

fn partition(replicas: &Replicas) -> Arc<Partition> {
    replicas.get(&id()).expect("hosted")
}

async fn append(replicas: &Replicas, count: usize) {
    for _ in 0..count {
        let mut batch = BatchBuilder::new(0);
        batch.append(1_700_000_000_000, None, Some(b"v"), &[]);
        let records: Bytes = batch.build().expect("a batch");
        replicas.append(&id(), records, 1, Origin::Client).await.expect("appended");
    }
}

/// Serves Fetch (without sessions) and ListOffsets of `replicas` until the test ends.
fn serve(net: &SimNet, replicas: Arc<Replicas>) {
    let env = Env::sim(9, 0, net.clone());
    let listener = env.net.listen(SocketAddr::from(([127, 0, 0, 1], PORT)), None).expect("a free port");
    let tasks = env.tasks.clone();
    env.tasks.spawn(Lane::Data, "leader", async move {
        while let Ok((stream, _)) = listener.accept().await {
            tasks.spawn(Lane::Data, "connection", answer_all(stream, replicas.clone()));
        }
    });
}

async fn answer_all(mut stream: Stream, replicas: Arc<Replicas>) {
    while let Ok(len) = stream.read_i32().await {
        let mut frame = vec![0; usize::try_from(len).expect("a length")];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        let frame = Bytes::from(frame);
        let (header, _) = decode_request_header(frame.clone()).expect("a header");
        let (version, correlation) = (header.api_version, header.correlation_id);
        assert_eq!(header.client_id.as_deref(), Some("broker-2-fetcher-0"));
        let answer = match header.api() {
            Some(ApiKey::Fetch) => {
                let (_, request) = decode_request(frame).expect("a Fetch");
                encode_response(&fetch(&replicas, request).await, version, correlation)
            }
            Some(ApiKey::ListOffsets) => {
                let (_, request) = decode_request(frame).expect("a ListOffsets");
                encode_response(&list_offsets(&replicas, request).await, version, correlation)
            }
            other => panic!("{other:?}"),
        };
        if stream.write_all(&answer.expect("encoded").bytes).await.is_err() {
            return;
        }
    }
}

async fn fetch(replicas: &Replicas, request: FetchRequest) -> FetchResponse {
    let follower =
        FollowerId { broker: request.replica_state.replica_id, broker_epoch: request.replica_state.replica_epoch };
    let limits = ReadLimits {
        max_bytes: 1 << 20,
        hard_max_bytes: false,
        committed_transactions_only: false,
        follower: Some(follower),
        any_replica: false,
    };
    let mut response = FetchResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for p in topic.partitions {
            let key = SessionKey { topic_id: topic.topic_id, topic: "t".into(), partition: p.partition };
            let asked = wanted(p.fetch_offset, p.current_leader_epoch, p.last_fetched_epoch);
            let wanted =
                vec![(key, Wanted { log_start_offset: p.log_start_offset, max_bytes: p.partition_max_bytes, ..asked })];
            let mut read = replicas.read(&wanted, limits).await.remove(0);
            if read.is_empty() && read.error.is_none() && read.diverging.is_none() {
                let wait = replicas.register_read(&wanted, limits);
                read = replicas.read_again(&wanted, limits).await.remove(0);
                if read.is_empty() {
                    let most = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
                    replicas.wait_for_more(&wait, Instant::now() + most).await;
                    read = replicas.read_again(&wanted, limits).await.remove(0);
                }
            }
            replicas.note_sent(&wanted, std::slice::from_ref(&read));
            let diverging =
                read.diverging.map(|d| FetchResponseEpochEndOffset { epoch: d.epoch, end_offset: d.end_offset });
            partitions.push(FetchResponsePartition {
                partition_index: p.partition,
                error_code: read.error.code(),
                high_watermark: read.high_watermark,
                log_start_offset: read.log_start_offset,
                diverging_epoch: diverging.unwrap_or_default(),
                records: Records::Bytes(read.slice.map_or_else(Bytes::new, |s| s.read_to_bytes().expect("readable"))),
                ..Default::default()
            });
        }
        response.responses.push(FetchResponseTopic { topic_id: topic.topic_id, partitions, ..Default::default() });
    }
    response
}

async fn list_offsets(replicas: &Replicas, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let asked = &request.topics[0].partitions[0];
    let query = if asked.timestamp == -1 { OffsetQuery::Latest } else { OffsetQuery::Earliest };
    let found = replicas.find_offset(&id(), query, asked.current_leader_epoch, Asker::Replica).await.expect("found");
    let partition = ListOffsetsResponsePartition { offset: found.offset, ..Default::default() };
    let topic = ListOffsetsResponseTopic { name: request.topics[0].name.clone(), partitions: vec![partition] };
    ListOffsetsResponse { topics: vec![topic], ..Default::default() }
}

fn wanted(fetch_offset: i64, current_leader_epoch: i32, last_fetched_epoch: i32) -> Wanted {
    Wanted { fetch_offset, log_start_offset: 0, max_bytes: 1 << 20, current_leader_epoch, last_fetched_epoch }
}

/// A fetch of a follower, as the leader's handler makes it.
async fn fetch_as(replicas: &Replicas, follower: FollowerId, wanted: Wanted) -> ottla::replica::read::PartitionRead {
    let key = SessionKey { topic_id: topic_id(), topic: "t".into(), partition: 0 };
    let limits = ReadLimits {
        max_bytes: 1 << 20,
        hard_max_bytes: false,
        committed_transactions_only: false,
        follower: Some(follower),
        any_replica: false,
    };
    replicas.read(&[(key, wanted)], limits).await.remove(0)
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not come to pass");
        tokio::time::sleep(Duration::from_millis(5)).await; // of the paused clock
    }
}

fn bytes_of(replicas: &Replicas) -> (i64, i64, u64) {
    let log = &partition(replicas).log();
    (log.start_offset(), log.leo(), log.size_bytes())
}

#[tokio::test(start_paused = true)]
async fn follower_copies_and_the_high_watermark_follows_on_both() {
    let net = SimNet::default();
    let (leader, follower) = (broker(&net, LEADER), broker(&net, FOLLOWER));
    serve(&net, leader.clone());
    assign(&leader, LEADER, 0).await;
    append(&leader, 5).await;
    assert_eq!(partition(&leader).log().high_watermark(), 0, "the follower is in sync and has nothing yet");
    assign(&follower, LEADER, 0).await;
    until("five records on the follower", || partition(&follower).log().leo() == 5).await;
    until("their commit", || partition(&leader).log().high_watermark() == 5).await;
    until("the follower's high watermark", || partition(&follower).log().high_watermark() == 5).await;
    append(&leader, 3).await;
    until("three more", || partition(&leader).log().high_watermark() == 8).await;
    assert_eq!(bytes_of(&leader), bytes_of(&follower));
}

#[tokio::test(start_paused = true)]
async fn follower_that_is_told_before_its_leader_tries_again_soon() {
    let net = SimNet::default();
    let (leader, follower) = (broker(&net, LEADER), broker(&net, FOLLOWER));
    serve(&net, leader.clone());
    assign(&follower, LEADER, 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assign(&leader, LEADER, 0).await;
    append(&leader, 2).await;
    let start = Instant::now();
    until("the records", || partition(&follower).log().leo() == 2).await;
    assert!(start.elapsed() <= Duration::from_millis(300), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn unclean_tail_is_cut_by_epoch_and_replaced() {
    let net = SimNet::default();
    let (leader, follower) = (broker(&net, LEADER), broker(&net, FOLLOWER));
    serve(&net, leader.clone());
    // Both have offsets 0..4 of epoch 0; then each is leader without the other.
    assign(&leader, LEADER, 0).await;
    append(&leader, 4).await;
    assign(&follower, LEADER, 0).await;
    until("the common part", || partition(&follower).log().leo() == 4).await;
    assign(&follower, FOLLOWER, 1).await;
    append(&follower, 6).await;
    assign(&leader, LEADER, 2).await;
    append(&leader, 3).await;
    assert_eq!(partition(&follower).log().leo(), 10);
    assign(&follower, LEADER, 2).await;
    until("the leader's records", || bytes_of(&follower) == bytes_of(&leader)).await;
    let log = &partition(&follower).log();
    assert_eq!((log.leo(), log.epoch_at(3), log.epoch_at(4), log.epoch_start(1)), (7, Some(0), Some(2), None));
    until("the commit", || partition(&leader).log().high_watermark() == 7).await;
}

#[tokio::test(start_paused = true)]
async fn follower_below_the_leaders_start_begins_anew_there() {
    let net = SimNet::default();
    let (leader, follower) = (broker(&net, LEADER), broker(&net, FOLLOWER));
    serve(&net, leader.clone());
    assign(&leader, LEADER, 0).await;
    append(&leader, 6).await;
    {
        let p = partition(&leader);
        p.log().set_high_watermark(6);
        p.log().increment_start_offset(4).await.expect("raised");
    }
    assign(&follower, LEADER, 0).await;
    until("the rest", || partition(&follower).log().leo() == 6).await;
    assert_eq!(partition(&follower).log().start_offset(), 4);
}

#[tokio::test(start_paused = true)]
async fn leaders_log_start_is_taken_over() {
    let net = SimNet::default();
    let (leader, follower) = (broker(&net, LEADER), broker(&net, FOLLOWER));
    serve(&net, leader.clone());
    assign(&leader, LEADER, 0).await;
    append(&leader, 6).await;
    assign(&follower, LEADER, 0).await;
    until("the commit", || partition(&follower).log().high_watermark() == 6).await;
    partition(&leader).log().increment_start_offset(3).await.expect("raised");
    until("the start", || partition(&follower).log().start_offset() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn leadership_ends_the_copying_and_idle_fetchers_end() {
    let net = SimNet::default();
    let (leader, follower) = (broker(&net, LEADER), broker(&net, FOLLOWER));
    serve(&net, leader.clone());
    assign(&leader, LEADER, 0).await;
    append(&leader, 1).await;
    assign(&follower, LEADER, 0).await;
    until("the record", || partition(&follower).log().leo() == 1).await;
    assert_eq!(follower.fetchers().expect("fetchers").tasks(), 1);
    assign(&follower, FOLLOWER, 1).await;
    assert_eq!(follower.fetchers().expect("fetchers").tasks(), 0);
    append(&leader, 1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(partition(&follower).log().leo(), 1);
}

#[tokio::test]
async fn fetch_of_a_stranger_or_an_earlier_registration_acknowledges_nothing() {
    let leader = broker(&SimNet::default(), LEADER);
    assign(&leader, LEADER, 0).await;
    append(&leader, 3).await;
    let now = FollowerId { broker: FOLLOWER, broker_epoch: 20 };
    let stranger = fetch_as(&leader, FollowerId { broker: 9, broker_epoch: 1 }, wanted(3, 0, 0)).await;
    assert_eq!(stranger.error, ErrorCode::UnknownLeaderEpoch);
    assert_eq!(fetch_as(&leader, now, wanted(1, 0, 0)).await.error, ErrorCode::None);
    let earlier = fetch_as(&leader, FollowerId { broker_epoch: 19, ..now }, wanted(3, 0, 0)).await;
    assert_eq!(earlier.error, ErrorCode::NotLeaderOrFollower);
    let fenced = fetch_as(&leader, now, wanted(3, 5, 0)).await;
    assert_eq!(fenced.error, ErrorCode::UnknownLeaderEpoch);
    let beyond = fetch_as(&leader, now, wanted(4, 0, -1)).await;
    assert_eq!(beyond.error, ErrorCode::OffsetOutOfRange);
    assert_eq!(partition(&leader).log().high_watermark(), 1);
    assert_eq!(fetch_as(&leader, now, wanted(3, 0, 0)).await.error, ErrorCode::None);
    assert_eq!(partition(&leader).log().high_watermark(), 3);
}

#[tokio::test]
async fn diverging_fetch_is_told_so_and_acknowledges_nothing() {
    let leader = broker(&SimNet::default(), LEADER);
    assign(&leader, LEADER, 0).await;
    append(&leader, 3).await;
    assign(&leader, LEADER, 4).await;
    append(&leader, 2).await;
    let follower = FollowerId { broker: FOLLOWER, broker_epoch: 20 };
    let read = fetch_as(&leader, follower, wanted(5, 4, 2)).await;
    let diverging = read.diverging.expect("a divergence");
    assert_eq!((diverging.epoch, diverging.end_offset), (0, 3));
    assert!(read.is_empty());
    assert_eq!(partition(&leader).log().high_watermark(), 0);
}

#[tokio::test(start_paused = true)]
async fn follower_behind_for_the_lag_time_is_proposed_for_removal_unless_its_fetch_waits_here() {
    let leader = broker(&SimNet::default(), LEADER);
    leader.set_max_lag(Duration::from_secs(10));
    assign(&leader, LEADER, 0).await;
    append(&leader, 3).await;
    let proposed = || partition(&leader).state().pending.clone().map(|pending| pending.isr);
    tokio::time::sleep(Duration::from_secs(9)).await;
    leader.shrink_isrs();
    assert_eq!(proposed(), None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    {
        // Received and not yet looked at, whatever it says: its sender is alive, and this broker is late. No offset moves by it.
        let _received = leader.heard.received(FOLLOWER);
        leader.shrink_isrs();
        assert_eq!(proposed(), None);
        assert_eq!(partition(&leader).log().high_watermark(), 0);
        tokio::time::sleep(Duration::from_secs(10)).await;
        leader.shrink_isrs();
        assert_eq!(proposed(), Some(vec![LEADER]), "but only for one more lag time");
    }
    assert_eq!(partition(&leader).state().isr, [LEADER, FOLLOWER], "nothing changes before the controller has said so");
    assert_eq!(partition(&leader).log().high_watermark(), 0);
}

#[tokio::test(start_paused = true)]
async fn received_fetch_postpones_removal_and_a_diverged_one_changes_nothing_else() {
    let leader = broker(&SimNet::default(), LEADER);
    leader.set_max_lag(Duration::from_secs(10));
    assign(&leader, LEADER, 0).await;
    append(&leader, 3).await;
    assign(&leader, LEADER, 4).await;
    append(&leader, 2).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    let follower = FollowerId { broker: FOLLOWER, broker_epoch: 20 };
    let queued = leader.heard.received(FOLLOWER);
    leader.shrink_isrs();
    assert!(partition(&leader).state().pending.is_none());
    assert!(fetch_as(&leader, follower, wanted(5, 4, 2)).await.diverging.is_some());
    drop(queued);
    assert_eq!(partition(&leader).state().followers[&FOLLOWER].end_offset, None);
    leader.shrink_isrs();
    assert!(partition(&leader).state().pending.is_some(), "once it is looked at, a diverged fetch saves nobody");
}

fn alive(replicas: &Replicas, ids: &[i32]) {
    let broker = |id: &i32| UpdateMetadataRequestBroker {
        id: *id,
        endpoints: vec![UpdateMetadataRequestEndpoint {
            port: i32::from(PORT),
            host: "leader".into(),
            listener: "PLAINTEXT".into(),
            security_protocol: 0,
        }],
        ..Default::default()
    };
    let live_brokers = ids.iter().map(broker).collect();
    replicas.cluster.metadata.update(&UpdateMetadataRequest { live_brokers, ..Default::default() });
}

#[tokio::test(start_paused = true)]
async fn deletion_of_records_waits_for_the_followers_that_live() {
    let net = SimNet::default();
    let (leader, follower) = (broker(&net, LEADER), broker(&net, FOLLOWER));
    serve(&net, leader.clone());
    alive(&leader, &[LEADER, FOLLOWER]);
    assign(&leader, LEADER, 0).await;
    append(&leader, 6).await;
    assign(&follower, LEADER, 0).await;
    until("the commit", || partition(&follower).log().high_watermark() == 6).await;
    let deletion = leader.delete_records(&id(), 4).await.expect("deleted");
    assert_eq!(deletion, Deletion { wanted: 4, low_watermark: 0 });
    let deadline = Instant::now() + Duration::from_secs(20);
    assert_eq!(leader.await_deletions(&[(id(), deletion)], deadline).await, [Ok(4)]);
    assert_eq!(partition(&follower).log().start_offset(), 4);

    // One that does not fetch any more is waited for as long as it is said to live.
    assign(&follower, FOLLOWER, 1).await;
    let deletion = leader.delete_records(&id(), 6).await.expect("deleted");
    let (begin, waiting) = (Instant::now(), [(id(), deletion)]);
    assert_eq!(leader.await_deletions(&waiting, begin + Duration::from_secs(2)).await, [Ok(4)], "late");
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
    alive(&leader, &[LEADER]);
    assert_eq!(leader.await_deletions(&waiting, Instant::now() + Duration::from_secs(2)).await, [Ok(6)]);
    assert_eq!(begin.elapsed(), Duration::from_secs(2), "at once");
    assign(&leader, FOLLOWER, 2).await;
    assert_eq!(leader.await_deletions(&waiting, Instant::now()).await, [Err(ErrorCode::NotLeaderOrFollower)]);
}

/// A leader alone in its ISR, with records, and a follower that is to copy them under a throttle on one side.
async fn throttled(config: LogConfig) -> (SimNet, Arc<Replicas>, Arc<Replicas>) {
    let net = SimNet::default();
    // Few batches at a time, so that the follower stays behind.
    let small = FetcherSettings { partition_max_bytes: 200, ..settings() };
    let (leader, follower) = (broker(&net, LEADER), broker_with(&net, FOLLOWER, small));
    serve(&net, leader.clone());
    assign_with(&leader, LEADER, 0, &[LEADER], config.clone()).await;
    append(&leader, 80).await;
    assign_with(&follower, LEADER, 0, &[LEADER], config).await;
    (net, leader, follower)
}

#[tokio::test(start_paused = true)]
async fn throttled_leader_sends_no_more_than_its_rate_and_followers_in_sync_all() {
    let config = LogConfig { leader_throttled_replicas: ThrottledReplicas::All, ..LogConfig::default() };
    let (_net, leader, follower) = throttled(config).await;
    leader.set_throttle_rates(RATE, i64::MAX);
    assert_takes_its_time(&leader, &follower).await;

    // In sync it is not held back, however much it is.
    leader.set_throttle_rates(1, i64::MAX);
    partition(&leader).change().isr = vec![LEADER, FOLLOWER];
    let begin = Instant::now();
    for _ in 0..5 {
        append(&leader, 40).await;
        let end = partition(&leader).log().leo();
        until("more", || partition(&follower).log().leo() == end).await;
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn throttled_follower_asks_for_no_more_than_its_rate() {
    let config = LogConfig { follower_throttled_replicas: ThrottledReplicas::All, ..LogConfig::default() };
    let (_net, leader, follower) = throttled(config).await;
    follower.set_throttle_rates(i64::MAX, RATE);
    assert_takes_its_time(&leader, &follower).await;
}

/// Bytes a second.
const RATE: i64 = 500;

/// The copy takes about as long as its bytes at the rate: what one window let through counts until that is over.
async fn assert_takes_its_time(leader: &Replicas, follower: &Replicas) {
    let begin = Instant::now();
    until("all", || partition(follower).log().leo() == partition(leader).log().leo()).await;
    let expected = Duration::from_secs(bytes_of(leader).2 / RATE.unsigned_abs());
    let slack = expected / 2;
    assert!(slack > Duration::from_secs(5), "enough to tell: {expected:?}");
    assert!(begin.elapsed() >= expected - slack, "{:?} instead of {expected:?}", begin.elapsed());
    assert!(begin.elapsed() <= expected + slack, "{:?} instead of {expected:?}", begin.elapsed());
}

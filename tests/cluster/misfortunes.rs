//! What happens to one of three brokers while the others go on: a full disk, a topic made anew during a failover, requests of brokers and
//! controllers that are no longer; and consumers that read near by.

use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use kafka_protocol::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::leader_and_isr_request::LeaderAndIsrRequest;
use kafka_protocol::messages::update_metadata_request::UpdateMetadataRequest;
use kafka_protocol::messages::{BrokerId, StopReplicaRequest};
use kafka_protocol::protocol::StrBytes;

use super::harness::client::{kcat, kcat_values};
use super::harness::partitions::{
    Brokers, LIMIT, addresses, await_led, await_state, create, fill, put, start, state, topic_on,
};
use super::harness::raw::{Connection, topic_name};
use super::harness::tiny_fs::TinyFs;
use super::harness::{Cluster, eventually, tree};

const NONE: i16 = 0;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const STALE_CONTROLLER_EPOCH: i16 = 11;
const STALE_BROKER_EPOCH: i16 = 77;

/// Asks as a consumer of a rack: error, who it is sent to (-1: nobody), bytes of records.
fn fetch(address: &str, topic: &str, version: i16, rack: &'static str) -> (i16, i32, usize) {
    let partition = FetchPartition::default().with_fetch_offset(0).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_bytes(1 << 20)
        .with_min_bytes(1)
        .with_max_wait_ms(500)
        .with_rack_id(StrBytes::from_static_str(rack))
        .with_topics(vec![topic]);
    let request = if version < 11 { request.with_rack_id(StrBytes::default()) } else { request };
    let response = Connection::to(address).call(&request, version);
    let partition = &response.responses[0].partitions[0];
    let bytes = partition.records.as_ref().map_or(0, |records| records.len());
    (partition.error_code, partition.preferred_read_replica.0, bytes)
}

#[test]
fn consumers_are_sent_to_the_replica_of_their_rack_and_read_there() {
    let cluster = Cluster::new("rack-aware");
    let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    let plan = |id: i32| {
        cluster
            .broker(id)
            .with("broker.rack", format!("r{id}"))
            .with("replica.selector.class", selector)
            .with("auto.leader.rebalance.enable", false)
    };
    let brokers: Brokers = start((0..3).map(plan));
    create(&brokers[&0], &topic_on("t", &[&[0, 1, 2]], &[]));
    await_led(&cluster.connect, "t", 0, 0, &[0, 1, 2]);
    let (leader, near) = (brokers[&0].address(), brokers[&1].address());
    put(&leader, "t", 0, "a");
    put(&leader, "t", 0, "b");
    eventually("the follower's offset at its leader", LIMIT, || {
        (fetch(&leader, "t", 11, "r1") == (NONE, 1, 0)).then_some(())
    });
    for version in [11, 12] {
        assert_eq!(fetch(&leader, "t", version, "r2"), (NONE, 2, 0), "version {version}");
        for rack in ["r0", "", "nowhere"] {
            let (code, replica, bytes) = fetch(&leader, "t", version, rack);
            assert!((code, replica) == (NONE, -1) && bytes > 0, "{rack:?} {version}: {code} {replica} {bytes}");
        }
        eventually("the records on the follower", LIMIT, || {
            let (code, replica, bytes) = fetch(&near, "t", version, "r1");
            (code == NONE && replica == -1 && bytes > 0).then_some(())
        });
    }
    assert_eq!(fetch(&near, "t", 10, "").0, NOT_LEADER_OR_FOLLOWER, "consumers of before read from leaders");
    // A client that knows the way goes there.
    let args = ["-C", "-t", "t", "-p", "0", "-o", "beginning", "-e", "-q", "-X", "client.rack=r1", "-d", "fetch"];
    let ran = kcat(&addresses(&brokers), &args, "");
    assert_eq!(ran.out, "a\nb\n", "{ran:?}");
    assert!(ran.err.contains("migrating from broker 0 to 1 (leader is 0): preferred replica"), "{}", ran.err);
}

#[test]
fn deleted_records_are_gone_from_all_replicas_when_that_is_answered() {
    let cluster = Cluster::new("delete-records-replicated");
    let brokers = start((0..3).map(|id| cluster.broker(id).with("auto.leader.rebalance.enable", false)));
    create(&brokers[&0], &topic_on("t", &[&[1, 0, 2]], &[]));
    let leader = brokers[&1].address();
    for value in ["a", "b", "c"] {
        put(&leader, "t", 0, value);
    }
    let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(2);
    let topic = DeleteRecordsTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(20_000);
    let response = Connection::to(&leader).call(&request, 2);
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.error_code, partition.low_watermark), (NONE, 2));
    // Each of them, as a consumer may ask it.
    for id in [0, 2] {
        let (code, _, _) = fetch(&brokers[&id].address(), "t", 11, "");
        assert_eq!(code, 1, "OFFSET_OUT_OF_RANGE on broker {id}");
    }
    assert_eq!(kcat_values(&leader, "t", 0), ["c"]);
}

#[test]
fn full_disk_of_a_follower_takes_its_replicas_offline_and_nobody_else() {
    let cluster = Cluster::new("full-follower");
    let connect = &cluster.connect;
    let tiny = TinyFs::mount(&cluster.dir.join("tiny"), 4 << 20);
    let plan = |id: i32| cluster.broker(id).with("auto.leader.rebalance.enable", false);
    let mut brokers = start([plan(0), plan(1)]);
    // Broker 2 has a small directory besides its own: new partitions go where there are fewest.
    let two = plan(2).inside(&tiny);
    let dirs = format!("{},{}", two.logs.display(), tiny.dir().display());
    // Index files are mapped: no entry, no write into a page that the file system can't give.
    brokers.insert(2, two.with("log.dirs", dirs).with("log.index.interval.bytes", 100 << 20).start());
    for topic in ["t0", "t1"] {
        create(&brokers[&0], &topic_on(topic, &[&[0, 2]], &[]));
        await_led(connect, topic, 0, 0, &[0, 2]);
    }
    let is_tiny = |topic: &str| tiny.outside(&format!("{topic}-0")).exists();
    let (full, fine) = if is_tiny("t0") { ("t0", "t1") } else { ("t1", "t0") };
    assert!(is_tiny(full) && !is_tiny(fine));
    fill(&brokers[&0], full, 0, 6_000_000);
    await_led(connect, full, 0, 0, &[0]);
    put(&brokers[&0].address(), full, 0, "without it");
    put(&brokers[&0].address(), fine, 0, "with it");
    assert_eq!(state(connect, fine, 0).expect("there").isr, [0, 2], "the other directory goes on");
    brokers.values_mut().for_each(super::harness::Broker::assert_alive);
    eventually("the notice to be taken", LIMIT, || {
        tree::children(connect, "/log_dir_event_notification").is_empty().then_some(())
    });
}

#[test]
fn topic_deleted_and_made_again_during_a_failover_is_a_new_one_everywhere() {
    let cluster = Cluster::new("made-again");
    let connect = &cluster.connect;
    let plan = |id: i32| cluster.broker(id).with("auto.leader.rebalance.enable", false);
    let mut brokers = start((0..3).map(plan));
    create(&brokers[&0], &topic_on("t", &[&[1, 2, 0], &[2, 1, 0]], &[]));
    await_led(connect, "t", 0, 1, &[0, 1, 2]);
    put(&brokers[&1].address(), "t", 0, "of before");
    let before = tree::get(connect, "/brokers/topics/t").expect("there");

    // The controller, which also has a replica, dies with the deletion just begun.
    let topic = DeleteTopicState::default().with_name(Some(topic_name("t")));
    let request = DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(0);
    Connection::to(&brokers[&0].address()).call(&request, 6);
    let zero = brokers.remove(&0).expect("running").kill();
    brokers.insert(0, zero.start_among_leaderless());
    eventually("the end of the deletion", LIMIT, || tree::get(connect, "/brokers/topics/t").is_none().then_some(()));
    let controller = eventually("a controller", LIMIT, || tree::controller(connect));
    create(&brokers[&controller], &topic_on("t", &[&[1, 2, 0], &[2, 1, 0]], &[]));
    assert_ne!(tree::get(connect, "/brokers/topics/t").expect("made"), before);
    for partition in 0..2 {
        await_state(connect, "t", partition, "all in sync", |state| state.isr == [0, 1, 2]);
    }
    let leader = state(connect, "t", 0).expect("there").leader;
    put(&brokers[&leader].address(), "t", 0, "of after");
    assert_eq!(kcat_values(&brokers[&leader].address(), "t", 0), ["of after"]);
    for broker in brokers.values_mut() {
        broker.assert_alive();
    }
}

#[test]
fn requests_of_an_old_controller_or_for_an_old_registration_change_nothing() {
    let cluster = Cluster::new("stale-control");
    let connect = &cluster.connect;
    // One restart: the controller's epoch is 2.
    let broker = cluster.broker(0).start().stop().start();
    let address = broker.address();
    assert_eq!(tree::get(connect, "/controller_epoch").as_deref(), Some("2"));
    let epoch = tree::created(connect, "/brokers/ids/0").expect("registered");
    for (controller_epoch, broker_epoch, code) in
        [(1, epoch, STALE_CONTROLLER_EPOCH), (2, epoch - 1, STALE_BROKER_EPOCH), (3, epoch - 1, STALE_BROKER_EPOCH)]
    {
        let id = BrokerId(9);
        let request = LeaderAndIsrRequest::default().with_controller_id(id);
        let request = request.with_controller_epoch(controller_epoch).with_broker_epoch(broker_epoch);
        assert_eq!(Connection::to(&address).call(&request, 7).error_code, code);
        let request = UpdateMetadataRequest::default().with_controller_id(id);
        let request = request.with_controller_epoch(controller_epoch).with_broker_epoch(broker_epoch);
        assert_eq!(Connection::to(&address).call(&request, 8).error_code, code);
        let request = StopReplicaRequest::default().with_controller_id(id);
        let request = request.with_controller_epoch(controller_epoch).with_broker_epoch(broker_epoch);
        assert_eq!(Connection::to(&address).call(&request, 4).error_code, code);
    }
    // Nobody else became the controller in its metadata, and the epoch of the refused request was not taken over.
    let asked = kafka_protocol::messages::MetadataRequest::default().with_topics(None);
    assert_eq!(Connection::to(&address).call(&asked, 7).controller_id, BrokerId(0));
    super::harness::raw::create_and_await(&address, "t", &[]);
}

//! Single requests whose answers clients rely on: sequences, deletion of records and topics, and the APIs of features that are off.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::create_delegation_token_request::CreateDelegationTokenRequest;
use kafka_protocol::messages::delete_topics_request::DeleteTopicsRequest;
use kafka_protocol::messages::describe_acls_request::DescribeAclsRequest;
use kafka_protocol::messages::describe_delegation_token_request::DescribeDelegationTokenRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::init_producer_id_request::InitProducerIdRequest;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};

use crate::harness::raw::{self, Connection, at, batch, topic_name, with_right_crc};
use crate::harness::zookeeper::free_port;
use crate::harness::{Cluster, client, eventually};

const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
const INVALID_PRODUCER_EPOCH: i16 = 47;

/// A batch with the identity and the sequence of an idempotent producer.
fn sequenced(producer: i64, epoch: i16, sequence: i32, values: &[&str]) -> Vec<u8> {
    let mut bytes = batch(values);
    bytes[at::PRODUCER..at::PRODUCER + 8].copy_from_slice(&producer.to_be_bytes());
    bytes[at::PRODUCER + 8..at::PRODUCER + 10].copy_from_slice(&epoch.to_be_bytes());
    bytes[at::PRODUCER + 10..at::PRODUCER + 14].copy_from_slice(&sequence.to_be_bytes());
    with_right_crc(bytes)
}

#[test]
fn duplicate_of_an_idempotent_batch_gets_its_first_offset_and_a_gap_is_refused() {
    let cluster = Cluster::new("idempotent");
    let broker = cluster.broker(0).start();
    let address = broker.address();
    raw::create_and_await(&address, "topic", &[]);
    let mut connection = Connection::to(&address);
    let mut producer_id = || {
        eventually("a producer id", Duration::from_secs(20), || {
            let response = connection.call(
                &InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000),
                4,
            );
            // COORDINATOR_LOAD_IN_PROGRESS until the first block of ids is there.
            (response.error_code == 0).then_some((response.producer_id.0, response.producer_epoch))
        })
    };
    let (id, epoch) = producer_id();
    let (other, _) = producer_id();
    assert_eq!(epoch, 0);
    assert_ne!(id, other);

    let produce = |records| raw::produce(&address, "topic", records);
    assert_eq!(produce(sequenced(id, 0, 0, &["a", "b"])), (0, 0));
    assert_eq!(produce(sequenced(id, 0, 2, &["c"])), (0, 2));
    assert_eq!(produce(sequenced(other, 0, 0, &["x"])), (0, 3));
    assert_eq!(produce(sequenced(id, 0, 0, &["a", "b"])), (0, 0), "the first batch again");
    assert_eq!(produce(sequenced(id, 0, 2, &["c"])), (0, 2), "the second batch again");
    assert_eq!(produce(sequenced(id, 0, 5, &["gap"])).0, OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(produce(sequenced(id, 0, 1, &["overlap"])).0, OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(produce(sequenced(id, 1, 0, &["d"])), (0, 4), "a new epoch starts at sequence 0");
    assert_eq!(produce(sequenced(id, 0, 3, &["old epoch"])).0, INVALID_PRODUCER_EPOCH);
    assert_eq!(client::kcat_values(&address, "topic", 0), ["a", "b", "c", "x", "d"]);

    // What is known of the producers outlives a kill: it is rebuilt from the batches.
    let broker = broker.kill().start();
    let produce = |records| raw::produce(&broker.address(), "topic", records);
    assert_eq!(produce(sequenced(id, 1, 0, &["d"])), (0, 4), "the last batch again");
    assert_eq!(produce(sequenced(id, 1, 1, &["e"])), (0, 5));
    assert_eq!(produce(sequenced(other, 0, 7, &["gap"])).0, OUT_OF_ORDER_SEQUENCE_NUMBER);
}

fn fetch(topic: &str, offset: i64, min_bytes: i32, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
    let request =
        FetchRequest::default().with_replica_id(BrokerId(-1)).with_min_bytes(min_bytes).with_max_bytes(1 << 20);
    request.with_max_wait_ms(max_wait_ms).with_topics(vec![topic])
}

#[test]
fn fetch_waits_for_the_next_record_and_no_longer_than_it_was_told() {
    let cluster = Cluster::new("long-poll");
    let broker = cluster.broker(0).start();
    let address = broker.address();
    raw::create_and_await(&address, "topic", &[]);
    let mut connection = Connection::to(&address);
    let size = |records: Option<&Bytes>| records.map_or(0, Bytes::len);

    let start = Instant::now();
    let response = connection.call(&fetch("topic", 0, 1, 700), 11);
    let partition = &response.responses[0].partitions[0];
    assert_eq!((partition.error_code, partition.high_watermark, size(partition.records.as_ref())), (0, 0, 0));
    assert!(start.elapsed() >= Duration::from_millis(650), "{:?}", start.elapsed());

    let start = Instant::now();
    let woken = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| connection.call(&fetch("topic", 0, 1, 20_000), 11));
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(raw::produce(&address, "topic", batch(&["wake up"])), (0, 0));
        waiting.join().expect("an answer")
    });
    let partition = &woken.responses[0].partitions[0];
    assert_eq!((partition.error_code, partition.high_watermark), (0, 1));
    assert!(size(partition.records.as_ref()) > 61);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());

    let beyond = connection.call(&fetch("topic", 99, 1, 100), 11);
    assert_eq!(beyond.responses[0].partitions[0].error_code, 1, "OFFSET_OUT_OF_RANGE");
}

#[test]
fn special_timestamps_and_times_find_their_offsets() {
    let cluster = Cluster::new("list-offsets");
    let broker = cluster.broker(0).start();
    let address = broker.address();
    raw::create_and_await(&address, "topic", &[]);
    for (offset, time) in (0i64..).zip([1_000_000i64, 3_000_000, 2_000_000, 4_000_000]) {
        let mut bytes = batch(&["v"]);
        bytes[at::BASE_TIME..at::BASE_TIME + 8].copy_from_slice(&time.to_be_bytes());
        bytes[at::MAX_TIME..at::MAX_TIME + 8].copy_from_slice(&time.to_be_bytes());
        assert_eq!(raw::produce(&address, "topic", with_right_crc(bytes)), (0, offset));
    }
    let mut connection = Connection::to(&address);
    let mut ask = |timestamp: i64| {
        let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default().with_name(topic_name("topic")).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        let response = connection.call(&request, 8);
        let partition = &response.topics[0].partitions[0];
        (partition.error_code, partition.offset, partition.timestamp)
    };
    assert_eq!(ask(-2), (0, 0, -1), "earliest");
    assert_eq!(ask(-1), (0, 4, -1), "latest");
    assert_eq!(ask(-3), (0, 3, 4_000_000), "largest timestamp");
    assert_eq!(ask(-4), (0, 0, -1), "earliest on local disk");
    assert_eq!(ask(500), (0, 0, 1_000_000));
    assert_eq!(ask(1_500_000), (0, 1, 3_000_000));
    assert_eq!(ask(3_000_001), (0, 3, 4_000_000));
    assert_eq!(ask(9_000_000), (0, -1, -1), "later than all");
}

#[test]
fn records_deleted_by_the_java_tool_are_gone_and_stay_gone() {
    let cluster = Cluster::new("delete-records");
    let broker = cluster.broker(0).start();
    let address = broker.address();
    raw::create_and_await(&address, "topic", &[]);
    for value in ["a", "b", "c", "d", "e"] {
        assert_eq!(raw::produce(&address, "topic", batch(&[value])).0, 0);
    }
    let file = cluster.dir.join("delete.json");
    std::fs::write(&file, r#"{"partitions":[{"topic":"topic","partition":0,"offset":3}],"version":1}"#)
        .expect("written");
    let file = file.display().to_string();
    let args = ["--bootstrap-server", address.as_str(), "--offset-json-file", &file];
    let said = client::java("kafka-delete-records.sh", &args, "").ok();
    assert!(said.contains("partition: topic-0\tlow_watermark: 3"), "{said}");
    assert_eq!(client::kcat_values(&address, "topic", 0), ["d", "e"]);
    let broker = broker.stop().start();
    assert_eq!(client::kcat_values(&broker.address(), "topic", 0), ["d", "e"]);

    let address = broker.address();
    let dirs =
        client::java("kafka-log-dirs.sh", &["--bootstrap-server", &address, "--describe", "--topic-list", "topic"], "")
            .ok();
    assert!(
        dirs.contains(&broker.plan.logs.display().to_string()) && dirs.contains("\"partition\":\"topic-0\""),
        "{dirs}"
    );
}

#[test]
fn metadata_creates_a_topic_only_when_it_may_and_says_that_its_leader_comes() {
    let cluster = Cluster::new("auto-create");
    let broker = cluster.broker(0).start();
    let ask = |address: &str, name: &str, create: bool| {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(create);
        Connection::to(address).call(&request, 7).topics[0].error_code
    };
    let address = broker.address();
    assert_eq!(ask(&address, "asked", false), 3, "UNKNOWN_TOPIC_OR_PARTITION: the client does not want it made");
    assert_eq!(ask(&address, "asked", true), 5, "LEADER_NOT_AVAILABLE: it is being made");
    raw::await_leader(&address, "asked");
    assert_eq!(ask(&address, "b@d", true), 17, "INVALID_TOPIC_EXCEPTION");
    let broker = broker.stop().with("auto.create.topics.enable", false).start();
    assert_eq!(ask(&broker.address(), "later", true), 3, "the broker does not make topics");
}

#[test]
fn topic_deletion_that_is_switched_off_is_refused_and_what_is_off_says_so() {
    let cluster = Cluster::new("switched-off");
    let broker = cluster.broker(0).with("delete.topic.enable", false).start();
    let address = broker.address();
    raw::create_and_await(&address, "topic", &[]);
    let mut connection = Connection::to(&address);
    let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("topic")]).with_timeout_ms(10_000);
    assert_eq!(connection.call(&request, 5).responses[0].error_code, 73, "TOPIC_DELETION_DISABLED");
    let acls =
        DescribeAclsRequest::default().with_resource_type_filter(1).with_pattern_type_filter(1).with_operation(1);
    assert_eq!(connection.call(&acls.with_permission_type(1), 2).error_code, 54, "SECURITY_DISABLED");
    let create = connection.call(&CreateDelegationTokenRequest::default(), 2);
    let describe = connection.call(&DescribeDelegationTokenRequest::default(), 2);
    assert_eq!((create.error_code, describe.error_code), TOKEN_ERRORS);
}

/// Of creating and describing tokens over a connection that has not proved who it is.
const TOKEN_ERRORS: (i16, i16) = (64, 64);

#[test]
fn tens_of_megabytes_come_back_as_they_were_sent() {
    let cluster = Cluster::new("large");
    let broker = cluster.broker(0).with("log.segment.bytes", 8 << 20).start();
    raw::create_and_await(&broker.address(), "topic", &[]);
    let mut seed = 1u64;
    let input: String = (0..400)
        .map(|_| {
            let line: String = (0..6000)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    format!("{:016x}", seed)
                })
                .collect();
            line + "\n"
        })
        .collect();
    assert!(input.len() > 30 << 20);
    client::kcat(&broker.address(), &["-P", "-t", "topic", "-p", "0"], &input).ok();
    let args = ["-C", "-t", "topic", "-p", "0", "-o", "beginning", "-e", "-q"];
    let output =
        client::kcat(&broker.address(), &[&args[..], &["-X", "fetch.message.max.bytes=5000000"]].concat(), "").ok();
    assert!(output == input, "{} bytes of {}", output.len(), input.len());
}

#[test]
fn each_listener_tells_its_clients_its_own_address() {
    let cluster = Cluster::new("listeners");
    let inside = free_port();
    let plan = cluster.broker(0);
    let listeners = format!("PLAINTEXT://127.0.0.1:{},INSIDE://127.0.0.1:{inside}", plan.port);
    let advertised = format!("PLAINTEXT://localhost:{},INSIDE://127.0.0.1:{inside}", plan.port);
    let plan = plan.with("listeners", listeners).with("advertised.listeners", advertised);
    let broker = plan.with("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT").start();
    let told = |address: &str| {
        let response = Connection::to(address).call(&MetadataRequest::default().with_topics(Some(Vec::new())), 7);
        response.brokers.iter().map(|b| format!("{}:{}", b.host, b.port)).collect::<Vec<_>>()
    };
    assert_eq!(told(&broker.address()), [format!("localhost:{}", broker.plan.port)]);
    assert_eq!(told(&format!("127.0.0.1:{inside}")), [format!("127.0.0.1:{inside}")]);
}

#[test]
fn override_on_the_command_line_beats_the_file() {
    let cluster = Cluster::new("override");
    let broker = cluster.broker(0).with("num.partitions", 2).with_override("num.partitions=3").start();
    let listed = || client::kcat(&broker.address(), &["-L", "-t", "made"], "").ok();
    eventually("three partitions", Duration::from_secs(20), || listed().contains("with 3 partitions").then_some(()));
}

#[test]
fn stop_answers_or_ends_a_long_poll_instead_of_waiting_it_out() {
    let cluster = Cluster::new("stop-long-poll");
    let broker = cluster.broker(0).start();
    raw::create_and_await(&broker.address(), "topic", &[]);
    let mut connection = Connection::to(&broker.address());
    let request = connection.encode(&fetch("topic", 0, 1, 55_000), 11);
    connection.send_frame(&request);
    // The broker has read the request once it answers a later one.
    raw::assert_serves(&broker.address());
    let start = Instant::now();
    broker.stop();
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

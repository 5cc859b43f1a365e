//! Requests that are well formed and wrong: each gets the error code that Kafka gives, and changes nothing.

use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopicConfig};
use kafka_protocol::messages::{BrokerId, MetadataRequest};
use kafka_protocol::protocol::StrBytes;

use crate::harness::raw::{self, at, batch, new_topic, with_right_crc};
use crate::harness::tiny_fs::TinyFs;
use crate::harness::{Cluster, client};

const UNKNOWN_SERVER_ERROR: i16 = -1;
const CORRUPT_MESSAGE: i16 = 2;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_TOPIC_EXCEPTION: i16 = 17;
const INVALID_TIMESTAMP: i16 = 32;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const INVALID_PARTITIONS: i16 = 37;
const INVALID_REPLICATION_FACTOR: i16 = 38;
const INVALID_REPLICA_ASSIGNMENT: i16 = 39;
const INVALID_CONFIG: i16 = 40;
const KAFKA_STORAGE_ERROR: i16 = 56;
const INVALID_RECORD: i16 = 87;

/// A batch of two records with some of its bytes changed.
fn changed(changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = batch(&["one", "two"]);
    for (at, new) in changes {
        bytes[*at..*at + new.len()].copy_from_slice(new);
    }
    bytes
}

#[test]
fn broken_batches_are_refused_and_leave_nothing_in_the_log() {
    let cluster = Cluster::new("broken-batches");
    let mut broker = cluster.broker(0).start();
    let address = broker.address();
    raw::create_and_await(
        &address,
        "topic",
        &[("max.message.bytes", "1000"), ("message.timestamp.after.max.ms", "3600000")],
    );
    assert_eq!(raw::produce(&address, "topic", batch(&["first"])), (0, 0));

    let far = (i64::MAX / 4).to_be_bytes();
    let cases: Vec<(&str, Vec<u8>, i16)> = vec![
        ("wrong CRC", changed(&[(at::CRC, &[1, 2, 3, 4])]), CORRUPT_MESSAGE),
        ("changed value", changed(&[(70, b"!")]), CORRUPT_MESSAGE),
        ("count too high", with_right_crc(changed(&[(at::COUNT, &3i32.to_be_bytes())])), INVALID_RECORD),
        ("count too low", with_right_crc(changed(&[(at::COUNT, &1i32.to_be_bytes())])), INVALID_RECORD),
        ("count negative", with_right_crc(changed(&[(at::COUNT, &(-2i32).to_be_bytes())])), INVALID_RECORD),
        (
            "last offset delta too high",
            with_right_crc(changed(&[(at::LAST_DELTA, &9i32.to_be_bytes())])),
            INVALID_RECORD,
        ),
        ("magic 9", changed(&[(at::MAGIC, &[9])]), CORRUPT_MESSAGE),
        ("codec 7", with_right_crc(changed(&[(at::ATTRIBUTES, &[7])])), UNKNOWN_SERVER_ERROR),
        ("gzip that is none", with_right_crc(changed(&[(at::ATTRIBUTES, &[1])])), UNKNOWN_SERVER_ERROR),
        ("control batch of a client", with_right_crc(changed(&[(at::ATTRIBUTES, &[0x20])])), INVALID_RECORD),
        ("time far ahead", with_right_crc(changed(&[(at::BASE_TIME, &far), (at::MAX_TIME, &far)])), INVALID_TIMESTAMP),
        ("over max.message.bytes", batch(&["x".repeat(2000).as_str()]), MESSAGE_TOO_LARGE),
        ("two batches in one request", [batch(&["one"]), batch(&["two"])].concat(), INVALID_RECORD),
        ("half a batch", batch(&["one", "two"])[..40].to_vec(), INVALID_RECORD),
        ("length beyond the bytes", changed(&[(8, &5000i32.to_be_bytes())]), INVALID_RECORD),
    ];
    let mut wrong = Vec::new();
    for (what, bytes, expected) in cases {
        let (code, _) = raw::produce(&address, "topic", bytes);
        // Java answers what its decompressors throw with UNKNOWN_SERVER_ERROR. INVALID_RECORD, as final, says more.
        if code != expected && (expected, code) != (UNKNOWN_SERVER_ERROR, INVALID_RECORD) {
            wrong.push(format!("{what}: {code} where Kafka answers {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(raw::produce(&address, "topic", batch(&["second"])), (0, 1), "nothing was appended in between");
    assert_eq!(raw::produce(&address, "absent", batch(&["a"])).0, UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(client::kcat_values(&address, "topic", 0), ["first", "second"]);
    broker.assert_alive();
}

#[test]
fn impossible_topics_are_refused_with_their_reason() {
    let cluster = Cluster::new("impossible-topics");
    let mut broker = cluster.broker(0).start();
    let address = broker.address();
    raw::create_and_await(&address, "there", &[]);
    raw::create_and_await(&address, "dots.and_more", &[]);
    let config = |key: &'static str, value: &'static str| {
        let config = CreatableTopicConfig::default().with_name(StrBytes::from_static_str(key));
        vec![config.with_value(Some(StrBytes::from_static_str(value)))]
    };
    let long = "l".repeat(250);
    let by_hand = |name, partition, brokers: &[i32]| {
        let brokers = brokers.iter().copied().map(BrokerId).collect();
        let assignment = CreatableReplicaAssignment::default().with_partition_index(partition).with_broker_ids(brokers);
        new_topic(name, -1).with_replication_factor(-1).with_assignments(vec![assignment])
    };
    let topics = vec![
        (new_topic("", 1), INVALID_TOPIC_EXCEPTION),
        (new_topic(".", 1), INVALID_TOPIC_EXCEPTION),
        (new_topic("..", 1), INVALID_TOPIC_EXCEPTION),
        (new_topic("a/b", 1), INVALID_TOPIC_EXCEPTION),
        (new_topic("with blank", 1), INVALID_TOPIC_EXCEPTION),
        (new_topic("umlaut-\u{e4}", 1), INVALID_TOPIC_EXCEPTION),
        (new_topic(&long, 1), INVALID_TOPIC_EXCEPTION),
        (new_topic("there", 1), TOPIC_ALREADY_EXISTS),
        (new_topic("dots_and.more", 1), INVALID_TOPIC_EXCEPTION),
        (new_topic("no-partitions", 0), INVALID_PARTITIONS),
        (new_topic("two-replicas", 1).with_replication_factor(2), INVALID_REPLICATION_FACTOR),
        (new_topic("no-replicas", 1).with_replication_factor(0), INVALID_REPLICATION_FACTOR),
        (by_hand("replica-twice", 0, &[0, 0]), INVALID_REPLICA_ASSIGNMENT),
        (by_hand("no-partition-0", 1, &[0]), INVALID_REPLICA_ASSIGNMENT),
        (new_topic("unknown-config", 1).with_configs(config("no.such.config", "1")), INVALID_CONFIG),
        (new_topic("bad-config", 1).with_configs(config("retention.ms", "soon")), INVALID_CONFIG),
        (new_topic("bad-policy", 1).with_configs(config("cleanup.policy", "forget")), INVALID_CONFIG),
    ];
    let mut found = Vec::new();
    let mut expected = Vec::new();
    for (topic, code) in topics {
        expected.push((topic.name.to_string(), code));
        found.extend(raw::create(&address, vec![topic]));
    }
    assert_eq!(found, expected);
    // Good and bad in one request: the good one is made.
    let codes = raw::create(&address, vec![new_topic("good", 1), new_topic("b@d", 1)]);
    assert_eq!(codes, [("b@d".to_string(), INVALID_TOPIC_EXCEPTION), ("good".to_string(), 0)]);
    let twice = raw::create(&address, vec![new_topic("twice", 1), new_topic("twice", 1)]);
    assert!(twice.iter().all(|(_, code)| *code == 42), "INVALID_REQUEST for a name given twice: {twice:?}");
    raw::await_leader(&address, "good");

    let response = raw::Connection::to(&address).call(&MetadataRequest::default().with_topics(None), 7);
    let mut names: Vec<String> =
        response.topics.iter().filter_map(|t| t.name.as_ref().map(|n| n.to_string())).collect();
    names.sort();
    assert_eq!(names, ["dots.and_more", "good", "there"]);
    broker.assert_alive();
}

#[test]
fn full_log_directory_goes_offline_alone_and_loses_no_acknowledged_record() {
    let cluster = Cluster::new("full-dir");
    let tiny = TinyFs::mount(&cluster.dir.join("tiny"), 8 << 20);
    std::fs::write(tiny.outside("ballast"), vec![1; 4 << 20]).expect("plain files are ignored in a log directory");
    let plan = cluster.broker(0);
    let dirs = format!("{},{}", plan.logs.display(), tiny.dir().display());
    // Index files are mapped: no entry, no write into a page that the file system can't give.
    let plan = plan.inside(&tiny).with("log.dirs", dirs).with("log.index.interval.bytes", 100 << 20);
    let mut broker = plan.start();
    let address = broker.address();
    ["a", "b"].iter().for_each(|name| raw::create_and_await(&address, name, &[]));
    let (inside, beside) = if tiny.outside("a-0").exists() { ("a", "b") } else { ("b", "a") };
    assert!(
        tiny.outside(&format!("{inside}-0")).exists() && broker.partition_dir(beside, 0).exists(),
        "one topic in each"
    );

    let value = |i: i64| format!("{i} {}", "f".repeat(50_000));
    let mut acknowledged = 0;
    let code = loop {
        match raw::produce(&address, inside, batch(&[&value(acknowledged)])) {
            (0, offset) => assert_eq!(offset, acknowledged),
            (code, _) => break code,
        }
        acknowledged += 1;
        assert!(acknowledged < 200, "10 MB went into a file system with 4 MB left");
    };
    assert_eq!(code, KAFKA_STORAGE_ERROR, "after {acknowledged} records");
    assert_eq!(raw::produce(&address, beside, batch(&["goes on"])), (0, 0));
    assert_eq!(client::kcat_values(&address, beside, 0), ["goes on"]);
    broker.assert_alive();

    let plan = broker.stop();
    std::fs::remove_file(tiny.outside("ballast")).expect("removed");
    let broker = plan.start();
    let read = client::kcat_values(&broker.address(), inside, 0);
    // A record that was written and not acknowledged may be there too.
    let expected: Vec<String> = (0..acknowledged).map(value).collect();
    assert!(read.starts_with(&expected), "{} records read, {acknowledged} acknowledged", read.len());
}

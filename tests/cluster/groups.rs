//! Unmodified clients consume in groups: members share partitions, commit, hand over; offsets outlive a kill of the broker.

use crate::harness::{Broker, Cluster, Kind, client, raw, target};

fn broker(cluster: &Cluster) -> Broker {
    cluster.broker(0).with("group.initial.rebalance.delay.ms", 300).start()
}

fn produce(broker: &Broker, topic: &str, values: &[&str]) {
    let input: String = values.iter().map(|value| format!("{value}\n")).collect();
    client::kcat(&broker.address(), &["-P", "-t", topic, "-p", "0"], &input).ok();
}

/// What a member of `group` reads from the topic until it has caught up; it commits and leaves.
fn kcat_group(broker: &Broker, group: &str, topic: &str) -> Vec<String> {
    let args = ["-G", group, "-e", "-q", "-X", "auto.offset.reset=earliest", topic];
    client::kcat(&broker.address(), &args, "").ok().lines().map(String::from).collect()
}

fn java(broker: &Broker, tool: &str, args: &[&str]) -> String {
    let address = broker.address();
    client::java(tool, &[&["--bootstrap-server", address.as_str()], args].concat(), "").ok()
}

#[test]
fn kcat_goes_on_where_its_group_was_when_the_broker_is_killed() {
    let cluster = Cluster::new("group-kcat");
    let first = broker(&cluster);
    client::create_topic(&first.address(), "topic", 1, &[]);
    produce(&first, "topic", &["a", "b", "c"]);
    assert_eq!(kcat_group(&first, "group", "topic"), ["a", "b", "c"]);
    produce(&first, "topic", &["d"]);
    assert_eq!(kcat_group(&first, "group", "topic"), ["d"]);

    let second = first.kill().start();
    produce(&second, "topic", &["e", "f"]);
    assert_eq!(kcat_group(&second, "group", "topic"), ["e", "f"]);
    assert_eq!(kcat_group(&second, "another", "topic"), ["a", "b", "c", "d", "e", "f"]);
}

/// Four partitions with 10 records each, as the Python programs print what was committed.
const COMMITTED: &str = "0 10\n1 10\n2 10\n3 10\n";

#[test]
fn confluent_kafka_members_share_hand_over_and_commit() {
    let cluster = Cluster::new("group-confluent");
    let broker = broker(&cluster);
    let run = |topic: &str, strategy: &str| {
        client::python("groups_confluent.py", &[&broker.address(), topic, &format!("group-{topic}"), strategy]).ok()
    };
    assert_eq!(run("eager", "range"), COMMITTED);
    assert_eq!(run("cooperative", "cooperative-sticky"), COMMITTED);
}

#[test]
fn kafka_python_members_share_hand_over_and_commit() {
    let cluster = Cluster::new("group-kafka-python");
    let broker = broker(&cluster);
    assert_eq!(client::python("groups_kafka_python.py", &[&broker.address(), "topic", "group"]).ok(), COMMITTED);
}

#[test]
fn aiokafka_members_share_hand_over_commit_and_come_back_under_their_names() {
    let cluster = Cluster::new("group-aiokafka");
    let broker = broker(&cluster);
    assert_eq!(client::python("groups_aiokafka.py", &[&broker.address(), "topic", "group"]).ok(), COMMITTED);
}

#[test]
fn java_consumer_commits_and_the_groups_tool_sees_resets_and_deletes() {
    let cluster = Cluster::new("group-java");
    let mut broker = broker(&cluster);
    client::create_topic(&broker.address(), "topic", 1, &[]);
    produce(&broker, "topic", &["a", "b", "c", "d", "e"]);
    let consume = |broker: &Broker, most: &str| {
        let args = ["--topic", "topic", "--group", "group", "--from-beginning", "--max-messages", most];
        java(broker, "kafka-console-consumer.sh", &args)
    };
    assert_eq!(consume(&broker, "3"), "a\nb\nc\n");
    broker = broker.kill().start();
    assert_eq!(consume(&broker, "1"), "d\n");

    let tool = |args: &[&str]| java(&broker, "kafka-consumer-groups.sh", args);
    assert_eq!(tool(&["--list"]).trim(), "group");
    let state = tool(&["--describe", "--group", "group", "--state"]);
    assert!(state.contains("Empty"), "{state}");
    let offsets = |text: String| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with("group ")).map(String::from).unwrap_or(text);
        line.split_whitespace().take(6).map(String::from).collect()
    };
    assert_eq!(offsets(tool(&["--describe", "--group", "group"])), ["group", "topic", "0", "4", "5", "1"]);

    tool(&["--reset-offsets", "--to-offset", "1", "--group", "group", "--topic", "topic", "--execute"]);
    assert_eq!(offsets(tool(&["--describe", "--group", "group"])), ["group", "topic", "0", "1", "5", "4"]);
    assert_eq!(consume(&broker, "2"), "b\nc\n");

    let deleted = tool(&["--delete", "--group", "group"]);
    assert!(deleted.contains("was successful"), "{deleted}");
    assert_eq!(tool(&["--list"]).trim(), "");
}

#[test]
fn apache_kafka_takes_over_a_group_and_gives_it_back() {
    let cluster = Cluster::new("group-handover");
    let ottla = broker(&cluster);
    client::create_topic(&ottla.address(), "topic", 1, &[]);
    produce(&ottla, "topic", &["a", "b"]);
    assert_eq!(kcat_group(&ottla, "group", "topic"), ["a", "b"]);

    let apache = ottla.stop().kind(Kind::Apache).start();
    produce(&apache, "topic", &["c"]);
    assert_eq!(kcat_group(&apache, "group", "topic"), ["c"]);
    let state = java(&apache, "kafka-consumer-groups.sh", &["--describe", "--group", "group", "--state"]);
    assert!(state.contains("Empty"), "{state}");

    let ottla = apache.stop().kind(Kind::Ottla).start();
    produce(&ottla, "topic", &["d"]);
    assert_eq!(kcat_group(&ottla, "group", "topic"), ["d"]);
}

/// The body of a group request of version 0 that names partition 0 of one topic, and what follows the partition.
fn version_0(api: i16, group: &str, topic: &str, rest: &[u8]) -> Vec<u8> {
    let mut frame = api.to_be_bytes().to_vec();
    frame.extend_from_slice(b"\0\0\0\0\0\x01\0\x01t"); // version, correlation id, client id
    for text in [group, topic] {
        frame.extend_from_slice(&i16::try_from(text.len()).expect("short").to_be_bytes());
        frame.extend_from_slice(text.as_bytes());
        frame.extend_from_slice(&1i32.to_be_bytes()); // one topic; one partition
    }
    frame.extend_from_slice(&0i32.to_be_bytes());
    frame.extend_from_slice(rest);
    frame
}

#[test]
fn version_0_keeps_offsets_in_zookeeper() {
    let cluster = Cluster::new("group-version-0");
    let broker = broker(&cluster);
    raw::create_and_await(&broker.address(), "topic", &[]);
    let mut connection = raw::Connection::to(&broker.address());
    let mut ask = |api: i16, group: &str, rest: &[u8]| {
        connection.send_frame(&version_0(api, group, "topic", rest));
        connection.receive().expect("an answer")
    };
    let (commit, fetch) = (8, 9);
    let unknown = ask(fetch, "old", &[]);
    assert_eq!(unknown[unknown.len() - 2..], 3i16.to_be_bytes(), "no offset: UNKNOWN_TOPIC_OR_PARTITION");
    let mut offset = 42i64.to_be_bytes().to_vec();
    offset.extend_from_slice(b"\0\x04note");
    let committed = ask(commit, "old", &offset);
    assert_eq!(committed[committed.len() - 2..], [0, 0]);
    let fetched = ask(fetch, "old", &[]);
    let mut expected = 42i64.to_be_bytes().to_vec();
    expected.extend_from_slice(&[0, 0, 0, 0]); // no note, no error
    assert_eq!(fetched[fetched.len() - expected.len()..], expected);
    if target() == Kind::Ottla {
        let refused = ask(commit, "a/b", &offset);
        assert_ne!(refused[refused.len() - 2..], [0, 0], "a group id must not lead to another node");
    }
}

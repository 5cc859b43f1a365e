//! The tools that produce and consume, on a broker: where keys land, what is committed, how they end, what they say of failures.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;

use super::harness::client::{Ran, java, kcat, kcat_values};
use super::harness::process::Process;
use super::harness::zookeeper::free_port;
use super::harness::{Broker, Cluster, eventually};
use super::recorded_tools::{started, tool};

fn create(broker: &Broker, topic: &str, partitions: &str) {
    let address = broker.address();
    let args = ["--bootstrap-server", &address, "--create", "--topic", topic, "--partitions", partitions];
    tool("kafka-topics.sh", &args, "").ok();
}

fn produce(broker: &Broker, topic: &str, more: &[&str], input: &str) -> Ran {
    let address = broker.address();
    tool("kafka-console-producer.sh", &[&["--bootstrap-server", &address, "--topic", topic][..], more].concat(), input)
}

fn consume(broker: &Broker, more: &[&str]) -> Ran {
    let address = broker.address();
    tool("kafka-console-consumer.sh", &[&["--bootstrap-server", &address][..], more].concat(), "")
}

/// Keys of each partition, in order.
fn keys(broker: &Broker, topic: &str, partitions: i32) -> BTreeMap<i32, Vec<String>> {
    let all = |p: i32| {
        let p = p.to_string();
        let args = ["-C", "-t", topic, "-p", &p, "-o", "beginning", "-e", "-q", "-f", "%k\n"];
        kcat(&broker.address(), &args, "").ok().lines().map(String::from).collect()
    };
    (0..partitions).map(|p| (p, all(p))).collect()
}

#[test]
fn a_thousand_keys_land_where_javas_producer_puts_them() {
    let cluster = Cluster::new("records_keys");
    let broker = cluster.broker(0).start();
    for topic in ["ours", "theirs"] {
        create(&broker, topic, "7");
    }
    // Short and long, empty, and of several bytes a character.
    let key = |i: usize| match i % 4 {
        0 => format!("{i}"),
        1 => format!("user-{i}-{}", "x".repeat(i % 50)),
        2 => format!("\u{fc}\u{4e2d}\u{1f600}{i}"),
        _ => format!("{:08x}", i.wrapping_mul(2_654_435_761)),
    };
    let mut input: String = (0..1000).map(|i| format!("{}\tv{i}\n", key(i))).collect();
    input.push_str("\tempty key\n");
    let args = ["--bootstrap-server", &broker.address(), "--topic", "theirs", "--property", "parse.key=true"];
    java("kafka-console-producer.sh", &args, &input).ok();
    produce(&broker, "ours", &["--property", "parse.key=true"], &input).ok();
    let (ours, theirs) = (keys(&broker, "ours", 7), keys(&broker, "theirs", 7));
    assert_eq!(ours, theirs);
    assert_eq!(ours.values().map(Vec::len).sum::<usize>(), 1001);
    assert!(ours.values().all(|keys| keys.len() > 100), "keys are spread");
}

#[test]
fn what_is_produced_is_consumed_with_headers_and_nulls() {
    let cluster = Cluster::new("records_round_trip");
    let broker = cluster.broker(0).start();
    create(&broker, "t", "1");
    let reader = [
        "--property",
        "parse.key=true",
        "--property",
        "parse.headers=true",
        "--property",
        "null.marker=NULL",
        "--compression-codec",
        "zstd",
    ];
    produce(&broker, "t", &reader, "h1:a,h2:NULL\tk1\tv1\nNULL\tNULL\tv2\nh3:\tk3\tNULL\n\u{fc}:\u{e9}\tk4\t").ok();
    let shown = ["key", "headers", "offset"].map(|field| format!("print.{field}=true"));
    let mut args = vec!["--topic", "t", "--partition", "0", "--offset", "earliest", "--max-messages", "4"];
    shown.iter().for_each(|property| args.extend(["--property", property]));
    let read = consume(&broker, &args);
    assert_eq!(read.err, "Processed a total of 4 messages\n");
    let expected = "Offset:0\th1:a,h2:null\tk1\tv1\nOffset:1\tNO_HEADERS\tnull\tv2\nOffset:2\th3:\tk3\tnull\nOffset:3\t\u{fc}:\u{e9}\tk4\t\n";
    assert_eq!(read.ok(), expected);
    // As someone else's client sees it; kcat's `%K` and `%S` are lengths, -1 for null.
    let format = ["-C", "-t", "t", "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%K %S %h\n"];
    assert_eq!(kcat(&broker.address(), &format, "").ok(), "2 2 h1=a,h2=NULL\n-1 2 \n2 -1 h3=\n2 0 \u{fc}=\u{e9}\n");
}

/// A line that can't be read ends the command; what came before it is sent.
#[test]
fn a_bad_line_ends_the_producer_after_what_was_read() {
    let cluster = Cluster::new("records_bad_line");
    let broker = cluster.broker(0).start();
    create(&broker, "t", "1");
    let ran = produce(&broker, "t", &["--property", "parse.key=true"], "k\tv1\nnothing\nk\tv3\n");
    assert_eq!(ran.code, 1);
    let said = "org.apache.kafka.common.KafkaException: No key separator found on line number 2: 'nothing'\n";
    assert!(ran.err.starts_with(said), "{}", ran.err);
    assert_eq!(kcat_values(&broker.address(), "t", 0), ["v1"]);
}

#[test]
fn a_group_goes_on_where_it_left_off_and_is_left_at_once() {
    let cluster = Cluster::new("records_group");
    let broker = cluster.broker(0).start();
    create(&broker, "t", "3");
    produce(&broker, "t", &[], "a\nb\nc\n").ok();
    let group = ["--topic", "t", "--group", "g", "--from-beginning", "--max-messages"];
    let read = |count: &str| {
        let ran = consume(&broker, &[&group[..], &[count, "--timeout-ms", "20000"]].concat());
        let mut lines: Vec<String> = ran.ok().lines().map(String::from).collect();
        lines.sort();
        lines
    };
    assert_eq!(read("2").len(), 2);
    produce(&broker, "t", &[], "d\n").ok();
    // The member before has left, or this one would wait for its session's end; what it did not show is not committed.
    let rest = read("2");
    assert!(rest.len() == 2 && rest.contains(&"d".to_owned()), "{rest:?}");
    let none = consume(&broker, &["--topic", "t", "--group", "g", "--timeout-ms", "1000"]);
    assert_eq!((none.out.as_str(), none.code), ("", 0));
    assert!(none.err.ends_with("org.apache.kafka.common.errors.TimeoutException\nProcessed a total of 0 messages\n"));
}

#[test]
fn ctrl_c_ends_a_consumer_with_its_count() {
    let cluster = Cluster::new("records_ctrl_c");
    let broker = cluster.broker(0).start();
    create(&broker, "t", "2");
    produce(&broker, "t", &[], "a\nb\nc\n").ok();
    let args = ["--bootstrap-server", &broker.address(), "--topic", "t", "--from-beginning"];
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut consumer = started(&cluster.dir, "kafka-console-consumer.sh", &args);
        let before = consumer.output().len();
        consumer
            .await_ready(Duration::from_secs(30), |consumer| consumer.output()[before..].lines().count() == 3)
            .unwrap();
        consumer.signal(signal);
        assert_eq!(consumer.wait(Duration::from_secs(10)).code(), Some(code));
        assert!(consumer.output().ends_with("Processed a total of 3 messages\n"), "{}", consumer.output());
    }
}

#[test]
fn topics_that_match_are_followed_when_they_come() {
    let cluster = Cluster::new("records_include");
    let broker = cluster.broker(0).start();
    for topic in ["in-a", "out-a", "xin-a"] {
        create(&broker, topic, "1");
        produce(&broker, topic, &[], &format!("from {topic}\n")).ok();
    }
    let args = [
        "--bootstrap-server",
        &broker.address(),
        "--include",
        "in-[a-z]",
        "--from-beginning",
        "--consumer-property",
        "metadata.max.age.ms=300",
    ];
    let mut consumer = started(&cluster.dir, "kafka-console-consumer.sh", &args);
    consumer.await_ready(Duration::from_secs(30), |c| c.output().contains("from in-a\n")).unwrap();
    create(&broker, "in-b", "1");
    produce(&broker, "in-b", &[], "from in-b\n").ok();
    consumer.await_ready(Duration::from_secs(30), |c| c.output().contains("from in-b\n")).unwrap();
    assert!(!consumer.output().contains("out-a") && !consumer.output().contains("xin-a"), "{}", consumer.output());
}

#[test]
fn a_record_that_is_too_large_is_told_and_fails_a_synchronous_producer() {
    let cluster = Cluster::new("records_too_large");
    let broker = cluster.broker(0).start();
    create(&broker, "t", "1");
    let input = format!("small\n{}\nlast\n", "x".repeat(2 << 20));
    let ran = produce(&broker, "t", &[], &input);
    let error = "org.apache.kafka.common.errors.RecordTooLargeException: The message is ";
    let told = "ERROR Error when sending message to topic t with key: null, value: 2097152 bytes with error: \
                (org.apache.kafka.clients.producer.internals.ErrorLoggingCallback)";
    assert!(ran.err.contains(told) && ran.err.contains(error), "{}", ran.err);
    assert_eq!(ran.code, 0, "the others are sent");
    assert_eq!(kcat_values(&broker.address(), "t", 0), ["small", "last"]);
    let ran = produce(&broker, "t", &["--sync"], &input);
    assert!(ran.err.starts_with(&format!("java.util.concurrent.ExecutionException: {error}")), "{}", ran.err);
    assert_eq!(ran.code, 1);
    assert_eq!(kcat_values(&broker.address(), "t", 0), ["small", "last", "small"]);
}

#[test]
fn brokers_out_of_reach_are_told_and_waited_for_no_longer_than_asked() {
    let address = format!("127.0.0.1:{}", free_port());
    let unreachable = format!("Connection to node -1 ({address}) could not be established. Node may not be available.");
    let args = ["--bootstrap-server", &address, "--topic", "t", "--max-block-ms", "700", "--producer-property"];
    let ran = tool("kafka-console-producer.sh", &[&args[..], &["delivery.timeout.ms=1500"]].concat(), "a\n");
    assert!(ran.err.contains(&format!("WARN [Producer clientId=console-producer] {unreachable}")), "{}", ran.err);
    let lost = "org.apache.kafka.common.errors.TimeoutException: Topic t not present in metadata after 700 ms.\n";
    assert!(ran.err.ends_with(lost), "{}", ran.err);
    assert_eq!(ran.code, 0);
    let args = ["--bootstrap-server", &address, "--topic", "t", "--timeout-ms", "700"];
    let ran = tool("kafka-console-consumer.sh", &args, "");
    assert!(ran.err.contains("WARN [Consumer clientId=console-consumer, groupId=console-consumer-"), "{}", ran.err);
    assert!(ran.err.contains(&unreachable) && ran.err.ends_with("Processed a total of 0 messages\n"), "{}", ran.err);
}

#[test]
fn a_records_way_is_measured_and_its_topic_made() {
    let cluster = Cluster::new("records_e2e");
    let broker = cluster.broker(0).start();
    let address = broker.address();
    let out = tool("kafka-e2e-latency.sh", &[&address, "new", "20", "all", "50"], "").ok();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines[0],
        "Topic \"new\" does not exist. Will create topic with 1 partition(s) and replication factor = 1"
    );
    assert!(lines[1].starts_with("0\t") && lines[2].starts_with("Avg latency: ") && lines[2].ends_with(" ms"), "{out}");
    assert!(lines[3].starts_with("Percentiles: 50th = "), "{out}");
    assert_eq!(kcat_values(&address, "new", 0).len(), 20);
}

/// A broker that is killed and comes back loses none of what the producer was told is there.
#[test]
fn a_verifiable_producer_tells_the_truth_through_a_kill() {
    let cluster = Cluster::new("records_kill");
    let broker = cluster.broker(0).start();
    create(&broker, "t", "1");
    let config = cluster.dir.join("producer.properties");
    std::fs::write(&config, "retries=100000\nrequest.timeout.ms=5000\n").unwrap();
    let args = [
        "--bootstrap-server",
        &broker.address(),
        "--topic",
        "t",
        "--throughput",
        "500",
        "--max-messages",
        "3000",
        "--producer.config",
        config.to_str().unwrap(),
    ];
    let mut producer = started(&cluster.dir, "kafka-verifiable-producer.sh", &args);
    let acked = |producer: &Process| producer.output().matches("producer_send_success").count();
    producer.await_ready(Duration::from_secs(60), |producer| acked(producer) > 300).unwrap();
    let broker = broker.kill().start();
    producer.wait(Duration::from_secs(120));
    let output = producer.output();
    let told: Vec<String> = output
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|event| event["name"] == "producer_send_success")
        .map(|event| event["value"].as_str().unwrap().to_owned())
        .collect();
    assert!(told.len() > 300, "{}", told.len());
    let there = eventually("the records", Duration::from_secs(30), || {
        let there = kcat_values(&broker.address(), "t", 0);
        (there.len() >= told.len()).then_some(there)
    });
    let missing: Vec<_> = told.iter().filter(|value| !there.contains(value)).collect();
    assert!(missing.is_empty(), "acknowledged and not there: {missing:?}");
}

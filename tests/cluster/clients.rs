//! Unmodified clients create topics, produce with each codec and consume.
//!
//! The consumers name their partition: groups are another matter.

use std::time::Duration;

use crate::harness::{Broker, Cluster, Kind, client, eventually, raw, target};

/// As in `tests/cluster/python/common.py`.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

fn values(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{prefix} {i} {}", "y".repeat(100))).collect()
}

fn lines(values: &[String]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

#[test]
fn kcat_produces_with_each_codec_to_a_topic_made_on_the_way_and_consumes() {
    let cluster = Cluster::new("kcat");
    let broker = cluster.broker(0).start();
    let mut all = Vec::new();
    for codec in CODECS {
        let values = values(codec, 50);
        client::kcat(&broker.address(), &["-P", "-t", "auto", "-p", "0", "-z", codec], &lines(&values)).ok();
        all.extend(values);
    }
    assert_eq!(client::kcat_values(&broker.address(), "auto", 0), all);

    let metadata = client::kcat(&broker.address(), &["-L"], "").ok();
    assert!(metadata.contains(&format!("broker 0 at {} (controller)", broker.address())), "{metadata}");
    assert!(metadata.contains("topic \"auto\" with 1 partitions"), "{metadata}");

    // The last records, a record by offset, and keys with headers.
    let tail = client::kcat(&broker.address(), &["-C", "-t", "auto", "-p", "0", "-o", "-3", "-e", "-q"], "").ok();
    assert_eq!(tail, lines(&all[all.len() - 3..]));
    let one =
        client::kcat(&broker.address(), &["-C", "-t", "auto", "-p", "0", "-o", "60", "-c", "1", "-f", "%o %s"], "")
            .ok();
    assert_eq!(one, format!("60 {}", all[60]));
    client::kcat(&broker.address(), &["-P", "-t", "keyed", "-p", "0", "-K", "|", "-H", "a=1"], "k|v\n").ok();
    let format = ["-C", "-t", "keyed", "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%k %s %h"];
    assert_eq!(client::kcat(&broker.address(), &format, "").ok(), "k v a=1");
}

/// Runs a Python client that writes and reads its own topic; then another client reads the same.
fn python_client(name: &str, program: &str) {
    let cluster = Cluster::new(name);
    let broker = cluster.broker(0).start();
    let seen = client::python(program, &[&broker.address(), "topic"]).ok();
    assert_eq!(seen.lines().count(), 20 * CODECS.len());
    assert_eq!(lines(&client::kcat_values(&broker.address(), "topic", 0)), seen);
}

#[test]
fn confluent_kafka_creates_produces_with_each_codec_and_consumes() {
    python_client("confluent", "confluent.py");
}

#[test]
fn kafka_python_creates_produces_with_each_codec_and_consumes() {
    python_client("kafka-python", "kafka_python.py");
}

#[test]
fn aiokafka_creates_produces_with_each_codec_and_consumes() {
    python_client("aiokafka", "aiokafka_client.py");
}

#[test]
fn java_tools_create_produce_with_each_codec_and_consume() {
    let cluster = Cluster::new("java");
    let broker = cluster.broker(0).start();
    let address = broker.address();
    client::create_topic(&address, "topic", 1, &["retention.ms=3600000"]);
    let described = java(&broker, "kafka-topics.sh", &["--describe", "--topic", "topic"], "");
    assert!(described.contains("PartitionCount: 1"), "{described}");
    assert!(described.contains("Configs: retention.ms=3600000"), "{described}");
    assert_eq!(java(&broker, "kafka-topics.sh", &["--list"], "").trim(), "topic");

    let mut all = Vec::new();
    for codec in CODECS {
        let values = values(codec, 30);
        java(
            &broker,
            "kafka-console-producer.sh",
            &["--topic", "topic", "--compression-codec", codec],
            &lines(&values),
        );
        all.extend(values);
    }
    let count = all.len().to_string();
    let from = |offset: &str, count: &str| {
        let args = ["--topic", "topic", "--partition", "0", "--offset", offset, "--max-messages", count];
        java(&broker, "kafka-console-consumer.sh", &args, "")
    };
    assert_eq!(from("earliest", &count), lines(&all));
    assert_eq!(from("100", "10"), lines(&all[100..110]));
    let offsets = java(&broker, "kafka-get-offsets.sh", &["--topic", "topic"], "");
    assert_eq!(offsets.trim(), format!("topic:0:{count}"));
}

#[test]
fn java_tools_grow_and_delete_a_topic_and_change_its_configs() {
    let cluster = Cluster::new("java-admin");
    let broker = cluster.broker(0).start();
    client::create_topic(&broker.address(), "topic", 1, &[]);
    java(&broker, "kafka-topics.sh", &["--alter", "--topic", "topic", "--partitions", "3"], "");
    let described = java(&broker, "kafka-topics.sh", &["--describe", "--topic", "topic"], "");
    assert!(described.contains("PartitionCount: 3"), "{described}");

    let topic = ["--entity-type", "topics", "--entity-name", "topic"];
    java(
        &broker,
        "kafka-configs.sh",
        &[&topic[..], &["--alter", "--add-config", "max.message.bytes=12345"]].concat(),
        "",
    );
    let configs = java(&broker, "kafka-configs.sh", &[&topic[..], &["--describe"]].concat(), "");
    assert!(configs.contains("max.message.bytes=12345"), "{configs}");
    let large = raw::batch(&["x".repeat(15_000).as_str()]);
    eventually("MESSAGE_TOO_LARGE", Duration::from_secs(20), || {
        (raw::produce(&broker.address(), "topic", large.clone()).0 == 10).then_some(())
    });

    java(&broker, "kafka-topics.sh", &["--delete", "--topic", "topic"], "");
    eventually("an empty list of topics", Duration::from_secs(20), || {
        let list = client::kcat(&broker.address(), &["-L"], "").ok();
        list.contains(" 0 topics").then_some(())
    });
    eventually("the directory renamed", Duration::from_secs(20), || {
        (!broker.partition_dir("topic", 0).exists()).then_some(())
    });
}

#[test]
fn api_versions_tool_lists_what_the_broker_offers() {
    let cluster = Cluster::new("api-versions");
    let broker = cluster.broker(0).start();
    let listed = java(&broker, "kafka-broker-api-versions.sh", &[], "");
    for api in ["Produce(0): 0 to 11", "Fetch(1): 0 to 17", "Metadata(3): 0 to 12", "ApiVersions(18): 0 to 4"] {
        assert!(listed.contains(api), "{api} in\n{listed}");
    }
    if target() == Kind::Apache {
        assert!(listed.contains("FindCoordinator(10): 0 to 6"), "{listed}");
    }
}

fn java(broker: &Broker, tool: &str, args: &[&str], input: &str) -> String {
    let address = broker.address();
    client::java(tool, &[&["--bootstrap-server", address.as_str()], args].concat(), input).ok()
}

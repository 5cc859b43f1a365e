//! Clients of Kafka 0.9, 0.10.2 and 0.11 write what today's read, and read what today's wrote, transactions included.

use crate::harness::{Broker, Cluster, client, raw};

const OLD: [&str; 2] = ["0.10.2.2", "0.11.0.3"];

/// What all of them know.
const CODECS: [&str; 4] = ["none", "gzip", "snappy", "lz4"];

fn broker(cluster: &Cluster) -> Broker {
    cluster
        .broker(0)
        .with("group.initial.rebalance.delay.ms", 0)
        .with("transaction.state.log.replication.factor", 1)
        .with("transaction.state.log.min.isr", 1)
        .start()
}

fn values(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{prefix} {i} {}", "v".repeat(100))).collect()
}

fn lines(values: &[String]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

fn write_now(broker: &Broker, topic: &str, codec: &str, values: &[String]) {
    client::kcat(&broker.address(), &["-P", "-t", topic, "-p", "0", "-z", codec], &lines(values)).ok();
}

fn write_java(broker: &Broker, version: &str, topic: &str, codec: &str, values: &[String]) {
    let address = broker.address();
    let args =
        ["--broker-list", &address, "--topic", topic, "--compression-codec", codec, "--request-required-acks", "all"];
    client::old_java(version, "kafka.tools.ConsoleProducer", &args, &lines(values)).ok();
}

fn read_java(broker: &Broker, version: &str, topic: &str, count: usize) -> Vec<String> {
    let (address, count) = (broker.address(), count.to_string());
    let args = ["--bootstrap-server", &address, "--topic", topic, "--from-beginning", "--max-messages", &count];
    let read = client::old_java(version, "kafka.tools.ConsoleConsumer", &args, "").ok();
    read.lines().map(String::from).collect()
}

/// librdkafka as if the broker were so old: message sets of format 0, Fetch 0 and Produce 0.
const AS_OF_0_8: [&str; 4] = ["-X", "api.version.request=false", "-X", "broker.version.fallback=0.8.2.1"];

#[test]
fn java_clients_of_0_10_and_0_11_write_and_read_every_codec() {
    let cluster = Cluster::new("old-java");
    let broker = broker(&cluster);
    for version in OLD {
        let topic = format!("topic-{version}");
        raw::create_and_await(&broker.address(), &topic, &[]);
        let mut all = Vec::new();
        for codec in CODECS {
            let (now, then) = (values(&format!("now {codec}"), 20), values(&format!("then {codec}"), 20));
            write_now(&broker, &topic, codec, &now);
            write_java(&broker, version, &topic, codec, &then);
            all.extend(now.into_iter().chain(then));
        }
        assert!(client::kcat_values(&broker.address(), &topic, 0) == all, "{version}: today's client");
        assert!(read_java(&broker, version, &topic, all.len()) == all, "{version}: its own");
    }
}

#[test]
fn message_sets_of_format_0_are_taken_and_given() {
    let cluster = Cluster::new("old-format-0");
    let broker = broker(&cluster);
    raw::create_and_await(&broker.address(), "topic", &[]);
    let (now, then) = (values("now", 50), values("then", 50));
    write_now(&broker, "topic", "gzip", &now);
    let args = ["-P", "-t", "topic", "-p", "0", "-z", "snappy"];
    client::kcat(&broker.address(), &[&args, AS_OF_0_8.as_slice()].concat(), &lines(&then)).ok();
    let all: Vec<String> = now.into_iter().chain(then).collect();
    assert!(client::kcat_values(&broker.address(), "topic", 0) == all, "today's client");
    let args = ["-C", "-t", "topic", "-p", "0", "-o", "beginning", "-e", "-q"];
    let read = client::kcat(&broker.address(), &[&args, AS_OF_0_8.as_slice()].concat(), "").ok();
    let read: Vec<String> = read.lines().map(String::from).collect();
    assert!(read == all, "{} records of {} read in format 0", read.len(), all.len());
}

/// Markers have no old form; an old consumer reads past them.
#[test]
fn an_old_consumer_reads_over_transactions() {
    let cluster = Cluster::new("old-txn");
    let broker = broker(&cluster);
    raw::create_and_await(&broker.address(), "topic", &[]);
    client::python("txn_confluent.py", &[&broker.address(), "topic"]).ok();
    let read = read_java(&broker, "0.10.2.2", "topic", 7);
    assert_eq!(read, ["a", "b", "x", "y", "c", "zombie", "d"], "it knows no transactions");
}

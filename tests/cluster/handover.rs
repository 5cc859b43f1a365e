//! A log directory goes from Ottla to Apache Kafka and back, after a clean stop and after a kill, and nothing is lost.
//!
//! The next broker comes with the same id, log directory and ZooKeeper. With Apache as the target both are Apache Kafka.

use std::path::PathBuf;

use crate::harness::{Broker, Cluster, Kind, client, raw, target};

/// One topic a codec, one that rolls segments, one whose batches carry sequences.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

fn produce(broker: &Broker, topic: &str, args: &[&str], from: usize, count: usize) {
    let input: String = (from..from + count).map(|i| format!("{topic} {i} {}\n", "v".repeat(150))).collect();
    let common = ["-P", "-t", topic, "-p", "0", "-X", "batch.num.messages=10"]; // well below the segment's size
    client::kcat(&broker.address(), &[&common, args].concat(), &input).ok();
}

fn write_round(broker: &Broker, round: usize) {
    for codec in CODECS {
        produce(broker, codec, &["-z", codec], round * 100, 100);
    }
    produce(broker, "rolled", &[], round * 300, 300);
    produce(broker, "sequenced", &["-X", "enable.idempotence=true"], round * 100, 100);
}

fn check(broker: &Broker, rounds: usize) {
    let all = CODECS.into_iter().map(|codec| (codec, 100)).chain([("rolled", 300), ("sequenced", 100)]);
    for (topic, count) in all {
        let read = client::kcat_values(&broker.address(), topic, 0);
        let expected: Vec<String> = (0..rounds * count).map(|i| format!("{topic} {i} {}", "v".repeat(150))).collect();
        assert!(read == expected, "{topic}: {} records read of {}; last {:?}", read.len(), expected.len(), read.last());
    }
}

fn segments(broker: &Broker, topic: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(broker.partition_dir(topic, 0)).expect("the partition").flatten();
    entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "log")).collect()
}

/// `first` writes, `second` reads it, writes more, and `first` reads all of it.
fn hand_over(name: &str, first: Kind, second: Kind, end: fn(Broker) -> crate::harness::broker::Plan) {
    let cluster = Cluster::new(name);
    let broker =
        cluster.broker(0).kind(first).with("log.segment.bytes", 16_384).with("log.index.interval.bytes", 512).start();
    for topic in CODECS.into_iter().chain(["rolled", "sequenced"]) {
        raw::create_and_await(&broker.address(), topic, &[]);
    }
    write_round(&broker, 0);
    assert!(segments(&broker, "rolled").len() >= 3, "segments were rolled");

    let broker = end(broker).kind(second).start();
    check(&broker, 1);
    write_round(&broker, 1);

    let mut broker = end(broker).kind(first).start();
    check(&broker, 2);
    broker.assert_alive();
}

#[test]
fn ottla_to_apache_and_back_after_clean_stops() {
    hand_over("hand-over-clean", target(), Kind::Apache, Broker::stop);
}

#[test]
fn ottla_to_apache_and_back_after_kills() {
    hand_over("hand-over-killed", target(), Kind::Apache, Broker::kill);
}

#[test]
fn apache_to_ottla_and_back_after_clean_stops() {
    hand_over("hand-over-back-clean", Kind::Apache, target(), Broker::stop);
}

#[test]
fn apache_to_ottla_and_back_after_kills() {
    hand_over("hand-over-back-killed", Kind::Apache, target(), Broker::kill);
}

/// Kafka's own dump tool finds nothing to complain about in what Ottla wrote.
#[test]
fn apache_dump_log_finds_no_fault_in_segments_and_indexes() {
    let cluster = Cluster::new("dump-log");
    let broker = cluster.broker(0).with("log.segment.bytes", 16_384).with("log.index.interval.bytes", 512).start();
    raw::create_and_await(&broker.address(), "rolled", &[]);
    produce(&broker, "rolled", &["-X", "enable.idempotence=true"], 0, 300);
    let dir = broker.partition_dir("rolled", 0);
    broker.stop();
    let files: Vec<String> = std::fs::read_dir(&dir)
        .expect("the partition")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension().is_some_and(|e| e == "log" || e == "index" || e == "timeindex" || e == "snapshot")
        })
        .map(|path| path.display().to_string())
        .collect();
    assert!(files.len() >= 8, "{files:?}");
    let dump = client::java("kafka-dump-log.sh", &["--deep-iteration", "--files", &files.join(",")], "").ok();
    for fault in ["mismatch", "Mismatch", "isvalid: false", "Non-consecutive", "corrupt", "out of order"] {
        assert!(!dump.contains(fault), "{fault}:\n{dump}");
    }
}

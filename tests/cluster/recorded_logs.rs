//! A broker on log directories that Apache Kafka 3.9.2 wrote serves exactly the records that Kafka's own dump of them lists.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::harness::{Cluster, client, repository, tree};

/// Copies a recorded directory, without the dumps.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new directory");
    for entry in fs::read_dir(from).expect("a recorded directory").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else if path.extension().is_none_or(|e| e != "dump") {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

/// Offset and value of each data record from `start` on, by the dumps of a partition's segments.
fn dumped(partition: &Path, start: i64) -> BTreeMap<i64, String> {
    let mut records = BTreeMap::new();
    for entry in fs::read_dir(partition).expect("a recorded partition").flatten() {
        if !entry.file_name().to_string_lossy().ends_with(".log.dump") {
            continue;
        }
        let text = fs::read_to_string(entry.path()).expect("a dump");
        for line in text.lines().filter_map(|line| line.strip_prefix("| offset: ")) {
            let offset = line.split(' ').next().and_then(|n| n.parse().ok()).expect("an offset");
            let value = line.split_once(" payload: ").map_or("", |(_, value)| value);
            if offset >= start && !line.contains(" endTxnMarker: ") {
                records.insert(offset, value.to_string());
            }
        }
    }
    records
}

fn serves_what_was_dumped(name: &str) {
    let recorded = repository().join("tests/golden/logs").join(name);
    let cluster = Cluster::new(&format!("recorded-{name}"));
    // Old records: without a limit in time, or the broker would delete them.
    let plan = cluster.broker(0).with("log.retention.ms", -1).with("log.cleaner.enable", false);
    copy(&recorded, &plan.logs);
    if name != "killed" {
        assert!(plan.logs.join(".kafka_cleanshutdown").exists(), "the recording has the mark of a clean stop");
    }

    // The ZooKeeper that these directories belong to.
    let meta = fs::read_to_string(recorded.join("meta.properties")).expect("meta.properties");
    let id = meta.lines().find_map(|line| line.strip_prefix("cluster.id=")).expect("a cluster id");
    tree::put(&cluster.connect, "/cluster/id", &format!(r#"{{"version":"1","id":"{id}"}}"#));
    let starts = fs::read_to_string(recorded.join("log-start-offset-checkpoint")).unwrap_or_default();
    let mut topics = Vec::new();
    for entry in fs::read_dir(&recorded).expect("the recording").flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(topic) = file.strip_suffix("-0").filter(|topic| !topic.starts_with("__")) else { continue };
        let metadata = fs::read_to_string(entry.path().join("partition.metadata")).expect("partition.metadata");
        let id = metadata.lines().find_map(|line| line.strip_prefix("topic_id: ")).expect("a topic id");
        let path = format!("/brokers/topics/{topic}");
        let value =
            r#"{"partitions":{"0":[0]},"topic_id":"ID","adding_replicas":{},"removing_replicas":{},"version":3}"#;
        tree::put(&cluster.connect, &path, &value.replace("ID", id));
        // Later than any epoch in the recordings.
        let state = r#"{"controller_epoch":0,"leader":0,"version":1,"leader_epoch":9,"isr":[0]}"#;
        tree::put(&cluster.connect, &format!("{path}/partitions/0/state"), state);
        let start = starts.lines().find_map(|line| line.strip_prefix(&format!("{topic} 0 ")));
        topics.push((topic.to_string(), dumped(&entry.path(), start.map_or(0, |s| s.parse().expect("an offset")))));
    }
    assert!(topics.len() >= 3, "topics in the recording");

    let mut broker = plan.start();
    for (topic, expected) in topics {
        assert!(!expected.is_empty(), "{topic}: records in the dump");
        let args = ["-C", "-t", &topic, "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%o %s\n"];
        let all = ["-X", "isolation.level=read_uncommitted"];
        let read = client::kcat(&broker.address(), &[&args[..], &all].concat(), "").ok();
        let read: Vec<&str> = read.lines().collect();
        let expected: Vec<String> = expected.iter().map(|(offset, value)| format!("{offset} {value}")).collect();
        assert_eq!(read, expected, "{topic}");
    }
    broker.assert_alive();
}

#[test]
fn directory_of_a_clean_stop_is_served_as_dumped() {
    serves_what_was_dumped("clean");
}

#[test]
fn directory_of_a_killed_broker_is_recovered_and_served_as_dumped() {
    serves_what_was_dumped("killed");
}

#[test]
fn directory_with_old_message_formats_is_served_as_dumped() {
    serves_what_was_dumped("old-formats");
}

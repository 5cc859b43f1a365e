//! What Apache Kafka 3.9.2 wrote: opened, served, indexed the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ottla::base::TopicPartition;
use ottla::config::{CleanupPolicy, LogConfig};
use ottla::log::{OpenOptions, checkpoint};

use super::support::*;

/// What `kafka-dump-log.sh` says of a record: offset, time, sizes of key and value.
type Dumped = (i64, i64, i64, i64);

fn field(line: &str, name: &str) -> i64 {
    let from = line.find(name).unwrap_or_else(|| panic!("{name} in {line}")) + name.len();
    line[from..].split_whitespace().next().and_then(|w| w.parse().ok()).unwrap_or_else(|| panic!("{name} in {line}"))
}

fn time(line: &str) -> i64 {
    for name in ["CreateTime: ", "LogAppendTime: "] {
        if line.contains(name) {
            return field(line, name);
        }
    }
    -1
}

fn dumped(dir: &Path) -> BTreeMap<i64, Dumped> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("golden files") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().ends_with(".log.dump") {
            for line in String::from_utf8_lossy(&std::fs::read(path).expect("a dump")).lines() {
                if line.starts_with("| offset: ") {
                    let offset = field(line, "offset: ");
                    all.insert(offset, (offset, time(line), field(line, "keySize: "), field(line, "valueSize: ")));
                }
            }
        }
    }
    all
}

fn partitions(of: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(golden(of))
        .expect("golden logs")
        .map(|e| e.expect("an entry"))
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    names
}

fn checkpointed(of: &str, file: &str, name: &str) -> i64 {
    let bytes = std::fs::read(golden(of).join(file)).unwrap_or_default();
    let (topic, partition) = name.rsplit_once('-').expect("a partition");
    let tp = TopicPartition::new(topic, partition.parse().expect("a number"));
    checkpoint::read_offsets(&bytes).expect("a checkpoint").get(&tp).copied().unwrap_or(0)
}

fn options(of: &str, name: &str, clean: bool) -> OpenOptions {
    OpenOptions {
        clean,
        recovery_point: checkpointed(of, checkpoint::RECOVERY_POINT, name),
        log_start: checkpointed(of, checkpoint::LOG_START, name),
        high_watermark: checkpointed(of, checkpoint::HIGH_WATERMARK, name),
        ..new_log(small())
    }
}

fn serves_what_the_dump_lists(of: &str, clean: bool) {
    for name in partitions(of) {
        let bed = Bed::real();
        copy_partition(&golden(of).join(&name), &bed.dir(&name));
        let log = bed.open(&name, &options(of, &name, clean));
        let start = log.start_offset();
        let expected: Vec<Dumped> = dumped(&golden(of).join(&name)).into_values().filter(|d| d.0 >= start).collect();
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(-1, |b| b.len() as i64);
        let got: Vec<Dumped> = rows(&log, start).iter().map(|(o, t, k, v)| (*o, *t, len(k), len(v))).collect();
        assert_eq!(got, expected, "{of}/{name}");
        for at in (start..log.leo()).step_by(7) {
            let from_here: Vec<Dumped> = expected.iter().filter(|d| d.0 >= at).copied().collect();
            let got: Vec<i64> = rows(&log, at).iter().map(|r| r.0).collect();
            assert_eq!(got, from_here.iter().map(|d| d.0).collect::<Vec<_>>(), "{of}/{name} from {at}");
        }
    }
}

#[tokio::test]
async fn logs_of_a_clean_stop_are_served_as_the_dumps_list_them() {
    serves_what_the_dump_lists("clean", true);
}

#[tokio::test]
async fn logs_of_a_killed_broker_are_recovered_and_served() {
    serves_what_the_dump_lists("killed", false);
}

#[tokio::test]
async fn logs_of_old_formats_are_served() {
    serves_what_the_dump_lists("old-formats", true);
}

#[tokio::test]
async fn a_recovery_from_the_first_byte_leaves_the_files_of_a_clean_stop() {
    for name in partitions("clean") {
        let bed = Bed::real();
        let from = golden("clean").join(&name);
        copy_partition(&from, &bed.dir(&name));
        let before = files(&bed.dir(&name));
        let mut options = OpenOptions { recovery_point: 0, ..options("clean", &name, false) };
        if name.starts_with("compacted-") {
            // An empty segment between others is compaction's.
            options.config = Arc::new(LogConfig { cleanup: CleanupPolicy::COMPACT, ..small() });
        }
        let log = bed.open(&name, &options);
        log.close_clean().await.expect("closed");
        let after = files(&bed.dir(&name));
        for (file, bytes) in &before {
            // An index entry depends on where the broker was restarted; those logs are compared by what they serve.
            if file.ends_with(".txnindex") || file.ends_with(".log") {
                assert_eq!(Some(bytes), after.get(file), "{name}/{file}");
            }
        }
    }
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(dir)
        .expect("a directory")
        .map(|e| e.expect("an entry"))
        .map(|e| (e.file_name().into_string().expect("a name"), std::fs::read(e.path()).expect("a file")))
        .filter(|(name, _)| !name.ends_with(".deleted"))
        .collect()
}

#[tokio::test]
async fn batches_appended_one_by_one_get_the_index_entries_and_snapshots_that_kafka_wrote() {
    for name in [
        "gzip-0",
        "lz4-0",
        "snappy-0",
        "zstd-0",
        "idempotent-0",
        "plain-0",
        "txn-0",
        "logappend-0",
        "__transaction_state-0",
        "__consumer_offsets-0",
    ] {
        let bed = Bed::real();
        let from = golden("clean").join(name);
        let mut config = LogConfig { index_interval_bytes: 1024, ..small() };
        if name.starts_with("__") {
            config.segment_bytes = 104_857_600;
        }
        let log = bed.open(name, &new_log(config));
        let mut logs: Vec<_> = files(&from).into_iter().filter(|(n, _)| n.ends_with(".log")).collect();
        logs.sort();
        for (_, bytes) in &logs {
            let bytes = Bytes::from(bytes.clone());
            for batch in ottla::record::Batches::new(&bytes) {
                let one = bytes.slice_ref(batch.expect("a batch").bytes());
                log.lock().await.append_follower(one, 0).await.expect("appended");
            }
        }
        log.close_clean().await.expect("closed");
        let (ours, theirs) = (files(&bed.dir(name)), files(&from));
        for (file, bytes) in theirs.iter().filter(|(n, _)| !n.ends_with(".dump") && !n.ends_with(".metadata")) {
            if name == "plain-0" && file == checkpoint::LEADER_EPOCH {
                continue; // its records were deleted up to 120 later
            }
            let mine = ours.get(file).unwrap_or_else(|| panic!("{name}/{file} is missing"));
            if file.ends_with(".snapshot") {
                assert_eq!(sorted_snapshot(mine), sorted_snapshot(bytes), "{name}/{file}");
            } else {
                assert_eq!(mine, bytes, "{name}/{file}");
            }
        }
    }
}

#[tokio::test]
async fn messages_of_old_formats_get_the_index_entries_that_kafka_wrote() {
    for name in partitions("old-formats") {
        let bed = Bed::real();
        let from = golden("old-formats").join(&name);
        let log = bed.open(&name, &new_log(small()));
        let theirs = files(&from);
        for (_, bytes) in theirs.iter().filter(|(n, _)| n.ends_with(".log")) {
            log.lock().await.append_follower(Bytes::from(bytes.clone()), 0).await.expect("appended");
        }
        log.close_clean().await.expect("closed");
        let ours = files(&bed.dir(&name));
        for (file, bytes) in theirs.iter().filter(|(n, _)| n.ends_with("index") || n.ends_with(".log")) {
            assert_eq!(ours.get(file), Some(bytes), "{name}/{file}");
        }
    }
}

/// Entries of a snapshot in order of their producers: Kafka's order is a hash's.
fn sorted_snapshot(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut entries: Vec<Vec<u8>> = bytes[10..].chunks(46).map(<[u8]>::to_vec).collect();
    entries.sort();
    entries
}

//! Compaction of whole brokers: beside Apache Kafka's on the same files, in turns with it, through kills, and of committed offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetCommitResponse, ResponseHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion, StrBytes};

use crate::console;
use crate::harness::broker::Plan;
use crate::harness::zookeeper::free_port;
use crate::harness::{Broker, Cluster, Kind, client, eventually, raw, target, tree};

/// A Java broker's cleaner on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);

/// A plan whose cleaner, when on, cleans whatever is dirty and soon.
fn plan(cluster: &Cluster) -> Plan {
    cluster
        .broker(0)
        .with("log.cleaner.backoff.ms", 200)
        .with("log.cleaner.min.cleanable.ratio", 0.0001)
        .with("log.segment.bytes", 16_384)
        .with("log.index.interval.bytes", 512)
        .with("transaction.state.log.replication.factor", 1)
        .with("transaction.state.log.min.isr", 1)
        .with("transaction.state.log.num.partitions", 1)
        .with("offsets.topic.num.partitions", 1)
        .with("log.initial.task.delay.ms", 0)
}

/// Base offsets of a partition's segments.
fn bases(dir: &Path) -> BTreeSet<i64> {
    let names = fs::read_dir(dir).expect("the partition").flatten().map(|e| e.file_name());
    names.filter_map(|n| n.to_string_lossy().strip_suffix(".log")?.parse().ok()).collect()
}

/// Where a broker says that its cleaner came to.
fn cleaned_up_to(logs: &Path, topic: &str) -> i64 {
    let text = fs::read_to_string(logs.join("cleaner-offset-checkpoint")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{topic} 0 ")).map(str::to_string));
    line.map_or(0, |offset| offset.parse().expect("an offset"))
}

/// Waits until everything but the newest segment was cleaned.
fn await_cleaned(broker: &Broker, topic: &str) {
    let dir = broker.partition_dir(topic, 0);
    eventually(&format!("{topic} is cleaned up to its newest segment"), LIMIT, || {
        let newest = *bases(&dir).last().expect("a segment");
        (cleaned_up_to(&broker.plan.logs, topic) == newest).then_some(())
    });
}

/// Keyed records with kcat, `key value` a line; an empty value is a tombstone.
fn produce(broker: &Broker, topic: &str, args: &[&str], lines: &[(String, String)]) {
    let input: String = lines.iter().map(|(key, value)| format!("{key}|{value}\n")).collect();
    let common = ["-P", "-t", topic, "-p", "0", "-K|", "-Z", "-X", "batch.num.messages=7"];
    client::kcat(&broker.address(), &[&common, args].concat(), &input).ok();
}

/// Rewrites of few keys, some deleted, each with a number that tells it from all others.
fn rewrites(round: usize, count: usize, keys: usize) -> Vec<(String, String)> {
    let value =
        |i: usize| if i % 11 == 5 { String::new() } else { format!("{round}-{i} {}", "v".repeat(i * 13 % 150)) };
    (0..count).map(|i| (format!("key{}", i * 7 % keys), value(i))).collect()
}

/// What `read_committed` consumers read: offset, key, value.
fn read(address: &str, topic: &str) -> Vec<(i64, String, String)> {
    read_from(address, topic, 0)
}

fn read_from(address: &str, topic: &str, offset: i64) -> Vec<(i64, String, String)> {
    let args = ["-C", "-t", topic, "-p", "0", "-o", &offset.to_string(), "-e", "-q", "-f", "%o|%k|%s\n"];
    let read = client::kcat(address, &args, "").ok();
    let field = |line: &str| {
        let mut fields = line.splitn(3, '|').map(str::to_string);
        let mut next = || fields.next().expect("offset, key, value");
        (next().parse().expect("an offset"), next(), next())
    };
    read.lines().map(field).collect()
}

/// The last value of each key, as a reader of the whole topic has it in the end.
fn table(read: &[(i64, String, String)]) -> BTreeMap<String, String> {
    let mut table = BTreeMap::new();
    for (_, key, value) in read {
        match value.is_empty() {
            true => table.remove(key),
            false => table.insert(key.clone(), value.clone()),
        };
    }
    table
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    i64::try_from(since.as_millis()).expect("a time of this age")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a copy");
            let modified = entry.metadata().and_then(|m| m.modified()).expect("its time");
            fs::File::options().write(true).open(&to).and_then(|f| f.set_modified(modified)).expect("its time");
        }
    }
}

/// Every segment file of a topic as Kafka's dump tool prints it, record by record. What only the moment of cleaning or the compressor
/// decides is left out: sizes, positions, checksums, and of a horizon set by a pass between `cleaned` its time; it is `set`.
fn dump(logs: &Path, topic: &str, cleaned: &RangeInclusive<i64>) -> Vec<String> {
    let dir = logs.join(format!("{topic}-0"));
    let files: Vec<String> =
        bases(&dir).into_iter().map(|base| dir.join(format!("{base:020}.log")).display().to_string()).collect();
    let args = ["--deep-iteration", "--print-data-log", "--files", &files.join(",")];
    let text = client::java("kafka-dump-log.sh", &args, "").ok();
    let ours = client::command(&crate::harness::script("kafka-dump-log.sh"), &args, &[], "").ok();
    assert_eq!(ours, text, "Ottla's dump tool reads the same");
    let unimportant = ["position:", "size:", "crc:"];
    text.lines()
        .map(|line| {
            assert!(!line.contains("isvalid: false"), "{line}");
            let line = line.rsplit_once('/').map_or(line, |(_, file)| file);
            let mut words = Vec::new();
            let mut skip = false;
            for word in line.split(' ') {
                let horizon =
                    word.strip_prefix("OptionalLong[").and_then(|time| time.trim_end_matches(']').parse().ok());
                if !skip && !unimportant.contains(&word) {
                    words.push(if horizon.is_some_and(|time| cleaned.contains(&time)) { "set" } else { word });
                }
                skip = unimportant.contains(&word);
            }
            words.join(" ")
        })
        .collect()
}

/// A topic that is written: its name, `message.format.version` while it is, and kcat's options.
type Written = (&'static str, Option<&'static str>, &'static [&'static str]);

const TOPICS: [Written; 4] = [
    ("plain", None, &[]),
    ("zstd", None, &["-z", "zstd"]),
    ("gzip", None, &["-z", "gzip"]),
    ("sequenced", None, &["-X", "enable.idempotence=true"]),
];

const OLD_TOPICS: [Written; 5] = [
    ("v0", Some("0.9.0"), &[]),
    ("v0-gzip", Some("0.9.0"), &["-z", "gzip"]),
    ("v1", Some("0.10.0"), &[]),
    ("v1-gzip", Some("0.10.0"), &["-z", "gzip"]),
    ("v1-lz4", Some("0.10.0"), &["-z", "lz4"]),
];

/// Both clean copies of the same directory; the dumps are the same, horizons included. Then Apache Kafka writes on what Ottla left, and
/// both clean again, now with horizons that have passed. Gives Ottla's dumps of all rounds.
fn clean_beside_apache(cluster: &Cluster, written: &[Written], inter_broker: &str, transactions: bool) -> Vec<String> {
    let mut plan = plan(cluster).kind(Kind::Apache);
    let mut all = Vec::new();
    for round in 0..3 {
        let writing = plan.clone().with("inter.broker.protocol.version", inter_broker);
        let broker = writing.with("log.cleaner.enable", false).start();
        let address = broker.address();
        if round == 0 {
            let configs = [("cleanup.policy", "compact"), ("delete.retention.ms", "1")];
            for (topic, format, _) in written {
                let format = format.map(|format| ("message.format.version", format));
                raw::create_and_await(&address, topic, &configs.into_iter().chain(format).collect::<Vec<_>>());
            }
            if transactions {
                raw::create_and_await(&address, "transactions", &configs);
            }
        }
        for (topic, _, args) in written {
            produce(&broker, topic, args, &rewrites(round, 600, 23));
        }
        if transactions {
            let numbers = [(round * 100).to_string(), "90".to_string()];
            client::python("transactions.py", &[&address, "transactions", &numbers[0], &numbers[1]]).ok();
        }
        let stopped = broker.stop().with("inter.broker.protocol.version", "3.9");
        let original = cluster.dir.join(format!("original{round}"));
        copy(&stopped.logs, &original);

        let mut dumps = Vec::new();
        for kind in [Kind::Apache, Kind::Ottla] {
            fs::remove_dir_all(&stopped.logs).expect("removed");
            copy(&original, &stopped.logs);
            let began_ms = now_ms();
            let mut broker = stopped.clone().kind(kind).with("log.cleaner.enable", true).start();
            let topics = written.iter().map(|(topic, ..)| *topic).chain(transactions.then_some("transactions"));
            let read: Vec<_> = topics
                .clone()
                .map(|topic| {
                    await_cleaned(&broker, topic);
                    read(&broker.address(), topic)
                })
                .collect();
            broker.assert_alive();
            // A horizon is the time of the pass and `delete.retention.ms`, which is 1. Those of rounds before stay what they are.
            let cleaned = began_ms + 1..=now_ms() + 1;
            let after = broker.stop();
            dumps.push((read, topics.map(|topic| dump(&after.logs, topic, &cleaned)).collect::<Vec<_>>()));
        }
        let [(read, theirs), (ours_read, ours)] = &dumps[..] else { unreachable!("two kinds") };
        for (theirs, ours) in theirs.iter().zip(ours) {
            let differs = theirs.iter().zip(ours).position(|(a, b)| a != b);
            if let Some(at) = differs {
                panic!("round {round}, line {at}:\n{}\n{}", theirs[at], ours[at]);
            }
            assert_eq!(theirs.len(), ours.len(), "round {round}");
        }
        assert_eq!(read, ours_read, "round {round}: consumers read the same");
        assert!(read.iter().all(|r| !r.is_empty() && r.len() < 500), "compacted: {:?}", read.iter().map(Vec::len));
        all.extend(ours.iter().flatten().cloned());
        plan = stopped.kind(Kind::Apache);
    }
    all
}

#[test]
fn ottla_and_apache_leave_the_same_records_offsets_and_horizons() {
    let lines = clean_beside_apache(&Cluster::new("compaction-beside"), &TOPICS, "3.9", true);
    assert!(lines.iter().any(|line| line.contains("deleteHorizonMs: set")), "there are horizons to be compared");
}

/// Message formats 0 and 1, as a cluster of before Kafka 3.0 has written them.
#[test]
fn ottla_and_apache_leave_the_same_of_old_message_formats() {
    let lines = clean_beside_apache(&Cluster::new("compaction-old-formats"), &OLD_TOPICS, "2.8", false);
    for magic in ["magic: 0", "magic: 1"] {
        let of_it = |codec: &str| lines.iter().any(|line| line.contains(magic) && line.contains(codec));
        assert!(of_it("compresscodec: none") && of_it("compresscodec: gzip"), "{magic} was compacted");
    }
}

/// A log that can't be cleaned shows, and so does the work on the others.
#[test]
fn the_cleaner_shows_on_the_metrics_page() {
    if target() != Kind::Ottla {
        return;
    }
    let cluster = Cluster::new("compaction-metrics");
    let port = free_port();
    let plan = plan(&cluster).with("ottla.admin.listener", format!("127.0.0.1:{port}"));
    let broker = plan.with("log.cleaner.enable", false).start();
    for topic in ["good", "bad"] {
        raw::create_and_await(&broker.address(), topic, &[("cleanup.policy", "compact")]);
        produce(&broker, topic, &[], &rewrites(0, 800, 23));
    }
    let bad = broker.partition_dir("bad", 0);
    let plan = broker.stop();
    let second = *bases(&bad).iter().nth(1).expect("segments");
    let file = fs::File::options().write(true).open(bad.join(format!("{second:020}.log"))).expect("a segment");
    std::os::unix::fs::FileExt::write_all_at(&file, b"XX", 100).expect("damaged");
    let mut broker = plan.with("log.cleaner.enable", true).start();
    await_cleaned(&broker, "good");
    let dir = broker.plan.logs.display().to_string();
    let of_dir = |name: &str| format!("kafka_log_logcleanermanager_uncleanable_{name}{{logDirectory=\"{dir}\"}}");
    let text = eventually("the damaged log is uncleanable, and its dirt is counted", LIMIT, || {
        let text = console::get(port, "/metrics").1;
        let is_counted = console::sample(&text, &of_dir("bytes")) > Some(10_000.0);
        (is_counted && console::sample(&text, &of_dir("partitions_count")) == Some(1.0)).then_some(text)
    });
    let value =
        |name: &str| console::sample(&text, &format!("kafka_log_{name}")).unwrap_or_else(|| panic!("{name}: {text}"));
    assert_eq!(value("logcleaner_deadthreadcount"), 0.0);
    assert!((1.0..60.0).contains(&value("logcleaner_cleaner_recopy_percent")), "few records stay of many: {text}");
    assert!(value("logcleaner_max_clean_time_secs") < 90.0);
    assert_eq!(value("logcleaner_max_compaction_delay_secs"), 0.0, "no topic has a maximum lag");
    assert_eq!(value("logcleaner_max_buffer_utilization_percent"), 0.0, "23 keys in a buffer of 128 MB");
    assert!((0.0..=100.0).contains(&value("logcleanermanager_max_dirty_percent")));
    assert!(value("logcleanermanager_time_since_last_run_ms") < 60_000.0, "a thread looks every 200 ms");
    broker.assert_alive();
}

/// Each writes, cleans, and hands over to the other; a reader's table is always the one of everything that was written.
#[test]
fn what_one_compacted_the_other_reads_and_compacts_further() {
    let cluster = Cluster::new("compaction-in-turns");
    let mut plan = plan(&cluster);
    let mut expected = BTreeMap::new();
    for (round, kind) in [target(), Kind::Apache, target(), Kind::Apache].into_iter().enumerate() {
        let broker = plan.kind(kind).start();
        if round == 0 {
            let configs = [("cleanup.policy", "compact"), ("delete.retention.ms", "100")];
            raw::create_and_await(&broker.address(), "topic", &configs);
        }
        assert_eq!(table(&read(&broker.address(), "topic")), expected, "what the other left");
        let lines = rewrites(round, 800, 31);
        produce(&broker, "topic", &[["-z", "none"], ["-z", "lz4"], ["-z", "snappy"], ["-z", "zstd"]][round], &lines);
        for (key, value) in lines {
            match value.is_empty() {
                true => expected.remove(&key),
                false => expected.insert(key, value),
            };
        }
        await_cleaned(&broker, "topic");
        let found = read(&broker.address(), "topic");
        assert_eq!(table(&found), expected, "after {kind:?} cleaned");
        let newest = *bases(&broker.partition_dir("topic", 0)).last().expect("a segment");
        let cleaned = found.iter().filter(|(offset, ..)| *offset < newest).count();
        assert!(cleaned <= 31, "{cleaned} records of 31 keys after {kind:?} cleaned");
        plan = broker.stop();
    }
}

/// What a pass over everything below `end` leaves of what was read before it: of each key the last record. Tombstones wait.
fn slow_version(before: &[(i64, String, String)], end: i64) -> Vec<(i64, String, String)> {
    let below = before.iter().filter(|(offset, ..)| *offset < end);
    let last: BTreeMap<&String, i64> = below.map(|(offset, key, _)| (key, *offset)).collect();
    let stays = |(offset, key, _): &&(i64, String, String)| *offset >= end || last[key] == *offset;
    before.iter().filter(stays).cloned().collect()
}

/// Consumers that read while segment after segment is replaced see every record that stays, and nothing else than was written, in order.
/// Whoever goes on from where it came to before the pass sees from there on exactly what stays.
#[test]
fn a_consumer_that_reads_during_a_pass_sees_the_offsets_of_the_slow_version() {
    let cluster = Cluster::new("compaction-read");
    let plan =
        plan(&cluster).with("log.cleaner.io.max.bytes.per.second", 50_000.0).with("log.cleaner.io.buffer.size", 1);
    let mut broker = plan.with("log.cleaner.enable", false).start();
    let address = broker.address();
    raw::create_and_await(&address, "topic", &[("cleanup.policy", "compact")]);
    for round in 0..3 {
        produce(&broker, "topic", &[["-z", "none"], ["-z", "zstd"], ["-z", "gzip"]][round], &rewrites(round, 700, 31));
        client::python("transactions.py", &[&address, "topic", &(round * 100).to_string(), "60"]).ok();
    }
    let before = read(&address, "topic");
    let dir = broker.partition_dir("topic", 0);
    let end = *bases(&dir).last().expect("a segment");
    let expected = slow_version(&before, end);
    let plan = broker.stop().with("log.cleaner.enable", true);
    broker = plan.start();
    let address = broker.address();
    let written: BTreeSet<_> = before.iter().cloned().collect();
    eventually("a reader meets the log when a part of it was replaced", LIMIT, || {
        let seen = read(&address, "topic");
        assert!(seen.windows(2).all(|w| w[0].0 < w[1].0), "every offset once, in order");
        assert!(seen.iter().all(|row| written.contains(row)), "nothing else than was written");
        let found: BTreeSet<_> = seen.iter().cloned().collect();
        assert!(expected.iter().all(|row| found.contains(row)), "everything that stays");
        (seen.len() < before.len() && seen.len() > expected.len()).then_some(())
    });
    let args = ["--bootstrap-server", &address, "--alter", "--entity-type", "brokers", "--entity-default"];
    let fast = ["--add-config", "log.cleaner.io.max.bytes.per.second=1.0E12"];
    client::command(&crate::harness::script("kafka-configs.sh"), &[&args[..], &fast].concat(), &[], "").ok();
    await_cleaned(&broker, "topic");
    assert_eq!(bases(&dir).last(), Some(&end), "nothing was written meanwhile");
    for from in before.iter().map(|(offset, ..)| *offset).step_by(before.len() / 8) {
        let left: Vec<_> = expected.iter().filter(|(offset, ..)| *offset >= from).cloned().collect();
        assert_eq!(read_from(&address, "topic", from), left, "from {from} on");
    }
    broker.assert_alive();
}

/// A slow cleaner is killed again and again in the middle of its passes; in the end the log is what it should be.
#[test]
fn kills_during_passes_lose_nothing() {
    let cluster = Cluster::new("compaction-killed");
    let plan =
        plan(&cluster).with("log.cleaner.io.max.bytes.per.second", 400_000.0).with("log.cleaner.io.buffer.size", 1);
    let mut broker = plan.start();
    raw::create_and_await(&broker.address(), "topic", &[("cleanup.policy", "compact")]);
    let mut expected = BTreeMap::new();
    for round in 0..6 {
        let lines = rewrites(round, 1500, 101);
        produce(&broker, "topic", &["-X", "acks=all"], &lines);
        expected.extend(lines);
        // The first files of a pass are there: it is under way. Which step the kill meets is up to the machine.
        let dir = broker.partition_dir("topic", 0);
        let word = [".cleaned", ".swap", ".deleted"][round % 3];
        eventually(&format!("a {word} file, or a finished pass"), LIMIT, || {
            let names: Vec<String> =
                fs::read_dir(&dir).ok()?.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
            let newest = names.iter().filter_map(|n| n.strip_suffix(".log")?.parse::<i64>().ok()).max()?;
            let done = cleaned_up_to(&broker.plan.logs, "topic") == newest;
            (done || names.iter().any(|name| name.ends_with(word))).then_some(())
        });
        broker = broker.kill().start();
        let last: BTreeMap<String, String> =
            expected.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.clone(), v.clone())).collect();
        assert_eq!(table(&read(&broker.address(), "topic")), last, "after kill {round}");
    }
    let mut broker = broker.stop().with("log.cleaner.io.max.bytes.per.second", "1.0E12").start();
    await_cleaned(&broker, "topic");
    let found = read(&broker.address(), "topic");
    assert!(found.len() < 500, "{} records", found.len());
    broker.assert_alive();
}

/// One batch of a commit of one partition.
fn commit(connection: &mut raw::Connection, group: usize, offset: i64) {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(StrBytes::from_static_str("")));
    let topic =
        OffsetCommitRequestTopic::default().with_name(raw::topic_name("topic")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from(format!("group{group}"))))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let frame = connection.encode(&request, 8);
    connection.send_frame(&frame);
}

fn committed(connection: &mut raw::Connection) {
    let mut answer = Bytes::from(connection.receive().expect("an answer"));
    ResponseHeader::decode(&mut answer, OffsetCommitResponse::header_version(8)).expect("a header");
    let response = OffsetCommitResponse::decode(&mut answer, 8).expect("a response");
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
}

/// Commits without end do not need disk without end. `OTTLA_TEST_COMMITS` says how many; a million is what a busy cluster makes in an hour.
#[test]
fn commits_of_a_hundred_groups_leave_the_offsets_topic_small() {
    let commits: i64 = std::env::var("OTTLA_TEST_COMMITS").map_or(40_000, |n| n.parse().expect("a number"));
    let segment = 1_048_576;
    let cluster = Cluster::new("compaction-of-offsets");
    let mut broker =
        plan(&cluster).with("offsets.topic.segment.bytes", segment).with("log.segment.delete.delay.ms", 0).start();
    raw::create_and_await(&broker.address(), "topic", &[]);
    client::kcat(&broker.address(), &["-G", "group0", "-q", "-e", "topic"], "");
    let mut connection = raw::Connection::to(&broker.address());
    const AHEAD: i64 = 100;
    for i in 0..commits {
        commit(&mut connection, usize::try_from(i % 100).expect("small"), i);
        if i >= AHEAD {
            committed(&mut connection);
        }
    }
    (0..AHEAD.min(commits)).for_each(|_| committed(&mut connection));
    await_cleaned(&broker, "__consumer_offsets");
    let size = || -> u64 {
        let args = ["--bootstrap-server", &broker.address(), "--describe", "--topic-list", "__consumer_offsets"];
        let text = client::command(&crate::harness::script("kafka-log-dirs.sh"), &args, &[], "").ok();
        let json = text.lines().find(|line| line.starts_with('{')).expect("a description");
        let parsed: serde_json::Value = serde_json::from_str(json).expect("JSON");
        let partitions = parsed["brokers"][0]["logDirs"][0]["partitions"].as_array().expect("partitions");
        partitions.iter().map(|p| p["size"].as_u64().expect("a size")).sum()
    };
    let bytes = size();
    println!("{commits} commits of 100 groups: __consumer_offsets has {bytes} bytes");
    assert!(bytes < 3 * segment, "{bytes} bytes after {commits} commits");
    // And they are all there.
    let plan = broker.stop();
    broker = plan.start();
    let args = ["--bootstrap-server", &broker.address(), "--describe", "--group", "group42"];
    let described = client::java("kafka-consumer-groups.sh", &args, "").ok();
    let last = (0..commits).rev().find(|i| i % 100 == 42).expect("a commit");
    assert!(described.contains(&format!(" {last} ")), "group42 is at {last}:\n{described}");
    broker.assert_alive();
    let _ = tree::children(&cluster.connect, "/brokers/topics");
}

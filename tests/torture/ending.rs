//! After the last fault: what each partition holds, for readers and on each broker's disk, and what is left in ZooKeeper.

use std::collections::BTreeMap;
use std::fs;
use std::hash::Hasher;
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::clients::{Office, seen};
use crate::harness::{broker::Plan, raw, tree};
use crate::history::{Batch, BatchKind, Isolation, Seen, Sight, Tp, What};
use crate::recorder::Voice;
use crate::topics::{Topic, Topics};
use crate::view::ends;

/// Whoever was given up by its client ends by its timeout within this.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
/// Reading a whole topic.
const READ_WITHIN: Duration = Duration::from_secs(120);
/// Who is given nothing for so long is given nothing more: nobody leads a partition.
const NEXT_WITHIN: Duration = Duration::from_secs(20);
/// Followers have all that the leader has within this, when nobody writes.
const EQUAL_WITHIN: Duration = Duration::from_secs(20);

/// The end of each partition, once nobody writes and no transaction is open. What does not settle is left as it is.
pub fn settled_ends(brokers: &[String], topics: &Topics) -> BTreeMap<Tp, i64> {
    let since = Instant::now();
    loop {
        let of = |isolation| {
            let mut all = BTreeMap::new();
            for broker in brokers {
                let line = raw::Connection::within(broker, Duration::from_secs(3));
                let found = line.ok().and_then(|mut line| ends(&mut line, topics, isolation)).unwrap_or_default();
                all.extend(found.into_iter().map(|(tp, (_, end))| (tp, end)));
            }
            all
        };
        let (written, stable) = (of(Isolation::ReadUncommitted), of(Isolation::ReadCommitted));
        let wanted: usize = topics.all().iter().map(|t| usize::from(t.partitions)).sum();
        if (written == stable && written.len() == wanted) || since.elapsed() > SETTLED_WITHIN {
            return written;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What a reader gets of a topic from its beginning to these ends.
pub fn contents(
    office: &Office,
    topic: &Topic,
    isolation: Isolation,
    ends: &BTreeMap<Tp, i64>,
) -> BTreeMap<Tp, Vec<Seen>> {
    let mut config = office.reader_config("the-end", isolation == Isolation::ReadCommitted);
    let consumer: BaseConsumer = config.set("enable.partition.eof", "true").create().expect("settings it knows");
    let mut places = TopicPartitionList::new();
    for tp in topic.tps() {
        places.add_partition_offset(&topic.name, tp.partition.into(), Offset::Beginning).expect("an offset");
    }
    consumer.assign(&places).expect("an assignment");
    let mut records: BTreeMap<Tp, Vec<Seen>> = topic.tps().map(|tp| (tp, Vec::new())).collect();
    let since = Instant::now();
    let (mut looked, mut given) = (since, since);
    while since.elapsed() < READ_WITHIN && given.elapsed() < NEXT_WITHIN {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            given = Instant::now();
            let tp = Tp { topic: topic.number, partition: message.partition() as u16 };
            records.entry(tp).or_default().push(seen(&message));
            continue;
        }
        // Between two records, or at an end: control records are behind what was read last.
        if looked.elapsed() > Duration::from_millis(300) {
            looked = Instant::now();
            let Ok(position) = consumer.position() else { continue };
            let is_there = |tp: Tp| {
                let at = position.find_partition(&topic.name, tp.partition.into());
                let at = at.and_then(|at| at.offset().to_raw()).unwrap_or(-1);
                ends.get(&tp).is_none_or(|end| at >= *end || *end == 0)
            };
            if topic.tps().all(is_there) {
                break;
            }
        }
    }
    records
}

/// Writes down what the brokers have on their disks, once all replicas are alike, or after a time.
pub fn replicas(plans: &[Plan], topics: &Topics, voice: &Voice) {
    for topic in topics.all() {
        for tp in topic.tps() {
            let since = Instant::now();
            let logs = loop {
                let log = |plan: &Plan| log_bytes(&plan.logs.join(format!("{}-{}", topic.name, tp.partition)));
                let logs: BTreeMap<i32, Vec<u8>> = plans.iter().map(|plan| (plan.id, log(plan))).collect();
                let alike = logs.values().all(|log| Some(log) == logs.values().next());
                if alike || topic.compacted || since.elapsed() > EQUAL_WITHIN {
                    break logs;
                }
                std::thread::sleep(Duration::from_millis(300));
            };
            let mut told = false;
            for (broker, bytes) in logs {
                let (batches, end) = batches(&bytes);
                let start = batches.first().map_or(0, |batch| batch.offset);
                if !told {
                    told = true;
                    voice.says(What::Saw(Box::new(Sight::Batches { tp, batches })));
                }
                if !topic.compacted {
                    let mut hasher = std::hash::DefaultHasher::new();
                    hasher.write(&bytes);
                    let (bytes, digest) = (bytes.len() as u64, hasher.finish());
                    voice.says(What::Saw(Box::new(Sight::Replica { tp, broker, start, end, bytes, digest })));
                }
            }
        }
    }
}

/// Every segment of a partition, one after the other.
fn log_bytes(dir: &Path) -> Vec<u8> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    files.sort();
    files.iter().flat_map(|file| fs::read(file).unwrap_or_default()).collect()
}

/// The headers of the batches of a log (`DefaultRecordBatch`), up to what is no whole batch, and the offset behind the last.
fn batches(mut log: &[u8]) -> (Vec<Batch>, i64) {
    fn at<const N: usize>(log: &[u8], place: usize) -> [u8; N] {
        log[place..place + N].try_into().expect("inside a header")
    }
    /// Up to the number of records; a control batch's first record has its type behind these.
    const HEADER: usize = 61;
    let (mut batches, mut end) = (Vec::new(), 0);
    while log.len() > HEADER {
        let length = usize::try_from(i32::from_be_bytes(at(log, 8))).unwrap_or(usize::MAX).saturating_add(12);
        if log.len() < length {
            break;
        }
        let attributes = i16::from_be_bytes(at(log, 21));
        let kind = match (attributes & 0x20 != 0, attributes & 0x10 != 0) {
            (true, _) if is_commit(&log[HEADER..length]) => BatchKind::Commit,
            (true, _) => BatchKind::Abort,
            (false, true) => BatchKind::Transactional,
            (false, false) => BatchKind::Plain,
        };
        let offset = i64::from_be_bytes(at(log, 0));
        end = offset + i64::from(i32::from_be_bytes(at(log, 23))) + 1;
        batches.push(Batch {
            offset,
            leader_epoch: i32::from_be_bytes(at(log, 12)),
            count: i32::from_be_bytes(at(log, 57)).unsigned_abs(),
            producer: i64::from_be_bytes(at(log, 43)),
            epoch: i16::from_be_bytes(at(log, 51)),
            sequence: i32::from_be_bytes(at(log, 53)),
            kind,
        });
        log = &log[length..];
    }
    (batches, end)
}

/// A control record: length, attributes, time and offset deltas, each of one byte in a marker but the length of none beyond 63; then a key
/// of four bytes with its length, version and type, of which 1 commits (`EndTransactionMarker`).
fn is_commit(record: &[u8]) -> bool {
    const KEY: usize = 5;
    record.get(KEY..KEY + 4).is_some_and(|key| key == [0, 0, 0, 1])
}

/// Deletions, elections and notifications are over within this.
const TIDY_WITHIN: Duration = Duration::from_secs(20);

/// Writes down what is in ZooKeeper, once nothing is under way any more, or after a time.
pub fn znodes(connect: &str, voice: &Voice) {
    let since = Instant::now();
    let is_under_way = |path: &String| {
        let parents = ["/admin/delete_topics/", "/isr_change_notification/", "/log_dir_event_notification/"];
        parents.iter().any(|parent| path.starts_with(parent))
            || path == "/admin/reassign_partitions"
            || path == "/admin/preferred_replica_election"
    };
    let paths = loop {
        let paths: Vec<String> = tree::dump(connect).into_iter().map(|node| node.path).collect();
        if !paths.iter().any(is_under_way) || since.elapsed() > TIDY_WITHIN {
            break paths;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    voice.says(What::Saw(Box::new(Sight::Znodes(paths))));
}

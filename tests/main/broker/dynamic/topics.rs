//! What each key of a topic changes.

use std::time::Duration;

use bytes::Bytes;
use ottla::base::ErrorCode;
use ottla::record::BatchBuilder;
use ottla::wire::ProduceResponsePartition;

use super::super::bed::{ME, OTHER, produce_records};
use super::super::elections;
use super::Held::{self, Apart, NoEffect, Shown};
use super::Trial;

const THROTTLES: &str = "held where replication throttles are";
const TIERED: &str = "tiered storage is off, and asking for it is refused";

macro_rules! shown {
    ($check:ident) => {
        Shown(|trial| Box::pin($check(trial)))
    };
}

pub(super) const KEYS: &[(&str, Held<Trial>)] = &[
    ("cleanup.policy", shown!(cleanup_policy)),
    ("compression.gzip.level", shown!(gzip_level)),
    ("compression.lz4.level", NoEffect("the format is the same at every level")),
    ("compression.type", shown!(compression_type)),
    ("compression.zstd.level", shown!(zstd_level)),
    ("delete.retention.ms", shown!(delete_retention)),
    ("file.delete.delay.ms", shown!(file_delete_delay)),
    ("flush.messages", shown!(flush_messages)),
    ("flush.ms", shown!(flush_ms)),
    ("follower.replication.throttled.replicas", Apart(THROTTLES)),
    ("index.interval.bytes", shown!(index_interval)),
    ("leader.replication.throttled.replicas", Apart(THROTTLES)),
    ("local.retention.bytes", NoEffect(TIERED)),
    ("local.retention.ms", NoEffect(TIERED)),
    ("max.compaction.lag.ms", shown!(max_compaction_lag)),
    ("max.message.bytes", shown!(max_message_bytes)),
    ("message.downconversion.enable", NoEffect("records are never converted down")),
    ("message.format.version", NoEffect("ignored from inter-broker version 3.0 on, in Kafka too")),
    ("message.timestamp.after.max.ms", shown!(timestamp_after)),
    ("message.timestamp.before.max.ms", shown!(timestamp_before)),
    ("message.timestamp.difference.max.ms", shown!(timestamp_difference)),
    ("message.timestamp.type", shown!(timestamp_type)),
    ("min.cleanable.dirty.ratio", shown!(dirty_ratio)),
    ("min.compaction.lag.ms", shown!(min_compaction_lag)),
    ("min.insync.replicas", shown!(min_insync_replicas)),
    ("preallocate", Apart("preallocated_segments_have_their_room_from_the_start, which has real files")),
    ("remote.log.copy.disable", NoEffect(TIERED)),
    ("remote.log.delete.on.disable", NoEffect(TIERED)),
    ("remote.storage.enable", NoEffect(TIERED)),
    ("retention.bytes", shown!(retention_bytes)),
    ("retention.ms", shown!(retention_ms)),
    ("segment.bytes", shown!(segment_bytes)),
    ("segment.index.bytes", shown!(segment_index_bytes)),
    ("segment.jitter.ms", shown!(segment_jitter)),
    ("segment.ms", shown!(segment_ms)),
    ("unclean.leader.election.enable", shown!(unclean_election)),
];

const HOUR_MS: i64 = 3_600_000;

fn batch_at(timestamp: i64, value: &[u8]) -> Bytes {
    let mut batch = BatchBuilder::new(0);
    batch.append(timestamp, Some(b"k"), Some(value), &[]);
    batch.build().expect("a batch")
}

/// Text that no codec makes nothing of, and that higher levels make less of.
fn text() -> Vec<u8> {
    let mut seed = 7u64;
    let word = |n: u64| format!("{:x} ", (n >> 33) % 3000);
    let words = (0..30_000).map(|_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        word(seed)
    });
    words.collect::<String>().into_bytes()
}

impl Trial {
    async fn topic(&self, overrides: &[(&str, &str)]) {
        self.bed.topic_with("t", &[ME], &overrides.iter().copied().collect()).await;
    }

    fn now(&self) -> i64 {
        self.bed.env.clock.wall_ms()
    }

    async fn produce_at(&self, timestamp: i64, value: &[u8]) -> ProduceResponsePartition {
        let mut client = self.bed.connect().await;
        let mut answer = client.ask(&produce_records("t", -1, batch_at(timestamp, value)), 11).await;
        answer.responses.remove(0).partition_responses.remove(0)
    }

    async fn produces_at(&self, timestamp: i64, value: &[u8]) {
        let answer = self.produce_at(timestamp, value).await;
        assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
    }

    async fn refuses_at(&self, timestamp: i64) -> ErrorCode {
        ErrorCode::from_code(self.produce_at(timestamp, b"v").await.error_code)
    }

    fn log(&self) -> std::sync::Arc<ottla::log::Log> {
        self.bed.partition("t").log()
    }

    fn segments(&self) -> usize {
        self.log().segment_count()
    }

    /// Names and sizes of the files in the partition's directory.
    fn files(&self) -> Vec<(String, u64)> {
        let disk = self.bed.broker.api().replicas.logs.shared().disk.clone();
        disk.list(&self.log().dir_path()).expect("a directory").into_iter().map(|e| (e.name, e.len)).collect()
    }

    fn size_of_last_batch(&self, before: u64) -> u64 {
        self.log().size_bytes() - before
    }
}

async fn cleanup_policy(t: Trial) {
    t.topic(&[]).await;
    let mut keyless = BatchBuilder::new(0);
    keyless.append(t.now(), None, Some(b"v"), &[]);
    let keyless = keyless.build().expect("a batch");
    let mut client = t.bed.connect().await;
    let mut code = async || {
        client.ask(&produce_records("t", -1, keyless.clone()), 11).await.responses[0].partition_responses[0].error_code
    };
    assert_eq!(code().await, 0);
    t.set("compact").await;
    assert_eq!(code().await, ErrorCode::InvalidRecord.code(), "a compacted topic wants keys");
}

async fn compression_type(t: Trial) {
    t.topic(&[]).await;
    let attributes = |position: u64| {
        let disk = t.bed.broker.api().replicas.logs.shared().disk.clone();
        let log = disk.read(&t.log().dir_path().join("00000000000000000000.log"), 1 << 20).expect("a log");
        log[position as usize + 22] & 7
    };
    t.produces_at(t.now(), &[b'a'; 1000]).await;
    assert_eq!(attributes(0), 0);
    for (name, codec) in [("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4)] {
        let before = t.log().size_bytes();
        t.set(name).await;
        t.produces_at(t.now(), &[b'a'; 1000]).await;
        assert_eq!(attributes(before), codec, "{name}");
        assert!(t.size_of_last_batch(before) < 500);
    }
}

async fn levels(t: Trial, codec: &str, fast: &str, small: &str) {
    t.topic(&[("compression.type", codec)]).await;
    let text = text();
    t.set(fast).await;
    let before = t.log().size_bytes();
    t.produces_at(t.now(), &text).await;
    let loose = t.size_of_last_batch(before);
    t.set(small).await;
    let before = t.log().size_bytes();
    t.produces_at(t.now(), &text).await;
    let tight = t.size_of_last_batch(before);
    assert!(tight < loose, "{codec}: {tight} bytes at level {small}, {loose} at {fast}");
}

async fn gzip_level(t: Trial) {
    levels(t, "gzip", "1", "9").await;
}

async fn zstd_level(t: Trial) {
    levels(t, "zstd", "-5", "15").await;
}

async fn file_delete_delay(t: Trial) {
    t.topic(&[("retention.ms", "1000")]).await;
    t.set("5000").await;
    t.produces_at(t.now() - HOUR_MS, b"old").await;
    let deleted = || t.files().iter().any(|(name, _)| name.ends_with(".log.deleted"));
    t.bed.until("the removal", deleted).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(deleted(), "it stays for five seconds");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!deleted(), "and no longer, where the default is a minute");
}

async fn flush_messages(t: Trial) {
    t.topic(&[]).await;
    t.produces_at(t.now(), b"v").await;
    assert_eq!(t.log().recovery_point(), 0);
    t.set("1").await;
    t.produces_at(t.now(), b"v").await;
    t.bed.until("the flush", || t.log().recovery_point() == 2).await;
}

async fn flush_ms(t: Trial) {
    t.topic(&[]).await;
    t.set("100000000").await;
    t.produces_at(t.now(), b"v").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(t.log().recovery_point(), 0, "not due");
    t.set("1").await;
    t.bed.until("the flush", || t.log().recovery_point() == 1).await;
}

async fn index_interval(t: Trial) {
    t.topic(&[("segment.bytes", "1000")]).await;
    // Entries of all segments but the newest, whose index is in memory.
    let entries = || t.files().iter().filter(|(name, _)| name.ends_with(".index")).map(|(_, len)| len / 8).sum::<u64>();
    let fill_a_segment = async || {
        for _ in 0..5 {
            t.produces_at(t.now(), b"v").await;
        }
        t.produces_at(t.now(), &[b'a'; 900]).await;
    };
    fill_a_segment().await;
    assert_eq!(entries(), 0, "4096 bytes are not reached");
    t.set("0").await;
    fill_a_segment().await;
    fill_a_segment().await;
    assert!(entries() >= 4, "an entry for each batch but the first: {}", entries());
}

async fn max_compaction_lag(t: Trial) {
    t.topic(&[("cleanup.policy", "compact")]).await;
    let now = t.now();
    t.produces_at(now, b"v").await;
    t.produces_at(now + 2000, b"v").await;
    assert_eq!(t.segments(), 1);
    t.set("1000").await;
    t.produces_at(now + 4000, b"v").await;
    assert_eq!(t.segments(), 2, "rolled in time to be compacted");
}

async fn max_message_bytes(t: Trial) {
    t.topic(&[]).await;
    t.produces_at(t.now(), b"v").await;
    t.set("10").await;
    assert_eq!(t.refuses_at(t.now()).await, ErrorCode::MessageTooLarge);
    t.set("1000").await;
    t.produces_at(t.now(), b"v").await;
}

async fn timestamp_after(t: Trial) {
    t.topic(&[]).await;
    t.produces_at(t.now() + HOUR_MS, b"v").await;
    t.set("1000").await;
    assert_eq!(t.refuses_at(t.now() + HOUR_MS).await, ErrorCode::InvalidTimestamp);
    t.produces_at(t.now() - HOUR_MS, b"v").await;
}

async fn timestamp_before(t: Trial) {
    t.topic(&[]).await;
    t.produces_at(t.now() - HOUR_MS, b"v").await;
    t.set("1000").await;
    assert_eq!(t.refuses_at(t.now() - HOUR_MS).await, ErrorCode::InvalidTimestamp);
    t.produces_at(t.now() + HOUR_MS, b"v").await;
}

async fn timestamp_difference(t: Trial) {
    t.topic(&[]).await;
    t.produces_at(t.now() - HOUR_MS, b"v").await;
    t.set("1000").await;
    assert_eq!(t.refuses_at(t.now() - HOUR_MS).await, ErrorCode::InvalidTimestamp);
    assert_eq!(t.refuses_at(t.now() + HOUR_MS).await, ErrorCode::InvalidTimestamp);
}

async fn timestamp_type(t: Trial) {
    t.topic(&[]).await;
    let answered = t.produce_at(1, b"v").await;
    assert_eq!(answered.log_append_time_ms, -1);
    t.set("LogAppendTime").await;
    let now = t.now();
    let answered = t.produce_at(1, b"v").await;
    assert!(answered.log_append_time_ms >= now, "{}", answered.log_append_time_ms);
}

async fn min_insync_replicas(t: Trial) {
    t.bed.topic("t", &[ME, OTHER]).await;
    // The other broker never fetches.
    t.bed.until("the shrunk ISR", || t.bed.partition("t").state().isr.len() == 1).await;
    t.produces_at(t.now(), b"v").await;
    t.set("2").await;
    assert_eq!(t.refuses_at(t.now()).await, ErrorCode::NotEnoughReplicas);
}

async fn retention_bytes(t: Trial) {
    t.topic(&[("segment.bytes", "200")]).await;
    for _ in 0..5 {
        t.produces_at(t.now(), &[b'a'; 100]).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(t.log().start_offset(), 0);
    t.set("300").await;
    t.bed.until("the removal", || t.log().start_offset() >= 2).await;
}

async fn retention_ms(t: Trial) {
    t.topic(&[]).await;
    t.produces_at(t.now() - HOUR_MS, b"v").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(t.log().start_offset(), 0);
    t.set("1000").await;
    t.bed.until("the removal", || t.log().start_offset() == 1).await;
}

async fn segment_bytes(t: Trial) {
    t.topic(&[]).await;
    t.produces_at(t.now(), &[b'a'; 600]).await;
    t.produces_at(t.now(), &[b'a'; 600]).await;
    assert_eq!(t.segments(), 1);
    t.set("1000").await;
    t.produces_at(t.now(), &[b'a'; 600]).await;
    t.produces_at(t.now(), &[b'a'; 600]).await;
    assert_eq!(t.segments(), 3);
}

async fn segment_index_bytes(t: Trial) {
    t.topic(&[("index.interval.bytes", "0")]).await;
    for _ in 0..4 {
        t.produces_at(t.now(), b"v").await;
    }
    assert_eq!(t.segments(), 1);
    t.set("24").await;
    for _ in 0..6 {
        t.produces_at(t.now(), b"v").await;
    }
    assert!(t.segments() > 2, "{} segments of three entries each", t.segments());
}

async fn segment_jitter(t: Trial) {
    t.topic(&[("segment.ms", "1000")]).await;
    let start = t.now();
    let count = async |from: i64| {
        let before = t.segments();
        for step in 0..40 {
            t.produces_at(start + from + step * 500, b"v").await;
        }
        t.segments() - before
    };
    let plain = count(0).await;
    t.set("1000").await;
    let jittered = count(40 * 500).await;
    assert!(jittered > plain, "{jittered} segments are not more than {plain}");
}

async fn segment_ms(t: Trial) {
    t.topic(&[]).await;
    let now = t.now();
    t.produces_at(now, b"v").await;
    t.produces_at(now + 2000, b"v").await;
    assert_eq!(t.segments(), 1);
    t.set("1000").await;
    t.produces_at(now + 4000, b"v").await;
    assert_eq!(t.segments(), 2);
}

async fn unclean_election(t: Trial) {
    elections::without_leader(&t.bed, "t").await;
    t.set("true").await;
    let leads =
        || t.bed.broker.api().replicas.get(&super::super::bed::tp("t")).is_ok_and(|p| p.check_leader(-1).is_ok());
    t.bed.until("the unclean leader", leads).await;
}

/// Key `k` again and again, over closed segments: what a cleaning makes small.
async fn fill_dirty(t: &Trial) {
    for _ in 0..20 {
        t.produces_at(t.now(), &[b'a'; 100]).await;
    }
}

const COMPACTED: &[(&str, &str)] = &[("cleanup.policy", "compact"), ("segment.bytes", "500")];

/// Nothing is cleaned under `never`, and with `at_once` it is.
async fn cleaned_only_with(t: Trial, never: &str, at_once: &str) {
    t.topic(COMPACTED).await;
    t.set(never).await;
    fill_dirty(&t).await;
    let full = t.log().size_bytes();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(t.log().size_bytes(), full);
    t.set(at_once).await;
    t.bed.until("the cleaning", || t.log().size_bytes() < full / 2).await;
}

async fn dirty_ratio(t: Trial) {
    cleaned_only_with(t, "1.0", "0.1").await;
}

async fn min_compaction_lag(t: Trial) {
    cleaned_only_with(t, "100000000", "0").await;
}

async fn delete_retention(t: Trial) {
    t.topic(COMPACTED).await;
    let bury = async |key: &str| {
        let mut batch = BatchBuilder::new(0);
        batch.append(t.now(), Some(key.as_bytes()), None, &[]);
        let mut client = t.bed.connect().await;
        let answer = client.ask(&produce_records("t", -1, batch.build().expect("a batch")), 11).await;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    };
    let lies_there = |key: &str| {
        let disk = t.bed.broker.api().replicas.logs.shared().disk.clone();
        let logs = t.files().into_iter().filter(|(name, _)| name.ends_with(".log"));
        let contains = |bytes: Vec<u8>| bytes.windows(key.len()).any(|w| w == key.as_bytes());
        logs.map(|(name, _)| disk.read(&t.log().dir_path().join(name), 1 << 20)).any(|read| read.is_ok_and(contains))
    };
    // By the default for a day, from the first cleaning on.
    bury("tombstone-1").await;
    for _ in 0..5 {
        fill_dirty(&t).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert!(lies_there("tombstone-1"));
    t.set("1").await;
    bury("tombstone-2").await;
    for _ in 0..5 {
        fill_dirty(&t).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert!(!lies_there("tombstone-2"), "gone with the second cleaning");
    assert!(lies_there("tombstone-1"), "its day was set when it was first cleaned, as in Kafka");
}

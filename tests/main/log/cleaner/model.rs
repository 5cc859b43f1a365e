//! Random logs of compacted topics, and what compaction must leave of them: the slow obvious version.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ottla::base::env::{Clock, SimClock, SimNet};
use ottla::base::{Env, TopicPartition};
use ottla::config::{CleanupPolicy, LogConfig};
use ottla::disk::{Disk, SimDisk};
use ottla::log::{CancelFlag, CleanerConfig, Log, LogDirs, LogManager, ManagerConfig};
use ottla::record::{BatchBuilder, Codec, EndTxnMarker, builder};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::log::support::*;

pub const START_MS: i64 = 1_700_000_000_000;
pub const DAY_MS: i64 = 86_400_000;

/// Which producer: none, two idempotent ones, two transactional ones.
pub type Who = u8;

/// One append.
#[derive(Clone, Debug)]
pub enum Op {
    /// Records with a key (9 is none) and a value (none is a tombstone).
    Data { who: Who, codec: usize, records: Vec<(u8, Option<u8>)> },
    /// The end of a transaction, also of one that wrote nothing.
    End { who: Who, commit: bool },
}

pub fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    let record = (0u8..10, prop_oneof![3 => (0u8..40).prop_map(Some), 1 => Just(None)]);
    let data =
        (0u8..5, 0usize..5, vec(record, 1..9)).prop_map(|(who, codec, records)| Op::Data { who, codec, records });
    let end = (3u8..5, any::<bool>()).prop_map(|(who, commit)| Op::End { who, commit });
    vec(prop_oneof![4 => data, 1 => end], 1..most)
}

#[derive(Clone, Debug)]
pub struct Record {
    pub row: Row,
    pub control: bool,
    txn: Option<usize>,
}

/// A log with what went into it.
pub struct Written {
    pub log: Arc<Log>,
    pub records: Vec<Record>,
    /// Aborted or not; none while open.
    txns: Vec<Option<bool>>,
    open: BTreeMap<Who, usize>,
    sequences: BTreeMap<Who, i32>,
    coordinator: i32,
}

pub struct Stage {
    pub manager: Arc<LogManager>,
    pub clock: SimClock,
}

pub fn compacted() -> LogConfig {
    LogConfig {
        cleanup: CleanupPolicy::COMPACT,
        min_cleanable_dirty_ratio: 0.0,
        segment_bytes: 1500,
        index_interval_bytes: 200,
        timestamp_before_max_ms: i64::MAX,
        file_delete_delay_ms: 0,
        ..small()
    }
}

pub fn tp() -> TopicPartition {
    TopicPartition::new("compacted", 0)
}

/// A manager over a simulated disk; what lies there is loaded.
pub fn stage(sim: &SimDisk, config: &LogConfig, cleaner: CleanerConfig, at_ms: i64) -> Stage {
    let env = Env::sim(7, at_ms, SimNet::default());
    let Clock::Sim(clock) = env.clock.clone() else { unreachable!("a simulated clock") };
    sim.set_now_ms(at_ms);
    let dirs = LogDirs::open(Disk::Sim(sim.clone()), &[PathBuf::from("/data")]).expect("the directory");
    let manager_config = ManagerConfig { verify_transactions: false, cleaner, ..ManagerConfig::default() };
    let config = Arc::new(config.clone());
    let manager = LogManager::load(env, dirs, manager_config, &|_| Arc::clone(&config), &CancelFlag::new());
    Stage { manager: manager.expect("a start"), clock }
}

impl Written {
    pub async fn new(manager: &Arc<LogManager>, config: &LogConfig) -> Self {
        // Keys are not asked for as long as the topic is not compacted.
        let config = LogConfig { cleanup: CleanupPolicy::DELETE, ..config.clone() };
        let log = manager.get_or_create(&tp(), None, Arc::new(config), true, None).await.expect("a log");
        Self {
            log,
            records: Vec::new(),
            txns: Vec::new(),
            open: BTreeMap::new(),
            sequences: BTreeMap::new(),
            coordinator: 0,
        }
    }

    pub async fn apply(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::Data { who, codec, records } => self.data(*who, Codec::ALL[*codec], records).await,
                Op::End { who, commit } => self.end(*who, *commit).await,
            }
        }
    }

    async fn data(&mut self, who: Who, codec: Codec, records: &[(u8, Option<u8>)]) {
        let (first, count) = (self.log.leo(), records.len() as i32);
        let mut batch = BatchBuilder::new(0).codec(codec, None);
        if who > 0 {
            let sequence = self.sequences.entry(who).or_default();
            batch = batch.producer(100 + i64::from(who), 0, *sequence).transactional(who >= 3);
            *sequence += count;
        }
        let txn = (who >= 3).then(|| {
            *self.open.entry(who).or_insert_with(|| {
                self.txns.push(None);
                self.txns.len() - 1
            })
        });
        for (i, (key, value)) in records.iter().enumerate() {
            let offset = first + i as i64;
            let key = (*key < 9).then(|| format!("key{key}").into_bytes());
            let value = value.map(|v| format!("{offset} {}", "v".repeat(v.into())).into_bytes());
            let timestamp = START_MS - (offset * 7919) % 1000; // in no order
            batch.append(
                timestamp,
                key.as_deref(),
                value.as_deref(),
                &[(b"h", Some(&[*codec.name().as_bytes().first().unwrap()]))],
            );
            self.records.push(Record { row: (offset, timestamp, key, value), control: false, txn });
        }
        append(&self.log, batch.build().expect("a batch")).await;
    }

    async fn end(&mut self, who: Who, commit: bool) {
        let offset = self.log.leo();
        self.coordinator += 1;
        let marker = EndTxnMarker { commit, coordinator_epoch: self.coordinator };
        let batch = builder::marker(0, 0, START_MS, 100 + i64::from(who), 0, marker);
        self.log.lock().await.append_leader(coordinator(batch, 0)).await.expect("appended");
        let row = (offset, START_MS, Some(marker.key().to_vec()), Some(marker.value().to_vec()));
        self.records.push(Record { row, control: true, txn: None });
        if let Some(txn) = self.open.remove(&who) {
            self.txns[txn] = Some(!commit);
        }
    }

    /// A record with a key of its own in a segment of its own, so that everything before can be cleaned.
    pub async fn roll(&mut self, config: &LogConfig) {
        for _ in 0..2 {
            let filler = vec![b'f'; usize::try_from(config.segment_bytes).unwrap() - 120];
            let (offset, key) = (self.log.leo(), format!("filler{}", self.log.leo()).into_bytes());
            let mut batch = BatchBuilder::new(0);
            batch.append(START_MS, Some(&key), Some(&filler), &[]);
            append(&self.log, batch.build().expect("a batch")).await;
            let row = (offset, START_MS, Some(key), Some(filler));
            self.records.push(Record { row, control: false, txn: None });
        }
    }

    /// Everything is replicated, on the device, and from now on compacted.
    pub async fn settle(&self, config: &LogConfig) {
        self.log.set_high_watermark(self.log.leo());
        self.log.set_config(Arc::new(config.clone()));
        self.log.lock().await.flush().await.expect("flushed");
    }

    fn aborted(&self, record: &Record) -> bool {
        record.txn.is_some_and(|txn| self.txns[txn] == Some(true))
    }

    /// What a first pass over everything below `end` leaves: aborted records go, of each key the last one stays, tombstones and markers
    /// wait for their horizon, and what has no key goes.
    pub fn after_first_pass(&self, end: i64) -> Vec<Row> {
        self.left(end, false)
    }

    /// What is left in the end, when all horizons have passed: without the markers, of which the rules say little.
    pub fn after_all(&self, end: i64) -> Vec<Row> {
        self.left(end, true)
    }

    fn left(&self, end: i64, horizons_passed: bool) -> Vec<Row> {
        let mut last = BTreeMap::new();
        for record in self.records.iter().filter(|r| r.row.0 < end && !r.control && !self.aborted(r)) {
            last.insert(record.row.2.clone(), record.row.0);
        }
        let stays = |record: &&Record| {
            let (offset, _, key, value) = &record.row;
            if *offset >= end {
                return !(horizons_passed && record.control);
            }
            if record.control {
                return !horizons_passed;
            }
            let is_last = key.is_some() && last.get(key) == Some(offset);
            is_last && !self.aborted(record) && (value.is_some() || !horizons_passed)
        };
        self.records.iter().filter(stays).map(|r| r.row.clone()).collect()
    }

    /// Everything that was written.
    pub fn all(&self) -> Vec<Row> {
        self.records.iter().map(|r| r.row.clone()).collect()
    }

    /// Offsets of markers.
    pub fn markers(&self) -> Vec<i64> {
        self.records.iter().filter(|r| r.control).map(|r| r.row.0).collect()
    }
}

/// Base offsets of the segments on a disk.
pub fn bases(disk: &Disk, log: &Log) -> Vec<i64> {
    let names = disk.list(&log.dir_path()).expect("the partition");
    names.iter().filter_map(|e| e.name.strip_suffix(".log")?.parse().ok()).collect()
}

/// The first offset that may not be cleaned, from the files and the last stable offset.
pub fn uncleanable(disk: &Disk, log: &Log) -> i64 {
    let bases = bases(disk, log);
    let stop = log.last_stable_offset().min(*bases.last().expect("a segment"));
    bases.into_iter().filter(|b| *b <= stop).max().expect("a segment")
}

/// Runs a future on a paused clock.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// Producers as a reader of the log would know them.
pub async fn producers(log: &Arc<Log>) -> Vec<(i64, i16, i32, i64)> {
    let all = log.producers().await;
    all.into_iter().map(|p| (p.producer_id, p.epoch, p.last_sequence, p.txn_first_offset)).collect()
}

/// No file of a pass is left over.
pub fn assert_tidy(disk: &Disk, log: &Log) {
    let names: Vec<String> = disk.list(&log.dir_path()).expect("the partition").into_iter().map(|e| e.name).collect();
    assert!(names.iter().all(|n| !n.ends_with(".cleaned") && !n.ends_with(".swap")), "{names:?}");
}

impl Written {
    /// The record at an offset belongs to an aborted transaction.
    pub fn is_aborted(&self, offset: i64) -> bool {
        self.records.iter().any(|r| r.row.0 == offset && self.aborted(r))
    }
}

//! Logs in temp directories and on the simulated disk, batches to append, what a log holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ottla::base::{Env, TopicPartition};
use ottla::config::LogConfig;
use ottla::disk::Disk;
use ottla::log::{Appended, CancelFlag, Home, LeaderAppend, Log, OpenOptions, ReadRequest, Shared};
use ottla::record::{BatchBuilder, Batches, Origin, Scratch};

/// A temp directory with a log directory in it, or a simulated one.
pub struct Bed {
    pub home: Arc<Home>,
    pub root: PathBuf,
    _temp: Option<tempfile::TempDir>,
}

impl Bed {
    pub fn real() -> Self {
        let temp = tempfile::tempdir().expect("a temp directory");
        let root = temp.path().to_path_buf();
        let shared = Shared::new(Env::current(), Disk::Real, 2);
        Self { home: Home::new(&root, &shared), root, _temp: Some(temp) }
    }

    pub fn on(disk: Disk) -> Self {
        let root = PathBuf::from("/data");
        disk.create_dir_all(&root).expect("a directory");
        let shared = Shared::new(Env::current(), disk, 2);
        Self { home: Home::new(&root, &shared), root, _temp: None }
    }

    pub fn dir(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn open(&self, name: &str, options: &OpenOptions) -> Arc<Log> {
        let dir = self.dir(name);
        self.home.shared().disk.create_dir_all(&dir).expect("a directory");
        let (topic, partition) = name.rsplit_once('-').expect("topic-partition");
        let tp = TopicPartition::new(topic, partition.parse().expect("a number"));
        Log::open(&self.home, &dir, tp, options, &CancelFlag::new()).expect("the log opens")
    }
}

/// A configuration with small segments and dense indexes.
pub fn small() -> LogConfig {
    LogConfig { segment_bytes: 16384, segment_index_bytes: 4096, ..LogConfig::default() }
}

pub fn new_log(config: LogConfig) -> OpenOptions {
    OpenOptions::new_log(Arc::new(config))
}

/// Options of a log that is there.
pub fn reopen(config: LogConfig, clean: bool) -> OpenOptions {
    OpenOptions { clean, ..new_log(config) }
}

pub fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/logs").join(path)
}

/// Copies a partition directory without the dumps.
pub fn copy_partition(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("golden files") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name");
        if !name.ends_with(".dump") {
            let bytes = std::fs::read(entry.path()).expect("a file");
            std::fs::write(to.join(name), bytes).expect("a copy");
        }
    }
}

/// A batch of plain records with a value of `size` bytes each.
pub fn batch(count: usize, size: usize, timestamp: i64) -> Bytes {
    let mut builder = BatchBuilder::new(0);
    for i in 0..count {
        builder.append(timestamp + i as i64, None, Some(&vec![b'a' + (i % 26) as u8; size]), &[]);
    }
    builder.build().expect("a batch")
}

/// A batch of an idempotent producer.
pub fn sequenced(id: i64, epoch: i16, sequence: i32, count: usize, transactional: bool) -> Bytes {
    let mut builder = BatchBuilder::new(0).producer(id, epoch, sequence).transactional(transactional);
    for i in 0..count {
        builder.append(now() + i as i64, None, Some(b"value"), &[]);
    }
    builder.build().expect("a batch")
}

pub fn now() -> i64 {
    Env::current().clock.wall_ms()
}

pub fn client(records: Bytes, leader_epoch: i32) -> LeaderAppend {
    LeaderAppend { records, leader_epoch, origin: Origin::Client, verification: None, awaited: None }
}

pub fn coordinator(records: Bytes, leader_epoch: i32) -> LeaderAppend {
    LeaderAppend { records, leader_epoch, origin: Origin::Coordinator, verification: None, awaited: None }
}

pub async fn append(log: &Arc<Log>, records: Bytes) -> Appended {
    log.lock().await.append_leader(client(records, 0)).await.expect("appended")
}

/// Offset, timestamp, key, value of every record from `offset` on, read slice by slice.
pub type Row = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

pub fn rows(log: &Arc<Log>, offset: i64) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut scratch = Scratch::new();
    let mut at = offset;
    while at < log.leo() {
        let request =
            ReadRequest { offset: at, max_bytes: 5000, min_one_message: true, upper: log.leo(), aborted: false };
        let read = log.read_blocking(request).expect("a read");
        let Some(slice) = read.slice else { break };
        let bytes = slice.read_to_bytes().expect("bytes");
        let before = at;
        for batch in Batches::new(&bytes) {
            let Ok(batch) = batch else { break };
            for record in batch.records(&mut scratch).expect("records") {
                let record = record.expect("a record");
                if record.offset >= at {
                    rows.push((
                        record.offset,
                        record.timestamp,
                        record.key.map(<[u8]>::to_vec),
                        record.value.map(<[u8]>::to_vec),
                    ));
                }
            }
            at = batch.last_offset() + 1;
        }
        assert!(at > before, "a read moves on");
    }
    rows
}

/// All batches' bytes, in order.
pub fn all_bytes(log: &Arc<Log>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut at = log.start_offset();
    while at < log.leo() {
        let request =
            ReadRequest { offset: at, max_bytes: 1 << 20, min_one_message: true, upper: log.leo(), aborted: false };
        let read = log.read_blocking(request).expect("a read");
        let Some(slice) = read.slice else { break };
        let bytes = slice.read_to_bytes().expect("bytes");
        let mut last = at;
        for batch in Batches::new(&bytes) {
            last = batch.expect("a batch").last_offset();
        }
        all.extend_from_slice(&bytes);
        at = last + 1;
    }
    all
}

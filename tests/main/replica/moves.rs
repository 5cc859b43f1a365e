//! Replicas on their way from one simulated directory to another: what arrives, what stops it, and kills at every step.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla::base::env::SimNet;
use ottla::base::{Env, ErrorCode, TopicId, TopicPartition};
use ottla::cluster::Cluster;
use ottla::config::{CleanupPolicy, LogConfig};
use ottla::disk::{Disk, SimDisk};
use ottla::log::{CancelFlag, CleanerConfig, Log, LogDirs, LogManager, ManagerConfig};
use ottla::record::{BatchBuilder, Origin};
use ottla::replica::append::ACKS_ALL;
use ottla::replica::lifecycle::Stop;
use ottla::replica::{Partition, Replicas};
use tokio::time::Instant;

use crate::log::support::{all_bytes, rows, small};

const ME: i32 = 1;
const OTHER: i32 = 2;
const DIRS: [&str; 3] = ["/a", "/b", "/c"];
/// What a moment is on a clock that stands still while there is work.
const MOMENT: Duration = Duration::from_secs(20);

fn id() -> TopicPartition {
    TopicPartition::new("t", 0)
}

struct Bed {
    disk: SimDisk,
    replicas: Arc<Replicas>,
    config: Arc<LogConfig>,
}

impl Bed {
    fn on(disk: &SimDisk, config: LogConfig, cleaner: CleanerConfig) -> Self {
        let env = Env::sim(7, 1_700_000_000_000, SimNet::default());
        let dirs = LogDirs::open(Disk::Sim(disk.clone()), &DIRS.map(PathBuf::from)).expect("directories");
        let config = Arc::new(config);
        let of_all = config.clone();
        let manager = ManagerConfig { cleaner, ..ManagerConfig::default() };
        let logs = LogManager::load(env.clone(), dirs, manager, &move |_| of_all.clone(), &CancelFlag::new());
        let cluster = Arc::new(Cluster::new("c".into(), ME));
        let replicas = Arc::new(Replicas::new(env, cluster, logs.expect("a start"), 100));
        Self { disk: disk.clone(), replicas, config }
    }

    fn new() -> Self {
        Self::on(&SimDisk::new(), small(), CleanerConfig::default())
    }

    async fn lead(&self, leader_epoch: i32, isr: &[i32]) -> Arc<Partition> {
        let assignment = super::assignment(ME, leader_epoch, isr, &[ME, OTHER]);
        let topic_id = Some(TopicId::from_bytes([7; 16]));
        self.replicas.assign(&id(), topic_id, &assignment, || self.config.clone()).await.expect("leader");
        let partition = self.partition();
        let mut writer = partition.lock().await;
        partition.settle(&mut writer).await.expect("settled");
        drop(writer);
        partition
    }

    fn partition(&self) -> Arc<Partition> {
        self.replicas.get(&id()).expect("hosted")
    }

    async fn append(&self, values: std::ops::Range<usize>, bytes: usize) {
        for i in values {
            self.replicas.append(&id(), record(i, bytes), 1, Origin::Client).await.expect("appended");
        }
    }

    /// The directory that a partition does not lie in, of the first two.
    fn elsewhere(&self) -> PathBuf {
        let here = self.partition().log().dir();
        PathBuf::from(DIRS[usize::from(here == Path::new(DIRS[0]))])
    }

    fn carry(&self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(self.replicas.clone().carry_moves())
    }

    async fn until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(3600);
        while !done(self) {
            assert!(Instant::now() < end, "never: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn moved_to(&self, dir: &Path) {
        self.until("the move ends", |bed| bed.partition().log().dir() == dir).await;
        assert!(self.replicas.logs.get_future(&id()).is_none());
    }

    fn names(&self, dir: &str) -> Vec<String> {
        let entries = Disk::Sim(self.disk.clone()).list(Path::new(dir)).expect("listed");
        entries.into_iter().filter(|e| e.is_dir).map(|e| e.name).collect()
    }
}

fn record(i: usize, bytes: usize) -> Bytes {
    let mut batch = BatchBuilder::new(0);
    let value = format!("{i} {}", "v".repeat(bytes));
    batch.append(1_700_000_000_000 + i as i64, Some(format!("key{}", i % 7).as_bytes()), Some(value.as_bytes()), &[]);
    batch.build().expect("a batch")
}

#[tokio::test(start_paused = true)]
async fn a_replica_arrives_with_all_it_has_and_goes_on_being_written() {
    let bed = Bed::new();
    let partition = bed.lead(2, &[ME]).await;
    bed.append(0..300, 200).await;
    bed.lead(4, &[ME]).await;
    bed.append(300..320, 200).await;
    bed.replicas.delete_records(&id(), 37).await.expect("raised");
    // From here on another replica is in sync that has nothing new; and an epoch begins that has no record yet.
    bed.lead(5, &[ME, OTHER]).await;
    let waiting = bed.replicas.append(&id(), record(320, 10), ACKS_ALL, Origin::Client).await.expect("appended");
    bed.lead(6, &[ME, OTHER]).await;
    let (old, to) = (partition.log(), bed.elsewhere());
    let (bytes, hw) = (all_bytes(&old), old.high_watermark());
    bed.replicas.alter_dir(&id(), &to).await.expect("begun");
    let future = bed.replicas.logs.get_future(&id()).expect("on its way");
    assert!(future.is_future() && future.dir() == to);
    assert!(bed.names(to.to_str().expect("a name"))[0].ends_with("-future"));

    let _carried = bed.carry();
    bed.moved_to(&to).await;
    let log = partition.log();
    assert!(Arc::ptr_eq(&log, &future) && !log.is_future());
    assert_eq!(all_bytes(&log), bytes);
    assert_eq!((log.start_offset(), log.leo(), log.high_watermark()), (37, 321, hw));
    for epoch in 2..7 {
        assert_eq!(log.epoch_start(epoch), old.epoch_start(epoch), "epoch {epoch}");
    }
    assert_eq!(log.topic_id(), Some(TopicId::from_bytes([7; 16])));
    assert_eq!(bed.names(to.to_str().expect("a name")), ["t-0"]);
    let left = bed.names(old.dir().to_str().expect("a name"));
    assert!(left.len() == 1 && left[0].ends_with("-delete"), "{left:?}");
    // Who waited for the other replica still does, and hears.
    if let Some(other) = partition.change().followers.get_mut(&OTHER) {
        other.end_offset = Some(321);
    }
    assert_eq!(waiting.committed(Instant::now() + MOMENT).await, Ok(()));
    bed.append(321..330, 10).await;
    assert_eq!(partition.log().leo(), 330);
    // And back again.
    let back = old.dir();
    let bytes = all_bytes(&log);
    bed.replicas.alter_dir(&id(), &back).await.expect("begun");
    bed.moved_to(&back).await;
    assert_eq!(all_bytes(&partition.log()), bytes);
    // A clean stop, and a start.
    bed.replicas.logs.shutdown().await;
    let again = Bed::on(&bed.disk, small(), CleanerConfig::default());
    let log = again.replicas.logs.get(&id()).expect("the log");
    assert_eq!((log.dir(), log.leo(), log.start_offset(), log.high_watermark()), (back, 330, 37, 321));
    assert_eq!(all_bytes(&log), bytes);
    assert_eq!((log.epoch_start(5), log.epoch_start(6)), (old.epoch_start(5), old.epoch_start(6)));
}

#[tokio::test(start_paused = true)]
async fn appends_during_the_last_step_wait_and_go_to_the_new_log() {
    let bed = Bed::new();
    let partition = bed.lead(0, &[ME]).await;
    bed.append(0..50, 100).await;
    let to = bed.elsewhere();
    bed.replicas.alter_dir(&id(), &to).await.expect("begun");
    let held = partition.lock().await;
    let _carried = bed.carry();
    let replicas = bed.replicas.clone();
    let queued: Vec<_> = (50..60)
        .map(|i| {
            let replicas = replicas.clone();
            tokio::spawn(async move { replicas.append(&id(), record(i, 10), 1, Origin::Client).await.map(|_| ()) })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await; // all of them wait for the log
    drop(held);
    for append in queued {
        append.await.expect("no panic").expect("appended");
    }
    bed.moved_to(&to).await;
    assert_eq!(rows(&partition.log(), 0).len(), 60, "each is there once");
}

/// The disk stops taking changes after so many: a kill, or a loss of power, at each step of a move. One of both directories has it all.
#[tokio::test(start_paused = true)]
async fn kills_at_every_step_leave_one_whole_log() {
    let (mut at_old, mut at_new, mut interrupted) = (0, 0, 0);
    for changes in 0..90 {
        for lose_power in [false, true] {
            let disk = SimDisk::new();
            let bed = Bed::on(&disk, small(), CleanerConfig::default());
            let partition = bed.lead(0, &[ME]).await;
            bed.append(0..120, 300).await;
            partition.lock().await.flush().await.expect("flushed");
            bed.replicas.logs.checkpoint_high_watermarks().await;
            let (old, to) = (partition.log().dir(), bed.elsewhere());
            disk.fail_after(Some(changes));
            let carried = bed.carry();
            let _ = bed.replicas.alter_dir(&id(), &to).await; // fails when the disk does
            tokio::time::sleep(Duration::from_secs(3)).await;
            carried.abort();
            let _ = carried.await;
            let both = DIRS.iter().filter(|dir| bed.names(dir).contains(&"t-0".to_string())).count();
            interrupted += usize::from(both == 2);
            drop(bed);
            disk.fail_after(None);
            if lose_power {
                disk.lose_power(|_| 0)
            } else {
                disk.kill()
            }

            let again = Bed::on(&disk, small(), CleanerConfig::default());
            let log = again.replicas.logs.get(&id()).expect("the log");
            assert_eq!(rows(&log, 0).len(), 120, "after {changes} changes, power lost: {lose_power}");
            assert_eq!(log.latest_epoch(), Some(0));
            at_old += usize::from(log.dir() == old);
            at_new += usize::from(log.dir() == to);
            // What was left of the move is gone on with.
            let partition = again.lead(1, &[ME]).await;
            let _carried = again.carry();
            again.until("no move is left", |bed| bed.replicas.logs.get_future(&id()).is_none()).await;
            assert_eq!(rows(&partition.log(), 0).len(), 120);
            again.append(120..130, 10).await;
            assert_eq!(partition.log().leo(), 130);
            for dir in DIRS {
                let replaces = Path::new(dir).join("t-0/replaces");
                assert!(!Disk::Sim(disk.clone()).exists(&replaces) || log.dir() == Path::new(dir));
            }
        }
    }
    assert!(at_old > 20 && at_new > 5 && interrupted > 0, "{at_old} before, {at_new} after, {interrupted} in between");
}

/// A move that is held by its throttle after the first chunk.
async fn half_way(bed: &Bed) -> (Arc<Partition>, PathBuf, tokio::task::JoinHandle<()>) {
    let partition = bed.lead(0, &[ME]).await;
    bed.append(0..300, 10_000).await;
    let to = bed.elsewhere();
    bed.replicas.set_move_rate(1);
    bed.replicas.alter_dir(&id(), &to).await.expect("begun");
    let carried = bed.carry();
    let copied = |bed: &Bed| bed.replicas.logs.get_future(&id()).is_some_and(|log| log.leo() > 50);
    bed.until("the first chunk", copied).await;
    (partition, to, carried)
}

#[tokio::test(start_paused = true)]
async fn the_throttle_holds_a_move_and_describe_shows_how_far_it_is() {
    let bed = Bed::new();
    let (partition, to, _carried) = half_way(&bed).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let future = bed.replicas.logs.get_future(&id()).expect("still on its way");
    let lag = partition.log().leo() - future.leo();
    assert!((100..250).contains(&lag), "{lag} records are missing");
    let dirs = bed.replicas.describe_dirs().await;
    let described = dirs.iter().find(|dir| dir.path == to).expect("described");
    assert_eq!(described.replicas.iter().map(|r| (r.is_future, r.offset_lag)).collect::<Vec<_>>(), [(true, lag)]);
    let here = dirs.iter().find(|dir| dir.path == partition.log().dir()).expect("described");
    assert_eq!(here.replicas.iter().map(|r| (r.is_future, r.offset_lag)).collect::<Vec<_>>(), [(false, 0)]);
    bed.replicas.set_move_rate(i64::MAX);
    bed.moved_to(&to).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_and_written_anew_meanwhile_is_copied_anew() {
    for fully in [false, true] {
        let bed = Bed::new();
        let (partition, to, _carried) = half_way(&bed).await;
        {
            let mut writer = partition.lock().await;
            match fully {
                true => writer.truncate_fully_and_start_at(17).await.expect("emptied"),
                false => assert!(writer.truncate_to(20).await.expect("cut")),
            }
        }
        bed.lead(3, &[ME]).await;
        bed.append(1000..1300, 500).await; // longer than before: only the epochs tell
        bed.replicas.set_move_rate(i64::MAX);
        let old = partition.log();
        let bytes = all_bytes(&old);
        bed.moved_to(&to).await;
        let log = partition.log();
        assert!(all_bytes(&log) == bytes, "fully: {fully}");
        assert_eq!((log.start_offset(), log.epoch_start(3)), (old.start_offset(), old.epoch_start(3)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_goes_on_after_a_kill_and_finds_what_was_cut_before_it() {
    let disk = SimDisk::new();
    let bed = Bed::on(&disk, small(), CleanerConfig::default());
    let (partition, to, carried) = half_way(&bed).await;
    // Nobody copies any more when the log is cut and written in another epoch.
    carried.abort();
    let _ = carried.await;
    assert!(partition.lock().await.truncate_to(30).await.expect("cut"));
    bed.lead(3, &[ME]).await;
    bed.append(1000..1300, 500).await;
    let bytes = all_bytes(&partition.log());
    disk.kill();
    let again = Bed::on(&disk, small(), CleanerConfig::default());
    let left = again.replicas.logs.get_future(&id()).expect("loaded");
    assert!(left.leo() > 50);
    let _carried = again.carry();
    tokio::time::sleep(MOMENT).await;
    assert!(again.replicas.logs.get_future(&id()).is_some(), "not before the controller tells of the partition");
    let partition = again.lead(4, &[ME]).await;
    again.moved_to(&to).await;
    assert_eq!(all_bytes(&partition.log()), bytes);
}

#[tokio::test(start_paused = true)]
async fn a_move_can_be_given_up_turned_elsewhere_and_ends_with_its_topic() {
    let bed = Bed::new();
    let (partition, to, _carried) = half_way(&bed).await;
    let here = partition.log();
    bed.replicas.alter_dir(&id(), Path::new("/c")).await.expect("turned");
    let future = bed.replicas.logs.get_future(&id()).expect("another");
    assert_eq!(future.dir(), Path::new("/c"));
    let gone = |dir: &Path| bed.names(dir.to_str().expect("a name")).iter().all(|name| name.ends_with("-delete"));
    assert!(gone(&to));
    bed.replicas.alter_dir(&id(), &here.dir()).await.expect("given up");
    assert!(bed.replicas.logs.get_future(&id()).is_none() && gone(Path::new("/c")));
    bed.replicas.set_move_rate(i64::MAX);
    tokio::time::sleep(MOMENT).await;
    assert!(partition.has(&here), "nothing moves any more");
    bed.append(300..310, 10).await;

    bed.replicas.set_move_rate(1);
    bed.replicas.alter_dir(&id(), &to).await.expect("begun again");
    tokio::time::sleep(MOMENT).await;
    bed.replicas.stop(&id(), Stop { leader_epoch: -1, delete: true }).await.expect("deleted");
    assert!(bed.replicas.logs.get(&id()).is_none() && bed.replicas.logs.get_future(&id()).is_none());
    assert!(DIRS.iter().all(|dir| gone(Path::new(dir))), "both are marked");
}

#[tokio::test(start_paused = true)]
async fn answers_are_kafkas_and_a_directory_is_remembered_for_a_replica_to_come() {
    let bed = Bed::new();
    let alter = async |topic: &str, dir: &str| {
        bed.replicas.alter_dir(&TopicPartition::new(topic, 0), Path::new(dir)).await.err().unwrap_or_default()
    };
    assert_eq!(alter("t", "/nowhere").await, ErrorCode::LogDirNotFound);
    assert_eq!(alter(&"x".repeat(249), "/c").await, ErrorCode::InvalidTopicException);
    assert_eq!(alter("t", "/c").await, ErrorCode::UnknownTopicOrPartition);
    let partition = bed.lead(0, &[ME]).await;
    assert_eq!(partition.log().dir(), Path::new("/c"), "as was asked before it was made");
    assert_eq!(alter("t", "/c").await, ErrorCode::None);
    assert!(bed.replicas.logs.get_future(&id()).is_none(), "it lies there");
    bed.replicas.logs.fail_dir(Path::new("/b"), "testing", &std::io::Error::other("broken"));
    assert_eq!(alter("t", "/b").await, ErrorCode::KafkaStorageError);
    bed.append(0..1, 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_fails_ends_the_moves_to_it_and_nothing_else() {
    let bed = Bed::new();
    let failures = tokio::spawn(bed.replicas.clone().follow_dir_failures(|_| ()));
    let (partition, to, _carried) = half_way(&bed).await;
    bed.replicas.logs.fail_dir(&to, "testing", &std::io::Error::other("broken"));
    bed.until("the move ends", |bed| bed.replicas.logs.get_future(&id()).is_none()).await;
    bed.replicas.set_move_rate(i64::MAX);
    bed.append(300..310, 10).await;
    bed.replicas.alter_dir(&id(), Path::new("/c")).await.expect("begun");
    bed.moved_to(Path::new("/c")).await;
    assert_eq!(rows(&partition.log(), 0).len(), 310);
    failures.abort();
}

/// What was copied before a pass is not what the checkpoint calls clean: the two never run together.
#[tokio::test(start_paused = true)]
async fn a_log_is_not_compacted_while_it_moves_and_its_checkpoint_moves_with_it() {
    let config = LogConfig { cleanup: CleanupPolicy::COMPACT, min_cleanable_dirty_ratio: 0.0, ..small() };
    let slow = CleanerConfig { max_bytes_per_second: 20_000.0, io_buffer_bytes: 0, ..CleanerConfig::default() };
    let bed = Bed::on(&SimDisk::new(), config, slow);
    let partition = bed.lead(0, &[ME]).await;
    let logs = bed.replicas.logs.clone();
    bed.append(0..300, 200).await;
    assert!(logs.clean_dirtiest(0).await);
    let cleaned = logs.cleaned_up_to(&id()).expect("a checkpoint");
    bed.append(300..600, 200).await;
    let pass = tokio::spawn({
        let logs = logs.clone();
        async move { logs.clean_dirtiest(0).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!pass.is_finished(), "a pass is under way");
    let (old, to) = (partition.log(), bed.elsewhere());
    bed.replicas.alter_dir(&id(), &to).await.expect("begun");
    assert!(!pass.await.expect("no panic"), "and was given up");
    assert!(!logs.clean_dirtiest(0).await, "none begins");
    assert_eq!(logs.cleaned_up_to(&id()), Some(cleaned));
    let before = rows(&old, 0);
    let _carried = bed.carry();
    bed.moved_to(&to).await;
    assert_eq!(rows(&partition.log(), 0), before);
    assert_eq!(logs.cleaned_up_to(&id()), Some(cleaned), "as of the new directory");
    let file = |log: &Arc<Log>| {
        let path = log.dir().join("cleaner-offset-checkpoint");
        String::from_utf8(Disk::Sim(bed.disk.clone()).read(&path, 1000).expect("the file")).expect("text")
    };
    assert_eq!((file(&partition.log()), file(&old)), (format!("0\n1\nt 0 {cleaned}\n"), "0\n0\n".to_string()));
    assert!(logs.clean_dirtiest(0).await, "it goes on where it was");
    assert!(rows(&partition.log(), 0).len() < before.len());
}

/// There are few carriers: one must not stay with a move that can't end.
#[tokio::test(start_paused = true)]
async fn a_move_whose_copy_is_gone_does_not_hold_up_the_next() {
    let bed = Bed::new();
    let (_, _, _carried) = half_way(&bed).await;
    bed.replicas.logs.delete_future(&id()).await.expect("deleted");
    bed.replicas.set_move_rate(i64::MAX);
    let other = TopicPartition::new("u", 0);
    let assignment = super::assignment(ME, 0, &[ME], &[ME]);
    bed.replicas.assign(&other, None, &assignment, || bed.config.clone()).await.expect("leader");
    let here = bed.replicas.get(&other).expect("hosted");
    let to = DIRS.iter().map(Path::new).find(|dir| here.log().dir() != *dir).expect("another");
    bed.replicas.alter_dir(&other, to).await.expect("begun");
    bed.until("the other arrives", |_| here.log().dir() == to).await;
}

/// The directory fails after the copy has got its name, and whoever takes the partitions of that directory offline may have passed by: the
/// log that was there before stays, also over the next start, when both directories are there again.
#[tokio::test(start_paused = true)]
async fn a_target_that_fails_in_the_last_step_leaves_the_log_where_it_was() {
    for goes_on in [true, false] {
        let bed = Bed::new();
        let partition = bed.lead(0, &[ME]).await;
        let (old, to) = (partition.log(), bed.elsewhere());
        bed.replicas.alter_dir(&id(), &to).await.expect("begun");
        let logs = bed.replicas.logs.clone();
        let future = logs.get_future(&id()).expect("a copy");
        let promotion = logs.begin_promotion(&future).await.expect("possible");
        let published = parking_lot::Mutex::new(Vec::new());
        let failed = promotion
            .finish(|log| {
                published.lock().push(log.dir());
                logs.fail_dir(&to, "testing", &std::io::Error::other("broken"));
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(*published.lock(), [to.clone(), old.dir()], "and back");
        assert!(Arc::ptr_eq(&logs.get(&id()).expect("a log"), &old));
        if goes_on {
            bed.append(0..10, 100).await;
        }
        let before = rows(&old, 0);
        drop((logs, partition, old, future));
        let (disk, config) = (bed.disk.clone(), bed.config.as_ref().clone());
        drop(bed);
        disk.kill();
        let bed = Bed::on(&disk, config, CleanerConfig::default());
        let partition = bed.lead(1, &[ME]).await;
        assert_eq!(rows(&partition.log(), 0), before);
        let copies: Vec<String> = DIRS.iter().flat_map(|dir| bed.names(dir)).filter(|name| name == "t-0").collect();
        assert_eq!(copies, ["t-0"]);
    }
}

//! Hosted partitions over a simulated disk: appends and their waits, reads and theirs, what the controller makes of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla::base::{Env, ErrorCode, TopicId, TopicPartition};
use ottla::cluster::Cluster;
use ottla::config::LogConfig;
use ottla::disk::{Disk, SimDisk};
use ottla::log::{CancelFlag, LogDirs, LogManager, ManagerConfig};
use ottla::record::{BatchBuilder, Origin};
use ottla::replica::append::{ACKS_ALL, Written};
use ottla::replica::delete_records::Deletion;
use ottla::replica::fetch_session::{SessionKey, Wanted};
use ottla::replica::lifecycle::Stop;
use ottla::replica::offsets::{Asker, FoundOffset, OffsetQuery};
use ottla::replica::read::{PartitionRead, ReadLimits};
use ottla::replica::state::Assignment;
use ottla::replica::{Partition, Replicas};
use tokio::time::Instant;

const ME: i32 = 1;
const OTHER: i32 = 2;
const CONSUMER: Asker = Asker::Consumer { committed_transactions_only: false };

struct Bed {
    replicas: Arc<Replicas>,
    config: Arc<LogConfig>,
    id: TopicPartition,
}

impl Bed {
    fn new(config: LogConfig) -> Self {
        let env = Env::current();
        let disk = Disk::Sim(SimDisk::new());
        let config = Arc::new(config);
        let dirs = LogDirs::open(disk, &[PathBuf::from("/a")]).expect("a directory");
        let of_all = config.clone();
        let manager = ManagerConfig::default();
        let logs = LogManager::load(env.clone(), dirs, manager, &move |_| of_all.clone(), &CancelFlag::new());
        let cluster = Arc::new(Cluster::new("c".into(), ME));
        let replicas = Replicas::new(env, cluster, logs.expect("loaded"), 100);
        Self { replicas: Arc::new(replicas), config, id: TopicPartition::new("t", 0) }
    }

    async fn assign(&self, leader: i32, leader_epoch: i32, isr: &[i32]) -> Result<(), ErrorCode> {
        let assignment = super::assignment(leader, leader_epoch, isr, &[ME, OTHER]);
        let topic_id = Some(TopicId::from_bytes([7; 16]));
        self.replicas.assign(&self.id, topic_id, &assignment, || self.config.clone()).await
    }

    async fn append(&self) -> Result<Written, ErrorCode> {
        let mut batch = BatchBuilder::new(0);
        batch.append(1_700_000_000_000, None, Some(b"v"), &[]);
        let records: Bytes = batch.build().expect("a batch");
        self.replicas.append(&self.id, records, ACKS_ALL, Origin::Client).await.map_err(|refusal| refusal.code)
    }

    fn partition(&self) -> Arc<Partition> {
        self.replicas.get(&self.id).expect("hosted")
    }

    /// The other replica has fetched up to an offset.
    fn other_has(&self, end_offset: i64) {
        let partition = self.partition();
        if let Some(other) = partition.change().followers.get_mut(&OTHER) {
            other.end_offset = Some(end_offset);
        }
    }

    async fn read(&self, offset: i64) -> PartitionRead {
        self.replicas.read(&self.wanted(offset), LIMITS).await.remove(0)
    }

    fn wanted(&self, fetch_offset: i64) -> Vec<(SessionKey, Wanted)> {
        let key = SessionKey { topic_id: TopicId::ZERO, topic: self.id.topic.clone(), partition: 0 };
        let wanted = Wanted {
            fetch_offset,
            log_start_offset: -1,
            max_bytes: 1 << 20,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
        };
        vec![(key, wanted)]
    }
}

const LIMITS: ReadLimits = ReadLimits {
    max_bytes: 1 << 20,
    hard_max_bytes: false,
    committed_transactions_only: false,
    follower: None,
    any_replica: false,
};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[tokio::test]
async fn lone_in_sync_leader_commits_at_once() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 0, &[ME]).await.expect("leader");
    let written = bed.append().await.expect("appended");
    assert_eq!((written.appended.first_offset, written.appended.last_offset), (0, 0));
    assert_eq!(written.committed(soon()).await, Ok(()));
    assert_eq!(bed.partition().log().high_watermark(), 1);
}

#[tokio::test]
async fn acks_all_waits_for_the_other_in_sync_replica() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 0, &[ME, OTHER]).await.expect("leader");
    let written = bed.append().await.expect("appended");
    let (committed, ()) = tokio::join!(biased; written.committed(soon()), async {
        assert_eq!(bed.read(0).await.len(), 0, "not committed, not readable");
        bed.other_has(1);
    });
    assert_eq!(committed, Ok(()));
    assert!(!bed.read(0).await.is_empty());
}

#[tokio::test]
async fn leadership_lost_and_regained_between_two_looks_acknowledges_nothing() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 0, &[ME, OTHER]).await.expect("leader");
    let written = bed.append().await.expect("appended");
    let (committed, ()) = tokio::join!(biased; written.committed(soon()), async {
        bed.assign(OTHER, 1, &[ME, OTHER]).await.expect("follower");
        bed.assign(ME, 2, &[ME, OTHER]).await.expect("leader again");
        bed.other_has(10);
    });
    assert_eq!(committed, Err(ErrorCode::NotLeaderOrFollower));
}

#[tokio::test]
async fn epoch_bump_under_the_same_leader_keeps_the_wait() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 0, &[ME, OTHER]).await.expect("leader");
    let written = bed.append().await.expect("appended");
    let (committed, ()) = tokio::join!(biased; written.committed(soon()), async {
        bed.assign(ME, 1, &[ME]).await.expect("still leader");
        let mut writer = bed.partition().lock().await;
        bed.partition().settle(&mut writer).await.expect("settled");
    });
    assert_eq!(committed, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn wait_ends_at_the_deadline_and_the_data_stays() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 0, &[ME, OTHER]).await.expect("leader");
    let written = bed.append().await.expect("appended");
    assert_eq!(written.committed(soon()).await, Err(ErrorCode::RequestTimedOut));
    assert_eq!(bed.partition().log().leo(), 1);
}

#[tokio::test]
async fn too_few_in_sync_replicas_refuse_before_and_after_the_append() {
    let bed = Bed::new(LogConfig { min_insync_replicas: 2, ..LogConfig::default() });
    bed.assign(ME, 0, &[ME]).await.expect("leader");
    assert_eq!(bed.append().await.err(), Some(ErrorCode::NotEnoughReplicas));
    assert_eq!(bed.partition().log().leo(), 0, "nothing was written");

    bed.assign(ME, 1, &[ME, OTHER]).await.expect("leader");
    let written = bed.append().await.expect("appended");
    bed.other_has(1);
    bed.partition().change().isr = vec![ME];
    assert_eq!(written.committed(soon()).await, Err(ErrorCode::NotEnoughReplicasAfterAppend));
}

#[tokio::test]
async fn old_and_equal_epochs_change_nothing() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 5, &[ME]).await.expect("leader");
    assert_eq!(bed.assign(OTHER, 5, &[OTHER]).await, Err(ErrorCode::StaleControllerEpoch));
    assert_eq!(bed.assign(OTHER, 4, &[OTHER]).await, Err(ErrorCode::StaleControllerEpoch));
    assert!(bed.append().await.is_ok());
}

#[tokio::test]
async fn another_incarnation_of_the_topic_is_refused() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 0, &[ME]).await.expect("leader");
    let assignment = Assignment { is_new: false, ..super::assignment(ME, 9, &[ME], &[ME]) };
    let other = Some(TopicId::from_bytes([8; 16]));
    let refused = bed.replicas.assign(&bed.id, other, &assignment, || bed.config.clone()).await;
    assert_eq!(refused, Err(ErrorCode::InconsistentTopicId));
}

#[tokio::test]
async fn follower_takes_neither_writes_nor_reads() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(OTHER, 0, &[ME, OTHER]).await.expect("follower");
    assert_eq!(bed.append().await.err(), Some(ErrorCode::NotLeaderOrFollower));
    assert_eq!(bed.read(0).await.error, ErrorCode::NotLeaderOrFollower);
}

#[tokio::test]
async fn stopping_ends_waits_and_deleting_forgets() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 0, &[ME, OTHER]).await.expect("leader");
    let written = bed.append().await.expect("appended");
    let refused = bed.replicas.stop(&bed.id, Stop { leader_epoch: -1, delete: false }).await;
    assert_eq!(refused, Ok(()));
    assert_eq!(written.committed(soon()).await, Err(ErrorCode::NotLeaderOrFollower));
    bed.replicas.stop(&bed.id, Stop { leader_epoch: -2, delete: true }).await.expect("deleted");
    assert!(bed.replicas.logs.get(&bed.id).is_none());
    assert_eq!(bed.append().await.err(), Some(ErrorCode::UnknownTopicOrPartition));
}

#[tokio::test]
async fn stop_of_an_older_epoch_is_fenced() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 3, &[ME]).await.expect("leader");
    let stop = Stop { leader_epoch: 2, delete: true };
    assert_eq!(bed.replicas.stop(&bed.id, stop).await, Err(ErrorCode::FencedLeaderEpoch));
}

#[tokio::test]
async fn waiting_fetch_is_woken_by_the_append_it_waits_for() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 0, &[ME]).await.expect("leader");
    bed.append().await.expect("appended");
    let wanted = bed.wanted(1);
    let wait = bed.replicas.register_read(&wanted, LIMITS);
    let (woken, _) = tokio::join!(biased; bed.replicas.wait_for_more(&wait, soon()), bed.append());
    assert!(woken);
    assert!(!bed.read(1).await.is_empty());
}

#[tokio::test]
async fn first_partition_with_data_may_exceed_the_limit_and_no_other() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 0, &[ME]).await.expect("leader");
    bed.append().await.expect("appended");
    let wanted = [bed.wanted(0), bed.wanted(0)].concat();
    let reads = bed.replicas.read(&wanted, ReadLimits { max_bytes: 1, ..LIMITS }).await;
    assert!(!reads[0].is_empty() && reads[1].is_empty());
    let hard = ReadLimits { max_bytes: 1, hard_max_bytes: true, ..LIMITS };
    assert_eq!(bed.replicas.read(&wanted, hard).await[0].len(), 1, "fetch 0-2 cut the first batch");
}

#[tokio::test]
async fn epochs_that_a_client_knows_are_compared() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 3, &[ME]).await.expect("leader");
    let find = |epoch| bed.replicas.find_offset(&bed.id, OffsetQuery::Earliest, epoch, CONSUMER);
    assert_eq!(find(2).await, Err(ErrorCode::FencedLeaderEpoch));
    assert_eq!(find(4).await, Err(ErrorCode::UnknownLeaderEpoch));
    assert!(find(3).await.is_ok() && find(-1).await.is_ok());
}

/// Any replica tells a debugger where its log ends and of which epoch its last records are, and -1 if it has not all that it had.
#[tokio::test]
async fn debugger_is_told_the_end_of_a_log_with_its_epoch() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 3, &[ME]).await.expect("leader");
    let find = |asker| bed.replicas.find_offset(&bed.id, OffsetQuery::Latest, -1, asker);
    let end = |found: Result<FoundOffset, ErrorCode>| found.map(|found| (found.log_epoch, found.offset));
    assert_eq!(end(find(Asker::Debugger).await), Ok((Some(-1), 0)));
    bed.append().await.expect("appended");
    bed.assign(-1, 5, &[]).await.expect("follower of nobody");
    assert_eq!(end(find(Asker::Debugger).await), Ok((Some(3), 1)));
    assert_eq!(end(find(CONSUMER).await), Err(ErrorCode::NotLeaderOrFollower));
    bed.assign(ME, 6, &[ME]).await.expect("leader");
    assert_eq!(end(find(Asker::Replica).await), Ok((None, 1)));

    let lost = Bed::new(LogConfig::default());
    let old = Assignment { is_new: false, ..super::assignment(-1, 3, &[], &[ME, OTHER]) };
    lost.replicas.assign(&lost.id, None, &old, Arc::default).await.expect("follower of nobody");
    let found = lost.replicas.find_offset(&lost.id, OffsetQuery::Latest, -1, Asker::Debugger).await;
    assert_eq!(end(found), Ok((Some(-1), -1)), "the end of what was lost is not known");
}

#[tokio::test]
async fn deleted_records_are_out_of_range_and_only_committed_ones_can_be_deleted() {
    let bed = Bed::new(LogConfig::default());
    bed.assign(ME, 0, &[ME, OTHER]).await.expect("leader");
    for _ in 0..3 {
        bed.append().await.expect("appended");
    }
    bed.other_has(2);
    assert_eq!(bed.replicas.delete_records(&bed.id, 3).await, Err(ErrorCode::OffsetOutOfRange));
    let done = Deletion { wanted: 2, low_watermark: 2 };
    assert_eq!(bed.replicas.delete_records(&bed.id, -1).await, Ok(done), "the other broker does not live");
    assert_eq!(bed.read(1).await.error, ErrorCode::OffsetOutOfRange);
    let found = bed.replicas.find_offset(&bed.id, OffsetQuery::Earliest, -1, CONSUMER).await.expect("found");
    assert_eq!(found.offset, 2);
}

#[tokio::test]
async fn compacted_topic_keeps_its_records() {
    let mut config = LogConfig::default();
    (config.cleanup.compact, config.cleanup.delete) = (true, false);
    let bed = Bed::new(config);
    bed.assign(ME, 0, &[ME]).await.expect("leader");
    assert_eq!(bed.replicas.delete_records(&bed.id, -1).await, Err(ErrorCode::PolicyViolation));
}

#[tokio::test]
async fn last_one_in_sync_brings_to_its_device_what_was_acknowledged_by_two() {
    let bed = Bed::new(LogConfig { min_insync_replicas: 2, ..LogConfig::default() });
    bed.assign(ME, 0, &[ME, OTHER]).await.expect("leader");
    bed.append().await.expect("appended");
    let log = bed.partition().log();
    assert_eq!((log.leo(), log.recovery_point()), (1, 0), "two have it in memory");
    bed.assign(ME, 1, &[ME]).await.expect("leader");
    let flushed = async {
        while log.recovery_point() < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), flushed).await.expect("alone, it is on the device");
}

#[test]
fn only_who_is_alone_and_was_not_meant_to_be_must_be_durable() {
    use ottla::replica::alone::must_be_durable;
    use ottla::replica::state::State;
    let state = |replicas: &[i32]| State { replicas: replicas.to_vec(), ..State::default() };
    assert!(must_be_durable(&state(&[ME, OTHER]), &[ME], ME, 2));
    assert!(!must_be_durable(&state(&[ME, OTHER]), &[ME, OTHER], ME, 2));
    assert!(!must_be_durable(&state(&[ME, OTHER]), &[OTHER], ME, 2));
    assert!(!must_be_durable(&state(&[ME, OTHER]), &[ME], ME, 1), "one replica's memory is all that was promised");
    assert!(!must_be_durable(&state(&[ME]), &[ME], ME, 2), "there never was another");
}

//! The files beside the segments, after a kill and after a loss of power.

use std::path::PathBuf;
use std::sync::Arc;

use ottla::base::{Env, TopicId, TopicPartition};
use ottla::disk::{Disk, SimDisk};
use ottla::log::{CancelFlag, Log, LogDirs, LogManager, ManagerConfig, NewLog};

use super::support::*;

const LOGS: i32 = 20;

fn load(disk: &Disk) -> Arc<LogManager> {
    let dirs = LogDirs::open(disk.clone(), &[PathBuf::from("/a")]).expect("directories");
    let config = Arc::new(small());
    LogManager::load(Env::current(), dirs, ManagerConfig::default(), &|_| Arc::clone(&config), &CancelFlag::new())
        .expect("a start")
}

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn id() -> TopicId {
    TopicId::from_bytes([7; 16])
}

async fn make(manager: &Arc<LogManager>, partition: i32) -> Arc<Log> {
    let new = NewLog { partition: tp(partition), topic_id: Some(id()), config: Arc::new(small()) };
    manager.prepare(vec![new]).await;
    manager.get(&tp(partition)).expect("a log")
}

/// A log with records that has no topic's id would be taken for one of the next topic of that name.
#[tokio::test]
async fn log_with_a_first_record_has_its_topics_id_after_a_kill_and_did_not_wait_for_the_device() {
    let sim = SimDisk::new();
    let disk = Disk::Sim(sim.clone());
    let log = make(&load(&disk), 0).await;
    let syncs = sim.syncs();
    append(&log, batch(1, 100, now())).await;
    assert_eq!(sim.syncs(), syncs);
    sim.kill();
    let log = load(&disk).get(&tp(0)).expect("the log");
    assert_eq!((log.leo(), log.topic_id()), (1, Some(id())));
}

#[tokio::test]
async fn whatever_a_loss_of_power_leaves_of_a_topics_id_the_log_opens_and_takes_it_again() {
    for kept in 0..=50 {
        let sim = SimDisk::new();
        let disk = Disk::Sim(sim.clone());
        let log = make(&load(&disk), 0).await;
        append(&log, batch(1, 100, now())).await;
        disk.sync_dir(&log.dir_path()).expect("names");
        sim.lose_power(|unsynced| if unsynced == 43 { kept } else { unsynced });
        let log = load(&disk).get(&tp(0)).expect("the log");
        assert_eq!(log.topic_id(), if kept < 43 { None } else { Some(id()) }, "{kept} bytes");
        log.assign_topic_id(id()).expect("assigned");
        assert_eq!(load(&disk).get(&tp(0)).expect("the log").topic_id(), Some(id()));
    }
}

#[tokio::test]
async fn what_the_background_has_written_of_many_logs_is_there_after_a_loss_of_power() {
    for has_records in [false, true] {
        let sim = SimDisk::new();
        let disk = Disk::Sim(sim.clone());
        let manager = load(&disk);
        for partition in 0..LOGS {
            let log = make(&manager, partition).await;
            if has_records {
                append(&log, batch(1, 100, now())).await;
                log.flush().await.expect("flushed");
                log.lock().await.append_leader(client(batch(1, 100, now()), 5)).await.expect("appended");
                disk.sync_dir(&log.dir_path()).expect("names");
            }
        }
        manager.tidy_up().await;
        if !has_records {
            // Of a topic's id alone the name may be lost: who tells it is still there.
            for partition in 0..LOGS {
                disk.sync_dir(&manager.get(&tp(partition)).expect("the log").dir_path()).expect("names");
            }
        }
        let syncs = sim.syncs();
        manager.tidy_up().await;
        assert_eq!(sim.syncs(), syncs, "nothing is behind any more");
        sim.lose_power(|unsynced| unsynced);
        let manager = load(&disk);
        for partition in 0..LOGS {
            let log = manager.get(&tp(partition)).expect("the log");
            assert_eq!(log.topic_id(), Some(id()));
            assert_eq!(log.epoch_start(5), has_records.then_some(1));
        }
    }
}

//! All logs of a broker: start, stop, directories that fail, deletion, moves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla::base::{Env, ErrorCode, TopicId, TopicPartition};
use ottla::config::LogConfig;
use ottla::disk::{Disk, Fault, SimDisk};
use ottla::log::{CancelFlag, LogDirs, LogError, LogManager, ManagerConfig, ReadRequest, StartError, checkpoint};

use super::support::*;

fn load(disk: &Disk, paths: &[PathBuf]) -> Result<Arc<LogManager>, StartError> {
    let dirs = LogDirs::open(disk.clone(), paths)?;
    let config: Arc<LogConfig> = Arc::new(small());
    LogManager::load(Env::current(), dirs, ManagerConfig::default(), &|_| Arc::clone(&config), &CancelFlag::new())
}

fn sim() -> (SimDisk, Disk, Vec<PathBuf>) {
    let sim = SimDisk::new();
    let paths = vec![PathBuf::from("/a"), PathBuf::from("/b")];
    (sim.clone(), Disk::Sim(sim), paths)
}

fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

async fn make(manager: &Arc<LogManager>, partition: &TopicPartition) -> Arc<ottla::log::Log> {
    let log = manager.get_or_create(partition, None, Arc::new(small()), true, None).await;
    log.expect("a log")
}

#[tokio::test]
async fn new_partitions_go_where_the_fewest_are() {
    let (_, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    for i in 0..6 {
        make(&manager, &tp("t", i)).await;
    }
    for path in &paths {
        assert_eq!(manager.partitions_in(path).len(), 3);
    }
}

#[tokio::test]
async fn a_clean_stop_and_start_keep_everything() {
    for real in [false, true] {
        let temp = tempfile::tempdir().expect("a temp directory");
        let (_, sim_disk, sim_paths) = sim();
        let (disk, paths) =
            if real { (Disk::Real, vec![temp.path().join("a"), temp.path().join("b")]) } else { (sim_disk, sim_paths) };
        let manager = load(&disk, &paths).expect("a start");
        let id = manager.shared().env.rng.topic_id();
        let log = manager.get_or_create(&tp("t", 0), Some(id), Arc::new(small()), true, None).await.expect("a log");
        for _ in 0..200 {
            append(&log, batch(2, 100, now())).await;
        }
        log.set_high_watermark(350);
        log.increment_start_offset(33).await.expect("raised");
        manager.checkpoint_high_watermarks().await;
        let before = rows(&log, 33);
        manager.shutdown().await;
        let home = log.dir();
        assert!(disk.exists(&home.join(".kafka_cleanshutdown")));
        assert_eq!(
            disk.read(&home.join(".kafka_cleanshutdown"), 100).expect("the marker"),
            br#"{"version":0,"brokerEpoch":-1}"#
        );
        let manager = load(&disk, &paths).expect("a second start");
        assert!(!disk.exists(&home.join(".kafka_cleanshutdown")));
        let log = manager.get(&tp("t", 0)).expect("the log");
        assert_eq!((log.start_offset(), log.high_watermark(), log.leo(), log.topic_id()), (33, 350, 400, Some(id)));
        assert_eq!(rows(&log, 33), before);
        let other = TopicId::from_bytes([7; 16]);
        let refused = manager.get_or_create(&tp("t", 0), Some(other), Arc::new(small()), false, None).await;
        assert!(matches!(refused, Err(LogError::InconsistentTopicId { .. })));
        manager.shutdown().await;
    }
}

/// From 64 on they are brought to the device with one call for the directory: what was written is there after a loss of power behind a
/// clean stop, and without that call there is no marker.
#[tokio::test]
async fn many_logs_are_flushed_at_once_by_a_clean_stop() {
    let fill = async |manager: &Arc<LogManager>| {
        for i in 0..140 {
            let log = make(manager, &tp("t", i)).await;
            if i % 4 == 0 {
                append(&log, batch(2, 100, now())).await;
            }
        }
    };
    let marked = |disk: &Disk, dir: &str| disk.exists(&Path::new(dir).join(".kafka_cleanshutdown"));
    let (sim_disk, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    fill(&manager).await;
    let syncs = sim_disk.syncs();
    manager.shutdown().await;
    assert!(sim_disk.syncs() - syncs < 30, "{} syncs", sim_disk.syncs() - syncs);
    sim_disk.lose_power(|_| 0);
    assert!(marked(&disk, "/a") && marked(&disk, "/b"));
    let manager = load(&disk, &paths).expect("a second start");
    for i in 0..140 {
        let log = manager.get(&tp("t", i)).expect("the log");
        assert_eq!((log.leo(), log.recovery_point()), if i % 4 == 0 { (2, 2) } else { (0, 0) });
        append(&log, batch(1, 100, now())).await;
    }
    sim_disk.fail(manager.get(&tp("t", 0)).expect("the log").dir(), Fault::Sync);
    let failing = manager.get(&tp("t", 0)).expect("the log").dir();
    manager.shutdown().await;
    sim_disk.heal();
    for path in &paths {
        assert_eq!(disk.exists(&path.join(".kafka_cleanshutdown")), *path != failing);
    }

    let temp = tempfile::tempdir().expect("a temp directory");
    let paths = vec![temp.path().join("a")];
    let manager = load(&Disk::Real, &paths).expect("a start");
    fill(&manager).await;
    manager.shutdown().await;
    let manager = load(&Disk::Real, &paths).expect("a second start");
    assert_eq!(manager.get(&tp("t", 4)).expect("the log").leo(), 2);
    manager.shutdown().await;
}

#[tokio::test]
async fn a_held_lock_refuses_the_start() {
    let (_, disk, paths) = sim();
    let _first = load(&disk, &paths).expect("a start");
    assert!(matches!(load(&disk, &paths), Err(StartError::Locked(_))));
}

#[tokio::test]
async fn foreign_directories_refuse_the_start_and_foreign_files_do_not() {
    let (_, disk, paths) = sim();
    disk.create_dir_all(Path::new("/a/lost+found")).expect("made");
    disk.create_dir_all(Path::new("/a/remote-log-index-cache")).expect("made");
    disk.write(Path::new("/a/notes.txt"), b"hello").expect("written");
    load(&disk, &paths).expect("a start");
    let (_, disk, paths) = sim();
    disk.create_dir_all(Path::new("/a/pictures")).expect("made");
    assert!(matches!(load(&disk, &paths), Err(StartError::ForeignDir { name, .. }) if name == "pictures"));
}

#[tokio::test]
async fn one_partition_in_two_directories_refuses_the_start() {
    let (_, disk, paths) = sim();
    disk.create_dir_all(Path::new("/a/t-0")).expect("made");
    disk.create_dir_all(Path::new("/b/t-0")).expect("made");
    assert!(matches!(load(&disk, &paths), Err(StartError::DuplicatePartition { .. })));
}

#[tokio::test]
async fn meta_properties_are_written_once_and_kraft_ones_refused() {
    let (sim, disk, paths) = sim();
    let mut dirs = LogDirs::open(disk.clone(), &paths).expect("locked");
    assert!(dirs.metas().iter().all(|(_, meta)| meta.is_none()));
    dirs.write_meta(7, "cluster", 1_795_176_578_000).expect("written");
    let text = disk.read(Path::new("/a/meta.properties"), 1000).expect("read");
    let text = String::from_utf8(text).expect("text");
    assert!(text.starts_with("#\n#Fri Nov 20 12:09:38 UTC 2026\n"), "{text}");
    let syncs = sim.syncs();
    dirs.write_meta(7, "cluster", 0).expect("nothing to do");
    assert_eq!(sim.syncs(), syncs);
    drop(dirs);
    let dirs = LogDirs::open(disk.clone(), &paths).expect("locked again");
    let meta = dirs.metas()[0].1.cloned().expect("meta");
    assert_eq!((meta.broker_id, meta.cluster_id.as_deref()), (Some(7), Some("cluster")));
    drop(dirs);
    disk.write(Path::new("/b/meta.properties"), b"version=1\nnode.id=3\n").expect("written");
    assert!(matches!(LogDirs::open(disk, &paths), Err(StartError::Meta { .. })));
}

#[tokio::test]
async fn kafkas_meta_properties_are_read() {
    let bytes = std::fs::read(golden("clean").join("meta.properties")).expect("golden");
    let meta = ottla::log::MetaProperties::read(&bytes).expect("parses");
    assert_eq!((meta.version, meta.others.len()), (0, 0));
    assert!(meta.broker_id.is_some() && meta.cluster_id.is_some());
    let text = String::from_utf8(bytes).expect("text");
    let date = text.lines().nth(1).expect("a date").trim_start_matches('#').to_string();
    let sort = |t: &str| {
        let mut lines: Vec<String> = t.lines().map(str::to_string).collect();
        lines.sort();
        lines
    };
    assert_eq!(sort(&meta.write(&date)), sort(&text));
}

#[tokio::test]
async fn a_failing_directory_goes_offline_and_the_other_goes_on() {
    let (sim, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    let (first, second) = (make(&manager, &tp("t", 0)).await, make(&manager, &tp("t", 1)).await);
    let mut offline = manager.offline();
    sim.fail(first.dir(), Fault::Write);
    let error = first.lock().await.append_leader(client(batch(1, 1, now()), 0)).await.expect_err("fails");
    assert_eq!(error.code(), ErrorCode::KafkaStorageError);
    offline.changed().await.expect("told");
    assert!(offline.borrow_and_update().contains(&first.dir()));
    assert!(!first.is_online() && second.is_online() && manager.any_online());
    append(&second, batch(1, 1, now())).await;
    let refused = manager.get_or_create(&tp("t", 2), None, Arc::new(small()), false, None).await;
    assert_eq!(refused.expect_err("it may lie in the failed one").code(), ErrorCode::KafkaStorageError);
    let third = make(&manager, &tp("t", 3)).await;
    assert_eq!(third.dir(), second.dir());
    manager.shutdown().await;
    assert!(!disk.exists(&first.dir().join(".kafka_cleanshutdown")));
    assert!(disk.exists(&second.dir().join(".kafka_cleanshutdown")));
}

#[tokio::test]
async fn a_malformed_high_watermark_checkpoint_takes_its_directory_offline() {
    let (_, disk, paths) = sim();
    disk.create_dir_all(Path::new("/a")).expect("made");
    disk.write(&Path::new("/a").join(checkpoint::HIGH_WATERMARK), b"0\n2\nt 0 1\n").expect("written");
    let manager = load(&disk, &paths).expect("a start");
    assert_eq!(manager.offline().borrow().iter().collect::<Vec<_>>(), [Path::new("/a")]);
}

#[tokio::test]
async fn the_last_directory_lost_ends_the_start() {
    let (sim, disk, _) = sim();
    sim.fail("/a", Fault::Name);
    assert!(matches!(load(&disk, &[PathBuf::from("/a")]), Err(StartError::NoUsableDir)));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_partition_is_renamed_at_once_and_removed_later() {
    let (_, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    let log = make(&manager, &tp("t", 0)).await;
    append(&log, batch(3, 10, now())).await;
    manager.delete(&tp("t", 0)).await.expect("deleted");
    assert!(manager.get(&tp("t", 0)).is_none());
    let name = log.dir_path().file_name().and_then(|n| n.to_str()).expect("a name").to_string();
    assert!(name.starts_with("t-0.") && name.ends_with("-delete"), "{name}");
    assert!(log.lock().await.append_leader(client(batch(1, 1, now()), 0)).await.is_err());
    manager.tidy_up().await;
    assert!(disk.exists(&log.dir_path()));
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    manager.tidy_up().await;
    assert!(!disk.exists(&log.dir_path()));
    // made again, it is another log
    assert_eq!(make(&manager, &tp("t", 0)).await.leo(), 0);
}

/// What the checkpoints say of a deleted log must not cut the next log of its name.
#[tokio::test]
async fn a_log_made_again_under_the_name_of_a_deleted_one_survives_a_kill() {
    for restarted_between in [false, true] {
        let (sim, disk, _) = sim();
        let paths = [PathBuf::from("/a")];
        let manager = load(&disk, &paths).expect("a start");
        let log = make(&manager, &tp("t", 0)).await;
        for _ in 0..200 {
            append(&log, batch(2, 100, now())).await;
        }
        log.set_high_watermark(400);
        log.increment_start_offset(333).await.expect("raised");
        manager.shutdown().await; // start, recovery point and high watermark are in the checkpoints
        let mut manager = load(&disk, &paths).expect("a second start");
        manager.delete(&tp("t", 0)).await.expect("deleted");
        if restarted_between {
            sim.kill();
            manager = load(&disk, &paths).expect("a third start");
        }
        let log = make(&manager, &tp("t", 0)).await;
        append(&log, batch(3, 10, now())).await;
        sim.kill();
        let manager = load(&disk, &paths).expect("the last start");
        let log = manager.get(&tp("t", 0)).expect("the log");
        assert_eq!((log.start_offset(), log.high_watermark(), log.leo()), (0, 0, 3));
    }
}

#[tokio::test]
async fn leftovers_of_a_deletion_are_removed_after_a_start() {
    let (_, disk, paths) = sim();
    let dir = Path::new("/a/t-0.0123456789abcdef0123456789abcdef-delete");
    disk.create_dir_all(dir).expect("made");
    let manager = load(&disk, &paths).expect("a start");
    assert!(manager.get(&tp("t", 0)).is_none());
    manager.tidy_up().await;
    assert!(!disk.exists(dir));
}

#[tokio::test]
async fn stray_leftovers_are_left_alone_and_future_ones_are_loaded_beside_the_current() {
    let (_, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    let current = make(&manager, &tp("t", 0)).await;
    append(&current, batch(3, 10, now())).await;
    manager.shutdown().await;
    let stray = Path::new("/a/t-0.0123456789abcdef0123456789abcdef-stray");
    let future = Path::new("/b/t-0.0123456789abcdef0123456789abcdef-future");
    let alone = Path::new("/b/u-0.0123456789abcdef0123456789abcdef-future");
    for dir in [stray, future, alone] {
        disk.create_dir_all(dir).expect("made");
    }
    let manager = load(&disk, &paths).expect("a second start");
    manager.tidy_up().await;
    assert_eq!(manager.get(&tp("t", 0)).map(|log| log.leo()), Some(3), "the current one");
    for (id, dir) in [("t", future), ("u", alone)] {
        let log = manager.get_future(&tp(id, 0)).expect("loaded");
        assert!(log.is_future() && dir.starts_with(log.dir()), "{}", log.dir().display());
    }
    assert!(manager.get(&tp("u", 0)).is_none());
    assert!(disk.exists(stray) && disk.list(stray).expect("listed").is_empty());
}

#[tokio::test]
async fn a_moved_partition_takes_the_place_of_the_old_one() {
    let (_, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    let log = make(&manager, &tp("t", 0)).await;
    append(&log, batch(3, 10, now())).await;
    log.set_high_watermark(2);
    let other = paths.iter().find(|p| **p != log.dir()).expect("another");
    let future = manager.create_future(&tp("t", 0), Arc::new(small()), other).await.expect("made");
    assert!(future.is_future());
    let bytes = all_bytes(&log);
    future.lock().await.append_follower(bytes.clone().into(), 0).await.expect("copied");
    let promotion = manager.begin_promotion(&future).await.expect("the move's");
    let mut published = None;
    assert!(promotion.finish(|log| published = Some(Arc::clone(log))).await.expect("promoted"));
    assert!(Arc::ptr_eq(&published.expect("told"), &future));
    assert!(manager.begin_promotion(&future).await.is_none(), "it has been made");
    let now_current = manager.get(&tp("t", 0)).expect("the log");
    assert_eq!((now_current.dir(), now_current.high_watermark()), (other.clone(), 2));
    assert_eq!(all_bytes(&now_current), bytes);
    assert!(!now_current.is_future() && manager.get_future(&tp("t", 0)).is_none());
    manager.shutdown().await;
    let manager = load(&disk, &paths).expect("a second start");
    assert_eq!(all_bytes(&manager.get(&tp("t", 0)).expect("the log")), bytes);
}

#[tokio::test]
async fn a_cancelled_start_loses_no_checkpoint() {
    let (_, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    let log = make(&manager, &tp("t", 0)).await;
    append(&log, batch(3, 10, now())).await;
    log.set_high_watermark(3);
    manager.shutdown().await;
    let dirs = LogDirs::open(disk.clone(), &paths).expect("locked");
    let cancel = CancelFlag::new();
    cancel.cancel();
    let config = Arc::new(small());
    let ended = LogManager::load(Env::current(), dirs, ManagerConfig::default(), &|_| Arc::clone(&config), &cancel);
    assert!(matches!(ended, Err(StartError::Cancelled)));
    assert!(disk.exists(&log.dir().join(".kafka_cleanshutdown")));
    let manager = load(&disk, &paths).expect("a start");
    assert_eq!(manager.get(&tp("t", 0)).expect("the log").high_watermark(), 3);
}

#[tokio::test]
async fn kafkas_log_directories_start_as_a_whole() {
    for (of, clean) in [("clean", true), ("killed", false), ("old-formats", true)] {
        let temp = tempfile::tempdir().expect("a temp directory");
        for entry in std::fs::read_dir(golden(of)).expect("golden") {
            let entry = entry.expect("an entry");
            let to = temp.path().join(entry.file_name());
            if entry.path().is_dir() {
                copy_partition(&entry.path(), &to);
            } else {
                let bytes = std::fs::read(entry.path()).expect("a file");
                std::fs::write(to, bytes).expect("a copy");
            }
        }
        if clean {
            std::fs::write(temp.path().join(".kafka_cleanshutdown"), b"").expect("a marker of an older broker");
        }
        let paths = [temp.path().to_path_buf()];
        let manager = load(&Disk::Real, &paths).expect("a start");
        let total: i64 = manager.logs().iter().map(|l| l.leo()).sum();
        assert!(total > 100, "{of}: {total}");
        for log in manager.logs() {
            assert!(log.high_watermark() <= log.leo() && log.high_watermark() >= log.start_offset());
        }
        manager.shutdown().await;
        let again = load(&Disk::Real, &paths).expect("a second start");
        assert_eq!(again.logs().iter().map(|l| l.leo()).sum::<i64>(), total);
        again.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn background_work_deletes_old_segments_and_their_files_and_writes_checkpoints() {
    let (_, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    let config = LogConfig { segment_bytes: 300, retention_bytes: 600, ..small() };
    let log = manager.get_or_create(&tp("t", 0), None, Arc::new(config), true, None).await.expect("a log");
    for _ in 0..20 {
        append(&log, batch(1, 100, now())).await;
    }
    log.set_high_watermark(20);
    log.lock().await.assign_epoch(9).await.expect("assigned");
    manager.start_background();
    let first = log.dir_path().join("00000000000000000000.log");
    let renamed = log.dir_path().join("00000000000000000000.log.deleted");
    tokio::time::sleep(std::time::Duration::from_secs(31)).await;
    assert!(log.start_offset() > 0 && log.size_bytes() <= 900);
    assert!(!disk.exists(&first) && disk.exists(&renamed));
    let epochs = disk.read(&log.dir_path().join(checkpoint::LEADER_EPOCH), 1000).expect("written");
    assert_eq!(checkpoint::read_epochs(&epochs).expect("parses").last(), Some(&(9, 20)));
    let points = disk.read(&log.dir().join(checkpoint::RECOVERY_POINT), 1000).expect("written");
    assert!(checkpoint::read_offsets(&points).expect("parses").contains_key(&tp("t", 0)));
    tokio::time::sleep(std::time::Duration::from_secs(62)).await;
    assert!(!disk.exists(&renamed), "removed after file.delete.delay.ms");
    manager.shutdown().await;
}

#[tokio::test]
async fn a_log_that_cannot_be_read_at_start_takes_only_its_directory_offline() {
    let (sim, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    let (first, second) = (make(&manager, &tp("t", 0)).await, make(&manager, &tp("t", 1)).await);
    manager.shutdown().await;
    sim.fail(first.dir_path().to_path_buf(), Fault::Read);
    let manager = load(&disk, &paths).expect("a start with the other");
    assert!(manager.get(&tp("t", 0)).is_none());
    assert!(manager.get(&tp("t", 1)).is_some_and(|log| log.is_online()));
    let status = manager.dirs();
    assert!(status.iter().all(|d| d.online == (d.path == second.dir())));
}

#[tokio::test]
async fn an_unclean_stop_recovers_from_the_recovery_point() {
    let (sim, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    let log = make(&manager, &tp("t", 0)).await;
    for _ in 0..400 {
        append(&log, batch(1, 100, now())).await;
    }
    log.flush_blocking().expect("flushed");
    log.set_high_watermark(400);
    manager.checkpoint_high_watermarks().await;
    append(&log, sequenced(5, 0, 0, 3, false)).await;
    let before = rows(&log, 0);
    drop(manager);
    sim.kill();
    let manager = load(&disk, &paths).expect("a start");
    let log = manager.get(&tp("t", 0)).expect("the log");
    assert_eq!((rows(&log, 0), log.high_watermark()), (before, 400));
    assert!(append(&log, sequenced(5, 0, 0, 3, false)).await.duplicate);
}

/// A kill at each step of making a log for an old partition: whatever lies there afterwards under its name says that it is not whole.
#[tokio::test]
async fn a_log_made_for_an_old_partition_says_so_until_it_is_whole() {
    let mut made = 0;
    for changes in 0..30 {
        let (sim, disk, paths) = sim();
        let manager = load(&disk, &paths).expect("a start");
        sim.fail_after(Some(changes));
        let log = manager.get_or_create(&tp("t", 0), None, Arc::new(small()), false, None).await;
        assert!(log.is_err() || log.is_ok_and(|log| log.is_refilling()));
        drop(manager);
        sim.fail_after(None);
        if changes % 2 == 0 {
            sim.kill()
        } else {
            sim.lose_power(|_| 0)
        }
        let manager = load(&disk, &paths).expect("a second start");
        if let Some(log) = manager.get(&tp("t", 0)) {
            assert!(log.is_refilling(), "after {changes} changes");
            made += 1;
            append(&log, batch(3, 10, now())).await;
            log.lock().await.refilled().await.expect("whole");
            assert!(!log.is_refilling());
            sim.lose_power(|_| 0);
            let log = load(&disk, &paths).expect("a third start").get(&tp("t", 0)).expect("the log");
            assert!(!log.is_refilling() && log.leo() == 3, "what is called whole is on the device");
        }
    }
    assert!((3..27).contains(&made), "{made} of 30 kills left a log");
}

/// A segment that compaction has left empty is no hole: the cleaner's checkpoint lies above it.
#[tokio::test]
async fn a_segment_emptied_by_compaction_costs_nothing_after_a_kill() {
    let (sim, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    let log = make(&manager, &tp("t", 0)).await;
    let mut bases = vec![0];
    while bases.len() < 4 {
        let appended = append(&log, batch(2, 4000, now())).await;
        if log.segment_count() > bases.len() {
            bases.push(appended.first_offset);
        }
    }
    let before = rows(&log, 0);
    let file = log.dir_path().join(format!("{:020}.log", bases[1]));
    let checkpoint = log.dir().join("cleaner-offset-checkpoint");
    sim.kill();
    disk.write(&file, b"").expect("written");
    disk.write(&checkpoint, format!("0\n1\nt 0 {}\n", bases[2]).as_bytes()).expect("written");
    let log = load(&disk, &paths).expect("a second start").get(&tp("t", 0)).expect("the log");
    let expected: Vec<Row> = before.into_iter().filter(|row| !(bases[1]..bases[2]).contains(&row.0)).collect();
    assert_eq!((rows(&log, 0), log.segment_count()), (expected, 4));
}

/// What aborted transactions there were, the files of a deleted log no longer tell: then a read says that it is gone.
#[tokio::test]
async fn a_reader_of_a_deleted_log_does_not_hear_that_nothing_was_aborted() {
    let (_, disk, paths) = sim();
    let manager = load(&disk, &paths).expect("a start");
    manager.shared().verify_transactions.store(false, std::sync::atomic::Ordering::Relaxed);
    let log = make(&manager, &tp("t", 0)).await;
    append(&log, sequenced(1, 0, 0, 2, true)).await;
    let marker = ottla::record::EndTxnMarker { commit: false, coordinator_epoch: 0 };
    let marker = ottla::record::builder::marker(0, 0, now(), 1, 0, marker);
    log.lock().await.append_leader(coordinator(marker, 0)).await.expect("a marker");
    manager.shutdown().await;
    // Opened anew: the index of aborted transactions is read when it is asked for.
    let manager = load(&disk, &paths).expect("a second start");
    let log = manager.get(&tp("t", 0)).expect("the log");
    let ask = ReadRequest { offset: 0, max_bytes: 1000, min_one_message: true, upper: log.leo(), aborted: true };
    assert_eq!(log.read_blocking(ask).expect("read").aborted.len(), 1);
    manager.shutdown().await;
    let manager = load(&disk, &paths).expect("a third start");
    let log = manager.get(&tp("t", 0)).expect("the log");
    manager.delete(&tp("t", 0)).await.expect("deleted");
    assert!(matches!(log.read_blocking(ask), Err(LogError::Gone(_))));
    assert!(matches!(log.aborted_between(0, 100), Err(LogError::Gone(_))));
}

//! The threads over many logs: what is uncleanable, truncation and deletion meanwhile, retention of compacted topics, throttle, threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla::base::TopicPartition;
use ottla::config::{CleanupPolicy, LogConfig};
use ottla::disk::{Disk, SimDisk};
use ottla::log::{CleanerConfig, Log, LogManager};
use ottla::record::BatchBuilder;

use super::model::*;
use crate::log::support::*;

async fn keyed(log: &Arc<Log>, keys: std::ops::Range<u32>, size: usize) {
    for key in keys {
        let mut batch = BatchBuilder::new(0);
        batch.append(START_MS, Some(format!("key{}", key % 10).as_bytes()), Some(&vec![b'v'; size]), &[]);
        append(log, batch.build().expect("a batch")).await;
    }
    log.set_high_watermark(log.leo());
}

async fn make(manager: &Arc<LogManager>, topic: &str, config: &LogConfig) -> Arc<Log> {
    let partition = TopicPartition::new(topic, 0);
    manager.get_or_create(&partition, None, Arc::new(config.clone()), true, None).await.expect("a log")
}

#[tokio::test(start_paused = true)]
async fn a_damaged_log_is_uncleanable_and_the_others_go_on() {
    let (sim, config) = (SimDisk::new(), compacted());
    let bed = stage(&sim, &config, CleanerConfig::default(), START_MS);
    let (bad, good) = (make(&bed.manager, "bad", &config).await, make(&bed.manager, "good", &config).await);
    keyed(&bad, 0..60, 100).await;
    keyed(&good, 0..60, 100).await;
    let disk = Disk::Sim(sim.clone());
    let second = bases(&disk, &bad)[1];
    let file = disk.open(&bad.dir_path().join(format!("{second:020}.log"))).expect("a segment");
    file.write_all_at(&[std::io::IoSlice::new(b"X")], 100).expect("damaged");
    let before = all_bytes(&bad);
    while bed.manager.clean_dirtiest(0).await {}
    bed.manager.clean_dirtiest(0).await;
    let marked = bed.manager.uncleanable();
    assert_eq!(marked.len(), 1);
    assert_eq!(&*marked[0].0.topic, "bad");
    assert!(marked[0].1.contains("corrupt"), "{}", marked[0].1);
    let status = bed.manager.cleaner_status();
    assert_eq!(status.uncleanable.len(), 1, "one directory");
    let (_, count, bytes) = &status.uncleanable[0];
    assert!(*count == 1 && *bytes > 5000, "{count} partitions, {bytes} bytes");
    assert_eq!(status.dead_threads, 0);
    assert!((1..100).contains(&status.recopy_percent), "{} % were copied", status.recopy_percent);
    assert_eq!(all_bytes(&bad), before, "nothing of it was touched");
    assert_tidy(&disk, &bad);
    assert!(rows(&good, 0).len() < 30, "the other one was cleaned");
    // A log of that name that comes later is another one.
    bed.manager.delete(&TopicPartition::new("bad", 0)).await.expect("deleted");
    bed.manager.clean_dirtiest(0).await;
    assert_eq!(bed.manager.uncleanable(), []);
}

/// A pass that is so slow that anything can happen meanwhile.
fn slow() -> CleanerConfig {
    CleanerConfig { max_bytes_per_second: 2000.0, io_buffer_bytes: 0, ..CleanerConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn a_truncation_during_a_pass_ends_it_and_lowers_the_checkpoint() {
    let (sim, config) = (SimDisk::new(), compacted());
    let bed = stage(&sim, &config, slow(), START_MS);
    let log = make(&bed.manager, "compacted", &config).await;
    keyed(&log, 0..60, 100).await;
    assert!(bed.manager.clean_dirtiest(0).await);
    let cleaned = bed.manager.cleaned_up_to(&tp()).expect("a checkpoint");
    keyed(&log, 60..120, 100).await;
    let manager = Arc::clone(&bed.manager);
    let pass = tokio::spawn(async move { manager.clean_dirtiest(0).await });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!pass.is_finished(), "the pass is under way");
    let cut = cleaned - 5;
    log.truncate_to(cut).await.expect("cut");
    assert!(!pass.await.expect("no panic"), "the pass was given up");
    assert_eq!(bed.manager.cleaned_up_to(&tp()), Some(cut));
    let text = Disk::Sim(sim.clone()).read(std::path::Path::new("/data/cleaner-offset-checkpoint"), 1000);
    assert_eq!(String::from_utf8(text.expect("the file")).expect("text"), format!("0\n1\ncompacted 0 {cut}\n"));
    assert_tidy(&Disk::Sim(sim), &log);
    assert!(rows(&log, 0).iter().all(|r| r.0 < cut));
    keyed(&log, 0..60, 100).await;
    while bed.manager.clean_dirtiest(0).await {}
    assert!(bed.manager.cleaned_up_to(&tp()) > Some(cut));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_during_a_pass_ends_it_and_the_checkpoint_forgets() {
    let (sim, config) = (SimDisk::new(), compacted());
    let bed = stage(&sim, &config, slow(), START_MS);
    let log = make(&bed.manager, "compacted", &config).await;
    keyed(&log, 0..60, 100).await;
    assert!(bed.manager.clean_dirtiest(0).await);
    keyed(&log, 60..120, 100).await;
    let manager = Arc::clone(&bed.manager);
    let pass = tokio::spawn(async move { manager.clean_dirtiest(0).await });
    tokio::time::sleep(Duration::from_secs(3)).await;
    bed.manager.delete(&tp()).await.expect("deleted");
    assert!(!pass.await.expect("no panic"), "the pass was given up");
    assert!(bed.manager.dirs().iter().all(|d| d.online), "and took no directory with it");
    let text = Disk::Sim(sim).read(std::path::Path::new("/data/cleaner-offset-checkpoint"), 1000).expect("the file");
    assert_eq!(text, b"0\n0\n");
    let again = make(&bed.manager, "compacted", &config).await;
    keyed(&again, 0..60, 100).await;
    assert!(bed.manager.clean_dirtiest(0).await, "the new log of the name is cleaned from its start");
    assert!(rows(&again, 0).len() < 30);
}

#[tokio::test(start_paused = true)]
async fn threads_clean_on_their_own_wait_for_work_and_end_with_the_broker() {
    let (sim, config) = (SimDisk::new(), compacted());
    let cleaner = CleanerConfig { threads: 2, ..CleanerConfig::default() };
    let bed = stage(&sim, &config, cleaner.clone(), START_MS);
    let logs = [make(&bed.manager, "a", &config).await, make(&bed.manager, "b", &config).await];
    bed.manager.start_background();
    for log in &logs {
        keyed(log, 0..60, 100).await;
    }
    while logs.iter().any(|log| rows(log, 0).len() >= 30) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // No threads: nothing is cleaned however long it takes. Threads again: it is.
    bed.manager.reconfigure_cleaner(CleanerConfig { threads: 0, ..cleaner.clone() });
    keyed(&logs[0], 0..60, 100).await;
    let before = rows(&logs[0], 0).len();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(rows(&logs[0], 0).len(), before);
    bed.manager.reconfigure_cleaner(CleanerConfig { threads: 3, ..cleaner });
    while rows(&logs[0], 0).len() >= 30 {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bed.manager.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn compact_and_delete_deletes_what_is_old_and_compact_alone_does_not() {
    let sim = SimDisk::new();
    let compact = LogConfig { retention_ms: 1000, min_cleanable_dirty_ratio: 1.0, ..compacted() };
    let both = LogConfig { cleanup: CleanupPolicy { compact: true, delete: true }, ..compact.clone() };
    let bed = stage(&sim, &compact, CleanerConfig::default(), START_MS);
    let (a, b) = (make(&bed.manager, "compact", &compact).await, make(&bed.manager, "both", &both).await);
    keyed(&a, 0..60, 100).await;
    keyed(&b, 0..60, 100).await;
    bed.clock.jump(DAY_MS);
    bed.manager.start_background();
    while b.start_offset() < 60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((a.start_offset(), rows(&a, 0).len()), (0, 60));
    bed.manager.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_throttled_pass_takes_its_time() {
    let (sim, config) = (SimDisk::new(), compacted());
    let bed = stage(&sim, &config, slow(), START_MS);
    let log = make(&bed.manager, "compacted", &config).await;
    keyed(&log, 0..60, 100).await;
    let start = tokio::time::Instant::now();
    assert!(bed.manager.clean_dirtiest(0).await);
    let stats = bed.manager.cleaner_stats()[0];
    let bytes = stats.map_bytes_read + stats.bytes_read + stats.bytes_written;
    let seconds = start.elapsed().as_secs_f64();
    assert!((bytes as f64 / 2000.0 - seconds).abs() < 1.0, "{bytes} bytes in {seconds} s at 2000 a second");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_costs_a_pass_and_not_the_directory() {
    let (sim, config) = (SimDisk::new(), compacted());
    let bed = stage(&sim, &config, CleanerConfig::default(), START_MS);
    let log = make(&bed.manager, "compacted", &config).await;
    keyed(&log, 0..60, 100).await;
    // The first segments leave nothing behind, and so have room even then; of each key the last record stays.
    let last = || rows(&log, 0).into_iter().map(|row| (row.2.clone(), row)).collect::<BTreeMap<_, _>>();
    let before = last();
    let disk = Disk::Sim(sim.clone());
    // Left by a pass of before that could not even remove its file.
    disk.write(&log.dir_path().join("00000000000000000099.log.cleaned"), b"half").expect("written");
    sim.set_room(Some(100));
    assert!(!bed.manager.clean_dirtiest(0).await);
    assert!(bed.manager.dirs().iter().all(|d| d.online), "the directory is still in use");
    assert_eq!(bed.manager.uncleanable(), []);
    assert_eq!(last(), before);
    assert_tidy(&disk, &log);
    sim.set_room(None);
    assert!(bed.manager.clean_dirtiest(0).await);
    assert!(rows(&log, 0).len() < 30);
}

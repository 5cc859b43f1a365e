//! Damage: every kind of byte corrupted, torn tails, power lost between writes; reopened each time.

use std::path::PathBuf;
use std::sync::Arc;

use ottla::config::LogConfig;
use ottla::disk::{Disk, Fault, SimDisk};
use ottla::log::{Log, OpenOptions};
use proptest::prelude::*;

use super::support::*;

/// A log of two segments with producers and an aborted transaction, closed cleanly, and the files it left.
async fn sample(bed: &Bed) -> (Vec<Row>, Vec<(PathBuf, Vec<u8>)>) {
    bed.home.shared().verify_transactions.store(false, std::sync::atomic::Ordering::Relaxed);
    let log = bed.open("t-0", &new_log(tiny()));
    append(&log, batch(3, 10, now())).await;
    append(&log, sequenced(1, 0, 0, 2, true)).await;
    let marker = ottla::record::EndTxnMarker { commit: false, coordinator_epoch: 0 };
    let marker = ottla::record::builder::marker(0, 0, now(), 1, 0, marker);
    log.lock().await.append_leader(coordinator(marker, 0)).await.expect("a marker");
    append(&log, batch(2, 40, now())).await;
    append(&log, batch(2, 40, now())).await;
    assert_eq!(log.segment_count(), 2);
    let rows = rows(&log, 0);
    log.close_clean().await.expect("closed");
    let disk = &bed.home.shared().disk;
    let dir = bed.dir("t-0");
    let files = disk.list(&dir).expect("listed").into_iter().map(|e| dir.join(e.name));
    (rows, files.map(|p| (p.clone(), disk.read(&p, 1 << 20).expect("read"))).collect())
}

fn tiny() -> LogConfig {
    LogConfig { segment_bytes: 450, index_interval_bytes: 100, ..LogConfig::default() }
}

#[tokio::test]
async fn a_corrupt_byte_of_the_log_costs_at_most_what_follows() {
    let disk = Disk::Sim(SimDisk::new());
    let bed = Bed::on(disk.clone());
    let (before, files) = sample(&bed).await;
    for (path, content) in files.iter().filter(|(p, _)| p.extension().is_some_and(|e| e == "log")) {
        for at in 0..content.len() {
            for flip in [0x01, 0x80, 0xff] {
                restore(&bed, &files);
                let mut bad = content.clone();
                bad[at] ^= flip;
                disk.write(path, &bad).expect("written");
                let log = bed.open("t-0", &reopen(tiny(), false));
                let after = rows(&log, log.start_offset());
                // The base offset and the epoch are outside the CRC: a base that went up is a gap nobody can tell from compaction.
                let values = |rows: &[Row]| rows.iter().map(|r| (r.1, r.2.clone(), r.3.clone())).collect::<Vec<_>>();
                let (old, new) = (values(&before), values(&after));
                assert!(old.starts_with(&new), "{} byte {at}", path.display());
                let leo = log.leo();
                assert_eq!(append(&log, batch(1, 1, now())).await.first_offset, leo);
            }
        }
    }
}

#[tokio::test]
async fn a_corrupt_byte_beside_the_log_costs_nothing_after_an_unclean_stop() {
    let disk = Disk::Sim(SimDisk::new());
    let bed = Bed::on(disk.clone());
    let (before, files) = sample(&bed).await;
    for (path, content) in files.iter().filter(|(p, _)| p.extension().is_none_or(|e| e != "log")) {
        for at in 0..content.len() {
            restore(&bed, &files);
            let mut bad = content.clone();
            bad[at] ^= 0x41;
            disk.write(path, &bad).expect("written");
            let log = bed.open("t-0", &reopen(tiny(), false));
            assert_eq!(rows(&log, 0), before, "{} byte {at}", path.display());
            let again = append(&log, sequenced(1, 0, 0, 2, true)).await;
            assert!(again.duplicate, "{} byte {at}", path.display());
            assert_eq!(log.aborted_between(0, 100).expect("a list").len(), 1, "{} byte {at}", path.display());
        }
    }
}

#[tokio::test]
async fn missing_and_zero_filled_indexes_are_no_loss_even_after_a_clean_stop() {
    let disk = Disk::Sim(SimDisk::new());
    let bed = Bed::on(disk.clone());
    let (before, files) = sample(&bed).await;
    for (path, content) in files.iter().filter(|(p, _)| p.to_string_lossy().ends_with("index")) {
        restore(&bed, &files);
        disk.remove_file(path).expect("removed");
        if !path.to_string_lossy().ends_with(".txnindex") {
            assert_eq!(rows(&bed.open("t-0", &reopen(tiny(), true)), 0), before, "without {}", path.display());
        }
        restore(&bed, &files);
        let mut padded = content.clone();
        padded.resize(4080, 0);
        if path.to_string_lossy().ends_with(".txnindex") {
            continue;
        }
        disk.write(path, &padded).expect("written");
        let log = bed.open("t-0", &reopen(tiny(), true));
        assert_eq!(rows(&log, 0), before, "zeros after {}", path.display());
        append(&log, batch(1, 1, now())).await;
        log.close_clean().await.expect("closed");
    }
}

#[tokio::test]
async fn a_torn_tail_is_cut_wherever_it_tore() {
    let disk = Disk::Sim(SimDisk::new());
    let bed = Bed::on(disk.clone());
    let (before, files) = sample(&bed).await;
    for (path, content) in files.iter().filter(|(p, _)| p.extension().is_some_and(|e| e == "log")) {
        for len in 0..content.len() {
            for clean in [true, false] {
                restore(&bed, &files);
                disk.write(path, &content[..len]).expect("written");
                let log = bed.open("t-0", &reopen(tiny(), clean));
                if clean {
                    continue; // a lie of the marker: only that it opens is promised
                }
                let after = rows(&log, log.start_offset());
                // Cut between two batches, an older segment looks like a compacted one, as in Kafka: the hole stays. Not so an empty one.
                let last = path.ends_with("00000000000000000008.log");
                let between = !last && len > 0 && ottla::record::Batches::new(&content[..len]).all(|b| b.is_ok());
                let (first, second): (Vec<Row>, Vec<Row>) = before.iter().cloned().partition(|r| r.0 < 8);
                let hole =
                    between && after.ends_with(&second) && first.starts_with(&after[..after.len() - second.len()]);
                assert!(hole || before.starts_with(&after), "{} cut at {len}", path.display());
            }
        }
    }
}

/// The records of one file were not on the device when the power went, those of the next were: the log ends before the hole.
#[tokio::test]
async fn nothing_is_served_behind_a_segment_that_came_back_empty() {
    let disk = Disk::Sim(SimDisk::new());
    let bed = Bed::on(disk.clone());
    let log = bed.open("t-0", &new_log(tiny()));
    let mut bases = vec![0];
    while bases.len() < 4 {
        let appended = append(&log, batch(2, 100, now())).await;
        if log.segment_count() > bases.len() {
            bases.push(appended.first_offset);
        }
    }
    let before = rows(&log, 0);
    let hole = bed.dir("t-0").join(format!("{:020}.log", bases[1]));
    drop(log);
    disk.write(&hole, b"").expect("written");
    let log = bed.open("t-0", &reopen(tiny(), false));
    let expected: Vec<Row> = before.into_iter().filter(|row| row.0 < bases[1]).collect();
    assert_eq!((rows(&log, 0), log.leo(), log.segment_count()), (expected, bases[1], 2));
    assert_eq!(append(&log, batch(1, 1, now())).await.first_offset, bases[1]);
}

fn restore(bed: &Bed, files: &[(PathBuf, Vec<u8>)]) {
    let disk = &bed.home.shared().disk;
    disk.remove_dir_all(&bed.dir("t-0")).expect("removed");
    disk.create_dir_all(&bed.dir("t-0")).expect("made");
    for (path, content) in files {
        disk.write(path, content).expect("written");
    }
}

#[tokio::test]
async fn a_failed_fsync_takes_the_directory_offline() {
    let sim = SimDisk::new();
    let bed = Bed::on(Disk::Sim(sim.clone()));
    let log = bed.open("t-0", &new_log(small()));
    append(&log, batch(1, 1, now())).await;
    sim.fail("/data", Fault::Sync);
    assert!(log.flush_blocking().is_err());
    assert!(!log.is_online());
    sim.heal();
    assert!(log.flush_blocking().is_err(), "once is for good");
    assert_eq!(log.recovery_point(), 0);
}

#[tokio::test]
async fn a_full_disk_refuses_the_append_and_takes_the_directory_offline() {
    let sim = SimDisk::new();
    let bed = Bed::on(Disk::Sim(sim.clone()));
    let log = bed.open("t-0", &new_log(small()));
    append(&log, batch(1, 1, now())).await;
    sim.set_room(Some(10));
    assert!(log.lock().await.append_leader(client(batch(1, 100, now()), 0)).await.is_err());
    assert_eq!(log.leo(), 1);
    assert!(!log.is_online());
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize, usize),
    Flush,
    Truncate(i64),
    Retain,
    PowerLoss(u8, bool),
    Kill,
    CleanRestart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..4usize, 0..100usize).prop_map(|(n, size)| Step::Append(n, size)),
        2 => Just(Step::Flush),
        1 => (0..60i64).prop_map(Step::Truncate),
        1 => Just(Step::Retain),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(keep, rp)| Step::PowerLoss(keep, rp)),
        1 => Just(Step::Kill),
        1 => Just(Step::CleanRestart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_was_flushed_survives_and_what_was_not_may_only_be_missing_at_the_end(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(survive(steps));
    }
}

async fn survive(steps: Vec<Step>) {
    let sim = SimDisk::new();
    let bed = Bed::on(Disk::Sim(sim.clone()));
    let config =
        LogConfig { segment_bytes: 1000, index_interval_bytes: 200, retention_bytes: 4000, ..LogConfig::default() };
    let mut log = bed.open("t-0", &new_log(config.clone()));
    // The slow, obvious log: rows by offset, and how many of them are on the device.
    let mut model: Vec<(Row, i64)> = Vec::new(); // with the last offset of its batch
    let mut flushed = 0;
    sim.lose_power(|n| n); // the empty log's files are there
    sim.kill();
    log = reopened(&bed, &config, true, log.recovery_point(), 0);
    for (i, step) in steps.into_iter().enumerate() {
        match step {
            Step::Append(count, size) => {
                let records = batch(count, size, now());
                let appended = append(&log, records).await;
                assert!(model.last().is_none_or(|(row, _)| row.0 < appended.first_offset));
                model.extend(rows(&log, appended.first_offset).into_iter().map(|r| (r, appended.last_offset)));
            }
            Step::Flush => {
                log.flush_blocking().expect("flushed");
                flushed = log.leo();
            }
            Step::Truncate(back) => {
                let to = (log.leo() - back).max(log.start_offset());
                log.truncate_to(to).await.expect("cut");
                let leo = log.leo();
                model.retain(|(_, last)| *last < leo);
                flushed = flushed.min(leo);
            }
            Step::Retain => {
                log.set_high_watermark(log.leo());
                log.delete_old_segments().await.expect("deleted");
            }
            Step::PowerLoss(keep, from_recovery_point) => {
                let appended = append(&log, batch(1 + usize::from(keep % 3), usize::from(keep), now())).await;
                model.extend(rows(&log, appended.first_offset).into_iter().map(|r| (r, appended.last_offset)));
                let rp = if from_recovery_point { log.recovery_point() } else { 0 };
                let start = log.start_offset();
                let mut seed = usize::from(keep);
                sim.lose_power(|n| {
                    seed = seed.wrapping_mul(31).wrapping_add(7);
                    seed % (n + 1)
                });
                log = reopened(&bed, &config, false, rp, start);
                let leo = log.leo();
                let last = model.iter().map(|(_, last)| *last).filter(|last| *last < flushed).max();
                assert!(last.is_none_or(|last| last < leo), "step {i}: {leo} after a flush up to {flushed}");
                model.retain(|(_, last)| *last < leo);
            }
            Step::Kill => {
                let (rp, start) = (log.recovery_point(), log.start_offset());
                sim.kill();
                log = reopened(&bed, &config, false, rp, start);
            }
            Step::CleanRestart => {
                log.close_clean().await.expect("closed");
                let (rp, start) = (log.recovery_point(), log.start_offset());
                sim.lose_power(|_| 0);
                log = reopened(&bed, &config, true, rp, start);
                flushed = log.leo();
            }
        }
        flushed = flushed.min(log.leo()); // the end may go back to the last batch's where a cut left it between two
        let start = log.start_offset();
        let expected: Vec<Row> = model.iter().map(|(row, _)| row).filter(|r| r.0 >= start).cloned().collect();
        assert_eq!(rows(&log, start), expected, "step {i}");
        assert!(expected.last().is_none_or(|r| r.0 < log.leo()));
    }
}

fn reopened(bed: &Bed, config: &LogConfig, clean: bool, recovery_point: i64, log_start: i64) -> Arc<Log> {
    bed.open("t-0", &OpenOptions { recovery_point, log_start, ..reopen(config.clone(), clean) })
}

#[tokio::test]
async fn an_interrupted_cleaning_is_finished_or_undone() {
    let disk = Disk::Sim(SimDisk::new());
    let bed = Bed::on(disk.clone());
    let (before, files) = sample(&bed).await;
    let dir = bed.dir("t-0");
    let name = |base: i64, suffix: &str| dir.join(format!("{base:020}{suffix}"));
    let content = |path: &PathBuf| files.iter().find(|(p, _)| p == path).map(|(_, c)| c.clone()).expect("a file");
    // Both segments were cleaned into one, complete: the swap takes their place.
    let merged = [content(&name(0, ".log")), content(&name(8, ".log"))].concat();
    disk.write(&name(0, ".log.swap"), &merged).expect("written");
    disk.write(&name(0, ".index.swap"), b"").expect("written");
    disk.write(&name(0, ".timeindex.swap"), b"").expect("written");
    let log = bed.open("t-0", &reopen(tiny(), true));
    assert_eq!((rows(&log, 0), log.segment_count()), (before.clone(), 1));
    assert!(!disk.exists(&name(0, ".log.swap")) && !disk.exists(&name(8, ".log")));
    // The output was not complete: it goes.
    restore(&bed, &files);
    disk.write(&name(0, ".log.cleaned"), &merged[..40]).expect("written");
    disk.write(&name(0, ".index.swap"), b"").expect("written");
    disk.write(&name(8, ".log.deleted"), b"old").expect("written");
    let log = bed.open("t-0", &reopen(tiny(), true));
    assert_eq!((rows(&log, 0), log.segment_count()), (before, 2));
    for leftover in [name(0, ".log.cleaned"), name(0, ".index.swap"), name(8, ".log.deleted")] {
        assert!(!disk.exists(&leftover), "{}", leftover.display());
    }
}

#[tokio::test]
async fn sequences_that_once_lost_data_keep_it() {
    use Step::*;
    // A cut at the recovery point was not on the device when the log was closed.
    survive(vec![Append(1, 0), Flush, Truncate(1), CleanRestart]).await;
    // A torn tail cut in recovery was not on the device when later segments were.
    survive(vec![
        Append(1, 0),
        Flush,
        Append(1, 35),
        Append(1, 28),
        Append(2, 67),
        Flush,
        Append(2, 12),
        Append(1, 4),
        PowerLoss(60, true),
        Append(3, 99),
        CleanRestart,
        PowerLoss(0, false),
    ])
    .await;
    // An end between two batches goes back to the last batch's.
    survive(vec![
        Append(2, 0),
        Append(3, 0),
        Append(2, 0),
        Flush,
        Append(3, 0),
        Truncate(4),
        PowerLoss(0, false),
        PowerLoss(24, false),
    ])
    .await;
}

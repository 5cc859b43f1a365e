//! A crash before each write, sync and rename of a pass: nothing that compaction keeps is lost, and the next pass does the rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla::disk::{Disk, SimDisk};
use ottla::log::CleanerConfig;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::model::*;
use crate::log::support::*;

async fn crash_at_each_step(ops: &[Op], power_loss: bool) -> u64 {
    let config = compacted();
    for step in 0.. {
        let sim = SimDisk::new();
        let disk = Disk::Sim(sim.clone());
        let before = stage(&sim, &config, CleanerConfig::default(), START_MS);
        let mut written = Written::new(&before.manager, &config).await;
        written.apply(ops).await;
        written.roll(&config).await;
        written.settle(&config).await;
        before.manager.checkpoint_high_watermarks().await;
        let (end, leo) = (uncleanable(&disk, &written.log), written.log.leo());
        sim.fail_after(Some(step));
        let through = before.manager.clean_dirtiest(0).await;
        sim.fail_after(None);
        match power_loss {
            true => sim.lose_power(|unsynced| unsynced / 2),
            false => sim.kill(),
        }

        let after = stage(&sim, &config, CleanerConfig::default(), START_MS);
        let log = after.manager.get(&tp()).expect("the log");
        log.set_high_watermark(leo);
        assert_tidy(&disk, &log);
        let (found, all, kept) = (rows(&log, 0), written.all(), written.after_first_pass(end));
        let found_set: BTreeSet<&Row> = found.iter().collect();
        assert!(kept.iter().all(|row| found_set.contains(row)), "step {step}: nothing that stays is lost");
        let all: BTreeSet<&Row> = all.iter().collect();
        assert!(found.iter().all(|row| all.contains(row)), "step {step}: nothing else appears");
        assert!(found.windows(2).all(|w| w[0].0 < w[1].0), "step {step}: every offset once, in order");
        assert_eq!(log.leo(), leo);
        if through {
            assert_eq!(found, kept, "a pass that came to its end stays");
            return step;
        }
        after.manager.clean_dirtiest(0).await;
        assert_eq!(rows(&log, 0), kept, "step {step}: the next pass does the rest");
        assert_tidy(&disk, &log);
    }
    unreachable!("a pass has an end")
}

fn random_ops(seed: u8, count: usize) -> Vec<Op> {
    let rng = proptest::test_runner::TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(proptest::test_runner::Config::default(), rng);
    proptest::collection::vec(ops(2), count)
        .new_tree(&mut runner)
        .expect("a value")
        .current()
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn a_kill_at_each_step_of_a_pass_loses_nothing() {
    for seed in 0..2 {
        let steps = block_on(crash_at_each_step(&random_ops(seed, 70), false));
        assert!(steps > 20, "{steps} steps: several groups were swapped");
    }
}

#[test]
fn a_power_loss_at_each_step_of_a_pass_loses_nothing() {
    for seed in 10..12 {
        let steps = block_on(crash_at_each_step(&random_ops(seed, 70), true));
        assert!(steps > 20, "{steps} steps: several groups were swapped");
    }
}

/// Readers on other threads see, at each moment, every record that stays and none twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_during_passes_see_every_record_that_stays() {
    use ottla::record::BatchBuilder;
    use std::sync::atomic::{AtomicBool, Ordering};

    let temp = tempfile::tempdir().expect("a temp directory");
    let config = ottla::config::LogConfig { segment_bytes: 40_000, index_interval_bytes: 500, ..compacted() };
    let dirs = ottla::log::LogDirs::open(Disk::Real, &[temp.path().to_path_buf()]).expect("the directory");
    let shared = Arc::new(config.clone());
    let manager = ottla::log::LogManager::load(
        ottla::base::Env::current(),
        dirs,
        ottla::log::ManagerConfig::default(),
        &|_| Arc::clone(&shared),
        &ottla::log::CancelFlag::new(),
    )
    .expect("a start");
    let log = manager.get_or_create(&tp(), None, Arc::new(config), true, None).await.expect("a log");
    let stop = Arc::new(AtomicBool::new(false));
    let scans: Vec<_> = (0..3)
        .map(|_| {
            let (log, stop) = (Arc::clone(&log), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut scans = 0;
                while !stop.load(Ordering::Acquire) {
                    // What is the last of its key now is there in any later scan that ends before it is overwritten.
                    let before = log.leo();
                    let seen = rows(&log, 0);
                    assert!(seen.windows(2).all(|w| w[0].0 < w[1].0), "every offset once, in order");
                    let keys: BTreeSet<_> = seen.iter().filter_map(|r| r.2.clone()).collect();
                    assert!(before < 2000 || keys.len() == 200, "{} keys of 200", keys.len());
                    scans += 1;
                }
                scans
            })
        })
        .collect();
    for round in 0..30i64 {
        for i in 0..100i64 {
            let mut batch = BatchBuilder::new(0);
            for j in 0..10 {
                let key = format!("key{}", (i * 10 + j) % 200);
                batch.append(now(), Some(key.as_bytes()), Some(format!("{round} {i}").as_bytes()), &[]);
            }
            append(&log, batch.build().expect("a batch")).await;
        }
        log.set_high_watermark(log.leo());
        manager.clean_dirtiest(0).await;
        manager.tidy_up().await; // replaced files go at once: readers hold them open
    }
    stop.store(true, Ordering::Release);
    let scans: u32 = scans.into_iter().map(|s| s.join().expect("a reader without fault")).sum();
    assert!(scans > 3, "{scans} scans");
    assert!(rows(&log, 0).len() < 3000, "it was compacted meanwhile");
}

//! A cleaned log against the slow obvious version.

use std::sync::Arc;

use ottla::disk::{Disk, SimDisk};
use ottla::log::{CleanerConfig, Log};
use ottla::record::{Batches, Scratch};
use proptest::prelude::*;

use super::model::*;
use crate::log::support::*;

/// Small reads, so that windows meet batches everywhere.
fn cleaner() -> CleanerConfig {
    CleanerConfig { threads: 1, ..CleanerConfig::default() }
}

fn data_only(rows: Vec<Row>, markers: &[i64]) -> Vec<Row> {
    rows.into_iter().filter(|r| !markers.contains(&r.0)).collect()
}

/// What a `read_committed` reader gets: batches less those of aborted transactions, as clients skip them.
fn committed(log: &Arc<Log>) -> Vec<Row> {
    let bytes = all_bytes(log);
    let mut aborted = log.aborted_between(0, log.leo()).expect("a list");
    aborted.sort_by_key(|a| std::cmp::Reverse(a.first_offset));
    let (mut skipping, mut rows, mut scratch) = (Vec::new(), Vec::new(), Scratch::new());
    for batch in Batches::new(&bytes) {
        let batch = batch.expect("a batch");
        assert!(batch.crc_ok());
        while aborted.last().is_some_and(|a| a.first_offset <= batch.last_offset()) {
            skipping.push(aborted.pop().expect("there is one").producer_id);
        }
        if batch.is_control() {
            if batch.records(&mut scratch).expect("records").next().is_some() {
                skipping.retain(|id| *id != batch.producer_id());
            }
            continue;
        }
        if batch.is_transactional() && skipping.contains(&batch.producer_id()) {
            continue;
        }
        for record in batch.records(&mut scratch).expect("records") {
            let r = record.expect("a record");
            assert_eq!(r.headers.len(), usize::from(!r.key.is_some_and(|k| k.starts_with(b"filler"))), "headers stay");
            rows.push((r.offset, r.timestamp, r.key.map(<[u8]>::to_vec), r.value.map(<[u8]>::to_vec)));
        }
    }
    rows
}

/// Every pass but the last fills its map, and takes at least a record for each key in it: that bounds their number.
async fn clean_until_nothing_is_left(bed: &Stage, records: i64, keys_in_map: i64) {
    let mut left = records / keys_in_map + 1;
    while bed.manager.clean_dirtiest(0).await {
        left -= 1;
        assert!(left >= 0, "the cleaner comes to an end");
    }
    assert_eq!(bed.manager.uncleanable(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// First pass, a pass before the horizons, passes after them; the log reopened after a kill; its producers from its batches alone.
    #[test]
    fn a_cleaned_log_is_what_the_slow_version_says(ops in ops(60), io_buffer in 1usize..5000) {
        block_on(async {
            let config = compacted();
            let sim = SimDisk::new();
            let disk = Disk::Sim(sim.clone());
            let cleaner = CleanerConfig { io_buffer_bytes: io_buffer, ..cleaner() };
            let bed = stage(&sim, &config, cleaner.clone(), START_MS);
            let mut written = Written::new(&bed.manager, &config).await;
            written.apply(&ops).await;
            written.roll(&config).await;
            written.settle(&config).await;
            let log = Arc::clone(&written.log);
            let (known, leo) = (producers(&log).await, log.leo());
            let end = uncleanable(&disk, &log);

            bed.manager.clean_dirtiest(0).await;
            prop_assert_eq!(rows(&log, 0), written.after_first_pass(end));
            prop_assert_eq!(log.leo(), leo);
            prop_assert_eq!(&producers(&log).await, &known);
            assert_tidy(&disk, &log);
            // Every offset is found, whether its record is there or not.
            for at in (0..leo).step_by(3) {
                let from_here: Vec<Row> = written.after_first_pass(end).into_iter().filter(|r| r.0 >= at).collect();
                prop_assert_eq!(rows(&log, at), from_here);
            }
            let committed_before: Vec<Row> =
                data_only(written.after_first_pass(end), &written.markers()).into_iter().filter(|r| r.0 < log.last_stable_offset()).collect();
            let got: Vec<Row> = committed(&log).into_iter().filter(|r| r.0 < log.last_stable_offset()).collect();
            prop_assert_eq!(got, committed_before.iter().filter(|r| !written.is_aborted(r.0)).cloned().collect::<Vec<_>>());

            // What a killed broker finds, with and without snapshots.
            bed.manager.checkpoint_high_watermarks().await;
            for snapshots in [true, false] {
                sim.kill();
                if !snapshots {
                    for entry in disk.list(&log.dir_path()).expect("the partition") {
                        if entry.name.ends_with(".snapshot") {
                            disk.remove_file(&log.dir_path().join(&entry.name)).expect("removed");
                        }
                    }
                }
                let again = super::model::stage(&sim, &config, cleaner.clone(), START_MS);
                let log = again.manager.get(&tp()).expect("the log");
                prop_assert_eq!(rows(&log, 0), written.after_first_pass(end));
                prop_assert_eq!(&producers(&log).await, &known);
                prop_assert_eq!(again.manager.cleaned_up_to(&tp()), (end > 0).then_some(end));
            }
            Ok(())
        })?;
    }

    /// Horizons pass; a map too small for all keys takes several passes and leaves the same.
    #[test]
    fn in_the_end_only_last_values_are_left(ops in ops(30), slots in 4i64..40) {
        block_on(async {
            let config = compacted();
            let sim = SimDisk::new();
            let disk = Disk::Sim(sim.clone());
            let cleaner = CleanerConfig { dedupe_buffer_bytes: slots as usize * 24, load_factor: 0.75, ..cleaner() };
            let bed = stage(&sim, &config, cleaner, START_MS);
            let mut written = Written::new(&bed.manager, &config).await;
            written.apply(&ops).await;
            // One that stays open keeps the cleaner from what comes after it, and so from what comes before.
            written.apply(&[Op::End { who: 3, commit: false }, Op::End { who: 4, commit: true }]).await;
            let log = Arc::clone(&written.log);
            let mut end = 0;
            // Tombstones, and markers after their data, need a pass for the horizon and one behind it.
            for _ in 0..4 {
                written.log.set_config(Arc::new(ottla::config::LogConfig { cleanup: ottla::config::CleanupPolicy::DELETE, ..config.clone() }));
                written.roll(&config).await;
                written.settle(&config).await;
                end = uncleanable(&disk, &log);
                clean_until_nothing_is_left(&bed, log.leo(), slots * 3 / 4).await;
                bed.clock.jump(DAY_MS + 1);
            }
            let markers = written.markers();
            prop_assert_eq!(data_only(rows(&log, 0), &markers), written.after_all(end));
            Ok(())
        })?;
    }
}

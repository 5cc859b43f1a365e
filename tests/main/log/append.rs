//! Appends, rolls, reads at the edges.

use ottla::base::ErrorCode;
use ottla::config::LogConfig;
use ottla::log::{LogError, ReadRequest};
use ottla::record::Batches;

use super::support::*;

fn request(offset: i64, upper: i64) -> ReadRequest {
    ReadRequest { offset, max_bytes: 1 << 20, min_one_message: true, upper, aborted: false }
}

#[tokio::test]
async fn a_leader_gives_offsets_and_a_reader_finds_them() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    let first = append(&log, batch(3, 10, now())).await;
    let second = append(&log, batch(2, 10, now())).await;
    assert_eq!((first.first_offset, first.last_offset, second.first_offset, second.last_offset), (0, 2, 3, 4));
    assert_eq!(log.leo(), 5);
    assert_eq!(rows(&log, 0).iter().map(|r| r.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_read_ends_below_the_upper_bound() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    let sizes: Vec<usize> = (0..40).map(|i| batch(1, i, now()).len()).collect();
    for i in 0..40 {
        append(&log, batch(1, i, now())).await;
    }
    for from in 0..40 {
        for upper in 0..=40 {
            let read = log.read_blocking(request(from, upper)).expect("a read");
            let expected: usize = sizes.get(from as usize..upper as usize).map_or(0, |s| s.iter().sum());
            assert_eq!(read.slice.map_or(0, |s| s.len), expected, "{from}..{upper}");
        }
    }
}

#[tokio::test]
async fn offsets_outside_the_log_are_out_of_range() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    append(&log, batch(3, 10, now())).await;
    assert!(log.read_blocking(request(3, 3)).expect("at the end").slice.is_none());
    for offset in [-1, 4] {
        let error = log.read_blocking(request(offset, 3)).expect_err("out of range");
        assert!(matches!(error, LogError::OffsetOutOfRange { .. }));
        assert_eq!(error.code(), ErrorCode::OffsetOutOfRange);
    }
}

#[tokio::test]
async fn a_closed_log_opens_with_all_it_had() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    for i in 0..300 {
        append(&log, batch(1 + i % 3, 100, now())).await;
    }
    assert!(log.segment_count() > 2);
    let (before, leo, bytes) = (rows(&log, 0), log.leo(), all_bytes(&log));
    log.close_clean().await.expect("closed");
    assert!(log.lock().await.append_leader(client(batch(1, 1, now()), 0)).await.is_err());
    for clean in [true, false] {
        let log = bed.open("t-0", &reopen(small(), clean));
        assert_eq!((log.leo(), rows(&log, 0), all_bytes(&log)), (leo, before.clone(), bytes.clone()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_beside_an_appender_see_whole_batches_in_order() {
    let bed = Bed::real();
    let config = LogConfig { segment_bytes: 4000, index_interval_bytes: 300, ..small() };
    let log = bed.open("t-0", &new_log(config));
    let tasks = ottla::base::Env::current().tasks;
    let writer = tasks.spawn(ottla::base::env::Lane::Data, "writer", {
        let log = log.clone();
        async move {
            for i in 0..1500 {
                append(&log, batch(1 + i % 3, i % 70, now())).await;
            }
        }
    });
    let reader = tasks.spawn(ottla::base::env::Lane::Data, "reader", {
        let log = log.clone();
        async move {
            let mut next = 0;
            while next < 3000 {
                let request = ReadRequest {
                    offset: next,
                    max_bytes: 2000,
                    min_one_message: true,
                    upper: log.leo(),
                    aborted: false,
                };
                let Some(slice) = log.read(request).await.expect("a read").slice else {
                    tokio::task::yield_now().await;
                    continue;
                };
                for batch in Batches::new(&slice.read_to_bytes().expect("bytes")) {
                    let Ok(batch) = batch else { break };
                    assert!(batch.crc_ok());
                    assert_eq!(batch.base_offset(), next);
                    next = batch.last_offset() + 1;
                }
            }
        }
    });
    writer.await.expect("appended");
    reader.await.expect("read");
}

#[tokio::test]
async fn the_first_batch_comes_whole_when_asked_and_is_cut_when_not() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    append(&log, batch(1, 500, now())).await;
    let small = ReadRequest { max_bytes: 100, ..request(0, 1) };
    let whole = log.read_blocking(small).expect("a read");
    assert!(!whole.first_batch_incomplete && whole.slice.expect("a slice").len > 500);
    let cut = log.read_blocking(ReadRequest { min_one_message: false, ..small }).expect("a read");
    assert!(cut.first_batch_incomplete && cut.slice.expect("a slice").len == 100);
}

#[tokio::test]
async fn a_write_whose_wait_is_dropped_still_ends_and_the_mutex_is_free_again() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    let mut writer = log.lock().await;
    let dropped =
        tokio::time::timeout(std::time::Duration::ZERO, writer.append_leader(client(batch(1, 1, now()), 0))).await;
    drop((dropped, writer));
    append(&log, batch(1, 1, now())).await;
    assert_eq!(rows(&log, 0).len(), log.leo() as usize);
}

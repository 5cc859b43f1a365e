//! Rolls, retention, start offsets, truncation, timestamps.

use ottla::config::{CleanupPolicy, LogConfig};
use ottla::log::LogError;

use super::support::*;

#[tokio::test]
async fn a_segment_rolls_before_it_would_grow_too_large() {
    let bed = Bed::real();
    let one = batch(1, 100, now());
    let config = LogConfig { segment_bytes: 3 * one.len() as i32, ..small() };
    let log = bed.open("t-0", &new_log(config));
    for expected in [1, 1, 1, 2, 2, 2, 3] {
        append(&log, batch(1, 100, now())).await;
        assert_eq!(log.segment_count(), expected);
    }
    let too_large = log.lock().await.append_leader(client(batch(1, 1000, now()), 0)).await.expect_err("refused");
    assert_eq!(too_large.code(), ottla::base::ErrorCode::RecordListTooLarge);
}

#[tokio::test]
async fn a_segment_rolls_by_the_time_of_its_records() {
    let bed = Bed::real();
    let config = LogConfig { segment_ms: 1000, ..small() };
    let log = bed.open("t-0", &new_log(config));
    let start = now() - 10_000;
    for (after, expected) in [(0, 1), (1000, 1), (1001, 2), (1002, 2), (2002, 3)] {
        append(&log, batch(1, 10, start + after)).await;
        assert_eq!(log.segment_count(), expected, "{after}");
    }
}

#[tokio::test]
async fn a_full_index_rolls() {
    let bed = Bed::real();
    let config = LogConfig { segment_index_bytes: 16, index_interval_bytes: 0, ..small() };
    let log = bed.open("t-0", &new_log(config));
    for _ in 0..10 {
        append(&log, batch(1, 10, now())).await;
    }
    assert!(log.segment_count() >= 3);
    assert_eq!(rows(&log, 0).len(), 10);
}

#[tokio::test]
async fn retention_by_size_deletes_what_is_over_but_nothing_above_the_high_watermark() {
    let bed = Bed::real();
    let one = batch(1, 100, now()).len() as i64;
    let config = LogConfig { segment_bytes: 3 * one as i32, retention_bytes: 4 * one, ..small() };
    let log = bed.open("t-0", &new_log(config));
    for _ in 0..12 {
        append(&log, batch(1, 100, now())).await;
    }
    assert_eq!(log.delete_old_segments().await.expect("nothing"), 0);
    log.set_high_watermark(4);
    assert_eq!(log.delete_old_segments().await.expect("one"), 1);
    log.set_high_watermark(12);
    assert_eq!(log.delete_old_segments().await.expect("another"), 1, "9 - 3 is still above 4, 6 - 3 is not");
    assert_eq!((log.start_offset(), rows(&log, 6).len()), (6, 6));
    assert!(matches!(
        log.read_blocking(ottla::log::ReadRequest {
            offset: 5,
            max_bytes: 1,
            min_one_message: true,
            upper: 12,
            aborted: false
        }),
        Err(LogError::OffsetOutOfRange { .. })
    ));
}

#[tokio::test]
async fn retention_by_time_may_delete_everything_and_the_log_goes_on() {
    let bed = Bed::real();
    let config = LogConfig { retention_ms: 1000, timestamp_before_max_ms: i64::MAX, ..small() };
    let log = bed.open("t-0", &new_log(config));
    append(&log, batch(5, 100, now() - 10_000)).await;
    log.set_high_watermark(5);
    assert_eq!(log.delete_old_segments().await.expect("all"), 1);
    assert_eq!((log.start_offset(), log.leo(), log.segment_count(), log.size_bytes()), (5, 5, 1, 0));
    assert_eq!(append(&log, batch(1, 1, now())).await.first_offset, 5);
    assert_eq!(log.delete_old_segments().await.expect("young"), 0);
}

#[tokio::test]
async fn a_compacted_topic_keeps_its_segments_except_below_the_start() {
    let bed = Bed::real();
    let config = LogConfig {
        cleanup: CleanupPolicy::COMPACT,
        retention_ms: 0,
        retention_bytes: 0,
        segment_bytes: 200,
        ..small()
    };
    let log = bed.open("t-0", &new_log(config));
    for _ in 0..4 {
        let mut builder = ottla::record::BatchBuilder::new(0);
        builder.append(now(), Some(b"k"), Some(&[7; 60]), &[]);
        append(&log, builder.build().expect("a batch")).await;
    }
    log.set_high_watermark(4);
    let segments = log.segment_count();
    assert!(segments > 1);
    assert_eq!(log.delete_old_segments().await.expect("none"), 0);
    log.increment_start_offset(4).await.expect("raised");
    assert_eq!(log.delete_old_segments().await.expect("all but the newest"), segments - 1);
}

#[tokio::test]
async fn the_start_offset_goes_up_to_the_high_watermark_and_never_down() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    append(&log, batch(10, 10, now())).await;
    log.set_high_watermark(6);
    assert!(matches!(log.increment_start_offset(7).await, Err(LogError::OffsetOutOfRange { .. })));
    log.increment_start_offset(6).await.expect("raised");
    log.increment_start_offset(2).await.expect("no-op");
    assert_eq!((log.start_offset(), log.epoch_start(0)), (6, Some(6)));
}

#[tokio::test]
async fn a_truncation_over_segments_leaves_what_is_below() {
    let bed = Bed::real();
    for to in [0, 1, 7, 29, 30, 59] {
        let name = format!("t-{to}");
        let log = bed.open(&name, &new_log(LogConfig { segment_bytes: 1000, index_interval_bytes: 300, ..small() }));
        for _ in 0..60 {
            append(&log, batch(1, 100, now())).await;
        }
        log.set_high_watermark(60);
        let before = rows(&log, 0);
        assert!(log.truncate_to(to).await.expect("cut"));
        assert!(!log.truncate_to(60).await.expect("nothing there"));
        assert_eq!((log.leo(), log.high_watermark()), (to, to));
        assert_eq!(rows(&log, 0), before[..to as usize]);
        for _ in 0..20 {
            append(&log, batch(1, 90, now())).await;
        }
        let after = rows(&log, 0);
        assert_eq!(after.len(), to as usize + 20);
        log.close_clean().await.expect("closed");
        assert_eq!(rows(&bed.open(&name, &reopen(small(), true)), 0), after);
        assert_eq!(rows(&bed.open(&name, &reopen(small(), false)), 0), after);
    }
}

#[tokio::test]
async fn a_truncation_within_a_batch_takes_the_whole_batch() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    append(&log, batch(5, 10, now())).await;
    append(&log, batch(5, 10, now())).await;
    log.truncate_to(7).await.expect("cut");
    assert_eq!((log.leo(), rows(&log, 0).len()), (7, 5), "as in Kafka: the end is 7, the records end at 4");
}

#[tokio::test]
async fn a_log_can_start_anew_anywhere() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    append(&log, sequenced(1, 0, 0, 5, false)).await;
    log.truncate_fully_and_start_at(100).await.expect("anew");
    assert_eq!((log.start_offset(), log.leo(), log.high_watermark(), log.latest_epoch()), (100, 100, 100, None));
    assert_eq!(log.producers().await, []);
    assert_eq!(append(&log, batch(2, 1, now())).await.first_offset, 100);
    log.close_clean().await.expect("closed");
    let log = bed.open("t-0", &reopen(small(), true));
    assert_eq!((log.start_offset(), log.leo()), (100, 102));
}

#[tokio::test]
async fn timestamps_find_the_first_record_at_or_after_them() {
    let bed = Bed::real();
    let config = LogConfig { segment_bytes: 700, index_interval_bytes: 150, ..small() };
    let log = bed.open("t-0", &new_log(config));
    let base = now() - 100_000;
    // out of order on purpose
    let times = [0, 10, 5, 20, 15, 40, 30, 60, 55, 70, 65, 90];
    for t in times {
        append(&log, batch(1, 50, base + t)).await;
    }
    assert!(log.segment_count() > 1);
    for asked in -5..=95 {
        let expected = times.iter().position(|t| *t >= asked).map(|i| i as i64);
        let found = log.offset_for_timestamp(base + asked).await.expect("a lookup");
        assert_eq!(found.map(|f| f.offset), expected, "{asked}");
    }
    let max = log.max_timestamp().await.expect("a lookup").expect("there is one");
    assert_eq!((max.timestamp, max.offset, max.leader_epoch), (base + 90, 11, Some(0)));
    log.set_high_watermark(12);
    log.increment_start_offset(4).await.expect("raised");
    assert_eq!(log.offset_for_timestamp(base).await.expect("a lookup").map(|f| f.offset), Some(4));
}

#[tokio::test]
async fn list_offsets_of_version_0_gives_segment_bases_and_the_end_descending() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(LogConfig { segment_bytes: 200, ..small() }));
    for _ in 0..4 {
        append(&log, batch(1, 100, now())).await;
    }
    assert_eq!(log.legacy_offsets_before(-1, 10).expect("a list"), [4, 3, 2, 1, 0]);
    assert_eq!(log.legacy_offsets_before(-1, 1).expect("a list"), [4]);
    assert_eq!(log.legacy_offsets_before(-2, 10).expect("a list"), [0]);
    assert!(log.legacy_offsets_before(5, 10).expect("a list").is_empty());
}

#[tokio::test]
async fn a_follower_refuses_what_starts_below_its_end_and_takes_gaps() {
    let bed = Bed::real();
    let leader = bed.open("t-0", &new_log(small()));
    for _ in 0..3 {
        append(&leader, batch(2, 10, now())).await;
    }
    let bytes: bytes::Bytes = all_bytes(&leader).into();
    let one = bytes.len() / 3;
    let follower = bed.open("t-1", &new_log(small()));
    // a cut batch at the end is left for the next fetch
    let done = follower.lock().await.append_follower(bytes.slice(..one + 20), 0).await.expect("appended");
    assert_eq!((done.last_offset, follower.leo()), (1, 2));
    let below = follower.lock().await.append_follower(bytes.clone(), 0).await.expect_err("refused");
    assert!(matches!(below, ottla::log::AppendError::UnexpectedOffset { first: 0, .. }));
    follower.lock().await.append_follower(bytes.slice(2 * one..), 0).await.expect("a gap, as compaction leaves");
    assert_eq!(rows(&follower, 0).iter().map(|r| r.0).collect::<Vec<_>>(), [0, 1, 4, 5]);
    assert_eq!(rows(&follower, 2).iter().map(|r| r.0).collect::<Vec<_>>(), [4, 5]);
    let mut bad = bytes.to_vec();
    bad[one - 1] ^= 1;
    let third = bed.open("t-2", &new_log(small()));
    let corrupt = third.lock().await.append_follower(bad.into(), 0).await.expect_err("refused");
    assert_eq!(corrupt.code(), ottla::base::ErrorCode::CorruptMessage);
    assert_eq!(third.leo(), 0);
}

#[tokio::test]
async fn sizes_between_offsets_are_exact_at_the_tail() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    let one = batch(1, 50, now()).len() as u64;
    for _ in 0..10 {
        append(&log, batch(1, 50, now())).await;
    }
    for from in 0..10 {
        for to in from..=10 {
            assert_eq!(log.size_between(from, to), one * (to - from) as u64);
        }
    }
}

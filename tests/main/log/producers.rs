//! Idempotence and transactions: duplicates, gaps, epochs, wraps, markers, the last stable offset, snapshots.

use bytes::Bytes;
use ottla::base::ErrorCode;
use ottla::log::producers::{BatchFacts, Marker, OpenTxns, Origin, Outcome, Producers, snapshot};
use ottla::log::{AbortedTxn, ReadRequest};
use ottla::record::{EndTxnMarker, builder};

use super::support::*;

fn data(epoch: i16, first_sequence: i32, count: i32, offset: i64) -> BatchFacts {
    let last_sequence = ((i64::from(first_sequence) + i64::from(count) - 1) % (1 << 31)) as i32;
    BatchFacts {
        producer_id: 1,
        epoch,
        first_sequence,
        last_sequence,
        first_offset: offset,
        last_offset: offset + i64::from(count) - 1,
        timestamp: 1000 + offset,
        transactional: false,
        control: false,
        marker: None,
    }
}

fn marker(epoch: i16, coordinator_epoch: i32, offset: i64) -> BatchFacts {
    let marker = Some(Marker { commit: true, coordinator_epoch });
    BatchFacts {
        control: true,
        transactional: true,
        marker,
        first_sequence: -1,
        last_sequence: -1,
        ..data(epoch, 0, 1, offset)
    }
}

fn check(producers: &Producers, batch: &BatchFacts) -> Result<Outcome, ErrorCode> {
    producers.check(batch, Origin::Client, false, None, None).map_err(|e| e.code())
}

#[test]
fn the_last_five_batches_are_known_as_duplicates_and_older_ones_are_out_of_order() {
    let mut producers = Producers::new(0);
    for i in 0..7 {
        let batch = data(0, i * 10, 10, i64::from(i) * 10);
        assert_eq!(check(&producers, &batch), Ok(Outcome::Append));
        producers.apply(&batch);
    }
    for i in 0..7 {
        let again = check(&producers, &data(0, i * 10, 10, 70));
        match i < 2 {
            true => assert_eq!(again, Err(ErrorCode::OutOfOrderSequenceNumber)),
            false => {
                let first_offset = i64::from(i) * 10;
                let expected =
                    Outcome::Duplicate { first_offset, last_offset: first_offset + 9, timestamp: 1000 + first_offset };
                assert_eq!(again, Ok(expected));
            }
        }
    }
    // part of a known batch is not that batch
    assert_eq!(check(&producers, &data(0, 60, 5, 70)), Err(ErrorCode::OutOfOrderSequenceNumber));
}

#[test]
fn sequences_leave_no_gap_and_wrap_to_zero() {
    let mut producers = Producers::new(0);
    producers.apply(&data(0, i32::MAX - 4, 3, 0));
    assert_eq!(check(&producers, &data(0, i32::MAX, 1, 3)), Err(ErrorCode::OutOfOrderSequenceNumber));
    let wrapping = data(0, i32::MAX - 1, 5, 3); // 2^31-2, 2^31-1, 0, 1, 2
    assert_eq!(wrapping.last_sequence, 2);
    assert_eq!(check(&producers, &wrapping), Ok(Outcome::Append));
    producers.apply(&wrapping);
    assert_eq!(check(&producers, &data(0, 3, 1, 8)), Ok(Outcome::Append));
    let again = check(&producers, &wrapping);
    assert_eq!(again, Ok(Outcome::Duplicate { first_offset: 3, last_offset: 7, timestamp: 1003 }));
    let mut producers = Producers::new(0);
    producers.apply(&data(0, i32::MAX, 1, 0));
    assert_eq!(check(&producers, &data(0, 0, 1, 1)), Ok(Outcome::Append));
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old() {
    let mut producers = Producers::new(0);
    assert_eq!(check(&producers, &data(3, 17, 1, 0)), Ok(Outcome::Append), "unknown producers start anywhere");
    producers.apply(&data(3, 17, 1, 0));
    assert_eq!(check(&producers, &data(4, 5, 1, 1)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(check(&producers, &data(4, 0, 1, 1)), Ok(Outcome::Append));
    producers.apply(&data(4, 0, 1, 1));
    assert_eq!(check(&producers, &data(3, 18, 1, 2)), Err(ErrorCode::InvalidProducerEpoch));
    let replicated = producers.check(&data(3, 18, 1, 2), Origin::Replication, false, None, None);
    assert_eq!(replicated, Ok(Outcome::Append));
}

#[test]
fn an_unknown_producer_starts_at_what_is_awaited_from_it() {
    let mut producers = Producers::new(0);
    let check = |p: &Producers, sequence| {
        p.check(&data(0, sequence, 1, 0), Origin::Client, false, None, Some(3)).map_err(|e| e.code())
    };
    assert_eq!(check(&producers, 4), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(check(&producers, 3), Ok(Outcome::Append));
    assert_eq!(check(&producers, 2), Ok(Outcome::Append));
    producers.apply(&data(0, 7, 1, 0));
    assert_eq!(check(&producers, 8), Ok(Outcome::Append), "known by now");
}

#[test]
fn markers_of_an_older_coordinator_are_fenced() {
    let mut producers = Producers::new(0);
    producers.apply(&BatchFacts { transactional: true, ..data(0, 0, 1, 0) });
    let (_, completed) = producers.apply(&marker(0, 5, 1));
    assert_eq!(completed.map(|c| (c.first_offset, c.last_offset, c.aborted)), Some((0, 1, false)));
    let check = |m| producers.check(&m, Origin::Coordinator, false, None, None).map_err(|e| e.code());
    assert_eq!(check(marker(0, 4, 2)), Err(ErrorCode::TransactionCoordinatorFenced));
    assert_eq!(check(marker(0, 5, 2)), Ok(Outcome::Append));
    // a marker takes no sequence number
    assert_eq!(producers.check(&data(0, 1, 1, 2), Origin::Client, false, None, None), Ok(Outcome::Append));
}

#[test]
fn plain_batches_are_refused_while_a_transaction_is_open() {
    let mut producers = Producers::new(0);
    producers.apply(&BatchFacts { transactional: true, ..data(0, 0, 1, 0) });
    assert_eq!(check(&producers, &data(0, 1, 1, 1)), Err(ErrorCode::InvalidTxnState));
    let next = BatchFacts { transactional: true, ..data(0, 1, 1, 1) };
    assert_eq!(check(&producers, &next), Ok(Outcome::Append));
}

#[test]
fn an_unverified_transaction_is_refused_and_a_verified_one_taken_once() {
    let mut producers = Producers::new(0);
    let first = BatchFacts { transactional: true, ..data(0, 0, 1, 0) };
    let check = |p: &Producers, b, guard| p.check(&b, Origin::Client, true, guard, None).map_err(|e| e.code());
    assert_eq!(check(&producers, first, None), Err(ErrorCode::InvalidTxnState));
    let guard = producers.start_verification(1, 0, 0, 0);
    assert!(guard.is_some());
    assert_eq!(producers.start_verification(1, 0, 0, 0), guard, "the same until it is used");
    assert_eq!(check(&producers, first, guard), Ok(Outcome::Append));
    let later = BatchFacts { transactional: true, ..data(0, 4, 1, 0) };
    assert_eq!(check(&producers, later, guard), Err(ErrorCode::OutOfOrderSequenceNumber));
    producers.apply(&first);
    assert_eq!(producers.start_verification(1, 1, 0, 0), None, "open: no need");
    producers.apply(&marker(0, 0, 1));
    let next = BatchFacts { transactional: true, ..data(0, 1, 1, 2) };
    assert_eq!(check(&producers, next, guard), Err(ErrorCode::InvalidTxnState), "the guard is spent");
}

#[test]
fn silent_producers_are_forgotten_but_not_with_an_open_transaction() {
    let mut producers = Producers::new(0);
    producers.apply(&data(0, 0, 1, 0));
    producers.apply(&BatchFacts { producer_id: 2, transactional: true, ..data(0, 0, 1, 1) });
    producers.expire(100_000, 50_000);
    assert_eq!(producers.summaries().iter().map(|s| s.producer_id).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_snapshot_is_the_recorded_one_and_reads_back() {
    let expected = "0001278882160000000100000000000003e8000000000001000000000000000b000000010000018bcfe56805ffffffffffffffffffffffff";
    let mut producers = Producers::new(0);
    producers.apply(&BatchFacts {
        producer_id: 1000,
        timestamp: 1_700_000_000_005,
        last_sequence: 1,
        ..data(0, 0, 2, 10)
    });
    let bytes = snapshot::write(&producers);
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, expected);
    let read = snapshot::read(&bytes, 12, 1_700_000_000_005, 1000).expect("parses");
    assert_eq!((read.summaries(), read.end()), (producers.summaries(), 12));
    for i in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[i] ^= 0x10;
        assert!(snapshot::read(&bad, 12, 0, 1000).is_err(), "byte {i}");
        assert!(snapshot::read(&bytes[..i], 12, 0, 1000).is_err(), "cut at {i}");
    }
}

#[test]
fn the_first_unstable_offset_waits_for_the_markers_replication() {
    let mut txns = OpenTxns::default();
    txns.begin(5, 1);
    txns.begin(7, 2);
    assert_eq!(txns.first_unstable(), Some(5));
    assert_eq!(txns.end(5, 9, 1), 7, "the next open one of another producer");
    assert_eq!(txns.first_unstable(), Some(5), "its marker is not replicated");
    txns.replicated(9);
    assert_eq!(txns.first_unstable(), Some(5));
    txns.replicated(10);
    assert_eq!(txns.first_unstable(), Some(7));
    assert_eq!(txns.end(7, 12, 2), 13);
    txns.replicated(13);
    assert_eq!(txns.first_unstable(), None);
}

fn end(id: i64, epoch: i16, commit: bool) -> Bytes {
    let marker = EndTxnMarker { commit, coordinator_epoch: 0 };
    builder::marker(0, 0, now(), id, epoch, marker)
}

#[tokio::test]
async fn duplicates_get_their_first_offsets_also_after_a_restart() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    append(&log, batch(5, 10, now())).await;
    let first = append(&log, sequenced(9, 0, 0, 3, false)).await;
    let again = append(&log, sequenced(9, 0, 0, 3, false)).await;
    assert!(again.duplicate && !first.duplicate);
    assert_eq!((again.first_offset, again.last_offset), (5, 7));
    assert_eq!(log.leo(), 8);
    log.close_clean().await.expect("closed");
    for clean in [true, false] {
        let log = bed.open("t-0", &reopen(small(), clean));
        let again = append(&log, sequenced(9, 0, 0, 3, false)).await;
        assert_eq!((again.duplicate, again.first_offset, log.leo()), (true, 5, 8));
        let gap = log.lock().await.append_leader(client(sequenced(9, 0, 4, 1, false), 0)).await;
        assert_eq!(gap.expect_err("a gap").code(), ErrorCode::OutOfOrderSequenceNumber);
    }
}

#[tokio::test]
async fn aborted_transactions_are_listed_and_the_stable_offset_moves() {
    let bed = Bed::real();
    bed.home.shared().verify_transactions.store(false, std::sync::atomic::Ordering::Relaxed);
    let log = bed.open("t-0", &new_log(small()));
    append(&log, sequenced(1, 0, 0, 2, true)).await; // 0..2
    append(&log, sequenced(2, 0, 0, 2, true)).await; // 2..4
    log.set_high_watermark(4);
    assert_eq!(log.last_stable_offset(), 0);
    log.lock().await.append_leader(coordinator(end(1, 0, false), 0)).await.expect("a marker"); // 4
    assert_eq!(log.last_stable_offset(), 0, "the marker is not replicated");
    log.set_high_watermark(5);
    assert_eq!(log.last_stable_offset(), 2);
    log.lock().await.append_leader(coordinator(end(2, 0, true), 0)).await.expect("a marker"); // 5
    log.set_high_watermark(6);
    assert_eq!(log.last_stable_offset(), 6);
    let request = ReadRequest { offset: 0, max_bytes: 1 << 20, min_one_message: true, upper: 6, aborted: true };
    let aborted = [AbortedTxn { producer_id: 1, first_offset: 0 }];
    assert_eq!(log.read_blocking(request).expect("a read").aborted, aborted);
    let after = ReadRequest { offset: 5, ..request };
    assert_eq!(log.read_blocking(after).expect("a read").aborted, []);
    log.close_clean().await.expect("closed");
    for clean in [true, false] {
        let log = bed.open("t-0", &reopen(small(), clean));
        assert_eq!(log.read_blocking(request).expect("a read").aborted, aborted, "clean {clean}");
    }
}

#[tokio::test]
async fn a_truncation_takes_the_producer_state_back() {
    let bed = Bed::real();
    bed.home.shared().verify_transactions.store(false, std::sync::atomic::Ordering::Relaxed);
    let log = bed.open("t-0", &new_log(small()));
    append(&log, sequenced(1, 0, 0, 2, true)).await; // 0..2
    append(&log, sequenced(1, 0, 2, 2, true)).await; // 2..4
    log.lock().await.append_leader(coordinator(end(1, 0, false), 0)).await.expect("a marker"); // 4
    assert!(log.truncate_to(4).await.expect("cut"));
    assert!(log.has_ongoing_transaction(1, 0).await);
    assert!(log.truncate_to(2).await.expect("cut"));
    let again = append(&log, sequenced(1, 0, 2, 2, true)).await;
    assert_eq!((again.duplicate, again.first_offset), (false, 2));
    assert!(log.truncate_to(0).await.expect("cut"));
    assert!(!log.has_ongoing_transaction(1, 0).await);
    assert_eq!(log.producers().await, []);
}

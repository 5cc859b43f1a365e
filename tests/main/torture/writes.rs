//! Writes that are lost, doubled, moved, in the wrong order, or nobody's.

use super::history::{Act, Batch, BatchKind, End, Outcome, Sight, Step, What};
use super::judge::Check;
use super::made::*;

fn v(number: u32) -> super::history::Value {
    value(IDEM, number)
}

#[test]
fn acknowledged_write_that_is_not_there_is_lost() {
    let made = |end: &[_]| {
        let mut made = Made::new();
        made.sent(v(0), 0).sent(v(1), 1).polled(READER, &[(0, v(0))]).there(end);
        made
    };
    let whole = [(0, v(0)), (1, v(1))];
    let finding = made(&whole[..1]).assert_only(Check::LostWrite, 1);
    assert_eq!(
        finding.to_string(),
        "lost-write t0-0 offset 1: 1:1, acknowledged to idem at 0.000105 s, is not there in the end (events 10, 13)"
    );
    let mut seen = made(&whole);
    seen.polled(READER, &whole[1..]).assert_clean();
}

#[test]
fn write_whose_offset_nobody_told_is_lost_by_its_value() {
    let made = |end: &[_]| {
        let mut made = Made::new();
        let untold = super::history::Send { offset: None, ..ok(v(0), 0) };
        made.add(IDEM, What::Send(untold)).there(end);
        made
    };
    made(&[]).assert_only(Check::LostWrite, None);
    made(&[(0, v(0))]).assert_clean();
}

#[test]
fn write_that_failed_or_is_in_doubt_may_be_missing_and_one_in_doubt_may_be_there() {
    let mut made = Made::new();
    let failed = Outcome::Failed("not enough replicas".into());
    made.add(IDEM, What::Send(sending(v(0), failed))).add(IDEM, What::Send(sending(v(1), unknown())));
    made.add(IDEM, What::Send(sending(v(2), unknown()))).there(&[(0, v(2))]).assert_clean();
}

#[test]
fn write_answered_for_another_that_its_client_had_thrown_away_is_that_clients_fault() {
    let made = |why: &str| {
        let thrown_away = super::history::Send { outcome: Outcome::Unknown(why.into()), offset: None, ..ok(v(0), 0) };
        let mut made = Made::new();
        made.add(IDEM, What::Send(thrown_away)).sent(v(1), 0).polled(READER, &[(0, v(0))]).there(&[(0, v(0))]);
        made
    };
    made("PurgeQueue").assert_excused(&[Check::LostWrite, Check::TwoValues]);
    let in_doubt = std::panic::catch_unwind(|| made("timed out").assert_excused(&[Check::LostWrite, Check::TwoValues]));
    assert!(in_doubt.is_err(), "what may have been sent has its number");
}

#[test]
fn every_write_of_a_committed_transaction_is_there_and_of_one_in_doubt_all_or_none() {
    let made = |end: End, there: &[_]| {
        let mut made = Made::new();
        let steps = vec![Step::Send(ok(value(TXN, 0), 0)), Step::Send(ok(value(TXN, 1), 1))];
        made.txn(TXN, steps, end).there(there);
        made
    };
    let (one, both) = ([(0, value(TXN, 0))], [(0, value(TXN, 0)), (1, value(TXN, 1))]);
    made(End::Committed, &one).assert_only(Check::LostWrite, 1);
    made(End::Unknown("timed out".into()), &one).assert_only(Check::LostWrite, 1);
    made(End::Committed, &both).assert_clean();
    made(End::Unknown("timed out".into()), &both).assert_clean();
    made(End::Unknown("timed out".into()), &[]).assert_clean();
    made(End::Aborted, &[]).assert_clean();
}

#[test]
fn deleted_topic_has_nothing_to_lose_and_a_live_one_must_be_looked_at() {
    let mut made = Made::new();
    made.sent(v(0), 0).assert_only(Check::Harness, None);
    made.act(Act::Deleted { topic: 0, outcome: Outcome::Ok }).assert_clean();
}

#[test]
fn offset_with_two_values_is_found_between_readers_between_reports_and_between_both() {
    let mut readers = Made::new();
    readers.sent(v(0), 0).sent(v(1), 1);
    readers.polled(READER, &[(0, v(0)), (1, v(1))]).polled(RAW, &[(0, v(0))]).there(&[(0, v(0)), (1, v(1))]);
    readers.assert_clean();
    // Another value of a plain producer, which may be there twice.
    let p = |number| value(PLAIN, number);
    let mut readers = Made::new();
    readers.sent(p(0), 0).sent(p(1), 1).polled(READER, &[(0, p(0)), (1, p(1))]).polled(RAW, &[(0, p(1))]);
    readers.there(&[(0, p(0)), (1, p(1))]);
    let finding = readers.assert_only(Check::TwoValues, 0);
    assert_eq!(finding.text, "it is 0:0 for reader, and 0:1 for raw");
    let mut reports = Made::new();
    reports.sent(p(0), 0).sent(p(1), 0).there(&[(0, p(0)), (1, p(1))]);
    reports.assert_only(Check::TwoValues, 0);
    let mut reader = Made::new();
    reader.sent(p(0), 0).sent(p(1), 1).polled(READER, &[(0, p(1)), (1, p(1))]);
    reader.there(&[(0, p(0)), (1, p(1))]);
    let counts: Vec<_> = super::judge::judge(&reader.history).counts().keys().copied().collect();
    assert_eq!(counts, [Check::TwoValues, Check::Unseen], "and who was given another was not given this one");
}

#[test]
fn write_that_lies_elsewhere_than_acknowledged_was_moved() {
    let made = |offset| {
        let mut made = Made::new();
        made.sent(v(0), 0).sent(v(1), 1).there(&[(0, v(0)), (offset, v(1))]);
        made
    };
    made(2).assert_only(Check::Moved, 2);
    made(1).assert_clean();
}

#[test]
fn value_of_nobody_or_of_elsewhere_or_of_later_is_an_alien() {
    let made = |there: &[_]| {
        let mut made = Made::new();
        made.there(there);
        made
    };
    made(&[(0, v(0))]).assert_only(Check::Alien, 0);
    made(&[]).assert_clean();
    let mut elsewhere = Made::new();
    let doubt = super::history::Send { tp: TP1, ..sending(v(0), unknown()) };
    elsewhere.add(IDEM, What::Send(doubt)).there(&[(0, v(0))]).assert_only(Check::Alien, 0);
    let mut later = Made::new();
    later.polled(READER, &[(0, v(0))]).sent(v(0), 0).there(&[(0, v(0))]).assert_only(Check::Alien, 0);
}

#[test]
fn value_of_an_idempotent_producer_that_is_there_twice_is_a_duplicate_and_of_a_plain_one_is_not() {
    let made = |by, batches: Option<[i16; 2]>| {
        let mut made = Made::new();
        made.sent(value(by, 0), 0).there(&[(0, value(by, 0)), (1, value(by, 0))]);
        if let Some(epochs) = batches {
            let batch = |(offset, epoch)| batch(offset, 1, 7, epoch, 0);
            made.saw(Sight::Batches { tp: TP, batches: (0..).zip(epochs).map(batch).collect() });
        }
        made
    };
    made(IDEM, None).assert_only(Check::Duplicate, 1);
    made(PLAIN, None).assert_clean();
    made(IDEM, Some([0, 1])).assert_excused(&[Check::Duplicate]);
}

fn batch(offset: i64, count: u32, producer: i64, epoch: i16, sequence: i32) -> Batch {
    Batch { offset, count, leader_epoch: 0, producer, epoch, sequence, kind: BatchKind::Plain }
}

#[test]
fn sequence_numbers_of_a_log_follow_each_other_for_each_producer_and_epoch() {
    let made = |batches: Vec<Batch>| {
        let mut made = Made::new();
        made.saw(Sight::Batches { tp: TP, batches });
        made
    };
    let marker = Batch { kind: BatchKind::Commit, sequence: -1, ..batch(4, 1, 7, 0, -1) };
    let other = Batch { producer: -1, sequence: -1, ..batch(5, 3, 0, -1, -1) };
    made(vec![batch(0, 2, 7, 0, 0), batch(2, 2, 7, 0, 2), marker, other, batch(8, 1, 7, 0, 4), batch(9, 1, 7, 1, 0)])
        .assert_clean();
    made(vec![batch(0, i32::MAX as u32, 7, 0, 0), batch(1 << 31, 3, 7, 0, i32::MAX), batch(1 << 32, 1, 7, 0, 2)])
        .assert_clean();
    made(vec![batch(0, 2, 7, 0, 0), batch(2, 2, 7, 0, 0)]).assert_only(Check::Sequence, 2);
    made(vec![batch(0, 2, 7, 0, 0), batch(2, 2, 7, 0, 4)]).assert_only(Check::Sequence, 2);
    made(vec![batch(0, 2, 7, 0, 1)]).assert_only(Check::Sequence, 0);
}

#[test]
fn idempotent_producer_s_writes_lie_in_the_order_they_were_sent() {
    let made = |by, there: [u32; 2]| {
        let mut made = Made::new();
        made.sent(value(by, 0), i64::from(there[0])).sent(value(by, 1), i64::from(there[1]));
        let mut end = [(i64::from(there[0]), value(by, 0)), (i64::from(there[1]), value(by, 1))];
        end.sort();
        made.there(&end);
        made
    };
    made(IDEM, [0, 1]).assert_clean();
    made(PLAIN, [1, 0]).assert_clean();
    made(IDEM, [1, 0]).assert_only(Check::NonmonotonicSend, 1);
}

#[test]
fn order_inside_a_transaction_has_a_finding_of_its_own_and_a_skip_there_is_usual() {
    let made = |offsets: [i64; 2]| {
        let mut made = Made::new();
        made.sent(v(0), 1);
        let steps = vec![Step::Send(ok(value(TXN, 0), offsets[0])), Step::Send(ok(value(TXN, 1), offsets[1]))];
        let mut end = vec![(offsets[0], value(TXN, 0)), (1, v(0)), (offsets[1], value(TXN, 1))];
        end.sort();
        made.txn(TXN, steps, End::Committed).there(&end);
        made
    };
    made([2, 3]).assert_clean();
    made([0, 2]).assert_allowed(Check::InternalSendSkip);
    made([3, 2]).assert_only(Check::InternalNonmonotonicSend, 3);
}

#[test]
fn value_that_is_sent_twice_is_the_harness_s_own_fault() {
    let mut made = Made::new();
    made.sent(v(0), 0).sent(v(0), 0).there(&[(0, v(0))]).assert_only(Check::Harness, None);
}

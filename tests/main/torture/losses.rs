//! What may be lost: at or above a recorded cut, before it, and nothing else. And the page of a finding.

use super::history::{Act, Batch, BatchKind, Cause, End, Fault, Isolation, Sight, Step, What};
use super::judge::{Check, Excuse, judge, page};
use super::made::*;

fn v(number: u32) -> super::history::Value {
    value(IDEM, number)
}

/// Three written, two of them read; then offsets from `from` on may be lost.
fn cut(from: i64, cause: Cause) -> Made {
    let mut made = Made::new();
    made.sent(v(0), 0).sent(v(1), 1).sent(v(2), 2).polled(READER, &[(0, v(0)), (1, v(1))]);
    made.act(Act::MayLose { tp: TP, from, cause });
    made
}

#[test]
fn write_above_a_cut_may_be_lost_and_its_offset_gets_another_value() {
    for cause in [Cause::UncleanElection, Cause::AllLostPower] {
        let mut made = cut(1, cause);
        made.sent(v(3), 1).polled(RAW, &[(0, v(0)), (1, v(3))]).there(&[(0, v(0)), (1, v(3))]);
        made.assert_excused(&[Check::LostWrite, Check::LostWrite]);
        let verdict = judge(&made.history);
        assert_eq!(verdict.excused_counts().get(&(Check::LostWrite, Excuse::Loss(cause))), Some(&2));
    }
}

#[test]
fn write_below_a_cut_or_after_it_may_not_be_lost() {
    let mut below = cut(3, Cause::UncleanElection);
    below.there(&[(0, v(0)), (1, v(1))]).assert_only(Check::LostWrite, 2);
    let mut after = cut(1, Cause::UncleanElection);
    after.sent(v(3), 1).sent(v(4), 2).polled(RAW, &[(0, v(0)), (1, v(3))]).there(&[(0, v(0)), (1, v(3))]);
    let verdict = judge(&after.history);
    assert_eq!(
        verdict.findings.iter().map(|finding| (finding.check, finding.offset)).collect::<Vec<_>>(),
        [(Check::LostWrite, Some(2))]
    );
    assert_eq!(verdict.to_string(), "1 lost-write (excused: 2 lost-write)");
}

#[test]
fn transaction_whose_coordinator_lost_power_may_be_lost_below_the_cut_too() {
    let made = |cause| {
        let mut made = Made::new();
        made.txn(TXN, vec![Step::Send(ok(value(TXN, 0), 0))], End::Committed);
        made.act(Act::MayLose { tp: TP, from: 5, cause }).there(&[]);
        made
    };
    made(Cause::AllLostPower).assert_excused(&[Check::LostWrite]);
    made(Cause::UncleanElection).assert_only(Check::LostWrite, 0);
}

#[test]
fn aborted_record_may_be_read_when_its_marker_went_with_all_power() {
    let made = |cause| {
        let mut made = Made::new();
        made.txn(TXN, vec![Step::Send(ok(value(TXN, 0), 0))], End::Aborted);
        made.act(Act::MayLose { tp: TP, from: 5, cause });
        made.polled(READER, &[(0, value(TXN, 0))]).there(&[(0, value(TXN, 0))]);
        made
    };
    assert!(found(&made(Cause::AllLostPower), Check::AbortedRead).is_empty());
    assert_eq!(found(&made(Cause::UncleanElection), Check::AbortedRead).first(), Some(&Some(0)));
}

/// A marker that went leaves its transaction open for good: who reads what is committed reads no further.
#[test]
fn write_behind_a_transaction_whose_marker_went_may_be_hidden() {
    let made = |cut_after: bool, marker: bool, is_there: bool| {
        let mut made = Made::new();
        let cut = Act::MayLose { tp: TP, from: 1, cause: Cause::UncleanElection };
        if !cut_after {
            made.act(cut.clone());
        }
        made.txn(TXN, vec![Step::Send(ok(value(TXN, 0), 0))], End::Aborted);
        if cut_after {
            made.act(cut);
        }
        made.sent(v(1), 2);
        let batch =
            |offset, producer, kind| Batch { offset, count: 1, leader_epoch: 0, producer, epoch: 0, sequence: 0, kind };
        let end = if marker { vec![batch(1, 7, BatchKind::Abort)] } else { Vec::new() };
        let batches = [vec![batch(0, 7, BatchKind::Transactional)], end, vec![batch(2, 8, BatchKind::Plain)]].concat();
        let there = [(0, value(TXN, 0)), (2, v(1))];
        made.there_for(Isolation::ReadUncommitted, if is_there { &there } else { &there[..1] });
        made.there_for(Isolation::ReadCommitted, &[]).saw(Sight::Batches { tp: TP, batches });
        found(&made, Check::LostWrite)
    };
    assert!(made(true, false, true).is_empty());
    assert_eq!(made(false, false, true), [Some(2)], "nothing was lost after it");
    assert_eq!(made(true, true, true), [Some(2)], "its marker is there");
    assert_eq!(made(true, false, false), [Some(2)], "it is not only hidden");
}

/// The places of what is not excused.
fn found(made: &Made, check: Check) -> Vec<Option<i64>> {
    judge(&made.history)
        .findings
        .iter()
        .filter(|finding| finding.check == check)
        .map(|finding| finding.offset)
        .collect()
}

#[test]
fn reader_of_committed_data_is_given_less_when_what_committed_it_went_with_all_power() {
    let all = [(0, v(0)), (1, v(1)), (2, v(2))];
    let made = |reader, cause| {
        let mut made = cut(9, cause);
        made.polled(RAW, &all).polled(READER, &all[2..]).add(reader, What::Seek { tp: TP, to: 0 });
        made.polled(reader, &[all[0], all[2]]).there(&[all[0], all[2]]);
        found(&made, Check::InternalPollSkip)
    };
    assert!(made(READER, Cause::AllLostPower).is_empty());
    assert_eq!(made(READER, Cause::UncleanElection), [Some(1)]);
    assert_eq!(made(RAW, Cause::AllLostPower), [Some(1)], "who reads everything needs no marker");
}

#[test]
fn offset_has_one_value_before_a_cut_and_one_after_it() {
    let mut made = cut(1, Cause::AllLostPower);
    made.sent(v(3), 1).polled(RAW, &[(0, v(0)), (1, v(1))]).there(&[(0, v(0)), (1, v(3))]);
    let verdict = judge(&made.history);
    assert_eq!(
        verdict.findings.iter().map(|finding| (finding.check, finding.offset)).collect::<Vec<_>>(),
        [(Check::TwoValues, Some(1)), (Check::Unseen, Some(1))]
    );
}

#[test]
fn reader_above_a_cut_may_be_refused_and_go_back() {
    let mut made = cut(1, Cause::UncleanElection);
    made.add(READER, What::Refused { tp: TP, offset: 2, why: "log truncation".into() });
    made.polled(READER, &[(0, v(0))]).there(&[(0, v(0))]);
    made.assert_excused(&[Check::LostWrite, Check::LostWrite, Check::Refused]);
    let mut made = cut(1, Cause::UncleanElection);
    made.polled(READER, &[(0, v(0))]).there(&[(0, v(0))]);
    made.assert_excused(&[Check::LostWrite, Check::LostWrite, Check::NonmonotonicPoll]);
}

#[test]
fn page_shows_the_events_of_a_finding_and_faults_and_neighbours_around_it() {
    let mut made = Made::new();
    made.sent(v(0), 0);
    made.add(DRIVER, What::Fault(Box::new(Fault { name: "kill".into(), whom: "broker 2".into() })));
    made.sent(v(1), 1);
    for n in 2..200 {
        made.sent(v(n), i64::from(n));
    }
    let there: Vec<_> = (0..200).filter(|n| *n != 1).map(|n| (i64::from(n), v(n))).collect();
    made.polled(READER, &there).there(&there);
    let finding = made.assert_only(Check::LostWrite, 1);
    let page = page(&made.history, &finding);
    assert!(page.contains("FAULT kill: broker 2"), "{page}");
    assert!(page.contains("* ") && page.contains("idem: sent 1:1 to t0-0 at 1: Ok"), "{page}");
    assert!(page.contains("reader: polled t0-0 0 to 199, of it (0 1:0) (2 1:2) (3 1:3) (4 1:4)"), "{page}");
    assert!(page.contains("driver: found 199 records in t0-0, the last at 199 (ReadCommitted)"), "{page}");
    assert!(!page.contains("sent 1:50"), "{page}");
    assert!(page.lines().count() < 75, "{page}");
}

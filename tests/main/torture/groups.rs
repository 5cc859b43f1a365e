//! Groups whose offsets go back, that skip, process twice, or obey a member of yesterday.

use super::history::{End, Fault, Outcome, Step, Txn, What};
use super::judge::Check;
use super::made::*;

fn v(number: u32) -> super::history::Value {
    value(IDEM, number)
}

fn told(offset: i64) -> What {
    What::Committed(Box::new(offsets(1, offset)))
}

/// Three records that the group may read.
fn three() -> (Made, [(i64, super::history::Value); 3]) {
    let all = [(0, v(0)), (1, v(1)), (2, v(2))];
    let mut made = Made::new();
    made.sent(v(0), 0).sent(v(1), 1).sent(v(2), 2).polled(RAW, &all);
    (made, all)
}

#[test]
fn what_a_group_is_told_was_committed_and_not_overwritten() {
    let made = |answer| {
        let (mut made, all) = three();
        made.polled(MEMBER, &all[..2]).add(MEMBER, commit(1, 1, Outcome::Ok)).add(MEMBER, commit(1, 2, Outcome::Ok));
        made.add(OTHER_MEMBER, told(answer)).there(&all);
        made
    };
    made(2).assert_clean();
    made(1).assert_only(Check::GroupOffset, 1);
    made(-1).assert_only(Check::GroupOffset, -1);
    made(3).assert_only(Check::GroupOffset, 3);
}

#[test]
fn coordinator_that_was_cut_off_from_zookeeper_may_tell_what_was_committed_before() {
    let fault = |name: &str| What::Fault(Box::new(Fault { name: name.into(), whom: "it".into() }));
    let committed = || {
        let (mut made, all) = three();
        made.polled(MEMBER, &all[..2]).add(MEMBER, commit(1, 1, Outcome::Ok)).add(MEMBER, commit(1, 2, Outcome::Ok));
        (made, all)
    };
    let made = |name: &str, answer, at_once: bool| {
        let (mut made, all) = committed();
        if at_once {
            made.add(OTHER_MEMBER, told(answer)).add(DRIVER, fault(name)).meanwhile();
        } else {
            made.add(DRIVER, fault(name)).later(2_000_000).add(OTHER_MEMBER, told(answer));
        }
        made.there(&all);
        made
    };
    for fault in ["cut-zookeeper", "cut-in", "cut-out", "cut", "pause", "followers-behind"] {
        made(fault, 1, true).assert_excused(&[Check::GroupOffset]);
    }
    let woken = |stands_still: &str, after| {
        let (mut made, all) = committed();
        made.add(DRIVER, fault(stands_still)).lasting(9_000_000).add(DRIVER, fault("pause"));
        made.later(after).add(OTHER_MEMBER, told(1)).there(&all);
        made
    };
    woken("zk-pause", 4_500_000).assert_excused(&[Check::GroupOffset]);
    woken("zk-pause", 5_500_000).assert_only(Check::GroupOffset, 1);
    woken("zk-kill", 4_500_000).assert_only(Check::GroupOffset, 1);
    made("cut-zookeeper", 3, true).assert_only(Check::GroupOffset, 3);
    made("cut-controller", 1, true).assert_only(Check::GroupOffset, 1);
    made("cut-zookeeper", 1, false).assert_only(Check::GroupOffset, 1);
}

#[test]
fn commit_in_doubt_may_be_there_late_or_never_and_one_under_way_already_or_not_yet() {
    let made = |outcome: Outcome, answer, at_once: bool| {
        let (mut made, all) = three();
        made.polled(MEMBER, &all).add(MEMBER, commit(1, 1, Outcome::Ok)).add(MEMBER, commit(1, 2, outcome));
        if !at_once {
            made.add(MEMBER, commit(1, 3, Outcome::Ok));
        }
        made.add(OTHER_MEMBER, told(answer));
        if at_once {
            made.meanwhile();
        }
        made.there(&all);
        made
    };
    for answer in [1, 2] {
        made(Outcome::Ok, answer, true).assert_clean();
    }
    for answer in [2, 3] {
        made(unknown(), answer, false).assert_clean();
    }
    made(Outcome::Ok, 2, false).assert_only(Check::GroupOffset, 2);
    let (mut nothing, all) = three();
    nothing.add(MEMBER, told(-1)).polled(MEMBER, &all).there(&all).assert_clean();
}

#[test]
fn member_of_an_older_generation_does_not_commit_after_one_of_a_newer() {
    let made = |generations: [i32; 2]| {
        let (mut made, all) = three();
        made.polled(MEMBER, &all[..2]).add(MEMBER, commit(generations[0], 2, Outcome::Ok));
        made.add(OTHER_MEMBER, commit(generations[1], 2, Outcome::Ok)).there(&all);
        made
    };
    made([1, 2]).assert_clean();
    made([2, 2]).assert_clean();
    made([2, 1]).assert_only(Check::StaleCommit, 2);
}

#[test]
fn record_below_what_is_committed_was_given_to_a_member() {
    let made = |given: &[usize]| {
        let (mut made, all) = three();
        // Two members with an assignment each: neither skips by itself.
        let records: Vec<_> = given.iter().map(|n| all[*n]).collect();
        made.polled(MEMBER, &records[..1]).polled(OTHER_MEMBER, &records[1..]);
        made.add(OTHER_MEMBER, commit(1, 3, Outcome::Ok)).there(&all);
        made
    };
    made(&[0, 1, 2]).assert_clean();
    made(&[0, 2]).assert_only(Check::GroupSkip, 1);
}

#[test]
fn record_is_processed_by_one_committed_transaction_of_a_group() {
    let made = |second: std::ops::Range<usize>, end: End| {
        let (mut made, all) = three();
        for (by, read, upto, end) in [(TXN, &all[..2], 2, End::Committed), (OTHER_TXN, &all[second], 3, end)] {
            let begin = made.history.events.last().map_or(0, |event| event.end);
            let steps = vec![poll_step(read), Step::Send(ok(value(by, 0), upto + 1))];
            let txn = Txn { steps, offsets: Some(offsets(1, upto)), asked: begin + 8, end };
            made.add(by, What::Txn(Box::new(txn)));
        }
        let is_there =
            matches!(&made.history.events.last().expect("one").what, What::Txn(txn) if txn.end == End::Committed);
        let mut there = all.to_vec();
        there.push((3, value(TXN, 0)));
        made.polled(RAW, &there[3..]);
        if is_there {
            there.push((4, value(OTHER_TXN, 0)));
            made.polled(RAW, &there[4..]);
        }
        made.there(&there);
        made
    };
    made(2..3, End::Committed).assert_clean();
    made(1..3, End::Aborted).assert_clean();
    made(1..3, End::Committed).assert_only(Check::ProcessedTwice, 1);
}

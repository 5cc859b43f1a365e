//! Polls that skip, go back or stop short.

use super::history::{End, Isolation, What};
use super::judge::Check;
use super::made::*;

fn v(number: u32) -> super::history::Value {
    value(IDEM, number)
}

/// Four records, all acknowledged, all read by another and there in the end.
fn four() -> (Made, [(i64, super::history::Value); 4]) {
    let all = [(0, v(0)), (1, v(1)), (2, v(2)), (4, v(3))];
    let mut made = Made::new();
    for (offset, value) in all {
        made.sent(value, offset);
    }
    made.polled(RAW, &all);
    (made, all)
}

#[test]
fn reader_is_given_everything_in_order_and_holes_without_records_are_none() {
    let (mut made, all) = four();
    made.polled(READER, &all[..1]).polled(READER, &all[1..]).there(&all).assert_clean();
}

#[test]
fn record_that_is_passed_over_inside_a_poll_or_between_two_is_a_skip() {
    let (mut made, all) = four();
    made.polled(READER, &[all[0], all[2], all[3]]).there(&all).assert_only(Check::InternalPollSkip, 1);
    let (mut made, all) = four();
    made.polled(READER, &all[..1]).polled(READER, &all[3..]).there(&all).assert_only(Check::PollSkip, 1);
    let (mut made, all) = four();
    made.txn(TXN, vec![poll_step(&all[..1]), poll_step(&all[2..])], End::Committed).there(&all);
    made.assert_only(Check::InternalPollSkip, 1);
    let (mut made, all) = four();
    made.txn(TXN, vec![poll_step(&all[..1])], End::Committed).txn(TXN, vec![poll_step(&all[2..])], End::Aborted);
    made.there(&all).assert_only(Check::PollSkip, 1);
}

#[test]
fn reader_of_committed_data_passes_over_what_only_others_see() {
    let (mut made, all) = four();
    let committed = [all[0], all[3]];
    // What is not there for it in the end was aborted: of a transaction that was asked to commit, and whose end nobody knows.
    made.history.events.retain(|event| !matches!(event.what, What::Send(_)));
    let steps =
        vec![super::history::Step::Send(ok(value(TXN, 1), 1)), super::history::Step::Send(ok(value(TXN, 2), 2))];
    let all = [all[0], (1, value(TXN, 1)), (2, value(TXN, 2)), all[3]];
    let mut made = Made::new();
    made.sent(all[0].1, 0).sent(all[3].1, 4).txn(TXN, steps, End::Unknown("timed out".into())).polled(RAW, &all);
    made.polled(READER, &committed);
    made.there_for(Isolation::ReadUncommitted, &all).there_for(Isolation::ReadCommitted, &committed).assert_clean();
}

#[test]
fn record_that_is_given_again_or_late_inside_a_poll_or_between_two_goes_back() {
    let (mut made, all) = four();
    made.polled(READER, &[all[0], all[1], all[1], all[2]]).there(&all).assert_only(Check::InternalNonmonotonicPoll, 1);
    let (mut made, all) = four();
    made.polled(READER, &all).polled(READER, &all[3..]).there(&all).assert_only(Check::NonmonotonicPoll, 4);
}

#[test]
fn reader_that_was_told_to_read_elsewhere_does_not_skip_or_go_back_but_begins_where_it_was_told() {
    let (mut made, all) = four();
    made.polled(READER, &all[..3]).add(READER, What::Seek { tp: TP, to: 1 }).polled(READER, &all[1..2]);
    made.add(READER, What::Revoked { tps: Box::new([TP]), lost: false });
    made.add(READER, What::Assigned(Box::new([(TP, None)]))).polled(READER, &all[3..]);
    made.add(READER, What::Assigned(Box::new([(TP, Some(0))]))).polled(READER, &all[..2]);
    made.there(&all).assert_clean();
    let (mut made, all) = four();
    made.add(READER, What::Seek { tp: TP, to: 1 }).polled(READER, &all[2..]).there(&all);
    made.assert_only(Check::PollSkip, 1);
}

#[test]
fn rebalance_in_the_middle_of_a_poll_takes_its_order_away_and_no_more() {
    let (mut made, all) = four();
    // Recorded as it happens: the rebalance ends before the poll it is part of.
    made.polled(READER, &all[..3]).add(READER, What::Assigned(Box::new([(TP, Some(0))])));
    made.polled(READER, &all[1..2]).meanwhile().polled(READER, &all[2..]).there(&all).assert_clean();
    let (mut made, all) = four();
    made.polled(READER, &all[..3]).add(READER, What::Assigned(Box::new([(TP, Some(0))])));
    made.polled(READER, &all[..1]).meanwhile().polled(READER, &all[2..]).there(&all);
    made.assert_only(Check::PollSkip, 1);
}

#[test]
fn position_that_is_refused_is_a_finding() {
    let (mut made, all) = four();
    made.polled(READER, &all).there(&all).assert_clean();
    made.add(READER, What::Refused { tp: TP, offset: 5, why: "OFFSET_OUT_OF_RANGE".into() });
    made.assert_only(Check::Refused, 5);
}

#[test]
fn what_is_there_and_nobody_was_given_is_unseen_if_anybody_was_to_read_it() {
    let made = |read: usize| {
        let all = [(0, v(0)), (1, v(1))];
        let mut made = Made::new();
        made.sent(v(0), 0).sent(v(1), 1).polled(READER, &all[..read]).there(&all);
        made
    };
    made(1).assert_only(Check::Unseen, 1);
    made(2).assert_clean();
    let mut nobody = Made::new();
    nobody.sent(v(0), 0).there(&[(0, v(0))]).assert_clean();
    nobody.add(READER, What::Assigned(Box::new([(TP, None)]))).assert_only(Check::Unseen, 0);
}

#[test]
fn last_record_before_a_rebalance_may_be_given_once_more_behind_it() {
    let made = |assigned: bool, from: usize| {
        let (mut made, all) = four();
        made.polled(MEMBER, &all[..3]);
        if assigned {
            made.add(MEMBER, What::Assigned(Box::default()));
        }
        made.polled(MEMBER, &all[from..]).there(&all);
        made
    };
    made(true, 3).assert_clean();
    made(true, 2).assert_excused(&[Check::NonmonotonicPoll]);
    made(false, 2).assert_only(Check::NonmonotonicPoll, 2);
    made(true, 1).assert_only(Check::NonmonotonicPoll, 1);
}

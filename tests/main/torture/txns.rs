//! Transactions: what was aborted, what is not yet committed, and cycles.

use super::history::{End, Isolation, Outcome, Step, Txn, What};
use super::judge::Check;
use super::made::*;

fn x(number: u32) -> super::history::Value {
    value(TXN, number)
}

fn y(number: u32) -> super::history::Value {
    value(OTHER_TXN, number)
}

#[test]
fn record_of_an_aborted_transaction_is_for_readers_of_everything_alone() {
    let made = |reader, end: End| {
        let mut made = Made::new();
        let there: &[_] = if end == End::Committed { &[(0, x(0))] } else { &[] };
        made.txn(TXN, vec![Step::Send(ok(x(0), 0))], end).polled(reader, &[(0, x(0))]);
        made.there_for(Isolation::ReadUncommitted, &[(0, x(0))]).there_for(Isolation::ReadCommitted, there);
        made
    };
    made(READER, End::Aborted).assert_only(Check::AbortedRead, 0);
    made(RAW, End::Aborted).assert_clean();
    made(READER, End::Committed).assert_clean();
}

#[test]
fn record_that_was_refused_for_good_is_for_nobody() {
    let made = |outcome: Outcome| {
        let mut made = Made::new();
        made.add(IDEM, What::Send(sending(value(IDEM, 0), outcome))).polled(RAW, &[(0, value(IDEM, 0))]);
        made
    };
    made(Outcome::Failed("too large".into())).assert_only(Check::AbortedRead, 0);
    made(unknown()).assert_clean();
}

#[test]
fn transaction_does_not_read_what_it_wrote_nor_does_anybody_before_its_commit_is_asked_for() {
    let own = |isolation| {
        let mut made = Made::new();
        let steps = vec![Step::Send(ok(x(0), 0)), poll_step(&[(0, x(0))])];
        made.txn(TXN, steps, End::Committed).there(&[(0, x(0))]);
        if let What::Client(role) = &mut made.history.events[usize::from(TXN)].what {
            role.isolation = Some(isolation);
        }
        made
    };
    own(Isolation::ReadCommitted).assert_only(Check::PrecommittedRead, 0);
    own(Isolation::ReadUncommitted).assert_clean();
    let early = |reader, asked| {
        let mut made = Made::new();
        made.polled(reader, &[(0, x(0))]);
        let begin = made.history.events.last().expect("a poll").begin;
        let txn =
            Txn { steps: vec![Step::Send(ok(x(0), 0))], offsets: None, asked: begin + asked, end: End::Committed };
        made.add(TXN, What::Txn(Box::new(txn))).meanwhile().there(&[(0, x(0))]);
        made
    };
    early(READER, 8).assert_only(Check::PrecommittedRead, 0);
    early(READER, 2).assert_clean();
    early(RAW, 8).assert_clean();
}

/// Two transactions, one after the other in both partitions or not, and what each reads of the other.
fn two(order: [i64; 4], first_reads: bool, second_reads: bool) -> Made {
    let mut made = Made::new();
    let mut one = vec![Step::Send(ok(x(0), order[0])), Step::Send(ok_to(TP1, x(1), order[1]))];
    let mut other = vec![Step::Send(ok(y(0), order[2])), Step::Send(ok_to(TP1, y(1), order[3]))];
    if first_reads {
        one.push(poll_step(&[(order[2], y(0))]));
    }
    if second_reads {
        other.push(poll_step(&[(order[0], x(0))]));
    }
    // Both are asked to commit at once.
    made.txn(TXN, one, End::Committed).txn(OTHER_TXN, other, End::Committed).meanwhile();
    for event in made.history.events.iter_mut().rev().take(2) {
        if let What::Txn(txn) = &mut event.what {
            txn.asked = event.begin;
        }
    }
    let sorted = |mut records: [(i64, _); 2]| {
        records.sort();
        records
    };
    made.there_in(TP, &sorted([(order[0], x(0)), (order[2], y(0))]));
    made.there_in(TP1, &sorted([(order[1], x(1)), (order[3], y(1))]));
    made.polled(RAW, &sorted([(order[0], x(0)), (order[2], y(0))]));
    made
}

#[test]
fn cycle_of_writes_after_writes_is_usual() {
    two([0, 0, 1, 1], false, false).assert_clean();
    two([0, 1, 1, 0], false, false).assert_allowed(Check::G0);
}

#[test]
fn transactions_that_read_of_each_other_are_a_cycle_that_can_t_be() {
    two([0, 0, 1, 1], false, true).assert_clean();
    let finding = two([0, 0, 1, 1], true, true).assert_only(Check::G1c, None);
    assert_eq!(finding.events.len(), 2, "{finding}");
}

#[test]
fn cycle_of_a_write_after_a_write_and_a_read_is_usual() {
    two([0, 0, 1, 1], true, false).assert_allowed(Check::G1cMixed);
}

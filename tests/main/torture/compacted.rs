//! Compacted topics: the last of each key, and no more than was deleted.

use super::history::{Act, Isolation, Key, Outcome, Seen, Send, Sight, What};
use super::judge::Check;
use super::made::*;

/// Writes of keys (a negative one deletes its key), acknowledged at 0, 1, ...; and what of them is there in the end, by offset.
fn compacted(writes: &[i32], there: &[i64]) -> Made {
    let mut made = Made::new();
    let name = "compacted".to_string();
    made.act(Act::Created { topic: 0, name, partitions: 1, compacted: true, outcome: Outcome::Ok });
    let key = |offset: i64| -> (Key, bool) {
        let write = writes[usize::try_from(offset).expect("an offset")];
        (write.unsigned_abs(), write < 0)
    };
    let of = |offset: i64| value(IDEM, u32::try_from(offset).expect("a number"));
    for offset in 0..i64::try_from(writes.len()).expect("some") {
        let (key, tombstone) = key(offset);
        made.add(IDEM, What::Send(Send { key: Some(key), tombstone, ..ok(of(offset), offset) }));
    }
    let record = |offset: &i64| {
        let (key, tombstone) = key(*offset);
        Seen { key: Some(key), tombstone, ..seen(*offset, of(*offset)) }
    };
    let records = there.iter().map(record).collect();
    made.saw(Sight::Contents { tp: TP, isolation: Isolation::ReadUncommitted, records });
    made
}

#[test]
fn last_of_each_key_stays_and_older_ones_may() {
    compacted(&[1, 2, 1, 2], &[2, 3]).assert_clean();
    compacted(&[1, 2, 1, 2], &[0, 1, 2, 3]).assert_clean();
    compacted(&[1, 2, 1, 2], &[1, 2]).assert_only(Check::LostKey, 3);
    compacted(&[1, 2, 1, 2], &[2]).assert_only(Check::LostKey, 3);
}

#[test]
fn deleted_key_stays_deleted() {
    compacted(&[1, 2, -1], &[1, 2]).assert_clean();
    compacted(&[1, 2, -1], &[1]).assert_clean();
    compacted(&[1, -1, 1], &[2]).assert_clean();
    compacted(&[1, 2, -1], &[0, 1]).assert_only(Check::ResurrectedKey, 0);
}

#[test]
fn what_stays_keeps_its_offset_and_its_order() {
    let made = |offsets: [i64; 2]| {
        let mut made = compacted(&[1, 1, 2], &[]);
        made.history.events.pop();
        let record = |(offset, number)| Seen { key: Some(number), ..seen(offset, value(IDEM, number)) };
        let records = offsets.into_iter().zip([1, 2]).map(record).collect();
        made.saw(Sight::Contents { tp: TP, isolation: Isolation::ReadUncommitted, records });
        made
    };
    made([1, 2]).assert_clean();
    made([1, 3]).assert_only(Check::Moved, 3);
    let two = super::judge::judge(&made([2, 3]).history);
    assert!(two.counts().contains_key(&Check::TwoValues), "{two}");
}

#[test]
fn reader_may_pass_over_what_was_compacted_away_and_not_over_what_stays() {
    let made = |read: &[i64]| {
        let mut made = compacted(&[1, 2, 1, 2], &[2, 3]);
        let record = |offset: &i64| (*offset, value(IDEM, u32::try_from(*offset).expect("a number")));
        let records: Vec<_> = read.iter().map(record).collect();
        made.polled(RAW, &[record(&0), record(&1), record(&2), record(&3)]).polled(READER, &records);
        made
    };
    made(&[0, 2, 3]).assert_clean();
    let mut skips = made(&[0, 3]);
    // Only of one kind of readers it is known what they find.
    let What::Client(role) = &mut skips.history.events[usize::from(READER)].what else { panic!("no client") };
    role.isolation = Some(Isolation::ReadUncommitted);
    skips.assert_only(Check::InternalPollSkip, 2);
}

//! The judge on histories made by hand: a clean one, and one for each thing that must not be.

use super::judge::{Event, Final, Finding, Notes, Value, judge};
use super::notes;

fn acked(partition: i32, offset: i64, value: &str) -> Event {
    Event::Acked { partition, offset: Some(offset), value: value.into() }
}

fn read(partition: i32, offset: i64, value: &str) -> Event {
    Event::Read { partition, offset, value: value.into() }
}

fn by(client: &str, events: Vec<Event>) -> Notes {
    Notes { client: client.into(), idempotent: client == "i", events }
}

fn end(partition: i32, values: &[&str]) -> Final {
    let records = (0i64..).zip(values).map(|(offset, value)| (offset, Value::from(*value)));
    Final::from([(partition, records.collect())])
}

#[test]
fn clean_history_with_a_failed_write_a_repeated_one_and_a_jump_has_no_finding() {
    let producers = [
        by("p", vec![acked(0, 0, "p-0"), acked(0, 3, "p-1"), acked(0, 4, "p-2")]),
        by("i", vec![acked(0, 2, "i-7"), Event::Acked { partition: 0, offset: None, value: "i-9".into() }]),
    ];
    let jump = Event::Jumped { partition: 0 };
    let reader = by("r", vec![read(0, 0, "p-0"), read(0, 1, "p-1"), jump, read(0, 0, "p-0"), read(0, 1, "p-1")]);
    let notes = [&producers[..], &[reader]].concat();
    // p-1 was sent twice: not idempotent, so it may be there twice. i-8 failed and is not there; p-5 failed and is.
    assert_eq!(judge(&notes, &end(0, &["p-0", "p-1", "i-7", "p-1", "p-2", "i-9", "p-5"])), []);
}

#[test]
fn acknowledged_write_that_is_not_there_or_elsewhere_is_lost() {
    let lost = |offset, value: &str| Finding::Lost { partition: 0, offset, value: value.into() };
    let notes = [by("p", vec![acked(0, 0, "p-0"), acked(0, 1, "p-1")])];
    assert_eq!(judge(&notes, &end(0, &["p-0"])), [lost(Some(1), "p-1")]);
    assert_eq!(judge(&notes, &end(1, &["p-0", "p-1"])).len(), 2, "another partition does not count");
    let nowhere = [by("p", vec![Event::Acked { partition: 0, offset: None, value: "p-3".into() }])];
    assert_eq!(judge(&nowhere, &end(0, &["p-0"])), [lost(None, "p-3")]);
    let moved = judge(&notes, &end(0, &["p-0", "p-2", "p-1"]));
    assert!(moved.contains(&lost(Some(1), "p-1")), "acknowledged at one offset, found at another: {moved:?}");
}

#[test]
fn offset_with_two_values_is_found_between_any_two_who_saw_it() {
    let two = |one: (&str, &str), other: (&str, &str)| Finding::TwoValues {
        partition: 0,
        offset: 0,
        one: (one.0.into(), one.1.into()),
        other: (other.0.into(), other.1.into()),
    };
    let readers = [by("p", vec![]), by("a", vec![read(0, 0, "p-0")]), by("b", vec![read(0, 0, "p-1")])];
    assert_eq!(judge(&readers, &Final::new()), [two(("a", "p-0"), ("b", "p-1"))]);
    assert_eq!(judge(&readers[..2], &end(0, &["p-1"])), [two(("the end", "p-1"), ("a", "p-0"))]);
    let writers = [by("p", vec![acked(0, 0, "p-0")]), by("q", vec![acked(0, 0, "q-0")])];
    assert!(judge(&writers, &end(0, &["p-0"])).contains(&two(("the end", "p-0"), ("q", "q-0"))));
}

#[test]
fn idempotent_value_that_is_there_twice_or_too_late_is_out_of_order() {
    let notes = [by("i", vec![])];
    let found = |offset, value: &str, after: &str| Finding::OutOfOrder {
        partition: 0,
        offset,
        value: value.into(),
        after: after.into(),
    };
    assert_eq!(judge(&notes, &end(0, &["i-1", "i-1"])), [found(1, "i-1", "i-1")]);
    assert_eq!(judge(&notes, &end(0, &["i-2", "i-1", "i-3"])), [found(1, "i-1", "i-2")]);
}

#[test]
fn skipped_and_repeated_offsets_and_a_hole_at_the_end_are_gaps() {
    let gap = |client: &str, from, to| Finding::Gap { client: client.into(), partition: 0, from, to };
    let reader = by("r", vec![read(0, 0, "p-0"), read(0, 2, "p-2"), read(0, 2, "p-2")]);
    let notes = [by("p", vec![]), reader];
    assert_eq!(judge(&notes, &Final::new()), [gap("r", 1, 2), gap("r", 3, 2)]);
    let holed = Final::from([(0, vec![(0, "p-0".into()), (2, "p-2".into())])]);
    assert_eq!(judge(&[by("p", vec![])], &holed), [gap("the end", 1, 2)]);
}

#[test]
fn value_of_nobody_and_a_refused_reader_are_findings() {
    let alien = |value: &str| Finding::Alien { partition: 0, offset: 0, value: value.into() };
    for value in ["x-0", "p", "p-x"] {
        assert_eq!(judge(&[by("p", vec![])], &end(0, &[value])), [alien(value)]);
    }
    let refused = Event::Refused { partition: 2, reason: "OFFSET_OUT_OF_RANGE".into() };
    let finding = Finding::Refused { client: "r".into(), partition: 2, reason: "OFFSET_OUT_OF_RANGE".into() };
    assert_eq!(judge(&[by("r", vec![refused])], &Final::new()), [finding]);
}

#[test]
fn notes_of_both_clients_are_understood_and_a_torn_last_line_is_not_one() {
    let text = "A 3 17 p-00000002\nA 1 -1 p-00000003\nF 1 p-00000004 _MSG_TIMED_OUT\nR 0 5 q-1\nS 0\nE 2 _LOG_TRUNCATION\nR 0 6 q";
    let value = |text: &str| Value::from(text);
    assert_eq!(
        notes::parse(text),
        [
            Event::Acked { partition: 3, offset: Some(17), value: value("p-00000002") },
            Event::Acked { partition: 1, offset: None, value: value("p-00000003") },
            Event::Read { partition: 0, offset: 5, value: value("q-1") },
            Event::Jumped { partition: 0 },
            Event::Refused { partition: 2, reason: "_LOG_TRUNCATION".into() },
        ]
    );
    assert!(!notes::is_complete(text));
    assert!(notes::is_complete("A 3 17 p-00000002\nEND 1\n"));
}

//! A history comes back from its lines as it was.

use super::history::{
    Act, Batch, BatchKind, Cause, End, Event, Fault, History, Isolation, Offsets, Outcome, Polled, Producer, Role,
    Seen, Send, Sight, Step, Teller, Tp, Txn, Value, What,
};

const TP: Tp = Tp { topic: 3, partition: 1 };
const VALUE: Value = Value { writer: 7, number: 42 };

fn send(outcome: Outcome, offset: Option<i64>) -> Send {
    Send { tp: TP, value: VALUE, key: None, tombstone: false, outcome, offset }
}

fn polled() -> Box<[Polled]> {
    let seen = Seen { offset: 5, value: VALUE, key: Some(4), tombstone: true };
    Box::new([Polled { tp: TP, records: Box::new([seen, Seen { key: None, tombstone: false, ..seen }]) }])
}

/// One of each kind.
fn everything() -> Vec<What> {
    let why = || "timed out".into();
    let group = || Offsets { group: 2, generation: Some(4), offsets: vec![(TP, 17)] };
    let role = Role {
        name: "a".into(),
        producer: Some(Producer::Transactional),
        isolation: Some(Isolation::ReadCommitted),
        group: Some(2),
    };
    let steps = || vec![Step::Poll(polled()), Step::Send(send(Outcome::Ok, Some(9)))];
    let txn = |end| What::Txn(Box::new(Txn { steps: steps(), offsets: Some(group()), asked: 3, end }));
    let batch = |kind| Batch { offset: 0, count: 3, leader_epoch: 1, producer: 1000, epoch: 0, sequence: 7, kind };
    let name = "t".to_string();
    let acts = vec![
        Act::Created { topic: 3, name, partitions: 8, compacted: true, outcome: Outcome::Ok },
        Act::Grown { topic: 3, partitions: 9, outcome: Outcome::Ok },
        Act::Deleted { topic: 3, outcome: Outcome::Failed(why()) },
        Act::Reassigned { tp: TP, replicas: vec![0, 2], outcome: Outcome::Ok },
        Act::PreferredElection { tp: TP, outcome: Outcome::Unknown(why()) },
        Act::MayLose { tp: TP, from: 40, cause: Cause::UncleanElection },
        Act::MayLose { tp: TP, from: 40, cause: Cause::AllLostPower },
    ];
    let sights = vec![
        Sight::Leader { tp: TP, leader: -1, epoch: 3, isr: vec![1], by: Teller::ZooKeeper },
        Sight::Leader { tp: TP, leader: 1, epoch: 3, isr: vec![], by: Teller::Broker(1) },
        Sight::HighWatermark { tp: TP, broker: 1, epoch: 3, offset: 40 },
        Sight::Controller { broker: 0, epoch: 2 },
        Sight::Ended { broker: 0, how: "exit status: 1".into() },
        Sight::Healed { after_us: None, limit_us: 36_000_000 },
        Sight::Contents { tp: TP, isolation: Isolation::ReadUncommitted, records: polled()[0].records.to_vec() },
        Sight::Batches { tp: TP, batches: vec![batch(BatchKind::Plain), batch(BatchKind::Transactional)] },
        Sight::Batches { tp: TP, batches: vec![batch(BatchKind::Commit), batch(BatchKind::Abort)] },
        Sight::Replica { tp: TP, broker: 2, start: 0, end: 44, bytes: 1234, digest: u64::MAX },
        Sight::Znodes(vec!["/admin".into()]),
        Sight::Recovered { tp: TP, broker: 2, bytes: 17, told: true },
    ];
    let mut all = vec![
        What::Client(role.clone()),
        What::Client(Role { producer: Some(Producer::Plain), isolation: None, group: None, ..role.clone() }),
        What::Client(Role { producer: Some(Producer::Idempotent), ..role }),
        What::Send(send(Outcome::Ok, Some(3))),
        What::Send(Send { key: Some(1), tombstone: true, ..send(Outcome::Failed(why()), None) }),
        What::Poll(polled()),
        txn(End::Committed),
        txn(End::Aborted),
        txn(End::Unknown(why())),
        What::Assigned(Box::new([(TP, None), (TP, Some(4))])),
        What::Revoked { tps: Box::new([TP]), lost: true },
        What::Seek { tp: TP, to: 0 },
        What::Refused { tp: TP, offset: 44, why: "OFFSET_OUT_OF_RANGE".into() },
        What::Commit { offsets: Box::new(group()), outcome: Outcome::Ok },
        What::Committed(Box::new(group())),
        What::Fault(Box::new(Fault { name: "kill".into(), whom: "broker 2".into() })),
    ];
    all.extend(acts.into_iter().map(|act| What::Act(Box::new(act))));
    all.extend(sights.into_iter().map(|sight| What::Saw(Box::new(sight))));
    all
}

#[test]
fn history_comes_back_from_its_lines_without_a_torn_last_one() {
    let events: Vec<_> =
        (0..).zip(everything()).map(|(at, what)| Event { by: 1, begin: at, end: at + 5, what }).collect();
    let lines: String = events.iter().map(|event| event.line() + "\n").collect();
    let read = History::read(format!("{lines}{{\"by\":1,\"fr").as_bytes()).expect("a history");
    for (was, is) in events.iter().zip(&read.events) {
        assert_eq!(was, is, "{}", was.line());
    }
    assert_eq!(events.len(), read.events.len());
    let error = History::read(format!("nothing\n{lines}").as_bytes()).expect_err("no history");
    assert!(error.to_string().starts_with("line 1: "), "{error}");
}

#[test]
fn line_of_an_event_is_short() {
    let event = Event { by: 3, begin: 17, end: 25, what: What::Send(send(Outcome::Ok, Some(55))) };
    assert_eq!(
        event.line(),
        r#"{"by":3,"from":17,"to":25,"send":{"tp":"t3-1","value":"7:42","outcome":"ok","offset":55}}"#
    );
    assert!(size_of::<Event>() <= 96, "{} bytes an event", size_of::<Event>());
}

#[test]
fn value_is_known_by_the_front_of_its_payload_and_anything_else_is_an_alien() {
    assert_eq!(Value::HEADER, "value");
    assert_eq!(VALUE.payload(8), "7:42 ...");
    assert_eq!(VALUE.payload(0), "7:42 ");
    assert_eq!(Value::of_payload(VALUE.payload(100).as_bytes()), VALUE);
    assert_eq!(Value::of_payload(b"7:42"), VALUE);
    for bytes in [&b"7-42"[..], b"", b"\xff", b"7:42x"] {
        assert!(Value::of_payload(bytes).writer == u16::MAX, "{bytes:?}");
    }
}

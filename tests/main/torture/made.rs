//! Makes histories: a cast of clients, operations one after the other, and what they come to.

use super::history::{
    Act, ClientId, End, Event, GroupId, History, Isolation, Offsets, Outcome, Polled, Producer, Role, Seen, Send,
    Sight, Step, Tp, Txn, Value, What,
};
use super::judge::{Check, Finding, Verdict, judge, page};

/// Where nearly everything happens.
pub const TP: Tp = Tp { topic: 0, partition: 0 };
/// Beside it.
pub const TP1: Tp = Tp { topic: 0, partition: 1 };

/// Sends without idempotence.
pub const PLAIN: ClientId = 0;
/// Sends with it.
pub const IDEM: ClientId = 1;
/// Sends and polls in transactions, reads what is committed; so does the other.
pub const TXN: ClientId = 2;
pub const OTHER_TXN: ClientId = 3;
/// Reads what is committed.
pub const READER: ClientId = 4;
/// Reads everything.
pub const RAW: ClientId = 5;
/// Members of the group.
pub const MEMBER: ClientId = 6;
pub const OTHER_MEMBER: ClientId = 7;
/// The driver: looks, acts.
pub const DRIVER: ClientId = 9;
/// The group of members and transactions.
pub const GROUP: GroupId = 1;

/// A history in the making. Every operation takes 5 us, and 5 us pass after it.
pub struct Made {
    pub history: History,
    now: u64,
}

impl Made {
    /// With its cast.
    pub fn new() -> Self {
        let mut made = Self { history: History::default(), now: 0 };
        let (committed, all) = (Some(Isolation::ReadCommitted), Some(Isolation::ReadUncommitted));
        let cast = [
            (PLAIN, "plain", Some(Producer::Plain), None, None),
            (IDEM, "idem", Some(Producer::Idempotent), None, None),
            (TXN, "txn", Some(Producer::Transactional), committed, Some(GROUP)),
            (OTHER_TXN, "other-txn", Some(Producer::Transactional), committed, Some(GROUP)),
            (READER, "reader", None, committed, None),
            (RAW, "raw", None, all, None),
            (MEMBER, "member", None, committed, Some(GROUP)),
            (OTHER_MEMBER, "other-member", None, committed, Some(GROUP)),
            (DRIVER, "driver", None, None, None),
        ];
        for (by, name, producer, isolation, group) in cast {
            made.add(by, What::Client(Role { name: name.into(), producer, isolation, group }));
        }
        made
    }

    /// The next operation.
    pub fn add(&mut self, by: ClientId, what: What) -> &mut Self {
        self.history.events.push(Event { by, begin: self.now, end: self.now + 5, what });
        self.now += 10;
        self
    }

    /// An acknowledged send.
    pub fn sent(&mut self, value: Value, offset: i64) -> &mut Self {
        self.add(value.writer, What::Send(ok(value, offset)))
    }

    /// A poll of one partition.
    pub fn polled(&mut self, by: ClientId, records: &[(i64, Value)]) -> &mut Self {
        self.add(by, What::Poll(Box::new([polled(TP, records)])))
    }

    /// A transaction.
    pub fn txn(&mut self, by: ClientId, steps: Vec<Step>, end: End) -> &mut Self {
        let asked = self.now + 3;
        self.add(by, What::Txn(Box::new(Txn { steps, offsets: None, asked, end })))
    }

    /// Something the driver did.
    pub fn act(&mut self, act: Act) -> &mut Self {
        self.add(DRIVER, What::Act(Box::new(act)))
    }

    /// Something the driver saw.
    pub fn saw(&mut self, sight: Sight) -> &mut Self {
        self.add(DRIVER, What::Saw(Box::new(sight)))
    }

    /// What is there in the end, for readers of everything and of what is committed.
    pub fn there(&mut self, records: &[(i64, Value)]) -> &mut Self {
        self.there_in(TP, records)
    }

    /// The same, elsewhere.
    pub fn there_in(&mut self, tp: Tp, records: &[(i64, Value)]) -> &mut Self {
        let records: Vec<Seen> = records.iter().map(|(offset, value)| seen(*offset, *value)).collect();
        for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
            self.saw(Sight::Contents { tp, isolation, records: records.clone() });
        }
        self
    }

    /// What is there in the end for one kind of readers.
    pub fn there_for(&mut self, isolation: Isolation, records: &[(i64, Value)]) -> &mut Self {
        let records = records.iter().map(|(offset, value)| seen(*offset, *value)).collect();
        self.saw(Sight::Contents { tp: TP, isolation, records })
    }

    /// Two things at a time: the last operation begins with the one before it.
    pub fn meanwhile(&mut self) -> &mut Self {
        let events = &mut self.history.events;
        let begin = events[events.len() - 2].begin;
        events.last_mut().expect("an operation").begin = begin;
        self
    }

    /// The last one goes on for so many microseconds, while others are done.
    pub fn lasting(&mut self, micros: u64) -> &mut Self {
        self.history.events.last_mut().expect("an operation").end += micros;
        self
    }

    /// So many microseconds pass.
    pub fn later(&mut self, micros: u64) -> &mut Self {
        self.now += micros;
        self
    }

    fn verdict(&self) -> Verdict {
        judge(&self.history)
    }

    /// Nothing is wrong, and nothing had to be excused.
    pub fn assert_clean(&self) {
        let verdict = self.verdict();
        assert!(verdict.is_clean() && verdict.findings.is_empty(), "{}", text(&verdict.findings));
        assert!(verdict.excused.is_empty(), "{}", text(&verdict.excused));
        assert_eq!(verdict.to_string(), "clean");
    }

    /// Just this is wrong, once, there.
    pub fn assert_only(&self, check: Check, offset: impl Into<Option<i64>>) -> Finding {
        let verdict = self.verdict();
        let [finding] = &verdict.findings[..] else { panic!("not one finding: {}", text(&verdict.findings)) };
        assert_eq!((finding.check, finding.offset), (check, offset.into()), "{finding}");
        assert!(verdict.excused.is_empty(), "{}", text(&verdict.excused));
        assert_eq!(verdict.counts().get(&check), Some(&1));
        assert_eq!(verdict.to_string(), format!("1 {}", check.name()));
        // And it can be looked up.
        let page = page(&self.history, finding);
        assert!(page.starts_with(check.name()), "{page}");
        for event in &finding.events {
            assert!(page.lines().any(|line| line.starts_with(&format!("* {event:>7} "))), "event {event}: {page}");
        }
        finding.clone()
    }

    /// Nothing is wrong but for what is excused: these checks, in order.
    pub fn assert_excused(&self, checks: &[Check]) {
        let verdict = self.verdict();
        assert!(verdict.is_clean(), "{}", text(&verdict.findings));
        let excused: Vec<Check> = verdict.excused.iter().map(|finding| finding.check).collect();
        assert_eq!(excused, checks, "{}", text(&verdict.excused));
        assert!(verdict.to_string().starts_with("clean (excused: "), "{verdict}");
    }

    /// Nothing is wrong, and this is counted as usual.
    pub fn assert_allowed(&self, check: Check) {
        self.assert_clean();
        let verdict = self.verdict();
        assert_eq!(verdict.allowed.iter().map(|finding| finding.check).collect::<Vec<_>>(), [check]);
        assert_eq!(verdict.allowed_counts().get(&check), Some(&1));
    }
}

fn text(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// The value with a number.
pub fn value(writer: ClientId, number: u32) -> Value {
    Value { writer, number }
}

/// An acknowledged send.
pub fn ok(value: Value, offset: i64) -> Send {
    ok_to(TP, value, offset)
}

/// The same, elsewhere.
pub fn ok_to(tp: Tp, value: Value, offset: i64) -> Send {
    Send { tp, value, key: None, tombstone: false, outcome: Outcome::Ok, offset: Some(offset) }
}

/// A send with another outcome.
pub fn sending(value: Value, outcome: Outcome) -> Send {
    Send { tp: TP, value, key: None, tombstone: false, outcome, offset: None }
}

/// Nobody knows.
pub fn unknown() -> Outcome {
    Outcome::Unknown("timed out".into())
}

/// A record.
pub fn seen(offset: i64, value: Value) -> Seen {
    Seen { offset, value, key: None, tombstone: false }
}

/// What a poll gives of one partition.
pub fn polled(tp: Tp, records: &[(i64, Value)]) -> Polled {
    Polled { tp, records: records.iter().map(|(offset, value)| seen(*offset, *value)).collect() }
}

/// A poll inside a transaction.
pub fn poll_step(records: &[(i64, Value)]) -> Step {
    Step::Poll(Box::new([polled(TP, records)]))
}

/// The group's offset in the one partition.
pub fn offsets(generation: i32, offset: i64) -> Offsets {
    Offsets { group: GROUP, generation: Some(generation), offsets: vec![(TP, offset)] }
}

/// A commit outside a transaction.
pub fn commit(generation: i32, offset: i64, outcome: Outcome) -> What {
    What::Commit { offsets: Box::new(offsets(generation, offset)), outcome }
}

//! What several checks look up: who is what, what became of each value, what was there in the end, and what may have been lost.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::finding::{Check, Excuse, Finding, Verdict};
use super::history::{
    Act, Batch, BatchKind, Cause, ClientId, End, Event, History, Isolation, Outcome, Polled, Producer, Role, Seen,
    Send, Sight, Step, Tp, Txn, Value, What,
};

/// A history, sorted by what is asked of it.
pub struct Facts<'h> {
    pub history: &'h History,
    pub roles: HashMap<ClientId, &'h Role>,
    /// Every send, by its value.
    pub writes: HashMap<Value, Write>,
    /// Transactions of unknown end that were committed: somebody read of them committed.
    proved: HashSet<usize>,
    /// The last look at each partition: the event, and the records.
    pub contents: BTreeMap<(Tp, Isolation), (usize, &'h [Seen])>,
    /// The batches of each partition's log.
    pub batches: BTreeMap<Tp, &'h [Batch]>,
    /// Topics with `cleanup.policy=compact`.
    pub compacted: HashSet<u16>,
    /// Topics that are deleted, or may be.
    pub deleted: HashSet<u16>,
    cuts: HashMap<Tp, Vec<Cut>>,
    /// When a broker was cut off from ZooKeeper alone, in microseconds.
    cut_off: Vec<Range<u64>>,
    /// Times in which a ZooKeeper server stood still.
    silent: Vec<Range<u64>>,
}

/// A broker that may talk with ZooKeeper again is told within this that it has lost what it coordinated, in microseconds.
const TOLD_WITHIN: u64 = 1_000_000;

/// Faults in which a coordinator may lose its session without knowing it, and answer all the same, as far as Apache Kafka's was seen to. The
/// last one lets a broker stand still as the one before it does, and kills the others meanwhile.
const CUTS_OFF: [&str; 6] = ["cut-zookeeper", "cut-in", "cut-out", "cut", "pause", "followers-behind"];

/// Its ZooKeeper server may stand still then: it asks another one after two thirds of a session of 6 s, in microseconds.
const LEAVES_SERVER_AFTER: u64 = 4_000_000;

/// A send.
#[derive(Clone, Copy)]
pub struct Write {
    /// Its event.
    pub event: usize,
    /// Which send of the event's transaction it is.
    pub step: Option<u16>,
}

/// What became of a value, as far as a reader of committed data is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It must be there.
    There,
    /// It may not be there.
    Never,
    /// Nobody knows.
    Maybe,
}

/// Something may be lost from there on.
#[derive(Clone, Copy, Debug)]
struct Cut {
    from: i64,
    begin: u64,
    end: u64,
    cause: Cause,
}

/// A record that somebody saw.
#[derive(Clone, Copy)]
pub struct Sighting<'h> {
    /// In which event.
    pub event: usize,
    pub tp: Tp,
    pub seen: &'h Seen,
    pub isolation: Isolation,
}

impl<'h> Facts<'h> {
    /// Reads a history once. What contradicts itself goes to the verdict.
    pub fn of(history: &'h History, verdict: &mut Verdict) -> Self {
        let mut facts = Self {
            history,
            roles: HashMap::new(),
            writes: HashMap::new(),
            proved: HashSet::new(),
            contents: BTreeMap::new(),
            batches: BTreeMap::new(),
            compacted: HashSet::new(),
            deleted: HashSet::new(),
            cuts: HashMap::new(),
            cut_off: Vec::new(),
            silent: Vec::new(),
        };
        for (index, event) in history.events.iter().enumerate() {
            facts.take(index, event, verdict);
        }
        let mut proved = HashSet::new();
        facts.each_sighting(|sighting| {
            if sighting.isolation == Isolation::ReadCommitted
                && let Some((event, Some(Txn { end: End::Unknown(_), .. }))) = facts.writer(sighting.seen.value)
            {
                proved.insert(event);
            }
        });
        facts.proved = proved;
        facts
    }

    fn take(&mut self, index: usize, event: &'h Event, verdict: &mut Verdict) {
        match &event.what {
            What::Client(role) => {
                let known = self.roles.insert(event.by, role);
                if known.is_some() {
                    let text = format!("client {} says twice what it is", event.by);
                    verdict.add(Finding::new(Check::Harness, text).shown_by([index]));
                }
            }
            What::Send(send) => self.add_write(send, Write { event: index, step: None }, verdict),
            What::Txn(txn) => {
                for (step, what) in (0u16..).zip(&txn.steps) {
                    if let Step::Send(send) = what {
                        self.add_write(send, Write { event: index, step: Some(step) }, verdict);
                    }
                }
            }
            What::Act(act) => match &**act {
                Act::Created { topic, compacted: true, .. } => drop(self.compacted.insert(*topic)),
                Act::Deleted { topic, outcome: Outcome::Ok | Outcome::Unknown(_) } => drop(self.deleted.insert(*topic)),
                Act::MayLose { tp, from, cause } => {
                    let cut = Cut { from: *from, begin: event.begin, end: event.end, cause: *cause };
                    self.cuts.entry(*tp).or_default().push(cut);
                }
                _ => {}
            },
            What::Fault(fault) if CUTS_OFF.contains(&&*fault.name) => {
                self.cut_off.push(event.begin..event.end);
            }
            What::Fault(fault) if &*fault.name == "zk-pause" => self.silent.push(event.begin..event.end),
            What::Saw(sight) => match &**sight {
                Sight::Contents { tp, isolation, records } => {
                    self.contents.insert((*tp, *isolation), (index, records));
                }
                Sight::Batches { tp, batches } => drop(self.batches.insert(*tp, batches)),
                _ => {}
            },
            _ => {}
        }
    }

    fn add_write(&mut self, send: &Send, write: Write, verdict: &mut Verdict) {
        if let Some(first) = self.writes.insert(send.value, write) {
            let finding = Finding::new(Check::Harness, format!("{} is sent twice", send.value)).of([send.value]);
            verdict.add(finding.shown_by([first.event, write.event]));
        }
    }

    /// An event by its place.
    pub fn event(&self, index: usize) -> &'h Event {
        &self.history.events[index]
    }

    /// The send of a value.
    pub fn send(&self, write: Write) -> &'h Send {
        match (&self.event(write.event).what, write.step) {
            (What::Send(send), _) => send,
            (What::Txn(txn), Some(step)) => match &txn.steps[usize::from(step)] {
                Step::Send(send) => send,
                Step::Poll(_) => unreachable!("only sends are taken for writes"),
            },
            _ => unreachable!("only sends are taken for writes"),
        }
    }

    /// Who sent a value: the event, and the transaction if it is one.
    pub fn writer(&self, value: Value) -> Option<(usize, Option<&'h Txn>)> {
        let write = self.writes.get(&value)?;
        let txn = match &self.event(write.event).what {
            What::Txn(txn) => Some(&**txn),
            _ => None,
        };
        Some((write.event, txn))
    }

    /// What became of a send.
    pub fn fate(&self, write: Write) -> Fate {
        let appended = match &self.send(write).outcome {
            Outcome::Ok => Fate::There,
            Outcome::Failed(_) => return Fate::Never,
            Outcome::Unknown(_) => Fate::Maybe,
        };
        match &self.event(write.event).what {
            What::Txn(txn) => match &txn.end {
                End::Committed => appended,
                End::Aborted => Fate::Never,
                End::Unknown(_) if self.proved.contains(&write.event) => appended,
                End::Unknown(_) => Fate::Maybe,
            },
            _ => appended,
        }
    }

    /// How a client sends; plain if it never said.
    pub fn producer(&self, client: ClientId) -> Producer {
        self.roles.get(&client).and_then(|role| role.producer).unwrap_or(Producer::Plain)
    }

    /// For people.
    pub fn name(&self, client: ClientId) -> String {
        self.roles.get(&client).map_or_else(|| format!("client {client}"), |role| role.name.clone())
    }

    /// What a reader of committed data gets in the end; of everything, where only that was looked at.
    pub fn final_contents(&self, tp: Tp) -> Option<(usize, &'h [Seen])> {
        let of = |isolation| self.contents.get(&(tp, isolation)).copied();
        of(Isolation::ReadCommitted).or_else(|| of(Isolation::ReadUncommitted))
    }

    /// Everything that is there in the end; of what is committed, where only that was looked at.
    pub fn whole_contents(&self, tp: Tp) -> Option<(usize, &'h [Seen])> {
        let of = |isolation| self.contents.get(&(tp, isolation)).copied();
        of(Isolation::ReadUncommitted).or_else(|| of(Isolation::ReadCommitted))
    }

    /// The partitions that were looked at in the end.
    pub fn looked_at(&self) -> BTreeSet<Tp> {
        self.contents.keys().map(|(tp, _)| *tp).collect()
    }

    /// The batch that has an offset.
    pub fn batch_at(&self, tp: Tp, offset: i64) -> Option<&'h Batch> {
        let batches: &'h [Batch] = self.batches.get(&tp).copied()?;
        let after = batches.partition_point(|batch| batch.offset <= offset);
        batches.get(after.checked_sub(1)?)
    }

    /// Two records lie in batches of different producers, or of different epochs of one.
    pub fn other_epoch(&self, tp: Tp, one: i64, other: i64) -> bool {
        let epoch = |offset| self.batch_at(tp, offset).map(|batch| (batch.producer, batch.epoch));
        matches!((epoch(one), epoch(other)), (Some(a), Some(b)) if a != b)
    }

    /// Why something written by the time `begin`, at an offset if that is known, may be lost.
    pub fn loss(&self, tp: Tp, offset: Option<i64>, begin: u64) -> Option<Excuse> {
        let cuts = self.cuts.get(&tp)?;
        let cut = cuts.iter().find(|cut| offset.is_none_or(|offset| offset >= cut.from) && begin <= cut.end)?;
        Some(Excuse::Loss(cut.cause))
    }

    /// Why a value that is there may be hidden from who reads what is committed: it lies behind a transaction without an end, whose marker
    /// may be lost as all that was written after its records may.
    pub fn hidden(&self, tp: Tp, offset: i64, value: Value) -> Option<Excuse> {
        let first = self.first_open(tp).filter(|first| *first <= offset)?;
        let (_, records) = self.whole_contents(tp)?;
        let at = |offset| records.binary_search_by_key(&offset, |seen| seen.offset).ok().map(|at| records[at].value);
        let opened = self.writes.get(&at(first)?).filter(|_| at(offset) == Some(value))?;
        let begin = self.event(opened.event).begin;
        self.loss(tp, None, begin).or_else(|| self.power_lost_after(begin))
    }

    /// The first offset of a transaction that has no end.
    fn first_open(&self, tp: Tp) -> Option<i64> {
        let mut open: BTreeMap<i64, i64> = BTreeMap::new();
        for batch in self.batches.get(&tp).copied()? {
            match batch.kind {
                BatchKind::Plain => {}
                BatchKind::Transactional => drop(open.entry(batch.producer).or_insert(batch.offset)),
                BatchKind::Commit | BatchKind::Abort => drop(open.remove(&batch.producer)),
            }
        }
        open.into_values().min()
    }

    /// Why an offset may have had another value, or none, at some time.
    pub fn rewritten(&self, tp: Tp, offset: i64) -> Option<Excuse> {
        self.loss(tp, Some(offset), 0)
    }

    /// Why a reader that ended a poll by `end` may have seen another log than the one that is there in the end.
    pub fn rewritten_after(&self, tp: Tp, offset: i64, begin: u64) -> Option<Excuse> {
        self.loss(tp, Some(offset), begin)
    }

    /// A record of the same client is there, that the client has thrown away as never sent.
    pub fn reused_sequence(&self, tp: Tp, offset: i64, value: Value) -> Option<Excuse> {
        let (_, records) = self.whole_contents(tp)?;
        let at = records.binary_search_by_key(&offset, |seen| seen.offset).ok()?;
        let other = records[at].value;
        let outcome = &self.send(*self.writes.get(&other)?).outcome;
        let is_thrown_away = matches!(outcome, Outcome::Unknown(why) if &**why == "PurgeQueue");
        let is_before = other.writer == value.writer && other.number < value.number;
        (is_thrown_away && is_before).then_some(Excuse::ReusedSequence)
    }

    /// A broker did not hear of ZooKeeper while an event went on: it may have been asked, and have lost what it coordinated unawares.
    pub fn cut_off_coordinator(&self, event: &Event) -> Option<Excuse> {
        let hears = |cut: &Range<u64>| {
            let last = cut.end + LEAVES_SERVER_AFTER;
            let silent = self.silent.iter().filter(|silent| silent.start < cut.end && cut.end < silent.end);
            silent.map(|silent| silent.end.min(last)).max().unwrap_or(cut.end)
        };
        let overlaps = |cut: &Range<u64>| cut.start < event.end && event.begin < hears(cut) + TOLD_WITHIN;
        self.cut_off.iter().any(overlaps).then_some(Excuse::CutOffCoordinator)
    }

    /// All power was lost, sometime before `by`: what coordinators knew may be gone.
    pub fn power_lost_before(&self, by: u64) -> Option<Excuse> {
        let all = self.cuts.values().flatten();
        let lost = all.filter(|cut| cut.cause == Cause::AllLostPower).any(|cut| cut.begin <= by);
        lost.then_some(Excuse::Loss(Cause::AllLostPower))
    }

    /// All power was lost, sometime after `begin`.
    pub fn power_lost_after(&self, begin: u64) -> Option<Excuse> {
        let all = self.cuts.values().flatten();
        let lost = all.filter(|cut| cut.cause == Cause::AllLostPower).any(|cut| cut.end >= begin);
        lost.then_some(Excuse::Loss(Cause::AllLostPower))
    }

    /// How often the value at an offset may have been taken away by the time of an event; none when it may be this or that.
    pub fn era(&self, tp: Tp, offset: i64, begin: u64, end: u64) -> Option<usize> {
        let Some(cuts) = self.cuts.get(&tp) else { return Some(0) };
        let cuts = || cuts.iter().filter(|cut| offset >= cut.from);
        let least = cuts().filter(|cut| cut.end < begin).count();
        let most = cuts().filter(|cut| cut.begin <= end).count();
        (least == most).then_some(least)
    }

    /// What a client reads: committed data, if it never said.
    pub fn isolation(&self, client: ClientId) -> Isolation {
        self.roles.get(&client).and_then(|role| role.isolation).unwrap_or(Isolation::ReadCommitted)
    }

    /// Every record in every poll and every look at a partition.
    pub fn each_sighting(&self, mut act: impl FnMut(Sighting<'h>)) {
        for (index, event) in self.history.events.iter().enumerate() {
            let isolation = self.isolation(event.by);
            if let What::Saw(sight) = &event.what {
                if let Sight::Contents { tp, isolation, records } = &**sight {
                    records
                        .iter()
                        .for_each(|seen| act(Sighting { event: index, tp: *tp, seen, isolation: *isolation }));
                }
                continue;
            }
            for polled in polls(event) {
                let tp = polled.tp;
                polled.records.iter().for_each(|seen| act(Sighting { event: index, tp, seen, isolation }));
            }
        }
    }
}

/// What an event polled, in order.
pub fn polls(event: &Event) -> impl Iterator<Item = &Polled> {
    let (alone, txn) = match &event.what {
        What::Poll(polled) => (Some(polled), None),
        What::Txn(txn) => (None, Some(txn)),
        _ => (None, None),
    };
    let steps = txn.into_iter().flat_map(|txn| &txn.steps).filter_map(|step| match step {
        Step::Poll(polled) => Some(polled),
        Step::Send(_) => None,
    });
    alone.into_iter().chain(steps).flat_map(|polled| polled.iter())
}

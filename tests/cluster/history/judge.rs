//! The judge: what clients were told and have seen, held against what is there in the end. Pure.
//!
//! What may never be: an acknowledged write that is not there, an offset with two values, whoever saw them, a value that nobody wrote.
//! A reader that did not jump sees every offset, and a partition has every sequence number of an idempotent producer once and in order,
//! as long as that keeps its epoch: what a client sends again under a new one is its own affair. A write that failed may be there or not.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A value: its producer's name, a dash, a number in that producer's order.
pub type Value = Arc<str>;

/// One thing that a client was told or has seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A write was acknowledged, at an offset if the broker said so.
    Acked { partition: i32, offset: Option<i64>, value: Value },
    /// A record was read.
    Read { partition: i32, offset: i64, value: Value },
    /// The reader reads on from elsewhere.
    Jumped { partition: i32 },
    /// The reader was refused an offset, or told that the log was cut.
    Refused { partition: i32, reason: String },
}

/// What one client noted, in its order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notes {
    /// Its name: of a producer the start of its values.
    pub client: String,
    /// What it noted.
    pub events: Vec<Event>,
}

/// A batch of an idempotent producer, as it lies in a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Batch {
    /// Where.
    pub partition: i32,
    /// Its first offset.
    pub offset: i64,
    /// Producer id and epoch.
    pub producer: (i64, i16),
    /// Its first sequence number.
    pub sequence: i32,
    /// How many records.
    pub count: i32,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Finding {
    /// An acknowledged write is not there.
    Lost { partition: i32, offset: Option<i64>, value: Value },
    /// An offset had two values: who says so, and who says otherwise.
    TwoValues { partition: i32, offset: i64, one: (String, Value), other: (String, Value) },
    /// An idempotent producer's batch is there twice, or not after the one before it.
    OutOfOrder { batch: Batch, expected: i32 },
    /// A reader was not given an offset that lies between two it was given, or was given one again.
    Gap { client: String, partition: i32, from: i64, to: i64 },
    /// A value that no producer began.
    Alien { partition: i32, offset: i64, value: Value },
    /// A reader stood at an offset that is no more.
    Refused { client: String, partition: i32, reason: String },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Lost { partition, offset, value } => {
                write!(f, "partition {partition}: {value}, acknowledged at {offset:?}, is lost")
            }
            Finding::TwoValues { partition, offset, one, other } => write!(
                f,
                "partition {partition}, offset {offset}: {} says {}, {} says {}",
                one.0, one.1, other.0, other.1
            ),
            Finding::OutOfOrder { batch, expected } => write!(f, "where sequence {expected} should be: {batch:?}"),
            Finding::Gap { client, partition, from, to } => {
                write!(f, "partition {partition}: {client} was at {from} and was given {to}")
            }
            Finding::Alien { partition, offset, value } => {
                write!(f, "partition {partition}, offset {offset}: nobody wrote {value}")
            }
            Finding::Refused { client, partition, reason } => {
                write!(f, "partition {partition}: {client} was refused: {reason}")
            }
        }
    }
}

/// What is there in the end, by partition and offset.
pub type Final = BTreeMap<i32, Vec<(i64, Value)>>;

/// The name under which the last look appears in findings.
const THE_END: &str = "the end";

/// The producer of a value.
fn producer_of(value: &str) -> Option<&str> {
    let (producer, number) = value.rsplit_once('-')?;
    number.parse::<u64>().is_ok().then_some(producer)
}

/// Holds everything against everything; no finding is a clean history.
pub fn judge(notes: &[Notes], last: &Final) -> Vec<Finding> {
    let mut findings = Vec::new();
    one_value_per_offset(notes, last, &mut findings);
    nothing_lost(notes, last, &mut findings);
    nothing_alien(notes, last, &mut findings);
    no_gaps(notes, last, &mut findings);
    findings
}

fn one_value_per_offset(notes: &[Notes], last: &Final, findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<(i32, i64), (&str, &Value)> = BTreeMap::new();
    let at_end =
        last.iter().flat_map(|(partition, records)| records.iter().map(move |(o, v)| (THE_END, *partition, *o, v)));
    let noted = notes.iter().flat_map(|n| n.events.iter().map(move |event| (n.client.as_str(), event)));
    let noted = noted.filter_map(|(client, event)| match event {
        Event::Acked { partition, offset: Some(offset), value } | Event::Read { partition, offset, value } => {
            Some((client, *partition, *offset, value))
        }
        _ => None,
    });
    for (client, partition, offset, value) in at_end.chain(noted) {
        match known.entry((partition, offset)) {
            Entry::Vacant(free) => drop(free.insert((client, value))),
            Entry::Occupied(taken) if *taken.get().1 == *value => {}
            Entry::Occupied(taken) => {
                let (first, theirs) = *taken.get();
                let (one, other) = ((first.into(), theirs.clone()), (client.into(), value.clone()));
                findings.push(Finding::TwoValues { partition, offset, one, other });
            }
        }
    }
}

fn nothing_lost(notes: &[Notes], last: &Final, findings: &mut Vec<Finding>) {
    let mut places: BTreeMap<(i32, &str), Vec<i64>> = BTreeMap::new();
    for (partition, records) in last {
        records.iter().for_each(|(offset, value)| places.entry((*partition, value)).or_default().push(*offset));
    }
    for event in notes.iter().flat_map(|n| &n.events) {
        let Event::Acked { partition, offset, value } = event else { continue };
        let there = places.get(&(*partition, &**value));
        let found = there.is_some_and(|there| offset.is_none_or(|offset| there.contains(&offset)));
        if !found {
            findings.push(Finding::Lost { partition: *partition, offset: *offset, value: value.clone() });
        }
    }
}

fn nothing_alien(notes: &[Notes], last: &Final, findings: &mut Vec<Finding>) {
    let producers: BTreeSet<&str> = notes.iter().map(|n| n.client.as_str()).collect();
    for (&partition, records) in last {
        for (offset, value) in records {
            if producer_of(value).is_none_or(|name| !producers.contains(name)) {
                findings.push(Finding::Alien { partition, offset: *offset, value: value.clone() });
            }
        }
    }
}

/// Holds the batches of idempotent producers, in the order of their logs, against each other.
pub fn judge_sequences(batches: &[Batch]) -> Vec<Finding> {
    let mut next: BTreeMap<(i32, (i64, i16)), i32> = BTreeMap::new();
    let mut findings = Vec::new();
    for batch in batches {
        let expected = next.insert((batch.partition, batch.producer), batch.sequence + batch.count).unwrap_or(0);
        if expected != batch.sequence {
            findings.push(Finding::OutOfOrder { batch: batch.clone(), expected });
        }
    }
    findings
}

fn no_gaps(notes: &[Notes], last: &Final, findings: &mut Vec<Finding>) {
    for Notes { client, events, .. } in notes {
        let mut next: BTreeMap<i32, i64> = BTreeMap::new();
        for event in events {
            match event {
                Event::Read { partition, offset, .. } => {
                    if let Some(from) = next.insert(*partition, offset + 1).filter(|next| next != offset) {
                        let client = client.clone();
                        findings.push(Finding::Gap { client, partition: *partition, from, to: *offset });
                    }
                }
                Event::Jumped { partition } => drop(next.remove(partition)),
                Event::Refused { partition, reason } => {
                    next.remove(partition);
                    let (client, reason) = (client.clone(), reason.clone());
                    findings.push(Finding::Refused { client, partition: *partition, reason });
                }
                Event::Acked { .. } => {}
            }
        }
    }
    for (&partition, records) in last {
        for pair in records.windows(2) {
            let (from, to) = (pair[0].0 + 1, pair[1].0);
            if from != to {
                findings.push(Finding::Gap { client: THE_END.into(), partition, from, to });
            }
        }
    }
}

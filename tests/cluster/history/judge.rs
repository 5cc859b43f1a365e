//! The judge: what clients were told and have seen, held against what is there in the end. Pure.
//!
//! What may never be: an acknowledged write that is not there, an offset with two values, whoever saw them, a value that nobody wrote.
//! A producer that is idempotent has each value once and in its order; a reader that did not jump sees every offset. A write that
//! failed may be there or not.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
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
    /// True for an idempotent producer.
    pub idempotent: bool,
    /// What it noted.
    pub events: Vec<Event>,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Finding {
    /// An acknowledged write is not there.
    Lost { partition: i32, offset: Option<i64>, value: Value },
    /// An offset had two values: who says so, and who says otherwise.
    TwoValues { partition: i32, offset: i64, one: (String, Value), other: (String, Value) },
    /// An idempotent producer's value is there twice, or before an earlier one of its.
    OutOfOrder { partition: i32, offset: i64, value: Value, after: Value },
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
            Finding::OutOfOrder { partition, offset, value, after } => {
                write!(
                    f,
                    "partition {partition}, offset {offset}: {value} of an idempotent producer comes after {after}"
                )
            }
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

/// Producer and number of a value.
fn parts(value: &str) -> Option<(&str, u64)> {
    let (producer, number) = value.rsplit_once('-')?;
    Some((producer, number.parse().ok()?))
}

/// Holds everything against everything; no finding is a clean history.
pub fn judge(notes: &[Notes], last: &Final) -> Vec<Finding> {
    let mut findings = Vec::new();
    one_value_per_offset(notes, last, &mut findings);
    nothing_lost(notes, last, &mut findings);
    nothing_alien_and_idempotent_in_order(notes, last, &mut findings);
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

fn nothing_alien_and_idempotent_in_order(notes: &[Notes], last: &Final, findings: &mut Vec<Finding>) {
    let producers: BTreeMap<&str, bool> = notes.iter().map(|n| (n.client.as_str(), n.idempotent)).collect();
    for (&partition, records) in last {
        let mut before: BTreeMap<&str, (u64, &Value)> = BTreeMap::new();
        for (offset, value) in records {
            let known = parts(value).and_then(|(name, number)| Some((name, number, *producers.get(name)?)));
            let Some((name, number, idempotent)) = known else {
                findings.push(Finding::Alien { partition, offset: *offset, value: value.clone() });
                continue;
            };
            if let Some((_, after)) = before.insert(name, (number, value)).filter(|(n, _)| idempotent && *n >= number) {
                let (value, after) = (value.clone(), after.clone());
                findings.push(Finding::OutOfOrder { partition, offset: *offset, value, after });
            }
        }
    }
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

//! The page of the history around a finding: who did what with that offset and those values, and what was done to the cluster meanwhile.

use std::fmt::Write;

use super::finding::Finding;
use super::history::{Act, ClientId, Event, History, Polled, Seen, Send, Sight, Step, Tp, What};

/// How far around its events a page shows faults, elections and acts.
const AROUND_US: u64 = 3_000_000;
/// How many offsets around its own a page shows of polls and sends.
const NEAR: i64 = 3;
/// A page is a page. What does not fit is counted at its end.
const LINES: usize = 70;

/// Seconds since the start of the run.
pub fn time(us: u64) -> String {
    format!("{}.{:06} s", us / 1_000_000, us % 1_000_000)
}

/// The finding, and below it the history around it, a line an event, in the order of their ends.
pub fn page(history: &History, finding: &Finding) -> String {
    let shown = |index: &usize| finding.events.contains(index);
    let anchors: Vec<&Event> = finding.events.iter().filter_map(|index| history.events.get(*index)).collect();
    let begin = anchors.iter().map(|event| event.begin).min().unwrap_or(0).saturating_sub(AROUND_US);
    let end = anchors.iter().map(|event| event.end).max().unwrap_or(u64::MAX).saturating_add(AROUND_US);
    let near = Near { finding };
    let mut lines: Vec<(u64, usize, String)> = Vec::new();
    for (index, event) in history.events.iter().enumerate() {
        let is_in_time = event.end >= begin && event.begin <= end;
        let text = match &event.what {
            What::Fault(_) if is_in_time => near.describe(event),
            _ if shown(&index) || is_in_time || near.is_of_value(event) => near.describe(event),
            _ => None,
        };
        if let Some(text) = text.or_else(|| shown(&index).then(|| brief(event))) {
            let mark = if shown(&index) { '*' } else { ' ' };
            let who = name(history, event.by);
            lines.push((
                event.end,
                index,
                format!("{mark} {index:>7} {:>14} .. {:>14} {who}: {text}", time(event.begin), time(event.end)),
            ));
        }
    }
    lines.sort();
    let mut page = format!("{finding}\n");
    let (important, others): (Vec<_>, Vec<_>) = lines.iter().partition(|(_, index, _)| finding.events.contains(index));
    let room = LINES.saturating_sub(important.len());
    let kept: Vec<_> = if others.len() > room {
        nearest(&others, &important, room)
    } else {
        others.iter().map(|line| line.1).collect()
    };
    for (_, _, line) in lines.iter().filter(|(_, index, _)| finding.events.contains(index) || kept.contains(index)) {
        writeln!(page, "{line}").expect("a string takes all");
    }
    let left = others.len() - kept.len();
    if left > 0 {
        writeln!(page, "  ... and {left} more").expect("a string takes all");
    }
    page
}

/// Those of the others that are nearest in time to what matters.
fn nearest(others: &[&(u64, usize, String)], important: &[&(u64, usize, String)], room: usize) -> Vec<usize> {
    let distance = |at: u64| important.iter().map(|line| line.0.abs_diff(at)).min().unwrap_or(0);
    let mut by_distance: Vec<_> = others.iter().map(|line| (distance(line.0), line.1)).collect();
    by_distance.sort_unstable();
    by_distance.into_iter().take(room).map(|(_, index)| index).collect()
}

fn name(history: &History, client: ClientId) -> String {
    let role = history.events.iter().find_map(|event| match &event.what {
        What::Client(role) if event.by == client => Some(role.name.clone()),
        _ => None,
    });
    role.unwrap_or_else(|| format!("client {client}"))
}

/// What belongs to a finding.
struct Near<'f> {
    finding: &'f Finding,
}

impl Near<'_> {
    fn is_tp(&self, tp: Tp) -> bool {
        self.finding.tp == Some(tp)
    }

    fn is_near(&self, tp: Tp, offset: Option<i64>) -> bool {
        self.is_tp(tp)
            && matches!((self.finding.offset, offset), (Some(here), Some(there)) if here.abs_diff(there) <= NEAR as u64)
    }

    fn is_of_value(&self, event: &Event) -> bool {
        let sent = |send: &Send| self.finding.values.contains(&send.value);
        match &event.what {
            What::Send(send) => sent(send),
            What::Poll(polled) => polled.iter().any(|polled| self.cut(polled).is_some()),
            What::Txn(txn) => txn.steps.iter().any(|step| match step {
                Step::Send(send) => sent(send),
                Step::Poll(polled) => polled.iter().any(|polled| self.cut(polled).is_some()),
            }),
            What::Seek { tp, .. } | What::Refused { tp, .. } => self.is_tp(*tp),
            _ => false,
        }
    }

    /// The records near the finding; none when there are none.
    fn cut(&self, polled: &Polled) -> Option<String> {
        let wanted =
            |seen: &&Seen| self.is_near(polled.tp, Some(seen.offset)) || self.finding.values.contains(&seen.value);
        let records: Vec<String> = polled.records.iter().filter(wanted).map(record).collect();
        let (first, last) = (polled.records.first()?, polled.records.last()?);
        let range = format!("{} to {}", first.offset, last.offset);
        (!records.is_empty()).then(|| format!("{} {range}, of it {}", polled.tp, records.join(" ")))
    }

    fn sends(&self, send: &Send) -> Option<String> {
        let is_wanted = self.finding.values.contains(&send.value) || self.is_near(send.tp, send.offset);
        is_wanted.then(|| describe_send(send))
    }

    /// The event's line, if it has to do with the finding.
    fn describe(&self, event: &Event) -> Option<String> {
        match &event.what {
            What::Send(send) => self.sends(send),
            What::Poll(polled) => {
                let parts: Vec<String> = polled.iter().filter_map(|polled| self.cut(polled)).collect();
                (!parts.is_empty()).then(|| format!("polled {}", parts.join("; ")))
            }
            What::Txn(txn) => {
                let parts: Vec<String> = txn.steps.iter().filter_map(|step| self.step(step)).collect();
                let of_tp = txn.offsets.as_ref().is_some_and(|o| o.offsets.iter().any(|(tp, _)| self.is_tp(*tp)));
                let offsets = if of_tp { format!(" {:?}", txn.offsets) } else { String::new() };
                let is_wanted = !parts.is_empty() || of_tp;
                is_wanted.then(|| {
                    let asked = time(txn.asked);
                    format!("transaction [{}]{offsets} {:?}, asked for at {asked}", parts.join("; "), txn.end)
                })
            }
            What::Assigned(tps) => {
                let mine = tps.iter().find(|(tp, _)| self.is_tp(*tp))?;
                Some(format!("was assigned {} from {:?}", mine.0, mine.1))
            }
            What::Revoked { tps, lost } if tps.iter().any(|tp| self.is_tp(*tp)) => {
                Some(if *lost { "lost it".into() } else { "gave it back".into() })
            }
            What::Seek { tp, to } if self.is_tp(*tp) => Some(format!("reads on from {to}")),
            What::Refused { tp, offset, why } if self.is_tp(*tp) => Some(format!("was refused {offset}: {why}")),
            What::Commit { offsets, outcome } if offsets.offsets.iter().any(|(tp, _)| self.is_tp(*tp)) => {
                Some(format!("commits {offsets:?}: {outcome:?}"))
            }
            What::Committed(offsets) if offsets.offsets.iter().any(|(tp, _)| self.is_tp(*tp)) => {
                Some(format!("is told as committed {offsets:?}"))
            }
            What::Act(act) if self.is_act(act) => Some(format!("{act:?}")),
            What::Fault(fault) => Some(format!("FAULT {}: {}", fault.name, fault.whom)),
            What::Saw(sight) if self.is_sight(sight) => Some(format!("{sight:?}")),
            _ => None,
        }
    }

    fn step(&self, step: &Step) -> Option<String> {
        match step {
            Step::Send(send) => self.sends(send),
            Step::Poll(polled) => {
                let parts: Vec<String> = polled.iter().filter_map(|polled| self.cut(polled)).collect();
                (!parts.is_empty()).then(|| format!("polled {}", parts.join("; ")))
            }
        }
    }

    fn is_act(&self, act: &Act) -> bool {
        match act {
            Act::Created { topic, .. } | Act::Grown { topic, .. } | Act::Deleted { topic, .. } => {
                self.finding.tp.is_none_or(|tp| tp.topic == *topic)
            }
            Act::Reassigned { tp, .. } | Act::PreferredElection { tp, .. } | Act::MayLose { tp, .. } => self.is_tp(*tp),
        }
    }

    fn is_sight(&self, sight: &Sight) -> bool {
        match sight {
            Sight::Leader { tp, .. } | Sight::Replica { tp, .. } | Sight::Recovered { tp, .. } => self.is_tp(*tp),
            Sight::HighWatermark { tp, offset, .. } => self.is_near(*tp, Some(*offset)),
            Sight::Controller { .. } | Sight::Ended { .. } | Sight::Healed { .. } => true,
            Sight::Contents { .. } | Sight::Batches { .. } | Sight::Znodes(_) => false,
        }
    }
}

/// An event that shows a finding and has nothing near it: what it is, no more.
fn brief(event: &Event) -> String {
    match &event.what {
        What::Send(send) => describe_send(send),
        What::Poll(polled) => {
            let parts: Vec<String> = polled.iter().filter_map(range).collect();
            format!("polled {}", parts.join("; "))
        }
        What::Txn(txn) => {
            let parts: Vec<String> = txn
                .steps
                .iter()
                .flat_map(|step| match step {
                    Step::Send(send) => vec![describe_send(send)],
                    Step::Poll(polled) => {
                        polled.iter().filter_map(range).map(|range| format!("polled {range}")).collect()
                    }
                })
                .collect();
            format!("transaction [{}] {:?}, asked for at {}", parts.join("; "), txn.end, time(txn.asked))
        }
        What::Saw(sight) => match &**sight {
            Sight::Contents { tp, isolation, records } => {
                let end = records.last().map_or(-1, |seen| seen.offset);
                format!("found {} records in {tp}, the last at {end} ({isolation:?})", records.len())
            }
            Sight::Batches { tp, batches } => format!("found {} batches in {tp}", batches.len()),
            Sight::Znodes(nodes) => format!("found {} nodes", nodes.len()),
            other => format!("{other:?}"),
        },
        other => format!("{other:?}"),
    }
}

fn range(polled: &Polled) -> Option<String> {
    let (first, last) = (polled.records.first()?, polled.records.last()?);
    Some(format!("{} {} to {}", polled.tp, record(first), record(last)))
}

fn record(seen: &Seen) -> String {
    let key = seen.key.map_or(String::new(), |key| format!(" key {key}"));
    let tombstone = if seen.tombstone { " deleted" } else { "" };
    format!("({} {}{key}{tombstone})", seen.offset, seen.value)
}

fn describe_send(send: &Send) -> String {
    let offset = send.offset.map_or("?".to_string(), |offset| offset.to_string());
    let key = send.key.map_or(String::new(), |key| format!(" key {key}"));
    let tombstone = if send.tombstone { " tombstone" } else { "" };
    format!("sent {}{key}{tombstone} to {} at {offset}: {:?}", send.value, send.tp, send.outcome)
}

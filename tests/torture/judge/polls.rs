//! Polls: a reader that was not told to go elsewhere is given everything, once, in order; and what is there in the end somebody has read.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::facts::{Facts, polls};
use super::finding::{Check, Excuse, Finding, Verdict};
use super::history::{ClientId, Event, Isolation, Polled, Tp, Value, What};

/// Where a reader is in a partition.
#[derive(Clone, Copy)]
struct Position {
    /// The last offset it was given, or the one before that it was told to begin at.
    last: i64,
    /// The event that says so.
    event: usize,
}

/// A reader.
#[derive(Default)]
struct Reader {
    positions: HashMap<Tp, Position>,
    /// When it was last told to read a partition from elsewhere.
    turned: HashMap<Tp, u64>,
    /// The last event that gave it partitions, or none more.
    assigned: usize,
}

/// The offsets at which a reader of each isolation finds something, ascending.
struct Known {
    offsets: HashMap<(Tp, Isolation), Vec<i64>>,
}

impl Known {
    /// What anybody was given, and what is there in the end. Of a compacted topic only the latter, for that was there all the time.
    fn of(facts: &Facts) -> Self {
        let mut offsets: HashMap<(Tp, Isolation), Vec<i64>> = HashMap::new();
        for (&(tp, isolation), &(_, records)) in &facts.contents {
            offsets.entry((tp, isolation)).or_default().extend(records.iter().map(|seen| seen.offset));
        }
        for event in &facts.history.events {
            let isolation = facts.isolation(event.by);
            for polled in polls(event).filter(|polled| !facts.compacted.contains(&polled.tp.topic)) {
                let list = offsets.entry((polled.tp, isolation)).or_default();
                list.extend(polled.records.iter().map(|seen| seen.offset));
            }
        }
        for list in offsets.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        Self { offsets }
    }

    /// Those between two, exclusive.
    fn between(&self, tp: Tp, isolation: Isolation, after: i64, before: i64) -> &[i64] {
        let Some(list) = self.offsets.get(&(tp, isolation)) else { return &[] };
        let (from, to) = (list.partition_point(|o| *o <= after), list.partition_point(|o| *o < before));
        if from < to { &list[from..to] } else { &[] }
    }
}

/// Skips and steps back, inside one poll or transaction and across; and positions that were refused.
pub fn order(facts: &Facts, verdict: &mut Verdict) {
    let known = Known::of(facts);
    let mut readers: HashMap<ClientId, Reader> = HashMap::new();
    for (index, event) in facts.history.events.iter().enumerate() {
        let reader = readers.entry(event.by).or_default();
        match &event.what {
            What::Assigned(assigned) => {
                reader.assigned = index;
                assigned.iter().for_each(|(tp, from)| reader.turn(*tp, *from, index, event));
            }
            What::Revoked { tps, .. } => tps.iter().for_each(|tp| reader.turn(*tp, None, index, event)),
            What::Seek { tp, to } => reader.turn(*tp, Some(*to), index, event),
            What::Refused { tp, offset, why } => {
                let text = format!("{} was refused: {why}", facts.name(event.by));
                let finding = Finding::new(Check::Refused, text).at(*tp, *offset).shown_by([index]);
                // It stood one behind the last offset it was given.
                if !facts.deleted.contains(&tp.topic) {
                    verdict.add(finding.excused_by(facts.rewritten(*tp, offset - 1)));
                }
                reader.turn(*tp, None, index, event);
            }
            What::Poll(_) | What::Txn(_) => {
                for polled in polls(event) {
                    reader.read(facts, &known, index, event, polled, verdict);
                }
            }
            _ => {}
        }
    }
}

impl Reader {
    fn turn(&mut self, tp: Tp, from: Option<i64>, index: usize, event: &Event) {
        self.turned.insert(tp, event.end);
        match from.filter(|from| *from >= 0) {
            Some(from) => drop(self.positions.insert(tp, Position { last: from - 1, event: index })),
            None => drop(self.positions.remove(&tp)),
        }
    }

    fn read(
        &mut self,
        facts: &Facts,
        known: &Known,
        index: usize,
        event: &Event,
        polled: &Polled,
        verdict: &mut Verdict,
    ) {
        let tp = polled.tp;
        // It was turned in the middle of what began before: nobody knows which records came first.
        if self.turned.get(&tp).is_some_and(|at| *at > event.begin) {
            self.positions.remove(&tp);
        }
        for seen in &polled.records {
            let now = Position { last: seen.offset, event: index };
            let Some(before) = self.positions.insert(tp, now) else { continue };
            let inside = before.event == index;
            let who = facts.name(event.by);
            if seen.offset <= before.last {
                let check = if inside { Check::InternalNonmonotonicPoll } else { Check::NonmonotonicPoll };
                let text = format!("{who} was given it after it was at {}", before.last);
                let finding = Finding::new(check, text).at(tp, seen.offset).of([seen.value]);
                let is_once_more = seen.offset == before.last && self.assigned > before.event;
                let excuse = facts.rewritten(tp, before.last).or(is_once_more.then_some(Excuse::Rebalance));
                verdict.add(finding.shown_by([before.event, index]).excused_by(excuse));
                continue;
            }
            let skipped = known.between(tp, facts.isolation(event.by), before.last, seen.offset);
            if let (Some(first), Some(last)) = (skipped.first(), skipped.last()) {
                let check = if inside { Check::InternalPollSkip } else { Check::PollSkip };
                let text = format!(
                    "{who} went from {} to {} without {} records in between (to offset {last})",
                    before.last,
                    seen.offset,
                    skipped.len()
                );
                // Where a log was cut, what anybody was ever given there may be from before or after. With all power markers may be gone
                // too: then what readers of committed data are given changes below the cut.
                let committed = facts.isolation(event.by) == Isolation::ReadCommitted;
                let excuse = facts.rewritten(tp, *last).or_else(|| facts.power_lost_after(0).filter(|_| committed));
                verdict
                    .add(Finding::new(check, text).at(tp, *first).shown_by([before.event, index]).excused_by(excuse));
            }
        }
    }
}

/// Written, acknowledged, there in the end, and never given to anybody, though somebody was to read the partition.
pub fn unseen(facts: &Facts, verdict: &mut Verdict) {
    let mut read: HashSet<(Tp, Value)> = HashSet::new();
    let mut wanted: BTreeSet<Tp> = BTreeSet::new();
    for event in &facts.history.events {
        if let What::Assigned(assigned) = &event.what {
            wanted.extend(assigned.iter().map(|(tp, _)| tp));
        }
        for polled in polls(event) {
            wanted.insert(polled.tp);
            read.extend(polled.records.iter().map(|seen| (polled.tp, seen.value)));
        }
    }
    for tp in wanted.into_iter().filter(|tp| !facts.deleted.contains(&tp.topic)) {
        let Some((look, records)) = facts.final_contents(tp) else { continue };
        for seen in records.iter().filter(|seen| !read.contains(&(tp, seen.value))) {
            let text = format!("{} is there in the end, and nobody was given it", seen.value);
            let finding = Finding::new(Check::Unseen, text).at(tp, seen.offset).of([seen.value]);
            let sent = facts.writer(seen.value).map(|(event, _)| event);
            verdict.add(finding.shown_by(sent.into_iter().chain([look])));
        }
    }
}

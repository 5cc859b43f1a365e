//! Writes: none lost, none from nowhere, one value an offset, one offset a value, in the order they were sent.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::facts::{Facts, Fate, Sighting, Write};
use super::finding::{Check, Excuse, Finding, Verdict};
use super::history::{BatchKind, Outcome, Producer, Tp, Value};

/// A write that was acknowledged (in a transaction: committed with it) and is not there in the end. It is looked for by its value, in the
/// partition it was sent to; its offset is the affair of [`two_values`] and [`moved`]. Compacted topics have checks of their own.
pub fn lost(facts: &Facts, verdict: &mut Verdict) {
    let mut there: HashMap<Tp, HashSet<Value>> = HashMap::new();
    for tp in facts.looked_at() {
        let records = facts.final_contents(tp).map_or(&[][..], |(_, records)| records);
        there.insert(tp, records.iter().map(|seen| seen.value).collect());
    }
    let mut unread: BTreeMap<Tp, usize> = BTreeMap::new();
    let mut writes: Vec<(&Value, &Write)> =
        facts.writes.iter().filter(|(_, w)| facts.fate(**w) == Fate::There).collect();
    writes.sort_by_key(|(value, write)| (write.event, **value));
    for (value, write) in writes {
        let (send, event) = (facts.send(*write), facts.event(write.event));
        if facts.deleted.contains(&send.tp.topic) || facts.compacted.contains(&send.tp.topic) {
            continue;
        }
        let Some((look, _)) = facts.final_contents(send.tp) else {
            unread.entry(send.tp).or_insert(write.event);
            continue;
        };
        if there[&send.tp].contains(value) || event.end >= facts.event(look).begin {
            continue;
        }
        let text = format!(
            "{value}, acknowledged to {} at {}, is not there in the end",
            facts.name(event.by),
            super::page::time(event.end)
        );
        let finding = Finding::new(Check::LostWrite, text).at(send.tp, send.offset).of([*value]);
        // Its transaction's end may be lost where its coordinator kept it.
        let coordinator = || write.step.and_then(|_| facts.power_lost_after(event.begin));
        let reused = || facts.reused_sequence(send.tp, send.offset?, *value);
        let hidden = || facts.hidden(send.tp, send.offset?, *value);
        let excuse = facts.loss(send.tp, send.offset, event.begin).or_else(coordinator).or_else(hidden).or_else(reused);
        verdict.add(finding.shown_by([write.event, look]).excused_by(excuse));
    }
    for (tp, event) in unread {
        let text = "nobody looked at what is there in the end, and something was written";
        verdict.add(Finding::new(Check::Harness, text).at(tp, None).shown_by([event]));
    }
}

/// An offset that had two values, whoever says so: two delivery reports, two readers, or one of each. Above a cut by an unclean election or
/// a loss of all power an offset may get a new value, once a cut.
pub fn two_values(facts: &Facts, verdict: &mut Verdict) {
    let mut known: HashMap<(Tp, i64, usize), (Value, usize)> = HashMap::new();
    let mut found: HashSet<(Tp, i64, Value)> = HashSet::new();
    let mut hold = |tp: Tp, offset: i64, value: Value, event: usize| {
        let (begin, end) = (facts.event(event).begin, facts.event(event).end);
        let Some(era) = facts.era(tp, offset, begin, end) else { return };
        let (first, theirs) = *known.entry((tp, offset, era)).or_insert((value, event));
        if first != value && found.insert((tp, offset, value)) {
            let who = |event: usize| facts.name(facts.event(event).by);
            let text = format!("it is {first} for {}, and {value} for {}", who(theirs), who(event));
            let finding = Finding::new(Check::TwoValues, text).at(tp, offset).of([first, value]);
            let reused = facts.reused_sequence(tp, offset, value).or_else(|| facts.reused_sequence(tp, offset, first));
            verdict.add(finding.shown_by([theirs, event]).excused_by(reused));
        }
    };
    facts.each_sighting(|Sighting { event, tp, seen, .. }| hold(tp, seen.offset, seen.value, event));
    let mut writes: Vec<_> = facts.writes.iter().collect();
    writes.sort_by_key(|(value, write)| (write.event, **value));
    for (value, write) in writes {
        let send = facts.send(*write);
        if let (Outcome::Ok, Some(offset)) = (&send.outcome, send.offset) {
            hold(send.tp, offset, *value, write.event);
        }
    }
}

/// A write that was acknowledged at one offset and lies at another alone, with nothing in its place.
pub fn moved(facts: &Facts, verdict: &mut Verdict) {
    for tp in facts.looked_at() {
        let Some((look, records)) = facts.whole_contents(tp) else { continue };
        let mut places: HashMap<Value, Vec<i64>> = HashMap::new();
        records.iter().for_each(|seen| places.entry(seen.value).or_default().push(seen.offset));
        for seen in records {
            let Some(write) = facts.writes.get(&seen.value) else { continue };
            let send = facts.send(*write);
            let (Outcome::Ok, Some(acked)) = (&send.outcome, send.offset) else { continue };
            let taken = records.binary_search_by_key(&acked, |other| other.offset).is_ok();
            if send.tp != tp || taken || places[&seen.value].first() != Some(&seen.offset) {
                continue;
            }
            let text = format!("{} was acknowledged at offset {acked}, where nothing is", seen.value);
            let finding = Finding::new(Check::Moved, text).at(tp, seen.offset).of([seen.value]);
            verdict.add(finding.shown_by([write.event, look]).excused_by(facts.rewritten(tp, acked)));
        }
    }
}

/// A value that nobody sent, or not there, or before it was sent.
pub fn alien(facts: &Facts, verdict: &mut Verdict) {
    let mut found: HashSet<(Tp, i64, Value)> = HashSet::new();
    facts.each_sighting(|Sighting { event, tp, seen, .. }| {
        let text = match facts.writes.get(&seen.value) {
            None => format!("nobody sent {}", seen.value),
            Some(write) if facts.send(*write).tp != tp => {
                format!("{} was sent to {}", seen.value, facts.send(*write).tp)
            }
            Some(write) if facts.event(event).end < facts.event(write.event).begin => {
                format!("{} was read before it was sent", seen.value)
            }
            Some(_) => return,
        };
        if found.insert((tp, seen.offset, seen.value)) {
            verdict.add(Finding::new(Check::Alien, text).at(tp, seen.offset).of([seen.value]).shown_by([event]));
        }
    });
}

/// A value of an idempotent producer at two offsets.
pub fn duplicates(facts: &Facts, verdict: &mut Verdict) {
    let mut first: HashMap<Value, (i64, usize)> = HashMap::new();
    let mut found: HashSet<(Value, i64)> = HashSet::new();
    facts.each_sighting(|Sighting { event, tp, seen, .. }| {
        if facts.producer(seen.value.writer) == Producer::Plain {
            return;
        }
        let (offset, theirs) = *first.entry(seen.value).or_insert((seen.offset, event));
        if offset == seen.offset || !found.insert((seen.value, seen.offset)) {
            return;
        }
        let higher = offset.max(seen.offset);
        // The batches of a compacted log are gone: nobody can tell.
        let is_other = || facts.compacted.contains(&tp.topic) || facts.other_epoch(tp, offset, seen.offset);
        let new_epoch = || is_other().then_some(Excuse::NewEpoch);
        let finding = Finding::new(Check::Duplicate, format!("{} is at offset {offset} too", seen.value));
        let finding = finding.at(tp, seen.offset).of([seen.value]).shown_by([theirs, event]);
        verdict.add(finding.excused_by(facts.rewritten(tp, higher).or_else(new_epoch)));
    });
}

/// Sequence numbers of an idempotent producer's batches that do not follow each other in a log. A compacted log has holes; so may have one
/// that was cut.
pub fn sequences(facts: &Facts, verdict: &mut Verdict) {
    for (&tp, batches) in &facts.batches {
        if facts.compacted.contains(&tp.topic) {
            continue;
        }
        let mut next: HashMap<(i64, i16), i32> = HashMap::new();
        let data = |kind| matches!(kind, BatchKind::Plain | BatchKind::Transactional);
        for batch in batches.iter().filter(|batch| data(batch.kind) && batch.producer >= 0) {
            // The number after the highest is 0 (`DefaultRecordBatch.incrementSequence`).
            let after = (i64::from(batch.sequence) + i64::from(batch.count)) % (i64::from(i32::MAX) + 1);
            let after = i32::try_from(after).expect("below the modulus");
            let expected = next.insert((batch.producer, batch.epoch), after).unwrap_or(0);
            if expected != batch.sequence {
                let text = format!(
                    "producer {} epoch {}: sequence {} where {expected} should be",
                    batch.producer, batch.epoch, batch.sequence
                );
                let finding = Finding::new(Check::Sequence, text).at(tp, batch.offset);
                verdict.add(finding.excused_by(facts.rewritten(tp, batch.offset)));
            }
        }
    }
}

/// Records of an idempotent producer that lie in another order than it sent them in, inside a transaction or across; and, as what is usual,
/// records of others between two of one transaction. What is there a second time is a duplicate, and in no order.
pub fn order(facts: &Facts, verdict: &mut Verdict) {
    struct Last {
        value: Value,
        offset: i64,
        /// Its place among the records.
        index: usize,
        event: usize,
    }
    for tp in facts.looked_at() {
        let Some((look, records)) = facts.whole_contents(tp) else { continue };
        let mut last: HashMap<u16, Last> = HashMap::new();
        let mut there: HashSet<Value> = HashSet::new();
        for (index, seen) in records.iter().enumerate() {
            let Some((event, txn)) = facts.writer(seen.value) else { continue };
            if facts.producer(seen.value.writer) == Producer::Plain || !there.insert(seen.value) {
                continue;
            }
            let now = Last { value: seen.value, offset: seen.offset, index, event };
            let Some(before) = last.insert(seen.value.writer, now) else { continue };
            let inside = txn.is_some() && before.event == event;
            if before.value.number > seen.value.number {
                let check = if inside { Check::InternalNonmonotonicSend } else { Check::NonmonotonicSend };
                let text = format!("{} was sent before {}, which lies at {}", seen.value, before.value, before.offset);
                let finding = Finding::new(check, text).at(tp, seen.offset).of([before.value, seen.value]);
                verdict.add(finding.shown_by([before.event, event, look]));
            } else if inside && index > before.index + 1 {
                let text = format!("{} records of others after {}", index - before.index - 1, before.value);
                let finding = Finding::new(Check::InternalSendSkip, text).at(tp, seen.offset);
                verdict.add(finding.of([before.value, seen.value]).shown_by([event]));
            }
        }
    }
}

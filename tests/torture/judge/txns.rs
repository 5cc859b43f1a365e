//! Transactions: nobody reads what was aborted, or what is not yet committed.

use std::collections::HashSet;

use super::facts::{Facts, Sighting, polls};
use super::finding::{Check, Finding, Verdict};
use super::history::{End, Isolation, Outcome, Step, Txn, Value, What};

/// A record that was refused for good and was read nevertheless, by whomever; or one of an aborted transaction that a reader of committed
/// data was given (G1a).
pub fn aborted(facts: &Facts, verdict: &mut Verdict) {
    let mut found: HashSet<(Value, usize)> = HashSet::new();
    facts.each_sighting(|Sighting { event, tp, seen, isolation }| {
        let Some(write) = facts.writes.get(&seen.value) else { return };
        let refused = matches!(facts.send(*write).outcome, Outcome::Failed(_));
        let aborted = matches!(facts.writer(seen.value), Some((_, Some(Txn { end: End::Aborted, .. }))));
        let why = match (refused, aborted && isolation == Isolation::ReadCommitted) {
            (true, _) => "was refused",
            (false, true) => "is of an aborted transaction",
            (false, false) => return,
        };
        if found.insert((seen.value, event)) {
            let text = format!("{} {why}, and {} was given it", seen.value, facts.name(facts.event(event).by));
            let finding = Finding::new(Check::AbortedRead, text).at(tp, seen.offset).of([seen.value]);
            // The marker of an abort may be gone with all power, and a later commit of that producer count for the record.
            let excuse = facts.power_lost_before(facts.event(event).end).filter(|_| !refused);
            verdict.add(finding.shown_by([write.event, event]).excused_by(excuse));
        }
    });
}

/// A reader of committed data was given a record before its transaction's commit was asked for; by Jepsen's definition the transaction
/// itself read it.
pub fn precommitted(facts: &Facts, verdict: &mut Verdict) {
    for (index, event) in facts.history.events.iter().enumerate() {
        if facts.isolation(event.by) != Isolation::ReadCommitted {
            continue;
        }
        for polled in polls(event) {
            for seen in &polled.records {
                let Some((write, Some(txn))) = facts.writer(seen.value) else { continue };
                if write != index && event.end >= txn.asked {
                    continue;
                }
                let text = format!("{} was given {} before its commit was asked for", facts.name(event.by), seen.value);
                let finding = Finding::new(Check::PrecommittedRead, text).at(polled.tp, seen.offset).of([seen.value]);
                verdict.add(finding.shown_by([write, index]));
            }
        }
    }
}

/// Whether a transaction is one whose effects are there.
pub fn is_committed(facts: &Facts, event: usize) -> bool {
    let What::Txn(txn) = &facts.event(event).what else { return false };
    match txn.end {
        End::Committed => true,
        End::Aborted => false,
        End::Unknown(_) => txn.steps.iter().any(|step| match step {
            Step::Send(send) => {
                send.outcome == Outcome::Ok
                    && facts
                        .writes
                        .get(&send.value)
                        .is_some_and(|write| facts.fate(*write) == super::facts::Fate::There)
            }
            Step::Poll(_) => false,
        }),
    }
}

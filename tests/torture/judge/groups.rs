//! Groups: what is committed stays committed, by who may commit, and behind everything that was read.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::facts::{Facts, polls};
use super::finding::{Check, Finding, Verdict};
use super::history::{End, GroupId, Outcome, Step, Tp, What};
use super::txns::is_committed;

/// A commit of one partition that was or may have been done.
struct Commit {
    offset: i64,
    generation: Option<i32>,
    begin: u64,
    /// The end of time when it may be done later.
    end: u64,
    /// It was answered.
    acked: bool,
    event: usize,
}

type Commits = BTreeMap<(GroupId, Tp), Vec<Commit>>;

fn commits(facts: &Facts) -> Commits {
    let mut all = Commits::new();
    for (index, event) in facts.history.events.iter().enumerate() {
        let (offsets, begin, acked) = match &event.what {
            What::Commit { offsets, outcome: Outcome::Ok } => (&**offsets, event.begin, true),
            What::Commit { offsets, outcome: Outcome::Unknown(_) } => (&**offsets, event.begin, false),
            What::Txn(txn) => match (&txn.offsets, &txn.end) {
                (Some(offsets), End::Committed) => (offsets, txn.asked, true),
                (Some(offsets), End::Unknown(_)) => (offsets, txn.asked, is_committed(facts, index)),
                _ => continue,
            },
            _ => continue,
        };
        // Of a transaction of unknown end that was committed nobody knows when.
        let is_timed = acked && !matches!(&event.what, What::Txn(txn) if matches!(txn.end, End::Unknown(_)));
        for (tp, offset) in &offsets.offsets {
            all.entry((offsets.group, *tp)).or_default().push(Commit {
                offset: *offset,
                generation: offsets.generation,
                begin,
                end: if is_timed { event.end } else { u64::MAX },
                acked,
                event: index,
            });
        }
    }
    all
}

/// What the coordinator answers as committed is something that was committed, and not overwritten since by something that was answered.
pub fn committed_offsets(facts: &Facts, verdict: &mut Verdict) {
    let all = commits(facts);
    for (index, event) in facts.history.events.iter().enumerate() {
        let What::Committed(answer) = &event.what else { continue };
        for &(tp, offset) in answer.offsets.iter().filter(|(tp, _)| !facts.deleted.contains(&tp.topic)) {
            let commits = all.get(&(answer.group, tp)).map_or(&[][..], Vec::as_slice);
            // The last that was certainly done, and answered before the question.
            let latest = commits.iter().filter(|commit| commit.end < event.begin).max_by_key(|commit| commit.begin);
            let holds = |commit: &Commit| {
                commit.offset == offset
                    && commit.begin <= event.end
                    && latest.is_none_or(|latest| commit.end >= latest.begin)
            };
            if commits.iter().any(holds) || (offset < 0 && latest.is_none()) {
                continue;
            }
            let text = match latest {
                Some(latest) => {
                    format!("group {} is told {offset}, though {} was committed before", answer.group, latest.offset)
                }
                None => format!("group {} is told {offset}, which nobody committed", answer.group),
            };
            let finding = Finding::new(Check::GroupOffset, text).at(tp, offset);
            let shown = latest.map(|latest| latest.event).into_iter().chain([index]);
            let was_committed = commits.iter().any(|commit| commit.offset == offset && commit.begin <= event.end);
            let stale = facts.cut_off_coordinator(event).filter(|_| was_committed);
            verdict.add(finding.shown_by(shown).excused_by(facts.power_lost_before(event.end).or(stale)));
        }
    }
}

/// A commit by a member of an older generation, after one of a newer was answered: it should have been fenced.
pub fn stale_commits(facts: &Facts, verdict: &mut Verdict) {
    for ((group, tp), commits) in commits(facts) {
        let known =
            || commits.iter().filter(|commit| commit.acked && commit.end < u64::MAX && commit.generation.is_some());
        let mut by_end: Vec<&Commit> = known().collect();
        by_end.sort_by_key(|commit| commit.end);
        let mut by_begin: Vec<&Commit> = known().collect();
        by_begin.sort_by_key(|commit| commit.begin);
        let mut ended = by_end.into_iter().peekable();
        let mut newest: Option<&Commit> = None;
        for commit in by_begin {
            while let Some(before) = ended.next_if(|before| before.end < commit.begin) {
                if newest.is_none_or(|newest| newest.generation < before.generation) {
                    newest = Some(before);
                }
            }
            let Some(newest) = newest.filter(|newest| newest.generation > commit.generation) else { continue };
            let text = format!(
                "group {group}: generation {} commits {}, after generation {} has",
                commit.generation.unwrap_or_default(),
                commit.offset,
                newest.generation.unwrap_or_default()
            );
            let finding = Finding::new(Check::StaleCommit, text).at(tp, commit.offset);
            let excuse = facts.power_lost_before(commit.begin);
            verdict.add(finding.shown_by([newest.event, commit.event]).excused_by(excuse));
        }
    }
}

/// A record before what a group has committed, and behind the first it was ever given, that no member was given: it is passed over for good.
pub fn skipped(facts: &Facts, verdict: &mut Verdict) {
    let mut given: HashMap<(GroupId, Tp), HashSet<i64>> = HashMap::new();
    for event in &facts.history.events {
        let Some(group) = facts.roles.get(&event.by).and_then(|role| role.group) else { continue };
        for polled in polls(event) {
            given.entry((group, polled.tp)).or_default().extend(polled.records.iter().map(|seen| seen.offset));
        }
    }
    for ((group, tp), commits) in commits(facts) {
        let Some(given) = given.get(&(group, tp)).filter(|_| !facts.deleted.contains(&tp.topic)) else { continue };
        let Some((look, records)) = facts.final_contents(tp) else { continue };
        let done = commits.iter().filter(|commit| commit.acked).max_by_key(|commit| commit.offset);
        let (Some(done), Some(first)) = (done, given.iter().min()) else { continue };
        let passed = records.iter().filter(|seen| seen.offset > *first && seen.offset < done.offset);
        for seen in passed.filter(|seen| !given.contains(&seen.offset)) {
            let text = format!("group {group} has committed {}, and no member was given {}", done.offset, seen.value);
            let finding = Finding::new(Check::GroupSkip, text).at(tp, seen.offset).of([seen.value]);
            verdict.add(finding.shown_by([done.event, look]).excused_by(facts.rewritten(tp, seen.offset)));
        }
    }
}

/// A record that two committed transactions of one group have both read and committed as read: exactly-once processing was not.
pub fn processed_twice(facts: &Facts, verdict: &mut Verdict) {
    let mut done: HashMap<(GroupId, Tp, i64), usize> = HashMap::new();
    for (index, event) in facts.history.events.iter().enumerate() {
        let What::Txn(txn) = &event.what else { continue };
        let Some(offsets) = txn.offsets.as_ref().filter(|_| is_committed(facts, index)) else { continue };
        let read = txn.steps.iter().filter_map(|step| match step {
            Step::Poll(polled) => Some(polled),
            Step::Send(_) => None,
        });
        for polled in read.flat_map(|polled| polled.iter()) {
            let Some((_, upto)) = offsets.offsets.iter().find(|(tp, _)| *tp == polled.tp) else { continue };
            for seen in polled.records.iter().filter(|seen| seen.offset < *upto) {
                let Some(first) = done.insert((offsets.group, polled.tp, seen.offset), index) else { continue };
                let text = format!("group {} has processed {} in two transactions", offsets.group, seen.value);
                let finding = Finding::new(Check::ProcessedTwice, text).at(polled.tp, seen.offset).of([seen.value]);
                let excuse = facts.rewritten(polled.tp, seen.offset).or_else(|| facts.power_lost_before(event.end));
                verdict.add(finding.shown_by([first, index]).excused_by(excuse));
            }
        }
    }
}

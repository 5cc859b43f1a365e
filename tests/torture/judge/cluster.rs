//! The cluster itself: one leader an epoch, a high watermark that only rises, equal replicas, everything healed in time and nothing left over.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::facts::Facts;
use super::finding::{Check, Finding, Verdict};
use super::history::{Act, BrokerId, Outcome, Sight, Teller, Tp, What};
use super::page::time;

/// Everything the cluster showed of itself, with the event.
fn sights<'h>(facts: &Facts<'h>) -> impl Iterator<Item = (usize, &'h Sight)> {
    facts.history.events.iter().enumerate().filter_map(|(index, event)| match &event.what {
        What::Saw(sight) => Some((index, &**sight)),
        _ => None,
    })
}

/// Two brokers that led a partition in one epoch, and an epoch in ZooKeeper that went back.
pub fn leaders(facts: &Facts, verdict: &mut Verdict) {
    let mut leaders: HashMap<(Tp, i32), (BrokerId, usize)> = HashMap::new();
    let mut written: Vec<(usize, Tp, i32)> = Vec::new();
    for (index, sight) in sights(facts) {
        let Sight::Leader { tp, leader, epoch, by, .. } = sight else { continue };
        if *by == Teller::ZooKeeper {
            written.push((index, *tp, *epoch));
        }
        if *leader < 0 {
            continue;
        }
        let (first, theirs) = *leaders.entry((*tp, *epoch)).or_insert((*leader, index));
        if first != *leader {
            let text = format!("broker {first} and broker {leader} both lead in epoch {epoch}");
            verdict.add(Finding::new(Check::TwoLeaders, text).at(*tp, None).shown_by([theirs, index]));
        }
    }
    written.sort_by_key(|(index, ..)| facts.event(*index).begin);
    let mut latest: HashMap<Tp, (i32, usize)> = HashMap::new();
    for (index, tp, epoch) in written {
        if let Some((before, theirs)) = latest.insert(tp, (epoch, index)).filter(|(before, _)| *before > epoch) {
            let text = format!("the leader epoch went from {before} back to {epoch}");
            verdict.add(Finding::new(Check::EpochBack, text).at(tp, None).shown_by([theirs, index]));
        }
    }
}

/// A high watermark below one that was told before, by a leader of the same epoch or a later one. What a deposed leader tells is old.
pub fn high_watermarks(facts: &Facts, verdict: &mut Verdict) {
    struct Told {
        begin: u64,
        end: u64,
        epoch: i32,
        offset: i64,
        event: usize,
    }
    let mut told: BTreeMap<Tp, Vec<Told>> = BTreeMap::new();
    for (index, sight) in sights(facts) {
        if let Sight::HighWatermark { tp, epoch, offset, .. } = sight {
            let (begin, end) = (facts.event(index).begin, facts.event(index).end);
            told.entry(*tp).or_default().push(Told { begin, end, epoch: *epoch, offset: *offset, event: index });
        }
    }
    for (tp, told) in told {
        let mut by_begin: Vec<&Told> = told.iter().collect();
        by_begin.sort_by_key(|told| told.begin);
        let mut by_end: Vec<&Told> = told.iter().collect();
        by_end.sort_by_key(|told| told.end);
        let mut ended = by_end.into_iter().peekable();
        // The highest of each epoch: a handful of epochs, thousands of answers.
        let mut highest: BTreeMap<i32, &Told> = BTreeMap::new();
        for now in by_begin {
            while let Some(before) = ended.next_if(|before| before.end < now.begin) {
                let known = highest.entry(before.epoch).or_insert(before);
                if known.offset < before.offset {
                    *known = before;
                }
            }
            let before = highest.range(..=now.epoch).map(|(_, told)| *told).max_by_key(|told| told.offset);
            let Some(before) = before.filter(|before| before.offset > now.offset) else { continue };
            let text = format!(
                "it was {} in epoch {} at {}, and is {} in epoch {}",
                before.offset,
                before.epoch,
                time(before.end),
                now.offset,
                now.epoch
            );
            let excuse = facts.rewritten_after(tp, before.offset - 1, before.begin);
            let finding = Finding::new(Check::HighWatermarkBack, text).at(tp, now.offset);
            verdict.add(finding.shown_by([before.event, now.event]).excused_by(excuse));
        }
    }
}

/// Replicas that differ in the end. Each compacts by itself: of a compacted topic only the ends must be the same.
pub fn replicas(facts: &Facts, verdict: &mut Verdict) {
    let mut first: HashMap<Tp, (usize, &Sight)> = HashMap::new();
    for (index, sight) in sights(facts) {
        let Sight::Replica { tp, broker, start, end, bytes, digest } = sight else { continue };
        let (other_index, other) = *first.entry(*tp).or_insert((index, sight));
        let Sight::Replica { broker: b, start: s, end: e, bytes: n, digest: d, .. } = other else { continue };
        let same = end == e && (facts.compacted.contains(&tp.topic) || (start, bytes, digest) == (s, n, d));
        if !same {
            let text = format!(
                "broker {b} has {n} bytes from {s} to {e}, digest {d:016x}; broker {broker} {bytes} bytes from {start} to {end}, {digest:016x}"
            );
            verdict.add(Finding::new(Check::UnequalReplicas, text).at(*tp, None).shown_by([other_index, index]));
        }
    }
}

/// A cluster that was not whole in time, a broker that ended by itself, and a recovery that did not say what it cut.
pub fn health(facts: &Facts, verdict: &mut Verdict) {
    for (index, sight) in sights(facts) {
        let finding = match sight {
            Sight::Healed { after_us, limit_us } if after_us.is_none_or(|after| after > *limit_us) => {
                let when = after_us.map_or("never".to_string(), |after| format!("after {}", time(after)));
                let text = format!("every ISR was full {when}, and should have been within {}", time(*limit_us));
                Finding::new(Check::NotHealed, text)
            }
            Sight::Ended { broker, how } => {
                Finding::new(Check::BrokerEnded, format!("broker {broker} ended by itself: {how}"))
            }
            Sight::Recovered { tp, broker, bytes, told: false } if *bytes > 0 => {
                let text = format!("broker {broker} lost {bytes} bytes of it and did not say so");
                Finding::new(Check::UntoldCut, text).at(*tp, None)
            }
            _ => continue,
        };
        verdict.add(finding.shown_by([index]));
    }
}

/// Nodes that should be gone: what was asked for and is done, notifications, and what belongs to topics that are no more.
pub fn leftovers(facts: &Facts, verdict: &mut Verdict) {
    let Some((index, nodes)) = sights(facts)
        .filter_map(|(index, sight)| match sight {
            Sight::Znodes(nodes) => Some((index, nodes)),
            _ => None,
        })
        .last()
    else {
        return;
    };
    let (gone, live) = topics(facts);
    let topics_there: BTreeSet<&str> = nodes.iter().filter_map(|node| topic_of(node, "/brokers/topics/")).collect();
    for node in nodes {
        let inside = |folder: &str| node.strip_prefix(folder).is_some_and(|rest| !rest.is_empty());
        let is_gone = |topic: &str| gone.contains(topic) && !live.contains(topic);
        let why = match node.as_str() {
            "/admin/reassign_partitions" => "a reassignment is not over",
            "/admin/preferred_replica_election" => "an election is not over",
            _ if inside("/admin/delete_topics/") => "a deletion is not over",
            _ if inside("/isr_change_notification/") || inside("/log_dir_event_notification/") => {
                "a notification that nobody took away"
            }
            _ if topic_of(node, "/brokers/topics/").is_some_and(is_gone) => "its topic was deleted",
            _ if topic_of(node, "/config/topics/").is_some_and(|t| is_gone(t) || !topics_there.contains(t)) => {
                "there is no such topic"
            }
            _ => continue,
        };
        verdict.add(Finding::new(Check::Leftover, format!("{node}: {why}")).shown_by([index]));
    }
}

/// The names of topics that were deleted, and of those that were made and not deleted.
fn topics<'h>(facts: &Facts<'h>) -> (BTreeSet<&'h str>, BTreeSet<&'h str>) {
    let acts = || {
        facts.history.events.iter().filter_map(|event| match &event.what {
            What::Act(act) => Some(&**act),
            _ => None,
        })
    };
    let surely_deleted =
        |number: u16| acts().any(|act| matches!(act, Act::Deleted { topic, outcome: Outcome::Ok } if *topic == number));
    let mut sorted = (BTreeSet::new(), BTreeSet::new());
    for act in acts() {
        if let Act::Created { topic, name, .. } = act {
            let list = if surely_deleted(*topic) { &mut sorted.0 } else { &mut sorted.1 };
            list.insert(name.as_str());
        }
    }
    sorted
}

/// The topic of a node below a folder.
fn topic_of<'n>(node: &'n str, folder: &str) -> Option<&'n str> {
    let rest = node.strip_prefix(folder)?;
    Some(rest.split('/').next().unwrap_or(rest)).filter(|topic| !topic.is_empty())
}

//! Compacted topics: the last of each key stays, what is deleted stays deleted, and what stays keeps its offset (that is `two_values` and
//! `moved`) and its order.

use std::collections::{BTreeMap, HashMap};

use super::facts::{Facts, Fate};
use super::finding::{Check, Finding, Verdict};
use super::history::{Key, Seen, Send, Tp};

/// The acknowledged write of a key with the highest offset.
struct Latest<'h> {
    send: &'h Send,
    offset: i64,
    event: usize,
}

/// Holds each key's last acknowledged write against what is there of the key in the end: that write, or a later one; of a tombstone also
/// nothing, but nothing older.
pub fn keys(facts: &Facts, verdict: &mut Verdict) {
    let mut latest: BTreeMap<(Tp, Key), Latest> = BTreeMap::new();
    for write in facts.writes.values().filter(|write| facts.fate(**write) == Fate::There) {
        let send = facts.send(*write);
        let (Some(key), Some(offset)) = (send.key, send.offset) else { continue };
        if !facts.compacted.contains(&send.tp.topic) || facts.deleted.contains(&send.tp.topic) {
            continue;
        }
        let Some((look, _)) = facts.final_contents(send.tp) else { continue };
        if facts.event(write.event).end >= facts.event(look).begin {
            continue;
        }
        let now = Latest { send, offset, event: write.event };
        let known = latest.entry((send.tp, key)).or_insert_with(|| Latest { ..now });
        if known.offset < offset {
            *known = now;
        }
    }
    let mut survivors: HashMap<(Tp, Key), &Seen> = HashMap::new();
    for tp in facts.looked_at().into_iter().filter(|tp| facts.compacted.contains(&tp.topic)) {
        let records = facts.final_contents(tp).map_or(&[][..], |(_, records)| records);
        survivors.extend(records.iter().filter_map(|seen| Some(((tp, seen.key?), seen))));
    }
    for ((tp, key), write) in latest {
        let there = survivors.get(&(tp, key));
        if there.is_some_and(|seen| seen.offset >= write.offset) || (there.is_none() && write.send.tombstone) {
            continue;
        }
        let value = write.send.value;
        let finding = match there {
            Some(seen) if write.send.tombstone => {
                let text =
                    format!("key {key}, deleted by {value} at {}, is there again as {}", write.offset, seen.value);
                Finding::new(Check::ResurrectedKey, text).at(tp, seen.offset).of([value, seen.value])
            }
            Some(seen) => {
                let text = format!("the last of key {key} is {value}, and {} at {} is there", seen.value, seen.offset);
                Finding::new(Check::LostKey, text).at(tp, write.offset).of([value, seen.value])
            }
            None => {
                let text = format!("the last of key {key} is {value}, and nothing of the key is there");
                Finding::new(Check::LostKey, text).at(tp, write.offset).of([value])
            }
        };
        let excuse = facts.loss(tp, Some(write.offset), facts.event(write.event).begin);
        verdict.add(finding.shown_by([write.event]).excused_by(excuse));
    }
}

//! Cycles of committed transactions: each depends on the next, the last on the first.
//!
//! An edge goes from a transaction to one that **wrote after it** in a partition (write-write, by offset), or that **read** what it wrote
//! (write-read). G0 is a cycle of write-write edges, G1c one that has write-read edges. Kafka does not isolate writes, so cycles with
//! write-write edges are usual; a cycle of write-read edges alone, by readers of committed data, can't be: who reads a transaction's records
//! has begun to commit after it has.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};

use super::facts::{Facts, polls};
use super::finding::{Check, Finding, Verdict};
use super::history::{Isolation, What};
use super::txns::is_committed;

/// Edges by event, and what the edge is in words.
type Graph = HashMap<usize, BTreeSet<usize>>;

/// Finds one cycle, the shortest, of each tangle of transactions.
pub fn cycles(facts: &Facts, verdict: &mut Verdict) {
    let events = facts.history.events.iter().enumerate();
    let nodes: Vec<usize> = events
        .filter(|(index, event)| matches!(event.what, What::Txn(_)) && is_committed(facts, *index))
        .map(|(index, _)| index)
        .collect();
    let (ww, wr) = (write_write(facts), write_read(facts, &nodes));
    report(facts, Check::G0, &nodes, &ww, verdict);
    report(facts, Check::G1c, &nodes, &wr, verdict);
    let mut both = ww.clone();
    wr.iter().for_each(|(from, to)| both.entry(*from).or_default().extend(to));
    let is_mixed = |cycle: &[usize]| {
        let edges = || cycle.iter().zip(cycle.iter().cycle().skip(1));
        let all_in =
            |graph: &Graph| edges().all(|(from, to)| graph.get(from).is_some_and(|to_all| to_all.contains(to)));
        !all_in(&ww) && !all_in(&wr)
    };
    for cycle in tangles(&nodes, &both).iter().map(|tangle| shortest(tangle, &both)).filter(|cycle| is_mixed(cycle)) {
        verdict.add(finding(facts, Check::G1cMixed, &cycle));
    }
}

fn report(facts: &Facts, check: Check, nodes: &[usize], graph: &Graph, verdict: &mut Verdict) {
    for tangle in tangles(nodes, graph) {
        verdict.add(finding(facts, check, &shortest(&tangle, graph)));
    }
}

fn finding(facts: &Facts, check: Check, cycle: &[usize]) -> Finding {
    let names: Vec<String> = cycle
        .iter()
        .map(|event| format!("the transaction of {} at event {event}", facts.name(facts.event(*event).by)))
        .collect();
    Finding::new(check, format!("a cycle: {}, and again the first", names.join(", then ")))
        .shown_by(cycle.iter().copied())
}

/// From each transaction to the one whose record is the next in a partition.
fn write_write(facts: &Facts) -> Graph {
    let mut graph = Graph::new();
    for tp in facts.looked_at() {
        let Some((_, records)) = facts.final_contents(tp) else { continue };
        let mut before: Option<usize> = None;
        for seen in records {
            let Some((event, Some(_))) = facts.writer(seen.value) else { continue };
            if !is_committed(facts, event) {
                continue;
            }
            if let Some(before) = before.replace(event).filter(|before| *before != event) {
                graph.entry(before).or_default().insert(event);
            }
        }
    }
    graph
}

/// From each transaction to those that read of it.
fn write_read(facts: &Facts, nodes: &[usize]) -> Graph {
    let mut graph = Graph::new();
    for &reader in nodes {
        let event = facts.event(reader);
        if facts.isolation(event.by) != Isolation::ReadCommitted {
            continue;
        }
        for seen in polls(event).flat_map(|polled| &polled.records) {
            if let Some((writer, Some(_))) = facts.writer(seen.value)
                && writer != reader
            {
                graph.entry(writer).or_default().insert(reader);
            }
        }
    }
    graph
}

/// The strongly connected components with more than one node (Tarjan), without recursion: a run has tens of thousands of transactions.
fn tangles(nodes: &[usize], graph: &Graph) -> Vec<BTreeSet<usize>> {
    #[derive(Default)]
    struct Mark {
        index: usize,
        low: usize,
        on_stack: bool,
    }
    let none = BTreeSet::new();
    let mut marks: HashMap<usize, Mark> = HashMap::new();
    let (mut stack, mut tangles) = (Vec::new(), Vec::new());
    for &root in nodes {
        if marks.contains_key(&root) {
            continue;
        }
        let mut walk = vec![(root, graph.get(&root).unwrap_or(&none).iter())];
        let mark = |marks: &mut HashMap<usize, Mark>, stack: &mut Vec<usize>, node: usize| {
            let index = marks.len();
            marks.insert(node, Mark { index, low: index, on_stack: true });
            stack.push(node);
        };
        mark(&mut marks, &mut stack, root);
        while let Some((node, edges)) = walk.last_mut() {
            let node = *node;
            if let Some(&next) = edges.next() {
                match marks.get(&next) {
                    None => {
                        mark(&mut marks, &mut stack, next);
                        walk.push((next, graph.get(&next).unwrap_or(&none).iter()));
                    }
                    Some(seen) if seen.on_stack => {
                        let low = seen.index;
                        let mine = marks.get_mut(&node).expect("marked when it was entered");
                        mine.low = mine.low.min(low);
                    }
                    Some(_) => {}
                }
                continue;
            }
            walk.pop();
            let (low, index) = (marks[&node].low, marks[&node].index);
            if let Some((parent, _)) = walk.last() {
                let parent = marks.get_mut(parent).expect("marked when it was entered");
                parent.low = parent.low.min(low);
            }
            if low == index {
                let mut tangle = BTreeSet::new();
                while let Some(member) = stack.pop() {
                    marks.get_mut(&member).expect("marked when it was entered").on_stack = false;
                    tangle.insert(member);
                    if member == node {
                        break;
                    }
                }
                if tangle.len() > 1 {
                    tangles.push(tangle);
                }
            }
        }
    }
    tangles
}

/// The shortest way from the first of a tangle back to itself.
fn shortest(tangle: &BTreeSet<usize>, graph: &Graph) -> Vec<usize> {
    let start = *tangle.first().expect("a tangle has nodes");
    let mut came_from: HashMap<usize, usize> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &next in graph.get(&node).into_iter().flatten().filter(|next| tangle.contains(next)) {
            if next == start {
                let mut way = vec![node];
                while let Some(&before) = came_from.get(way.last().expect("it has one")) {
                    way.push(before);
                }
                way.reverse();
                return way;
            }
            if let Entry::Vacant(new) = came_from.entry(next) {
                new.insert(node);
                queue.push_back(next);
            }
        }
    }
    unreachable!("every node of a strongly connected component lies on a cycle")
}

//! What topics and partitions are like: whether every replica is in sync, and what a broker's absence would do. Pure.

use super::facts::{ClusterFacts, Settings, Topic};
use super::judge::Findings;
use crate::base::BrokerId;
use crate::zk::znode::partition_state::PartitionState;
use crate::zk::znode::topic::PartitionAssignment;

/// Names told before "and N more".
const TOLD: usize = 5;

/// Partitions with something in common.
#[derive(Default)]
struct Group(Vec<String>);

impl Group {
    fn add(&mut self, topic: &str, partition: i32) {
        self.0.push(format!("{topic}-{partition}"));
    }

    /// `3 partitions (a-0, a-1, b-0)`; none when it is empty.
    fn told(&self) -> Option<String> {
        let (count, more) = (self.0.len(), self.0.len().saturating_sub(TOLD));
        let mut list = self.0.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
        if more > 0 {
            list.push_str(&format!(" and {more} more"));
        }
        let noun = if count == 1 { "partition" } else { "partitions" };
        (count > 0).then(|| format!("{count} {noun} ({list})"))
    }
}

/// Everything that is odd.
#[derive(Default)]
struct Odd {
    leaderless: Group,
    under_replicated: Group,
    moving: Group,
    alone: Group,
    too_few: Group,
}

pub(super) fn judge(found: &mut Findings, settings: &Settings, zk: &ClusterFacts) {
    let own = settings.broker_id;
    let runs = zk.brokers.iter().any(|broker| broker.id == own);
    let mut odd = Odd::default();
    for topic in &zk.topics {
        configured(found, topic);
        let min_isr = topic.config.get("min.insync.replicas").and_then(|n| n.parse().ok()).unwrap_or(settings.min_isr);
        for (partition, assignment) in &topic.node.partitions {
            let state = topic.states.get(partition);
            sort_in(&mut odd, &topic.name, *partition, assignment, state, Own { id: own, runs, min_isr });
        }
    }
    if let Some(which) = odd.leaderless.told() {
        found.stop("topics", format!("{which} without a leader: bring the brokers back that have their records"));
    }
    if let Some(which) = odd.under_replicated.told() {
        found.stop("topics", format!("{which} under-replicated: wait until all their replicas are in sync"));
    }
    if let Some(which) = odd.moving.told() {
        found.stop("topics", format!("{which} being reassigned: wait for the end of the move, or cancel it"));
    }
    if let Some(which) = odd.alone.told() {
        found.note("topics", format!("{which} on this broker alone: not to be reached while it is away"));
    }
    if let Some(which) = odd.too_few.told() {
        let text =
            format!("{which} below min.insync.replicas without this broker: acks=all is refused while it is away");
        found.note("topics", text);
    }
    if !zk.deletions.is_empty() {
        found.note("topics", format!("being deleted: {}", zk.deletions.join(", ")));
    }
}

/// This broker, and what a topic asks for.
#[derive(Clone, Copy)]
struct Own {
    id: BrokerId,
    /// It is registered.
    runs: bool,
    min_isr: usize,
}

fn sort_in(
    odd: &mut Odd,
    topic: &str,
    partition: i32,
    assignment: &PartitionAssignment,
    state: Option<&PartitionState>,
    own: Own,
) {
    let replicas = &assignment.replicas;
    if assignment.is_being_reassigned() {
        odd.moving.add(topic, partition);
    }
    let here = replicas.contains(&own.id);
    if here && replicas.len() == 1 {
        odd.alone.add(topic, partition);
        return; // it has no leader when this broker does not run, and nothing can be in sync with it
    }
    let Some(state) = state.filter(|state| state.leader >= 0) else {
        odd.leaderless.add(topic, partition);
        return;
    };
    // Where this broker is stopped already, it is the one that is missing.
    let missing = |id: &&BrokerId| !state.isr.contains(id) && (own.runs || **id != own.id);
    if replicas.iter().any(|id| missing(&id)) {
        odd.under_replicated.add(topic, partition);
    }
    if own.runs && here && state.isr.iter().filter(|id| **id != own.id).count() < own.min_isr {
        odd.too_few.add(topic, partition);
    }
}

fn configured(found: &mut Findings, topic: &Topic) {
    if topic.config.get("remote.storage.enable").is_some_and(|value| value == "true") {
        let text = format!(
            "{} has remote.storage.enable=true: what lies in remote storage alone would not be found",
            topic.name
        );
        found.stop("topics", text);
    }
    for key in topic.config.keys().filter(|key| crate::config::topic::get(key).is_none()) {
        found.note("topics", format!("{} sets {key}, which is unknown and ignored", topic.name));
    }
}

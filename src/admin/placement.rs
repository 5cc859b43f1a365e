//! Which brokers get which replicas: Kafka's `AdminUtils.assignReplicasToBrokers`, pure. So that a topic made here looks like one
//! made by an Apache broker, the sequence is the same for the same start and shift.
//!
//! Leaders go round the brokers; the other replicas of a partition follow their leader at a distance (the shift) that grows by one
//! each time all brokers have led. With racks, the brokers are interleaved by rack first, and no rack gets a second replica of a
//! partition before each has one.

use std::collections::{BTreeMap, BTreeSet};

use super::AdminError;
use crate::base::BrokerId;
use crate::base::env::Rng;

/// Replicas by partition index, the preferred leader first.
pub type Assignment = BTreeMap<i32, Vec<BrokerId>>;

/// A broker that may hold replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// `broker.id`.
    pub id: BrokerId,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// More than any topic can have: its node in ZooKeeper would exceed the server's default `jute.maxbuffer` of 1 MiB, whatever the
/// replication factor. Kept so that a request can't make the broker compute (and hold) an assignment without end.
pub const MAX_PARTITIONS: i32 = 100_000;

/// More replicas than one node in ZooKeeper can name: each takes two bytes of its text at least.
const MAX_REPLICAS: usize = 500_000;

/// Where an assignment starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Position (in the arranged list of brokers) of partition 0's leader.
    pub index: usize,
    /// First distance between a leader and its first follower, less one.
    pub shift: usize,
    /// First partition to assign.
    pub partition: i32,
}

/// The assignment of a new topic, from a random start.
///
/// # Errors
/// As [`assign_from`].
pub fn assign(brokers: &[Broker], partitions: i32, replication: i32, rng: &Rng) -> Result<Assignment, AdminError> {
    let start = Start { index: rng.below(brokers.len()), shift: rng.below(brokers.len()), partition: 0 };
    assign_from(brokers, partitions, replication, start)
}

/// The assignment of partitions added to a topic: start and shift both come from partition 0's preferred leader, so that the new
/// partitions go on where the old ones ended. `brokers` are sorted by id.
///
/// # Errors
/// As [`assign_from`].
pub fn grow(
    brokers: &[Broker],
    added: i32,
    replication: i32,
    first_leader: BrokerId,
    existing: i32,
) -> Result<Assignment, AdminError> {
    let at = brokers.iter().position(|b| b.id >= first_leader).unwrap_or(0);
    assign_from(brokers, added, replication, Start { index: at, shift: at, partition: existing })
}

/// The assignment of `partitions` partitions from a given start.
///
/// # Errors
/// Counts below one, more replicas than brokers, brokers of which only some have a rack.
pub fn assign_from(
    brokers: &[Broker],
    partitions: i32,
    replication: i32,
    start: Start,
) -> Result<Assignment, AdminError> {
    if partitions <= 0 {
        return Err(AdminError::InvalidPartitions("Number of partitions must be larger than 0.".into()));
    }
    if partitions > MAX_PARTITIONS {
        return Err(AdminError::InvalidPartitions(format!(
            "Number of partitions must not be larger than {MAX_PARTITIONS}."
        )));
    }
    if replication <= 0 {
        return Err(AdminError::InvalidReplicationFactor("Replication factor must be larger than 0.".into()));
    }
    let replicas = usize::try_from(replication).unwrap_or(usize::MAX);
    if replicas > brokers.len() {
        return Err(AdminError::InvalidReplicationFactor(format!(
            "Replication factor: {replication} larger than available brokers: {}.",
            brokers.len()
        )));
    }
    if brokers.iter().all(|b| b.rack.is_none()) {
        let ids: Vec<BrokerId> = brokers.iter().map(|b| b.id).collect();
        return Ok(go_round(ids.len(), partitions, start, |first, shift| unaware(&ids, replicas, first, shift)));
    }
    let racks = brokers
        .iter()
        .map(|b| b.rack.as_deref().map(|rack| (b.id, rack)))
        .collect::<Option<BTreeMap<BrokerId, &str>>>()
        .ok_or(AdminError::MixedRacks)?;
    let arranged = interleave(&racks);
    Ok(go_round(arranged.len(), partitions, start, |first, shift| aware(&arranged, replicas, first, shift)))
}

/// Calls `replicas(first, shift)` for each partition; the shift grows when a round of leaders is full.
fn go_round(
    brokers: usize,
    partitions: i32,
    start: Start,
    replicas: impl Fn(usize, usize) -> Vec<BrokerId>,
) -> Assignment {
    let mut shift = start.shift;
    let end = start.partition.saturating_add(partitions);
    (start.partition..end)
        .map(|partition| {
            let index = usize::try_from(partition).unwrap_or(0);
            if index > 0 && index % brokers == 0 {
                shift += 1;
            }
            (partition, replicas((index + start.index) % brokers, shift))
        })
        .collect()
}

fn unaware(brokers: &[BrokerId], replicas: usize, first: usize, shift: usize) -> Vec<BrokerId> {
    let followers = (0..replicas - 1).map(|j| brokers[follower(first, shift, j, brokers.len())]);
    std::iter::once(brokers[first]).chain(followers).collect()
}

fn aware(brokers: &[(BrokerId, &str)], replicas: usize, first: usize, shift: usize) -> Vec<BrokerId> {
    let racks = brokers.iter().map(|(_, rack)| rack).collect::<BTreeSet<_>>().len();
    let (leader, rack) = brokers[first];
    let mut chosen = vec![leader];
    let mut used = BTreeSet::from([rack]);
    // A walk over nb - 1 positions visits every other broker once; a broker passed over because its rack was taken comes round
    // again. Two walks a replica are enough: with all racks used only brokers already chosen are passed over.
    for k in 0..2 * brokers.len() * replicas {
        if chosen.len() == replicas {
            break;
        }
        let (broker, rack) = brokers[follower(first, shift * racks, k, brokers.len())];
        let rack_is_free = !used.contains(rack) || used.len() == racks;
        if rack_is_free && !chosen.contains(&broker) {
            chosen.push(broker);
            used.insert(rack);
        }
    }
    chosen
}

/// Position of the `j`th follower of the leader at `first`. Only called when there are at least two brokers.
fn follower(first: usize, shift: usize, j: usize, brokers: usize) -> usize {
    (first + 1 + (shift + j) % (brokers - 1)) % brokers
}

/// Brokers one rack after the other, racks by name, brokers of a rack by id: `0, 3, 6, 1, 4, 7` for racks `{0, 1}, {3, 4}, {6, 7}`.
fn interleave<'a>(racks: &BTreeMap<BrokerId, &'a str>) -> Vec<(BrokerId, &'a str)> {
    let mut by_rack: BTreeMap<&str, Vec<BrokerId>> = BTreeMap::new();
    for (id, rack) in racks {
        by_rack.entry(rack).or_default().push(*id);
    }
    let longest = by_rack.values().map(Vec::len).max().unwrap_or(0);
    let mut arranged = Vec::with_capacity(racks.len());
    for row in 0..longest {
        for ids in by_rack.values() {
            if let Some(id) = ids.get(row) {
                arranged.push((*id, racks[id]));
            }
        }
    }
    arranged
}

/// Checks an assignment that the caller of CreateTopics made. Brokers need not exist, as in Kafka.
///
/// # Errors
/// [`AdminError::InvalidAssignment`]: lists of different lengths, a broker twice, indexes that are not 0, 1, 2 ...
pub fn validate_manual(assignment: &Assignment) -> Result<(), AdminError> {
    check_size(assignment.values())?;
    let invalid = |why: String| Err(AdminError::InvalidAssignment(why));
    if assignment.values().map(Vec::len).collect::<BTreeSet<_>>().len() != 1 {
        return invalid("All partitions should have the same number of replicas".into());
    }
    if assignment.values().any(|replicas| has_duplicates(replicas)) {
        return invalid(format!("Duplicate replica assignment found: {}", scala_map(assignment)));
    }
    if !assignment.keys().copied().eq(0..i32::try_from(assignment.len()).unwrap_or(i32::MAX)) {
        return invalid("partitions should be a consecutive 0-based integer sequence".into());
    }
    if assignment.values().any(Vec::is_empty) {
        // Kafka takes this and fails later, with a topic that can never have a leader left behind.
        return invalid("Replication factor must be larger than 0.".into());
    }
    Ok(())
}

/// Checks an assignment of added partitions, in the order of Kafka's checks: known brokers, their number, then each list.
///
/// # Errors
/// [`AdminError::InvalidAssignment`].
pub fn validate_growth(
    lists: &[Vec<BrokerId>],
    brokers: &[Broker],
    added: i32,
    existing: i32,
    replication: usize,
) -> Result<Assignment, AdminError> {
    check_size(lists.iter())?;
    let invalid = |why: String| Err(AdminError::InvalidAssignment(why));
    let known: BTreeSet<BrokerId> = brokers.iter().map(|b| b.id).collect();
    let unknown: BTreeSet<BrokerId> = lists.iter().flatten().filter(|id| !known.contains(id)).copied().collect();
    if !unknown.is_empty() {
        return invalid(format!("Unknown broker(s) in replica assignment: {}.", join(&unknown)));
    }
    if usize::try_from(added) != Ok(lists.len()) {
        return invalid(format!(
            "Increasing the number of partitions by {added} but {} assignments provided.",
            lists.len()
        ));
    }
    let proposed: Assignment = (existing..).zip(lists.iter().cloned()).collect();
    for (partition, replicas) in &proposed {
        if replicas.is_empty() {
            return invalid(format!("Cannot have replication factor of 0 for partition id {partition}."));
        }
        if has_duplicates(replicas) {
            return invalid(format!(
                "Duplicate brokers not allowed in replica assignment: {} for partition id {partition}.",
                join(replicas)
            ));
        }
    }
    let odd: Vec<(i32, usize)> =
        proposed.iter().map(|(p, replicas)| (*p, replicas.len())).filter(|(_, n)| *n != replication).collect();
    if !odd.is_empty() {
        return invalid(format!(
            "Inconsistent replication factor between partitions, partition 0 has {replication} while partitions [{}] have \
             replication factors [{}], respectively.",
            join(odd.iter().map(|(p, _)| p)),
            join(odd.iter().map(|(_, n)| n)),
        ));
    }
    Ok(proposed)
}

/// Before anything is computed over it: what can't be written is not worth the memory.
fn check_size<'a>(lists: impl Iterator<Item = &'a Vec<BrokerId>>) -> Result<(), AdminError> {
    let replicas: usize = lists.map(|replicas| replicas.len() + 1).sum();
    if replicas <= MAX_REPLICAS {
        return Ok(());
    }
    Err(AdminError::InvalidAssignment("The replica assignment is larger than ZooKeeper can hold.".into()))
}

fn has_duplicates(replicas: &[BrokerId]) -> bool {
    replicas.iter().collect::<BTreeSet<_>>().len() != replicas.len()
}

fn join<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// As a Scala map of buffers prints.
fn scala_map(assignment: &Assignment) -> String {
    let entries = assignment.iter().map(|(p, replicas)| format!("{p} -> ArrayBuffer({})", join(replicas)));
    format!("HashMap({})", join(entries))
}

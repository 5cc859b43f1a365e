//! The replicas of one partition and the algebra of moving them (KIP-455, `ReplicaAssignment`): pure.
//!
//! During a move `replicas` holds all of them, the target's first and in the target's order; `adding` and `removing` say which are
//! to come and to go. The order of `replicas` matters everywhere: the first is the preferred leader.

use std::collections::BTreeSet;

use crate::base::BrokerId;

/// The replicas of a partition, with those of a move in flight.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplicaAssignment {
    /// All replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Those that the running move adds; empty without one.
    pub adding: Vec<BrokerId>,
    /// Those that the running move removes; empty without one.
    pub removing: Vec<BrokerId>,
}

impl ReplicaAssignment {
    /// An assignment at rest.
    pub fn new(replicas: Vec<BrokerId>) -> Self {
        Self { replicas, adding: Vec::new(), removing: Vec::new() }
    }

    /// What it was before the running move: all but the added ones.
    pub fn origin(&self) -> Vec<BrokerId> {
        without(&self.replicas, &self.adding)
    }

    /// What it will be after the running move: all but the removed ones.
    pub fn target(&self) -> Vec<BrokerId> {
        without(&self.replicas, &self.removing)
    }

    /// True while a move is running.
    pub fn is_being_reassigned(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// The assignment that moves towards `target`. A running move is replaced, with its ORIGIN as the base, so that what it had
    /// added and the new target does not want is dropped at once.
    #[must_use]
    pub fn reassign_to(&self, target: &[BrokerId]) -> Self {
        let origin = self.origin();
        let mut seen = BTreeSet::new();
        let replicas: Vec<BrokerId> = target.iter().chain(&origin).copied().filter(|id| seen.insert(*id)).collect();
        let adding = without(&replicas, &origin);
        let removing = without(&replicas, target);
        Self { replicas, adding, removing }
    }
}

/// The members of `all` that are not in `less`, in their order.
pub fn without(all: &[BrokerId], less: &[BrokerId]) -> Vec<BrokerId> {
    let less: BTreeSet<BrokerId> = less.iter().copied().collect();
    all.iter().copied().filter(|id| !less.contains(id)).collect()
}

/// Why a target asked for over the API is refused (INVALID_REPLICA_ASSIGNMENT), in Kafka's words; `None` when it is fine.
/// A target from the old ZooKeeper node is not checked for liveness.
pub fn refuse_target(current: &ReplicaAssignment, target: &[BrokerId], live: &[BrokerId]) -> Option<String> {
    if target.is_empty() {
        return Some("Empty replica list specified in partition reassignment.".into());
    }
    let mut seen = BTreeSet::new();
    if !target.iter().all(|id| seen.insert(*id)) {
        let list = scala_list(target);
        return Some(format!("Duplicate replica ids in partition reassignment replica list: {list}"));
    }
    if target.iter().any(|id| *id < 0) {
        return Some(format!("Invalid broker id in replica list: {}", scala_list(target)));
    }
    let adding = current.reassign_to(target).adding;
    if !without(&adding, live).is_empty() {
        let (adding, live) = (scala_list(&adding), scala_list(live));
        return Some(format!(
            "Replica assignment has brokers that are not alive. Replica list: {adding}, live broker list: {live}"
        ));
    }
    None
}

/// Ids as Kafka's messages show them.
fn scala_list(ids: &[BrokerId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("List({})", ids.join(", "))
}

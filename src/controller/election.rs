//! Who leads a partition (`Election`, `PartitionLeaderElectionAlgorithms`): Kafka's four strategies and one more, as plain functions.
//!
//! Called by `partition_state.rs` with a state known or read from ZooKeeper. "Live" is the caller's word: registered, not shutting
//! down, and the partition not in a failed log directory of that broker.

use super::context::LeaderAndIsr;
use super::doubt::Doubts;
use crate::base::BrokerId;
use crate::base::ids::NO_BROKER;

/// Why and among whom a leader is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// The leader is dead or there has never been one. `allow_unclean` is an administrator's word; the topic's own configuration
    /// is looked at besides.
    Offline {
        /// An administrator asked for an unclean election.
        allow_unclean: bool,
    },
    /// The leader is not among the target replicas of a finished move.
    Reassign,
    /// Back to the first replica of the assignment.
    Preferred,
    /// The leader's broker is shutting down.
    ControlledShutdown,
    /// Brokers of the ISR have registered since the state was written, and no controller saw it: they may have lost the end of their logs
    /// that was not on disk. A leader among them would make the others drop what they still have; a follower would when it is elected
    /// before it has caught up, so it leaves the ISR. Where all have registered since, the leader leads again, but in another epoch: in the
    /// old one it would write other records at the offsets that it has lost, and nobody could tell them from those that the others
    /// still have. The same where none of the others answers: a registration may outlive its process, and an ISR of the dead would keep
    /// everybody else from leading. Not in Kafka.
    Restarted,
}

/// What one election looks at.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// All replicas in assignment order (for [`Strategy::Reassign`]: the target's).
    pub replicas: &'a [BrokerId],
    /// Those that live and do not shut down, any order.
    pub live: &'a [BrokerId],
    /// Those that live or shut down, any order ([`Strategy::ControlledShutdown`], and [`Strategy::Restarted`] without those of whom nothing
    /// was heard).
    pub live_or_shutting_down: &'a [BrokerId],
    /// Brokers that are shutting down; with [`Strategy::Restarted`] those that have registered since.
    pub shutting_down: &'a [BrokerId],
    /// Members of the ISR that may lack the end of their logs. Alone of an ISR of several they don't lead, unless all others have lost
    /// theirs; of two or more the one with the longest log does. Whoever may lack what the leader has comes back into the ISR when it has
    /// copied that.
    pub doubts: &'a Doubts,
    /// A live replica outside the ISR may lead, losing data.
    pub unclean_allowed: bool,
    /// The cluster knows leader recovery (IBP 3.2 and later, KIP-704).
    pub leader_recovery: bool,
}

/// An election's outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Elected {
    /// What to write; the partition epoch is still that of the state looked at.
    pub state: LeaderAndIsr,
    /// Who is told by LeaderAndIsr.
    pub recipients: Vec<BrokerId>,
    /// The leader was not in the ISR: records may be lost.
    pub unclean: bool,
}

/// Elects a leader from a partition's state, or `None` when nobody can lead.
pub fn elect(strategy: Strategy, current: &LeaderAndIsr, among: Candidates<'_>) -> Option<Elected> {
    let is_live = |id: &BrokerId| among.live.contains(id);
    let in_isr = |id: &BrokerId| current.isr.contains(id);
    let in_order = |wanted: &dyn Fn(&BrokerId) -> bool| -> Vec<BrokerId> {
        among.replicas.iter().copied().filter(|id| wanted(id)).collect()
    };
    let is_sure = |id: &BrokerId| among.doubts.of(*id).is_none();
    // The first of these that is sure, else of those with the longest log the leader that was, or the first. With whoever has as much.
    let next = |of: &[BrokerId]| -> Option<(BrokerId, Vec<BrokerId>)> {
        if let Some(first) = of.iter().copied().find(is_sure) {
            return Some((first, Vec::new()));
        }
        let in_sync = current.isr.len();
        let equals = if in_sync == 1 { of.to_vec() } else { among.doubts.longest(of, in_sync)? };
        let leader = Some(current.leader).filter(|id| equals.contains(id)).or(equals.first().copied())?;
        Some((leader, equals))
    };
    let isr_without = |leaving: &dyn Fn(&BrokerId) -> bool, equals: &[BrokerId]| -> Vec<BrokerId> {
        current.isr.iter().copied().filter(|id| !leaving(id) && (is_sure(id) || equals.contains(id))).collect()
    };
    match strategy {
        Strategy::Offline { allow_unclean } => {
            let in_sync = in_order(&|id| is_live(id) && in_isr(id));
            let clean = next(&in_sync);
            if clean.is_none() && !allow_unclean && among.doubts.awaits(&in_sync) {
                return None;
            }
            let unclean = || {
                among
                    .doubts
                    .best(&in_sync)
                    .or_else(|| among.replicas.iter().copied().find(is_live))
                    .filter(|_| among.unclean_allowed)
            };
            let (leader, isr, recovering) = match &clean {
                Some((leader, equals)) => (*leader, isr_without(&|id| !is_live(id), equals), current.recovering),
                None => {
                    let leader = unclean()?;
                    (leader, vec![leader], among.leader_recovery || current.recovering)
                }
            };
            let state = LeaderAndIsr { isr, recovering, ..current.with_leader(leader) };
            Some(Elected { state, recipients: in_order(&is_live), unclean: clean.is_none() })
        }
        Strategy::Reassign => {
            let leader = among.replicas.iter().copied().find(|id| is_live(id) && in_isr(id) && is_sure(id))?;
            Some(Elected { state: current.with_leader(leader), recipients: among.replicas.to_vec(), unclean: false })
        }
        Strategy::Preferred => {
            let leader = among.replicas.first().copied().filter(|id| is_live(id) && in_isr(id) && is_sure(id))?;
            Some(Elected { state: current.with_leader(leader), recipients: among.replicas.to_vec(), unclean: false })
        }
        Strategy::ControlledShutdown => {
            let up = |id: &BrokerId| among.live_or_shutting_down.contains(id);
            let leaving = |id: &BrokerId| among.shutting_down.contains(id);
            let (leader, equals) = next(&in_order(&|id| up(id) && in_isr(id) && !leaving(id)))?;
            let isr = isr_without(&leaving, &equals);
            let state = LeaderAndIsr { isr, ..current.with_leader(leader) };
            Some(Elected { state, recipients: in_order(&up), unclean: false })
        }
        Strategy::Restarted => {
            let up = |id: &BrokerId| among.live_or_shutting_down.contains(id);
            let has_restarted = |id: &BrokerId| among.shutting_down.contains(id);
            let stayed = |id: &BrokerId| up(id) && in_isr(id) && !has_restarted(id);
            let next = Some(current.leader).filter(stayed).or_else(|| among.replicas.iter().copied().find(stayed));
            let state = match next {
                Some(leader) => {
                    let isr = current.isr.iter().copied().filter(|id| !has_restarted(id)).collect();
                    LeaderAndIsr { isr, ..current.with_leader(leader) }
                }
                None => Some(current.leader)
                    .filter(|leader| up(leader) && in_isr(leader) && has_restarted(leader))
                    .map(|leader| current.with_leader(leader))?,
            };
            Some(Elected { state, recipients: in_order(&up), unclean: false })
        }
    }
}

/// The first state of a partition: the first live replica leads, all live ones are in sync. `None` when none lives.
pub fn initial(live_in_order: &[BrokerId]) -> Option<LeaderAndIsr> {
    let leader = *live_in_order.first()?;
    Some(LeaderAndIsr { leader, leader_epoch: 0, isr: live_in_order.to_vec(), recovering: false, partition_epoch: 0 })
}

/// The state without `replica` in the ISR, or `None` when it is not in it. The ISR never becomes empty: its last member stays in
/// it, without leading.
pub fn shrink(current: &LeaderAndIsr, replica: BrokerId) -> Option<LeaderAndIsr> {
    if !current.isr.contains(&replica) {
        return None;
    }
    let leader = if current.leader == replica { NO_BROKER } else { current.leader };
    let isr = match current.isr.len() {
        1 => current.isr.clone(),
        _ => current.isr.iter().copied().filter(|id| *id != replica).collect(),
    };
    Some(LeaderAndIsr { isr, ..current.with_leader(leader) })
}

//! Elections, state tables and the algebra of moves, without any effect.

use ottla::base::BrokerId;
use ottla::controller::assignment::{ReplicaAssignment, refuse_target};
use ottla::controller::context::LeaderAndIsr;
use ottla::controller::doubt::{Doubt, Doubts, LogEnd};
use ottla::controller::election::{Candidates, Strategy, elect, initial, shrink};
use ottla::controller::states::{PartitionState, ReplicaState};
use proptest::prelude::*;

fn state(leader: BrokerId, isr: &[BrokerId]) -> LeaderAndIsr {
    LeaderAndIsr { leader, leader_epoch: 4, isr: isr.to_vec(), recovering: false, partition_epoch: 9 }
}

fn among<'a>(replicas: &'a [BrokerId], live: &'a [BrokerId]) -> Candidates<'a> {
    Candidates {
        replicas,
        live,
        live_or_shutting_down: live,
        shutting_down: &[],
        doubts: &SURE,
        unclean_allowed: false,
        leader_recovery: true,
    }
}

static SURE: Doubts = Doubts::NONE;

const OFFLINE: Strategy = Strategy::Offline { allow_unclean: false };

#[test]
fn offline_election_takes_the_first_live_in_sync_replica_in_assignment_order() {
    let chosen = elect(OFFLINE, &state(2, &[3, 1]), among(&[2, 1, 3], &[3, 1])).expect("a leader");
    assert_eq!((chosen.state.leader, chosen.state.leader_epoch), (1, 5));
    assert_eq!(chosen.state.isr, [3, 1], "the ISR keeps its own order");
    assert_eq!(chosen.state.partition_epoch, 9);
    assert_eq!(chosen.recipients, [1, 3], "the live replicas, in assignment order");
    assert!(!chosen.unclean && !chosen.state.recovering);
}

#[test]
fn offline_election_drops_dead_members_from_the_isr() {
    let chosen = elect(OFFLINE, &state(2, &[2, 1]), among(&[2, 1, 3], &[1, 3])).expect("a leader");
    assert_eq!((chosen.state.leader, chosen.state.isr), (1, vec![1]));
}

#[test]
fn replicas_in_doubt_lead_when_their_ends_are_known_or_an_administrator_says_so() {
    let doubts = told(&[(1, Some(4), 10), (2, Some(4), 10)]);
    let among = |live| Candidates { doubts: &doubts, ..among(&[1, 2, 3], live) };
    assert_eq!(elect(OFFLINE, &state(3, &[1, 3]), among(&[1])), None, "there is none to compare it with");
    let both = elect(OFFLINE, &state(2, &[1, 2, 3]), among(&[1, 2])).expect("a leader");
    assert_eq!((both.state.leader, both.state.isr), (2, vec![1, 2]));
    let unknown: Doubts = [1, 2].into_iter().collect();
    let unknown = Candidates { doubts: &unknown, unclean_allowed: true, ..among(&[1, 2]) };
    assert_eq!(
        elect(OFFLINE, &state(2, &[1, 2]), unknown),
        None,
        "a topic's permission does not go before their answers"
    );
    let said = Strategy::Offline { allow_unclean: true };
    let said = elect(said, &state(2, &[1, 2]), unknown).expect("a leader");
    assert_eq!((said.state.leader, said.unclean), (1, true));
    let sure = elect(OFFLINE, &state(1, &[1, 2, 3]), among(&[1, 2, 3])).expect("a leader");
    assert_eq!((sure.state.leader, sure.state.isr), (3, vec![3]));
    let last = elect(OFFLINE, &state(1, &[1]), among(&[1])).expect("a leader");
    assert_eq!((last.state.leader, last.unclean), (1, false));
    let told = Candidates { unclean_allowed: true, ..among(&[1]) };
    let unclean = elect(OFFLINE, &state(3, &[1, 3]), told).expect("a leader");
    assert_eq!((unclean.state.leader, unclean.state.isr, unclean.unclean), (1, vec![1], true));
    for strategy in [Strategy::Preferred, Strategy::Reassign] {
        assert_eq!(elect(strategy, &state(3, &[1, 3]), among(&[1])), None, "{strategy:?}");
    }
    let leaving = Candidates { live_or_shutting_down: &[1, 3], shutting_down: &[3], ..among(&[1]) };
    assert_eq!(elect(Strategy::ControlledShutdown, &state(3, &[1, 3]), leaving), None);
}

fn told(ends: &[(BrokerId, Option<i32>, i64)]) -> Doubts {
    let mut doubts = Doubts::default();
    for (id, epoch, offset) in ends {
        doubts.set(*id, Doubt::Ends(LogEnd { epoch: *epoch, offset: *offset }));
    }
    doubts
}

/// Of two logs the one whose last records are of a later epoch is the better one, then the longer one.
#[test]
fn of_replicas_in_doubt_the_one_with_the_longest_log_leads_with_its_equals() {
    let all = [1, 2, 3];
    for (ends, longest) in [
        ([(1, Some(4), 10), (2, Some(4), 12), (3, Some(4), 11)], vec![2]),
        ([(1, Some(4), 12), (2, Some(4), 12), (3, Some(4), 11)], vec![1, 2]),
        ([(1, Some(3), 90), (2, Some(4), 12), (3, Some(-1), 0)], vec![2]),
        ([(1, Some(3), 90), (2, None, 12), (3, Some(4), 13)], vec![1]),
        ([(1, Some(3), 12), (2, None, 12), (3, Some(4), 11)], vec![1, 2]),
    ] {
        let doubts = told(&ends);
        assert_eq!(doubts.longest(&all, 3), Some(longest.clone()), "{ends:?}");
        let candidates = Candidates { doubts: &doubts, ..among(&all, &all) };
        let chosen = elect(OFFLINE, &state(9, &[3, 2, 1]), candidates).expect("a leader").state;
        assert_eq!(chosen.leader, longest[0]);
        let mut isr = chosen.isr;
        isr.sort_unstable();
        assert_eq!(isr, longest, "whoever has less comes back when it has copied it");
    }
    let mut doubts = told(&[(1, Some(4), 10), (2, Some(4), 12)]);
    doubts.set(3, Doubt::Lost);
    assert_eq!(doubts.longest(&all, 3), Some(vec![2]));
    assert_eq!(doubts.longest(&[2, 3], 3), None, "one alone: the third, who is away, may have more");
    assert_eq!(doubts.longest(&[2, 3], 2), Some(vec![2]), "nobody else has anything");
    assert_eq!(doubts.longest(&[3], 1), None, "it has nothing");
    assert!(!doubts.awaits(&all));
    doubts.set(3, Doubt::Failed);
    assert_eq!(doubts.longest(&all, 3), Some(vec![2]));
    assert_eq!(doubts.longest(&[2, 3], 2), None, "its disk may come back with more");
    doubts.set(3, Doubt::Asked);
    assert_eq!(doubts.longest(&all, 3), None, "one may have more");
    assert!(doubts.awaits(&all) && !doubts.awaits(&[3]));
    assert_eq!(doubts.best(&all), Some(2), "of what is known");
    assert_eq!(doubts.best(&[3, 1]), Some(1));
    doubts.set(1, Doubt::Lost);
    assert_eq!((doubts.best(&[1, 3]), doubts.best(&[1])), (Some(3), Some(1)));
    assert_eq!((Doubts::NONE.best(&all), Doubts::NONE.best(&[])), (Some(1), None));
}

#[test]
fn without_a_live_in_sync_replica_nobody_leads_unless_unclean_is_allowed() {
    let current = state(2, &[2]);
    let candidates = among(&[2, 3, 1], &[1, 3]);
    assert_eq!(elect(OFFLINE, &current, candidates), None);
    let candidates = Candidates { unclean_allowed: true, ..candidates };
    let chosen = elect(OFFLINE, &current, candidates).expect("a leader");
    assert_eq!((chosen.state.leader, chosen.state.isr.as_slice()), (3, &[3][..]));
    assert!(chosen.unclean && chosen.state.recovering);
    let old = Candidates { leader_recovery: false, ..candidates };
    assert!(!elect(OFFLINE, &current, old).expect("a leader").state.recovering, "IBP below 3.2 knows no recovery");
}

#[test]
fn unclean_allowed_still_prefers_an_in_sync_replica() {
    let candidates = Candidates { unclean_allowed: true, ..among(&[2, 3, 1], &[1, 3]) };
    let chosen = elect(OFFLINE, &state(2, &[1]), candidates).expect("a leader");
    assert_eq!((chosen.state.leader, chosen.unclean), (1, false));
}

#[test]
fn a_recovering_leader_stays_recovering_until_it_says_otherwise() {
    let current = LeaderAndIsr { recovering: true, ..state(2, &[2]) };
    assert!(elect(OFFLINE, &current, among(&[2, 1], &[2, 1])).expect("a leader").state.recovering);
}

#[test]
fn preferred_election_takes_the_first_replica_or_none() {
    let chosen = elect(Strategy::Preferred, &state(1, &[1, 2]), among(&[2, 1, 3], &[1, 2])).expect("a leader");
    assert_eq!((chosen.state.leader, chosen.state.isr), (2, vec![1, 2]));
    assert_eq!(chosen.recipients, [2, 1, 3]);
    assert_eq!(elect(Strategy::Preferred, &state(1, &[1, 2]), among(&[2, 1], &[1])), None, "dead");
    assert_eq!(elect(Strategy::Preferred, &state(1, &[1]), among(&[2, 1], &[1, 2])), None, "not in sync");
}

#[test]
fn reassign_election_keeps_the_isr_and_tells_the_target() {
    let chosen = elect(Strategy::Reassign, &state(0, &[1, 0, 2]), among(&[2, 1], &[0, 1, 2])).expect("a leader");
    assert_eq!((chosen.state.leader, chosen.state.isr, chosen.recipients), (2, vec![1, 0, 2], vec![2, 1]));
    assert_eq!(elect(Strategy::Reassign, &state(0, &[0]), among(&[2, 1], &[0, 1, 2])), None);
}

#[test]
fn controlled_shutdown_takes_the_leaving_broker_out_and_tells_it() {
    let candidates =
        Candidates { live: &[1, 2], live_or_shutting_down: &[0, 1, 2], shutting_down: &[0], ..among(&[0, 1, 2], &[]) };
    let chosen = elect(Strategy::ControlledShutdown, &state(0, &[0, 2]), candidates).expect("a leader");
    assert_eq!((chosen.state.leader, chosen.state.isr, chosen.recipients), (2, vec![2], vec![0, 1, 2]));
    assert_eq!(elect(Strategy::ControlledShutdown, &state(0, &[0]), candidates), None, "nobody else is in sync");
}

#[test]
fn the_first_state_has_all_live_replicas_in_sync() {
    let first = initial(&[2, 0]).expect("a leader");
    assert_eq!((first.leader, first.leader_epoch, first.isr, first.partition_epoch), (2, 0, vec![2, 0], 0));
    assert_eq!(initial(&[]), None);
}

#[test]
fn an_isr_never_becomes_empty() {
    let one = shrink(&state(0, &[0]), 0).expect("a change");
    assert_eq!((one.leader, one.leader_epoch, one.isr), (-1, 5, vec![0]));
    let two = shrink(&state(0, &[1, 0]), 1).expect("a change");
    assert_eq!((two.leader, two.leader_epoch, two.isr), (0, 5, vec![0]));
    assert_eq!(shrink(&state(0, &[0]), 1), None, "not a member: nothing is written");
}

#[test]
fn partition_states_are_entered_only_from_where_kafka_allows_it() {
    use PartitionState::{New, NonExistent, Offline, Online};
    let all = [New, Online, Offline, NonExistent];
    let allowed = [(NonExistent, New), (New, Online), (Online, Online), (Offline, Online)];
    let allowed2 = [(New, Offline), (Online, Offline), (Offline, Offline), (Offline, NonExistent)];
    for from in all {
        for to in all {
            let expected = allowed.contains(&(from, to)) || allowed2.contains(&(from, to));
            assert_eq!(to.allowed_from().contains(&from), expected, "{from:?} -> {to:?}");
        }
    }
}

#[test]
fn replica_states_are_entered_only_from_where_kafka_allows_it() {
    use ReplicaState as R;
    let all = [
        R::New,
        R::Online,
        R::Offline,
        R::DeletionStarted,
        R::DeletionSuccessful,
        R::DeletionIneligible,
        R::NonExistent,
    ];
    let allowed = |from: R, to: R| match to {
        R::New => from == R::NonExistent,
        R::Online | R::Offline => matches!(from, R::New | R::Online | R::Offline | R::DeletionIneligible),
        R::DeletionStarted => from == R::Offline,
        R::DeletionSuccessful => from == R::DeletionStarted,
        R::DeletionIneligible => matches!(from, R::Offline | R::DeletionStarted),
        R::NonExistent => from == R::DeletionSuccessful,
    };
    for from in all {
        for to in all {
            assert_eq!(to.allowed_from().contains(&from), allowed(from, to), "{from:?} -> {to:?}");
        }
    }
}

#[test]
fn a_move_names_the_target_first_and_keeps_what_leaves() {
    let moving = ReplicaAssignment::new(vec![0, 1]).reassign_to(&[2, 1]);
    assert_eq!(moving.replicas, [2, 1, 0]);
    assert_eq!((moving.adding.as_slice(), moving.removing.as_slice()), (&[2][..], &[0][..]));
    assert_eq!((moving.origin(), moving.target()), (vec![1, 0], vec![2, 1]));
    // Another target while it runs: the origin is the base, what was added is dropped.
    let other = moving.reassign_to(&[3, 1]);
    assert_eq!(other.replicas, [3, 1, 0]);
    assert_eq!((other.adding, other.removing), (vec![3], vec![0]));
    let back = moving.reassign_to(&moving.origin());
    assert_eq!(back, ReplicaAssignment::new(vec![1, 0]));
}

#[test]
fn targets_are_refused_in_kafkas_words() {
    let current = ReplicaAssignment::new(vec![0, 1]);
    let refused = |target: &[BrokerId]| refuse_target(&current, target, &[0, 2]);
    assert_eq!(refused(&[]).as_deref(), Some("Empty replica list specified in partition reassignment."));
    assert!(refused(&[0, 0]).is_some_and(|m| m.starts_with("Duplicate replica ids")));
    assert!(refused(&[-1]).is_some_and(|m| m.starts_with("Invalid broker id")));
    assert!(refused(&[3]).is_some_and(|m| m.contains("not alive")));
    assert_eq!(refused(&[1, 2]), None, "a dead replica that is there already may stay");
}

proptest! {
    #[test]
    fn a_move_can_be_followed_and_called_off(
        origin in prop::collection::btree_set(0..8i32, 1..5),
        target in prop::collection::btree_set(0..8i32, 1..5),
        second in prop::collection::btree_set(0..8i32, 1..5),
    ) {
        let as_list = |set: &std::collections::BTreeSet<i32>| set.iter().copied().collect::<Vec<_>>();
        let (origin, target, second) = (as_list(&origin), as_list(&target), as_list(&second));
        let moving = ReplicaAssignment::new(origin.clone()).reassign_to(&target);
        prop_assert_eq!(moving.target(), target);
        let mut before = moving.origin();
        before.sort_unstable();
        prop_assert_eq!(&before, &origin);
        let replaced = moving.reassign_to(&second);
        prop_assert_eq!(replaced.target(), second);
        let mut before = replaced.origin();
        before.sort_unstable();
        prop_assert_eq!(before, origin);
        let cancelled = moving.reassign_to(&moving.origin());
        prop_assert!(!cancelled.is_being_reassigned());
    }

    #[test]
    fn whoever_is_elected_is_live_assigned_and_in_the_new_isr(
        replicas in prop::collection::btree_set(0..6i32, 1..5),
        live in prop::collection::btree_set(0..6i32, 0..6),
        isr in prop::collection::btree_set(0..6i32, 1..4),
        unclean_allowed: bool,
    ) {
        let as_list = |set: &std::collections::BTreeSet<i32>| set.iter().copied().collect::<Vec<_>>();
        let (replicas, live, isr) = (as_list(&replicas), as_list(&live), as_list(&isr));
        let candidates = Candidates { unclean_allowed, ..among(&replicas, &live) };
        let current = state(-1, &isr);
        match elect(OFFLINE, &current, candidates) {
            Some(chosen) => {
                let leader = chosen.state.leader;
                prop_assert!(live.contains(&leader) && replicas.contains(&leader));
                prop_assert!(chosen.state.isr.contains(&leader));
                prop_assert_eq!(chosen.unclean, !isr.contains(&leader));
                prop_assert!(!chosen.unclean || unclean_allowed);
            }
            None => {
                let can = |id: &i32| live.contains(id) && (unclean_allowed || isr.contains(id));
                prop_assert!(!replicas.iter().any(can));
            }
        }
    }
}

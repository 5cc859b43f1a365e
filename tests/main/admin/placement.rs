//! Replica placement: hand-worked cases (from Kafka's own description of it and from recordings), and what must hold for any.

use std::collections::BTreeMap;

use ottla::admin::AdminError;
use ottla::admin::placement::{Assignment, Broker, Start, assign, assign_from, grow, validate_growth, validate_manual};
use ottla::base::BrokerId;
use ottla::base::env::Rng;
use proptest::prelude::*;

fn brokers(ids: &[BrokerId]) -> Vec<Broker> {
    ids.iter().map(|id| Broker { id: *id, rack: None }).collect()
}

fn racked(racks: &[(BrokerId, &str)]) -> Vec<Broker> {
    racks.iter().map(|(id, rack)| Broker { id: *id, rack: Some((*rack).into()) }).collect()
}

fn lists(assignment: &Assignment) -> Vec<Vec<BrokerId>> {
    assignment.values().cloned().collect()
}

fn start(index: usize, shift: usize, partition: i32) -> Start {
    Start { index, shift, partition }
}

#[test]
fn kafkas_picture_of_five_brokers_without_racks() {
    let made = assign_from(&brokers(&[0, 1, 2, 3, 4]), 10, 3, start(0, 0, 0)).expect("assigned");
    assert_eq!(
        lists(&made),
        [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 0], [4, 0, 1], [0, 2, 3], [1, 3, 4], [2, 4, 0], [3, 0, 1], [4, 1, 2]]
    );
}

#[test]
fn a_shift_wraps_within_the_other_brokers() {
    let made = assign_from(&brokers(&[7, 8, 9]), 4, 2, start(2, 5, 0)).expect("assigned");
    // shift 5 over two others: distance 2, then (one more after a round) distance 1
    assert_eq!(lists(&made), [[9, 8], [7, 9], [8, 7], [9, 7]]);
}

#[test]
fn recorded_growth_from_three_to_five_partitions() {
    // A recorded run: brokers 0-2, partition 0 on [0,1], partitions 3 and 4 came out as [0,2] and [1,0].
    let made = grow(&brokers(&[0, 1, 2]), 2, 2, 0, 3).expect("assigned");
    assert_eq!(made, BTreeMap::from([(3, vec![0, 2]), (4, vec![1, 0])]));
}

#[test]
fn recorded_growth_with_a_rack_for_each_broker() {
    let made = grow(&racked(&[(0, "r0"), (1, "r1"), (2, "r2")]), 2, 2, 0, 3).expect("assigned");
    assert_eq!(made, BTreeMap::from([(3, vec![0, 2]), (4, vec![1, 0])]));
}

#[test]
fn growth_starts_at_the_first_broker_not_below_the_old_leader() {
    let made = grow(&brokers(&[1, 3, 5]), 1, 2, 2, 3).expect("assigned");
    // position of 3 is 1: leader (3 + 1) % 3 = position 1; shift 1 + 1: distance 1 + 2 % 2 = 1
    assert_eq!(made, BTreeMap::from([(3, vec![3, 5])]));
    let gone = grow(&brokers(&[1, 3, 5]), 1, 2, 9, 3).expect("assigned");
    assert_eq!(gone, BTreeMap::from([(3, vec![1, 5])]));
}

#[test]
fn kafkas_picture_of_six_brokers_in_three_racks() {
    let six = racked(&[(0, "rack1"), (1, "rack3"), (2, "rack3"), (3, "rack2"), (4, "rack2"), (5, "rack1")]);
    let made = assign_from(&six, 7, 3, start(0, 0, 0)).expect("assigned");
    assert_eq!(lists(&made), [[0, 3, 1], [3, 1, 5], [1, 5, 4], [5, 4, 2], [4, 2, 0], [2, 0, 3], [0, 4, 2]]);
}

#[test]
fn a_rack_gets_no_second_replica_before_each_has_one() {
    let uneven = racked(&[(0, "a"), (1, "a"), (2, "a"), (3, "b")]);
    for index in 0..4 {
        for shift in 0..4 {
            let made = assign_from(&uneven, 8, 2, start(index, shift, 0)).expect("assigned");
            for replicas in made.values() {
                assert!(replicas.contains(&3), "{replicas:?}");
            }
        }
    }
}

#[test]
fn one_broker_takes_all() {
    assert_eq!(lists(&assign_from(&brokers(&[4]), 2, 1, start(0, 0, 0)).expect("assigned")), [[4], [4]]);
    assert_eq!(lists(&assign_from(&racked(&[(4, "r")]), 2, 1, start(0, 0, 0)).expect("assigned")), [[4], [4]]);
}

#[test]
fn refusals_have_kafkas_words() {
    let refused = |partitions, replication| {
        assign_from(&brokers(&[0, 1, 2]), partitions, replication, start(0, 0, 0)).expect_err("refused").to_string()
    };
    assert_eq!(refused(1, 9), "Replication factor: 9 larger than available brokers: 3.");
    assert_eq!(refused(1, 0), "Replication factor must be larger than 0.");
    assert_eq!(refused(0, 1), "Number of partitions must be larger than 0.");
    assert_eq!(refused(-7, 1), "Number of partitions must be larger than 0.");
    assert!(refused(i32::MAX, 1).starts_with("Number of partitions must not be larger"));
    let none = assign(&[], 1, 1, &Rng::from_seed(1)).expect_err("refused");
    assert_eq!(none.to_string(), "Replication factor: 1 larger than available brokers: 0.");
}

#[test]
fn brokers_of_which_only_some_have_racks_are_refused() {
    let mixed = vec![Broker { id: 0, rack: Some("r".into()) }, Broker { id: 1, rack: None }];
    assert!(matches!(assign_from(&mixed, 1, 1, start(0, 0, 0)), Err(AdminError::MixedRacks)));
}

fn manual(lists: &[(i32, &[BrokerId])]) -> Assignment {
    lists.iter().map(|(p, replicas)| (*p, replicas.to_vec())).collect()
}

#[test]
fn manual_assignments_are_checked_as_kafka_does() {
    let refused = |lists: &[(i32, &[BrokerId])]| validate_manual(&manual(lists)).expect_err("refused").to_string();
    assert!(validate_manual(&manual(&[(0, &[0, 1]), (1, &[1, 2]), (2, &[2, 0])])).is_ok());
    assert!(validate_manual(&manual(&[(0, &[17])])).is_ok(), "brokers need not be known");
    assert_eq!(refused(&[(0, &[0, 1]), (1, &[1])]), "All partitions should have the same number of replicas");
    assert_eq!(refused(&[]), "All partitions should have the same number of replicas");
    assert_eq!(refused(&[(0, &[1, 1])]), "Duplicate replica assignment found: HashMap(0 -> ArrayBuffer(1, 1))");
    let gap = "partitions should be a consecutive 0-based integer sequence";
    assert_eq!(refused(&[(0, &[0]), (2, &[1])]), gap);
    assert_eq!(refused(&[(1, &[0])]), gap);
    assert_eq!(refused(&[(-1, &[0]), (0, &[1]), (1, &[0])]), gap);
    assert!(validate_manual(&manual(&[(0, &[])])).is_err());
}

#[test]
fn assignments_that_no_node_can_hold_are_refused_before_they_are_looked_at() {
    let huge: Assignment = BTreeMap::from([(0, (0..600_000).collect())]);
    assert!(matches!(validate_manual(&huge), Err(AdminError::InvalidAssignment(_))));
    let many: Vec<Vec<BrokerId>> = vec![Vec::new(); 600_000];
    assert!(matches!(validate_growth(&many, &brokers(&[0]), 600_000, 1, 1), Err(AdminError::InvalidAssignment(_))));
}

#[test]
fn growth_by_hand_is_checked_as_kafka_does() {
    let three = brokers(&[0, 1, 2]);
    let check = |lists: &[Vec<BrokerId>], added| validate_growth(lists, &three, added, 3, 2);
    let refused = |lists: &[Vec<BrokerId>], added| check(lists, added).expect_err("refused").to_string();
    assert_eq!(check(&[vec![2, 1]], 1).expect("accepted"), BTreeMap::from([(3, vec![2, 1])]));
    assert_eq!(refused(&[vec![0, 7]], 1), "Unknown broker(s) in replica assignment: 7.");
    assert_eq!(refused(&[vec![0, 1]], 2), "Increasing the number of partitions by 2 but 1 assignments provided.");
    assert_eq!(refused(&[vec![]], 1), "Cannot have replication factor of 0 for partition id 3.");
    assert_eq!(
        refused(&[vec![1, 1]], 1),
        "Duplicate brokers not allowed in replica assignment: 1, 1 for partition id 3."
    );
    assert_eq!(
        refused(&[vec![0], vec![0, 1]], 2),
        "Inconsistent replication factor between partitions, partition 0 has 2 while partitions [3] have replication \
         factors [1], respectively."
    );
}

/// Up to 8 brokers, ids not dense; racks or none.
fn any_brokers() -> impl Strategy<Value = Vec<Broker>> {
    (proptest::collection::btree_set(0..50i32, 1..9), proptest::option::of(proptest::collection::vec(0..3u8, 9)))
        .prop_map(|(ids, racks)| {
            let rack = |at: usize| racks.as_ref().map(|racks| format!("r{}", racks[at]));
            ids.into_iter().enumerate().map(|(at, id)| Broker { id, rack: rack(at) }).collect()
        })
}

proptest! {
    #[test]
    fn replicas_are_distinct_known_and_as_many_as_asked(
        brokers in any_brokers(), partitions in 1..40i32, wanted in 1..9i32, index in 0..8usize, shift in 0..20usize,
    ) {
        let replication = wanted.min(brokers.len() as i32);
        let start = Start { index: index % brokers.len(), shift, partition: 0 };
        let made = assign_from(&brokers, partitions, replication, start).expect("assigned");
        prop_assert!(made.keys().copied().eq(0..partitions));
        for replicas in made.values() {
            prop_assert_eq!(replicas.len(), replication as usize);
            let distinct: std::collections::BTreeSet<_> = replicas.iter().collect();
            prop_assert_eq!(distinct.len(), replicas.len());
            prop_assert!(replicas.iter().all(|id| brokers.iter().any(|b| b.id == *id)));
        }
    }

    #[test]
    fn leaders_are_balanced_to_one(brokers in any_brokers(), partitions in 1..60i32, seed in any::<u64>()) {
        let made = assign(&brokers, partitions, 1, &Rng::from_seed(seed)).expect("assigned");
        let led = |id| made.values().filter(|replicas| replicas[0] == id).count();
        let counts: Vec<usize> = brokers.iter().map(|b| led(b.id)).collect();
        let (least, most) = (counts.iter().min().expect("some"), counts.iter().max().expect("some"));
        prop_assert!(most - least <= 1, "{:?}", counts);
    }

    #[test]
    fn each_rack_is_used_before_one_is_used_twice(
        brokers in any_brokers(), partitions in 1..30i32, wanted in 1..9i32, seed in any::<u64>(),
    ) {
        prop_assume!(brokers[0].rack.is_some());
        let replication = wanted.min(brokers.len() as i32);
        let racks: std::collections::BTreeSet<_> = brokers.iter().map(|b| b.rack.clone()).collect();
        let made = assign(&brokers, partitions, replication, &Rng::from_seed(seed)).expect("assigned");
        for replicas in made.values() {
            let used: std::collections::BTreeSet<_> =
                replicas.iter().map(|id| &brokers.iter().find(|b| b.id == *id).expect("known").rack).collect();
            prop_assert_eq!(used.len(), racks.len().min(replicas.len()));
        }
    }

    #[test]
    fn growth_goes_on_with_the_round_of_leaders(brokers in 1..6i32, first in 1..10i32, added in 1..10i32) {
        // Followers differ: the shift counts full rounds from the start of each call, as in Kafka.
        let ids: Vec<Broker> = (0..brokers).map(|id| Broker { id, rack: None }).collect();
        let whole = assign_from(&ids, first + added, brokers.min(2), start(0, 0, 0)).expect("assigned");
        let grown = grow(&ids, added, brokers.min(2), 0, first).expect("assigned");
        for (partition, replicas) in grown {
            prop_assert_eq!(replicas[0], whole[&partition][0]);
        }
    }
}

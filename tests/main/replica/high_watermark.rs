//! The high watermark rule.

use std::collections::BTreeMap;

use ottla::replica::high_watermark::next;
use ottla::replica::state::{Follower, Role, State};
use tokio::time::Instant;

const ME: i32 = 1;

fn leader(isr: &[i32], followers: &[(i32, Option<i64>)]) -> State {
    let now = Instant::now();
    let followers: BTreeMap<_, _> = followers
        .iter()
        .map(|(id, end)| (*id, Follower { end_offset: *end, caught_up_at: Some(now), ..Follower::default() }))
        .collect();
    State {
        role: Role::Leader,
        leader_epoch: 3,
        epoch_start: Some(0),
        isr: isr.to_vec(),
        replicas: vec![1, 2, 3],
        followers,
        ..State::default()
    }
}

#[test]
fn lone_leader_commits_what_it_has() {
    assert_eq!(next(&leader(&[1], &[]), ME, 10, 4, 1), Some(10));
}

#[test]
fn slowest_in_sync_replica_holds_it() {
    let state = leader(&[1, 2, 3], &[(2, Some(9)), (3, Some(7))]);
    assert_eq!(next(&state, ME, 10, 4, 1), Some(7));
}

#[test]
fn replica_out_of_sync_does_not_hold_it() {
    let state = leader(&[1, 2], &[(2, Some(9)), (3, Some(7))]);
    assert_eq!(next(&state, ME, 10, 4, 1), Some(9));
}

#[test]
fn in_sync_replica_not_heard_in_this_term_holds_it() {
    assert_eq!(next(&leader(&[1, 2], &[(2, None)]), ME, 10, 4, 1), None);
}

#[test]
fn never_goes_back() {
    assert_eq!(next(&leader(&[1, 2], &[(2, Some(3))]), ME, 10, 4, 1), None);
}

#[test]
fn waits_for_a_settling_leader() {
    assert_eq!(next(&State { epoch_start: None, ..leader(&[1], &[]) }, ME, 10, 4, 1), None);
}

#[test]
fn does_not_move_below_min_insync_replicas() {
    assert_eq!(next(&leader(&[1], &[]), ME, 10, 4, 2), None);
    assert_eq!(next(&leader(&[1, 2], &[(2, Some(10))]), ME, 10, 4, 2), Some(10));
}

#[test]
fn min_insync_replicas_counts_at_most_the_assigned() {
    let lone = State { replicas: vec![1], ..leader(&[1], &[]) };
    assert_eq!(next(&lone, ME, 10, 4, 3), Some(10));
}

#[test]
fn follower_moves_nothing() {
    assert_eq!(next(&State { role: Role::Follower { leader: Some(2) }, ..leader(&[1], &[]) }, ME, 10, 4, 1), None);
}

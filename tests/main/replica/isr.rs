//! Who is in sync: decisions on plain state. Times are offsets from one instant.

use std::time::Duration;

use ottla::replica::isr::{FollowerFetch, Verdict, expansion, is_caught_up, note, settle, shrinkage};
use ottla::replica::state::{Follower, PendingIsr, Role, State};
use tokio::time::Instant;

const ME: i32 = 1;
const LAG: Duration = Duration::from_secs(30);

fn leader(isr: &[i32], ends: &[(i32, i64)]) -> State {
    let follower = |end| Follower { end_offset: Some(end), ..Follower::default() };
    State {
        role: Role::Leader,
        leader_epoch: 3,
        partition_epoch: 7,
        epoch_start: Some(10),
        isr: isr.to_vec(),
        replicas: vec![1, 2, 3],
        followers: ends.iter().map(|(id, end)| (*id, follower(*end))).collect(),
        ..State::default()
    }
}

fn fetch(offset: i64, leader_end: i64, at: Instant) -> FollowerFetch {
    FollowerFetch { offset, log_start_offset: 0, leader_end, at, broker_epoch: 5 }
}

#[test]
fn follower_that_keeps_pace_is_caught_up_without_ever_reaching_the_end() {
    let start = Instant::now();
    let mut follower = Follower::default();
    for second in 0..100 {
        let at = start + Duration::from_secs(second);
        // It always has what the leader had a second ago.
        let end = i64::try_from(second).expect("small") * 10;
        note(&mut follower, &fetch(end, end + 10, at));
    }
    let now = start + Duration::from_secs(99);
    assert_eq!(follower.caught_up_at, Some(now - Duration::from_secs(1)));
    assert!(is_caught_up(&follower, 1000, now, Duration::from_secs(1)));
    assert!(!is_caught_up(&follower, 1000, now + Duration::from_secs(1), Duration::from_secs(1)));
}

#[test]
fn follower_that_falls_behind_was_caught_up_when_it_last_had_all() {
    let start = Instant::now();
    let mut follower = Follower::default();
    note(&mut follower, &fetch(10, 10, start));
    for second in 1..50 {
        note(
            &mut follower,
            &fetch(10 + i64::try_from(second).expect("small"), 10_000, start + Duration::from_secs(second)),
        );
    }
    assert_eq!(follower.caught_up_at, Some(start));
}

#[test]
fn follower_joins_with_all_that_is_committed_and_the_leaders_own_epoch() {
    assert_eq!(expansion(&leader(&[1], &[(2, 12)]), 2, 12), Some(vec![1, 2]));
    assert_eq!(expansion(&leader(&[1], &[(2, 11)]), 2, 12), None, "below the high watermark");
    assert_eq!(expansion(&leader(&[1], &[(2, 9)]), 2, 5), None, "not yet in the leader's epoch");
    assert_eq!(expansion(&leader(&[1, 2], &[(2, 12)]), 2, 12), None, "in it already");
    assert_eq!(expansion(&leader(&[1], &[(2, 12)]), 3, 12), None, "not heard of");
    let settling = State { epoch_start: None, ..leader(&[1], &[(2, 12)]) };
    assert_eq!(expansion(&settling, 2, 12), None);
    let busy = State { pending: Some(PendingIsr { isr: vec![1, 3], parked: false }), ..leader(&[1], &[(2, 12)]) };
    assert_eq!(expansion(&busy, 2, 12), None, "one change at a time");
}

#[test]
fn those_behind_for_too_long_go_and_the_leader_stays() {
    let now = Instant::now() + LAG * 2;
    let mut state = leader(&[1, 2, 3], &[(2, 20), (3, 15)]);
    let late = |state: &mut State, by: Duration| {
        state.followers.get_mut(&3).expect("a follower").caught_up_at = Some(now - by);
    };
    late(&mut state, LAG);
    assert_eq!(shrinkage(&state, ME, 20, now, |_| LAG), None);
    late(&mut state, LAG + Duration::from_millis(1));
    assert_eq!(shrinkage(&state, ME, 20, now, |_| LAG), Some(vec![1, 2]));
    assert_eq!(shrinkage(&state, ME, 21, now, |_| LAG), Some(vec![1]), "the other was never seen caught up");
    assert_eq!(
        shrinkage(&state, ME, 15, now, |_| LAG),
        Some(vec![1, 3]),
        "whoever has all is in sync, however long ago"
    );
    state.role = Role::Follower { leader: Some(2) };
    assert_eq!(shrinkage(&state, ME, 20, now, |_| LAG), None);
}

#[test]
fn joining_replica_counts_at_once_and_leaving_one_until_it_is_confirmed() {
    let joining = State { pending: Some(PendingIsr { isr: vec![1, 2], parked: false }), ..leader(&[1], &[]) };
    assert_eq!(joining.maximal_isr().collect::<Vec<_>>(), [1, 2]);
    assert!(!joining.has_min_isr(2), "an append needs confirmed ones");
    assert!(joining.has_min_maximal_isr(2));
    let leaving = State { pending: Some(PendingIsr { isr: vec![1], parked: false }), ..leader(&[1, 2], &[]) };
    assert_eq!(leaving.maximal_isr().collect::<Vec<_>>(), [1, 2]);
}

fn pending(isr: &[i32]) -> State {
    State { pending: Some(PendingIsr { isr: isr.to_vec(), parked: false }), ..leader(&[1], &[(2, 12)]) }
}

#[test]
fn confirmed_change_is_in_effect_and_a_refused_one_is_gone() {
    let mut state = pending(&[1, 2]);
    let committed = Verdict::Committed { leader_epoch: 3, partition_epoch: 8, isr: vec![1, 2] };
    assert!(!settle(&mut state, &[1, 2], 3, committed));
    assert_eq!((state.isr.as_slice(), state.partition_epoch, state.pending), ([1, 2].as_slice(), 8, None));

    let mut state = pending(&[1, 2]);
    assert!(!settle(&mut state, &[1, 2], 3, Verdict::Revert));
    assert_eq!((state.isr.as_slice(), state.partition_epoch, state.pending), ([1].as_slice(), 7, None));
}

#[test]
fn parked_change_blocks_others_until_the_controller_speaks_and_a_failed_one_is_sent_again() {
    let mut state = pending(&[1, 2]);
    assert!(!settle(&mut state, &[1, 2], 3, Verdict::Park));
    assert!(state.pending.as_ref().is_some_and(|pending| pending.parked));
    assert_eq!(expansion(&state, 2, 12), None);

    let mut state = pending(&[1, 2]);
    assert!(settle(&mut state, &[1, 2], 3, Verdict::Retry));
    assert!(state.pending.is_some_and(|pending| !pending.parked));
}

#[test]
fn answer_to_what_was_overtaken_changes_nothing() {
    let committed = || Verdict::Committed { leader_epoch: 3, partition_epoch: 8, isr: vec![1, 2] };
    let mut later = State { leader_epoch: 4, ..pending(&[1, 2]) };
    assert!(!settle(&mut later, &[1, 2], 3, committed()));
    assert!(later.pending.is_some());
    let mut other = pending(&[1, 3]);
    assert!(!settle(&mut other, &[1, 2], 3, committed()));
    assert_eq!(other.isr, [1]);
    let mut older = State { partition_epoch: 9, ..pending(&[1, 2]) };
    assert!(!settle(&mut older, &[1, 2], 3, committed()));
    assert_eq!((older.isr.as_slice(), older.partition_epoch), ([1].as_slice(), 9));
}

//! One classic group: joining, syncing, leaving, timers, static members.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use ottla::base::ErrorCode;
use ottla::group::Group;
use ottla::group::types::{Join, Rules, State, Why};

use super::support::{World, subscription};

#[test]
fn the_first_member_leads_and_gets_all_members_after_the_initial_delay() {
    let mut world = World::with(Rules { initial_delay_ms: 3000, max_size: 10 });
    let first = world.join_as("");
    world.pass(2000);
    let second = world.join_as("");
    world.pass(999);
    assert!(world.joined.is_empty(), "the delay is waited out");
    world.pass(1);
    assert!(world.joined.is_empty(), "someone came: the delay begins anew");
    world.pass(3000);
    let (leader, follower) = (world.answer(first), world.answer(second));
    assert_eq!((leader.error, leader.generation, leader.members.len()), (ErrorCode::None, 1, 2));
    assert_eq!((follower.members.len(), &follower.leader), (0, &leader.member_id));
    assert_eq!(leader.protocol.as_deref(), Some("range"));
    assert_eq!(world.group.state(), State::CompletingRebalance);
}

#[test]
fn the_initial_delay_is_not_prolonged_past_the_rebalance_timeout() {
    let mut world = World::with(Rules { initial_delay_ms: 3000, max_size: 100 });
    let first = Join { rebalance_timeout_ms: 7000, ..world.request("") };
    let ticket = world.join(first);
    for _ in 0..7 {
        let next = Join { rebalance_timeout_ms: 7000, ..world.request("") };
        world.join(next);
        world.pass(1000);
    }
    assert_eq!(world.answer(ticket).generation, 1);
}

#[test]
fn a_newcomer_is_sent_back_for_its_id_and_its_id_is_kept_for_one_session() {
    let mut world = World::new();
    let join = Join { require_known_id: true, ..world.request("") };
    let first = world.join(join);
    let reply = world.answer(first).clone();
    assert_eq!((reply.error, &*reply.member_id), (ErrorCode::MemberIdRequired, "client-1"));
    assert_eq!(world.group.member_count(), 0);
    let ticket = world.join_as(&reply.member_id);
    world.pass(0);
    assert_eq!((world.answer(ticket).error, &*world.answer(ticket).member_id), (ErrorCode::None, "client-1"));

    let join = Join { require_known_id: true, ..world.request("") };
    let late = world.join(join);
    let id = world.answer(late).member_id.clone();
    world.pass(10_000);
    let ticket = world.join_as(&id);
    assert_eq!(world.answer(ticket).error, ErrorCode::UnknownMemberId);
}

#[test]
fn a_follower_waits_for_the_leaders_assignment_until_it_is_written() {
    let mut world = World::new();
    let tickets = [world.join_as(""), world.join_as("")];
    world.pass(0);
    let leader = world.answer(tickets[0]).leader.clone();
    let follower = world.answer(tickets[1]).member_id.clone();
    assert_ne!(leader, follower);
    let waiting = world.sync(&follower, 1, &[]);
    let leading = world.sync(&leader, 1, &[(&leader, "mine"), (&follower, "yours")]);
    assert!(world.synced.is_empty(), "nothing is answered before the record is written");
    let value = world.stored(Ok(()));
    assert_eq!((value.generation, value.members.len(), value.leader.as_deref()), (1, 2, Some(&*leader)));
    assert_eq!(world.synced[&waiting].assignment, Bytes::from_static(b"yours"));
    assert_eq!(world.synced[&leading].assignment, Bytes::from_static(b"mine"));
    assert_eq!(world.group.state(), State::Stable);
    let again = world.sync(&follower, 1, &[]);
    assert_eq!(world.synced[&again].assignment, Bytes::from_static(b"yours"));
}

#[test]
fn an_assignment_that_could_not_be_written_starts_a_rebalance() {
    let mut world = World::new();
    let ticket = world.join_as("");
    world.pass(0);
    let id = world.answer(ticket).member_id.clone();
    let sync = world.sync(&id, 1, &[(&id, "mine")]);
    world.stored(Err(ErrorCode::NotCoordinator));
    assert_eq!(world.synced[&sync].error, ErrorCode::NotCoordinator);
    assert_eq!(world.group.state(), State::PreparingRebalance);
    assert_eq!(world.heartbeat(&id, 1), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_third_member_makes_the_others_join_again() {
    let mut world = World::new();
    let ids = world.stable(2);
    assert_eq!(world.heartbeat(&ids[1], 1), ErrorCode::None);
    let third = world.join_as("");
    assert_eq!(world.heartbeat(&ids[1], 1), ErrorCode::RebalanceInProgress);
    let rejoined = [world.join_as(&ids[0]), world.join_as(&ids[1])];
    assert_eq!(world.answer(third).generation, 2, "everyone is there: nobody waits longer");
    assert_eq!(world.answer(rejoined[0]).members.len(), 3);
    assert_eq!(world.heartbeat(&ids[1], 1), ErrorCode::IllegalGeneration);
}

#[test]
fn members_that_do_not_rejoin_are_dropped_at_the_rebalance_timeout() {
    let mut world = World::new();
    let ids = world.stable(2);
    let newcomer = world.join_as("");
    let back = world.join_as(&ids[0]);
    // The other one is heard, so its session does not end, but it does not join.
    for _ in 0..12 {
        world.pass(5000);
        world.heartbeat(&ids[1], 1);
    }
    assert_eq!(world.answer(newcomer).generation, 2);
    assert_eq!(world.answer(back).members.len(), 2);
    assert_eq!(world.heartbeat(&ids[1], 2), ErrorCode::UnknownMemberId);
}

#[test]
fn a_silent_member_is_removed_after_its_session_and_the_last_one_leaves_an_empty_group() {
    let mut world = World::new();
    let ids = world.stable(2);
    world.pass(9_000);
    assert_eq!(world.heartbeat(&ids[0], 1), ErrorCode::None);
    world.pass(1_500);
    assert_eq!(world.group.state(), State::PreparingRebalance);
    assert_eq!(world.group.member_count(), 1);
    assert_eq!(world.leave(&ids[0]), ErrorCode::None);
    assert_eq!((world.group.state(), world.group.generation()), (State::Empty, 2));
    let (why, value) = &world.stores[0];
    assert!(matches!(why, Why::Empty));
    assert_eq!((value.protocol_type.as_str(), &value.protocol, &value.leader), ("consumer", &None, &None));
    assert_eq!(world.leave(&ids[0]), ErrorCode::UnknownMemberId);
}

#[test]
fn a_member_that_never_asks_for_its_assignment_is_removed() {
    let mut world = World::new();
    let tickets = [world.join_as(""), world.join_as("")];
    world.pass(0);
    let ids: Vec<Arc<str>> = tickets.iter().map(|t| world.answer(*t).member_id.clone()).collect();
    let leader = world.answer(tickets[0]).leader.clone();
    let silent = ids.iter().find(|id| **id != leader).expect("two members").clone();
    world.sync(&leader, 1, &[]);
    world.stored(Ok(()));
    for _ in 0..12 {
        world.pass(5000);
        world.heartbeat(&leader, 1);
        world.heartbeat(&silent, 1);
    }
    assert_eq!(world.heartbeat(&silent, 1), ErrorCode::UnknownMemberId);
    assert_eq!(world.heartbeat(&leader, 1), ErrorCode::RebalanceInProgress);
}

#[test]
fn the_protocol_with_most_votes_among_those_all_support_is_chosen() {
    let mut world = World::new();
    let offers = [&["a", "b", "c"][..], &["b", "a"], &["b", "a", "c"]];
    let mut last = 0;
    for offer in offers {
        let protocols = offer.iter().map(|name| ((*name).into(), Bytes::new())).collect();
        let join = Join { protocols, ..world.request("") };
        last = world.join(join);
    }
    world.pass(0);
    assert_eq!(world.answer(last).protocol.as_deref(), Some("b"));
    let join = Join { protocols: vec![("c".into(), Bytes::new())], ..world.request("") };
    let refused = world.join(join);
    assert_eq!(world.answer(refused).error, ErrorCode::InconsistentGroupProtocol);
    let join = Join { protocol_type: "connect".into(), ..world.request("") };
    let refused = world.join(join);
    assert_eq!(world.answer(refused).error, ErrorCode::InconsistentGroupProtocol);
}

#[test]
fn a_full_group_takes_no_newcomer_but_its_own_members_back() {
    let mut world = World::with(Rules { initial_delay_ms: 0, max_size: 2 });
    let ids = world.stable(2);
    let refused = world.join_as("");
    assert_eq!(world.answer(refused).error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(world.group.state(), State::Stable);
    let back = world.join_as(&ids[0]);
    assert!(!world.joined.contains_key(&back), "the leader's join starts a rebalance");
    assert_eq!(world.group.member_count(), 2);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_its_old_id_is_fenced() {
    let mut world = World::new();
    let tickets = [world.join_static("", "one"), world.join_static("", "two")];
    world.pass(0);
    let ids = world.settle(&tickets);
    let instance = |id: &Arc<str>| tickets.iter().position(|t| world.joined[t].member_id == *id).expect("known");
    let (follower, name) = (ids[1].clone(), ["one", "two"][instance(&ids[1])]);
    let back = world.join_static("", name);
    assert_eq!(world.group.state(), State::Stable);
    assert!(!world.joined.contains_key(&back), "its new id is written first");
    world.stored(Ok(()));
    let reply = world.answer(back).clone();
    assert_eq!((reply.error, reply.generation, reply.skip_assignment), (ErrorCode::None, 1, false));
    assert_ne!(reply.member_id, follower);
    let fenced = world.join_static(&follower, name);
    assert_eq!(world.answer(fenced).error, ErrorCode::FencedInstanceId);
    let sync = world.sync(&reply.member_id, 1, &[]);
    assert_eq!(world.synced[&sync].assignment, Bytes::copy_from_slice(follower.as_bytes()), "it keeps its assignment");
    assert_eq!(world.leave(&follower), ErrorCode::UnknownMemberId);
    assert_eq!(world.step(|g, now, out| g.leave("", Some(&name.into()), now, out)), ErrorCode::None);
    assert_eq!(world.group.state(), State::PreparingRebalance);
}

#[test]
fn a_static_leader_that_comes_back_skips_the_assignment_or_is_told_of_another_leader() {
    for supports_skip in [true, false] {
        let mut world = World::new();
        let ticket = world.join_static("", "one");
        world.pass(0);
        let old = world.settle(&[ticket])[0].clone();
        let join = Join { instance: Some("one".into()), supports_skip, ..world.request("") };
        let back = world.join(join);
        world.stored(Ok(()));
        let reply = world.answer(back);
        assert_eq!(reply.skip_assignment, supports_skip);
        assert_eq!(reply.members.len(), usize::from(supports_skip));
        assert_eq!(reply.leader == old, !supports_skip);
    }
}

#[test]
fn a_static_members_return_that_could_not_be_written_did_not_happen() {
    let mut world = World::new();
    let ticket = world.join_static("", "one");
    world.pass(0);
    let old = world.settle(&[ticket])[0].clone();
    let back = world.join_static("", "one");
    world.stored(Err(ErrorCode::NotCoordinator));
    assert_eq!(world.answer(back).error, ErrorCode::NotCoordinator);
    assert_eq!(world.heartbeat(&old, 1), ErrorCode::None);
}

#[test]
fn a_lost_answer_is_given_again_without_a_rebalance() {
    let mut world = World::new();
    let tickets = [world.join_as(""), world.join_as("")];
    world.pass(0);
    let leader = world.answer(tickets[0]).leader.clone();
    let again = world.join_as(&leader);
    assert_eq!((world.answer(again).generation, world.answer(again).members.len()), (1, 2));
    let ids = world.settle(&tickets);
    let follower = world.join_as(&ids[1]);
    assert_eq!((world.answer(follower).generation, world.answer(follower).members.len()), (1, 0));
    let join = Join { protocols: vec![("range".into(), subscription(&["another"]))], ..world.request(&ids[1]) };
    let changed = world.join(join);
    assert!(!world.joined.contains_key(&changed), "another subscription is a rebalance");
}

#[test]
fn a_killed_group_sends_everyone_away() {
    let mut world = World::new();
    let ids = world.stable(1);
    let waiting = world.join_as("");
    world.step(|group, _, out| group.kill(ErrorCode::NotCoordinator, out));
    assert_eq!(world.answer(waiting).error, ErrorCode::NotCoordinator);
    assert_eq!(world.heartbeat(&ids[0], 1), ErrorCode::CoordinatorNotAvailable);
    assert_eq!(world.group.next_deadline(), None);
}

#[test]
fn a_group_is_loaded_as_it_was_written_and_its_members_have_a_session_before_them() {
    let mut world = World::new();
    let ids = world.stable(2);
    let value = {
        let ticket = world.join_as(&ids[0]); // the leader's join: a rebalance, so that there is a record to look at
        let other = world.join_as(&ids[1]);
        let leader = world.answer(ticket).leader.clone();
        world.sync(&leader, 2, &[(&ids[0], "x"), (&ids[1], "y")]);
        world.sync(if leader == ids[0] { &ids[1] } else { &ids[0] }, 2, &[]);
        assert_eq!(world.answer(other).generation, 2);
        world.stored(Ok(()))
    };
    let rules = Rules { initial_delay_ms: 0, max_size: 10 };
    world.group = Group::load("group".into(), &value, rules, world.now);
    assert_eq!((world.group.state(), world.group.generation()), (State::Stable, 2));
    let seen: BTreeSet<String> = world.group.describe().members.into_iter().map(|m| m.id).collect();
    assert_eq!(seen, ids.iter().map(|id| id.to_string()).collect());
    world.pass(9_999);
    assert_eq!(world.heartbeat(&ids[0], 2), ErrorCode::None);
    world.pass(1);
    assert_eq!(world.group.member_count(), 1);

    world.group = Group::load("group".into(), &value, Rules { max_size: 1, ..rules }, world.now);
    world.step(|group, now, out| group.shrink_to_limit(now, out));
    assert_eq!(world.group.state(), State::PreparingRebalance);
}

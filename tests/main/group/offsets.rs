//! Offsets of a group: who may commit, what is fetched while a commit is written, what goes when.

use ottla::base::ErrorCode;
use ottla::group::offsets::Place;
use ottla::group::record::OffsetValue;
use ottla::group::types::{Rules, State};

use super::support::{World, claim};

const HOUR_MS: i64 = 3_600_000;

fn place(topic: &str, partition: i32) -> Place {
    (topic.into(), partition)
}

fn value(offset: i64, commit_ms: i64) -> OffsetValue {
    OffsetValue { offset, leader_epoch: -1, metadata: "".into(), commit_ms, expire_ms: None }
}

fn put(world: &mut World, place: Place, offset: i64, record: i64) {
    let entries = [(place.clone(), value(offset, world.now.wall_ms))];
    world.group.offsets.begin(&[place]);
    world.group.offsets.end(Some(record), &entries);
}

fn may_commit(world: &mut World, id: &str, generation: i32) -> Result<(), ErrorCode> {
    world.step(|group, now, _| group.may_commit(&claim(id, generation), now))
}

#[test]
fn members_commit_in_their_generation_and_strangers_only_to_an_empty_group() {
    let mut world = World::new();
    assert_eq!(may_commit(&mut world, "", -1), Ok(()));
    let ids = world.stable(2);
    assert_eq!(may_commit(&mut world, &ids[0], 1), Ok(()));
    assert_eq!(may_commit(&mut world, &ids[0], 0), Err(ErrorCode::IllegalGeneration));
    assert_eq!(may_commit(&mut world, "stranger", 1), Err(ErrorCode::UnknownMemberId));
    assert_eq!(may_commit(&mut world, "", -1), Err(ErrorCode::UnknownMemberId));
    let newcomer = world.join_as("");
    assert_eq!(may_commit(&mut world, &ids[0], 1), Ok(()), "offsets are committed before joining again");
    world.join_as(&ids[0]);
    world.join_as(&ids[1]);
    assert_eq!(world.answer(newcomer).generation, 2);
    assert_eq!(may_commit(&mut world, &ids[0], 2), Err(ErrorCode::RebalanceInProgress));
}

#[test]
fn a_commit_counts_when_it_is_written_and_the_later_record_wins() {
    let mut world = World::new();
    let offsets = &mut world.group.offsets;
    let at = place("t", 0);
    offsets.begin(std::slice::from_ref(&at));
    offsets.begin(std::slice::from_ref(&at));
    assert!(offsets.is_pending(&at.0, 0));
    assert_eq!(offsets.get("t", 0), None);
    offsets.end(Some(11), &[(at.clone(), value(2, 0))]);
    offsets.end(Some(10), &[(at.clone(), value(1, 0))]);
    assert!(!offsets.is_pending(&at.0, 0));
    assert_eq!(offsets.get("t", 0).expect("committed").value.offset, 2);
    offsets.begin(std::slice::from_ref(&at));
    offsets.end(None, &[(at.clone(), value(9, 0))]);
    assert_eq!(offsets.get("t", 0).expect("the failed one left it").value.offset, 2);
}

#[test]
fn offsets_of_an_empty_group_expire_by_when_it_became_empty_and_take_it_along() {
    let mut world = World::new();
    let ids = world.stable(1);
    put(&mut world, place("topic", 0), 5, 1);
    put(&mut world, place("old", 0), 5, 2);
    world.pass(2 * HOUR_MS as u64 / 1000); // some seconds, heard below
    world.heartbeat(&ids[0], 1);
    let far = world.now.wall_ms + 2 * HOUR_MS;
    assert_eq!(world.group.expire_offsets(far, HOUR_MS), [place("old", 0)], "a topic nobody subscribes to any more");
    assert_eq!(world.leave(&ids[0]), ErrorCode::None);
    assert_eq!(world.group.state(), State::Empty);
    let empty_since = world.now.wall_ms;
    assert!(world.group.expire_offsets(empty_since + HOUR_MS - 1, HOUR_MS).is_empty());
    assert!(!world.group.bury_if_useless());
    assert_eq!(world.group.expire_offsets(empty_since + HOUR_MS, HOUR_MS), [place("topic", 0)]);
    assert!(world.group.bury_if_useless());
    assert_eq!(world.group.state(), State::Dead);
}

#[test]
fn offsets_without_members_expire_each_by_its_own_commit_and_not_while_one_is_written() {
    let mut world = World::with(Rules { initial_delay_ms: 0, max_size: 1 });
    let now = world.now.wall_ms;
    put(&mut world, place("t", 0), 1, 1);
    put(&mut world, place("t", 1), 1, 2);
    world.group.offsets.begin(&[place("t", 1)]);
    assert!(world.group.expire_offsets(now + HOUR_MS - 1, HOUR_MS).is_empty());
    assert_eq!(world.group.expire_offsets(now + HOUR_MS, HOUR_MS), [place("t", 0)]);
    let expiring = OffsetValue { expire_ms: Some(now + 5), ..value(1, now) };
    world.group.offsets.begin(&[place("t", 2)]);
    world.group.offsets.end(Some(3), &[(place("t", 2), expiring)]);
    assert!(world.group.expire_offsets(now + 4, HOUR_MS).is_empty());
    assert_eq!(world.group.expire_offsets(now + 5, HOUR_MS), [place("t", 2)]);
}

#[test]
fn offsets_of_subscribed_topics_are_not_deleted() {
    let mut world = World::new();
    put(&mut world, place("topic", 0), 1, 1);
    put(&mut world, place("other", 0), 1, 2);
    let ids = world.stable(1);
    let (codes, removed) = world.group.delete_offsets(vec![place("topic", 0), place("other", 0)]).expect("a consumer");
    assert_eq!(codes[0].1, ErrorCode::GroupSubscribedToTopic);
    assert_eq!((codes[1].1, removed), (ErrorCode::None, vec![place("other", 0)]));
    assert_eq!(world.group.delete(), Err(ErrorCode::NonEmptyGroup));
    world.leave(&ids[0]);
    assert_eq!(world.group.delete(), Ok(vec![place("topic", 0)]));
    assert_eq!(world.group.delete(), Err(ErrorCode::GroupIdNotFound));
}

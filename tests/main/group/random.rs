//! Random clients against one group: whatever they do, and whenever, the group stays one that Kafka could be in.

use std::collections::BTreeMap;

use ottla::base::ErrorCode;
use ottla::group::types::{Join, Rules, State};
use proptest::prelude::*;

use super::support::World;

#[derive(Clone, Debug)]
enum Act {
    Newcomer { known_id: bool, instance: Option<u8> },
    Rejoin(usize),
    Sync(usize),
    Heartbeat(usize),
    Leave(usize),
    Stored { fails: bool },
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (any::<bool>(), proptest::option::of(0u8..3))
            .prop_map(|(known_id, instance)| Act::Newcomer { known_id, instance }),
        (0usize..8).prop_map(Act::Rejoin),
        (0usize..8).prop_map(Act::Sync),
        (0usize..8).prop_map(Act::Sync),
        (0usize..8).prop_map(Act::Heartbeat),
        (0usize..8).prop_map(Act::Leave),
        any::<bool>().prop_map(|fails| Act::Stored { fails }),
        (0u64..20_000).prop_map(Act::Pass),
    ]
}

/// What clients know: the ids they were given, and the generation of each.
fn check(world: &mut World, ids: &mut BTreeMap<String, i32>, generation: &mut i32) {
    let group = &world.group;
    assert!(group.generation() >= *generation, "generations never go back");
    *generation = group.generation();
    match group.state() {
        State::Empty => assert_eq!((group.member_count(), group.leader()), (0, None)),
        State::Stable | State::CompletingRebalance => {
            // While members join, those that have not come back don't count; static ones stay without coming.
            let members = group.describe().members;
            assert!(members.iter().filter(|m| m.instance.is_none()).count() <= 5, "group.max.size");
            assert!(members.iter().any(|m| Some(m.id.as_str()) == group.leader()), "the leader is a member");
        }
        State::PreparingRebalance => assert!(group.next_deadline().is_some(), "a join phase ends"),
        State::Dead => panic!("nobody killed it"),
    }
    let mut leaders: BTreeMap<i32, String> = BTreeMap::new();
    for reply in world.joined.values() {
        match reply.error {
            ErrorCode::None => {
                ids.insert(reply.member_id.to_string(), reply.generation);
                let leads = !reply.members.is_empty() && !reply.skip_assignment;
                if leads && *reply.leader == *reply.member_id {
                    let other = leaders.insert(reply.generation, reply.member_id.to_string());
                    assert!(other.is_none_or(|other| other == *reply.member_id), "one leader a generation");
                }
            }
            ErrorCode::MemberIdRequired => {
                ids.entry(reply.member_id.to_string()).or_insert(-1);
            }
            _ => assert_eq!(reply.members.len(), 0),
        }
    }
    for reply in world.synced.values() {
        assert!(reply.error == ErrorCode::None || reply.assignment.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_clients_never_break_a_group(acts in proptest::collection::vec(act(), 1..60)) {
        let mut world = World::with(Rules { initial_delay_ms: 1000, max_size: 5 });
        let (mut ids, mut generation) = (BTreeMap::new(), 0);
        for act in acts {
            let known = |ids: &BTreeMap<String, i32>, i: usize| {
                ids.iter().nth(i % ids.len().max(1)).map_or(("nobody".to_string(), 0), |(id, g)| (id.clone(), *g))
            };
            match act {
                Act::Newcomer { known_id, instance } => {
                    let instance = instance.map(|i| format!("static-{i}").into());
                    let join =
                        Join { require_known_id: known_id && instance.is_none(), instance, ..world.request("") };
                    world.join(join);
                }
                Act::Rejoin(i) => {
                    let (id, _) = known(&ids, i);
                    world.join_as(&id);
                }
                Act::Sync(i) => {
                    let (id, generation) = known(&ids, i);
                    world.sync(&id, generation, &[(&id, "assigned")]);
                }
                Act::Heartbeat(i) => {
                    let (id, generation) = known(&ids, i);
                    world.heartbeat(&id, generation);
                }
                Act::Leave(i) => {
                    let (id, _) = known(&ids, i);
                    world.leave(&id);
                }
                Act::Stored { fails } => {
                    if !world.stores.is_empty() {
                        world.stored(if fails { Err(ErrorCode::NotCoordinator) } else { Ok(()) });
                    }
                }
                Act::Pass(ms) => world.pass(ms),
            }
            check(&mut world, &mut ids, &mut generation);
        }
        // Everyone falls silent, and records are written: the group ends empty.
        for _ in 0..20 {
            while !world.stores.is_empty() {
                world.stored(Ok(()));
            }
            world.pass(400_000);
        }
        prop_assert_eq!(world.group.state(), State::Empty);
        prop_assert_eq!(world.group.next_deadline(), None);
    }
}

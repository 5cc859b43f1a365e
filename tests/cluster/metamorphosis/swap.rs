//! The cells in which a broker becomes the other kind: it stops or is killed, and the other comes with its `broker.id` and `log.dirs`.

use std::time::Instant;

use super::ask;
use super::cells::Roles;
use super::world::World;
use crate::harness::broker::Plan;
use crate::harness::partitions::{LIMIT, await_state};
use crate::harness::{Kind, eventually, raw};

/// The other kind.
pub fn other(kind: Kind) -> Kind {
    match kind {
        Kind::Ottla => Kind::Apache,
        Kind::Apache => Kind::Ottla,
    }
}

/// The broker that is away starts as `kind`; it comes into sync, leads again what it prefers, and holds everything.
fn come_back_as(world: &mut World, roles: Roles, plan: Plan, kind: Kind) {
    let id = roles.leader;
    world.brokers.insert(id, plan.kind(kind).start());
    world.hold_controller();
    for topic in world.topics() {
        world.await_full(&topic);
        for (partition, replicas) in ask::assignment(world.connect(), &topic) {
            if replicas[0] == id && partition == 0 && world.state(&topic).leader != id {
                assert_eq!(ask::elect(&world.address(world.controller), &topic), 0, "{topic}");
                world.await_leader(&topic, id);
            }
        }
    }
    world.produce(&roles.topic("away"), 1, 50, true);
}

/// A topic of the pair that is written to while brokers come and go.
pub fn make_topic(world: &mut World, roles: Roles) {
    let (topic, replicas) = (roles.topic("away"), [roles.leader, roles.follower, roles.third]);
    world.create(&topic, &[&replicas], &[("min.insync.replicas", "2")]);
    world.produce(&topic, 1, 50, true);
}

/// The leader stops as it should: its leaderships have moved before it is gone, and what was written is written on without it.
fn shut_down(world: &mut World, roles: Roles) -> Plan {
    let (began, leader) = (Instant::now(), world.kind(roles.leader));
    let topic = roles.topic("away");
    let plan = world.brokers.remove(&roles.leader).expect("it runs").stop();
    // Not a wait: the leadership moved while the broker still ran.
    let state = world.state(&topic);
    assert!(state.leader != roles.leader && state.leader >= 0, "{state:?}");
    assert!(!state.isr.contains(&roles.leader), "{state:?}");
    world.produce(&topic, 1, 50, true);
    world.settle(leader, "controlled shutdown", began, &[&topic]);
    plan
}

/// Becomes the other kind after a controlled shutdown, and itself again after another.
pub fn swaps_and_swaps_back(world: &mut World, roles: Roles) {
    let leader = world.kind(roles.leader);
    for (kind, cell) in [(other(leader), "swap"), (leader, "swap back")] {
        let plan = shut_down(world, roles);
        let began = Instant::now();
        come_back_as(world, roles, plan, kind);
        world.settle(leader, cell, began, &[]);
    }
}

/// The same after kills.
pub fn swaps_and_swaps_back_after_kills(world: &mut World, roles: Roles) {
    let leader = world.kind(roles.leader);
    let topic = roles.topic("away");
    for (kind, cell) in [(other(leader), "swap after kill -9"), (leader, "swap back after kill -9")] {
        let began = Instant::now();
        let plan = world.brokers.remove(&roles.leader).expect("it runs").kill();
        world.await_leader(&topic, roles.follower);
        world.produce(&topic, 1, 50, true);
        come_back_as(world, roles, plan, kind);
        world.settle(leader, cell, began, &[]);
    }
}

/// Every broker becomes the other kind at once, after a stop of the whole cluster: all log directories open in it, and hold all.
pub fn swaps_the_whole_cluster_at_once(world: &mut World) {
    let began = Instant::now();
    let ids: Vec<i32> = world.brokers.keys().copied().collect();
    let plans: Vec<Plan> = ids.iter().map(|id| world.brokers.remove(id).expect("it runs").stop()).collect();
    let plans = plans.into_iter().map(|plan| {
        let kind = other(plan.kind);
        plan.kind(kind)
    });
    // One alone can't lead everything: metadata is awaited when all are there.
    world.brokers = super::world::start_together(plans.collect()).into_iter().collect();
    world.await_everyone();
    let first = world.controller_now().expect("a controller");
    world.controller = first;
    for topic in world.topics() {
        await_state(world.connect(), &topic, 0, "a leader", |state| state.leader >= 0);
        eventually("the topic to be known", LIMIT, || {
            (raw::await_leader(&world.address(first), &topic) >= 0).then_some(())
        });
    }
    let kind = world.kind(first);
    world.settle(kind, "all three swapped after a full stop", began, &[]);
}

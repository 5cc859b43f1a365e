//! The cells in which every broker stays what it is: produce, idempotent produce, truncation, reassignment, election, topics made and
//! deleted by the tools of both.
//!
//! Each is told which broker leads; its main follower is a broker of the other kind.

use std::path::PathBuf;
use std::time::Instant;

use rustix::process::Signal;

use super::ask;
use super::world::World;
use crate::harness::partitions::{LIMIT, await_led, await_state, produce};
use crate::harness::{Kind, client, eventually, raw, tree};

const NONE: i16 = 0;
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;

/// Who leads in a cell, and who follows.
#[derive(Clone, Copy)]
pub struct Roles {
    /// Leads, and is what the cell is about.
    pub leader: i32,
    /// Of the other kind; takes over.
    pub follower: i32,
    /// The third one.
    pub third: i32,
}

impl Roles {
    /// A topic's name, the leader's own.
    pub fn topic(&self, name: &str) -> String {
        format!("{name}-{}", self.leader)
    }
}

/// Records with acks=all in every codec, to three replicas.
pub fn produces_in_every_codec(world: &mut World, roles: Roles) {
    let (began, leader) = (Instant::now(), world.kind(roles.leader));
    let topic = roles.topic("codecs");
    let replicas = [roles.leader, roles.follower, roles.third];
    world.create(&topic, &[&replicas[..]; 5], &[("min.insync.replicas", "3")]);
    world.produce(&topic, 5, 100, false);
    world.settle(leader, "produce, acks=all, five codecs", began, &[&topic]);
}

/// Sequences are known to the broker that takes over: it takes nothing twice, and nothing out of order.
pub fn produces_idempotently(world: &mut World, roles: Roles) {
    let (began, leader) = (Instant::now(), world.kind(roles.leader));
    let topic = roles.topic("sequences");
    let Roles { leader: first, follower: second, third } = roles;
    world.create(&topic, &[&[first, second, third]], &[("min.insync.replicas", "2")]);
    world.produce(&topic, 1, 200, true);
    let producer = 7_000_000 + i64::from(first);
    let batch = |n: i32| ask::sequenced(&[&format!("a {n}"), &format!("b {n}")], producer, 2 * n);
    for (n, at) in [(0, first), (1, second), (2, first)] {
        if n > 0 {
            let order: Vec<i32> =
                [at].into_iter().chain([first, second, third].into_iter().filter(|id| *id != at)).collect();
            moved(world, &topic, &order);
            assert_eq!(ask::elect(&world.address(world.controller), &topic), NONE);
            world.await_leader(&topic, at);
            let before = raw::produce(&world.address(at), &topic, batch(n - 1));
            let end = world.expected(&topic, 0).len();
            assert_eq!(before, (NONE, i64::try_from(end - 2).expect("few")), "what the other took, sent again");
        }
        let base = i64::try_from(world.expected(&topic, 0).len()).expect("few");
        assert_eq!(raw::produce(&world.address(at), &topic, batch(n)), (NONE, base));
        world.acknowledged(&topic, 0, [format!("a {n}"), format!("b {n}")]);
        assert_eq!(raw::produce(&world.address(at), &topic, batch(n)), (NONE, base), "the same again");
        let (code, _) = raw::produce(&world.address(at), &topic, batch(n + 2));
        assert_eq!(code, OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
    world.settle(leader, "idempotent produce, leader moved and back", began, &[&topic]);
}

/// The leader is killed right after its follower acknowledged all: nothing is cut, and it returns as a follower.
pub fn truncates_nothing_that_was_replicated(world: &mut World, roles: Roles) {
    let (began, leader) = (Instant::now(), world.kind(roles.leader));
    let topic = roles.topic("kept");
    world.create(&topic, &[&[roles.leader, roles.follower]], &[("min.insync.replicas", "1")]);
    world.produce(&topic, 1, 100, false);
    let plan = world.brokers.remove(&roles.leader).expect("it runs").kill();
    world.await_leader(&topic, roles.follower);
    world.produce(&topic, 1, 50, false);
    world.brokers.insert(roles.leader, plan.start());
    world.hold_controller();
    world.settle(leader, "kill -9 of the leader, follower has its tail", began, &[&topic]);
    lead_again(world, &topic, roles);
}

/// The leader is killed with a tail that its follower does not have: it returns, and cuts it.
pub fn truncates_what_was_not_replicated(world: &mut World, roles: Roles) {
    let (began, leader) = (Instant::now(), world.kind(roles.leader));
    let topic = roles.topic("cut");
    world.create(&topic, &[&[roles.leader, roles.follower]], &[("min.insync.replicas", "1")]);
    world.produce(&topic, 1, 100, false);
    world.brokers.get_mut(&roles.follower).expect("it runs").signal(Signal::STOP);
    for n in 0..20 {
        let batch = raw::batch(&[&format!("alone {n}")]);
        assert_eq!(produce(&world.address(roles.leader), &topic, 0, 1, batch), NONE);
    }
    let plan = world.brokers.remove(&roles.leader).expect("it runs").kill();
    world.brokers.get_mut(&roles.follower).expect("it runs").signal(Signal::CONT);
    world.await_leader(&topic, roles.follower);
    let after: Vec<String> = world.read(&topic).remove(&0).unwrap_or_default();
    let (kept, alone) = after.split_at(100);
    assert_eq!(kept, world.expected(&topic, 0), "what was acknowledged by all");
    // A fetch that was under way at the pause may have been answered with the first of them.
    assert!(alone.len() < 20, "nothing was left to cut");
    let alone = alone.to_vec();
    world.acknowledged(&topic, 0, alone);
    world.brokers.insert(roles.leader, plan.start());
    world.hold_controller();
    let batch = raw::batch(&["by both again"]);
    assert_eq!(produce(&world.address(roles.follower), &topic, 0, -1, batch), NONE);
    world.acknowledged(&topic, 0, ["by both again".into()]);
    world.settle(leader, "kill -9 of the leader, follower lacks its tail", began, &[&topic]);
    lead_again(world, &topic, roles);
}

/// The broker that returned leads again what it prefers.
fn lead_again(world: &mut World, topic: &str, roles: Roles) {
    let controller = world.address(world.controller);
    for topic in world.topics() {
        let first = ask::assignment(world.connect(), &topic).get(&0).and_then(|ids| ids.first().copied());
        if first == Some(roles.leader) && world.state(&topic).leader != roles.leader {
            world.await_full(&topic);
            assert_eq!(ask::elect(&controller, &topic), NONE, "{topic}");
            world.await_leader(&topic, roles.leader);
        }
    }
    world.await_leader(topic, roles.leader);
}

/// Moves partition 0 and waits for the end of it.
fn moved(world: &World, topic: &str, replicas: &[i32]) {
    assert_eq!(ask::reassign(&world.address(world.controller), topic, replicas), NONE, "{topic} to {replicas:?}");
    eventually(&format!("{topic} on {replicas:?}"), LIMIT, || {
        ask::is_moved(world.connect(), topic, replicas).then_some(())
    });
}

/// All records move from the leader to others and come back; files that are not needed go.
pub fn reassigns(world: &mut World, roles: Roles) {
    let (began, leader) = (Instant::now(), world.kind(roles.leader));
    let topic = roles.topic("moved");
    let Roles { leader: first, follower: second, third } = roles;
    world.create(&topic, &[&[first]], &[]);
    world.produce(&topic, 1, 200, false);
    for replicas in [&[second, third][..], &[first, second]] {
        moved(world, &topic, replicas);
        if world.state(&topic).leader != replicas[0] {
            // A leader that is among the new replicas stays.
            assert_eq!(ask::elect(&world.address(world.controller), &topic), NONE);
        }
        world.await_leader(&topic, replicas[0]);
        world.produce(&topic, 1, 50, true);
        for id in (0..3).filter(|id| !replicas.contains(id)) {
            eventually("the files of a replica that moved away to go", LIMIT, || {
                (!world.brokers[&id].partition_dir(&topic, 0).exists()).then_some(())
            });
        }
    }
    world.settle(leader, "reassign to the other kind and back", began, &[&topic]);
}

/// The preferred leader is elected.
pub fn elects_the_preferred_leader(world: &mut World, roles: Roles) {
    let (began, leader) = (Instant::now(), world.kind(roles.leader));
    let topic = roles.topic("preferred");
    let Roles { leader: first, follower: second, third } = roles;
    world.create(&topic, &[&[first, second, third]], &[("min.insync.replicas", "2")]);
    for at in [second, first] {
        let order: Vec<i32> =
            [at].into_iter().chain([first, second, third].into_iter().filter(|id| *id != at)).collect();
        let epoch = world.state(&topic).epoch;
        moved(world, &topic, &order);
        assert_eq!(ask::elect(&world.address(world.controller), &topic), NONE);
        world.await_leader(&topic, at);
        assert!(world.state(&topic).epoch > epoch, "a new leader epoch");
        world.produce(&topic, 1, 50, true);
    }
    world.settle(leader, "preferred election to the other kind and back", began, &[&topic]);
}

/// `kafka-topics.sh` of one or the other, with these words after the address.
fn topics_tool(kind: Kind, address: &str, words: &[&str]) -> String {
    let args: Vec<&str> = ["--bootstrap-server", address].into_iter().chain(words.iter().copied()).collect();
    match kind {
        Kind::Apache => client::java("kafka-topics.sh", &args, "").ok(),
        Kind::Ottla => {
            let ottla = PathBuf::from(env!("CARGO_BIN_EXE_ottla"));
            client::command(&ottla, &[&["topics"], &args[..]].concat(), &[], "").ok()
        }
    }
}

/// Topics are made by the tool of one and deleted by that of the other.
pub fn creates_and_deletes_by_the_tools_of_both(world: &mut World, roles: Roles) {
    let (began, leader) = (Instant::now(), world.kind(roles.leader));
    let replicas = format!("{}:{}:{}", roles.leader, roles.follower, roles.third);
    let (own, other) = (leader, if leader == Kind::Ottla { Kind::Apache } else { Kind::Ottla });
    let mut counts = (0, 0);
    for (maker, deleter) in [(own, other), (other, own)] {
        let topic = roles.topic(&format!("made-by-{maker:?}").to_lowercase());
        let words = ["--create", "--topic", &topic, "--replica-assignment", &replicas];
        topics_tool(maker, &world.address(roles.leader), &words);
        await_led(world.connect(), &topic, 0, roles.leader, &[0, 1, 2]);
        world.produce(&topic, 1, 50, false);
        let (acknowledged, read, _) = world.check(&[topic.clone()].into());
        counts = (counts.0 + acknowledged, counts.1 + read);
        topics_tool(deleter, &world.address(roles.follower), &["--delete", "--topic", &topic]);
        world.forget(&topic);
        for path in ["/brokers/topics", "/config/topics", "/admin/delete_topics"].map(|root| format!("{root}/{topic}"))
        {
            eventually(&format!("{path} to go"), LIMIT, || tree::get(world.connect(), &path).is_none().then_some(()));
        }
        for broker in world.brokers.values() {
            let dir = broker.partition_dir(&topic, 0);
            eventually("the files to go", LIMIT, || (!dir.exists()).then_some(()));
        }
    }
    // Made again under its name it is another topic, and empty.
    let topic = roles.topic(&format!("made-by-{own:?}").to_lowercase());
    world.create(&topic, &[&[roles.leader, roles.follower]], &[]);
    await_state(world.connect(), &topic, 0, "all in sync", |state| state.isr.len() == 2);
    world.produce(&topic, 1, 10, false);
    world.settle(leader, "topics made and deleted by the tools of both", began, &[&topic]);
    world.table.add_to_last(counts.0, counts.1);
}

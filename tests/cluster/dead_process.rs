//! A process that dies is replaced at once, not after its session; and nothing is lost when it was said to have died and lives.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};

use crate::harness::broker::Plan;
use crate::harness::gate::Gate;
use crate::harness::partitions::{Brokers, LIMIT, await_state, create, start, state, topic_on};
use crate::harness::{Cluster, Kind, client, eventually, raw, target, tree};

const TOPIC: &str = "topic";
/// So long that whoever waits for its end is found out.
const SESSION: Duration = Duration::from_secs(40);
/// Detection takes 300 ms and what follows milliseconds; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(15);

fn plans(cluster: &Cluster) -> impl Iterator<Item = Plan> {
    (0..3).map(|id| {
        let plan = cluster.broker(id).with("zookeeper.session.timeout.ms", SESSION.as_millis());
        plan.with("auto.leader.rebalance.enable", false).with("replica.lag.time.max.ms", 60_000)
    })
}

/// Produces to one partition within a short time: its error code.
fn produce(address: &str, partition: i32, acks: i16, value: &str) -> i16 {
    let data =
        PartitionProduceData::default().with_index(partition).with_records(Some(Bytes::from(raw::batch(&[value]))));
    let data = TopicProduceData::default().with_name(raw::topic_name(TOPIC)).with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(acks).with_timeout_ms(1000).with_topic_data(vec![data]);
    raw::Connection::to(address).call(&request, 9).responses[0].partition_responses[0].error_code
}

/// One partition led by each broker, in its own order.
fn create_one_led_by_each(brokers: &Brokers, controller: i32) {
    let topic = topic_on(TOPIC, &[&[0, 1, 2], &[1, 2, 0], &[2, 0, 1]], &[("min.insync.replicas", "2")]);
    create(&brokers[&controller], &topic);
    for partition in 0..3 {
        eventually("a first record", LIMIT, || {
            (produce(&brokers[&partition].address(), partition, -1, "first") == 0).then_some(())
        });
    }
}

/// Waits until a record is acknowledged by all in-sync replicas of every partition, none of them on `dead`.
fn await_writes(cluster: &Cluster, brokers: &Brokers, dead: i32, value: &str) {
    for partition in 0..3 {
        eventually("an acknowledged record", LIMIT, || {
            let leader = state(&cluster.connect, TOPIC, partition)?.leader;
            let leader = brokers.get(&leader).filter(|_| leader != dead)?;
            (produce(&leader.address(), partition, -1, value) == 0).then_some(())
        });
    }
}

/// Apache Kafka waits for the end of the session.
fn is_ottla() -> bool {
    target() == Kind::Ottla
}

/// Kills a broker under a session that lives on.
fn kill(name: &str, is_controller: bool) {
    if !is_ottla() {
        return;
    }
    let cluster = Cluster::new(name);
    let mut brokers = start(plans(&cluster));
    create_one_led_by_each(&brokers, 0);
    let victim = if is_controller { 0 } else { 2 };
    let begin = Instant::now();
    let plan = brokers.remove(&victim).expect("running").kill();
    await_writes(&cluster, &brokers, victim, "second");
    let took = begin.elapsed();
    eprintln!("{name}: every partition written to after {took:?}");
    assert!(took < SOON, "{took:?} after the kill");
    let registered = tree::get(&cluster.connect, &format!("/brokers/ids/{victim}"));
    assert!(registered.is_some(), "its session has ended meanwhile: this shows nothing");
    brokers.insert(victim, plan.start());
    for partition in 0..3 {
        await_state(&cluster.connect, TOPIC, partition, "a full ISR", |state| state.isr == [0, 1, 2]);
        let leader = &brokers[&state(&cluster.connect, TOPIC, partition).expect("a state").leader];
        assert_eq!(values(&leader.address(), partition), ["first", "second"]);
    }
}

/// What is in a partition; a record that was sent again after a time-out counts once.
fn values(address: &str, partition: i32) -> Vec<String> {
    let mut values = client::kcat_values(address, TOPIC, partition);
    values.dedup();
    values
}

#[test]
fn partitions_of_a_killed_broker_are_written_to_long_before_its_session_ends() {
    kill("dead-broker", false);
}

#[test]
fn partitions_of_a_killed_controller_are_written_to_long_before_its_session_ends() {
    kill("dead-controller", true);
}

/// Brokers that reach each other through gates, and are reached by clients without.
fn gated(cluster: &Cluster) -> (BTreeMap<i32, Gate>, Brokers) {
    let mut gates = BTreeMap::new();
    let plans: Vec<Plan> = plans(cluster)
        .map(|plan| {
            let inner = crate::harness::zookeeper::free_port();
            let gate = Gate::before(inner);
            let listeners = |inner: u16| format!("PLAINTEXT://127.0.0.1:{},INNER://127.0.0.1:{inner}", plan.port);
            let plan = plan
                .clone()
                .with("listeners", listeners(inner))
                .with("advertised.listeners", listeners(gate.port))
                .with("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,INNER:PLAINTEXT")
                .with("inter.broker.listener.name", "INNER");
            gates.insert(plan.id, gate);
            plan
        })
        .collect();
    (gates, start(plans))
}

/// Every replica ends up with the same records, and with all that were acknowledged.
fn assert_whole(cluster: &Cluster, brokers: &mut Brokers, acknowledged: &[&str]) {
    for partition in 0..3 {
        await_state(&cluster.connect, TOPIC, partition, "a full ISR", |state| state.isr == [0, 1, 2]);
    }
    brokers.values_mut().for_each(|broker| broker.assert_alive());
    for partition in 0..3 {
        let leader = state(&cluster.connect, TOPIC, partition).expect("a state").leader;
        assert_eq!(values(&brokers[&leader].address(), partition), acknowledged, "partition {partition}");
    }
}

#[test]
fn broker_that_lives_behind_a_refused_port_acknowledges_nothing_and_comes_back() {
    if !is_ottla() {
        return;
    }
    let cluster = Cluster::new("dead-wrongly");
    let (mut gates, mut brokers) = gated(&cluster);
    create_one_led_by_each(&brokers, 0);
    assert_eq!(tree::controller(&cluster.connect), Some(0));
    gates.get_mut(&2).expect("a gate").shut();
    let moved = await_state(&cluster.connect, TOPIC, 2, "another leader", |state| state.leader != 2);
    assert_eq!(moved.isr, [0, 1]);
    // It has not heard of it: clients that ask it still take it for the leader.
    assert_eq!(produce(&brokers[&2].address(), 2, 1, "lost like any unreplicated record"), 0);
    for _ in 0..3 {
        assert_ne!(produce(&brokers[&2].address(), 2, -1, "never acknowledged"), 0);
    }
    await_writes(&cluster, &brokers, 2, "second");
    assert!(tree::get(&cluster.connect, "/brokers/ids/2").is_some(), "it lives");
    assert_eq!(tree::controller(&cluster.connect), Some(0));

    gates.get_mut(&2).expect("a gate").open();
    assert_whole(&cluster, &mut brokers, &["first", "second"]);
    // It may lead again: the one that took over dies.
    let leader = state(&cluster.connect, TOPIC, 2).expect("a state").leader;
    let other = brokers.remove(&leader).expect("running");
    other.kill();
    await_writes(&cluster, &brokers, leader, "third");
}

#[test]
fn controller_that_lives_behind_a_refused_port_is_deposed_and_writes_nothing_more() {
    if !is_ottla() {
        return;
    }
    let cluster = Cluster::new("dead-controller-wrongly");
    let (mut gates, mut brokers) = gated(&cluster);
    create_one_led_by_each(&brokers, 0);
    assert_eq!(tree::controller(&cluster.connect), Some(0));
    gates.get_mut(&0).expect("a gate").shut();
    eventually("another controller", SOON, || tree::controller(&cluster.connect).filter(|id| *id != 0));
    await_state(&cluster.connect, TOPIC, 0, "another leader", |state| state.leader > 0);
    await_writes(&cluster, &brokers, 0, "second");
    eventually("the old one to see it", SOON, || {
        brokers[&0].output().contains("resigning as controller").then_some(())
    });
    assert!(tree::get(&cluster.connect, "/brokers/ids/0").is_some(), "it lives");

    gates.get_mut(&0).expect("a gate").open();
    assert_whole(&cluster, &mut brokers, &["first", "second"]);
}

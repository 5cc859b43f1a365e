//! Several brokers: what was acknowledged outlives its leader, followers come back into sync, and no two logs differ for long.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableReplicaAssignment;
use kafka_protocol::messages::create_topics_request::CreatableTopicConfig;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{BrokerId, ProduceRequest};
use kafka_protocol::protocol::StrBytes;
use rustix::process::Signal;

use crate::harness::broker::Plan;
use crate::harness::process::Process;
use crate::harness::{Broker, Cluster, Kind, client, eventually, raw, tree};

/// A session's end, an election and a fetch, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const TOPIC: &str = "topic";

/// Starts brokers whose controller moves no leader by itself: its balance timer, five seconds after it was elected, would do so in the
/// middle of a test.
fn start(plans: Vec<Plan>) -> BTreeMap<i32, Broker> {
    plans.into_iter().map(|plan| (plan.id, plan.with("auto.leader.rebalance.enable", false).start())).collect()
}

fn addresses(brokers: &BTreeMap<i32, Broker>) -> String {
    brokers.values().map(Broker::address).collect::<Vec<_>>().join(",")
}

/// A topic of one partition on these replicas, the first of them its leader.
fn create(through: &Broker, topic: &str, replicas: &[i32], min_isr: i32) {
    let assignment = CreatableReplicaAssignment::default()
        .with_partition_index(0)
        .with_broker_ids(replicas.iter().map(|id| BrokerId(*id)).collect());
    let text = |s: &str| StrBytes::from_string(s.into());
    let config = CreatableTopicConfig::default()
        .with_name(text("min.insync.replicas"))
        .with_value(Some(text(&min_isr.to_string())));
    let topic_request = raw::new_topic(topic, -1)
        .with_replication_factor(-1)
        .with_assignments(vec![assignment])
        .with_configs(vec![config]);
    eventually("all brokers of the assignment to be known", LIMIT, || {
        let code = raw::create(&through.address(), vec![topic_request.clone()])[0].1;
        (code == 0).then_some(())
    });
}

/// Leader and sorted ISR, as ZooKeeper has them.
fn state(cluster: &Cluster, topic: &str) -> (i64, Vec<i64>) {
    let text = tree::get(&cluster.connect, &format!("/brokers/topics/{topic}/partitions/0/state")).unwrap_or_default();
    let state: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let isr = state["isr"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_i64);
    let mut isr: Vec<_> = isr.collect();
    isr.sort_unstable();
    (state["leader"].as_i64().unwrap_or(-1), isr)
}

fn await_isr(cluster: &Cluster, topic: &str, isr: &[i64]) -> i32 {
    eventually(&format!("the ISR {isr:?} of {topic}"), LIMIT, || {
        let (leader, now) = state(cluster, topic);
        (now == isr && leader >= 0).then_some(i32::try_from(leader).expect("a broker's id"))
    })
}

/// Waits for another leader than `not`, in ZooKeeper and in that leader's own view.
fn await_other_leader(cluster: &Cluster, brokers: &BTreeMap<i32, Broker>, topic: &str, not: i32) -> i32 {
    eventually("another leader", LIMIT, || {
        let leader = i32::try_from(state(cluster, topic).0).ok().filter(|l| *l >= 0 && *l != not)?;
        (raw::await_leader(&brokers[&leader].address(), topic) == leader).then_some(leader)
    })
}

/// Every byte of a partition's segments.
fn log_bytes(plan: &Plan, topic: &str) -> Vec<u8> {
    let dir = plan.logs.join(format!("{topic}-0"));
    let mut files: Vec<_> =
        fs::read_dir(&dir).expect("the partition's directory").flatten().map(|e| e.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "log"));
    files.sort();
    files.iter().flat_map(|file| fs::read(file).expect("a segment")).collect()
}

/// Stops all; their logs of the topic are the same, byte for byte.
fn assert_equal_logs(brokers: BTreeMap<i32, Broker>, topic: &str) {
    let mut logs = BTreeMap::new();
    for (id, mut broker) in brokers {
        broker.assert_alive();
        logs.insert(id, log_bytes(&broker.kill(), topic));
    }
    let (first, bytes) = logs.iter().next().expect("a broker");
    assert!(!bytes.is_empty(), "broker {first} has records of {topic}");
    for (id, other) in &logs {
        assert!(
            bytes == other,
            "the logs of brokers {first} ({} bytes) and {id} ({}) differ",
            bytes.len(),
            other.len()
        );
    }
}

fn produce_with(acks: i16, address: &str, topic: &str, values: &[&str]) -> i16 {
    let records = Bytes::from(raw::batch(values));
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(raw::topic_name(topic)).with_partition_data(vec![partition]);
    let request = ProduceRequest::default().with_acks(acks).with_timeout_ms(20_000).with_topic_data(vec![topic]);
    let response = raw::Connection::to(address).call(&request, 9);
    response.responses[0].partition_responses[0].error_code
}

/// Produces with acks=all until it is taken: a new leader may not know yet that it is.
fn produce_all(address: &str, topic: &str, value: &str) {
    eventually("an acknowledged record", LIMIT, || (produce_with(-1, address, topic, &[value]) == 0).then_some(()));
}

/// A producer with acks=all, which notes what is acknowledged.
fn producer(cluster: &Cluster, brokers: &BTreeMap<i32, Broker>) -> (Process, impl Fn() -> String + use<>) {
    let file = cluster.dir.join("acknowledged");
    let command = client::python_command("acknowledged.py", &[&addresses(brokers), TOPIC]);
    let process = Process::start("producer", command, file.clone());
    (process, move || fs::read_to_string(&file).unwrap_or_default())
}

fn await_more(text: &impl Fn() -> String, what: &str) {
    let before = text().lines().count();
    eventually(what, LIMIT, || (text().lines().count() >= before + 500).then_some(()));
}

fn assert_has_all(address: &str, acknowledged: &str) {
    let format = ["-C", "-t", TOPIC, "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%o %s\n"];
    let read = client::kcat(address, &format, "").ok();
    let read: BTreeMap<&str, &str> = read.lines().filter_map(|line| line.split_once(' ')).collect();
    // The producer may have been cut off inside its last line.
    for line in acknowledged[..acknowledged.rfind('\n').map_or(0, |end| end + 1)].lines() {
        let (offset, value) = line.split_once(' ').expect("offset and value");
        assert_eq!(read.get(offset).copied(), Some(value), "the acknowledged record at offset {offset}");
    }
}

#[test]
fn killed_and_stopped_leaders_lose_nothing_acknowledged_and_return_into_the_isr() {
    let cluster = Cluster::new("replication-kill");
    let mut brokers = start((0..3).map(|id| cluster.broker(id)).collect());
    create(&brokers[&0], TOPIC, &[0, 1, 2], 2);
    let (load, acknowledged) = producer(&cluster, &brokers);
    await_more(&acknowledged, "records acknowledged by three replicas");
    let first = await_isr(&cluster, TOPIC, &[0, 1, 2]);

    let plan = brokers.remove(&first).expect("the leader").kill();
    let second = await_other_leader(&cluster, &brokers, TOPIC, first);
    await_more(&acknowledged, "records acknowledged after the leader's death");
    brokers.insert(first, plan.start());
    await_isr(&cluster, TOPIC, &[0, 1, 2]);
    await_more(&acknowledged, "records acknowledged by all three again");

    // A clean stop moves the leadership first.
    let plan = brokers.remove(&second).expect("the leader").stop();
    await_other_leader(&cluster, &brokers, TOPIC, second);
    await_more(&acknowledged, "records acknowledged after the leader's stop");
    brokers.insert(second, plan.start());
    await_isr(&cluster, TOPIC, &[0, 1, 2]);
    drop(load);
    let leader = await_isr(&cluster, TOPIC, &[0, 1, 2]);
    produce_all(&brokers[&leader].address(), TOPIC, "the last one");
    assert_has_all(&brokers[&leader].address(), &acknowledged());
    assert_equal_logs(brokers, TOPIC);
}

#[test]
fn tail_that_was_never_replicated_is_truncated_when_its_leader_returns() {
    let cluster = Cluster::new("replication-truncate");
    // Sessions outlive the pause of the followers below.
    let mut brokers = start((0..3).map(|id| cluster.broker(id).with("zookeeper.session.timeout.ms", 10_000)).collect());
    create(&brokers[&0], TOPIC, &[0, 1, 2], 1);
    assert_eq!(raw::await_leader(&brokers[&0].address(), TOPIC), 0);
    for i in 0..20 {
        produce_all(&brokers[&0].address(), TOPIC, &format!("common {i}"));
    }
    await_isr(&cluster, TOPIC, &[0, 1, 2]);
    for id in [1, 2] {
        brokers.get_mut(&id).expect("a follower").signal(Signal::STOP);
    }
    for i in 0..30 {
        assert_eq!(produce_with(1, &brokers[&0].address(), TOPIC, &[&format!("alone {i}")]), 0);
    }
    let plan = brokers.remove(&0).expect("the leader").kill();
    for id in [1, 2] {
        brokers.get_mut(&id).expect("a follower").signal(Signal::CONT);
    }
    let leader = await_other_leader(&cluster, &brokers, TOPIC, 0);
    for i in 0..7 {
        produce_all(&brokers[&leader].address(), TOPIC, &format!("later {i}"));
    }
    brokers.insert(0, plan.start());
    await_isr(&cluster, TOPIC, &[0, 1, 2]);
    produce_all(&brokers[&leader].address(), TOPIC, "the last one");
    let values = client::kcat_values(&brokers[&leader].address(), TOPIC, 0);
    // The fetches that were under way at the pause may have been answered with the first of them: one or, on a busy leader, a few.
    let alone = values.iter().filter(|value| value.starts_with("alone")).count();
    assert!(alone < 30, "none of the tail was truncated: {values:?}");
    let expected = (0..20).map(|i| format!("common {i}")).chain((0..alone).map(|i| format!("alone {i}")));
    let expected = expected.chain((0..7).map(|i| format!("later {i}"))).chain(["the last one".into()]);
    assert_eq!(values, expected.collect::<Vec<_>>());
    assert_equal_logs(brokers, TOPIC);
}

#[test]
fn follower_that_hangs_leaves_the_isr_and_comes_back() {
    let cluster = Cluster::new("replication-lag");
    let plan =
        |id| cluster.broker(id).with("replica.lag.time.max.ms", 1500).with("zookeeper.session.timeout.ms", 18_000);
    let mut brokers = start((0..3).map(plan).collect());
    create(&brokers[&0], TOPIC, &[0, 1, 2], 2);
    produce_all(&brokers[&0].address(), TOPIC, "by all");
    await_isr(&cluster, TOPIC, &[0, 1, 2]);
    brokers.get_mut(&2).expect("a follower").signal(Signal::STOP);
    // Acknowledged once the two that are left are all that is in sync.
    produce_all(&brokers[&0].address(), TOPIC, "by two");
    await_isr(&cluster, TOPIC, &[0, 1]);
    brokers.get_mut(&1).expect("a follower").signal(Signal::STOP);
    await_isr(&cluster, TOPIC, &[0]);
    // Where the controller has taken the other one out, the leader hears of it a moment later.
    raw::await_isr(&brokers[&0].address(), TOPIC, &[0]);
    assert_eq!(produce_with(-1, &brokers[&0].address(), TOPIC, &["by one"]), 19, "NOT_ENOUGH_REPLICAS");
    for id in [1, 2] {
        brokers.get_mut(&id).expect("a follower").signal(Signal::CONT);
    }
    await_isr(&cluster, TOPIC, &[0, 1, 2]);
    produce_all(&brokers[&0].address(), TOPIC, "by all again");
    assert_eq!(client::kcat_values(&brokers[&0].address(), TOPIC, 0), ["by all", "by two", "by all again"]);
    assert_equal_logs(brokers, TOPIC);
}

/// One broker of each kind; `first` starts first and so is the controller.
fn mixed(name: &str, first: Kind, second: Kind) {
    let cluster = Cluster::new(name);
    let mut brokers = start(vec![cluster.broker(0).kind(first), cluster.broker(1).kind(second)]);
    let topics = [("led-by-0", [0, 1]), ("led-by-1", [1, 0])];
    for (topic, replicas) in &topics {
        create(&brokers[&0], topic, replicas, 2);
        let leader = &brokers[&replicas[0]];
        assert_eq!(raw::await_leader(&leader.address(), topic), replicas[0]);
        for i in 0..50 {
            produce_all(&leader.address(), topic, &format!("{topic} {i}"));
        }
        await_isr(&cluster, topic, &[0, 1]);
    }
    for killed in [1, 0] {
        let plan = brokers.remove(&killed).expect("running").kill();
        for (topic, _) in &topics {
            eventually("the survivor to lead", LIMIT, || {
                (state(&cluster, topic).0 == i64::from(1 - killed)).then_some(())
            });
            // Too few for acks=all, and enough for acks=1: the other has to fetch this when it is back.
            eventually("a record with acks=1", LIMIT, || {
                let code = produce_with(1, &brokers[&(1 - killed)].address(), topic, &["without the other"]);
                (code == 0).then_some(())
            });
        }
        brokers.insert(killed, plan.start());
        for (topic, _) in &topics {
            await_isr(&cluster, topic, &[0, 1]);
            produce_all(&brokers[&(1 - killed)].address(), topic, "with both again");
        }
    }
    for (topic, _) in &topics {
        let leader = await_isr(&cluster, topic, &[0, 1]);
        let values = client::kcat_values(&brokers[&leader].address(), topic, 0);
        assert_eq!(values.len(), 50 + 2 + 2, "{values:?}");
    }
    let plans: Vec<_> = brokers.into_values().map(Broker::kill).collect();
    for (topic, _) in &topics {
        assert!(log_bytes(&plans[0], topic) == log_bytes(&plans[1], topic), "the logs of {topic} differ");
    }
}

#[test]
fn ottla_controller_with_an_apache_peer_each_leading_and_following_the_other() {
    mixed("replication-ottla-apache", Kind::Ottla, Kind::Apache);
}

#[test]
fn apache_controller_with_an_ottla_peer_each_leading_and_following_the_other() {
    mixed("replication-apache-ottla", Kind::Apache, Kind::Ottla);
}

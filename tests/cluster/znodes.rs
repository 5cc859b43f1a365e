//! What a broker leaves in ZooKeeper, held against recordings of Apache Kafka 3.9.

use std::time::Duration;

use crate::harness::{Cluster, Kind, client, eventually, raw, target, tree};

#[test]
fn trees_after_start_first_topic_and_stop_equal_the_recorded_ones() {
    let cluster = Cluster::new("trees");
    let broker = cluster.broker(0).start();
    let port = broker.plan.port;
    tree::assert_equals_golden(&cluster.connect, "20-stock-broker.jsonl", port);

    if target() == Kind::Ottla {
        eventually("a warning", Duration::from_secs(10), || broker.output().contains("loopback address").then_some(()));
    }
    client::create_topic(&broker.address(), "first", 2, &[]);
    eventually("both partition states", Duration::from_secs(10), || {
        let states = tree::dump(&cluster.connect).iter().filter(|n| n.path.ends_with("/state")).count();
        (states == 2).then_some(())
    });
    tree::assert_equals_golden(&cluster.connect, "21-stock-first-topic.jsonl", port);

    broker.stop();
    tree::assert_equals_golden(&cluster.connect, "22-stock-stopped.jsonl", port);
}

#[test]
fn generated_broker_id_is_kept_across_restarts() {
    let cluster = Cluster::new("generated-id");
    let plan = cluster.broker(0).with("broker.id", -1);
    let broker = plan.start();
    let ids = || -> Vec<String> {
        let nodes = tree::dump(&cluster.connect);
        nodes.iter().filter_map(|n| n.path.strip_prefix("/brokers/ids/").map(String::from)).collect()
    };
    let first = ids();
    assert_eq!(first, ["1001"], "reserved.broker.max.id is 1000");
    let meta = std::fs::read_to_string(broker.plan.logs.join("meta.properties")).expect("meta.properties");
    assert!(meta.lines().any(|line| line == "broker.id=1001"), "{meta}");
    let broker = broker.stop().start();
    assert_eq!(ids(), first);
    drop(broker);
}

#[test]
fn unreachable_advertised_address_does_not_keep_the_broker_from_itself() {
    if target() == Kind::Apache {
        return; // Apache Kafka's controller calls its own broker at the advertised address: Ottla promises more here
    }
    let cluster = Cluster::new("advertised");
    let broker = cluster.broker(0).with("advertised.listeners", "PLAINTEXT://nowhere.invalid:9092").start();
    let node = tree::get(&cluster.connect, "/brokers/ids/0").expect("registered");
    assert!(node.contains("PLAINTEXT://nowhere.invalid:9092"), "{node}");
    eventually("a warning", Duration::from_secs(60), || {
        broker.output().contains("does not resolve here").then_some(())
    });
    raw::create_and_await(&broker.address(), "here", &[]);
    assert_eq!(raw::produce(&broker.address(), "here", raw::batch(&["a", "b"])), (0, 0));
    assert_eq!(raw::produce(&broker.address(), "here", raw::batch(&["c"])), (0, 2));
}

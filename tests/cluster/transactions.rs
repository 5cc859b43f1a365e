//! Unmodified clients in transactions: exactly once over kills of broker and client, fencing, hand-over to Apache Kafka and back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::harness::{Broker, Cluster, Kind, client, eventually, raw, target, tree};

fn plan(cluster: &Cluster) -> crate::harness::broker::Plan {
    cluster
        .broker(0)
        .with("group.initial.rebalance.delay.ms", 0)
        .with("transaction.state.log.replication.factor", 1)
        .with("transaction.state.log.min.isr", 1)
}

fn produce(broker: &Broker, topic: &str, count: usize) -> Vec<String> {
    let values: Vec<String> = (0..count).map(|i| format!("record {i}")).collect();
    let input: String = values.iter().map(|value| format!("{value}\n")).collect();
    client::kcat(&broker.address(), &["-P", "-t", topic, "-p", "0"], &input).ok();
    values
}

/// What readers of committed data see; the end is awaited.
fn committed(broker: &Broker, topic: &str) -> Vec<String> {
    let args = ["-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-X", "isolation.level=read_committed"];
    client::kcat(&broker.address(), &args, "").ok().lines().map(String::from).collect()
}

/// A running copy loop; killed when dropped.
struct Copy {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Copy {
    fn start(addresses: &str, total: usize) -> Self {
        let total = total.to_string();
        let args = [addresses, "source", "target", "copiers", "copy", &total];
        let mut child =
            client::python_command("txn_copy.py", &args).stdout(Stdio::piped()).spawn().expect("the copy loop starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    /// Reads on until it says a line that begins so.
    fn until(&mut self, start: &str) {
        for line in self.lines.by_ref() {
            if line.expect("text").starts_with(start) {
                return;
            }
        }
        panic!("it ended before it said {start:?}");
    }

    fn finish(mut self) {
        for line in self.lines.by_ref() {
            line.expect("text");
        }
        assert!(self.child.wait().expect("our own child").success(), "the copy loop failed");
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

#[test]
fn confluent_kafka_commits_aborts_and_fences_a_zombie() {
    let cluster = Cluster::new("txn-confluent");
    let broker = plan(&cluster).start();
    raw::create_and_await(&broker.address(), "topic", &[]);
    let said = client::python("txn_confluent.py", &[&broker.address(), "topic"]).ok();
    assert_eq!(said, "fenced\na b c d\na b x y c zombie d\n");
}

/// The broker is killed in the middle of transactions again and again, and the client too: each record is copied once.
#[test]
fn a_copy_loop_is_exact_over_kills_of_broker_and_client() {
    let cluster = Cluster::new("txn-copy");
    let mut broker = plan(&cluster).start();
    for topic in ["source", "target"] {
        raw::create_and_await(&broker.address(), topic, &[]);
    }
    let total = 400;
    let values = produce(&broker, "source", total);
    let mut copy = Copy::start(&broker.address(), total);
    for round in 0..4 {
        copy.until("copied");
        copy.until("begun");
        if round % 2 == 0 {
            broker = broker.kill().start();
        } else {
            drop(copy);
            copy = Copy::start(&broker.address(), total);
        }
    }
    copy.finish();
    let copied = committed(&broker, "target");
    assert_eq!(copied.len(), values.len());
    assert!(copied == values, "each once, and in order");
}

/// The leader of the only partition of a topic, as ZooKeeper has it; none while there is none.
fn leader(cluster: &Cluster, topic: &str) -> Option<i32> {
    let text = tree::get(&cluster.connect, &format!("/brokers/topics/{topic}/partitions/0/state"))?;
    let state: serde_json::Value = serde_json::from_str(&text).ok()?;
    state["leader"].as_i64().and_then(|id| i32::try_from(id).ok()).filter(|id| *id >= 0)
}

/// Three brokers; whoever coordinates the transaction, then the group, then leads the target is killed in the middle of a transaction.
#[test]
fn a_copy_loop_is_exact_when_coordinators_fail_over() {
    let cluster = Cluster::new("txn-failover");
    let mut brokers: BTreeMap<i32, Broker> = (0..3)
        .map(|id| {
            let plan = cluster
                .broker(id)
                .with("group.initial.rebalance.delay.ms", 0)
                .with("auto.leader.rebalance.enable", false)
                .with("default.replication.factor", 3)
                .with("min.insync.replicas", 2)
                .with("offsets.topic.num.partitions", 1)
                .with("offsets.topic.replication.factor", 3)
                .with("transaction.state.log.num.partitions", 1);
            (id, plan.start())
        })
        .collect();
    for topic in ["source", "target"] {
        eventually("a topic on three brokers", Duration::from_secs(60), || {
            let topic = raw::new_topic(topic, 1).with_replication_factor(3);
            matches!(raw::create(&brokers[&0].address(), vec![topic])[0].1, 0 | 36).then_some(())
        });
        raw::await_leader(&brokers[&0].address(), topic);
    }
    let total = 400;
    let values = produce(&brokers[&0], "source", total);
    let addresses = brokers.values().map(Broker::address).collect::<Vec<_>>().join(",");
    let mut copy = Copy::start(&addresses, total);
    for topic in ["__transaction_state", "__consumer_offsets", "target"] {
        copy.until("copied");
        copy.until("begun");
        let coordinator = leader(&cluster, topic).expect("somebody leads it");
        let plan = brokers.remove(&coordinator).expect("a broker").kill();
        eventually("another leader", Duration::from_secs(60), || {
            leader(&cluster, topic).filter(|leader| *leader != coordinator)
        });
        copy.until("copied"); // without it
        brokers.insert(coordinator, plan.start());
        eventually("everyone in sync", Duration::from_secs(60), || {
            let in_sync = |topic: &str| {
                let path = format!("/brokers/topics/{topic}/partitions/0/state");
                let text = tree::get(&cluster.connect, &path).unwrap_or_default();
                let state: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
                state["isr"].as_array().is_some_and(|isr| isr.len() == 3)
            };
            ["__transaction_state", "__consumer_offsets", "source", "target"].into_iter().all(in_sync).then_some(())
        });
    }
    copy.finish();
    assert!(committed(&brokers[&0], "target") == values, "each once, and in order");
    brokers.values_mut().for_each(Broker::assert_alive);
}

/// A transaction that is open when the broker is killed is decided afterwards: its producer goes on, or the next one ends it.
fn open_transaction_changes_hands(name: &str, first: Kind, second: Kind) {
    let cluster = Cluster::new(name);
    let mut broker = plan(&cluster).kind(first).start();
    for topic in ["source", "target"] {
        raw::create_and_await(&broker.address(), topic, &[]);
    }
    let total = 300;
    let values = produce(&broker, "source", total);
    let mut copy = Copy::start(&broker.address(), total);
    copy.until("copied");
    copy.until("begun");
    broker = broker.kill().kind(second).start();
    copy.until("copied");
    copy.until("begun");
    broker = broker.stop().kind(first).start();
    copy.until("begun");
    drop(copy); // and the client dies in the middle of one
    broker = broker.kill().kind(second).start();
    Copy::start(&broker.address(), total).finish();
    assert!(committed(&broker, "target") == values, "each once, and in order");
    broker = broker.stop().kind(first).start();
    assert!(committed(&broker, "target") == values, "as the other left it");
    broker.assert_alive();
}

#[test]
fn an_open_transaction_goes_from_ottla_to_apache_and_back() {
    open_transaction_changes_hands("txn-hand-over", target(), Kind::Apache);
}

#[test]
fn an_open_transaction_goes_from_apache_to_ottla_and_back() {
    open_transaction_changes_hands("txn-hand-over-back", Kind::Apache, target());
}

/// Kafka's tool finds, describes and aborts; its console consumer reads both internal topics.
#[test]
fn kafka_transactions_tool_sees_and_aborts() {
    let cluster = Cluster::new("txn-tool");
    let broker = plan(&cluster).start();
    for topic in ["source", "target"] {
        raw::create_and_await(&broker.address(), topic, &[]);
    }
    produce(&broker, "source", 10);
    let mut copy = Copy::start(&broker.address(), 1000); // more than there is: it waits with nothing open
    copy.until("copied");
    let tool = |args: &[&str]| {
        let address = broker.address();
        client::java("kafka-transactions.sh", &[&["--bootstrap-server", address.as_str()], args].concat(), "").ok()
    };
    let fields = |text: String| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split_whitespace().map(String::from).collect()).collect()
    };
    let listed = fields(tool(&["list"]));
    let line = listed.iter().find(|line| line.first().is_some_and(|id| id == "copy")).expect("the id is listed");
    assert_eq!(line[1], "0", "the coordinator");
    let described = tool(&["describe", "--transactional-id", "copy"]);
    assert!(described.contains("CompleteCommit"), "{described}");
    let producers = tool(&["describe-producers", "--topic", "target", "--partition", "0"]);
    assert!(producers.contains("None"), "no transaction is open: {producers}");

    // A producer that dies in the middle leaves a transaction that the tool can end.
    produce(&broker, "source", 10);
    copy.until("begun");
    drop(copy);
    let open = tool(&["describe-producers", "--topic", "target", "--partition", "0"]);
    let line = fields(open.clone()).into_iter().find(|line| line.first().is_some_and(|id| id.parse::<i64>().is_ok()));
    let line = line.unwrap_or_else(|| panic!("no producer in {open}"));
    if let Some(start) = line.last().filter(|start| *start != "None") {
        tool(&["abort", "--topic", "target", "--partition", "0", "--start-offset", start]);
    }
    eventually("the end of what was open", Duration::from_secs(30), || {
        let seen = tool(&["describe-producers", "--topic", "target", "--partition", "0"]);
        seen.contains("None").then_some(())
    });
}

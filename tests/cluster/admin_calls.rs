//! Java's Admin asks what graphical tools ask; Ottla's answers are those of Apache Kafka beside it.

use crate::harness::{Cluster, Kind, client, raw, repository, target};

/// What the calls print against a broker of this kind.
fn calls(kind: Kind) -> String {
    let cluster = Cluster::new(&format!("admin-calls-{kind:?}"));
    let broker = cluster
        .broker(0)
        .kind(kind)
        .with("group.initial.rebalance.delay.ms", 0)
        .with("transaction.state.log.replication.factor", 1)
        .with("transaction.state.log.min.isr", 1)
        .start();
    let address = broker.address();
    raw::create_and_await(&address, "topic", &[("retention.ms", "1234567"), ("cleanup.policy", "compact,delete")]);
    client::kcat(&address, &["-P", "-t", "topic", "-p", "0", "-k", "key"], "a\nb\nc\n").ok();
    let read = ["-G", "group", "-e", "-q", "-X", "auto.offset.reset=earliest", "topic"];
    assert_eq!(client::kcat(&address, &read, "").ok(), "a\nb\nc\n");
    let program = repository().join("tests/cluster/java/AdminCalls.java");
    client::java(program.to_str().expect("text"), &[&address, "topic", "group"], "").ok()
}

/// Lines of what the other does not have, for a failure that says what differs.
fn only<'a>(one: &'a str, other: &str) -> Vec<&'a str> {
    one.lines().filter(|line| !other.lines().any(|o| o == *line)).collect()
}

#[test]
fn java_admin_gets_what_apache_kafka_answers() {
    if target() == Kind::Apache {
        return; // it would be held against itself
    }
    let (ours, theirs) = (calls(Kind::Ottla), calls(Kind::Apache));
    assert!(ours == theirs, "only here: {:#?}\nonly at Apache: {:#?}", only(&ours, &theirs), only(&theirs, &ours));
}

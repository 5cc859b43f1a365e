//! A user's session with the tools, end to end, on three brokers: a group of console consumers of which one is killed, its offsets shown,
//! reset and consumed again; a transactional producer that is killed in the middle, and what readers of committed data see.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rustix::process::Signal;

use crate::harness::partitions::{LIMIT, addresses, start};
use crate::harness::process::Process;
use crate::harness::{Broker, Cluster, client, eventually};
use crate::recorded_tools::{started, tool};

const RECORDS: usize = 60;

fn lines(prefix: &str) -> BTreeSet<String> {
    (0..RECORDS).map(|i| format!("{prefix} {i}")).collect()
}

#[test]
fn a_group_of_console_consumers_and_a_killed_transaction_as_a_user_sees_them() {
    let cluster = Cluster::new("users-session");
    let plan = |id| {
        cluster
            .broker(id)
            .with("group.initial.rebalance.delay.ms", 0)
            .with("offsets.topic.replication.factor", 3)
            .with("default.replication.factor", 3)
            .with("min.insync.replicas", 2)
    };
    let mut brokers = start((0..3).map(plan));
    let address = addresses(&brokers);
    let with = |args: &[&'static str]| [&["--bootstrap-server", address.as_str()], args].concat().join("\u{0}");
    let run = |name: &str, args: &[&'static str], input: &str| {
        let words = with(args);
        tool(name, &words.split('\u{0}').collect::<Vec<_>>(), input).ok()
    };
    let create = ["--create", "--topic", "events", "--partitions", "3", "--replication-factor", "3"];
    run("kafka-topics.sh", &create, "");
    let produce = |prefix: &str| {
        let input: String = (0..RECORDS).map(|i| format!("{i}\t{prefix} {i}\n")).collect();
        let args = ["--topic", "events", "--property", "parse.key=true", "--producer-property", "acks=all"];
        run("kafka-console-producer.sh", &args, &input);
    };

    // Three members; one is killed, and its partition goes to the others.
    let member = |number: usize| {
        let dir = cluster.dir.join(format!("member{number}"));
        std::fs::create_dir(&dir).expect("a directory");
        let words = with(&[
            "--topic",
            "events",
            "--group",
            "readers",
            "--from-beginning",
            "--consumer-property",
            "session.timeout.ms=6000",
            "--consumer-property",
            "auto.commit.interval.ms=200",
        ]);
        started(&dir, "kafka-console-consumer.sh", &words.split('\u{0}').collect::<Vec<_>>())
    };
    let mut members: Vec<Process> = (0..3).map(member).collect();
    let describe =
        |what: &'static str| run("kafka-consumer-groups.sh", &["--describe", "--group", "readers", what], "");
    eventually("three members", LIMIT, || {
        let state = describe("--state");
        (state.contains("Stable") && state.split_whitespace().last() == Some("3")).then_some(())
    });
    produce("first");
    let seen = |members: &[Process], prefix: &str| -> BTreeSet<String> {
        let outputs: Vec<String> = members.iter().map(Process::output).collect();
        let lines = outputs.iter().flat_map(|output| output.lines());
        lines.filter(|line| line.starts_with(prefix)).map(String::from).collect()
    };
    eventually("all records at the three", LIMIT, || (seen(&members, "first") == lines("first")).then_some(()));
    let mut killed = members.remove(1);
    killed.signal(Signal::KILL);
    produce("second");
    eventually("all records at the two", LIMIT, || (seen(&members, "second") == lines("second")).then_some(()));

    // Offsets are shown, for each partition, and nothing is left to read.
    let total = 2 * RECORDS as u64;
    let offsets = || -> Vec<(u64, u64, u64)> {
        let text = describe("--offsets");
        let rows = text.lines().filter(|line| line.starts_with("readers "));
        let row = |line: &str| {
            let field: Vec<&str> = line.split_whitespace().collect();
            let number = |i: usize| field.get(i).and_then(|text| text.parse().ok());
            Some((number(3)?, number(4)?, number(5)?))
        };
        rows.filter_map(row).collect()
    };
    eventually("everything committed", LIMIT, || {
        let rows = offsets();
        (rows.len() == 3 && rows.iter().map(|row| row.0).sum::<u64>() == total && rows.iter().all(|row| row.2 == 0))
            .then_some(())
    });
    let listed = describe("--members");
    assert_eq!(listed.lines().filter(|line| line.starts_with("readers ")).count(), 2, "{listed}");

    // No member may be there for a reset.
    for mut member in members {
        member.signal(Signal::TERM);
        member.wait(LIMIT);
    }
    let reset = ["--reset-offsets", "--group", "readers", "--topic", "events", "--to-earliest", "--execute"];
    let said = run("kafka-consumer-groups.sh", &reset, "");
    assert_eq!(said.lines().filter(|line| line.starts_with("readers ")).count(), 3, "{said}");
    assert_eq!(offsets().iter().map(|row| (row.0, row.2)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)), (0, total));
    let again = ["--topic", "events", "--group", "readers", "--max-messages", "120"];
    let read: BTreeSet<String> = run("kafka-console-consumer.sh", &again, "").lines().map(String::from).collect();
    assert_eq!(read, &lines("first") | &lines("second"));

    // A producer dies in the middle of its transaction: what it wrote is not seen, and what is written behind it is.
    run("kafka-topics.sh", &["--create", "--topic", "ledger", "--partitions", "1", "--replication-factor", "3"], "");
    let never = cluster.dir.join("never");
    let held = ["txn_held.py", "ledger", "dies"];
    let never = never.to_str().expect("text");
    let mut producer = client::python_command(held[0], &[&address, held[1], held[2], never])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the producer starts");
    let mut said = BufReader::new(producer.stdout.take().expect("piped")).lines();
    assert_eq!(said.next().expect("a line").expect("text"), "open");
    producer.kill().expect("our own child");
    producer.wait().expect("our own child");
    run("kafka-console-producer.sh", &["--topic", "ledger"], "behind it\n");
    let committed = ["--topic", "ledger", "--from-beginning", "--isolation-level", "read_committed"];
    let until_it_ends = [&committed[..], &["--timeout-ms", "1500"]].concat();
    assert_eq!(
        run("kafka-console-consumer.sh", &until_it_ends, ""),
        "",
        "an open transaction holds up what is behind it"
    );
    // Its successor has the same id: that ends what it left.
    let go_on = cluster.dir.join("go-on");
    std::fs::write(&go_on, "").expect("a file");
    let go_on = go_on.to_str().expect("text");
    assert_eq!(client::python(held[0], &[&address, held[1], held[2], go_on]).ok(), "open\ncommitted\n");
    let read = run("kafka-console-consumer.sh", &[&committed[..], &["--max-messages", "21"]].concat(), "");
    let mut expected = vec!["behind it".to_owned()];
    expected.extend(["before", "after"].iter().flat_map(|what| (0..10).map(move |i| format!("dies {what} {i}"))));
    assert_eq!(read.lines().collect::<Vec<_>>(), expected);
    brokers.values_mut().for_each(Broker::assert_alive);
}

//! Kafka Streams counts words exactly once (`exactly_once_v2`), with a state store and its changelog, while brokers are killed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::harness::partitions::{Brokers, LIMIT, addresses, await_state, create, start, topic_on};
use crate::harness::{Broker, Cluster, client, eventually, repository, script};

/// Killed when dropped.
struct Streams(Child);

impl Drop for Streams {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

const WORDS: [&str; 5] = ["a", "b", "c", "d", "e"];
const LINES: usize = 200;

fn produce(brokers: &Brokers) {
    let input: String = (0..LINES).map(|i| format!("{} {}\n", WORDS[i % 5], WORDS[i * 3 % 5])).collect();
    let args = ["-P", "-t", "lines", "-X", "acks=all"];
    client::kcat(&addresses(brokers), &args, &input).ok();
}

/// The counts of each word, in the order in which they were committed.
fn counts(brokers: &Brokers) -> BTreeMap<String, Vec<usize>> {
    let args = ["-C", "-t", "counts", "-p", "0", "-o", "beginning", "-e", "-q", "-X", "isolation.level=read_committed"];
    let mut counts = BTreeMap::<String, Vec<usize>>::new();
    for line in client::kcat(&addresses(brokers), &args, "").ok().lines() {
        let (word, count) = line.split_once(' ').expect("a word and its count");
        counts.entry(word.into()).or_default().push(count.parse().expect("a number"));
    }
    counts
}

/// A count that is lost or doubled shows: the counts of a word are one, two, three and so on.
#[test]
fn streams_counts_each_word_once_while_brokers_are_killed() {
    let cluster = Cluster::new("streams");
    let plan = |id| {
        cluster
            .broker(id)
            .with("group.initial.rebalance.delay.ms", 0)
            .with("auto.leader.rebalance.enable", false)
            .with("offsets.topic.num.partitions", 1)
            .with("offsets.topic.replication.factor", 3)
            .with("transaction.state.log.num.partitions", 1)
    };
    let mut brokers = start((0..3).map(plan));
    for (topic, partitions) in [("lines", &[&[0, 1, 2][..], &[1, 2, 0]][..]), ("counts", &[&[2, 0, 1][..]][..])] {
        create(&brokers[&0], &topic_on(topic, partitions, &[("min.insync.replicas", "2")]));
    }
    produce(&brokers);
    let program = repository().join("tests/cluster/java/WordCount.java");
    let child = Command::new(script("apache-kafka.sh"))
        .arg("streams")
        .arg(program)
        .args([&addresses(&brokers), "lines", "counts"])
        .arg(cluster.dir.join("state"))
        .env_remove("LD_LIBRARY_PATH")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Streams starts");
    let mut streams = Streams(child);
    let mut said = BufReader::new(streams.0.stdout.take().expect("piped")).lines();
    assert_eq!(said.next().expect("a line").expect("text"), "running");
    let mut total = 2 * LINES;
    let all = |brokers: &Brokers, total: usize| {
        eventually("every word to be counted", LIMIT, || {
            (counts(brokers).values().map(Vec::len).sum::<usize>() >= total).then_some(())
        });
    };
    all(&brokers, total);
    for topic in ["__transaction_state", "__consumer_offsets", "counts"] {
        let leader =
            await_state(&cluster.connect, topic, 0, "a leader", |state| brokers.contains_key(&state.leader)).leader;
        produce(&brokers); // what is counted while the broker goes
        let plan = brokers.remove(&leader).expect("it runs").kill();
        produce(&brokers);
        total += 4 * LINES;
        brokers.insert(leader, plan.start());
        all(&brokers, total);
        for topic in ["__transaction_state", "__consumer_offsets", "lines", "counts"] {
            await_state(&cluster.connect, topic, 0, "all in sync", |state| state.isr.len() == 3);
        }
    }
    for (word, counts) in counts(&brokers) {
        let expected: Vec<usize> = (1..=counts.len()).collect();
        assert_eq!(counts, expected, "{word}");
    }
    assert_eq!(counts(&brokers).values().map(Vec::len).sum::<usize>(), total);
    brokers.values_mut().for_each(Broker::assert_alive);
}

//! Three brokers on an ensemble of three ZooKeepers, led through the steps of a recording of Apache Kafka 3.9 by Kafka's own tools: after
//! each step the znodes are those that were recorded, and the tools say what they said.
//!
//! Broker 0 stops and its leaderships move; back, it is elected where it is preferred; a throttled reassignment is held in flight, then
//! let go; a topic is deleted; one broker after the other goes.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use super::harness::client::{Ran, command, java};
use super::harness::partitions::{Brokers, addresses, create, fill, state, topic_on};
use super::harness::zookeeper::Ensemble;
use super::harness::{Cluster, eventually, repository, script, tree};

/// What the controller and the brokers write. The rest is the configuration of what this test leaves away: ACLs, quotas, SCRAM, tokens.
const PARTS: &[&str] = &[
    "/admin",
    "/brokers/ids",
    "/brokers/topics",
    "/config/brokers",
    "/config/topics",
    "/controller",
    "/controller_epoch",
    "/isr_change_notification",
    "/log_dir_event_notification",
];

/// Until the tree is as recorded: replicas come into sync, moves end.
const LIMIT: Duration = Duration::from_secs(90);

/// More than a throttled copy gets through while the tools below run, and little enough to be copied soon without the throttle.
const HELD_BACK: usize = 8_000_000;

struct Run {
    connect: String,
    ports: Vec<u16>,
    bootstrap: String,
    dir: std::path::PathBuf,
}

impl Run {
    fn tree_becomes(&self, name: &str) {
        let mut last = Vec::new();
        let end = std::time::Instant::now() + LIMIT;
        while std::time::Instant::now() < end {
            last = tree::differences_in_parts(&self.connect, name, &self.ports, PARTS);
            if last.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the tree does not become {name}:\n{}", last.join("\n"));
    }

    /// One of Kafka's tools; the servers are named here.
    fn tool(&self, words: &str) -> Ran {
        let words = words.replace("DIR", &self.dir.display().to_string());
        let mut words = words.split(' ');
        let name = words.next().expect("a tool");
        let mut args = vec!["--bootstrap-server", &self.bootstrap];
        args.extend(words);
        java(name, &args, "")
    }

    /// A tool that says, and returns, what was recorded.
    fn as_recorded(&self, step: &str, words: &str) {
        let ran = self.tool(words);
        let golden = |kind: &str| {
            let file = repository().join(format!("tests/golden/tools/{step}.{kind}"));
            fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
        };
        assert_eq!(ran.out, golden("out"), "what {step} prints; on standard error:\n{}", ran.err);
        assert_eq!(ran.code.to_string(), golden("rc").trim(), "exit code of {step}");
    }

    /// Ottla's own script, for what this test is not about.
    fn configs(&self, words: &str) {
        let mut args = vec!["--bootstrap-server", &self.bootstrap, "--alter"];
        args.extend(words.split(' '));
        command(&script("kafka-configs.sh"), &args, &[], "").ok();
    }
}

/// The topics of the recording, on its replicas.
fn create_topics(brokers: &Brokers) {
    let three: [&[i32]; 3] = [&[0, 2, 1], &[1, 0, 2], &[2, 1, 0]];
    let compact = ("cleanup.policy", "compact");
    let large = ("segment.bytes", "104857600");
    let topics = [
        topic_on("plain", &three, &[]),
        topic_on("__consumer_offsets", &three, &[("compression.type", "producer"), compact, large]),
        topic_on(
            "__transaction_state",
            &[&[2, 0, 1], &[0, 1, 2], &[1, 2, 0]],
            &[
                ("compression.type", "uncompressed"),
                compact,
                ("min.insync.replicas", "2"),
                large,
                ("unclean.leader.election.enable", "false"),
            ],
        ),
        topic_on(
            "tuned",
            &[&[2, 0]],
            &[compact, ("segment.bytes", "4096"), ("min.cleanable.dirty.ratio", "0.01"), ("min.insync.replicas", "2")],
        ),
        topic_on("placed", &[&[0, 1], &[1, 2], &[2, 0]], &[]),
    ];
    topics.iter().for_each(|topic| create(&brokers[&0], topic));
    for (topic, replica) in
        [("autocreated", 2), ("guarded", 2), ("c-snappy", 2), ("c-gzip", 0), ("c-lz4", 0), ("c-zstd", 0)]
    {
        create(&brokers[&0], &topic_on(topic, &[&[replica]], &[]));
    }
    create(&brokers[&0], &topic_on("with.dot_under", &[&[0]], &[]));
}

#[test]
fn trees_and_tools_through_elections_reassignment_and_deletion_are_as_recorded() {
    let ensemble = Ensemble::start();
    let cluster = Cluster::on(&ensemble.address(), "recorded-cluster");
    let plan = |id: i32| {
        let plan = cluster.broker(id).with("broker.rack", format!("r{id}")).with("auto.leader.rebalance.enable", false);
        // A killed broker stays in the tree for as long as its session lives, and is not found dead before.
        plan.with("zookeeper.session.timeout.ms", 60_000).with("ottla.dead.process.detect.ms", 0)
    };
    let mut brokers: Brokers = (0..3).map(|id| (id, plan(id).start())).collect();
    let run = Run {
        connect: cluster.connect.clone(),
        ports: brokers.values().map(|broker| broker.plan.port).collect(),
        bootstrap: addresses(&brokers),
        dir: cluster.dir.clone(),
    };
    run.tree_becomes("02-three-brokers.jsonl");

    create_topics(&brokers);
    run.tool("kafka-topics.sh --alter --topic placed --partitions 5").ok();
    run.configs(
        "--entity-type topics --entity-name plain --add-config retention.ms=86400000,cleanup.policy=[delete,compact]",
    );
    run.configs("--entity-type topics --entity-name plain --delete-config cleanup.policy");
    run.configs(
        "--entity-type brokers --entity-name 1 --add-config log.cleaner.threads=2,leader.replication.throttled.rate=1000000",
    );
    run.configs("--entity-type brokers --entity-default --add-config num.io.threads=9");
    run.tree_becomes("04-configs.jsonl");

    // In the recording broker 1 is the next controller: broker 2 sleeps through the race.
    brokers.get_mut(&2).expect("running").signal(Signal::STOP);
    let plan = brokers.remove(&0).expect("running").stop();
    eventually("broker 1 as the controller", LIMIT, || {
        tree::get(&run.connect, "/controller")?.contains(r#""brokerid":1"#).then_some(())
    });
    brokers.get_mut(&2).expect("running").signal(Signal::CONT);
    run.tree_becomes("05-broker-0-stopped.jsonl");

    brokers.insert(0, plan.start());
    eventually("all replicas in sync", LIMIT, || {
        let of = |topic: &str, partitions: i32, size: usize| {
            (0..partitions).all(|p| state(&run.connect, topic, p).is_some_and(|s| s.isr.len() == size))
        };
        let all = of("plain", 3, 3) && of("__consumer_offsets", 3, 3) && of("__transaction_state", 3, 3);
        (all && of("placed", 5, 2) && of("tuned", 1, 2)).then_some(())
    });
    let elected = run.tool("kafka-leader-election.sh --election-type preferred --all-topic-partitions").ok();
    let partitions = |text: &str| -> BTreeSet<String> {
        let (start, names) = text.trim_end().split_once(" for partitions ").expect("the tool's words");
        assert_eq!(start, "Successfully completed leader election (PREFERRED)");
        names.split(", ").map(String::from).collect()
    };
    let recorded = fs::read_to_string(repository().join("tests/golden/tools/089-election-preferred.out"));
    assert_eq!(partitions(&elected), partitions(&recorded.expect("recorded")));
    let election = "kafka-leader-election.sh --election-type";
    run.as_recorded("090-election-preferred-again", &format!("{election} preferred --topic plain --partition 0"));
    run.as_recorded("091-election-unclean", &format!("{election} unclean --topic plain --partition 0"));
    run.as_recorded("092-election-missing", &format!("{election} preferred --topic nothere --partition 0"));
    run.tree_becomes("06-after-election.jsonl");

    for (broker, topic, partition) in [(0, "placed", 0), (1, "placed", 1), (0, "c-zstd", 0)] {
        fill(&brokers[&broker], topic, partition, HELD_BACK);
    }
    let moves = r#"{"version":1,"partitions":[{"topic":"placed","partition":0,"replicas":[2,1]},{"topic":"placed","partition":1,"replicas":[0,2]},{"topic":"c-zstd","partition":0,"replicas":[0,1,2]}]}"#;
    fs::write(run.dir.join("ra.json"), moves).expect("written");
    let reassign = "kafka-reassign-partitions.sh --reassignment-json-file DIR/ra.json";
    run.as_recorded("095-reassign-execute", &format!("{reassign} --execute --throttle 50000"));
    run.tree_becomes("07-reassigning.jsonl");
    run.as_recorded("096-reassign-list", "kafka-reassign-partitions.sh --list");
    run.as_recorded("098-reassign-verify-running", &format!("{reassign} --verify"));
    run.as_recorded("099-reassign-execute-again", &format!("{reassign} --execute"));
    assert_eq!(tree::differences_in_parts(&run.connect, "07-reassigning.jsonl", &run.ports, PARTS), [""; 0]);

    run.as_recorded("100-reassign-additional", &format!("{reassign} --execute --additional --throttle 90000000"));
    eventually("the end of the moves", LIMIT, || {
        let is_done = |topic: &str| {
            let node = tree::get(&run.connect, &format!("/brokers/topics/{topic}")).unwrap_or_default();
            node.contains(r#""adding_replicas":{}"#) && node.contains(r#""removing_replicas":{}"#)
        };
        (is_done("placed") && is_done("c-zstd")).then_some(())
    });
    run.as_recorded("101-reassign-verify", &format!("{reassign} --verify"));
    run.as_recorded("102-reassign-cancel", &format!("{reassign} --cancel"));
    run.tree_becomes("08-reassigned.jsonl");

    run.tool("kafka-topics.sh --delete --topic c-gzip").ok();
    run.tree_becomes("09-topic-deleted.jsonl");
    eventually("the files of the deleted topic to go", LIMIT, || {
        (!brokers[&0].partition_dir("c-gzip", 0).exists()).then_some(())
    });

    brokers.remove(&2).expect("running").stop();
    run.tree_becomes("10-one-left.jsonl");
    brokers.remove(&1).expect("running").kill();
    run.tree_becomes("10-one-left.jsonl");
    // Its controlled shutdown finds no controller that answers; it stops all the same.
    brokers.remove(&0).expect("running").stop();
    run.tree_becomes("11-none-left.jsonl");
}

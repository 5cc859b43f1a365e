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
use super::recorded_tools::normal;

/// The recorded commands that are run here.
pub const STEPS: &[&str] = &[
    "087-describe-broker-down",
    "088-unavailable",
    "089-election-preferred",
    "090-election-preferred-again",
    "091-election-unclean",
    "092-election-missing",
    "094-reassign-generate",
    "095-reassign-execute",
    "096-reassign-list",
    "097-reassign-describe",
    "098-reassign-verify-running",
    "099-reassign-execute-again",
    "100-reassign-additional",
    "101-reassign-verify",
    "102-reassign-cancel",
];

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

    /// The words of a command, with the servers named.
    fn words(&self, words: &str) -> Vec<String> {
        let words = words.replace("DIR", &self.dir.display().to_string());
        let mut words: Vec<String> = words.split(' ').map(String::from).collect();
        words.splice(1..1, ["--bootstrap-server".to_owned(), self.bootstrap.clone()]);
        words
    }

    /// One of Kafka's tools.
    fn tool(&self, words: &str) -> Ran {
        let words = self.words(words);
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        java(&words[0], &args, "")
    }

    /// Ottla's own of that name.
    fn ours(&self, words: &str) -> Ran {
        let words = self.words(words);
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        command(&script(&words[0]), &args, &[("OTTLA_BIN", env!("CARGO_BIN_EXE_ottla"))], "")
    }

    /// A tool and Ottla's own, both saying what was recorded.
    fn both_as_recorded(&self, step: &str, words: &str) {
        self.said(step, &self.tool(words));
        self.as_recorded(step, words);
    }

    /// Ottla's own tool says, and returns, what was recorded.
    fn as_recorded(&self, step: &str, words: &str) {
        let ran = self.ours(words);
        self.said(step, &ran);
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        assert_eq!(first(&ran.err), first(&golden(step, "err")), "on standard error of {step}");
    }

    fn said(&self, step: &str, ran: &Ran) {
        assert!(STEPS.contains(&step), "{step} is not in the list of what is run here");
        let (said, recorded) = (normal(&ran.out, &self.bootstrap), normal(&golden(step, "out"), &self.bootstrap));
        assert_eq!(said, recorded, "what {step} prints; on standard error:\n{}", ran.err);
        assert_eq!(ran.code.to_string(), golden(step, "rc").trim(), "exit code of {step}");
    }

    /// Ottla's own script, for what this test is not about.
    fn configs(&self, words: &str) {
        self.ours(&format!("kafka-configs.sh --alter {words}")).ok();
    }

    /// What partitions are in trouble, with broker 0 away: topics come in any order.
    fn troubles_are_told(&self) {
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(String::from).collect();
            lines.sort();
            lines
        };
        let describe = "kafka-topics.sh --describe";
        for (step, words) in [
            ("087-describe-broker-down", format!("{describe} --topic plain")),
            ("088-unavailable", format!("{describe} --under-replicated-partitions")),
        ] {
            assert!(STEPS.contains(&step));
            let recorded = sorted(&normal(&golden(step, "out"), &self.bootstrap));
            assert_eq!(sorted(&normal(&self.ours(&words).ok(), &self.bootstrap)), recorded, "{step}");
        }
        for (filter, topic) in [
            ("--unavailable-partitions", "c-zstd"),
            ("--under-min-isr-partitions", "tuned"),
            ("--at-min-isr-partitions", "__transaction_state"),
            ("--under-replicated-partitions", "placed"),
        ] {
            let words = format!("{describe} {filter}");
            let (ours, theirs) = (self.ours(&words).ok(), self.tool(&words).ok());
            assert_eq!(sorted(&ours), sorted(&theirs), "{filter}");
            assert!(ours.contains(&format!("Topic: {topic}\t")), "{filter}: {ours}");
        }
    }

    /// The proposal starts anywhere, so only what it is made for can be compared: the same partitions, as many replicas, other brokers.
    fn generates_as_recorded(&self) {
        let step = "094-reassign-generate";
        fs::write(self.dir.join("tm.json"), r#"{"topics":[{"topic":"placed"}],"version":1}"#).expect("written");
        let words =
            "kafka-reassign-partitions.sh --topics-to-move-json-file DIR/tm.json --broker-list 0,1,2 --generate";
        let without_brokers = |text: &str| -> String {
            let (current, proposed) = text.split_once("\n\n").expect("two parts");
            let mut line = proposed.to_owned();
            while let Some(at) = line.find(r#""replicas":["#) {
                let end = at + line[at..].find(']').expect("the list's end");
                let ids: BTreeSet<&str> = line[at..end].rsplit('[').next().expect("ids").split(',').collect();
                let replicas = format!("{} of 3", ids.len());
                assert!(ids.iter().all(|id| matches!(*id, "0" | "1" | "2")), "{ids:?}");
                line.replace_range(at..=end, &replicas);
            }
            format!("{current}\n\n{line}")
        };
        for ran in [self.tool(words), self.ours(words)] {
            assert_eq!(without_brokers(&ran.out), without_brokers(&golden(step, "out")), "{}", ran.err);
            assert_eq!(ran.code.to_string(), golden(step, "rc").trim());
        }
    }
}

/// What was recorded of a tool; it has no file for standard error without words.
fn golden(step: &str, kind: &str) -> String {
    let file = repository().join(format!("tests/golden/tools/{step}.{kind}"));
    match fs::read_to_string(&file) {
        Err(error) if kind != "err" => panic!("{}: {error}", file.display()),
        read => read.unwrap_or_default(),
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
    run.troubles_are_told();

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
    run.both_as_recorded("090-election-preferred-again", &format!("{election} preferred --topic plain --partition 0"));
    run.both_as_recorded("091-election-unclean", &format!("{election} unclean --topic plain --partition 0"));
    run.both_as_recorded("092-election-missing", &format!("{election} preferred --topic nothere --partition 0"));
    run.tree_becomes("06-after-election.jsonl");

    for (broker, topic, partition) in [(0, "placed", 0), (1, "placed", 1), (0, "c-zstd", 0)] {
        fill(&brokers[&broker], topic, partition, HELD_BACK);
    }
    run.generates_as_recorded();
    let moves = r#"{"version":1,"partitions":[{"topic":"placed","partition":0,"replicas":[2,1]},{"topic":"placed","partition":1,"replicas":[0,2]},{"topic":"c-zstd","partition":0,"replicas":[0,1,2]}]}"#;
    fs::write(run.dir.join("ra.json"), moves).expect("written");
    let reassign = "kafka-reassign-partitions.sh --reassignment-json-file DIR/ra.json";
    run.as_recorded("095-reassign-execute", &format!("{reassign} --execute --throttle 50000"));
    run.tree_becomes("07-reassigning.jsonl");
    run.both_as_recorded("096-reassign-list", "kafka-reassign-partitions.sh --list");
    run.both_as_recorded("097-reassign-describe", "kafka-topics.sh --describe --topic placed");
    run.both_as_recorded("098-reassign-verify-running", &format!("{reassign} --verify"));
    run.both_as_recorded("099-reassign-execute-again", &format!("{reassign} --execute"));
    assert_eq!(tree::differences_in_parts(&run.connect, "07-reassigning.jsonl", &run.ports, PARTS), [""; 0]);

    let additional = run.tool(&format!("{reassign} --execute --additional --throttle 90000000"));
    run.said("100-reassign-additional", &additional);
    eventually("the end of the moves", LIMIT, || {
        let is_done = |topic: &str| {
            let node = tree::get(&run.connect, &format!("/brokers/topics/{topic}")).unwrap_or_default();
            node.contains(r#""adding_replicas":{}"#) && node.contains(r#""removing_replicas":{}"#)
        };
        (is_done("placed") && is_done("c-zstd")).then_some(())
    });
    // Each clears the throttles, which counts in the versions of the znodes: so one tool for either.
    run.as_recorded("101-reassign-verify", &format!("{reassign} --verify"));
    run.said("102-reassign-cancel", &run.tool(&format!("{reassign} --cancel")));
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

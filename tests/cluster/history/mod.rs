//! The history checker: producers with acks=all and readers, while brokers and ZooKeeper servers are killed and paused from a seed.
//!
//! | file | what |
//! |---|---|
//! | `judge` | what may never be, as pure checks of what clients noted; `hand_made` shows it histories that are wrong |
//! | `notes` | what the client programs print |
//! | `faults`, `torment` | what is to be done to whom, from the seed; doing it |
//! | `view` | leaders, in-sync replicas and controller while all this goes on |
//!
//! `OTTLA_HISTORY_SECONDS` (45) is how long the faults last, `OTTLA_HISTORY_SEED` repeats their order. At the end every partition must
//! be in full sync without a restart, and its replicas equal byte for byte. Two brokers that are broken on purpose show that the
//! checker sees what it looks for.

mod faults;
mod hand_made;
mod judge;
mod notes;
mod torment;
mod view;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use kafka_protocol::messages::create_topics_request::CreatableTopicConfig;
use kafka_protocol::protocol::StrBytes;
use rustix::process::Signal;

use faults::{BrokerFault, Faults};
use judge::{Final, Finding, Notes};
use torment::{Brokers, torment_servers};
use view::View;

use crate::harness::broker::{Plan, SESSION_TIMEOUT};
use crate::harness::process::Process;
use crate::harness::zookeeper::Ensemble;
use crate::harness::{Cluster, client, eventually, raw};

const TOPIC: &str = "history";
const PARTITIONS: i32 = 8;
const BROKERS: i32 = 3;
/// Within this after the last fault, and a session timeout for a broker that is taken for alive, everything is as before.
const HEALED_WITHIN: Duration = Duration::from_secs(30);
/// A producer gives a record up after 20 s, and is done then.
const FLUSHED_WITHIN: Duration = Duration::from_secs(60);

/// A cluster under load.
struct World {
    view: View,
    brokers: Brokers,
    producers: Vec<Client>,
    readers: Vec<Client>,
    bootstrap: String,
    ensemble: Ensemble,
    /// Its directory is removed with it.
    _cluster: Cluster,
}

/// A client program and its notes.
struct Client {
    name: String,
    idempotent: bool,
    process: Process,
}

impl Client {
    fn producer(cluster: &Cluster, bootstrap: &str, name: &str, rate: u32, kind: &str) -> Self {
        let (partitions, rate) = (PARTITIONS.to_string(), rate.to_string());
        let args = [bootstrap, TOPIC, &partitions, name, &rate, kind];
        let command = client::python_command("history_producer.py", &args);
        Self::start(cluster, name, kind == "idempotent", command)
    }

    fn reader(cluster: &Cluster, bootstrap: &str, name: &str, back: u32) -> Self {
        let (partitions, back) = (PARTITIONS.to_string(), back.to_string());
        let command = client::python_command("history_consumer.py", &[bootstrap, TOPIC, &partitions, name, &back]);
        Self::start(cluster, name, false, command)
    }

    fn start(cluster: &Cluster, name: &str, idempotent: bool, command: std::process::Command) -> Self {
        let mut process = Process::start(name, command, cluster.dir.join(format!("{name}.notes")));
        process.show_log = false;
        Self { name: name.into(), idempotent, process }
    }

    fn so_far(&self) -> Notes {
        let events = notes::parse(&self.process.output());
        Notes { client: self.name.clone(), idempotent: self.idempotent, events }
    }

    fn finish(&mut self) -> Notes {
        self.process.signal(Signal::TERM);
        self.process.wait(FLUSHED_WITHIN);
        let text = self.process.output();
        assert!(notes::is_complete(&text), "{} did not come to its end: {}", self.name, crate::harness::tail(&text, 5));
        self.so_far()
    }
}

/// What a run came to.
struct Outcome {
    /// Its directory stays when what follows fails.
    _cluster: Cluster,
    findings: Vec<Finding>,
    acked: usize,
    read: usize,
    leader_changes: u64,
    controller_changes: i64,
    healed_in: Duration,
}

impl World {
    fn start(name: &str, session: Duration, sabotage: Option<&str>) -> Self {
        let ensemble = Ensemble::start();
        let cluster = Cluster::on(&ensemble.address(), name);
        let plan = |id| {
            let plan = cluster
                .broker(id)
                .with("zookeeper.session.timeout.ms", session.as_millis())
                .with("min.insync.replicas", 2)
                .with("default.replication.factor", BROKERS)
                .with("replica.lag.time.max.ms", 1500)
                .with("replica.fetch.wait.max.ms", 500)
                .with("log.segment.bytes", 1 << 20)
                .with("offsets.topic.num.partitions", 4);
            match sabotage {
                Some(what) => plan.with_variable("OTTLA_SABOTAGE", what),
                None => plan,
            }
        };
        let brokers: Vec<_> = (0..BROKERS).map(|id| plan(id).start()).collect();
        let bootstrap = brokers.iter().map(|b| b.address()).collect::<Vec<_>>().join(",");
        create_topic(&brokers[0].address());
        let view = View::start(&cluster.connect, TOPIC, PARTITIONS);
        let producer = |name, kind| Client::producer(&cluster, &bootstrap, name, 300, kind);
        let producers = vec![producer("a", "plain"), producer("b", "plain"), producer("i", "idempotent")];
        let readers =
            vec![Client::reader(&cluster, &bootstrap, "tail", 0), Client::reader(&cluster, &bootstrap, "back", 3000)];
        let mut world = Self {
            view,
            brokers: Brokers::new(brokers, session),
            producers,
            readers,
            bootstrap,
            ensemble,
            _cluster: cluster,
        };
        world.await_in_sync(HEALED_WITHIN);
        eventually("acknowledged records", HEALED_WITHIN, || {
            world.producers.iter().all(|p| p.process.output().contains('\n')).then_some(())
        });
        world
    }

    /// Every partition led, with all its replicas in sync; the time it took. What was seen before the call does not count.
    fn await_in_sync(&mut self, limit: Duration) -> Duration {
        let begin = Instant::now();
        loop {
            self.brokers.rest(Duration::from_millis(100));
            let seen = self.view.seen();
            let whole = |(leader, isr): &(i32, usize)| *leader >= 0 && *isr == BROKERS as usize;
            let is_new = seen.at.is_some_and(|at| at > begin);
            if is_new && seen.states.len() == PARTITIONS as usize && seen.states.values().all(whole) {
                return begin.elapsed();
            }
            assert!(begin.elapsed() < limit, "not in sync within {limit:?}: {seen:?}");
        }
    }

    /// Judges what is there in the middle of the load.
    fn look(&mut self) -> Vec<Finding> {
        self.await_in_sync(HEALED_WITHIN + SESSION_TIMEOUT);
        // The end of a partition stands still while nobody writes.
        self.producers.iter_mut().for_each(|producer| producer.process.signal(Signal::STOP));
        let notes: Vec<_> = self.producers.iter().chain(&self.readers).map(Client::so_far).collect();
        let last = final_records(&self.bootstrap);
        self.producers.iter_mut().for_each(|producer| producer.process.signal(Signal::CONT));
        judge::judge(&notes, &last)
    }

    /// Ends the load, looks at all that is there, and judges.
    fn finish(mut self) -> Outcome {
        let healed_in = self.await_in_sync(HEALED_WITHIN + SESSION_TIMEOUT);
        let mut notes: Vec<_> = self.producers.iter_mut().map(Client::finish).collect();
        self.await_in_sync(HEALED_WITHIN);
        let last = final_records(&self.bootstrap);
        notes.extend(self.readers.iter_mut().map(Client::finish));
        self.brokers.running().for_each(|broker| broker.assert_alive());
        let seen = self.view.seen();
        let start_retries = self.brokers.start_retries;
        eprintln!("faults: {:?}; starts tried again: {start_retries}", self.brokers.done);
        let (plans, logs) = self.brokers.end();
        for log in logs {
            let text = fs::read_to_string(&log).unwrap_or_default();
            assert!(!text.contains("panicked"), "a panic in {}", log.display());
        }
        assert_equal_replicas(&plans);
        let count =
            |which: fn(&judge::Event) -> bool| notes.iter().flat_map(|n| &n.events).filter(|e| which(e)).count();
        Outcome {
            _cluster: self._cluster,
            findings: judge::judge(&notes, &last),
            acked: count(|event| matches!(event, judge::Event::Acked { .. })),
            read: count(|event| matches!(event, judge::Event::Read { .. })),
            leader_changes: seen.leader_changes,
            controller_changes: seen.controller_epoch - 1,
            healed_in,
        }
    }
}

fn create_topic(address: &str) {
    let text = |s: &str| StrBytes::from_string(s.into());
    let config = CreatableTopicConfig::default().with_name(text("min.insync.replicas")).with_value(Some(text("2")));
    let topic = raw::new_topic(TOPIC, PARTITIONS).with_replication_factor(BROKERS as i16).with_configs(vec![config]);
    eventually("all brokers to be known", HEALED_WITHIN, || {
        (raw::create(address, vec![topic.clone()])[0].1 == 0).then_some(())
    });
}

/// Everything that a reader gets from the beginning to the end, by partition.
fn final_records(bootstrap: &str) -> Final {
    let read = |partition: i32| {
        let number = partition.to_string();
        let args = ["-C", "-t", TOPIC, "-p", &number, "-o", "beginning", "-e", "-q", "-f", "%o %s\n"];
        let text = client::kcat(bootstrap, &args, "").ok();
        let record = |line: &str| {
            let mut words = line.split(' ');
            let offset = words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
            (offset, words.next().unwrap_or_default().into())
        };
        (partition, text.lines().map(record).collect())
    };
    (0..PARTITIONS).map(read).collect()
}

/// Every segment of a partition, one after the other.
fn log_bytes(dir: &Path) -> Vec<u8> {
    let files = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())).flatten().map(|e| e.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    files.sort();
    files.iter().flat_map(|file| fs::read(file).expect("a segment")).collect()
}

fn assert_equal_replicas(plans: &[Plan]) {
    for partition in 0..PARTITIONS {
        let log = |plan: &Plan| log_bytes(&plan.logs.join(format!("{TOPIC}-{partition}")));
        let logs: BTreeMap<i32, Vec<u8>> = plans.iter().map(|plan| (plan.id, log(plan))).collect();
        assert_eq!(logs.len(), BROKERS as usize);
        let first = &logs[&0];
        for (id, other) in &logs {
            let same = first.iter().zip(other).position(|(a, b)| a != b);
            assert!(
                first == other,
                "partition {partition}: the logs of 0 ({} bytes) and {id} ({} bytes) differ from byte {same:?} on",
                first.len(),
                other.len()
            );
        }
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// Both kinds of faults at once, for a time.
fn torment(world: &mut World, seed: u64, time: Duration) {
    let until = Instant::now() + time;
    let World { view, brokers, ensemble, .. } = world;
    std::thread::scope(|scope| {
        let servers = scope.spawn(move || torment_servers(ensemble, &mut Faults::of(seed, 1), until));
        brokers.torment(&mut Faults::of(seed, 0), view, PARTITIONS, until);
        let done = servers.join().expect("the faults of ZooKeeper");
        eprintln!("faults of ZooKeeper: {done:?}");
    });
}

#[test]
fn nothing_acknowledged_is_lost_and_no_offset_has_two_values_while_everything_is_killed_and_paused() {
    let time = Duration::from_secs(setting("OTTLA_HISTORY_SECONDS").unwrap_or(45));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let seed = setting("OTTLA_HISTORY_SEED").unwrap_or(now.as_secs());
    eprintln!("OTTLA_HISTORY_SEED={seed}");
    let mut world = World::start("history", SESSION_TIMEOUT, None);
    torment(&mut world, seed, time);
    let outcome = world.finish();
    eprintln!(
        "history: {} acknowledged, {} read, {} leader changes, {} controller changes, healed in {:?}",
        outcome.acked, outcome.read, outcome.leader_changes, outcome.controller_changes, outcome.healed_in
    );
    assert!(outcome.findings.is_empty(), "{}", describe(&outcome.findings));
    // Else it has looked at nothing. The bounds of a long run are those of a short one, times the time.
    let rounds = time.as_secs() / 45;
    assert!(outcome.acked as u64 >= 2000 * rounds && outcome.read as u64 >= 2000 * rounds, "hardly any load");
    assert!(
        outcome.leader_changes >= 4 * rounds && outcome.controller_changes >= i64::from(rounds > 0),
        "hardly any fault"
    );
}

fn describe(findings: &[Finding]) -> String {
    let some: Vec<String> = findings.iter().take(30).map(ToString::to_string).collect();
    format!("{} findings:\n{}", findings.len(), some.join("\n"))
}

/// Does a fault to broken brokers, until the checker finds what it does.
fn assert_caught(name: &str, session: Duration, sabotage: &str, fault: fn(i32) -> BrokerFault) {
    /// On a machine that is too slow, a broker may be back too late for what is wanted of it.
    const ROUNDS: i32 = 6;
    let mut world = World::start(name, session, Some(sabotage));
    let mut findings = Vec::new();
    for round in 0..ROUNDS {
        // A high watermark that was written down, and then what is above it.
        world.brokers.rest(Duration::from_millis(2500));
        world.brokers.suffer(&fault(round % PARTITIONS), &world.view);
        findings = world.look();
        let lost = findings.iter().any(|f| matches!(f, Finding::Lost { .. }));
        let two_values = findings.iter().any(|f| matches!(f, Finding::TwoValues { .. }));
        if lost && two_values {
            eprintln!("{sabotage}, caught in round {round}: {} findings, the first: {}", findings.len(), findings[0]);
            return;
        }
    }
    panic!("{sabotage} was not caught: {}", describe(&findings));
}

#[test]
fn checker_catches_a_broker_that_answers_before_replication() {
    let fault = |partition| BrokerFault::KillLeaderBehindPausedFollowers { partition };
    assert_caught("history-early-answer", SESSION_TIMEOUT, "answer-before-replication", fault);
}

#[test]
fn checker_catches_a_broker_that_truncates_to_its_high_watermark() {
    let fault = |partition| BrokerFault::RestartFollowersBehindPausedLeader { partition };
    // Time for two brokers to start before the session of the third is over.
    let session = Duration::from_secs(8);
    assert_caught("history-high-watermark", session, "truncate-to-high-watermark", fault);
}

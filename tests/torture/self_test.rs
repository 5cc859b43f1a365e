//! Each fault of disk and clock proves that a broker saw it: `scripts/torture.sh --self-test`. It must hold before a run says anything: a
//! broker that makes its calls past the C library would have a perfect disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};

use crate::clock::Clock;
use crate::disk::{Disk, Trouble, log_ends};
use crate::harness::broker::Plan;
use crate::harness::{Broker, Cluster, Kind, eventually, raw};

/// Whatever a broker does about it, it does within this.
const SOON: Duration = Duration::from_secs(30);
/// An answer of a broker whose disk fails; none when it ends instead.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
/// A topic whose records are synced before they are acknowledged, and one whose are not.
const SYNCED: &str = "synced";
const LEFT: &str = "left-to-the-system";
const DAY_S: i64 = 24 * 3600;

/// All of them, on one kind of broker. Panics where one is not seen.
pub fn run(kind: Kind, ottla: Option<&Path>, shim: &Path) {
    for (name, test) in [
        ("syncs are seen, and a loss of power takes what was not synced", power as fn(&Bench)),
        ("a clean stop syncs all logs at once, and a loss of power takes nothing", clean_stop),
        ("failing writes are seen", failing_writes),
        ("a full disk is seen", full),
        ("failing syncs are seen", failing_syncs),
        ("a slow disk is seen", slow),
        ("a clock that jumps is seen, and is no reason to lose a session", clock),
        ("a second broker with the id of a live one is turned away", impostor),
    ] {
        test(&Bench::new(kind, ottla, shim));
        println!("self-test: {name}");
    }
}

/// A broker to be started below a disk of ours.
struct Bench {
    cluster: Cluster,
    plan: Plan,
    disk: Disk,
    clock: Clock,
}

impl Bench {
    fn new(kind: Kind, ottla: Option<&Path>, shim: &Path) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let cluster = Cluster::new(&format!("self-test-{number}"));
        let plan = cluster.broker(0).kind(kind).with("offsets.topic.num.partitions", 1);
        let plan = ottla.iter().fold(plan, |plan, ottla| plan.with_program(ottla));
        let disk = Disk::new(&cluster.dir.join("disk"), &plan.logs, shim).expect("a disk");
        let clock = Clock::new(&cluster.dir.join("clock")).expect("a clock");
        Self { cluster, plan, disk, clock }
    }

    fn plan(&self) -> Plan {
        let set = |plan: Plan, (key, value): (&str, String)| plan.with_variable(key, &value);
        self.disk.variables().into_iter().fold(self.plan.clone(), set)
    }

    /// With both topics, and three records in each.
    fn start(&self) -> Broker {
        let broker = self.plan().start();
        raw::create_and_await(&broker.address(), SYNCED, &[("flush.messages", "1")]);
        raw::create_and_await(&broker.address(), LEFT, &[]);
        for offset in 0..3 {
            assert_eq!(produce(&broker, SYNCED), Some((0, offset)));
            assert_eq!(produce(&broker, LEFT), Some((0, offset)));
        }
        broker
    }
}

/// Error code and offset of one record; none without an answer.
fn produce(broker: &Broker, topic: &str) -> Option<(i16, i64)> {
    let records = raw::batch(&["one"]).into();
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(raw::topic_name(topic)).with_partition_data(vec![partition]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic]);
    let mut line = raw::Connection::within(&broker.address(), ANSWERED_WITHIN).ok()?;
    let answer = line.try_call(&request, 9).ok()?;
    let partition = &answer.responses[0].partition_responses[0];
    Some((partition.error_code, partition.base_offset))
}

fn power(bench: &Bench) {
    let broker = bench.start();
    assert!(bench.disk.syncs().expect("a number") >= 3, "the syncs of three records are not seen");
    broker.kill();
    let loss = bench.disk.lose_power(|_| 0).expect("lost");
    let ends = log_ends(&bench.plan.logs).expect("read");
    assert_eq!(ends.get(&format!("{SYNCED}-0")).map(|end| end.offset), Some(3), "{loss:?}");
    assert!(ends.get(&format!("{LEFT}-0")).is_none_or(|end| end.offset == 0), "{ends:?}: {loss:?}");
    let broker = bench.plan().start();
    let place =
        |topic| eventually("a record taken", SOON, || produce(&broker, topic).filter(|(error, _)| *error == 0)).1;
    assert_eq!((place(SYNCED), place(LEFT)), (3, 0), "after {loss:?}");
}

/// With so many logs in its directory Ottla makes one call for all of them.
fn clean_stop(bench: &Bench) {
    const LOGS: i32 = 80;
    let mut broker = bench.start();
    assert_eq!(raw::create(&broker.address(), vec![raw::new_topic("many", LOGS)]), [("many".into(), 0)]);
    raw::await_metadata(&broker.address(), &["many".into()]);
    assert_eq!(produce(&broker, LEFT), Some((0, 3)));
    broker.signal(rustix::process::Signal::TERM);
    let status = eventually("the broker to end", SOON, || broker.ended());
    broker.kill();
    let loss = bench.disk.lose_power(|_| 0).expect("lost");
    let logs: Vec<_> = loss.cut.iter().filter(|(path, _)| path.extension().is_some_and(|it| it == "log")).collect();
    assert!(logs.is_empty(), "{status}: {logs:?}");
    let ends = log_ends(&bench.plan.logs).expect("read");
    assert_eq!(ends.get(&format!("{LEFT}-0")).map(|end| end.offset), Some(4), "{loss:?}");
    let broker = bench.plan().start();
    let next = eventually("a record taken", SOON, || produce(&broker, LEFT).filter(|(error, _)| *error == 0));
    assert_eq!(next.1, 4, "after {loss:?}");
}

/// The broker does not acknowledge what it can't write, and keeps what it has acknowledged.
fn fails(bench: &Bench, trouble: Trouble) {
    let mut broker = bench.start();
    bench.disk.inject(trouble, None).expect("injected");
    let answer = produce(&broker, SYNCED);
    assert!(answer.is_none_or(|(error, _)| error != 0), "{trouble:?}: answered {answer:?}");
    assert!(bench.disk.hits().expect("a number") > 0, "{trouble:?} is not seen");
    // Its only directory has failed: it ends.
    eventually("the broker to end", SOON, || broker.ended());
    bench.disk.clear().expect("cleared");
    broker.kill();
    let broker = bench.plan().start();
    let next = eventually("a record taken", SOON, || produce(&broker, SYNCED).filter(|(error, _)| *error == 0));
    assert!(next.1 >= 3, "{trouble:?}: an acknowledged record is gone, the next is {}", next.1);
}

fn failing_writes(bench: &Bench) {
    fails(bench, Trouble::FailWrites);
}

fn full(bench: &Bench) {
    fails(bench, Trouble::Full);
}

fn failing_syncs(bench: &Bench) {
    fails(bench, Trouble::FailSyncs);
}

fn slow(bench: &Bench) {
    const BY: Duration = Duration::from_millis(400);
    let mut broker = bench.start();
    // Of one partition only.
    bench.disk.inject(Trouble::Slow(BY), Some(&broker.partition_dir(SYNCED, 0))).expect("injected");
    let begin = Instant::now();
    assert_eq!(produce(&broker, SYNCED), Some((0, 3)));
    assert!(begin.elapsed() >= BY, "{:?}", begin.elapsed());
    let hits = bench.disk.hits().expect("a number");
    assert!(hits > 0, "slowness is not seen");
    bench.disk.clear().expect("cleared");
    assert_eq!(produce(&broker, SYNCED), Some((0, 4)));
    assert_eq!(bench.disk.hits().expect("a number"), hits);
    broker.assert_alive();
}

/// The lines of a broker's log have the date.
fn clock(bench: &Bench) {
    let library = bench.disk.variables()[0].1.clone();
    let set = |plan: Plan, (key, value): (&'static str, String)| plan.with_variable(key, &value);
    let plan = bench.clock.variables(&library).into_iter().fold(bench.plan(), set);
    let mut broker = plan.start();
    // How often a session was over; on a busy machine that happens while a broker starts.
    let expired = |broker: &Broker| broker.output().to_lowercase().matches("session expired").count();
    let before = expired(&broker);
    for (jump, topic) in [(DAY_S, "tomorrow"), (-DAY_S, "yesterday"), (0, "today")] {
        bench.clock.set(jump).expect("set");
        // The broker hears of it within a second; every topic makes it log a line.
        let mut count = 0;
        let last = eventually(&format!("a line about {topic}, of its day"), SOON, || {
            count += 1;
            let name = format!("{topic}-{count}");
            raw::create_and_await(&broker.address(), &name, &[]);
            let output = broker.output();
            output.lines().any(|line| line.contains(&name) && line.contains(&day(jump))).then_some(name)
        });
        assert_eq!(produce(&broker, &last), Some((0, 0)));
    }
    broker.assert_alive();
    assert_eq!(expired(&broker), before, "a session was lost");
}

/// The date in a broker's log, so much from now.
fn day(ahead_s: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let then = i64::try_from(now).expect("this era") + ahead_s;
    let time = chrono::DateTime::from_timestamp(then, 0).expect("a date");
    time.with_timezone(&chrono::Local).format("%Y-%m-%d").to_string()
}

fn impostor(bench: &Bench) {
    let mut broker = bench.start();
    let other = bench.cluster.broker(0).kind(bench.plan.kind);
    let logs: PathBuf = bench.cluster.dir.join("impostor");
    let (port, mut other) = (other.port, bench.plan.clone());
    (other.logs, other.port) = (logs.clone(), port);
    other.fails_to_start();
    assert_eq!(produce(&broker, SYNCED), Some((0, 3)));
    broker.assert_alive();
    let _ = fs::remove_dir_all(logs);
}

//! The torture harness: a cluster with real clients, things that break from a seed, and a judge of what clients were told and saw.
//!
//! | file | what |
//! |---|---|
//! | `options`, `report` | the command line; progress, verdict, the row of a recorded run |
//! | `history`, `recorder` | what clients, driver and cluster did and showed; writing it down as it happens |
//! | `plan`, `torment` | what is to be done to whom, from the seed; doing it |
//! | `noticed` | whether the cluster noticed what was done to it |
//! | `disk`, `clock`, `self_test` | the disk and the clock below a broker; that a broker sees what is done to them |
//! | `net` | the links, which can be cut and slowed |
//! | `world`, `topics`, `view` | the cluster; its topics; what it shows of itself |
//! | `chores`, `admin` | what an operator does meanwhile; asking the controller for it |
//! | `clients` | librdkafka in threads |
//! | `ending` | what is there after everything |
//! | `judge` | the checks |
//!
//! `scripts/torture.sh` runs it, and says how. It is no part of `cargo test`: `scripts/test.sh` runs three minutes of it.

// Tests are the world outside the broker: they have clocks, sleeps between two looks, and sockets of their own.
#![allow(clippy::disallowed_methods)]

mod admin;
mod chores;
mod clients;
mod clock;
mod disk;
mod ending;
#[path = "../cluster/fencing.rs"]
#[allow(dead_code)] // what the cluster tests use of it
mod fencing;
#[path = "../harness/mod.rs"]
#[allow(unused_imports)] // what the cluster tests take from its head
mod harness;
#[allow(dead_code)] // what its own tests, in tests/main, use of it
mod history;
#[allow(dead_code, unused_imports)] // the same
mod judge;
mod net;
mod noticed;
mod options;
mod plan;
mod recorder;
mod report;
mod self_test;
mod topics;
mod torment;
mod view;
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use fastrand::Rng;

use chores::Chores;
use clients::{Clients, Office, Phase, Wanted};
use history::{History, Isolation, Role, Sight, Tp, What};
use options::{Network, Options};
use plan::{Kind, Plan};
use recorder::Recorder;
use report::{Progress, Run};
use topics::Topic;
use torment::servers;
use world::{HEALED_WITHIN, SESSION_TIMEOUT, World};

/// Every client has been heard of within this, before anything is broken.
const UNDER_WAY_WITHIN: Duration = Duration::from_secs(60);

/// A short cut may hold nothing back; of so many one does.
const SHOWS_WITHIN: u32 = 3;
/// So many anomalies get a page; all are counted.
const PAGES: usize = 10;

fn main() -> ExitCode {
    let options = Options::parse();
    raise_file_limit();
    // Disks and clocks are tried on one broker, that has no links.
    let network = if options.self_test { Network::Proxies } else { net::choose(options.network) };
    let kinds = match plan::faults(&options.faults) {
        Ok(kinds) => kinds,
        Err(why) => {
            eprintln!("torture: {why}");
            return ExitCode::from(2);
        }
    };
    // Disks and clocks can be broken only below a shim.
    let has_machines = options.shim.is_some();
    let kinds: Vec<Kind> = kinds.into_iter().filter(|kind| has_machines || !kind.needs_machine()).collect();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seed = options.seed.unwrap_or(since.as_secs());
    let dir = options.dir.clone().unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("torture").join(format!("{seed}-{}", std::process::id()))
    });
    fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    harness::process::set_run_dir(dir.clone());
    if let (true, Some(shim)) = (options.self_test, &options.shim) {
        self_test::run(world::kind(options.target, 0), options.ottla.as_deref(), shim);
        println!("verdict: OK, every fault of disk and clock is seen");
        return ExitCode::SUCCESS;
    }
    let time = match options.each_once {
        true => Plan::time_of_each(&kinds),
        false => Duration::from_secs(options.seconds.unwrap_or(options.minutes * 60)),
    };

    let recorder = Recorder::start(&dir.join("history.jsonl"));
    let outcome = run(&options, network, &kinds, seed, time, &recorder);
    let mut outcome = outcome;
    if options.each_once {
        outcome.troubles.extend(noticed::unnoticed(&outcome.history, world::BROKERS));
    }
    let verdict = judge::judge(&outcome.history);
    let found: u64 = verdict.counts().values().sum();
    let anomalies = found + outcome.troubles.len() as u64;
    let run =
        Run { options: &options, network, seed, time, counts: recorder.counts(), faults: outcome.faults, anomalies };
    println!("faults: {}", run.fault_list());
    if let Some(time) = outcome.healed {
        println!("healed {:.1} s after the last fault", time.as_secs_f64());
    }
    for trouble in &outcome.troubles {
        println!("\n{trouble}");
    }
    for finding in verdict.findings.iter().take(PAGES) {
        println!("\n{}", judge::page(&outcome.history, finding));
    }
    println!("judge: {verdict}");
    if (anomalies == 0) == options.sabotage.is_none() {
        let _ = fs::remove_dir_all(&dir);
    } else {
        report::keep(&dir);
    }
    if options.record {
        run.record();
    }
    println!("again: {}", run.command());
    println!("{}", run.verdict());
    // A broken broker is to be found out.
    let is_as_it_should_be = (anomalies == 0) == options.sabotage.is_none();
    if is_as_it_should_be { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Clients and proxies have many connections.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }); // too few show as a failed connection
}

/// What a run came to.
struct Outcome {
    history: History,
    faults: BTreeMap<Kind, torment::Done>,
    /// How long after the last fault all was in sync.
    healed: Option<Duration>,
    /// What is wrong and in no history.
    troubles: Vec<String>,
}

fn run(
    options: &Options,
    network: Network,
    kinds: &[Kind],
    seed: u64,
    time: Duration,
    recorder: &Arc<Recorder>,
) -> Outcome {
    println!("starting three ZooKeeper servers and three brokers, seed {seed}");
    let mut world = World::start(options, network, recorder);
    let office = Office { bootstrap: world.admin.addresses.join(","), phase: Arc::<Phase>::default() };
    let create = |wanted: &Wanted| {
        let Wanted { name, partitions, configs } = *wanted;
        world.topics.create(&world.driver, &world.admin, name, partitions, configs)
    };
    let topics: Vec<_> = clients::topics(options.workload).iter().map(create).collect();
    let Clients { writers, readers } = clients::start(options.workload, &office, recorder, &topics, seed);
    world.await_whole(UNDER_WAY_WITHIN).expect("a cluster that is in sync before anything is broken");
    harness::eventually("acknowledged records", UNDER_WAY_WITHIN, || (recorder.counts().acked > 100).then_some(()));

    let progress = Progress::start(recorder, &world.log);
    let until = Instant::now() + time;
    let chores = Chores {
        admin: world.admin.clone(),
        topics: world.topics.clone(),
        voice: recorder.client(Role { name: "operator".into(), producer: None, isolation: None, group: None }),
        recorder: recorder.clone(),
        bootstrap: office.bootstrap.clone(),
        rng: Rng::with_seed(seed),
    };
    let chores = clients::spawn("operator", move || chores.work(until));
    torment(&mut world, options, kinds, seed, until);
    chores.join().expect("the operator's thread");

    let limit = HEALED_WITHIN + SESSION_TIMEOUT;
    let healed = world.await_whole(limit);
    let us = |time: Duration| u64::try_from(time.as_micros()).expect("not that long");
    world.driver.says(What::Saw(Box::new(Sight::Healed { after_us: healed.map(us), limit_us: us(limit) })));

    office.phase.stop_writing();
    join(writers);
    let ends = ending::settled_ends(&world.admin.addresses, &world.topics);
    for topic in world.topics.all() {
        look(&world, &office, &topic, &ends);
    }
    office.phase.drain(ends);
    join(readers);
    drop(progress);
    let (faults, troubles) = end(world);
    Outcome { history: recorder.finish(), faults, healed, troubles }
}

fn join(threads: Vec<std::thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().expect("a client's thread"));
}

/// Brokers and ZooKeeper servers at once, until then.
fn torment(world: &mut World, options: &Options, kinds: &[Kind], seed: u64, until: Instant) {
    let plan = |plan: Plan| if options.each_once { plan.each_once() } else { plan };
    let World { view, brokers, ensemble, net, nodes, log, .. } = world;
    std::thread::scope(|scope| {
        let mut for_servers = plan(Plan::of_zookeeper(seed, kinds));
        let others = scope.spawn(move || servers::torment(ensemble, &mut for_servers, log, &**net, nodes, until));
        brokers.torment(&mut plan(Plan::of_brokers(seed, kinds)), view, until);
        others.join().expect("the faults of ZooKeeper");
    });
}

/// Everything that a topic holds, as both kinds of readers get it.
fn look(world: &World, office: &Office, topic: &Topic, ends: &BTreeMap<Tp, i64>) {
    for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
        let begin = world.driver.now();
        for (tp, records) in ending::contents(office, topic, isolation, ends) {
            world.driver.did(begin, What::Saw(Box::new(Sight::Contents { tp, isolation, records })));
        }
    }
}

/// Looks at disks, nodes and logs, and ends the brokers.
fn end(world: World) -> (BTreeMap<Kind, torment::Done>, Vec<String>) {
    let World { view, mut brokers, ensemble, log, topics, driver, connect, .. } = world;
    let plans: Vec<_> = brokers.running().map(|broker| broker.plan.clone()).collect();
    ending::replicas(&plans, &topics, &driver);
    ending::znodes(&connect, &driver);
    drop(view);
    let retries = brokers.start_retries;
    if retries > 0 {
        println!("{retries} starts had to be tried again");
    }
    let (_, logs) = brokers.end();
    let mut troubles = Vec::new();
    for file in logs {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some(line) = text.lines().find(|line| line.contains("panicked")) {
            troubles.push(format!("a panic in {}: {line}", file.display()));
        }
    }
    let told = fencing::judge(&harness::txn_log::read(&ensemble.servers[0].data()), "/torture");
    println!("{} elections of a controller, {} changes of a leader", told.elections, told.leader_changes);
    troubles.extend(told.faults.into_iter().map(|fault| format!("not fenced: {fault}")));
    let done = log.done();
    let unseen = done.iter().filter(|(_, done)| done.showed == 0 && done.times >= SHOWS_WITHIN);
    troubles
        .extend(unseen.map(|(kind, done)| format!("{} was done {} times and never showed", kind.name(), done.times)));
    (done, troubles)
}

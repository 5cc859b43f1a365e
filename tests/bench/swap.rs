//! Three brokers under load, replaced one after the other: Apache by Ottla, Ottla by Ottla, Ottla by Apache, and Apache by Apache, which is
//! Kafka's own rolling restart. The broker that comes has the id, the address and the directories of the one that went.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::broker::{Broker, Kind, Plan};
use crate::client::{self, Connection};
use crate::load::{IN_FLIGHT, Latencies, acknowledged};
use crate::rows::{self, Row};
use crate::{Bench, Result, Work};

const BROKERS: i32 = 3;
const ACKS_ALL: i16 = -1;
const TOPIC: &str = "swapped";
const CONFIGS: [(&str, &str); 1] = [("min.insync.replicas", "2")];
/// Two led by each broker.
const PARTITIONS: i32 = 6;
/// Requests of 1 KB a second, to each partition: far less than any of the brokers can take.
const PER_SECOND: u32 = 50;

/// How long the load warms three fresh brokers.
const WARM_TIME: Duration = Duration::from_secs(5);
/// Latencies count from the signal on for so long: longer than the slowest takes to be in sync again, and the same for all, so that a
/// quantile means the same.
const WINDOW: Duration = Duration::from_secs(6);
/// Pause of a producer that was refused, and between two looks: short, so that it is the brokers who are seen.
const PAUSE: Duration = Duration::from_millis(5);
/// Longest wait for anything here.
const LIMIT: Duration = Duration::from_secs(60);

/// All brokers replaced once, and the rows of it: away, in sync, p99, longest.
struct Turn {
    to: Kind,
    rows: [&'static Row; 4],
}

static ROLL: [&Row; 4] = [&rows::ROLL_AWAY, &rows::ROLL_IN_SYNC, &rows::ROLL_P99, &rows::ROLL_LONGEST];
static SWAP: [&Row; 4] = [&rows::SWAP_AWAY, &rows::SWAP_IN_SYNC, &rows::SWAP_P99, &rows::SWAP_LONGEST];
static BACK: [&Row; 4] = [&rows::BACK_AWAY, &rows::BACK_IN_SYNC, &rows::BACK_P99, &rows::BACK_LONGEST];

/// One round of the rows of one kind of broker. It begins with three of Apache Kafka's.
pub fn measure(bench: &Bench, kind: Kind, round: usize, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    if !bench.wants(Work::Swap) {
        return Ok(());
    }
    let turns = match kind {
        Kind::Kafka => vec![Turn { to: Kind::Kafka, rows: ROLL }],
        Kind::Ottla => vec![
            Turn { to: Kind::Ottla, rows: SWAP },
            Turn { to: Kind::Ottla, rows: ROLL },
            Turn { to: Kind::Kafka, rows: BACK },
        ],
    };
    let name = format!("swap-{kind:?}-{round}");
    let plan = |id| Plan::new(&bench.args, Kind::Kafka, &name, id);
    let mut cluster = Cluster::start((0..BROKERS).map(plan).collect::<Result<_>>()?)?;
    let load = Load::start(cluster.brokers.iter().map(Broker::address).collect())?;
    thread::sleep(WARM_TIME);
    for Turn { to, rows } in turns {
        for id in cluster.order()?.into_iter().take(if bench.args.quick { 1 } else { BROKERS as usize }) {
            let seen = cluster.replace(bench, id, to, &load)?;
            for (row, value) in rows.into_iter().zip(seen) {
                note(row, value);
            }
        }
    }
    load.end();
    let plan = cluster.brokers[0].plan().clone();
    cluster.brokers.into_iter().try_for_each(Broker::kill)?;
    plan.clean()
}

struct Cluster {
    /// By id.
    brokers: Vec<Broker>,
    /// Who leads each partition while all is well.
    preferred: Vec<i32>,
}

impl Cluster {
    fn start(plans: Vec<Plan>) -> Result<Self> {
        let brokers: Vec<Broker> = plans.iter().map(Plan::start).collect::<Result<_>>()?;
        let mut cluster = Self { brokers, preferred: Vec::new() };
        let mut controller = cluster.controller()?;
        controller.ask_for_topic_with(TOPIC, PARTITIONS, BROKERS as i16, &CONFIGS)?;
        cluster.preferred = controller.await_leaders(TOPIC, BROKERS as usize)?;
        Ok(cluster)
    }

    fn controller_id(&self) -> Result<(i32, SocketAddr)> {
        let begin = Instant::now();
        for broker in self.brokers.iter().cycle() {
            let found = Connection::to(broker.address()).map_err(Into::into).and_then(|mut other| other.controller());
            match found {
                Ok(Some(controller)) => return Ok(controller),
                _ if begin.elapsed() > LIMIT => break,
                _ => thread::sleep(PAUSE),
            }
        }
        Err("no controller".into())
    }

    fn controller(&self) -> Result<Connection> {
        Ok(Connection::to(self.controller_id()?.1)?)
    }

    /// The controller last, as the guide says.
    fn order(&self) -> Result<Vec<i32>> {
        let (controller, _) = self.controller_id()?;
        Ok((1..=BROKERS).map(|n| (controller + n) % BROKERS).collect())
    }

    /// Stops a broker and starts one of `kind` in its place. Gives the seconds that the id was away, those until all replicas were in sync,
    /// and of the records that came in the window p99 and longest time in ms. At the end each partition is led as at first.
    fn replace(&mut self, bench: &Bench, id: i32, kind: Kind, load: &Load) -> Result<[f64; 4]> {
        let at = usize::try_from(id)?;
        let plan = self.brokers[at].plan().as_kind(&bench.args, kind);
        let begin = Instant::now();
        self.brokers.remove(at).stop()?;
        self.brokers.insert(at, plan.start()?);
        let away = begin.elapsed();
        // Asked of another broker: the new one may not have heard of its topics yet.
        let mut other = Connection::to(self.brokers[(at + 1) % self.brokers.len()].address())?;
        other.await_leaders(TOPIC, BROKERS as usize)?;
        let in_sync = begin.elapsed();
        let mut seen = load.between(begin, begin + WINDOW.max(in_sync))?;
        self.lead_as_preferred()?;
        let (p99, longest) = (seen.quantile_ms(0.99), seen.quantile_ms(1.0));
        Ok([away.as_secs_f64(), in_sync.as_secs_f64(), p99, longest])
    }

    fn lead_as_preferred(&self) -> Result<()> {
        let begin = Instant::now();
        self.controller()?.elect_preferred(LIMIT)?;
        while self.controller()?.leaders(TOPIC, BROKERS as usize)?.as_ref() != Some(&self.preferred) {
            if begin.elapsed() > LIMIT {
                return Err("the preferred leaders do not come back".into());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// An open loop a partition: a request's time counts from when it was due. Those that have come to wait go together, as many as Kafka's
/// producer has in flight.
struct Load {
    producers: Vec<Producer>,
    is_over: Arc<AtomicBool>,
}

struct Producer {
    thread: JoinHandle<()>,
    /// When it was due, and how long it took.
    done: Arc<Mutex<Vec<(Instant, Duration)>>>,
}

impl Load {
    fn start(brokers: Vec<SocketAddr>) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let batch = client::batch(1024, 95)?;
        let mut producers = Vec::new();
        for partition in 0..PARTITIONS {
            let frame = client::produce(TOPIC, partition, ACKS_ALL, &batch)?;
            let (brokers, over, done) = (brokers.clone(), is_over.clone(), Arc::<Mutex<Vec<_>>>::default());
            let noted = done.clone();
            let thread = thread::spawn(move || {
                let (begin, pace) = (Instant::now(), Duration::from_secs(1) / PER_SECOND);
                let (mut leader, mut next) = (None, 0);
                while !over.load(Ordering::Relaxed) {
                    thread::sleep((begin + pace * next).saturating_duration_since(Instant::now()));
                    let late = begin.elapsed().as_micros() / pace.as_micros() + 1;
                    let behind = u32::try_from(late).unwrap_or(u32::MAX).saturating_sub(next);
                    let count = behind.clamp(1, IN_FLIGHT as u32);
                    if produce(&mut leader, &brokers, partition, &frame, count).is_err() {
                        leader = None;
                        thread::sleep(PAUSE);
                        continue;
                    }
                    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    noted.extend((next..next + count).map(|n| begin + pace * n).map(|due| (due, due.elapsed())));
                    next += count;
                }
            });
            producers.push(Producer { thread, done });
        }
        Ok(Self { producers, is_over })
    }

    /// How long the records took that were due in this time, once all of them are acknowledged.
    fn between(&self, from: Instant, to: Instant) -> Result<Latencies> {
        let mut found = Latencies::default();
        for producer in &self.producers {
            loop {
                let done = producer.done.lock().unwrap_or_else(PoisonError::into_inner);
                if done.last().is_some_and(|(due, _)| *due >= to) {
                    done.iter().filter(|(due, _)| (from..to).contains(due)).for_each(|(_, took)| found.add(*took));
                    break;
                }
                drop(done);
                if to.elapsed() > LIMIT {
                    return Err("a partition takes no writes".into());
                }
                thread::sleep(PAUSE);
            }
        }
        Ok(found)
    }

    fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for producer in self.producers {
            let _ = producer.thread.join(); // it has no result
        }
    }
}

/// Produces at the leader, looked for where it is not known: so many requests, of which some may be acknowledged when it fails.
fn produce(
    leader: &mut Option<Connection>,
    brokers: &[SocketAddr],
    partition: i32,
    frame: &[u8],
    count: u32,
) -> Result<()> {
    let connection = match leader {
        Some(connection) => connection,
        None => leader.insert(find_leader(brokers, partition)?),
    };
    (0..count).try_for_each(|_| connection.send(frame))?;
    (0..count).try_for_each(|_| acknowledged(connection.receive()?))
}

/// By the metadata of any broker that answers.
fn find_leader(brokers: &[SocketAddr], partition: i32) -> Result<Connection> {
    for address in brokers {
        let Ok(mut asked) = Connection::to(*address) else { continue };
        if let Ok(Some(leaders)) = asked.leaders(TOPIC, 1)
            && let Some(id) = leaders.get(usize::try_from(partition)?)
            && let Ok(leader) = Connection::to(brokers[usize::try_from(*id)?])
        {
            return Ok(leader);
        }
    }
    Err("no leader".into())
}

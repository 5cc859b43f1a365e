//! Three brokers on one machine: replication, a new topic, a reassignment, failover of the controller. The CPU time is that of all three.

use std::thread;
use std::time::{Duration, Instant};

use crate::broker::{Broker, Kind, Plan};
use crate::client::{self, Connection};
use crate::load::{self, IN_FLIGHT};
use crate::rows::{self, Row};
use crate::{Bench, Result, Work};

const BROKERS: i32 = 3;
const ACKS_ALL: i16 = -1;

/// How long each kind of request warms the brokers.
const WARM_TIME: Duration = Duration::from_secs(4);

/// Bytes of 64 KB batches, and requests of 1 KB.
const LARGE_BYTES: u64 = 300_000_000;
const SMALL_REQUESTS: u64 = 20_000;
const ONE_IN_FLIGHT_REQUESTS: u64 = 2_000;

/// Half of the peak is held so long, or for so many bytes: the page cache takes them all, three times, before the kernel begins to write
/// them to the disk, whose rate is not looked at.
const HALF_PEAK_TIME: Duration = Duration::from_secs(10);
const HALF_PEAK_BYTES: u64 = 500_000_000;

/// What both take, in 64 KB batches: about half of Kafka's peak.
const SAME_PER_SECOND: u64 = 300;

/// What a reassignment moves, and the longest it may take.
const MOVED_BYTES: u64 = 2_000_000_000;
const MOVE_LIMIT: Duration = Duration::from_secs(120);

/// Topics created; the median is the row's number.
const NEW_TOPICS: usize = 9;

/// Pause between two tries while the cluster changes hands.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// Longest wait for the next controller.
const FAILOVER_LIMIT: Duration = Duration::from_secs(60);

/// One round of the rows of one kind of broker.
pub fn measure(bench: &Bench, kind: Kind, round: usize, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    if !bench.wants(Work::Cluster) {
        return Ok(());
    }
    let name = format!("cluster-{kind:?}-{round}");
    let plans: Vec<Plan> = (0..BROKERS).map(|id| Plan::new(&bench.args, kind, &name, id)).collect::<Result<_>>()?;
    let brokers: Vec<Broker> = plans.iter().map(Plan::start).collect::<Result<_>>()?;
    replicated(bench, &brokers, note)?;
    new_topics(&brokers, note)?;
    reassign(bench, &brokers, note)?;
    failover(brokers, note)?;
    plans[0].clean()
}

fn all_cpu(brokers: &[Broker]) -> Result<f64> {
    brokers.iter().map(|broker| Ok(broker.usage()?.cpu.as_secs_f64())).sum()
}

/// A connection to the controller that a broker knows.
fn controller(broker: &Broker) -> Result<Connection> {
    let (_, address) = Connection::to(broker.address())?.controller()?.ok_or("no controller")?;
    Ok(Connection::to(address)?)
}

/// A connection to the leader of a topic's one partition, which it creates.
fn lead(brokers: &[Broker], topic: &str) -> Result<Connection> {
    let leaders = controller(&brokers[0])?.create_topic(topic, 1, BROKERS as i16, BROKERS as usize)?;
    Ok(Connection::to(brokers[usize::try_from(leaders[0])?].address())?)
}

fn replicated(bench: &Bench, brokers: &[Broker], note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let mut leader = lead(brokers, "replicated")?;
    let batch = client::batch(64 * 1024, 1024)?;
    let large = client::produce("replicated", 0, ACKS_ALL, &batch)?;
    let small = client::produce("replicated", 0, ACKS_ALL, &client::batch(1024, 95)?)?;
    first_write(&mut leader, &small)?;
    for frame in [&small, &large] {
        let begin = Instant::now();
        while begin.elapsed() < WARM_TIME {
            load::closed_loop(&mut leader, frame, 200, IN_FLIGHT)?;
        }
    }
    let count = bench.scaled(LARGE_BYTES) / batch.len() as u64;
    let gigabytes = (count * batch.len() as u64) as f64 / 1e9;
    rustix::fs::sync();
    let (begin, before) = (Instant::now(), all_cpu(brokers)?);
    load::closed_loop(&mut leader, &large, count, IN_FLIGHT)?;
    note(&rows::CLUSTER_64K, (all_cpu(brokers)? - before) / gigabytes);
    let seconds = begin.elapsed().as_secs_f64();
    note(&rows::CLUSTER_64K_SECONDS, seconds / gigabytes);
    let per_second = (count as f64 / seconds / 2.0) as u64;
    let (begin, requests) = (Instant::now(), bench.scaled(ONE_IN_FLIGHT_REQUESTS));
    let mut one = load::closed_loop(&mut leader, &large, requests, 1)?;
    note(&rows::CLUSTER_ONE_P50, one.quantile_ms(0.5));
    note(&rows::CLUSTER_ONE_SECONDS, begin.elapsed().as_secs_f64() * 1e9 / (requests * batch.len() as u64) as f64);
    rustix::fs::sync();
    let time = Duration::from_secs_f64(HALF_PEAK_BYTES as f64 / (per_second * batch.len() as u64) as f64);
    let mut half = load::open_loop(leader.peer()?, &large, per_second, time.min(HALF_PEAK_TIME))?;
    note(&rows::CLUSTER_HALF_P50, half.quantile_ms(0.5));
    note(&rows::CLUSTER_HALF_P999, half.quantile_ms(0.999));
    let mut same = load::open_loop(leader.peer()?, &large, SAME_PER_SECOND, HALF_PEAK_TIME)?;
    note(&rows::CLUSTER_SAME_P50, same.quantile_ms(0.5));
    note(&rows::CLUSTER_SAME_P999, same.quantile_ms(0.999));
    let count = bench.scaled(SMALL_REQUESTS);
    let before = all_cpu(brokers)?;
    load::closed_loop(&mut leader, &small, count, IN_FLIGHT)?;
    note(&rows::CLUSTER_1K, (all_cpu(brokers)? - before) * 1e6 / count as f64);
    Ok(())
}

/// A leader may be told of its leadership after the clients.
fn first_write(leader: &mut Connection, frame: &[u8]) -> Result<()> {
    leader.send(frame)?;
    while client::produce_code(leader.receive()?)? != 0 {
        thread::sleep(RETRY_PAUSE);
        leader.send(frame)?;
    }
    Ok(())
}

fn new_topics(brokers: &[Broker], note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    rustix::fs::sync();
    let batch = client::batch(1024, 95)?;
    let mut times = Vec::new();
    for n in 0..NEW_TOPICS {
        let (topic, begin) = (format!("new-{n}"), Instant::now());
        let mut leader = lead(brokers, &topic)?;
        let frame = client::produce(&topic, 0, ACKS_ALL, &batch)?;
        first_write(&mut leader, &frame)?;
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    note(&rows::CLUSTER_NEW_TOPIC, times[NEW_TOPICS / 2]);
    Ok(())
}

/// A partition moves from one broker to the next with all its data.
fn reassign(bench: &Bench, brokers: &[Broker], note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let mut asking = controller(&brokers[0])?;
    let from = asking.create_topic("moved", 1, 1, 1)?[0];
    let to = (from + 1) % BROKERS;
    let batch = client::batch(64 * 1024, 1024)?;
    let mut leader = Connection::to(brokers[usize::try_from(from)?].address())?;
    let count = bench.scaled(MOVED_BYTES) / batch.len() as u64;
    let frame = client::produce("moved", 0, 1, &batch)?;
    first_write(&mut leader, &frame)?;
    load::closed_loop(&mut leader, &frame, count, IN_FLIGHT)?;
    rustix::fs::sync();
    let begin = Instant::now();
    asking.reassign("moved", 0, &[to])?;
    while asking.leaders("moved", 1)?.as_deref() != Some(&[to]) {
        if begin.elapsed() > MOVE_LIMIT {
            return Err("a reassignment does not end".into());
        }
        thread::sleep(RETRY_PAUSE);
    }
    note(&rows::CLUSTER_MOVE, begin.elapsed().as_secs_f64());
    Ok(())
}

/// The first broker was the first there: it is the controller. It is stopped; a topic is created through the next one. Of its two replicas
/// one may be on the broker that went: what has not heard of the new controller yet has not heard of that either.
fn failover(brokers: Vec<Broker>, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let mut brokers = brokers.into_iter();
    let first = brokers.next().ok_or("no broker")?;
    let others: Vec<Broker> = brokers.collect();
    first.stop()?;
    let begin = Instant::now();
    while let Err(error) = controller(&others[0]).and_then(|mut next| next.create_topic("after-failover", 1, 2, 1)) {
        if begin.elapsed() > FAILOVER_LIMIT {
            return Err(error);
        }
        thread::sleep(RETRY_PAUSE);
    }
    note(&rows::CLUSTER_FAILOVER, begin.elapsed().as_secs_f64() * 1000.0);
    others.into_iter().try_for_each(Broker::kill)
}

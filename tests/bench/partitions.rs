//! Brokers with thousands of partitions: making them, what they cost, and who leads them after a broker went.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla::wire::{MetadataRequest, MetadataResponse, ProduceRequest, ProduceRequestPartition, ProduceRequestTopic};

use crate::broker::{Broker, Kind, Plan};
use crate::client::{self, Connection, METADATA_VERSION, PRODUCE_VERSION};
use crate::rows::{self, Row};
use crate::{Bench, Result, Work};

const BROKERS: i32 = 3;
const REPLICAS: i16 = 2;
const ACKS_ALL: i16 = -1;

/// Partitions of a topic: Kafka's tools and users make large clusters of topics of that size.
const TOPIC_PARTITIONS: i32 = 500;

/// The longest that the slower broker takes for anything here.
const LIMIT: Duration = Duration::from_secs(240);

/// What is measured with so many partitions.
struct Size {
    partitions: i32,
    from_expiry: &'static Row,
    from_kill: &'static Row,
}

static SIZES: [Size; 3] = [
    Size { partitions: 1_000, from_expiry: &rows::EXPIRY_1K, from_kill: &rows::KILL_1K },
    Size { partitions: 3_000, from_expiry: &rows::EXPIRY_3K, from_kill: &rows::KILL_3K },
    Size { partitions: 10_000, from_expiry: &rows::EXPIRY_10K, from_kill: &rows::KILL_10K },
];

/// One round of the rows of one kind of broker.
pub fn measure(bench: &Bench, kind: Kind, round: usize, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    if !bench.wants(Work::Partitions) {
        return Ok(());
    }
    let sizes = if bench.args.quick { &SIZES[..1] } else { &SIZES[..] };
    for size in sizes {
        // Ottla does not wait for a session's end: to see the election alone it has to be told to.
        let waits: &[bool] = if kind == Kind::Ottla { &[true, false] } else { &[true] };
        for &waits in waits {
            let name = format!("partitions-{kind:?}-{round}-{}-{waits}", size.partitions);
            let plan = |id| -> Result<Plan> {
                let plan = Plan::new(&bench.args, kind, &name, id)?;
                let told = kind == Kind::Ottla && waits;
                Ok(if told { plan.with("ottla.dead.process.detect.ms=0") } else { plan })
            };
            let plans: Vec<Plan> = (0..BROKERS).map(plan).collect::<Result<_>>()?;
            let is_largest = size.partitions == SIZES[SIZES.len() - 1].partitions;
            let mut cluster = Cluster::start(plans)?;
            let made = cluster.make(size.partitions)?;
            if is_largest && (waits || kind == Kind::Ottla) {
                note(&rows::MAKE_10K, made.as_secs_f64());
                note(&rows::ANONYMOUS_10K, cluster.anonymous_mb()?);
            }
            if is_largest && waits {
                let (moved, ended) = cluster.roll_one()?;
                note(&rows::SHUTDOWN_MOVED, moved.as_secs_f64());
                note(&rows::SHUTDOWN_ENDED, ended.as_secs_f64());
            }
            let lost = cluster.kill_controller()?;
            if waits {
                note(size.from_expiry, lost.expiry_to_leaders.as_secs_f64());
            }
            if !waits || kind == Kind::Kafka {
                note(size.from_kill, lost.kill_to_writes.as_secs_f64());
            }
            cluster.end()?;
        }
    }
    Ok(())
}

/// How long clients were without.
struct Lost {
    /// From the end of the dead broker's registration to a live leader for every partition; zero when they were there before.
    expiry_to_leaders: Duration,
    /// From the kill to an acknowledged write on every partition.
    kill_to_writes: Duration,
}

/// Brokers of one cluster, and the topics made on them.
pub struct Cluster {
    plans: Vec<Plan>,
    brokers: Vec<Option<Broker>>,
    topics: BTreeSet<String>,
}

impl Cluster {
    /// Starts brokers, all at once, and waits until each serves.
    pub fn start(plans: Vec<Plan>) -> Result<Self> {
        let mut brokers: Vec<Broker> = plans.iter().map(Plan::launch).collect::<Result<_>>()?;
        brokers.iter_mut().try_for_each(Broker::await_serving)?;
        Ok(Self { plans, brokers: brokers.into_iter().map(Some).collect(), topics: BTreeSet::new() })
    }

    fn address(&self, id: i32) -> Result<SocketAddr> {
        Ok(self.plans[usize::try_from(id)?].address)
    }

    /// Kills all. What they left behind stays until the end: where ext4 has removed ten thousands of files, it makes new ones several times
    /// slower for a minute and more, and the next cluster would pay for that.
    pub fn end(self) -> Result<()> {
        self.brokers.into_iter().flatten().try_for_each(Broker::kill)
    }

    /// Makes so many partitions; until each is led, with all its replicas in sync, in the metadata of each broker.
    pub fn make(&mut self, partitions: i32) -> Result<Duration> {
        let controller = self.controller()?;
        let mut connection = Connection::to(self.address(controller)?)?;
        let begin = Instant::now();
        for n in 0..partitions / TOPIC_PARTITIONS {
            let topic = format!("topic-{n}");
            connection.ask_for_topic(&topic, TOPIC_PARTITIONS, REPLICAS)?;
            self.topics.insert(topic);
        }
        for plan in &self.plans {
            await_all(plan.address, &self.topics, |leader, in_sync| leader >= 0 && in_sync == REPLICAS as usize)?;
        }
        Ok(begin.elapsed())
    }

    fn controller(&self) -> Result<i32> {
        let begin = Instant::now();
        for plan in self.plans.iter().cycle() {
            let found = Connection::to(plan.address).map_err(Into::into).and_then(|mut other| other.controller());
            if let Ok(Some((id, _))) = found {
                return Ok(id);
            }
            if begin.elapsed() > LIMIT {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err("no controller".into())
    }

    /// The mean of the brokers' anonymous memory.
    pub fn anonymous_mb(&self) -> Result<f64> {
        let each: Vec<f64> =
            self.brokers.iter().flatten().map(|b| Ok(b.usage()?.anonymous_mb)).collect::<Result<_>>()?;
        Ok(each.iter().sum::<f64>() / each.len() as f64)
    }

    /// Stops a broker that is not the controller as a supervisor does, starts it again and gives it its leaderships back. Gives the time
    /// until the others led all, and until the process was gone.
    fn roll_one(&mut self) -> Result<(Duration, Duration)> {
        let controller = self.controller()?;
        let id = (controller + 1) % BROKERS;
        let broker = self.brokers[usize::try_from(id)?].take().ok_or("no such broker")?;
        let begin = Instant::now();
        let stop = thread::spawn(move || broker.stop().map(|()| begin.elapsed()));
        await_all(self.address(controller)?, &self.topics, |leader, _| leader >= 0 && leader != id)?;
        let moved = begin.elapsed();
        let ended = stop.join().map_err(|_| "stopping a broker panicked")??;
        self.brokers[usize::try_from(id)?] = Some(self.plans[usize::try_from(id)?].start()?);
        await_all(self.address(controller)?, &self.topics, |_, in_sync| in_sync == REPLICAS as usize)?;
        Connection::to(self.address(controller)?)?.elect_preferred(LIMIT)?;
        Ok((moved, ended))
    }

    /// Restarts one broker after the other, as a supervisor does; the next when all replicas are in sync again. The balance timer may
    /// have moved no leadership back yet.
    pub fn roll(&mut self) -> Result<Duration> {
        let begin = Instant::now();
        for id in 0..self.plans.len() {
            self.brokers[id].take().ok_or("no such broker")?.stop()?;
            self.brokers[id] = Some(self.plans[id].start()?);
            let other = self.plans[(id + 1) % self.plans.len()].address;
            await_all(other, &self.topics, |leader, in_sync| leader >= 0 && in_sync == REPLICAS as usize)?;
        }
        Ok(begin.elapsed())
    }

    /// Kills the controller, which leads a third, and follows what a survivor tells and takes.
    fn kill_controller(&mut self) -> Result<Lost> {
        let dead = self.controller()?;
        let survivor = self.address((dead + 1) % BROKERS)?;
        let expired = RegistrationWatch::begin(self.plans[0].connect.clone(), dead);
        self.brokers[usize::try_from(dead)?].take().ok_or("no such broker")?.kill()?;
        let killed = Instant::now();
        await_all(survivor, &self.topics, |leader, _| leader >= 0 && leader != dead)?;
        let led = Instant::now();
        self.write_everywhere(survivor, dead)?;
        let written = Instant::now();
        let expired = expired.end()?.unwrap_or(led);
        Ok(Lost { expiry_to_leaders: led.saturating_duration_since(expired), kill_to_writes: written - killed })
    }

    /// One acknowledged record in every partition, asking again for those that were refused.
    fn write_everywhere(&self, survivor: SocketAddr, dead: i32) -> Result<()> {
        let batch = client::batch(256, 100)?;
        let mut written: BTreeSet<(String, i32)> = BTreeSet::new();
        let begin = Instant::now();
        let mut asking = Connection::to(survivor)?;
        let mut leaders: BTreeMap<i32, Connection> = BTreeMap::new();
        while begin.elapsed() < LIMIT {
            let mut open: BTreeMap<i32, BTreeMap<String, Vec<i32>>> = BTreeMap::new();
            for (topic, partition, leader, _) in everything(&mut asking, &self.topics)? {
                if leader >= 0 && leader != dead && !written.contains(&(topic.clone(), partition)) {
                    open.entry(leader).or_default().entry(topic).or_default().push(partition);
                }
            }
            for (leader, topics) in open {
                let connection = match leaders.entry(leader) {
                    std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::btree_map::Entry::Vacant(new) => {
                        new.insert(Connection::to(self.address(leader)?)?)
                    }
                };
                for (topic, partitions) in topics {
                    let answer = connection.call(&produce_to(&topic, &partitions, &batch), PRODUCE_VERSION)?;
                    let good = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
                    written.extend(good.filter(|p| p.error_code == 0).map(|p| (topic.clone(), p.index)));
                }
            }
            if written.len() == self.topics.len() * TOPIC_PARTITIONS as usize {
                return Ok(());
            }
        }
        Err("some partitions take no writes".into())
    }
}

fn produce_to(topic: &str, partitions: &[i32], batch: &Bytes) -> ProduceRequest {
    let data = partitions.iter().map(|&index| ProduceRequestPartition { index, records: batch.clone().into() });
    let topic = ProduceRequestTopic { name: topic.into(), partition_data: data.collect() };
    ProduceRequest { acks: ACKS_ALL, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() }
}

/// Topic, partition, leader and the number of replicas in sync, of all partitions, as a broker knows them.
fn everything(connection: &mut Connection, topics: &BTreeSet<String>) -> Result<Vec<(String, i32, i32, usize)>> {
    let all = MetadataRequest { topics: None, ..Default::default() };
    let answer: MetadataResponse = connection.call(&all, METADATA_VERSION)?;
    let mut found = Vec::new();
    for topic in &answer.topics {
        let name = topic.name.as_ref().map(ToString::to_string).unwrap_or_default();
        if topics.contains(&name) {
            let each = topic.partitions.iter();
            found.extend(each.map(|p| (name.clone(), p.partition_index, p.leader_id, p.isr_nodes.len())));
        }
    }
    Ok(found)
}

/// Looks at a broker's metadata until each partition's leader and number of replicas in sync is as wanted. A look may cost the broker a
/// third of the time.
fn await_all(address: SocketAddr, topics: &BTreeSet<String>, wanted: impl Fn(i32, usize) -> bool) -> Result<()> {
    let begin = Instant::now();
    let mut connection = Connection::to(address)?;
    while begin.elapsed() < LIMIT {
        let look = Instant::now();
        let found = everything(&mut connection, topics)?;
        if found.len() == topics.len() * TOPIC_PARTITIONS as usize
            && found.iter().all(|(_, _, leader, in_sync)| wanted(*leader, *in_sync))
        {
            return Ok(());
        }
        thread::sleep((look.elapsed() * 2).max(Duration::from_millis(2)));
    }
    Err("the cluster did not come to rest".into())
}

/// Looks in ZooKeeper for the end of a broker's registration.
struct RegistrationWatch {
    thread: JoinHandle<Result<Option<Instant>>>,
    is_over: Arc<AtomicBool>,
}

impl RegistrationWatch {
    /// Begins to look, at a connect string with its chroot.
    fn begin(connect: String, broker: i32) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let zookeeper = zookeeper_client::Client::connect(&connect).await?;
                let path = format!("/brokers/ids/{broker}");
                while !over.load(Ordering::Relaxed) {
                    if zookeeper.check_stat(&path).await?.is_none() {
                        return Ok(Some(Instant::now()));
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Ok(None)
            })
        });
        Self { thread, is_over }
    }

    /// When it ended, if it did.
    fn end(self) -> Result<Option<Instant>> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "looking into ZooKeeper panicked")?
    }
}

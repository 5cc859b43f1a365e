//! What the cluster shows of itself while all goes on: leaders, in-sync replicas and the controller as ZooKeeper has them, and the high
//! watermarks that leaders answer. Looked at several times a second, over all their absences, and written down when it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};
use serde_json::Value;
use zookeeper_client::Client;

use crate::harness::raw;
use crate::history::{Sight, Teller, Tp, What};
use crate::recorder::Voice;
use crate::topics::Topics;

/// Between two looks at ZooKeeper.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two questions to a broker.
const ASK_EVERY: Duration = Duration::from_millis(300);
/// A broker that does not answer within this is asked again.
const ANSWER: Duration = Duration::from_secs(2);

/// A partition's state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// -1 for none.
    pub leader: i32,
    /// Of the leader.
    pub epoch: i32,
    /// Who is in sync.
    pub isr: Vec<i32>,
}

/// What was seen last.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When the look began; none before the first.
    pub at: Option<Instant>,
    /// None while there is none.
    pub controller: Option<i32>,
    /// By partition; those without a state yet are missing.
    pub states: BTreeMap<Tp, State>,
}

/// Looks as long as it lives.
pub struct View {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl View {
    /// Starts to look at all topics, and to ask all brokers.
    pub fn start(connect: &str, brokers: &[(i32, String)], topics: &Arc<Topics>, voice: &Voice) -> Self {
        let (seen, over) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let looker = Looker { seen: seen.clone(), over: over.clone(), topics: topics.clone(), voice: voice.clone() };
        let connect = connect.to_string();
        let mut threads = vec![std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(looker.run(&connect));
        })];
        for (id, address) in brokers.iter().cloned() {
            let (over, topics, voice) = (over.clone(), topics.clone(), voice.clone());
            threads.push(std::thread::spawn(move || ask_on(id, &address, &over, &topics, &voice)));
        }
        Self { seen, over, threads }
    }

    /// The last look.
    pub fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // its panic was shown already
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Looker {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    topics: Arc<Topics>,
    voice: Voice,
}

impl Looker {
    async fn run(&self, connect: &str) {
        while !self.over.load(Ordering::Relaxed) {
            let connector = Client::connector().with_session_timeout(Duration::from_secs(4));
            let connected = tokio::time::timeout(Duration::from_secs(2), { connector }.connect(connect)).await;
            if let Ok(Ok(client)) = connected {
                while !self.over.load(Ordering::Relaxed) && self.look(&client).await.is_some() {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// None when ZooKeeper can't be asked.
    async fn look(&self, client: &Client) -> Option<()> {
        let at = Instant::now();
        let begin = self.voice.now();
        let controller = get(client, "/controller").await?.and_then(|node| number(&node["brokerid"]));
        let epoch = get(client, "/controller_epoch").await?.as_ref().and_then(number);
        let mut states = BTreeMap::new();
        for topic in self.topics.all() {
            for tp in topic.tps() {
                let path = format!("/brokers/topics/{}/partitions/{}/state", topic.name, tp.partition);
                let Some(state) = get(client, &path).await? else { continue };
                let leader = number(&state["leader"]).unwrap_or(-1);
                let isr = state["isr"].as_array().into_iter().flatten().filter_map(number).collect();
                states.insert(tp, State { leader, epoch: number(&state["leader_epoch"]).unwrap_or(-1), isr });
            }
        }
        let sights = {
            let mut seen = lock(&self.seen);
            let mut sights = Vec::new();
            if seen.controller != controller {
                sights.push(Sight::Controller { broker: controller.unwrap_or(-1), epoch: epoch.unwrap_or(-1) });
            }
            for (tp, state) in &states {
                if seen.states.get(tp) != Some(state) {
                    let State { leader, epoch, isr } = state.clone();
                    sights.push(Sight::Leader { tp: *tp, leader, epoch, isr, by: Teller::ZooKeeper });
                }
            }
            *seen = Seen { at: Some(at), controller, states };
            sights
        };
        sights.into_iter().for_each(|sight| self.voice.did(begin, What::Saw(Box::new(sight))));
        Some(())
    }
}

fn number(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|n| i32::try_from(n).ok())
}

/// A node as JSON; none inside when it is not there. A server that does not answer counts as gone.
async fn get(client: &Client, path: &str) -> Option<Option<Value>> {
    match tokio::time::timeout(Duration::from_secs(3), client.get_data(path)).await.ok()? {
        Ok((data, _)) => Some(serde_json::from_slice(&data).ok()),
        Err(zookeeper_client::Error::NoNode) => Some(None),
        Err(_) => None,
    }
}

/// Asks one broker for the ends of what it leads, and writes down what is new.
fn ask_on(id: i32, address: &str, over: &AtomicBool, topics: &Topics, voice: &Voice) {
    let mut connection = None;
    let mut known: BTreeMap<Tp, (i32, i64)> = BTreeMap::new();
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(ASK_EVERY);
        let begin = voice.now();
        let mut line = match connection.take().map_or_else(|| raw::Connection::within(address, ANSWER), Ok) {
            Ok(line) => line,
            Err(_) => continue, // it is down, or cut off from everybody
        };
        let Some(ends) = ends(&mut line, topics, Isolation::ReadUncommitted) else { continue };
        connection = Some(line);
        for (tp, (epoch, offset)) in ends {
            let before = known.insert(tp, (epoch, offset));
            if before.is_none_or(|(old, _)| old != epoch) {
                let sight = Sight::Leader { tp, leader: id, epoch, isr: Vec::new(), by: Teller::Broker(id) };
                voice.did(begin, What::Saw(Box::new(sight)));
            }
            if before != Some((epoch, offset)) {
                voice.did(begin, What::Saw(Box::new(Sight::HighWatermark { tp, broker: id, epoch, offset })));
            }
        }
    }
}

pub use crate::history::Isolation;

/// Epoch and end of each partition that a broker leads: its high watermark, or its last stable offset. None when it does not answer.
pub fn ends(line: &mut raw::Connection, topics: &Topics, isolation: Isolation) -> Option<BTreeMap<Tp, (i32, i64)>> {
    let there = topics.all();
    let latest = |partition: i32| ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(-1);
    let topic = |topic: &crate::topics::Topic| {
        let partitions = (0..i32::from(topic.partitions)).map(latest).collect();
        ListOffsetsTopic::default().with_name(raw::topic_name(&topic.name)).with_partitions(partitions)
    };
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(i8::from(isolation == Isolation::ReadCommitted))
        .with_topics(there.iter().map(topic).collect());
    let answer = line.try_call(&request, 5).ok()?;
    let mut ends = BTreeMap::new();
    for topic in answer.topics {
        let Some(known) = there.iter().find(|t| t.name == topic.name.as_str()) else { continue };
        for partition in topic.partitions.iter().filter(|p| p.error_code == 0) {
            let tp = Tp { topic: known.number, partition: u16::try_from(partition.partition_index).ok()? };
            ends.insert(tp, (partition.leader_epoch, partition.offset));
        }
    }
    Some(ends)
}

/// Every partition of these has a leader, and so many replicas in sync.
pub fn is_whole(seen: &Seen, topics: &Topics, replicas: usize) -> bool {
    let wanted: BTreeSet<Tp> = topics.all().iter().flat_map(|t| t.tps().collect::<Vec<_>>()).collect();
    wanted.iter().all(|tp| seen.states.get(tp).is_some_and(|s| s.leader >= 0 && s.isr.len() == replicas))
}

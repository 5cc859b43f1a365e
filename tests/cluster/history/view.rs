//! Who leads, who is in sync and who is the controller, as ZooKeeper has it: looked at several times a second, over all its absences.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use zookeeper_client::Client;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// What was seen last.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When the look began; none before the first.
    pub at: Option<Instant>,
    /// None while there is none.
    pub controller: Option<i32>,
    /// Of `/controller_epoch`.
    pub controller_epoch: i64,
    /// Leader (-1 for none) and size of the ISR, by partition.
    pub states: BTreeMap<i32, (i32, usize)>,
    /// Leaders that took the place of another, over all partitions; those that came and went between two looks are not counted.
    pub leader_changes: u64,
    last_leader: BTreeMap<i32, i32>,
}

/// Looks as long as it lives.
pub struct View {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl View {
    /// Starts to look at a topic.
    pub fn start(connect: &str, topic: &str, partitions: i32) -> Self {
        let (seen, over) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let looker = Looker { seen: seen.clone(), over: over.clone(), topic: topic.into(), partitions };
        let connect = connect.to_string();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(looker.run(&connect));
        });
        Self { seen, over, thread: Some(thread) }
    }

    /// The last look.
    pub fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic was shown already
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

struct Looker {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    topic: String,
    partitions: i32,
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
        let controller = get(client, "/controller").await?.and_then(|node| number(&node["brokerid"]));
        let epoch = get(client, "/controller_epoch").await?.and_then(|epoch| epoch.as_i64()).unwrap_or(0);
        let mut states = BTreeMap::new();
        for partition in 0..self.partitions {
            let path = format!("/brokers/topics/{}/partitions/{partition}/state", self.topic);
            if let Some(state) = get(client, &path).await? {
                let leader = number(&state["leader"]).unwrap_or(-1);
                states.insert(partition, (leader, state["isr"].as_array().map_or(0, Vec::len)));
            }
        }
        let mut seen = lock(&self.seen);
        seen.at = Some(at);
        seen.controller = controller;
        seen.controller_epoch = epoch;
        for (&partition, &(leader, _)) in states.iter().filter(|(_, (leader, _))| *leader >= 0) {
            if seen.last_leader.insert(partition, leader).is_some_and(|before| before != leader) {
                seen.leader_changes += 1;
            }
        }
        seen.states = states;
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

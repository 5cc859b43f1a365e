//! The clients: librdkafka in threads of this process. Each writes down what it asks for, is told and sees.

pub mod member;
pub mod mover;
pub mod producer;
pub mod reader;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::message::{Headers, Message};

use crate::history::{Isolation, Producer, Seen, Tp, Value};
use crate::options::Workload;
use crate::recorder::Recorder;
use crate::topics::Topic;
use producer::Writer;
use reader::Reader;

/// What the clients of a run have in common.
#[derive(Clone)]
pub struct Office {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// How far the run is.
    pub phase: Arc<Phase>,
}

/// A call into a client that has not returned after this never will, as far as a run can wait: librdkafka 2.12 may wait for ever for a
/// broker that was out of the metadata for a moment, when it commits offsets in a transaction or is closed.
const HANGS_AFTER: Duration = Duration::from_secs(30);

/// Makes a call that may never return; none when it has not. What it holds is left to it.
pub fn bounded<T: std::marker::Send + 'static>(call: impl FnOnce() -> T + std::marker::Send + 'static) -> Option<T> {
    let (done, result) = std::sync::mpsc::channel();
    spawn("bounded call", move || {
        let _ = done.send(call()); // nobody may wait any more
    });
    result.recv_timeout(HANGS_AFTER).ok()
}

/// How far the run is.
#[derive(Default)]
pub struct Phase {
    stage: AtomicU8,
    ends: Mutex<BTreeMap<Tp, i64>>,
}

const WRITING: u8 = 0;
const READING: u8 = 1;
const DRAINING: u8 = 2;

impl Phase {
    /// Writers write.
    pub fn is_writing(&self) -> bool {
        self.stage.load(Ordering::Acquire) == WRITING
    }

    /// Writers end what they have begun, and end.
    pub fn stop_writing(&self) {
        self.stage.store(READING, Ordering::Release);
    }

    /// Readers read up to these ends, and end.
    pub fn drain(&self, ends: BTreeMap<Tp, i64>) {
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
        self.stage.store(DRAINING, Ordering::Release);
    }

    /// The end of each partition, once readers are to come to theirs.
    pub fn ends(&self) -> Option<BTreeMap<Tp, i64>> {
        let draining = self.stage.load(Ordering::Acquire) == DRAINING;
        draining.then(|| self.ends.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Office {
    /// What every client is set to.
    pub fn config(&self, name: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", name)
            .set("broker.address.family", "v4")
            .set("socket.timeout.ms", "10000")
            .set("socket.connection.setup.timeout.ms", "3000")
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.interval.ms", "5000");
        config
    }

    /// What every reader is set to: it is refused a place that is no more, and checks the bytes.
    pub fn reader_config(&self, name: &str, read_committed: bool) -> ClientConfig {
        let mut config = self.config(name);
        config
            .set("group.id", name)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", if read_committed { "read_committed" } else { "read_uncommitted" })
            .set("fetch.wait.max.ms", "200")
            .set("queued.max.messages.kbytes", "2048")
            .set("check.crcs", "true");
        config
    }
}

/// A client's thread, named after it.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).expect("a thread")
}

/// Looks at the phase this often while it waits.
pub const TICK: Duration = Duration::from_millis(20);

/// What a record shows of itself.
pub fn seen(message: &impl Message) -> Seen {
    let key = message.key().and_then(|key| std::str::from_utf8(key).ok()).and_then(|key| key.parse().ok());
    let (value, tombstone) = match message.payload() {
        Some(payload) => (Value::of_payload(payload), false),
        None => {
            let header = message.headers().and_then(|h| h.iter().find(|header| header.key == Value::HEADER));
            (Value::of_payload(header.and_then(|header| header.value).unwrap_or_default()), true)
        }
    };
    Seen { offset: message.offset(), value, key, tombstone }
}

/// Threads of clients.
type Crew = Vec<JoinHandle<()>>;

/// Who writes, and who reads.
pub struct Clients {
    /// They end when writing does.
    pub writers: Crew,
    /// They end when they have read all.
    pub readers: Crew,
}

/// What a workload's topics are.
pub struct Wanted {
    /// Its name.
    pub name: &'static str,
    /// How many partitions.
    pub partitions: u16,
    /// Beside `min.insync.replicas`.
    pub configs: &'static [(&'static str, &'static str)],
}

const fn plain(name: &'static str, partitions: u16) -> Wanted {
    Wanted { name, partitions, configs: &[("min.insync.replicas", "2")] }
}

/// Compacted all the time, in segments that are closed soon.
const COMPACTED: Wanted = Wanted {
    name: "compacted",
    partitions: 6,
    configs: &[
        ("min.insync.replicas", "2"),
        ("cleanup.policy", "compact"),
        ("segment.bytes", "65536"),
        ("min.cleanable.dirty.ratio", "0.01"),
    ],
};

/// The topics of a workload.
pub fn topics(workload: Workload) -> Vec<Wanted> {
    match workload {
        Workload::Queue => vec![plain("queue", 8)],
        Workload::Txn => vec![plain("source", 6), plain("target", 4)],
        Workload::Groups => vec![plain("shared", 8)],
        Workload::Compacted => vec![COMPACTED],
    }
}

/// Starts the clients of a workload on its topics.
pub fn start(workload: Workload, office: &Office, recorder: &Arc<Recorder>, topics: &[Topic], seed: u64) -> Clients {
    let start = Start { office, recorder, seed };
    match workload {
        Workload::Queue => start.queue(&topics[0]),
        Workload::Txn => start.txn(&topics[0], &topics[1]),
        Workload::Groups => start.groups(&topics[0]),
        Workload::Compacted => start.compacted(&topics[0]),
    }
}

struct Start<'a> {
    office: &'a Office,
    recorder: &'a Arc<Recorder>,
    seed: u64,
}

impl Start<'_> {
    fn writer(&self, topic: &Topic, name: &str, kind: Producer, rate: u32, keys: u32) -> JoinHandle<()> {
        producer::start(self.office, self.recorder, topic, Writer { name, kind, rate, keys, seed: self.seed })
    }

    fn reader(&self, topic: &Topic, name: &str, isolation: Isolation, jumps: Option<Duration>) -> JoinHandle<()> {
        let reader = Reader { name, isolation, jumps, seed: self.seed };
        reader::start(self.office, self.recorder, topic, reader)
    }

    /// Writers, plain and idempotent, and readers, of which one jumps back now and then.
    fn queue(&self, topic: &Topic) -> Clients {
        let writers = vec![
            self.writer(topic, "plain-a", Producer::Plain, 150, 0),
            self.writer(topic, "plain-b", Producer::Plain, 150, 0),
            self.writer(topic, "idempotent-a", Producer::Idempotent, 150, 0),
            self.writer(topic, "idempotent-b", Producer::Idempotent, 150, 0),
        ];
        let readers = vec![
            self.reader(topic, "tail", Isolation::ReadUncommitted, None),
            self.reader(topic, "committed", Isolation::ReadCommitted, None),
            self.reader(topic, "back", Isolation::ReadUncommitted, Some(Duration::from_secs(3))),
        ];
        Clients { writers, readers }
    }

    /// Transactions from a source into a target, and readers of the target.
    fn txn(&self, source: &Topic, target: &Topic) -> Clients {
        let mut writers = vec![self.writer(source, "source", Producer::Idempotent, 100, 0)];
        for number in 0..3 {
            let task = mover::Task {
                name: format!("mover-{number}"),
                from: source.clone(),
                partitions: (0..source.partitions).filter(|partition| partition % 3 == number).collect(),
                to: target.clone(),
                group: number,
                seed: self.seed.wrapping_add(u64::from(number)),
            };
            writers.push(mover::start(self.office, self.recorder, task));
        }
        let readers = vec![
            self.reader(target, "committed", Isolation::ReadCommitted, None),
            self.reader(target, "uncommitted", Isolation::ReadUncommitted, None),
            self.reader(target, "committed-back", Isolation::ReadCommitted, Some(Duration::from_secs(3))),
            self.reader(source, "source-tail", Isolation::ReadUncommitted, None),
        ];
        Clients { writers, readers }
    }

    /// Two groups, one that rebalances eagerly and one cooperatively, whose members come and go.
    fn groups(&self, topic: &Topic) -> Clients {
        let writers = vec![
            self.writer(topic, "plain", Producer::Plain, 150, 0),
            self.writer(topic, "idempotent", Producer::Idempotent, 150, 0),
        ];
        let mut readers = vec![self.reader(topic, "tail", Isolation::ReadUncommitted, None)];
        for (number, strategy) in [(0, "range"), (1, "cooperative-sticky")] {
            let group = member::Group { name: format!("group-{strategy}"), number, topic: topic.clone(), strategy };
            readers.push(member::watch(self.office, self.recorder, &group));
            for member in 0..3 {
                let name = format!("member-{number}-{member}");
                let seed = self.seed.wrapping_add(u64::from(number) * 3 + member);
                readers.push(member::start(self.office, self.recorder, &name, &group, seed));
            }
        }
        Clients { writers, readers }
    }

    /// Writers of keys that are written again and again, and deleted.
    fn compacted(&self, topic: &Topic) -> Clients {
        let writers = vec![
            self.writer(topic, "keys-a", Producer::Idempotent, 150, 40),
            self.writer(topic, "keys-b", Producer::Idempotent, 150, 40),
            self.writer(topic, "keys-c", Producer::Idempotent, 100, 400),
        ];
        let readers = vec![
            self.reader(topic, "tail", Isolation::ReadUncommitted, None),
            self.reader(topic, "back", Isolation::ReadUncommitted, Some(Duration::from_secs(3))),
        ];
        Clients { writers, readers }
    }
}

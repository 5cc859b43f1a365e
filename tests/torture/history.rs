//! The history of a run: what each client asked for, was told and saw, what was done to the cluster, and what the cluster showed of itself.
//!
//! The driver records it, `judge` reads it; nothing here does I/O but [`History::read`] and [`Event::line`], the JSON-lines form in which a
//! run is kept. **One event is one finished operation**, with the time it was asked for and the time it ended: what Jepsen writes as invoke
//! and ok, fail or info is one event with an [`Outcome`]. What has not ended when the run does is recorded as unknown. Clients, topics,
//! groups and values are numbers, so that a million records stay small; their names are in the events that declare them.
//!
//! Times are microseconds since the start of the run, of one monotonic clock. Events may be recorded in any order of time, but those of one
//! client in the order it did them.

use std::fmt;
use std::io::{self, BufRead};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A client's number: unique over the run. One that is started again after a crash is a new client.
pub type ClientId = u16;
/// A consumer group's number; its name is the driver's affair.
pub type GroupId = u16;
/// A broker's id.
pub type BrokerId = i32;
/// A record's key, in the compacted workload.
pub type Key = u32;

/// A partition of a topic. A topic that is deleted and made again with the same name gets a new number ([`Act::Created`] has both).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tp {
    /// The topic's number.
    pub topic: u16,
    /// The partition.
    pub partition: u16,
}

/// What a record is known by. No two sends carry the same, also not of a producer that tries the same again by itself: a new send is a
/// new value. In the record it is text at the front of its value, up to the first space; of a tombstone it is the header [`Value::HEADER`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Value {
    /// The client that sends it.
    pub writer: ClientId,
    /// Counts up in the order of that client's sends, over all partitions.
    pub number: u32,
}

impl Value {
    /// The writer of what nobody wrote.
    const ALIEN: ClientId = ClientId::MAX;
    /// The name of the header that carries a tombstone's value.
    pub const HEADER: &str = "value";

    /// What goes into the record: `size` bytes, or as many as it takes.
    pub fn payload(self, size: usize) -> String {
        let mut text = format!("{self} ");
        while text.len() < size {
            text.push('.');
        }
        text
    }

    /// What a record carries. Bytes that no client writes are an alien, whose number is made of them.
    pub fn of_payload(payload: &[u8]) -> Self {
        let text = std::str::from_utf8(payload).ok();
        let front = text.and_then(|text| text.split(' ').next());
        front.and_then(|front| front.parse().ok()).unwrap_or_else(|| {
            let number = payload.iter().fold(17u32, |n, byte| n.wrapping_mul(31).wrapping_add(u32::from(*byte)));
            Self { writer: Self::ALIEN, number }
        })
    }
}

/// How something ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done, says the cluster.
    Ok,
    /// It was **not** done, and never will be: the client knows it. In doubt it is `Unknown`.
    Failed(Box<str>),
    /// It may be done, now or later, or not: a time-out, a lost connection, the end of the run.
    Unknown(Box<str>),
}

/// One record on its way into a partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Send {
    /// Where to.
    pub tp: Tp,
    /// What.
    pub value: Value,
    /// Its key, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// It deletes its key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tombstone: bool,
    /// The delivery report. Inside a transaction: of the append, whatever becomes of the transaction.
    pub outcome: Outcome,
    /// Where it lies, if the report says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
}

/// One record that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// Where it lies.
    #[serde(rename = "o")]
    pub offset: i64,
    /// What it is.
    #[serde(rename = "v")]
    pub value: Value,
    /// Its key, if it has one.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// It deletes its key.
    #[serde(rename = "t", default, skip_serializing_if = "is_false")]
    pub tombstone: bool,
}

/// What one poll gave of one partition, in the order it was given. Many polls may be put together into one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Polled {
    /// Which.
    pub tp: Tp,
    /// The records.
    pub records: Box<[Seen]>,
}

/// A part of a transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A record.
    Send(Send),
    /// A poll of the client's consumer, whose position its other polls go on from.
    Poll(Box<[Polled]>),
}

/// How a transaction ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The commit was answered.
    Committed,
    /// It was aborted, or its commit was never asked for (or definitely refused): it can never be committed.
    Aborted,
    /// The commit was asked for, and how it ended is not known.
    Unknown(Box<str>),
}

/// A transaction from its begin to its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Txn {
    /// Sends and polls, in order.
    pub steps: Vec<Step>,
    /// What `sendOffsetsToTransaction` was given, if it was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offsets: Option<Offsets>,
    /// When its commit or abort was asked for; the end of the event, if neither was. Before it nobody may read what it wrote.
    pub asked: u64,
    /// What became of it.
    pub end: End,
}

/// A group's offsets on their way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Offsets {
    /// Whose.
    pub group: GroupId,
    /// The generation of the member that commits, if the client knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i32>,
    /// The next to read, by partition.
    pub offsets: Vec<(Tp, i64)>,
}

/// What a client is, stated by its first event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Role {
    /// For people.
    pub name: String,
    /// Whether and how it sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<Producer>,
    /// Whether and what it reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// The group it is a member of, or commits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
}

/// How a client sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Producer {
    /// acks=all; a record may be there twice, and out of order.
    Plain,
    /// `enable.idempotence`.
    Idempotent,
    /// Idempotent, and every send is in a transaction.
    Transactional,
}

/// What a reader is given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Nothing of a transaction that is not committed.
    ReadCommitted,
    /// Everything that is replicated.
    ReadUncommitted,
}

/// What was done to topics and leaders, by the driver.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A topic was made.
    Created { topic: u16, name: String, partitions: u16, compacted: bool, outcome: Outcome },
    /// It has so many partitions now.
    Grown { topic: u16, partitions: u16, outcome: Outcome },
    /// It was deleted. From the event's begin on nothing of it counts as lost.
    Deleted { topic: u16, outcome: Outcome },
    /// A partition's replicas were moved.
    Reassigned { tp: Tp, replicas: Vec<BrokerId>, outcome: Outcome },
    /// A preferred election was asked for.
    PreferredElection { tp: Tp, outcome: Outcome },
    /// An unclean election, or a loss of power of all brokers at once: what the cluster may have lost, and nothing else. `from` is the log
    /// end of the replica that leads afterwards, at that election; where that can't be known, the least log end of all that may lead. The
    /// event begins not later than the cause, and ends not earlier than the first answer of the new leader.
    MayLose { tp: Tp, from: i64, cause: Cause },
}

/// Why something may be lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A leader was elected that was not in sync.
    UncleanElection,
    /// All brokers lost power: what was not fsynced may be gone.
    AllLostPower,
}

/// Something that was done to the machines, from its begin to its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// Its name in `--faults`.
    pub name: String,
    /// Whom it hit, and how: `broker 2`, `broker 0 from zookeeper`.
    pub whom: String,
}

/// Who says who leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Teller {
    /// The partition's state node.
    ZooKeeper,
    /// A broker, of itself: it served something that only a leader serves, in this epoch.
    Broker(BrokerId),
}

/// A batch as it lies in a log, by its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// Its first offset.
    pub offset: i64,
    /// How many records it has.
    pub count: u32,
    /// The epoch of the leader that took it.
    pub leader_epoch: i32,
    /// -1 without one.
    pub producer: i64,
    /// The producer's epoch.
    pub epoch: i16,
    /// The first sequence number; -1 without one.
    pub sequence: i32,
    /// What it is for.
    pub kind: BatchKind,
}

/// What a batch is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchKind {
    /// Records outside a transaction.
    Plain,
    /// Records of a transaction.
    Transactional,
    /// A transaction ends here, committed.
    Commit,
    /// A transaction ends here, aborted.
    Abort,
}

/// What the cluster shows of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    /// Who leads a partition (-1: nobody), in which epoch, and who is in sync (empty when a broker tells). Recorded when it changes.
    Leader { tp: Tp, leader: BrokerId, epoch: i32, isr: Vec<BrokerId>, by: Teller },
    /// The high watermark that a leader answers: `ListOffsets` of the latest, read_uncommitted, version 5 or later (it is refused while a
    /// new leader does not know yet).
    HighWatermark { tp: Tp, broker: BrokerId, epoch: i32, offset: i64 },
    /// Who is the controller (-1: nobody).
    Controller { broker: BrokerId, epoch: i32 },
    /// A broker ended by itself.
    Ended { broker: BrokerId, how: String },
    /// Every partition had its leader and its full ISR so long after the last fault, or not within `limit_us`.
    Healed { after_us: Option<u64>, limit_us: u64 },
    /// After everything: what a reader gets of a partition from its beginning to its end.
    Contents { tp: Tp, isolation: Isolation, records: Vec<Seen> },
    /// After everything: the batches of a partition's log.
    Batches { tp: Tp, batches: Vec<Batch> },
    /// After everything: one replica. `digest` is of all bytes of its segments from `start` on.
    Replica { tp: Tp, broker: BrokerId, start: i64, end: i64, bytes: u64, digest: u64 },
    /// After everything: the path of every node in the brokers' ZooKeeper, without the chroot.
    Znodes(Vec<String>),
    /// A broker cut `bytes` bytes off a partition's log at its start, or was made to (`told`: whether its log says so).
    Recovered { tp: Tp, broker: BrokerId, bytes: u64, told: bool },
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The client says what it is: its first event.
    Client(Role),
    /// A record, outside any transaction.
    Send(Send),
    /// A poll outside any transaction. Empty ones need not be recorded.
    Poll(Box<[Polled]>),
    /// A transaction.
    Txn(Box<Txn>),
    /// These partitions joined what the client reads, by itself or by a rebalance, to be read from there if that is known.
    Assigned(Box<[(Tp, Option<i64>)]>),
    /// They left it; `lost` when the group had given them away already.
    Revoked { tps: Box<[Tp]>, lost: bool },
    /// It reads on from there: a seek, also after an aborted transaction, or a reset after `Refused`.
    Seek { tp: Tp, to: i64 },
    /// The client's position was refused: out of range, or it was told that the log was cut.
    Refused { tp: Tp, offset: i64, why: Box<str> },
    /// A commit of a group's offsets outside any transaction.
    Commit { offsets: Box<Offsets>, outcome: Outcome },
    /// What the coordinator answers as committed (-1: nothing). Only of requests that ask for stable offsets.
    Committed(Box<Offsets>),
    /// Something was done to topics or leaders.
    Act(Box<Act>),
    /// Something was done to the machines.
    Fault(Box<Fault>),
    /// The cluster was looked at.
    Saw(Box<Sight>),
}

/// One finished operation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Who did it.
    pub by: ClientId,
    /// When it was asked for.
    #[serde(rename = "from")]
    pub begin: u64,
    /// When it ended.
    #[serde(rename = "to")]
    pub end: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// Its line, without the line's end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("an event is JSON")
    }
}

/// Everything that happened in a run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// Those of one client in its order.
    pub events: Vec<Event>,
}

impl History {
    /// Out of its lines. An incomplete last line is left out.
    ///
    /// # Errors
    /// What can't be read, and a line that is no event, with its number.
    pub fn read(lines: impl BufRead) -> io::Result<Self> {
        let mut events = Vec::new();
        let mut broken: Option<io::Error> = None;
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line?;
            if let Some(error) = broken.take() {
                return Err(error);
            }
            match serde_json::from_str(&line) {
                Ok(event) => events.push(event),
                Err(error) => broken = Some(io::Error::other(format!("line {number}: {error}: {line}"))),
            }
        }
        Ok(Self { events })
    }
}

fn is_false(it: &bool) -> bool {
    !it
}

impl fmt::Display for Tp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}-{}", self.topic, self.partition)
    }
}

impl FromStr for Tp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.strip_prefix('t').and_then(|rest| rest.split_once('-'));
        let parsed = parts.and_then(|(t, p)| Some(Self { topic: t.parse().ok()?, partition: p.parse().ok()? }));
        parsed.ok_or_else(|| format!("no partition: {text:?}"))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.writer, self.number)
    }
}

impl FromStr for Value {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed =
            text.split_once(':').and_then(|(w, n)| Some(Self { writer: w.parse().ok()?, number: n.parse().ok()? }));
        parsed.ok_or_else(|| format!("no value: {text:?}"))
    }
}

/// serde's `into` and `try_from`, by the text.
macro_rules! as_text {
    ($($of:ty),*) => {$(
        impl From<$of> for String {
            fn from(it: $of) -> Self {
                it.to_string()
            }
        }

        impl TryFrom<String> for $of {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
    )*};
}

as_text!(Tp, Value);

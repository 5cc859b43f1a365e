//! Members of a consumer group that come and go: each reads what it is assigned and commits where it is; and who asks meanwhile what the
//! coordinator has as committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaResult;
use rdkafka::message::Message;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::reader::{Gathered, is_refusal};
use super::{Office, bounded, seen, spawn};
use crate::history::{GroupId, Isolation, Offsets, Outcome, Role, Tp, What};
use crate::recorder::{Recorder, Voice};
use crate::topics::Topic;

/// Between two commits.
const COMMIT_EVERY: Duration = Duration::from_millis(700);
/// Between two questions for what is committed.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// The last members come to the end within this, or what they have not seen is the judge's affair.
const DRAINED_WITHIN: Duration = Duration::from_secs(90);

/// A group.
#[derive(Clone)]
pub struct Group {
    /// In the cluster.
    pub name: String,
    /// In the history.
    pub number: GroupId,
    /// What it reads.
    pub topic: Topic,
    /// `partition.assignment.strategy`.
    pub strategy: &'static str,
}

impl Group {
    fn tp(&self, partition: i32) -> Tp {
        Tp { topic: self.topic.number, partition: partition as u16 }
    }

    fn tps(&self, list: &TopicPartitionList) -> Vec<Tp> {
        list.elements().iter().map(|element| self.tp(element.partition())).collect()
    }
}

/// What a member has read and not committed yet; shared with the callback of rebalances, which runs inside its polls.
struct Context {
    group: Group,
    voice: Voice,
    gathered: Mutex<Gathered>,
    next: Mutex<BTreeMap<Tp, i64>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Context {}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        lock(&self.gathered).flush(&self.voice);
        match rebalance {
            Rebalance::Assign(list) => {
                let tps = self.group.tps(list).into_iter().map(|tp| (tp, None)).collect();
                self.voice.says(What::Assigned(tps));
            }
            Rebalance::Revoke(list) => {
                let lost = consumer.assignment_lost();
                if !lost {
                    self.commit(consumer);
                }
                let tps = self.group.tps(list);
                lock(&self.next).retain(|tp, _| !tps.contains(tp));
                self.voice.says(What::Revoked { tps: tps.into(), lost });
            }
            Rebalance::Error(_) => {}
        }
    }
}

impl Context {
    /// Commits where it is, and waits for the answer.
    fn commit(&self, consumer: &BaseConsumer<Self>) {
        lock(&self.gathered).flush(&self.voice);
        let next = lock(&self.next).clone();
        if next.is_empty() {
            return;
        }
        let mut places = TopicPartitionList::new();
        for (tp, next) in &next {
            let offset = Offset::Offset(*next);
            places.add_partition_offset(&self.group.topic.name, tp.partition.into(), offset).expect("an offset");
        }
        let begin = self.voice.now();
        let outcome = match consumer.commit(&places, CommitMode::Sync) {
            Ok(()) => Outcome::Ok,
            Err(error) => Outcome::Unknown(error.to_string().into()),
        };
        let offsets = Offsets { group: self.group.number, generation: None, offsets: next.into_iter().collect() };
        self.voice.did(begin, What::Commit { offsets: Box::new(offsets), outcome });
    }
}

/// Members one after the other, as long as the run lasts; the last one stays to the end.
pub fn start(office: &Office, recorder: &Arc<Recorder>, name: &str, group: &Group, seed: u64) -> JoinHandle<()> {
    let (office, recorder, group, name) = (office.clone(), recorder.clone(), group.clone(), name.to_string());
    spawn(&name.clone(), move || {
        let mut rng = Rng::with_seed(seed);
        loop {
            let life = Duration::from_millis(rng.u64(4000..25_000));
            if member(&office, &recorder, &name, &group, life).is_none() {
                return;
            }
            if office.phase.is_writing() {
                std::thread::sleep(Duration::from_millis(rng.u64(0..3000)));
            }
        }
    })
}

/// One member; none when it has read to the end of the run.
fn member(office: &Office, recorder: &Arc<Recorder>, name: &str, group: &Group, life: Duration) -> Option<()> {
    let isolation = Some(Isolation::ReadCommitted);
    let voice = recorder.client(Role { name: name.into(), producer: None, isolation, group: Some(group.number) });
    let gathered = Mutex::new(Gathered::new(&voice));
    let context = Context { group: group.clone(), voice: voice.clone(), gathered, next: Mutex::default() };
    let mut config = office.reader_config(name, true);
    config
        .set("group.id", &group.name)
        .set("auto.offset.reset", "earliest") // of a group that has committed nothing yet
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "1000")
        .set("max.poll.interval.ms", "20000")
        .set("partition.assignment.strategy", group.strategy);
    let consumer: BaseConsumer<Context> = config.create_with_context(context).expect("settings it knows");
    consumer.subscribe(&[&group.topic.name]).expect("a subscription");
    let (born, mut committed) = (Instant::now(), Instant::now());
    let mut draining: Option<Instant> = None;
    let done = loop {
        let context = consumer.context();
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let tp = group.tp(message.partition());
                lock(&context.next).insert(tp, message.offset() + 1);
                lock(&context.gathered).add(tp, seen(&message));
            }
            Some(Err(error)) if is_refusal(&error) => {
                lock(&context.gathered).flush(&voice);
                for (tp, offset) in lock(&context.next).clone() {
                    voice.says(What::Refused { tp, offset, why: error.to_string().into() });
                }
            }
            Some(Err(_)) | None => {}
        }
        if lock(&context.gathered).is_due() {
            lock(&context.gathered).flush(&voice);
        }
        if committed.elapsed() > COMMIT_EVERY {
            context.commit(&consumer);
            committed = Instant::now();
        }
        if let Some(ends) = office.phase.ends() {
            let since = *draining.get_or_insert_with(Instant::now);
            let quiet = is_at(&consumer, group, &ends).unwrap_or(false) && since.elapsed() > Duration::from_secs(3);
            if quiet || since.elapsed() > DRAINED_WITHIN {
                break None;
            }
        } else if office.phase.is_writing() && born.elapsed() > life {
            break Some(());
        }
    };
    bounded(move || {
        consumer.context().commit(&consumer);
        drop(consumer);
    });
    done
}

/// It has read all of what it is assigned. None when that can't be known.
fn is_at(consumer: &BaseConsumer<Context>, group: &Group, ends: &BTreeMap<Tp, i64>) -> Option<bool> {
    let position = consumer.position().ok()?;
    let assigned = group.tps(&consumer.assignment().ok()?);
    if assigned.is_empty() {
        return Some(true);
    }
    Some(assigned.iter().all(|tp| {
        let at = position.find_partition(&group.topic.name, tp.partition.into());
        let at = at.and_then(|at| at.offset().to_raw()).unwrap_or(-1);
        ends.get(tp).is_none_or(|end| at >= *end || *end == 0)
    }))
}

/// Asks what is committed, as long as the run lasts.
pub fn watch(office: &Office, recorder: &Arc<Recorder>, group: &Group) -> JoinHandle<()> {
    let name = format!("watch-{}", group.name);
    let isolation = Some(Isolation::ReadCommitted);
    let voice = recorder.client(Role { name: name.clone(), producer: None, isolation, group: Some(group.number) });
    let mut config = office.reader_config(&name, true);
    let consumer: BaseConsumer = config.set("group.id", &group.name).create().expect("settings it knows");
    let (office, group) = (office.clone(), group.clone());
    spawn(&name, move || {
        while office.phase.ends().is_none() {
            let begin = voice.now();
            if let Ok(offsets) = committed(&consumer, &group) {
                let told = Offsets { group: group.number, generation: None, offsets };
                voice.did(begin, What::Committed(Box::new(told)));
            }
            std::thread::sleep(ASK_EVERY);
        }
    })
}

fn committed(consumer: &BaseConsumer, group: &Group) -> KafkaResult<Vec<(Tp, i64)>> {
    let mut wanted = TopicPartitionList::new();
    for tp in group.topic.tps() {
        wanted.add_partition(&group.topic.name, tp.partition.into());
    }
    let found = consumer.committed_offsets(wanted, Duration::from_secs(4))?;
    let offset = |offset| match offset {
        Offset::Offset(offset) => offset,
        _ => -1,
    };
    Ok(found.elements().iter().map(|e| (group.tp(e.partition()), offset(e.offset()))).collect())
}

//! Transactional clients: each reads its own partitions of one topic, writes into another, and commits both in one transaction; some
//! transactions write only, some are aborted. A client whose producer is fenced or broken for good begins anew, as a new client with the
//! same transactional id.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use fastrand::Rng;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::producer::failure;
use super::{Office, bounded, seen, spawn};
use crate::history::{
    End, GroupId, Isolation, Offsets, Outcome, Polled, Producer, Role, Seen, Send, Step, Tp, Txn, Value, What,
};
use crate::recorder::{Recorder, Voice};
use crate::topics::Topic;

/// Of a transaction that its client has left.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait in one call; it is made again while that makes sense.
const CALL: Duration = Duration::from_secs(5);
/// So often a call is made again before its client is given up.
const CALLS: usize = 12;

/// Keeps delivery reports until their transaction is over.
#[derive(Default)]
struct Reports(Mutex<BTreeMap<Value, (Outcome, Option<i64>)>>);

impl Reports {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Value, (Outcome, Option<i64>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Context(Arc<Reports>);

impl ClientContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Value>;

    fn delivery(&self, result: &DeliveryResult<'_>, value: Box<Value>) {
        let report = match result {
            Ok(message) => (Outcome::Ok, Some(message.offset()).filter(|offset| *offset >= 0)),
            Err((error, _)) => (failure(error), None),
        };
        self.0.lock().insert(*value, report);
    }
}

/// What a mover has to do.
#[derive(Clone)]
pub struct Task {
    /// Its name, and its transactional id.
    pub name: String,
    /// Read from.
    pub from: Topic,
    /// Its partitions there: nobody else's.
    pub partitions: Vec<u16>,
    /// Written to.
    pub to: Topic,
    /// Of the offsets; its name is that of the mover.
    pub group: GroupId,
    /// What it draws from.
    pub seed: u64,
}

/// Starts a mover.
pub fn start(office: &Office, recorder: &Arc<Recorder>, task: Task) -> JoinHandle<()> {
    let (office, recorder) = (office.clone(), recorder.clone());
    spawn(&task.name.clone(), move || {
        let mut rng = Rng::with_seed(task.seed);
        while office.phase.is_writing() {
            let mut life = Life::new(&office, &recorder, &task, rng.fork());
            let begun = life.begin();
            while begun.is_some() && office.phase.is_writing() && life.transaction().is_some() {}
            bounded(move || drop(life));
        }
    })
}

/// A producer and a consumer, until one of them is broken for good.
struct Life {
    task: Task,
    voice: Voice,
    reports: Arc<Reports>,
    /// Shared with calls that hang.
    producer: Arc<ThreadedProducer<Context>>,
    consumer: BaseConsumer,
    /// The next to read, by partition.
    next: BTreeMap<u16, i64>,
    number: u32,
    rng: Rng,
}

impl Life {
    fn new(office: &Office, recorder: &Arc<Recorder>, task: &Task, rng: Rng) -> Self {
        let voice = recorder.client(Role {
            name: task.name.clone(),
            producer: Some(Producer::Transactional),
            isolation: Some(Isolation::ReadCommitted),
            group: Some(task.group),
        });
        let reports = Arc::<Reports>::default();
        let mut config = office.config(&task.name);
        config
            .set("transactional.id", &task.name)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
            .set("message.timeout.ms", "12000")
            .set("request.timeout.ms", "6000")
            .set("linger.ms", "2");
        let producer: ThreadedProducer<Context> =
            config.create_with_context(Context(reports.clone())).expect("settings it knows");
        let consumer: BaseConsumer = office.reader_config(&task.name, true).create().expect("settings it knows");
        let (task, producer) = (task.clone(), Arc::new(producer));
        Self { task, voice, reports, producer, consumer, next: BTreeMap::new(), number: 0, rng }
    }

    /// Goes on where the one before has committed. None when the coordinator can't be reached for long.
    fn begin(&mut self) -> Option<()> {
        self.persist(|producer| producer.init_transactions(CALL))?.ok()?;
        self.next = self.committed()?;
        let mut places = TopicPartitionList::new();
        for (partition, next) in &self.next {
            let offset = Offset::Offset(*next);
            places.add_partition_offset(&self.task.from.name, (*partition).into(), offset).expect("an offset");
        }
        let tps = self.next.iter().map(|(partition, next)| (self.tp(*partition), Some(*next))).collect();
        self.voice.says(What::Assigned(tps));
        self.consumer.assign(&places).expect("an assignment");
        Some(())
    }

    fn tp(&self, partition: u16) -> Tp {
        Tp { topic: self.task.from.number, partition }
    }

    /// What the coordinator has as committed of its partitions, where nothing is pending; 0 where nothing is.
    fn committed(&self) -> Option<BTreeMap<u16, i64>> {
        let mut wanted = TopicPartitionList::new();
        for partition in &self.task.partitions {
            wanted.add_partition(&self.task.from.name, (*partition).into());
        }
        let begin = self.voice.now();
        let found = (0..CALLS).find_map(|_| self.consumer.committed_offsets(wanted.clone(), CALL).ok())?;
        let offset = |partition: &u16| match found.find_partition(&self.task.from.name, (*partition).into())?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        let all = |none: i64| {
            self.task.partitions.iter().map(|p| (*p, offset(p).unwrap_or(none))).collect::<BTreeMap<_, _>>()
        };
        let offsets = all(-1).into_iter().map(|(partition, offset)| (self.tp(partition), offset)).collect();
        let told = Offsets { group: self.task.group, generation: None, offsets };
        self.voice.did(begin, What::Committed(Box::new(told)));
        Some(all(0))
    }

    /// One transaction; none when this life is over.
    fn transaction(&mut self) -> Option<()> {
        let begin = self.voice.now();
        self.producer.begin_transaction().ok()?;
        let before = self.next.clone();
        let mut steps = Vec::new();
        let mut moves = false;
        for _ in 0..self.rng.usize(1..4) {
            let polled = if self.rng.u8(0..3) > 0 { self.poll() } else { Box::default() };
            let many = polled.iter().map(|p| p.records.len()).sum::<usize>().max(self.rng.usize(0..3));
            if !polled.is_empty() {
                moves = true;
                steps.push(Step::Poll(polled));
            }
            for _ in 0..many {
                steps.extend(self.send().map(Step::Send));
            }
        }
        let offsets = moves.then(|| self.offsets());
        let wants_abort = self.rng.u8(0..8) == 0;
        let given = match offsets.is_some() && !wants_abort {
            true => self.give_offsets(),
            false => Some(Ok(())),
        };
        if wants_abort {
            // An abort takes back what was not sent yet: then no reader would have anything to pass over.
            let _ = self.producer.flush(Duration::from_secs(2));
        }
        // Sends without a report keep the commit waiting; it is asked for all the same.
        let asked = self.voice.now();
        let (end, goes_on) = match given {
            Some(Ok(())) if !wants_abort => match self.persist(|producer| producer.commit_transaction(CALL)) {
                Some(Ok(())) => (End::Committed, true),
                Some(Err(error)) if needs_abort(&error) => self.abort(),
                Some(Err(error)) => (End::Unknown(error.to_string().into()), false),
                None => (End::Unknown("the client hangs".into()), false),
            },
            Some(Ok(())) => self.abort(),
            Some(Err(error)) if needs_abort(&error) => self.abort(),
            // Nobody has asked for a commit.
            Some(Err(_)) | None => (End::Aborted, false),
        };
        self.account(&mut steps);
        let aborted = matches!(end, End::Aborted);
        let txn = Txn { steps, offsets, asked, end };
        self.voice.did(begin, What::Txn(Box::new(txn)));
        if aborted && goes_on && moves {
            self.back_to(&before)?;
        }
        goes_on.then_some(())
    }

    /// Aborts: how the transaction ended, and whether the producer can go on.
    fn abort(&self) -> (End, bool) {
        match self.persist(|producer| producer.abort_transaction(CALL)) {
            Some(Ok(())) => (End::Aborted, true),
            // The commit that failed before may be on its way still.
            Some(Err(error)) => (End::Unknown(error.to_string().into()), false),
            None => (End::Unknown("the client hangs".into()), false),
        }
    }

    /// Up to a handful of records.
    fn poll(&mut self) -> Box<[Polled]> {
        let mut records: BTreeMap<u16, Vec<Seen>> = BTreeMap::new();
        for _ in 0..self.rng.usize(1..6) {
            let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(50)) else { break };
            let partition = message.partition() as u16;
            self.next.insert(partition, message.offset() + 1);
            records.entry(partition).or_default().push(seen(&message));
        }
        records.into_iter().map(|(p, records)| Polled { tp: self.tp(p), records: records.into() }).collect()
    }

    fn send(&mut self) -> Option<Send> {
        let value = Value { writer: self.voice.id(), number: self.number };
        self.number += 1;
        let tp = Tp { topic: self.task.to.number, partition: self.rng.u16(0..self.task.to.partitions) };
        let payload = value.payload(self.rng.usize(10..200));
        let record = BaseRecord::<(), str, _>::with_opaque_to(&self.task.to.name, Box::new(value));
        self.producer.send(record.partition(tp.partition.into()).payload(&payload)).ok()?;
        let outcome = Outcome::Unknown("no report".into());
        Some(Send { tp, value, key: None, tombstone: false, outcome, offset: None })
    }

    fn offsets(&self) -> Offsets {
        let offsets = self.next.iter().map(|(partition, next)| (self.tp(*partition), *next)).collect();
        Offsets { group: self.task.group, generation: None, offsets }
    }

    fn give_offsets(&self) -> Option<KafkaResult<()>> {
        let mut places = TopicPartitionList::new();
        for (partition, next) in &self.next {
            let offset = Offset::Offset(*next);
            places.add_partition_offset(&self.task.from.name, (*partition).into(), offset).expect("an offset");
        }
        let metadata = Arc::new(self.consumer.group_metadata().expect("it has a group"));
        self.persist(move |producer| producer.send_offsets_to_transaction(&places, &metadata, CALL))
    }

    /// Calls again what may work the next time. None when a call does not return.
    fn persist<F>(&self, call: F) -> Option<KafkaResult<()>>
    where
        F: Fn(&ThreadedProducer<Context>) -> KafkaResult<()> + Clone + std::marker::Send + 'static,
    {
        let mut last = Ok(());
        for _ in 0..CALLS {
            let (producer, call) = (self.producer.clone(), call.clone());
            last = bounded(move || call(&producer))?;
            match &last {
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
                _ => break,
            }
        }
        Some(last)
    }

    /// Gives the sends their reports: all have one after a commit or an abort.
    fn account(&self, steps: &mut [Step]) {
        let mut reports = self.reports.lock();
        for step in steps {
            if let Step::Send(send) = step
                && let Some(report) = reports.remove(&send.value)
            {
                (send.outcome, send.offset) = report;
            }
        }
    }

    /// Reads again from where the transaction that was aborted began.
    fn back_to(&mut self, before: &BTreeMap<u16, i64>) -> Option<()> {
        for (partition, to) in before {
            let begin = self.voice.now();
            let offset = Offset::Offset(*to);
            self.consumer.seek(&self.task.from.name, (*partition).into(), offset, Duration::from_secs(10)).ok()?;
            self.next.insert(*partition, *to);
            self.voice.did(begin, What::Seek { tp: self.tp(*partition), to: *to });
        }
        Some(())
    }
}

fn needs_abort(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.txn_requires_abort())
}

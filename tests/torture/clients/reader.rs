//! Readers of all partitions of a topic, from the beginning: one goes straight on, one jumps back now and then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::{Office, seen, spawn};
use crate::history::{Isolation, Polled, Role, Seen, Tp, What};
use crate::recorder::{Recorder, Voice};
use crate::topics::Topic;

/// How long what was read is gathered before it is written down.
const GATHERED_FOR: Duration = Duration::from_millis(200);
/// A reader that was refused asks each leader for so long where its log begins, and again after as long.
const ASKS_FOR: Duration = Duration::from_secs(1);
/// A reader comes to the end within this, or what it has not seen is the judge's affair.
const DRAINED_WITHIN: Duration = Duration::from_secs(60);

/// What a reader is.
pub struct Reader<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is given.
    pub isolation: Isolation,
    /// It jumps back after about this long.
    pub jumps: Option<Duration>,
    /// The order of its jumps.
    pub seed: u64,
}

/// What was read and is not written down yet.
pub struct Gathered {
    begin: u64,
    since: Instant,
    records: BTreeMap<Tp, Vec<Seen>>,
}

impl Gathered {
    /// Nothing.
    pub fn new(voice: &Voice) -> Self {
        Self { begin: voice.now(), since: Instant::now(), records: BTreeMap::new() }
    }

    /// Adds a record.
    pub fn add(&mut self, tp: Tp, seen: Seen) {
        self.records.entry(tp).or_default().push(seen);
    }

    /// It is time to write it down.
    pub fn is_due(&self) -> bool {
        self.since.elapsed() > GATHERED_FOR
    }

    /// Gives it out, for the history.
    pub fn take(&mut self) -> Box<[Polled]> {
        let records = std::mem::take(&mut self.records).into_iter();
        records.map(|(tp, records)| Polled { tp, records: records.into() }).collect()
    }

    /// Writes it down.
    pub fn flush(&mut self, voice: &Voice) {
        if !self.records.is_empty() {
            let polled = self.take();
            voice.did(self.begin, What::Poll(polled));
        }
        *self = Self::new(voice);
    }
}

/// Starts a reader.
pub fn start(office: &Office, recorder: &Arc<Recorder>, topic: &Topic, reader: Reader<'_>) -> JoinHandle<()> {
    let Reader { name, isolation, jumps, seed } = reader;
    let voice = recorder.client(Role { name: name.into(), producer: None, isolation: Some(isolation), group: None });
    let config = office.reader_config(name, isolation == Isolation::ReadCommitted);
    let consumer: BaseConsumer = config.create().expect("settings it knows");
    let mut places = TopicPartitionList::new();
    for tp in topic.tps() {
        places.add_partition_offset(&topic.name, tp.partition.into(), Offset::Offset(0)).expect("an offset");
    }
    voice.says(What::Assigned(topic.tps().map(|tp| (tp, Some(0))).collect()));
    consumer.assign(&places).expect("an assignment");
    let (office, topic) = (office.clone(), topic.clone());
    let rng = Rng::with_seed(seed ^ u64::from(voice.id()));
    spawn(name, move || {
        let next = topic.tps().map(|tp| (tp, 0)).collect();
        let mut at = At { voice, consumer, topic, next, rng, refused: None };
        at.read(&office, jumps);
    })
}

/// A reader at work.
struct At {
    voice: Voice,
    consumer: BaseConsumer,
    topic: Topic,
    /// The next offset, by partition.
    next: BTreeMap<Tp, i64>,
    rng: Rng,
    /// It was refused, why and when it last asked where it may read.
    refused: Option<(String, Instant)>,
}

impl At {
    fn read(&mut self, office: &Office, jumps: Option<Duration>) {
        let mut gathered = Gathered::new(&self.voice);
        let mut jumped = Instant::now();
        let mut draining: Option<Instant> = None;
        loop {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let tp = Tp { topic: self.topic.number, partition: message.partition() as u16 };
                    self.next.insert(tp, message.offset() + 1);
                    gathered.add(tp, seen(&message));
                }
                Some(Err(error)) if is_refusal(&error) => {
                    gathered.flush(&self.voice);
                    self.refused.get_or_insert_with(|| (error.to_string(), Instant::now()));
                }
                Some(Err(_)) | None => {} // a broker is away: the client goes on by itself
            }
            if self.refused.as_ref().is_some_and(|(_, asked)| asked.elapsed() > ASKS_FOR) {
                gathered.flush(&self.voice);
                self.begin_anew();
            }
            if gathered.is_due() {
                gathered.flush(&self.voice);
            }
            if let Some(ends) = office.phase.ends() {
                let since = *draining.get_or_insert_with(Instant::now);
                let position = self.consumer.position().ok();
                let is_there = |(tp, next): (&Tp, &i64)| {
                    let at = position.as_ref().and_then(|p| p.find_partition(&self.topic.name, tp.partition.into()));
                    let at = at.and_then(|at| at.offset().to_raw()).unwrap_or(-1).max(*next);
                    ends.get(tp).is_none_or(|end| at >= *end)
                };
                if self.next.iter().all(is_there) || since.elapsed() > DRAINED_WITHIN {
                    gathered.flush(&self.voice);
                    return;
                }
            } else if jumps.is_some_and(|every| jumped.elapsed() > every) {
                gathered.flush(&self.voice);
                self.jump();
                jumped = Instant::now();
            }
        }
    }

    /// Back by a part of what it has read of some partition.
    fn jump(&mut self) {
        let tp = Tp { topic: self.topic.number, partition: self.rng.u16(0..self.topic.partitions) };
        let to = (self.next[&tp] - self.rng.i64(1..400)).max(0);
        self.seek(tp, to);
    }

    fn seek(&mut self, tp: Tp, to: i64) {
        let begin = self.voice.now();
        let done =
            self.consumer.seek(&self.topic.name, tp.partition.into(), Offset::Offset(to), Duration::from_secs(10));
        if done.is_ok() {
            self.next.insert(tp, to);
            self.voice.did(begin, What::Seek { tp, to });
        }
    }

    /// The client does not say which partition it was refused, reads none such any more, and can't seek there: all are read again, from
    /// their beginning, as soon as all leaders say where that is.
    fn begin_anew(&mut self) {
        let Some((why, asked)) = &mut self.refused else { return };
        *asked = Instant::now();
        let mut places = TopicPartitionList::new();
        let (mut assigned, mut beyond) = (Vec::new(), Vec::new());
        for (&tp, &next) in &self.next {
            let ask = self.consumer.fetch_watermarks(&self.topic.name, tp.partition.into(), ASKS_FOR);
            let Ok((first, end)) = ask else { return };
            if !(first..=end).contains(&next) {
                beyond.push(What::Refused { tp, offset: next, why: why.as_str().into() });
            }
            places
                .add_partition_offset(&self.topic.name, tp.partition.into(), Offset::Offset(first))
                .expect("an offset");
            assigned.push((tp, Some(first)));
        }
        if self.consumer.assign(&places).is_ok() {
            beyond.into_iter().for_each(|what| self.voice.says(what));
            self.next = assigned.iter().map(|(tp, first)| (*tp, first.unwrap_or(0))).collect();
            self.voice.says(What::Assigned(assigned.into()));
            self.refused = None;
        }
    }
}

/// The place where the reader is, is no more.
pub fn is_refusal(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::LogTruncation)
    )
}

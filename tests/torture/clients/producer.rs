//! Writers outside transactions: acks=all, plain or idempotent, each record with a value of its own.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use fastrand::Rng;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};

use super::{Office, TICK, spawn};
use crate::history::{Key, Outcome, Producer, Role, Send, Tp, Value, What};
use crate::recorder::{Recorder, Voice};
use crate::topics::Topic;

/// A record is given up after this.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(20);

/// Hands delivery reports to the recorder.
struct Reports(Voice);

/// A record on its way.
struct Sent {
    begin: u64,
    tp: Tp,
    value: Value,
    key: Option<Key>,
    tombstone: bool,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        let (outcome, offset) = match result {
            // What the broker had already is acknowledged without an offset.
            Ok(message) => (Outcome::Ok, Some(message.offset()).filter(|offset| *offset >= 0)),
            Err((error, _)) => (failure(error), None),
        };
        let Sent { begin, tp, value, key, tombstone } = *sent;
        let send = Send { tp, value, key, tombstone, outcome, offset };
        self.0.did(begin, What::Send(send));
    }
}

/// Whatever was given to the client may have been appended by an attempt before the last.
pub fn failure(error: &KafkaError) -> Outcome {
    let why = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| format!("{code:?}"));
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => Outcome::Failed(why.into()),
        _ => Outcome::Unknown(why.into()),
    }
}

/// What a writer is.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    /// Its name.
    pub name: &'a str,
    /// Plain or idempotent.
    pub kind: Producer,
    /// Records a second.
    pub rate: u32,
    /// Of how many keys, that nobody else writes; 0 for none. A record in twelve deletes its key.
    pub keys: u32,
    /// What it draws partitions and sizes from.
    pub seed: u64,
}

/// Starts a writer into all partitions of a topic; of a key always into the same.
pub fn start(office: &Office, recorder: &Arc<Recorder>, topic: &Topic, writer: Writer<'_>) -> JoinHandle<()> {
    let Writer { name, kind, rate, keys, seed } = writer;
    let voice = recorder.client(Role { name: name.into(), producer: Some(kind), isolation: None, group: None });
    let mut config = office.config(name);
    // Some wait for so long that a leader may lose its role and get it back meanwhile.
    let request_timeout = if voice.id().is_multiple_of(2) { "20000" } else { "8000" };
    config
        .set("acks", "all")
        .set("message.timeout.ms", GIVEN_UP_AFTER.as_millis().to_string())
        .set("request.timeout.ms", request_timeout)
        .set("socket.timeout.ms", "25000")
        .set("linger.ms", "5")
        .set("compression.type", ["none", "lz4", "zstd", "gzip", "snappy"][usize::from(voice.id()) % 5])
        .set("enable.idempotence", if kind == Producer::Plain { "false" } else { "true" });
    let context = Reports(voice.clone());
    let producer: ThreadedProducer<Reports> = config.create_with_context(context).expect("settings it knows");
    let (office, topic) = (office.clone(), topic.clone());
    let rng = Rng::with_seed(seed ^ u64::from(voice.id()));
    spawn(name, move || {
        let mut at = At { voice, producer, topic, keys, rng, number: 0 };
        let each_tick = TICK.as_secs_f64() * f64::from(rate);
        let mut owed = 0.0;
        while office.phase.is_writing() {
            owed += each_tick;
            while owed >= 1.0 {
                owed -= 1.0;
                at.send();
            }
            std::thread::sleep(TICK);
        }
        // Everything comes to its report by then; what does not shows as a value that nobody wrote.
        let _ = at.producer.flush(GIVEN_UP_AFTER * 2);
    })
}

/// A writer at work.
struct At {
    voice: Voice,
    producer: ThreadedProducer<Reports>,
    topic: Topic,
    keys: u32,
    rng: Rng,
    number: u32,
}

impl At {
    /// Hands one record to the client. One that does not fit into its queue was never sent: its number is left out.
    fn send(&mut self) {
        let rng = &mut self.rng;
        let value = Value { writer: self.voice.id(), number: self.number };
        self.number += 1;
        let key = (self.keys > 0).then(|| u32::from(value.writer) * 1000 + rng.u32(0..self.keys));
        let partition = match key {
            Some(key) => (key % u32::from(self.topic.partitions)) as u16,
            None => rng.u16(0..self.topic.partitions),
        };
        let tp = Tp { topic: self.topic.number, partition };
        let tombstone = key.is_some() && rng.u8(0..12) == 0;
        let size = if rng.u8(0..50) == 0 { rng.usize(2000..20_000) } else { rng.usize(10..300) };
        let (payload, key_text) = (value.payload(size), key.map(|key| key.to_string()));
        let sent = Box::new(Sent { begin: self.voice.now(), tp, value, key, tombstone });
        let mut record = BaseRecord::<str, str, _>::with_opaque_to(&self.topic.name, sent).partition(partition.into());
        if let Some(key) = &key_text {
            record = record.key(key);
        }
        record = match tombstone {
            true => {
                let text = value.to_string();
                record.headers(OwnedHeaders::new().insert(Header { key: Value::HEADER, value: Some(&text) }))
            }
            false => record.payload(&payload),
        };
        drop(self.producer.send(record));
    }
}

//! Compaction: what it costs a broker, and what it costs those who produce meanwhile.
//!
//! A topic is filled while its minimal dirty ratio keeps the cleaner off; then the ratio is lowered, and everything until the checkpoint
//! has passed the last closed segment is the cleaner's. Half of the keys come again and again. A first topic warms the Java machine.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ottla::record::{BatchBuilder, Codec};
use ottla::wire::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsRequestConfig, IncrementalAlterConfigsRequestResource,
};

use crate::broker::{Broker, Kind, Plan};
use crate::client::{self, Connection};
use crate::load::{self, IN_FLIGHT};
use crate::rows::{self, Row};
use crate::steady::{OPEN_PER_SECOND, PRODUCES};
use crate::{Bench, Result, Work};

/// A record with its key, before compression.
const RECORD_BYTES: usize = 100;
/// Of a record's 100, what is neither key nor value.
const RECORD_OVERHEAD: usize = 10;
const RECORDS_IN_BATCH: u64 = 150;
const KEYS: u64 = 1_000_000;
/// Several of them in the smallest topic: the newest is not cleaned.
const SEGMENT_BYTES: u64 = 64 << 20;

/// Records of a measured topic: 300 MB.
const RECORDS: u64 = 3_000_000;
/// Records of the topic that is compacted beside a producer: long enough for both brokers to be at it all the while.
const RECORDS_BESIDE: u64 = 24_000_000;
/// Longest wait for the cleaner.
const CLEAN_LIMIT: Duration = Duration::from_secs(120);
/// How often the checkpoint and the memory are looked at.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// How long the producer is measured, alone and beside the cleaner.
const OPEN_SECONDS: u64 = 4;

const ALTER_CONFIGS_VERSION: i16 = 1;
/// Resource type of a topic in a change of configs.
const TOPIC: i8 = 2;

/// One round of the rows of one broker.
pub fn measure(bench: &Bench, kind: Kind, round: usize, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    if !bench.wants(Work::Compact) {
        return Ok(());
    }
    let plan = Plan::new(&bench.args, kind, &format!("compact-{kind:?}-{round}"), 0)?
        .with("log.cleaner.backoff.ms=200")
        .with("log.retention.check.interval.ms=3600000");
    let broker = plan.start()?;
    fill(bench, &broker, "warm", bench.scaled(RECORDS / 3), Codec::None)?;
    clean(&broker, "warm")?;
    for (topic, codec, cost) in
        [("plain", Codec::None, &rows::COMPACT_PLAIN), ("zstd", Codec::Zstd, &rows::COMPACT_ZSTD)]
    {
        let records = bench.scaled(RECORDS);
        fill(bench, &broker, topic, records, codec)?;
        let bytes = records as f64 * RECORD_BYTES as f64 * closed_share(&broker, topic)?;
        let (cpu, resident_mb) = clean(&broker, topic)?;
        note(cost, cpu * 1e9 / bytes);
        if codec == Codec::None {
            note(&rows::COMPACT_MEMORY, resident_mb);
        }
    }
    beside(bench, &broker, note)?;
    broker.kill()?;
    plan.clean()
}

/// How long the producer is measured, alone and beside.
pub fn open_length(bench: &Bench) -> Duration {
    Duration::from_secs(bench.scaled(OPEN_SECONDS * 10) / 10).max(Duration::from_secs(1))
}

/// A producer in open loop, alone and while a topic is compacted.
fn beside(bench: &Bench, broker: &Broker, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let shape = &PRODUCES[1];
    Connection::to(broker.address())?.create_topic("produced", 1, 1, 1)?;
    fill(bench, broker, "beside", bench.scaled(RECORDS_BESIDE), Codec::None)?;
    let frame = shape.frame("produced")?;
    let length = open_length(bench);
    load::open_loop(broker.address(), &frame, OPEN_PER_SECOND, Duration::from_secs(1))?; // warm
    let mut alone = load::open_loop(broker.address(), &frame, OPEN_PER_SECOND, length)?;
    note(&rows::COMPACT_P99_ALONE, alone.quantile_ms(0.99));
    let cleaning = Cleaning::begin(broker, "beside")?;
    let mut with = load::open_loop(broker.address(), &frame, OPEN_PER_SECOND, length)?;
    let was_done = cleaning.is_done()?;
    note(&rows::COMPACT_P99, with.quantile_ms(0.99));
    if was_done {
        bench.progress("  the cleaner was done before the producer: its p99 is in part that of a broker without");
    }
    Ok(())
}

/// Fills a compacted topic that is not to be cleaned yet, with keys in no order.
fn fill(bench: &Bench, broker: &Broker, topic: &str, records: u64, codec: Codec) -> Result<()> {
    let mut connection = Connection::to(broker.address())?;
    let configs = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "1.0"), // more than everything is never dirty
        ("segment.bytes", &bench.scaled(SEGMENT_BYTES).to_string()),
    ];
    connection.ask_for_topic_with(topic, 1, 1, &configs)?;
    connection.await_leaders(topic, 1)?;
    let mut keys = Keys(88_172_645_463_325_252);
    let mut in_flight = 0;
    for _ in 0..records / RECORDS_IN_BATCH {
        connection.send(&client::produce(topic, 0, 1, &batch(&mut keys, codec)?)?)?;
        in_flight += 1;
        if in_flight == IN_FLIGHT {
            load::acknowledged(connection.receive()?)?;
            in_flight -= 1;
        }
    }
    (0..in_flight).try_for_each(|_| load::acknowledged(connection.receive()?))
}

/// Numbers in no order, the same ones for each broker (xorshift).
struct Keys(u64);

impl Keys {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn batch(keys: &mut Keys, codec: Codec) -> Result<Bytes> {
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut builder = BatchBuilder::new(0).codec(codec, None);
    let mut value = Vec::with_capacity(RECORD_BYTES);
    for _ in 0..RECORDS_IN_BATCH {
        let key = format!("key-{:012}", keys.next() % KEYS);
        value.clear();
        while value.len() + key.len() + RECORD_OVERHEAD < RECORD_BYTES {
            value.push(b'a' + (keys.next() % 26) as u8);
        }
        builder.append(now_ms, Some(key.as_bytes()), Some(&value), &[]);
    }
    Ok(builder.build()?)
}

/// How much of a topic is not in its newest segment, which is not cleaned; of 1.
fn closed_share(broker: &Broker, topic: &str) -> Result<f64> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(broker.plan().data.join(format!("{topic}-0")))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".log") {
            segments.push((name, entry.metadata()?.len()));
        }
    }
    segments.sort();
    let all: u64 = segments.iter().map(|(_, bytes)| bytes).sum();
    let newest = segments.last().map_or(0, |(_, bytes)| *bytes);
    Ok((all - newest) as f64 / all.max(1) as f64)
}

/// Lets the cleaner at a topic and waits until it is done: CPU seconds of the broker meanwhile, and the most memory it had.
fn clean(broker: &Broker, topic: &str) -> Result<(f64, f64)> {
    let before = broker.usage()?.cpu;
    let cleaning = Cleaning::begin(broker, topic)?;
    let begin = Instant::now();
    let mut resident_mb = 0f64;
    while begin.elapsed() < CLEAN_LIMIT {
        let usage = broker.usage()?;
        resident_mb = resident_mb.max(usage.resident_mb);
        if cleaning.is_done()? {
            return Ok(((broker.usage()?.cpu - before).as_secs_f64(), resident_mb));
        }
        thread::sleep(LOOK_PAUSE);
    }
    Err(format!("{topic} was not compacted within {CLEAN_LIMIT:?}").into())
}

/// A topic that the cleaner may have.
struct Cleaning<'a> {
    data: &'a Path,
    topic: String,
}

impl<'a> Cleaning<'a> {
    fn begin(broker: &'a Broker, topic: &str) -> Result<Self> {
        set_dirty_ratio(broker.address(), topic, "0.01")?;
        Ok(Self { data: &broker.plan().data, topic: topic.into() })
    }

    /// Everything but the newest segment was cleaned, says the checkpoint.
    fn is_done(&self) -> Result<bool> {
        let entries = fs::read_dir(self.data.join(format!("{}-0", self.topic)))?;
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let newest = names.filter_map(|name| name.strip_suffix(".log")?.parse::<i64>().ok()).max();
        let text = fs::read_to_string(self.data.join("cleaner-offset-checkpoint")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{} 0 ", self.topic)));
        Ok(newest.is_some() && line.and_then(|offset| offset.parse().ok()) == newest)
    }
}

fn set_dirty_ratio(address: SocketAddr, topic: &str, ratio: &'static str) -> Result<()> {
    let config = IncrementalAlterConfigsRequestConfig {
        name: "min.cleanable.dirty.ratio".into(),
        config_operation: 0,
        value: Some(ratio.into()),
    };
    let resource = IncrementalAlterConfigsRequestResource {
        resource_type: TOPIC,
        resource_name: topic.into(),
        configs: vec![config],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    match Connection::to(address)?.call(&request, ALTER_CONFIGS_VERSION)?.responses.first() {
        Some(response) if response.error_code == 0 => Ok(()),
        other => Err(format!("changing a config of {topic}: {other:?}").into()),
    }
}

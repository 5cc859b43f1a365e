//! One broker under load: start, memory, produce, fetch, open loop. Warmed before anything is measured: a Java machine compiles while it
//! runs, and its first minute says nothing of its second.

use std::fs::File;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustix::fs::{Advice, fadvise};

use crate::broker::{Broker, Kind, Plan};
use crate::client::{self, Connection};
use crate::load::{self, IN_FLIGHT};
use crate::rows::{self, Row};
use crate::{Bench, Result, Work};

/// Produce at full speed.
pub struct Produce {
    pub row: &'static Row,
    topic: &'static str,
    batch_bytes: usize,
    record_bytes: usize,
    /// Sent before, on a topic of its own: enough for a Java machine to have compiled what it runs, and over all shapes too little for
    /// the topic to roll, whose flush would fall into the measurement.
    warm_requests: u64,
    total_bytes: u64,
    /// The row counts requests, not bytes.
    by_request: bool,
}

pub static PRODUCES: [Produce; 3] = [
    Produce {
        row: &rows::PRODUCE_64K,
        topic: "large",
        batch_bytes: 64 * 1024,
        record_bytes: 1024,
        warm_requests: 8_000,
        total_bytes: 768_000_000,
        by_request: false,
    },
    Produce {
        row: &rows::PRODUCE_16K,
        topic: "middle",
        batch_bytes: 16 * 1024,
        record_bytes: 1024,
        warm_requests: 16_000,
        total_bytes: 512_000_000,
        by_request: false,
    },
    Produce {
        row: &rows::PRODUCE_1K,
        topic: "small",
        batch_bytes: 1024,
        record_bytes: 95,
        warm_requests: 60_000,
        total_bytes: 40_000_000,
        by_request: true,
    },
];

impl Produce {
    /// Requests of one round.
    pub fn count(&self, bench: &Bench) -> u64 {
        bench.scaled(self.total_bytes) / self.batch_bytes as u64
    }

    /// The request.
    pub fn frame(&self, topic: &str) -> Result<BytesMut> {
        client::produce(topic, 0, 1, &client::batch(self.batch_bytes, self.record_bytes)?)
    }

    /// CPU seconds in the row's unit.
    pub fn cost(&self, cpu_seconds: f64, count: u64) -> f64 {
        match self.by_request {
            true => cpu_seconds * 1e6 / count as f64,
            false => cpu_seconds * 1e9 / (count * self.batch_bytes as u64) as f64,
        }
    }

    fn run(&self, address: SocketAddr, topic: &str, count: u64) -> Result<()> {
        load::closed_loop(&mut Connection::to(address)?, &self.frame(topic)?, count, IN_FLIGHT)?;
        Ok(())
    }
}

/// Fetch from the page cache.
pub struct Fetch {
    pub row: &'static Row,
    pub max_bytes: i32,
    total_bytes: u64,
}

pub static FETCHES: [Fetch; 2] = [
    Fetch { row: &rows::FETCH_1M, max_bytes: 1 << 20, total_bytes: 3_000_000_000 },
    Fetch { row: &rows::FETCH_64K, max_bytes: 64 << 10, total_bytes: 1_000_000_000 },
];

impl Fetch {
    /// Bytes of one round.
    pub fn bytes(&self, bench: &Bench) -> u64 {
        bench.scaled(self.total_bytes)
    }
}

/// Rate of the open loop.
pub const OPEN_PER_SECOND: u64 = 500;

/// How long the open loop runs.
pub fn open_length(bench: &Bench) -> Duration {
    Duration::from_secs(bench.scaled(8).max(2))
}

/// How long an idle broker is left alone before its memory is read: what the start used is given back by then.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// One round of the rows of one broker.
pub fn measure(bench: &Bench, kind: Kind, round: usize, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let all = [Work::Produce, Work::Fetch, Work::Open, Work::Start, Work::Memory];
    if !all.into_iter().any(|work| bench.wants(work)) {
        return Ok(());
    }
    let plan = Plan::new(&bench.args, kind, &format!("steady-{kind:?}-{round}"), 0)?;
    let broker = plan.start()?;
    if bench.wants(Work::Start) {
        note(&rows::START, broker.age().as_secs_f64());
    }
    if bench.wants(Work::Memory) {
        thread::sleep(SETTLE_TIME);
        note(&rows::MEMORY_IDLE, broker.usage()?.resident_mb);
    }
    if bench.wants(Work::Produce) || bench.wants(Work::Fetch) || bench.wants(Work::Open) || bench.wants(Work::Memory) {
        loaded(bench, &broker, note)?;
    }
    if bench.wants(Work::Memory) {
        thread::sleep(SETTLE_TIME);
        note(&rows::MEMORY_LOADED, broker.usage()?.resident_mb);
    }
    broker.kill()?;
    plan.clean()
}

fn loaded(bench: &Bench, broker: &Broker, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let address = broker.address();
    let mut admin = Connection::to(address)?;
    admin.create_topic("warm", 1, 1, 1)?;
    for shape in &PRODUCES {
        admin.create_topic(shape.topic, 1, 1, 1)?;
    }
    warm(bench, address)?;
    for shape in &PRODUCES {
        let count = shape.count(bench);
        let cpu = broker.cpu_of(|| shape.run(address, shape.topic, count))?;
        if bench.wants(Work::Produce) {
            note(shape.row, shape.cost(cpu, count));
        }
    }
    if bench.wants(Work::Fetch) {
        for shape in &FETCHES {
            let bytes = shape.bytes(bench);
            let cpu = broker.cpu_of(|| load::fetch(address, PRODUCES[0].topic, shape.max_bytes, bytes))?;
            note(shape.row, cpu * 1e9 / bytes as f64);
        }
    }
    if bench.wants(Work::Open) {
        let frame = PRODUCES[1].frame(PRODUCES[1].topic)?;
        let mut alone = load::open_loop(address, &frame, OPEN_PER_SECOND, open_length(bench))?;
        note(&rows::OPEN_P50, alone.quantile_ms(0.5));
        note(&rows::OPEN_P99, alone.quantile_ms(0.99));
        note(&rows::OPEN_P999, alone.quantile_ms(0.999));
        let cold = ColdReader::start(broker)?;
        let mut beside = load::open_loop(address, &frame, OPEN_PER_SECOND, open_length(bench))?;
        cold.stop()?;
        note(&rows::COLD_P50, beside.quantile_ms(0.5));
        note(&rows::COLD_P99, beside.quantile_ms(0.99));
        note(&rows::COLD_P999, beside.quantile_ms(0.999));
    }
    Ok(())
}

/// Every kind of request, on a topic of its own.
fn warm(bench: &Bench, address: SocketAddr) -> Result<()> {
    for shape in &PRODUCES {
        shape.run(address, "warm", bench.scaled(shape.warm_requests))?;
    }
    for shape in &FETCHES {
        load::fetch(address, "warm", shape.max_bytes, shape.bytes(bench) / 2)?;
    }
    Ok(())
}

/// A consumer that reads data which is on the disk alone, at an even rate: faster, and two cores are busy with the reader itself.
struct ColdReader {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Result<()>>,
}

/// Twelve times what the open loop writes meanwhile.
const COLD_BYTES_PER_SECOND: u64 = 100_000_000;

impl ColdReader {
    fn start(broker: &Broker) -> Result<Self> {
        let topic = PRODUCES[0].topic;
        let segment = File::open(broker.plan().data.join(format!("{topic}-0/{:020}.log", 0)))?;
        let end = segment.metadata()?.len();
        segment.sync_all()?; // a page that is not on the disk yet can't be dropped
        fadvise(&segment, 0, None, Advice::DontNeed)?;
        let (address, stop) = (broker.address(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let mut connection = Connection::to(address)?;
            let begin = Instant::now();
            let (mut read, mut position, mut offset) = (0, 0, 0);
            while !stopped.load(Ordering::Relaxed) {
                let due = begin + Duration::from_secs_f64(read as f64 / COLD_BYTES_PER_SECOND as f64);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                connection.send(&client::fetch(topic, 0, offset, 1 << 20)?)?;
                let (length, next) = client::fetched(connection.receive()?)?.ok_or("no data to read")?;
                fadvise(&segment, position, NonZeroU64::new(length), Advice::DontNeed)?; // cold again for the next pass
                read += length;
                (position, offset) = if position + length < end { (position + length, next) } else { (0, 0) };
            }
            Ok(())
        });
        Ok(Self { stop, thread })
    }

    fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the cold reader panicked")?
    }
}

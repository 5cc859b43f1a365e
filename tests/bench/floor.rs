//! The machine's floor: the least that a log broker has to do. One thread reads a frame off the socket, computes its CRC32C, writes it
//! with one positional write and answers; or sends what a reader asks for by `sendfile(2)`. Measured under the very load that the
//! brokers get, by the CPU time of that thread.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ottla::wire::{ProduceResponse, ProduceResponsePartition, ProduceResponseTopic, encode_response};
use rustix::time::{ClockId, clock_gettime};

use crate::client::{self, Connection, PRODUCE_VERSION};
use crate::compact;
use crate::load::{self, IN_FLIGHT, Latencies};
use crate::rows::{self, Column, Row, Table};
use crate::steady::{self, OPEN_PER_SECOND};
use crate::{Bench, Result, Work};

/// CPU time of the calling thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A server for one connection on a thread of its own, which gives its CPU time when the peer goes.
struct Floor {
    address: SocketAddr,
    thread: JoinHandle<Result<Duration>>,
}

impl Floor {
    fn serve(connection: impl FnOnce(TcpStream) -> Result<()> + Send + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            connection(stream)?;
            Ok(thread_cpu())
        });
        Ok(Self { address, thread })
    }

    fn cpu_seconds(self) -> Result<f64> {
        Ok(self.thread.join().map_err(|_| "the floor panicked")??.as_secs_f64())
    }
}

/// Length, frame, CRC32C, write, answer.
fn append_all(mut stream: TcpStream, file: &File) -> Result<()> {
    let answer = encode_response(&acknowledgement(), PRODUCE_VERSION, 1)?.bytes;
    let (mut length, mut frame, mut position) = ([0; 4], Vec::new(), 0);
    while stream.read_exact(&mut length).is_ok() {
        frame.resize(usize::try_from(i32::from_be_bytes(length))?, 0);
        stream.read_exact(&mut frame)?;
        std::hint::black_box(crc32c::crc32c(&frame));
        file.write_all_at(&frame, position)?;
        position += frame.len() as u64;
        stream.write_all(&answer)?;
    }
    Ok(())
}

fn acknowledgement() -> ProduceResponse {
    let topic =
        ProduceResponseTopic { name: "floor".into(), partition_responses: vec![ProduceResponsePartition::default()] };
    ProduceResponse { responses: vec![topic], ..Default::default() }
}

/// Each request is a length; so much of the file follows, from the start again at its end.
fn send_all(stream: TcpStream, file: &File) -> Result<()> {
    let end = file.metadata()?.len();
    let (mut requests, mut length, mut position) = (BufReader::new(&stream), [0; 4], 0);
    while requests.read_exact(&mut length).is_ok() {
        let length = u64::from(u32::from_be_bytes(length));
        if position + length > end {
            position = 0;
        }
        let stop = position + length;
        while position < stop {
            let left = usize::try_from(stop - position)?;
            if rustix::fs::sendfile(&stream, file, Some(&mut position), left)? == 0 {
                return Err("the floor's file ended".into());
            }
        }
    }
    Ok(())
}

/// One round of the floor's rows.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let path = bench.args.dir.join("floor");
    let mut note = |row: &'static Row, value| {
        bench.progress(&format!("  {}", rows::line(row, value)));
        table.add(row, Column::Floor, value);
    };
    if bench.wants(Work::Produce) || bench.wants(Work::Fetch) {
        for shape in &steady::PRODUCES {
            let count = shape.count(bench);
            let cpu = produce(&path, shape, count)?;
            if bench.wants(Work::Produce) {
                note(shape.row, shape.cost(cpu, count));
            }
            if bench.wants(Work::Fetch) && shape.row.work == rows::PRODUCE_64K.work {
                for shape in &steady::FETCHES {
                    note(
                        shape.row,
                        fetch(&path, shape.max_bytes, shape.bytes(bench))? * 1e9 / shape.bytes(bench) as f64,
                    );
                }
            }
        }
    }
    if bench.wants(Work::Open) {
        let mut latencies = open_loop(&path, steady::open_length(bench))?;
        note(&rows::OPEN_P50, latencies.quantile_ms(0.5));
        note(&rows::OPEN_P99, latencies.quantile_ms(0.99));
        note(&rows::OPEN_P999, latencies.quantile_ms(0.999));
    }
    if bench.wants(Work::Compact) {
        let length = compact::open_length(bench);
        note(&rows::COMPACT_P99_ALONE, open_loop(&path, length)?.quantile_ms(0.99));
        note(&rows::COMPACT_P99, beside_a_busy_thread(|| open_loop(&path, length))?.quantile_ms(0.99));
    }
    let _ = std::fs::remove_file(&path); // only there when something was written
    Ok(())
}

fn open_loop(path: &Path, length: Duration) -> Result<Latencies> {
    let file = File::create(path)?;
    let floor = Floor::serve(move |stream| append_all(stream, &file))?;
    let frame = client::produce("floor", 0, 1, &client::batch(16 * 1024, 1024)?)?;
    let latencies = load::open_loop(floor.address, &frame, OPEN_PER_SECOND, length)?;
    floor.cpu_seconds()?;
    Ok(latencies)
}

/// While a thread computes that nobody waits for, and that touches nothing: what any such work costs those beside it.
fn beside_a_busy_thread<T>(work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::hint::spin_loop()
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    })
}

fn produce(path: &Path, shape: &steady::Produce, count: u64) -> Result<f64> {
    let file = File::create(path)?;
    let floor = Floor::serve(move |stream| append_all(stream, &file))?;
    let frame = shape.frame("floor")?;
    let mut connection = Connection::to(floor.address)?;
    load::closed_loop(&mut connection, &frame, count, IN_FLIGHT)?;
    drop(connection);
    floor.cpu_seconds()
}

fn fetch(path: &Path, max_bytes: i32, bytes: u64) -> Result<f64> {
    let file = File::open(path)?;
    let floor = Floor::serve(move |stream| send_all(stream, &file))?;
    let mut stream = TcpStream::connect(floor.address)?;
    let mut buffer = vec![0; usize::try_from(max_bytes)?];
    for _ in 0..bytes / u64::try_from(max_bytes)? {
        stream.write_all(&max_bytes.to_be_bytes())?;
        stream.read_exact(&mut buffer)?;
    }
    drop(stream);
    floor.cpu_seconds()
}

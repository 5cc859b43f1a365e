//! Restarts: a broker that was killed with 2 GB to recover, and 5,000 clients that come back all at once.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ottla::wire::ApiVersionsRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::broker::{Kind, Plan};
use crate::client::{self, Connection, METADATA_VERSION};
use crate::load::{self, IN_FLIGHT};
use crate::rows::{self, Row};
use crate::{Bench, Result, Work};

/// To be recovered: in active segments, which nothing has flushed, of four partitions.
const RECOVER_BYTES: u64 = 2_000_000_000;
const RECOVER_PARTITIONS: i32 = 4;
const RECOVER_TOPIC: &str = "recover";

/// A supervisor starts a broker that ended again after so long (systemd's `RestartSec`).
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// Pause of a producer that was refused.
const RETRY_PAUSE: Duration = Duration::from_millis(2);

/// Longest wait for the first write after a kill.
const ACK_LIMIT: Duration = Duration::from_secs(120);

/// Clients that reconnect.
const CLIENTS: u64 = 5_000;
const CLIENT_TOPIC: &str = "clients";

/// The producer beside them: how many 1 KB batches a second, and how long from when the clients begin.
const BESIDE_PER_SECOND: u64 = 500;
const BESIDE_LENGTH: Duration = Duration::from_secs(5);

/// A client that is not served after this comes again.
const CLIENT_PATIENCE: Duration = Duration::from_secs(30);

/// One round of the rows of one broker.
pub fn measure(bench: &Bench, kind: Kind, round: usize, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    if bench.wants(Work::Restart) {
        let plan = Plan::new(&bench.args, kind, &format!("restart-{kind:?}-{round}"), 0)?;
        killed(bench, &plan, note)?;
        plan.clean()?;
    }
    if bench.wants(Work::Reconnect) {
        let plan = Plan::new(&bench.args, kind, &format!("reconnect-{kind:?}-{round}"), 0)?;
        reconnected(bench, &plan, note)?;
        plan.clean()?;
    }
    Ok(())
}

fn killed(bench: &Bench, plan: &Plan, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let broker = plan.start()?;
    fill(bench, plan.address)?;
    broker.kill()?;
    // What a session that has run out takes away. So a start is seen that waits for no session.
    for node in ["brokers/ids/0", "controller"] {
        let status = Command::new(bench.args.scripts.join("zookeeper.sh"))
            .args(["cli", &plan.connect, "delete", &format!("/{node}")])
            .output()?;
        if !status.status.success() {
            return Err(format!("could not delete {node}: {}", String::from_utf8_lossy(&status.stderr)).into());
        }
    }
    let broker = plan.start()?;
    note(&rows::RECOVER, broker.age().as_secs_f64());
    first_write(plan)?; // led again

    // The recovered data is flushed in the background at the earliest after `log.initial.task.delay.ms`: all of it is to be recovered again.
    let begin = Instant::now();
    broker.kill()?;
    let mut broker = plan.launch()?;
    loop {
        if broker.has_ended()? {
            thread::sleep(RESTART_PAUSE);
            broker = plan.launch()?;
        }
        if first_write(plan).is_ok() {
            break;
        }
        if begin.elapsed() > ACK_LIMIT {
            return Err("no write was acknowledged".into());
        }
    }
    note(&rows::KILL_TO_ACK, begin.elapsed().as_secs_f64());
    broker.kill()
}

/// Writes the data to be recovered.
fn fill(bench: &Bench, address: SocketAddr) -> Result<()> {
    Connection::to(address)?.create_topic(RECOVER_TOPIC, RECOVER_PARTITIONS, 1, 1)?;
    let batch = client::batch(64 * 1024, 1024)?;
    let count = bench.scaled(RECOVER_BYTES) / batch.len() as u64 / u64::from(RECOVER_PARTITIONS.unsigned_abs());
    for partition in 0..RECOVER_PARTITIONS {
        let frame = client::produce(RECOVER_TOPIC, partition, 1, &batch)?;
        load::closed_loop(&mut Connection::to(address)?, &frame, count, IN_FLIGHT)?;
    }
    Ok(())
}

/// Writes one batch; fails when the broker is away, tries again on the connection while it refuses.
fn first_write(plan: &Plan) -> Result<()> {
    thread::sleep(RETRY_PAUSE);
    let mut connection = Connection::to(plan.address)?;
    let frame = client::produce(RECOVER_TOPIC, 0, 1, &client::batch(1024, 95)?)?;
    loop {
        connection.send(&frame)?;
        if client::produce_code(connection.receive()?)? == 0 {
            return Ok(());
        }
        thread::sleep(RETRY_PAUSE);
    }
}

fn reconnected(bench: &Bench, plan: &Plan, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let count = bench.scaled(CLIENTS);
    let broker = plan.start()?;
    Connection::to(plan.address)?.create_topic(CLIENT_TOPIC, 1, 1, 1)?;
    broker.stop()?;
    let broker = plan.start()?;
    let frame = client::produce(CLIENT_TOPIC, 0, 1, &client::batch(1024, 95)?)?;
    while Connection::to(plan.address)?.leaders(CLIENT_TOPIC, 1)?.is_none() {
        thread::sleep(RETRY_PAUSE);
    }
    let address = plan.address;
    let beside = thread::spawn(move || load::open_loop(address, &frame, BESIDE_PER_SECOND, BESIDE_LENGTH));
    let begin = Instant::now();
    let held = runtime.block_on(connect_all(plan.address, count))?;
    note(&rows::RECONNECT_ALL, begin.elapsed().as_secs_f64());
    let mut beside = beside.join().map_err(|_| "the producer beside panicked")??;
    note(&rows::RECONNECT_P99, beside.quantile_ms(0.99));
    note(&rows::RECONNECT_MEMORY, broker.usage()?.resident_mb);
    drop(held);
    broker.kill()
}

/// All clients at once, each until it is served. Gives their connections.
async fn connect_all(address: SocketAddr, count: u64) -> Result<Vec<TcpStream>> {
    let requests = vec![
        client::encode(&ApiVersionsRequest::default(), 2)?,
        client::encode(&client::metadata_of(CLIENT_TOPIC), METADATA_VERSION)?,
    ];
    let requests = std::sync::Arc::new(requests);
    let local = tokio::task::LocalSet::new();
    let clients: Vec<_> = (0..count).map(|_| local.spawn_local(one_client(address, requests.clone()))).collect();
    local.await;
    let mut held = Vec::with_capacity(clients.len());
    for client in clients {
        held.push(client.await?);
    }
    Ok(held)
}

async fn one_client(address: SocketAddr, requests: std::sync::Arc<Vec<BytesMut>>) -> TcpStream {
    loop {
        if let Ok(Ok(stream)) = tokio::time::timeout(CLIENT_PATIENCE, try_client(address, &requests)).await {
            return stream;
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// Connects and asks what a client asks first.
async fn try_client(address: SocketAddr, requests: &[BytesMut]) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    for request in requests {
        stream.write_all(request).await?;
        let length = stream.read_u32().await?;
        let mut answer = vec![0; length as usize];
        stream.read_exact(&mut answer).await?;
    }
    Ok(stream)
}

//! Load: producing in closed loop (as fast as answers come) and in open loop (by the clock), and fetching.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::Result;
use crate::client::{self, Connection};

/// Produces in flight on a connection: what Kafka's producer sends.
pub const IN_FLIGHT: u64 = 5;

/// Sends a frame `count` times, `in_flight` of them at a time. Gives how long each took.
pub fn closed_loop(connection: &mut Connection, frame: &[u8], count: u64, in_flight: u64) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    let mut sent = std::collections::VecDeque::new();
    let mut left = count;
    while left > 0 || !sent.is_empty() {
        if left > 0 && (sent.len() as u64) < in_flight {
            sent.push_back(Instant::now());
            connection.send(frame)?;
            left -= 1;
            continue;
        }
        acknowledged(connection.receive()?)?;
        if let Some(begin) = sent.pop_front() {
            latencies.add(begin.elapsed());
        }
    }
    Ok(latencies)
}

/// Takes a produce's answer.
pub fn acknowledged(answer: Bytes) -> Result<()> {
    match client::produce_code(answer)? {
        0 => Ok(()),
        code => Err(format!("a produce was answered with error {code}").into()),
    }
}

/// Sends a frame `per_second` times a second, whether or not answers come. A frame's time counts from when it was due.
pub fn open_loop(address: SocketAddr, frame: &[u8], per_second: u64, length: Duration) -> Result<Latencies> {
    let mut connection = Connection::to(address)?;
    let mut writer = connection.writer()?;
    let (sender, due) = mpsc::channel::<Instant>();
    let reader = thread::spawn(move || -> Result<Latencies> {
        let mut latencies = Latencies::default();
        for due in due {
            let answer = connection.receive()?;
            latencies.add(due.elapsed());
            acknowledged(answer)?;
        }
        Ok(latencies)
    });
    wake_up_in_time();
    let begin = Instant::now();
    let pace = Duration::from_secs(1) / u32::try_from(per_second)?;
    for due in (0..).map(|n| begin + pace * n).take_while(|due| *due < begin + length) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if sender.send(due).is_err() {
            break; // the reader has failed, and says why
        }
        std::io::Write::write_all(&mut writer, frame)?;
    }
    drop(sender);
    reader.join().map_err(|_| "the reader panicked")?
}

/// The kernel lets a sleeper oversleep by 50 us unless told otherwise: a quarter of what is to be measured.
fn wake_up_in_time() {
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)); // then the median shows it
}

/// Fetches from the start until `bytes` came; begins anew at the end of the partition.
pub fn fetch(address: SocketAddr, topic: &str, max_bytes: i32, bytes: u64) -> Result<()> {
    let mut connection = Connection::to(address)?;
    let (mut offset, mut got) = (0, 0);
    while got < bytes {
        connection.send(&client::fetch(topic, 0, offset, max_bytes)?)?;
        match client::fetched(connection.receive()?)? {
            Some((length, next)) => {
                got += length;
                offset = next;
            }
            None if offset > 0 => offset = 0,
            None => return Err(format!("{topic} is empty").into()),
        }
    }
    Ok(())
}

/// How long requests took.
#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// One more.
    pub fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    /// Milliseconds that this share of the requests took at most.
    pub fn quantile_ms(&mut self, share: f64) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        self.0.get((share * last as f64).round() as usize).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }
}

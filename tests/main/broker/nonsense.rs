//! Requests that are well formed and make no sense: every API and version that is served, with names the broker knows and names it
//! can't know, extreme numbers, the same thing twice. Each is answered, or its connection closed; nothing panics, and whoever asks
//! sensibly afterwards is served.

use std::cell::Cell;
use std::sync::Once;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use ottla::api;
use ottla::wire::Gen;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use super::bed::{Bed, PRODUCE, batch, produce, produce_records};
use crate::wire::probe::{PROBES, Probe};

/// What the requests name half of the time.
const NAMES: &[&str] = &[
    "t",
    "t",
    "",
    ".",
    "..",
    "a/b",
    "__consumer_offsets",
    "__transaction_state",
    "g",
    "m",
    "0",
    "1",
    "-1",
    "consumer",
    "user",
    "client-id",
    "ip",
    "retention.ms",
    "cleanup.policy",
    "log.retention.ms",
    "compact,,delete",
    "9223372036854775808",
    "PLAINTEXT",
    "SCRAM-SHA-256",
];

/// A request of virtual time: who is not answered by then waits for somebody else.
const WAIT: Duration = Duration::from_millis(200);

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Panics on this thread, on which all tasks of a simulated broker run.
pub fn panics() -> usize {
    static COUNT: Once = Once::new();
    COUNT.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let _ = PANICS.try_with(|panics| panics.set(panics.get() + 1));
            before(info);
        }));
    });
    PANICS.get()
}

fn frame(probe: &Probe, version: i16, body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    frame.put_i16(probe.api.code());
    frame.put_i16(version);
    frame.put_i32(7);
    if probe.api.request_header_version(version) >= 1 {
        frame.put_i16(1);
        frame.put_u8(b'c');
    }
    if probe.api.request_header_version(version) >= 2 {
        frame.put_u8(0);
    }
    frame.put_slice(body);
    let len = i32::try_from(frame.len() - 4).expect("small");
    frame[..4].copy_from_slice(&len.to_be_bytes());
    frame
}

/// Sends requests of one API at one version; how many were answered.
async fn ask(bed: &Bed, probe: &Probe, version: i16, ids: &[Uuid], seeds: u64) -> u64 {
    let mut client = bed.connect().await;
    let mut answered = 0;
    for seed in 0..seeds {
        let body = (probe.generate_from)(Gen::new(seed, version).knowing(NAMES, ids.to_vec()));
        // A connection that was closed shows it at the next request.
        if client.stream.write_all(&frame(probe, version, &body)).await.is_err() {
            client = bed.connect().await;
            continue;
        }
        let answer = tokio::time::timeout(WAIT, async {
            let size = client.stream.read_u32().await.ok()?;
            let mut answer = vec![0; size as usize];
            client.stream.read_exact(&mut answer).await.ok()
        });
        match answer.await {
            Ok(Some(_)) => answered += 1,
            Ok(None) | Err(_) => client = bed.connect().await,
        }
        assert_eq!(panics(), 0, "{} version {version}, seed {seed}: {body:02x?}", probe.name);
    }
    answered
}

async fn nonsense_for(probe: &Probe, seeds: u64) {
    panics();
    let bed = Bed::new().await;
    let ids = vec![bed.topic("t", &[1]).await.0, bed.topic("kept", &[1]).await.0];
    for version in probe.api.versions() {
        let answered = ask(&bed, probe, version, &ids, seeds).await;
        assert!(answered > 0, "{} version {version}: none of {seeds} requests was answered", probe.name);
    }
    // Time for what was begun in the background.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(panics(), 0, "after {}", probe.name);
    if probe.api.is_cluster_action() {
        return; // a word of a controller counts, whatever it says
    }
    let mut client = bed.connect().await;
    client.send(&produce("kept", 1), PRODUCE).await;
    let (_, partition) = client.produced().await;
    assert!([0, 3].contains(&partition.error_code), "after {}: error {}", probe.name, partition.error_code);
}

#[tokio::test(start_paused = true)]
async fn requests_that_make_no_sense_are_answered_and_do_no_harm() {
    for probe in PROBES.iter().filter(|probe| probe.is_request && api::is_served(probe.api)) {
        nonsense_for(probe, 60).await;
    }
}

/// Batches with a right checksum whose fields lie.
#[tokio::test(start_paused = true)]
async fn batches_that_lie_are_refused_or_kept_whole() {
    panics();
    let bed = Bed::new().await;
    bed.topic("t", &[1]).await;
    let mut client = bed.connect().await;
    let honest = batch(b"some value");
    for seed in 0..3000 {
        let mut g = Gen::new(seed, 0);
        let mut lie = honest.to_vec();
        for _ in 0..=g.below(3) {
            let at = g.below(lie.len() as u64) as usize;
            lie[at] = if g.below(2) == 0 { 0xff } else { g.bits() as u8 };
        }
        let crc = crc32c::crc32c(&lie[21..]);
        lie[17..21].copy_from_slice(&crc.to_be_bytes());
        client.send(&produce_records("t", 1, Bytes::from(lie)), PRODUCE).await;
        client.produced().await;
        assert_eq!(panics(), 0, "seed {seed}");
    }
    client.send(&produce("t", 1), PRODUCE).await;
    let (_, partition) = client.produced().await;
    assert_eq!(partition.error_code, 0);
    assert_eq!(bed.partition("t").log().leo(), partition.base_offset + 1);
}

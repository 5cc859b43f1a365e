//! Over real sockets and files: `sendfile(2)`, slow and vanishing peers, many connections at once.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use ottla::wire::{ApiVersionsRequest, FetchRequest, FetchResponse};
use tokio::io::AsyncReadExt;

use crate::broker::bed::{Bed, FETCH, ME, batch, fetch, produce, produce_records};

const BATCHES: i64 = 8;

fn everything() -> FetchRequest {
    let mut all = fetch("t", 0, 0);
    all.topics[0].partitions[0].partition_max_bytes = 100 << 20;
    all
}

/// A bed with some megabytes in a topic, and the bytes of its log.
async fn filled(dir: &std::path::Path) -> (Bed, Bytes) {
    let bed = Bed::real(dir).await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    for n in 0..BATCHES {
        let value: Vec<u8> = (0..900_000_u32).map(|i| (i % 251) as u8 ^ n as u8).collect();
        let answer = client.ask(&produce_records("t", -1, batch(&value)), 11).await;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
    let log = std::fs::read(dir.join("t-0").join("00000000000000000000.log")).expect("a log");
    assert!(log.len() > 7_000_000);
    (bed, log.into())
}

fn records(answer: &FetchResponse) -> &Bytes {
    answer.responses[0].partitions[0].records.bytes().expect("records")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn large_fetch_is_the_log_byte_for_byte() {
    let dir = tempfile::tempdir().expect("a directory");
    let (bed, log) = filled(dir.path()).await;
    let mut client = bed.connect().await;
    for version in [4, 11, FETCH] {
        let answer = client.ask(&everything(), version).await;
        assert!(*records(&answer) == log, "version {version}");
    }
    assert_eq!(client.ask(&ApiVersionsRequest::default(), 0).await.error_code, 0, "the stream is in step");
    bed.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn slow_reader_gets_all_and_holds_nobody_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let (bed, log) = filled(dir.path()).await;
    let mut slow = bed.connect().await;
    slow.send(&everything(), FETCH).await;
    let mut size = [0; 4];
    slow.stream.read_exact(&mut size).await.expect("the size");
    for _ in 0..20 {
        let answer = bed.connect().await.ask(&everything(), FETCH).await;
        assert!(*records(&answer) == log);
    }
    let mut rest = vec![0; u32::from_be_bytes(size) as usize];
    slow.stream.read_exact(&mut rest).await.expect("the answer");
    let (_, answer) = ottla::wire::decode_response::<FetchResponse>(rest.into(), FETCH).expect("a fetch's answer");
    assert!(*records(&answer) == log);
    bed.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn peers_that_vanish_in_the_middle_of_an_answer_harm_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    let (bed, log) = filled(dir.path()).await;
    for n in 0..30 {
        let mut client = bed.connect().await;
        client.send(&everything(), FETCH).await;
        if n % 2 == 0 {
            client.stream.read_u32().await.expect("it has begun");
        }
    }
    let answer = bed.connect().await.ask(&everything(), FETCH).await;
    assert!(*records(&answer) == log);
    let began = std::time::Instant::now();
    bed.broker.stop().await;
    assert!(began.elapsed() < Duration::from_secs(4), "no answer to a dead peer holds a stop up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn many_connections_pipeline_and_each_keeps_its_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let bed = Bed::real(dir.path()).await;
    bed.topic("t", &[ME]).await;
    let one = async |bed: &Bed| {
        let mut client = bed.connect().await;
        let mut sent = Vec::new();
        for _ in 0..100 {
            sent.push(client.send(&produce("t", -1), 11).await);
        }
        let mut last = -1;
        for id in sent {
            let (answered, answer) = client.produced().await;
            assert_eq!((answered, answer.error_code), (id, 0));
            assert!(answer.base_offset > last, "offsets in the order of the requests");
            last = answer.base_offset;
        }
    };
    join_all((0..20).map(|_| one(&bed))).await;
    assert_eq!(bed.partition("t").log().leo(), 2000);
    bed.broker.stop().await;
}

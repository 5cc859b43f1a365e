//! Bounds on connections, on bytes in flight, on patience with peers; what a stop owes.

use std::time::Duration;

use ottla::wire::{ApiVersionsRequest, FetchResponse};

use crate::broker::bed::{Bed, FETCH, ME, OTHER, batch, fetch, produce, produce_records};

#[tokio::test(start_paused = true)]
async fn address_has_its_share_of_connections() {
    let bed = Bed::with(&[("max.connections.per.ip", "3")]).await; // the controller's own is one of them
    let mut first = bed.connect().await;
    first.ask(&ApiVersionsRequest::default(), 0).await;
    let mut second = bed.connect().await;
    second.ask(&ApiVersionsRequest::default(), 0).await;
    assert!(bed.connect().await.frame().await.is_none(), "closed at once");
    drop(second);
    bed.settle().await;
    bed.connect().await.ask(&ApiVersionsRequest::default(), 0).await;
    first.ask(&ApiVersionsRequest::default(), 0).await;
}

#[tokio::test(start_paused = true)]
async fn at_the_total_the_next_connection_waits_for_a_place_whichever_listener_it_came_by() {
    let two = [
        ("listeners", "PLAINTEXT://127.0.0.1:0,SIDE://127.0.0.1:0"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SIDE:PLAINTEXT"),
        ("max.connections", "2"), // one of them is the controller's
    ];
    let bed = Bed::with(&two).await;
    let mut first = bed.connect().await;
    first.ask(&ApiVersionsRequest::default(), 0).await; // the listener that nobody uses holds no place
    let mut second = bed.connect().await;
    let id = second.send(&ApiVersionsRequest::default(), 0).await;
    assert!(second.hears_nothing().await);
    drop(first);
    assert_eq!(second.next_id().await, id);
}

#[tokio::test(start_paused = true)]
async fn idle_connection_is_closed_and_a_waiting_one_is_not_idle() {
    let bed = Bed::with(&[("connections.max.idle.ms", "2000")]).await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    let poll = client.send(&fetch("t", 0, 5_000), FETCH).await;
    assert_eq!(client.next_id().await, poll);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    client.ask(&ApiVersionsRequest::default(), 0).await; // the long poll ended 1.5 s ago: not idle for 2 s
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert!(client.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn negative_idle_time_switches_idling_off() {
    let bed = Bed::with(&[("connections.max.idle.ms", "-1")]).await;
    let mut client = bed.connect().await;
    client.ask(&ApiVersionsRequest::default(), 0).await;
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    client.ask(&ApiVersionsRequest::default(), 0).await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_wait_hold_no_budget() {
    // Room for the bytes of one request.
    let bed = Bed::with(&[("queued.max.request.bytes", "4096"), ("socket.request.max.bytes", "4000")]).await;
    bed.topic("t", &[ME, OTHER]).await;
    let mut polling = bed.connect().await;
    let poll = polling.send(&fetch("t", 0, 60_000), FETCH).await;
    let mut producing = bed.connect().await;
    let sent = [producing.send(&produce("t", -1), 11).await, producing.send(&produce("t", -1), 11).await];
    bed.settle().await;
    assert_eq!(bed.partition("t").log().leo(), 2);
    bed.other_has("t", 2);
    assert_eq!([producing.produced().await.0, producing.produced().await.0], sent);
    assert_eq!(polling.next_id().await, poll);
}

#[tokio::test(start_paused = true)]
async fn peer_that_does_not_take_its_answer_loses_its_place() {
    let bed = Bed::with(&[("connections.max.idle.ms", "5000"), ("max.connections", "2")]).await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    for _ in 0..2 {
        client.ask(&produce_records("t", 1, batch(&vec![7; 600_000])), 11).await;
    }
    client.send(&fetch("t", 0, 0), FETCH).await; // more than the pipe holds, and nobody reads
    let mut next = bed.connect().await;
    let id = next.send(&ApiVersionsRequest::default(), 0).await;
    assert_eq!(next.next_id().await, id);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn large_answer_arrives_whole() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    let sent = batch(&(0..700_000_u32).map(|i| (i % 251) as u8).collect::<Vec<_>>());
    client.ask(&produce_records("t", 1, sent.clone()), 11).await;
    client.ask(&produce("t", 1), 11).await;
    let answer: FetchResponse = client.ask(&fetch("t", 0, 0), FETCH).await;
    let records = answer.responses[0].partitions[0].records.bytes().expect("records").clone();
    assert!(records.len() > sent.len());
    // Base offset, length and leader epoch stand before the CRC, and what it covers came as it was sent.
    assert_eq!(records[17..sent.len()], sent[17..]);
}

#[tokio::test(start_paused = true)]
async fn stop_answers_long_polls_and_closes_everything() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME, OTHER]).await;
    let mut polling = bed.connect().await;
    let poll = polling.send(&fetch("t", 0, 100_000), FETCH).await;
    let mut producing = bed.connect().await;
    producing.send(&produce("t", -1), 11).await;
    let mut idle = bed.connect().await;
    idle.ask(&ApiVersionsRequest::default(), 0).await;
    bed.settle().await;
    let began = tokio::time::Instant::now();
    bed.broker.stop().await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(polling.next_id().await, poll);
    assert!(polling.frame().await.is_none());
    assert!(idle.frame().await.is_none());
    assert!(producing.frame().await.is_none(), "replication did not come in time: no answer, and so no promise");
    assert!(bed.server.text("/brokers/ids/1").is_none());
}

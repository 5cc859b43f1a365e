//! Frames as they come from the wire: in pieces, too large, or of nobody's making.

use std::time::Duration;

use ottla::wire::{ApiVersionsRequest, ApiVersionsResponse};

use crate::broker::bed::{Bed, ME, OTHER, batch, produce, produce_records};

#[tokio::test(start_paused = true)]
async fn request_that_arrives_byte_by_byte_is_one_request() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    let (id, bytes) = client.encode(&produce("t", -1), 11);
    for byte in &bytes {
        client.send_bytes(std::slice::from_ref(byte)).await;
        tokio::task::yield_now().await;
    }
    let (answered, answer) = client.produced().await;
    assert_eq!((answered, answer.error_code, answer.base_offset), (id, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn many_requests_in_one_piece_are_answered_one_by_one() {
    let bed = Bed::new().await;
    let mut client = bed.connect().await;
    let mut all = Vec::new();
    let ids: Vec<i32> = (0..50)
        .map(|_| {
            let (id, bytes) = client.encode(&ApiVersionsRequest::default(), 0);
            all.extend_from_slice(&bytes);
            id
        })
        .collect();
    client.send_bytes(&all).await;
    for id in ids {
        assert_eq!(client.next_id().await, id);
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_request_has_no_effect() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    let (_, bytes) = client.encode(&produce("t", -1), 11);
    client.send_bytes(&bytes[..bytes.len() - 1]).await;
    bed.settle().await;
    drop(client);
    bed.settle().await;
    assert_eq!(bed.partition("t").log().leo(), 0);
    assert!(bed.connect().await.ask(&ApiVersionsRequest::default(), 0).await.error_code == 0, "and harms nobody");
}

#[tokio::test(start_paused = true)]
async fn request_that_stands_still_gives_its_share_back_long_before_the_idle_time() {
    let bed = Bed::with(&[("queued.max.request.bytes", "100000000"), ("socket.request.max.bytes", "100000000")]).await;
    bed.topic("t", &[ME]).await;
    let mut silent = bed.connect().await;
    silent.send_bytes(&99_950_000_i32.to_be_bytes()).await;
    silent.send_bytes(&[0; 10_000]).await;
    bed.settle().await;
    let began = tokio::time::Instant::now();
    let mut small = bed.connect().await;
    small.ask(&ApiVersionsRequest::default(), 0).await;
    assert!(began.elapsed() < Duration::from_secs(1), "a small request waited {:?}", began.elapsed());
    let mut large = bed.connect().await;
    large.send(&produce_records("t", 1, batch(&[7; 700_000])), 11).await;
    assert_eq!(large.produced().await.1.error_code, 0);
    let waited = began.elapsed();
    assert!(waited > Duration::from_secs(1) && waited < Duration::from_secs(60), "a large one waited {waited:?}");
    assert!(silent.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn peers_that_announce_large_requests_and_fall_silent_delay_nobody() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut silent = Vec::new();
    for sent in (0..100).map(|i| i * 30) {
        let mut peer = bed.connect().await;
        peer.send_bytes(&99_950_000_i32.to_be_bytes()).await;
        peer.send_bytes(&vec![0; sent]).await;
        silent.push(peer);
    }
    bed.settle().await;
    let began = tokio::time::Instant::now();
    let mut client = bed.connect().await;
    client.send(&produce_records("t", 1, batch(&[7; 700_000])), 11).await;
    assert_eq!(client.produced().await.1.error_code, 0);
    assert!(began.elapsed() < Duration::from_secs(1), "it waited {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn oversize_and_negative_frames_close_the_connection() {
    let bed = Bed::with(&[("socket.request.max.bytes", "1000")]).await;
    for size in [1001_i32, i32::MAX, -1, i32::MIN] {
        let mut client = bed.connect().await;
        client.send_bytes(&size.to_be_bytes()).await;
        assert!(client.frame().await.is_none(), "{size}");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_frame_closes_the_connection() {
    let bed = Bed::new().await;
    let mut client = bed.connect().await;
    client.send_bytes(&[0; 4]).await;
    assert!(client.frame().await.is_none());
}

/// What refuses a connection must not cost the answers due before it, nor let anything behind it in.
#[tokio::test(start_paused = true)]
async fn refusal_in_the_middle_of_pipelined_produces_closes_after_the_answers_before_it() {
    let unknown_api = [&[0, 0, 0, 10][..], &[3, 231, 0, 0, 0, 0, 0, 9, 255, 255]].concat();
    let oversize = i32::MAX.to_be_bytes().to_vec();
    let malformed = [&[0, 0, 0, 11][..], &[0, 0, 0, 3, 0, 0, 0, 9, 255, 255, 7]].concat(); // Produce 3 that ends early
    for (what, bad) in [("unknown api", unknown_api), ("oversize", oversize), ("malformed", malformed)] {
        let bed = Bed::new().await;
        bed.topic("t", &[ME, OTHER]).await;
        let mut client = bed.connect().await;
        let before = client.send(&produce("t", -1), 11).await;
        client.send_bytes(&bad).await;
        client.send(&produce("t", -1), 11).await;
        assert!(client.hears_nothing().await, "{what}");
        bed.other_has("t", 10);
        let (id, answer) = client.produced().await;
        assert_eq!((id, answer.error_code), (before, 0), "{what}");
        assert!(client.frame().await.is_none(), "{what}");
        assert_eq!(bed.partition("t").log().leo(), 1, "{what}: nothing behind it was appended");
    }
}

#[tokio::test(start_paused = true)]
async fn unserved_version_closes_but_api_versions_of_the_future_is_answered_in_version_0() {
    let bed = Bed::new().await;
    let mut client = bed.connect().await;
    let (_, mut bytes) = client.encode(&produce("t", -1), 11);
    bytes[6..8].copy_from_slice(&99_i16.to_be_bytes());
    client.send_bytes(&bytes).await;
    assert!(client.frame().await.is_none());

    let mut client = bed.connect().await;
    let (id, mut bytes) = client.encode(&ApiVersionsRequest::default(), 4);
    bytes[6..8].copy_from_slice(&99_i16.to_be_bytes());
    client.send_bytes(&bytes).await;
    let (answered, answer) = client.answer::<ApiVersionsResponse>(0).await;
    assert_eq!((answered, answer.error_code, answer.api_keys.len()), (id, 35, 1));
    assert_eq!((answer.api_keys[0].api_key, answer.api_keys[0].max_version), (18, 4));
    assert_eq!(client.ask(&ApiVersionsRequest::default(), 0).await.error_code, 0, "the connection lives on");
}

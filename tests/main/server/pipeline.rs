//! What may overlap on one connection, and in which order answers leave.

use ottla::wire::{ApiVersionsRequest, MetadataRequest, UpdateMetadataRequest, UpdateMetadataResponse};

use crate::broker::bed::{Bed, FETCH, ME, OTHER, fetch, produce};

#[tokio::test(start_paused = true)]
async fn pipelined_produces_are_appended_at_once_and_acknowledged_in_order() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME, OTHER]).await;
    let mut client = bed.connect().await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(client.send(&produce("t", -1), 11).await);
    }
    assert!(client.hears_nothing().await, "the other in-sync replica has none of them");
    assert_eq!(bed.partition("t").log().leo(), 5, "no produce waits for the one before");
    bed.other_has("t", 2);
    for (offset, sent) in sent.iter().enumerate().take(2) {
        let (id, answer) = client.produced().await;
        assert_eq!((id, answer.error_code, answer.base_offset), (*sent, 0, offset as i64));
    }
    assert!(client.hears_nothing().await);
    bed.other_has("t", 5);
    for (offset, sent) in sent.iter().enumerate().skip(2) {
        let (id, answer) = client.produced().await;
        assert_eq!((id, answer.error_code, answer.base_offset), (*sent, 0, offset as i64));
    }
}

#[tokio::test(start_paused = true)]
async fn quick_produce_behind_a_waiting_one_is_answered_after_it() {
    let bed = Bed::new().await;
    bed.topic("slow", &[ME, OTHER]).await;
    bed.topic("quick", &[ME]).await;
    let mut client = bed.connect().await;
    let slow = client.send(&produce("slow", -1), 11).await;
    let quick = client.send(&produce("quick", -1), 11).await;
    assert!(client.hears_nothing().await);
    assert_eq!(bed.partition("quick").log().leo(), 1);
    bed.other_has("slow", 1);
    assert_eq!((client.produced().await.0, client.produced().await.0), (slow, quick));
}

#[tokio::test(start_paused = true)]
async fn produce_behind_a_long_poll_starts_when_that_is_answered() {
    let bed = Bed::new().await;
    bed.topic("a", &[ME]).await;
    bed.topic("b", &[ME]).await;
    let mut client = bed.connect().await;
    let poll = client.send(&fetch("a", 0, 500), FETCH).await;
    let behind = client.send(&produce("b", -1), 11).await;
    bed.settle().await;
    assert_eq!(bed.partition("b").log().leo(), 0, "only a produce may overlap a produce");
    assert_eq!(client.next_id().await, poll);
    assert_eq!(client.produced().await.0, behind);
}

#[tokio::test(start_paused = true)]
async fn other_apis_between_produces_are_a_barrier() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME, OTHER]).await;
    let mut client = bed.connect().await;
    let first = client.send(&produce("t", -1), 11).await;
    let between = client.send(&MetadataRequest::default(), 9).await;
    let last = client.send(&produce("t", 1), 11).await;
    assert!(client.hears_nothing().await);
    assert_eq!(bed.partition("t").log().leo(), 1, "what stands behind the other API has not begun");
    bed.other_has("t", 1);
    assert_eq!(client.produced().await.0, first);
    assert_eq!(client.next_id().await, between);
    assert_eq!(client.produced().await.0, last);
}

#[tokio::test(start_paused = true)]
async fn produce_without_acks_is_silent_when_it_goes_well_and_closes_when_not() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    client.send(&produce("t", 0), 11).await;
    let asked = client.send(&ApiVersionsRequest::default(), 0).await;
    assert_eq!(client.next_id().await, asked, "the produce has no answer");
    assert_eq!(bed.partition("t").log().leo(), 1);
    client.send(&produce("nowhere", 0), 11).await;
    assert!(client.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn connection_of_the_controller_moves_lanes_and_goes_on() {
    let bed = Bed::new().await;
    let mut client = bed.connect().await;
    let cluster = &bed.broker.api().cluster;
    let update = UpdateMetadataRequest {
        controller_id: ME,
        controller_epoch: cluster.epochs.controller(),
        broker_epoch: cluster.epochs.broker(),
        ..Default::default()
    };
    let first = client.send(&ApiVersionsRequest::default(), 0).await;
    let second = client.send(&update, 8).await;
    let third = client.send(&update, 8).await;
    assert_eq!(client.next_id().await, first);
    for id in [second, third] {
        let (answered, answer) = client.answer::<UpdateMetadataResponse>(8).await;
        assert_eq!((answered, answer.error_code), (id, 0));
    }
    bed.broker.stop().await;
    assert!(client.frame().await.is_none(), "a stop ends connections of either lane");
}

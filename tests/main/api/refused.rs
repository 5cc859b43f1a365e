//! An idempotent producer's later batch does not take the place of one that was refused before it.

use std::time::Duration;

use bytes::Bytes;
use ottla::api::data::refused::{RefusedSequences, Sent};
use ottla::base::ErrorCode;
use ottla::record::builder::BatchBuilder;
use ottla::txn::Producer;
use tokio::time::Instant;

use crate::broker::bed::{Bed, Client, ME, produce_records, tp};

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
const REMEMBERED: Duration = Duration::from_secs(60);

fn numbered(producer: i64, epoch: i16, sequence: i32) -> Bytes {
    let mut batch = BatchBuilder::new(0).producer(producer, epoch, sequence);
    batch.append(1_700_000_000_000, None, Some(b"v"), &[]);
    batch.build().expect("a batch")
}

/// Code and base offset.
async fn sent(client: &mut Client, producer: i64, epoch: i16, sequence: i32) -> (i16, i64) {
    client.send(&produce_records("t", -1, numbered(producer, epoch, sequence)), 11).await;
    let (_, answer) = client.produced().await;
    (answer.error_code, answer.base_offset)
}

#[tokio::test(start_paused = true)]
async fn what_was_in_flight_behind_a_refused_batch_waits_for_it_to_be_sent_again() {
    let bed = Bed::new().await;
    let mut client = bed.connect().await;
    assert_eq!(
        sent(&mut client, 7, 0, 2).await,
        (UNKNOWN_TOPIC_OR_PARTITION, -1),
        "the broker has not heard of it yet"
    );
    bed.topic("t", &[ME]).await;
    assert_eq!(sent(&mut client, 7, 0, 4).await, (OUT_OF_ORDER_SEQUENCE_NUMBER, -1));
    assert_eq!(sent(&mut client, 7, 0, 3).await, (OUT_OF_ORDER_SEQUENCE_NUMBER, -1));
    assert_eq!(sent(&mut client, 8, 0, 5).await, (0, 0), "a producer of which nothing was refused begins anywhere");
    assert_eq!(sent(&mut client, 7, 1, 4).await, (0, 1), "and so does a new epoch");
    assert_eq!(sent(&mut client, 9, 0, 2).await, (0, 2));
    assert_eq!(sent(&mut client, 9, 0, 3).await, (0, 3));
    assert_eq!(bed.partition("t").log().leo(), 4);
}

#[tokio::test(start_paused = true)]
async fn refused_batch_gets_in_when_it_is_sent_again_and_the_others_behind_it() {
    let bed = Bed::new().await;
    let mut client = bed.connect().await;
    assert_eq!(sent(&mut client, 7, 0, 0).await.0, UNKNOWN_TOPIC_OR_PARTITION);
    bed.topic("t", &[ME]).await;
    assert_eq!(sent(&mut client, 7, 0, 1).await.0, OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(sent(&mut client, 7, 0, 0).await, (0, 0));
    assert_eq!(sent(&mut client, 7, 0, 1).await, (0, 1));
}

#[tokio::test(start_paused = true)]
async fn log_that_knows_the_producer_judges_by_itself() {
    let bed = Bed::new().await;
    let mut client = bed.connect().await;
    let mut other = bed.connect().await;
    assert_eq!(sent(&mut client, 7, 0, 0).await.0, UNKNOWN_TOPIC_OR_PARTITION);
    bed.topic("t", &[ME]).await;
    // It moved to another leader, went on there, and came back: what this log has of it says more than what was refused here.
    assert_eq!(sent(&mut other, 7, 0, 0).await, (0, 0));
    assert_eq!(sent(&mut client, 7, 0, 1).await, (0, 1));
}

#[test]
fn lowest_refused_sequence_is_awaited_for_a_while() {
    let (refused, id, now) = (RefusedSequences::default(), tp("t"), Instant::now());
    let at = |sequence| Sent { producer: Producer { id: 7, epoch: 0 }, sequence, transactional: false };
    let awaited = |after| refused.awaited(&id, at(0), now + after);
    let note = |sequence, code, after| refused.note(&id, at(sequence), code, now + after);
    assert_eq!(awaited(Duration::ZERO), None);
    note(5, Some(ErrorCode::MessageTooLarge), Duration::ZERO);
    assert_eq!(awaited(Duration::ZERO), None, "given up by its producer");
    note(5, Some(ErrorCode::NotLeaderOrFollower), Duration::ZERO);
    note(9, Some(ErrorCode::NotLeaderOrFollower), Duration::ZERO);
    note(9, Some(ErrorCode::OutOfOrderSequenceNumber), Duration::ZERO);
    assert_eq!(awaited(Duration::ZERO), Some(5));
    note(4, Some(ErrorCode::KafkaStorageError), Duration::from_secs(1));
    assert_eq!(awaited(REMEMBERED), Some(4), "one second is left");
    assert_eq!(awaited(REMEMBERED + Duration::from_secs(1)), None);
    note(i32::MAX, Some(ErrorCode::NotEnoughReplicas), Duration::ZERO);
    assert_eq!(awaited(Duration::ZERO), Some(i32::MAX), "0 follows the highest sequence");
    note(i32::MAX, None, Duration::ZERO);
    assert_eq!(awaited(Duration::ZERO), None, "written");
}

#[test]
fn connection_remembers_a_bounded_number_of_refused_batches() {
    let (refused, now) = (RefusedSequences::default(), Instant::now());
    let of = |id| Sent { producer: Producer { id, epoch: 0 }, sequence: 0, transactional: false };
    let code = Some(ErrorCode::NotLeaderOrFollower);
    for id in 0..5000 {
        refused.note(&tp("t"), of(id), code, now);
    }
    let kept = (0..5000).filter(|id| refused.awaited(&tp("t"), of(*id), now).is_some()).count();
    assert_eq!(kept, 4096);
    let later = now + REMEMBERED;
    refused.note(&tp("t"), of(5000), code, later);
    assert_eq!(refused.awaited(&tp("t"), of(5000), later), Some(0), "the old ones made room");
    let long = tp(&"x".repeat(300));
    refused.note(&long, of(1), code, later);
    assert_eq!(refused.awaited(&long, of(1), later), None, "no topic has such a name");
}

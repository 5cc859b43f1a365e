//! Produce, Fetch, ListOffsets and DeleteRecords: codes, fields and rules that clients rely on.

use ottla::base::TopicId;
use ottla::base::ids::NO_BROKER;
use ottla::wire::{
    DeleteRecordsRequest, DeleteRecordsRequestPartition, DeleteRecordsRequestTopic, FetchRequest,
    FetchRequestPartition, FetchRequestTopic, FetchResponse, FetchResponseLeaderIdAndEpoch, FetchResponsePartition,
    LeaderAndIsrRequest, LeaderAndIsrRequestPartitionState, LeaderAndIsrRequestTopicState, ListOffsetsRequest,
    ListOffsetsRequestPartition, ListOffsetsRequestTopic, ProduceRequest, ProduceResponseLeaderIdAndEpoch,
    UpdateMetadataRequest, UpdateMetadataRequestPartitionState, UpdateMetadataRequestTopicState,
};

use crate::broker::bed::{Bed, Client, FETCH, ME, OTHER, batch, fetch, produce, produce_records};

/// The last version whose consumers read from leaders alone.
const LAST_LEADER_ONLY: i16 = 10;

fn only(mut answer: FetchResponse) -> FetchResponsePartition {
    assert_eq!((answer.error_code, answer.responses.len()), (0, 1));
    answer.responses.remove(0).partitions.remove(0)
}

/// This broker becomes a follower of the other.
async fn follow(bed: &Bed, client: &mut Client, topic: &str, topic_id: TopicId) {
    let epochs = &bed.broker.api().cluster.epochs;
    let request = LeaderAndIsrRequest {
        controller_id: ME,
        controller_epoch: epochs.controller(),
        broker_epoch: epochs.broker(),
        topic_states: vec![LeaderAndIsrRequestTopicState {
            topic_name: topic.into(),
            topic_id,
            partition_states: vec![LeaderAndIsrRequestPartitionState {
                leader: OTHER,
                leader_epoch: 7,
                isr: vec![OTHER],
                replicas: vec![ME, OTHER],
                ..Default::default()
            }],
        }],
        ..Default::default()
    };
    assert_eq!(client.ask(&request, 7).await.error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn produce_checks_come_in_kafkas_order() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    let two = [batch(b"a"), batch(b"b")].concat();
    for (what, request, code) in [
        ("unknown topic before wrong acks", produce("nowhere", 5), 3),
        ("shape before acks", produce_records("t", 5, two.into()), 87),
        ("wrong acks", produce("t", 5), 21),
        ("no batch", produce_records("t", 1, Default::default()), 87),
    ] {
        client.send(&ProduceRequest { timeout_ms: 100, ..request }, 11).await;
        let (_, answer) = client.produced().await;
        assert_eq!((answer.error_code, answer.base_offset, answer.log_start_offset), (code, -1, -1), "{what}");
    }
    let mut broken = batch(b"v").to_vec();
    broken[60] ^= 1;
    client.send(&produce_records("t", 1, broken.into()), 11).await;
    assert_eq!(client.produced().await.1.error_code, 2, "CORRUPT_MESSAGE");
    assert_eq!(bed.partition("t").log().leo(), 0);
}

#[tokio::test(start_paused = true)]
async fn refused_records_come_with_their_reasons_and_the_log_start() {
    let bed = Bed::new().await;
    let compact = [("cleanup.policy".to_owned(), "compact".to_owned())].into_iter().collect();
    bed.topic_with("t", &[ME], &compact).await;
    let mut client = bed.connect().await;
    client.send(&produce("t", 1), 11).await; // no key on a compacted topic
    let (_, answer) = client.produced().await;
    assert_eq!((answer.error_code, answer.base_offset, answer.log_start_offset), (87, -1, 0));
    assert_eq!(answer.record_errors.len(), 1);
    assert!(answer.error_message.is_some());
}

#[tokio::test(start_paused = true)]
async fn fetch_of_what_nobody_knows_has_no_aborted_transactions_and_of_what_failed_has_null() {
    let bed = Bed::new().await;
    let id = bed.topic("t", &[ME, OTHER]).await;
    let mut client = bed.connect().await;
    let unknown = only(client.ask(&fetch("nowhere", 0, 1000), FETCH).await);
    assert_eq!((unknown.error_code, unknown.high_watermark, unknown.aborted_transactions), (3, -1, Some(vec![])));
    let beyond = only(client.ask(&fetch("t", 9, 1000), FETCH).await);
    assert_eq!((beyond.error_code, beyond.high_watermark, beyond.aborted_transactions), (1, -1, None));

    follow(&bed, &mut client, "t", id).await;
    let refused = only(client.ask(&fetch("t", 0, 1000), LAST_LEADER_ONLY).await);
    assert_eq!((refused.error_code, refused.high_watermark, refused.aborted_transactions), (6, -1, None));
    let read = only(client.ask(&fetch("t", 0, 1), FETCH).await);
    assert_eq!(read.error_code, 0, "from version 11 on consumers may read from followers");
    let replica = |version: i16| {
        let mut asked = fetch("t", 0, 1000);
        asked.topics[0].topic_id = id;
        asked.replica_id = if version < 15 { OTHER } else { -1 };
        asked.replica_state.replica_id = if version < 15 { -1 } else { OTHER };
        asked
    };
    let refused = only(client.ask(&replica(FETCH), FETCH).await);
    assert_eq!((refused.error_code, refused.current_leader.leader_id), (6, -1), "hints begin with version 16");
    let hinted = only(client.ask(&replica(16), 16).await);
    assert_eq!((hinted.error_code, hinted.current_leader.leader_id), (6, ME), "as the metadata still has it");
}

#[tokio::test(start_paused = true)]
async fn partition_that_nobody_leads_comes_without_a_hint() {
    let bed = Bed::new().await;
    let id = bed.topic_led_by("t", &[OTHER], OTHER).await;
    let leaderless = UpdateMetadataRequestPartitionState { leader: NO_BROKER, leader_epoch: 1, ..Default::default() };
    bed.broker.api().cluster.metadata.update(&UpdateMetadataRequest {
        topic_states: vec![UpdateMetadataRequestTopicState {
            topic_name: "t".into(),
            topic_id: id,
            partition_states: vec![leaderless],
        }],
        ..Default::default()
    });
    let mut client = bed.connect().await;
    let mut asked = fetch("t", 0, 1000);
    asked.topics[0].topic_id = id;
    let refused = only(client.ask(&asked, 16).await);
    let none = FetchResponseLeaderIdAndEpoch::default();
    assert_eq!((refused.error_code, refused.current_leader), (6, none), "or librdkafka crashes beside another hint");
    client.send(&produce("t", -1), 11).await;
    let (_, refused) = client.produced().await;
    assert_eq!((refused.error_code, refused.current_leader), (6, ProduceResponseLeaderIdAndEpoch::default()));
}

#[tokio::test(start_paused = true)]
async fn long_poll_wakes_for_records_and_for_the_end_of_leadership() {
    let bed = Bed::new().await;
    let id = bed.topic("t", &[ME, OTHER]).await;
    let mut client = bed.connect().await;
    client.send(&fetch("t", 0, 60_000), FETCH).await;
    let mut other = bed.connect().await;
    other.send(&produce("t", -1), 11).await;
    assert!(client.hears_nothing().await, "not committed, not told");
    bed.other_has("t", 1);
    assert!(!only(client.answer(FETCH).await.1).records.bytes().expect("records").is_empty());

    assert_eq!(other.produced().await.1.error_code, 0);

    client.send(&fetch("t", 1, 60_000), LAST_LEADER_ONLY).await;
    assert!(client.hears_nothing().await);
    follow(&bed, &mut other, "t", id).await;
    assert_eq!(only(client.answer(LAST_LEADER_ONLY).await.1).error_code, 6);
}

#[tokio::test(start_paused = true)]
async fn min_bytes_is_waited_for_to_the_deadline_and_one_batch_comes_whatever_the_limits() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    client.ask(&produce("t", 1), 11).await;
    let began = tokio::time::Instant::now();
    let much = FetchRequest { min_bytes: 100_000, ..fetch("t", 0, 700) };
    assert!(!only(client.ask(&much, FETCH).await).records.bytes().expect("records").is_empty());
    assert!(began.elapsed().as_millis() >= 700, "too little to answer early");

    let mut tiny = FetchRequest { max_bytes: 1, ..fetch("t", 0, 0) };
    tiny.topics[0].partitions[0].partition_max_bytes = 1;
    assert!(!only(client.ask(&tiny, FETCH).await).records.bytes().expect("records").is_empty());
}

/// A partition whose id is learnt late is one partition all the same.
#[tokio::test(start_paused = true)]
async fn session_knows_a_partition_by_its_id_even_when_the_name_came_later() {
    let bed = Bed::new().await;
    let mut client = bed.connect().await;
    let late = bed.env.rng.topic_id();
    let ask = |session_id, session_epoch, offset: Option<i64>| FetchRequest {
        session_id,
        session_epoch,
        max_wait_ms: 10,
        min_bytes: 1,
        topics: offset
            .map(|fetch_offset| FetchRequestTopic {
                topic_id: late,
                partitions: vec![FetchRequestPartition {
                    fetch_offset,
                    partition_max_bytes: 1000,
                    ..Default::default()
                }],
                ..Default::default()
            })
            .into_iter()
            .collect(),
        ..Default::default()
    };
    let opened: FetchResponse = client.ask(&ask(0, 0, Some(0)), 17).await;
    assert_ne!(opened.session_id, 0);
    assert_eq!(opened.responses[0].partitions[0].error_code, 100, "UNKNOWN_TOPIC_ID");

    let epochs = &bed.broker.api().cluster.epochs;
    let request = LeaderAndIsrRequest {
        controller_id: ME,
        controller_epoch: epochs.controller(),
        broker_epoch: epochs.broker(),
        topic_states: vec![LeaderAndIsrRequestTopicState {
            topic_name: "late".into(),
            topic_id: late,
            partition_states: vec![LeaderAndIsrRequestPartitionState {
                leader: ME,
                isr: vec![ME],
                replicas: vec![ME],
                is_new: true,
                ..Default::default()
            }],
        }],
        ..Default::default()
    };
    assert_eq!(client.ask(&request, 7).await.error_code, 0);
    bed.broker.api().cluster.metadata.update(&ottla::wire::UpdateMetadataRequest {
        topic_states: vec![ottla::wire::UpdateMetadataRequestTopicState {
            topic_name: "late".into(),
            topic_id: late,
            partition_states: vec![ottla::wire::UpdateMetadataRequestPartitionState {
                leader: ME,
                isr: vec![ME],
                replicas: vec![ME],
                ..Default::default()
            }],
        }],
        ..Default::default()
    });
    let known: FetchResponse = client.ask(&ask(opened.session_id, 1, Some(0)), 17).await;
    assert_eq!(known.responses.len(), 1, "followed once");
    assert_eq!((known.responses[0].partitions.len(), known.responses[0].partitions[0].error_code), (1, 0));
    let quiet: FetchResponse = client.ask(&ask(opened.session_id, 2, None), 17).await;
    assert_eq!(quiet.responses.len(), 0);
    assert_eq!(bed.broker.api().replicas.sessions.sizes(), (1, 1));
}

fn offsets(topic: &str, replica_id: i32, timestamp: i64) -> ListOffsetsRequest {
    ListOffsetsRequest {
        replica_id,
        topics: vec![ListOffsetsRequestTopic {
            name: topic.into(),
            partitions: vec![ListOffsetsRequestPartition { timestamp, ..Default::default() }],
        }],
        ..Default::default()
    }
}

async fn offset(client: &mut Client, ask: &ListOffsetsRequest, version: i16) -> (i16, i64) {
    let answer = client.ask(ask, version).await;
    let partition = &answer.topics[0].partitions[0];
    (partition.error_code, partition.offset)
}

#[tokio::test(start_paused = true)]
async fn latest_is_the_watermark_for_consumers_and_the_end_for_replicas_and_debuggers() {
    let bed = Bed::new().await;
    let id = bed.topic("t", &[ME, OTHER]).await;
    let mut client = bed.connect().await;
    for _ in 0..3 {
        client.ask(&produce("t", 1), 11).await;
    }
    bed.other_has("t", 2);
    for (replica_id, latest) in [(-1, 2), (OTHER, 3), (-2, 3)] {
        assert_eq!(offset(&mut client, &offsets("t", replica_id, -1), 7).await, (0, latest), "{replica_id}");
    }
    for (replica_id, expected) in [(-1, [2, 0]), (OTHER, [3, 0])] {
        let mut old = offsets("t", replica_id, -1);
        old.topics[0].partitions[0].max_num_offsets = 9;
        let answer = client.ask(&old, 0).await;
        assert_eq!(answer.topics[0].partitions[0].old_style_offsets, expected, "version 0 lists segments");
    }

    follow(&bed, &mut client, "t", id).await;
    assert_eq!(offset(&mut client, &offsets("t", -1, -1), 7).await.0, 6);
    assert_eq!(offset(&mut client, &offsets("t", -2, -1), 7).await, (0, 3), "a debugger asks any replica");
}

#[tokio::test(start_paused = true)]
async fn special_timestamps_begin_with_their_versions() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    client.ask(&produce("t", 1), 11).await;
    for (timestamp, version, expected) in [
        (-1, 1, (0, 1)),
        (-2, 1, (0, 0)),
        (-3, 6, (35, -1)),
        (-3, 7, (0, 0)),
        (-4, 7, (35, -1)),
        (-4, 8, (0, 0)),
        (-5, 8, (35, -1)),
        (-5, 9, (0, -1)),
        (-6, 9, (35, -1)),
        (1_700_000_000_000, 9, (0, 0)),
        (1_700_000_000_001, 9, (0, -1)),
    ] {
        assert_eq!(
            offset(&mut client, &offsets("t", -1, timestamp), version).await,
            expected,
            "{timestamp} v{version}"
        );
    }
    let mut twice = offsets("t", -1, -1);
    let again = twice.topics[0].partitions[0].clone();
    twice.topics[0].partitions.push(again);
    assert_eq!(offset(&mut client, &twice, 9).await.0, 42, "INVALID_REQUEST");
}

#[tokio::test(start_paused = true)]
async fn delete_records_raises_the_start_and_refuses_what_it_must() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let compact = [("cleanup.policy".to_owned(), "compact".to_owned())].into_iter().collect();
    bed.topic_with("compacted", &[ME], &compact).await;
    let mut client = bed.connect().await;
    for _ in 0..3 {
        client.ask(&produce("t", 1), 11).await;
    }
    for (topic, offset, expected) in [
        ("t", 4, (1, -1)),
        ("t", -2, (1, -1)),
        ("t", 2, (0, 2)),
        ("t", 1, (0, 2)),
        ("t", -1, (0, 3)),
        ("compacted", 0, (44, -1)),
        ("nowhere", 0, (3, -1)),
    ] {
        let ask = DeleteRecordsRequest {
            topics: vec![DeleteRecordsRequestTopic {
                name: topic.into(),
                partitions: vec![DeleteRecordsRequestPartition { partition_index: 0, offset }],
            }],
            timeout_ms: 1000,
        };
        let answer = client.ask(&ask, 2).await;
        let partition = &answer.topics[0].partitions[0];
        assert_eq!((partition.error_code, partition.low_watermark), expected, "{topic} {offset}");
    }
    assert_eq!(only(client.ask(&fetch("t", 0, 0), FETCH).await).error_code, 1);
}

#[tokio::test(start_paused = true)]
async fn partition_that_nobody_knows_ends_no_wait_that_another_can_end() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    let began = tokio::time::Instant::now();
    let alone: FetchResponse = client.ask(&fetch("nowhere", 0, 500), FETCH).await;
    assert_eq!(only(alone).error_code, 3);
    assert!(began.elapsed().as_millis() < 100, "nothing can come");

    let mut both = fetch("t", 0, 500);
    both.topics.extend(fetch("nowhere", 0, 0).topics);
    let answer: FetchResponse = client.ask(&both, FETCH).await;
    assert!(began.elapsed().as_millis() >= 500, "a consumer of a deleted topic does not spin");
    let codes: Vec<_> = answer.responses.iter().map(|t| t.partitions[0].error_code).collect();
    assert_eq!(codes, [0, 3]);

    client.send(&FetchRequest { max_wait_ms: 60_000, ..both }, FETCH).await;
    assert!(client.hears_nothing().await);
    bed.connect().await.ask(&produce("t", 1), 11).await;
    let answer: FetchResponse = client.answer(FETCH).await.1;
    assert!(!answer.responses[0].partitions[0].records.bytes().expect("records").is_empty());
}

#[tokio::test(start_paused = true)]
async fn topic_deleted_under_a_long_poll_ends_it() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    client.send(&fetch("t", 0, 60_000), FETCH).await;
    assert!(client.hears_nothing().await);
    let began = tokio::time::Instant::now();
    ottla::zk::store::topics::mark_for_deletion(&bed.broker.zk().session(), "t").await.expect("marked");
    let code = only(client.answer(FETCH).await.1).error_code;
    assert!(matches!(code, 3 | 6), "{code}");
    assert!(began.elapsed().as_secs() < 30);
}

//! A whole broker coordinates: transactions from the first FindCoordinator to what readers of committed data see.

use std::time::Duration;

use bytes::Bytes;
use ottla::base::ErrorCode;
use ottla::record::BatchBuilder;
use ottla::wire::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnRequestTopic,
    AddPartitionsToTxnRequestTransaction, DescribeTransactionsRequest, EndTxnRequest, FetchRequest,
    FetchResponsePartition, FindCoordinatorRequest, InitProducerIdRequest, ListTransactionsRequest, OffsetFetchRequest,
    OffsetFetchRequestGroup, OffsetFetchRequestGroupTopic, OffsetFetchResponseGroup, ProduceRequest,
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic, UpdateMetadataRequest,
    UpdateMetadataRequestBroker, UpdateMetadataRequestPartitionState, UpdateMetadataRequestTopicState,
    WriteTxnMarkersRequest, WriteTxnMarkersRequestMarker, WriteTxnMarkersRequestTopic,
};

use crate::broker::bed::{Bed, Client, FETCH, ME, OTHER, fetch, produce_records};

const ID: &str = "id";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Producer {
    id: i64,
    epoch: i16,
}

/// One partition of each internal topic, one replica.
async fn bed() -> Bed {
    let settings = [
        ("offsets.topic.num.partitions", "1"),
        ("offsets.topic.replication.factor", "1"),
        ("transaction.state.log.num.partitions", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("transactional.id.expiration.ms", "100000"),
        ("transaction.remove.expired.transaction.cleanup.interval.ms", "60000"),
    ];
    let bed = Bed::with(&settings).await;
    bed.server.remove("/brokers/ids/2"); // only words: it would lead nothing
    bed.until("the other is gone", || !bed.broker.api().cluster.metadata.load().is_alive(OTHER)).await;
    bed
}

struct World {
    bed: Bed,
    client: Client,
}

impl World {
    async fn new() -> Self {
        let bed = bed().await;
        bed.topic("t", &[ME]).await;
        let client = bed.connect().await;
        let mut world = Self { bed, client };
        world.find_coordinator(1).await;
        world.find_coordinator(0).await;
        // The journal of groups is loaded in the background.
        while fetch_offset(&mut world, false).await.error_code == ErrorCode::CoordinatorLoadInProgress.code() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world
    }

    async fn find_coordinator(&mut self, key_type: i8) {
        for _ in 0..1000 {
            let ask = FindCoordinatorRequest { key_type, coordinator_keys: vec![ID.into()], ..Default::default() };
            let answer = self.client.ask(&ask, 4).await;
            let found = &answer.coordinators[0];
            if found.error_code == 0 {
                assert_eq!(found.node_id, ME);
                return;
            }
            assert_eq!(found.error_code, ErrorCode::CoordinatorNotAvailable.code());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no coordinator");
    }

    async fn try_init(&mut self, known: Option<Producer>) -> Result<Producer, i16> {
        let known = known.unwrap_or(Producer { id: -1, epoch: -1 });
        let ask = InitProducerIdRequest {
            transactional_id: Some(ID.into()),
            transaction_timeout_ms: 60_000,
            producer_id: known.id,
            producer_epoch: known.epoch,
        };
        let answer = self.client.ask(&ask, 4).await;
        match answer.error_code {
            0 => Ok(Producer { id: answer.producer_id, epoch: answer.producer_epoch }),
            code => Err(code),
        }
    }

    /// As clients do: again while the last transaction ends.
    async fn init(&mut self) -> Producer {
        for _ in 0..1000 {
            match self.try_init(None).await {
                Ok(producer) => return producer,
                Err(code) => assert!([14, 51].contains(&code), "{code}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never initialized");
    }

    async fn try_add(&mut self, who: Producer, topic: &str) -> i16 {
        let ask = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: ID.into(),
            v3_and_below_producer_id: who.id,
            v3_and_below_producer_epoch: who.epoch,
            v3_and_below_topics: vec![AddPartitionsToTxnRequestTopic { name: topic.into(), partitions: vec![0] }],
            ..Default::default()
        };
        let answer = self.client.ask(&ask, 3).await;
        answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
    }

    async fn add(&mut self, who: Producer) {
        for _ in 0..1000 {
            match self.try_add(who, "t").await {
                0 => return,
                code => assert_eq!(code, 51),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never added");
    }

    async fn end(&mut self, who: Producer, committed: bool) -> i16 {
        let ask =
            EndTxnRequest { transactional_id: ID.into(), producer_id: who.id, producer_epoch: who.epoch, committed };
        self.client.ask(&ask, 4).await.error_code
    }

    async fn produce(&mut self, who: Producer, sequence: i32, value: &str) -> i16 {
        let ask = ProduceRequest {
            transactional_id: Some(ID.into()),
            ..produce_records("t", -1, transactional(who, sequence, value))
        };
        self.client.send(&ask, 11).await;
        self.client.produced().await.1.error_code
    }

    async fn committed(&mut self) -> FetchResponsePartition {
        let ask = FetchRequest { isolation_level: 1, ..fetch("t", 0, 0) };
        let mut answer = self.client.ask(&ask, FETCH).await;
        answer.responses.remove(0).partitions.remove(0)
    }

    async fn until_state(&mut self, wanted: &str) -> ottla::wire::DescribeTransactionsResponseTransaction {
        for _ in 0..10_000 {
            let ask = DescribeTransactionsRequest { transactional_ids: vec![ID.into()] };
            let mut answer = self.client.ask(&ask, 0).await;
            let state = answer.transaction_states.remove(0);
            if *state.transaction_state == *wanted {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {wanted}");
    }
}

fn transactional(who: Producer, sequence: i32, value: &str) -> Bytes {
    let mut batch = BatchBuilder::new(0).producer(who.id, who.epoch, sequence).transactional(true);
    batch.append(1_700_000_000_000, None, Some(value.as_bytes()), &[]);
    batch.build().expect("a batch")
}

#[tokio::test(start_paused = true)]
async fn readers_of_committed_data_wait_for_the_end_and_skip_what_is_aborted() {
    let mut world = World::new().await;
    let who = world.init().await;
    world.add(who).await;
    assert_eq!(world.produce(who, 0, "a").await, 0);
    let open = world.committed().await;
    assert_eq!((open.high_watermark, open.last_stable_offset), (1, 0));
    assert!(open.records.bytes().expect("records").is_empty());
    assert_eq!(world.end(who, true).await, 0);
    world.until_state("CompleteCommit").await;
    let done = world.committed().await;
    assert_eq!((done.last_stable_offset, done.aborted_transactions), (2, Some(vec![])));

    world.add(who).await;
    assert_eq!(world.produce(who, 1, "b").await, 0);
    assert_eq!(world.end(who, false).await, 0);
    world.until_state("CompleteAbort").await;
    let aborted = world.committed().await;
    assert_eq!(aborted.last_stable_offset, 4);
    let listed = aborted.aborted_transactions.expect("listed");
    assert_eq!(listed.iter().map(|txn| (txn.producer_id, txn.first_offset)).collect::<Vec<_>>(), [(who.id, 2)]);
    assert_eq!(world.end(who, false).await, 0, "the answer was lost");
    assert_eq!(world.end(who, true).await, ErrorCode::InvalidTxnState.code());
}

/// What the metadata has of `t`, as a controller says it: -2 leads it when it is deleted.
fn told(leader: i32) -> UpdateMetadataRequest {
    let state = UpdateMetadataRequestPartitionState {
        leader,
        leader_epoch: 0,
        isr: vec![ME],
        replicas: vec![ME],
        ..Default::default()
    };
    UpdateMetadataRequest {
        controller_id: ME,
        live_brokers: vec![UpdateMetadataRequestBroker { id: ME, ..Default::default() }],
        topic_states: vec![UpdateMetadataRequestTopicState {
            topic_name: "t".into(),
            partition_states: vec![state],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_the_metadata_does_not_have_yet_gets_its_marker_when_it_has() {
    let mut world = World::new().await;
    let metadata = &world.bed.broker.api().cluster.clone().metadata;
    let who = world.init().await;
    world.add(who).await;
    assert_eq!(world.produce(who, 0, "a").await, 0);
    // As in a broker that has just started: it leads, and has heard of its own journal before it heard of the rest.
    metadata.update(&told(-2));
    assert_eq!(world.end(who, false).await, 0);
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.until_state("PrepareAbort").await;
    metadata.update(&told(ME));
    world.until_state("CompleteAbort").await;
    let aborted = world.committed().await;
    assert_eq!((aborted.last_stable_offset, aborted.aborted_transactions.expect("listed").len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_partition_needs_no_marker() {
    let mut world = World::new().await;
    let who = world.init().await;
    world.add(who).await;
    assert_eq!(world.produce(who, 0, "a").await, 0);
    world.bed.server.remove("/brokers/topics/t/partitions/0/state");
    world.bed.server.remove("/brokers/topics/t/partitions/0");
    world.bed.server.remove("/brokers/topics/t/partitions");
    world.bed.server.remove("/brokers/topics/t");
    world.bed.broker.api().cluster.metadata.update(&told(-2));
    assert_eq!(world.end(who, false).await, 0);
    world.until_state("CompleteAbort").await;
}

#[tokio::test(start_paused = true)]
async fn a_produce_outside_of_a_transaction_opens_none() {
    let mut world = World::new().await;
    let who = world.init().await;
    assert_eq!(world.produce(who, 0, "early").await, ErrorCode::TransactionAbortable.code());
    world.add(who).await;
    assert_eq!(world.produce(who, 0, "in time").await, 0);
    assert_eq!(world.end(who, true).await, 0);
    world.until_state("CompleteCommit").await;
    assert_eq!(world.produce(who, 1, "late").await, ErrorCode::TransactionAbortable.code());
    // Older producers do not know the new code; and without a transactional id nobody writes in a transaction.
    for (id, version, code) in
        [(Some(ID), 10, ErrorCode::InvalidTxnState), (None, 11, ErrorCode::TransactionalIdAuthorizationFailed)]
    {
        let ask = ProduceRequest {
            transactional_id: id.map(Into::into),
            ..produce_records("t", 1, transactional(who, 1, "late"))
        };
        let answer = world.client.ask(&ask, version).await;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, code.code());
    }
    let stable = world.committed().await;
    assert_eq!((stable.high_watermark, stable.last_stable_offset), (2, 2), "nothing hangs");
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_fences_a_zombie_in_mid_transaction() {
    let mut world = World::new().await;
    let zombie = world.init().await;
    world.add(zombie).await;
    assert_eq!(world.produce(zombie, 0, "of the zombie").await, 0);
    assert_eq!(world.try_init(None).await, Err(51), "its transaction ends first");
    let newcomer = world.init().await;
    assert_eq!(newcomer, Producer { epoch: zombie.epoch + 2, ..zombie });
    assert_eq!(world.produce(zombie, 1, "late").await, ErrorCode::InvalidProducerEpoch.code());
    assert_eq!(world.try_add(zombie, "t").await, ErrorCode::ProducerFenced.code());
    assert_eq!(world.end(zombie, true).await, ErrorCode::ProducerFenced.code());
    world.add(newcomer).await;
    assert_eq!(world.produce(newcomer, 0, "of the newcomer").await, 0);
    assert_eq!(world.end(newcomer, true).await, 0);
    world.until_state("CompleteCommit").await;
    let seen = world.committed().await;
    assert_eq!((seen.last_stable_offset, seen.aborted_transactions.expect("listed").len()), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_lasts_too_long_is_aborted_and_its_producer_fenced() {
    let mut world = World::new().await;
    let who = world.init().await;
    world.add(who).await;
    assert_eq!(world.produce(who, 0, "a").await, 0);
    tokio::time::sleep(Duration::from_secs(75)).await; // a time-out of 60 s, looked for every 10
    let state = world.until_state("CompleteAbort").await;
    assert_eq!(state.producer_epoch, who.epoch + 1);
    assert_eq!(world.committed().await.last_stable_offset, 2);
    assert_eq!(world.produce(who, 1, "late").await, ErrorCode::InvalidProducerEpoch.code());
    assert_eq!(world.end(who, true).await, ErrorCode::ProducerFenced.code());
    assert_eq!(world.try_init(Some(who)).await, Err(ErrorCode::ProducerFenced.code()));

    tokio::time::sleep(Duration::from_secs(180)).await; // idle for longer than ids are kept
    let ask = DescribeTransactionsRequest { transactional_ids: vec![ID.into()] };
    let answer = world.client.ask(&ask, 0).await;
    assert_eq!(answer.transaction_states[0].error_code, ErrorCode::TransactionalIdNotFound.code());
    assert_ne!(world.init().await.id, who.id, "as if nobody had ever used it");
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_transaction_count_when_it_is_committed() {
    let mut world = World::new().await;
    let who = world.init().await;
    for (offset, committed, expected) in [(5, true, 5), (9, false, 5), (7, true, 7)] {
        let ask = AddOffsetsToTxnRequest {
            transactional_id: ID.into(),
            producer_id: who.id,
            producer_epoch: who.epoch,
            group_id: "group".into(),
        };
        while world.client.ask(&ask, 3).await.error_code == ErrorCode::ConcurrentTransactions.code() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(commit_in_txn(&mut world, who, offset).await, 0);
        let before = committed_offset(&mut world, false).await;
        assert_eq!(committed_offset(&mut world, true).await, (-1, ErrorCode::UnstableOffsetCommit.code()));
        assert_eq!(world.end(who, committed).await, 0);
        let state = if committed { "CompleteCommit" } else { "CompleteAbort" };
        world.until_state(state).await;
        assert_ne!(before.0, offset, "not before the end");
        assert_eq!(committed_offset(&mut world, true).await, (expected, 0));
    }
    assert_eq!(commit_in_txn(&mut world, who, 11).await, ErrorCode::TransactionAbortable.code(), "late");
    assert_eq!(committed_offset(&mut world, true).await, (7, 0));
}

async fn commit_in_txn(world: &mut World, who: Producer, offset: i64) -> i16 {
    let ask = TxnOffsetCommitRequest {
        transactional_id: ID.into(),
        group_id: "group".into(),
        producer_id: who.id,
        producer_epoch: who.epoch,
        generation_id: -1,
        topics: vec![TxnOffsetCommitRequestTopic {
            name: "t".into(),
            partitions: vec![TxnOffsetCommitRequestPartition {
                committed_offset: offset,
                committed_leader_epoch: -1,
                ..Default::default()
            }],
        }],
        ..Default::default()
    };
    world.client.ask(&ask, 4).await.topics[0].partitions[0].error_code
}

async fn committed_offset(world: &mut World, require_stable: bool) -> (i64, i16) {
    let group = fetch_offset(world, require_stable).await;
    let partition = &group.topics[0].partitions[0];
    (partition.committed_offset, partition.error_code)
}

async fn fetch_offset(world: &mut World, require_stable: bool) -> OffsetFetchResponseGroup {
    let ask = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: "group".into(),
            topics: Some(vec![OffsetFetchRequestGroupTopic { name: "t".into(), partition_indexes: vec![0] }]),
            ..Default::default()
        }],
        require_stable,
        ..Default::default()
    };
    world.client.ask(&ask, 8).await.groups.remove(0)
}

#[tokio::test(start_paused = true)]
async fn brokers_verify_and_unknown_partitions_keep_the_others_out() {
    let mut world = World::new().await;
    let who = world.init().await;
    let ask = |verify_only, topics: &[&str]| AddPartitionsToTxnRequest {
        transactions: vec![AddPartitionsToTxnRequestTransaction {
            transactional_id: ID.into(),
            producer_id: who.id,
            producer_epoch: who.epoch,
            verify_only,
            topics: topics
                .iter()
                .map(|name| AddPartitionsToTxnRequestTopic { name: (*name).into(), partitions: vec![0] })
                .collect(),
        }],
        ..Default::default()
    };
    let mut codes = async |request: AddPartitionsToTxnRequest| -> Vec<i16> {
        let answer = world.client.ask(&request, 4).await;
        assert_eq!(*answer.results_by_transaction[0].transactional_id, *ID);
        let topics = answer.results_by_transaction[0].topic_results.iter();
        topics.map(|topic| topic.results_by_partition[0].partition_error_code).collect()
    };
    assert_eq!(codes(ask(true, &["t"])).await, [120]);
    assert_eq!(codes(ask(false, &["t", "nowhere"])).await, [55, 3], "OPERATION_NOT_ATTEMPTED");
    assert_eq!(codes(ask(false, &["t"])).await, [0]);
    assert_eq!(codes(ask(true, &["t"])).await, [0]);
    assert_eq!(world.try_add(who, "__consumer_offsets").await, ErrorCode::TopicAuthorizationFailed.code());
    let list = |states: &[&str]| ListTransactionsRequest {
        state_filters: states.iter().map(|state| (*state).into()).collect(),
        duration_filter: -1,
        ..Default::default()
    };
    let listed = world.client.ask(&list(&["Ongoing", "Nonsense"]), 1).await;
    assert_eq!((listed.unknown_state_filters.len(), listed.transaction_states.len()), (1, 1));
    assert_eq!(world.client.ask(&list(&["Nonsense"]), 1).await.transaction_states.len(), 0);
    assert_eq!(world.client.ask(&list(&[]), 1).await.transaction_states.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn markers_of_older_coordinators_and_producers_are_refused() {
    let mut world = World::new().await;
    let mut write = async |epoch: i16, coordinator_epoch: i32, topic: &str| -> i16 {
        let ask = WriteTxnMarkersRequest {
            markers: vec![WriteTxnMarkersRequestMarker {
                producer_id: 77,
                producer_epoch: epoch,
                transaction_result: false,
                topics: vec![WriteTxnMarkersRequestTopic { name: topic.into(), partition_indexes: vec![0] }],
                coordinator_epoch,
            }],
        };
        world.client.ask(&ask, 1).await.markers[0].topics[0].partitions[0].error_code
    };
    assert_eq!(write(3, 5, "t").await, 0);
    assert_eq!(write(3, 4, "t").await, ErrorCode::TransactionCoordinatorFenced.code());
    assert_eq!(write(2, 5, "t").await, ErrorCode::InvalidProducerEpoch.code());
    assert_eq!(write(4, 6, "t").await, 0);
    assert_eq!(write(4, 6, "nowhere").await, ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(write(0, 0, "__consumer_offsets").await, 0);
}

#[tokio::test(start_paused = true)]
async fn bad_requests_get_kafkas_codes() {
    let mut world = World::new().await;
    let mut init = async |id: &str, timeout_ms: i32, known: Producer| -> i16 {
        let ask = InitProducerIdRequest {
            transactional_id: Some(id.into()),
            transaction_timeout_ms: timeout_ms,
            producer_id: known.id,
            producer_epoch: known.epoch,
        };
        world.client.ask(&ask, 4).await.error_code
    };
    let nobody = Producer { id: -1, epoch: -1 };
    assert_eq!(init("", 1000, nobody).await, ErrorCode::InvalidRequest.code());
    assert_eq!(init("x", 0, nobody).await, ErrorCode::InvalidTransactionTimeout.code());
    assert_eq!(init("x", 900_001, nobody).await, ErrorCode::InvalidTransactionTimeout.code());
    assert_eq!(init("x", 1000, Producer { id: 5, epoch: -1 }).await, ErrorCode::InvalidRequest.code());
    let stranger = Producer { id: 5, epoch: 0 };
    assert_eq!(world.end(stranger, true).await, ErrorCode::InvalidProducerIdMapping.code());
    assert_eq!(world.try_add(stranger, "t").await, ErrorCode::InvalidProducerIdMapping.code());
    let who = world.init().await;
    assert_eq!(world.end(who, true).await, ErrorCode::InvalidTxnState.code(), "nothing was begun");
}

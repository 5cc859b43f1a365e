//! The broker is killed after each step of a transaction, the step is asked once more, and the transaction goes on: records and offsets
//! are there once, when it is committed, and not before.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, FindCoordinatorRequest, GroupId,
    InitProducerIdRequest, OffsetFetchRequest, ProduceRequest, ProducerId, TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};

use crate::harness::{Broker, Cluster, client, eventually, raw};

/// A restart, a load, and markers on their way, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// What clients ask again on: loading, not available, not coordinator, concurrent transactions, not enough replicas (could not verify).
const AGAIN: [i16; 9] = [3, 5, 6, 7, 14, 15, 16, 19, 51];

const STEPS: [Step; 5] = [Step::AddPartitions, Step::Produce, Step::AddOffsets, Step::CommitOffsets, Step::End];

#[derive(Clone, Copy, Debug)]
enum Step {
    AddPartitions,
    Produce,
    AddOffsets,
    CommitOffsets,
    End,
}

fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.into())
}

fn id() -> TransactionalId {
    TransactionalId(text("id"))
}

fn call<R: Request>(broker: &Broker, request: &R, version: i16) -> R::Response {
    raw::Connection::to(&broker.address()).call(request, version)
}

/// Asks until the answer is more than "again".
fn ask(what: &str, mut once: impl FnMut() -> i16) {
    let code = eventually(what, LIMIT, || {
        let code = once();
        (!AGAIN.contains(&code)).then_some(code)
    });
    assert_eq!(code, 0, "{what}");
}

struct Producer {
    id: i64,
    epoch: i16,
    sequence: i32,
}

impl Producer {
    fn init(broker: &Broker) -> Self {
        for key_type in [0, 1] {
            ask("the coordinators", || {
                let find = FindCoordinatorRequest::default().with_key(text("id")).with_key_type(key_type);
                call(broker, &find, 3).error_code
            });
        }
        let mut given = (0, 0);
        ask("InitProducerId", || {
            let init = InitProducerIdRequest::default()
                .with_transactional_id(Some(id()))
                .with_transaction_timeout_ms(60_000)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1);
            let answer = call(broker, &init, 4);
            given = (answer.producer_id.0, answer.producer_epoch);
            answer.error_code
        });
        Self { id: given.0, epoch: given.1, sequence: 0 }
    }

    fn batch(&self, value: &str) -> Vec<u8> {
        let mut batch = raw::batch(&[value]);
        batch[raw::at::ATTRIBUTES] |= 0x10; // transactional
        let at = raw::at::PRODUCER;
        batch[at..at + 8].copy_from_slice(&self.id.to_be_bytes());
        batch[at + 8..at + 10].copy_from_slice(&self.epoch.to_be_bytes());
        batch[at + 10..at + 14].copy_from_slice(&self.sequence.to_be_bytes());
        raw::with_right_crc(batch)
    }

    fn step(&self, broker: &Broker, step: Step, round: usize, commit: bool) {
        let producer_id = ProducerId(self.id);
        ask(&format!("{step:?} of transaction {round}"), || match step {
            Step::AddPartitions => {
                let topic =
                    AddPartitionsToTxnTopic::default().with_name(raw::topic_name("topic")).with_partitions(vec![0]);
                let request = AddPartitionsToTxnRequest::default()
                    .with_v3_and_below_transactional_id(id())
                    .with_v3_and_below_producer_id(producer_id)
                    .with_v3_and_below_producer_epoch(self.epoch)
                    .with_v3_and_below_topics(vec![topic]);
                let answer = call(broker, &request, 3);
                answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
            }
            Step::Produce => {
                let records = Bytes::from(self.batch(&format!("value {round}")));
                let partition = PartitionProduceData::default().with_index(0).with_records(Some(records));
                let topic = TopicProduceData::default()
                    .with_name(raw::topic_name("topic"))
                    .with_partition_data(vec![partition]);
                let request = ProduceRequest::default()
                    .with_transactional_id(Some(id()))
                    .with_acks(-1)
                    .with_timeout_ms(10_000)
                    .with_topic_data(vec![topic]);
                call(broker, &request, 9).responses[0].partition_responses[0].error_code
            }
            Step::AddOffsets => {
                let request = AddOffsetsToTxnRequest::default()
                    .with_transactional_id(id())
                    .with_producer_id(producer_id)
                    .with_producer_epoch(self.epoch)
                    .with_group_id(GroupId(text("group")));
                call(broker, &request, 3).error_code
            }
            Step::CommitOffsets => {
                let offset = i64::try_from(round).expect("few rounds") + 100;
                let partition = TxnOffsetCommitRequestPartition::default()
                    .with_partition_index(0)
                    .with_committed_offset(offset)
                    .with_committed_leader_epoch(-1)
                    .with_committed_metadata(None);
                let topic = TxnOffsetCommitRequestTopic::default()
                    .with_name(raw::topic_name("topic"))
                    .with_partitions(vec![partition]);
                let request = TxnOffsetCommitRequest::default()
                    .with_transactional_id(id())
                    .with_group_id(GroupId(text("group")))
                    .with_producer_id(producer_id)
                    .with_producer_epoch(self.epoch)
                    .with_generation_id(-1)
                    .with_topics(vec![topic]);
                call(broker, &request, 3).topics[0].partitions[0].error_code
            }
            Step::End => {
                let request = EndTxnRequest::default()
                    .with_transactional_id(id())
                    .with_producer_id(producer_id)
                    .with_producer_epoch(self.epoch)
                    .with_committed(commit);
                call(broker, &request, 3).error_code
            }
        });
    }
}

/// The group's offset once no transaction holds it, -1 for none.
fn stable_offset(broker: &Broker) -> i64 {
    let mut offset = -1;
    ask("a stable offset", || {
        let topic =
            OffsetFetchRequestTopic::default().with_name(raw::topic_name("topic")).with_partition_indexes(vec![0]);
        let request = OffsetFetchRequest::default()
            .with_group_id(GroupId(text("group")))
            .with_topics(Some(vec![topic]))
            .with_require_stable(true);
        let answer = call(broker, &request, 7);
        let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
        offset = partition.map_or(-1, |partition| partition.committed_offset);
        let code = partition.map_or(answer.error_code, |partition| partition.error_code);
        if code == UNSTABLE { AGAIN[0] } else { code }
    });
    offset
}

const UNSTABLE: i16 = 88;

fn committed(broker: &Broker) -> Vec<String> {
    let args = ["-C", "-t", "topic", "-p", "0", "-o", "beginning", "-e", "-q", "-X", "isolation.level=read_committed"];
    client::kcat(&broker.address(), &args, "").ok().lines().map(String::from).collect()
}

#[test]
fn a_kill_after_any_step_of_a_transaction_loses_and_doubles_nothing() {
    let cluster = Cluster::new("txn-steps");
    let mut broker = cluster
        .broker(0)
        .with("transaction.state.log.replication.factor", 1)
        .with("transaction.state.log.min.isr", 1)
        .start();
    raw::create_and_await(&broker.address(), "topic", &[]);
    let mut producer = Producer::init(&broker);
    let (mut values, mut offset) = (Vec::new(), -1);
    for commit in [true, false] {
        for killed_after in 0..STEPS.len() {
            let round = usize::from(!commit) * STEPS.len() + killed_after;
            for (i, step) in STEPS.into_iter().enumerate() {
                producer.step(&broker, step, round, commit);
                if i == killed_after {
                    broker = broker.kill().start();
                    producer.step(&broker, step, round, commit); // its client did not hear the answer
                }
            }
            producer.sequence += 1;
            if commit {
                values.push(format!("value {round}"));
                offset = i64::try_from(round).expect("few rounds") + 100;
            }
            assert_eq!(stable_offset(&broker), offset, "after the kill behind {:?}", STEPS[killed_after]);
        }
        assert_eq!(committed(&broker), values);
    }
    broker.assert_alive();
}

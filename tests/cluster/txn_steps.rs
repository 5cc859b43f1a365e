//! A coordinator is killed after each step of a transaction and of a member's life, on three brokers: the step is asked once more, as a
//! client does that did not hear the answer, and all goes on. Records and offsets are there once, when they are committed, not before.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId, InitProducerIdRequest, ProduceRequest,
    ProducerId, TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::harness::coordinators::{AGAIN, OFFSETS, TOPIC, TRANSACTIONS, World};
use crate::harness::groups::{self, GROUP, Member};
use crate::harness::partitions::{LIMIT, await_state};
use crate::harness::{eventually, raw};

fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.into())
}

fn id() -> TransactionalId {
    TransactionalId(text("id"))
}

const STEPS: [Step; 5] = [Step::AddPartitions, Step::Produce, Step::AddOffsets, Step::CommitOffsets, Step::End];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    AddPartitions,
    Produce,
    AddOffsets,
    CommitOffsets,
    End,
}

struct Producer {
    id: i64,
    epoch: i16,
    /// The next sequence number of each topic.
    sequences: BTreeMap<String, i32>,
}

impl Producer {
    fn init(world: &World) -> Self {
        let mut given = (0, 0);
        world.ask("InitProducerId", || {
            let init = InitProducerIdRequest::default()
                .with_transactional_id(Some(id()))
                .with_transaction_timeout_ms(600_000)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1);
            let answer = world.call(TRANSACTIONS, &init, 4)?;
            given = (answer.producer_id.0, answer.producer_epoch);
            Some(answer.error_code)
        });
        Self { id: given.0, epoch: given.1, sequences: BTreeMap::new() }
    }

    fn batch(&self, topic: &str, value: &str) -> Vec<u8> {
        let mut batch = raw::batch(&[value]);
        batch[raw::at::ATTRIBUTES] |= 0x10; // transactional
        let at = raw::at::PRODUCER;
        let sequence = self.sequences.get(topic).copied().unwrap_or(0);
        batch[at..at + 8].copy_from_slice(&self.id.to_be_bytes());
        batch[at + 8..at + 10].copy_from_slice(&self.epoch.to_be_bytes());
        batch[at + 10..at + 14].copy_from_slice(&sequence.to_be_bytes());
        raw::with_right_crc(batch)
    }

    fn add_partitions(&self, world: &World, topic: &str) {
        world.ask(&format!("AddPartitionsToTxn of {topic}"), || {
            let topic = AddPartitionsToTxnTopic::default().with_name(raw::topic_name(topic)).with_partitions(vec![0]);
            let request = AddPartitionsToTxnRequest::default()
                .with_v3_and_below_transactional_id(id())
                .with_v3_and_below_producer_id(ProducerId(self.id))
                .with_v3_and_below_producer_epoch(self.epoch)
                .with_v3_and_below_topics(vec![topic]);
            let answer = world.call(TRANSACTIONS, &request, 3)?;
            Some(answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code)
        });
    }

    fn produce(&self, world: &World, topic: &str, value: &str) {
        let records = Bytes::from(self.batch(topic, value));
        let partition = PartitionProduceData::default().with_index(0).with_records(Some(records));
        let data = TopicProduceData::default().with_name(raw::topic_name(topic)).with_partition_data(vec![partition]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(id()))
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![data]);
        world.ask(&format!("Produce of {value} to {topic}"), || {
            Some(world.call(topic, &request, 9)?.responses[0].partition_responses[0].error_code)
        });
    }

    /// The batches of the transaction are there: the next ones have other numbers.
    fn next(&mut self, topic: &str) {
        *self.sequences.entry(topic.into()).or_default() += 1;
    }

    fn add_offsets(&self, world: &World) {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_group_id(GroupId(text(GROUP)));
        world.ask("AddOffsetsToTxn", || Some(world.call(TRANSACTIONS, &request, 3)?.error_code));
    }

    fn commit_offsets(&self, world: &World, offset: i64) {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(None);
        let topic =
            TxnOffsetCommitRequestTopic::default().with_name(raw::topic_name(TOPIC)).with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(id())
            .with_group_id(GroupId(text(GROUP)))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic]);
        world.ask("TxnOffsetCommit", || Some(world.call(OFFSETS, &request, 3)?.topics[0].partitions[0].error_code));
    }

    fn end(&self, world: &World, commit: bool) {
        let request = EndTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        world.ask("EndTxn", || Some(world.call(TRANSACTIONS, &request, 3)?.error_code));
    }

    fn step(&self, world: &World, step: Step, round: i64, commit: bool) {
        match step {
            Step::AddPartitions => self.add_partitions(world, TOPIC),
            Step::Produce => self.produce(world, TOPIC, &format!("value {round}")),
            Step::AddOffsets => self.add_offsets(world),
            Step::CommitOffsets => self.commit_offsets(world, 100 + round),
            Step::End => self.end(world, commit),
        }
    }
}

/// Walks through transactions of all steps, committed and aborted in turn; behind one step of each the leader of `topic` is killed.
fn kill_after_each_step(name: &str, topic: &str, kills: &[(bool, Step)]) {
    let mut world = World::new(name);
    world.create(TOPIC, &[&[0, 1, 2]]);
    let mut producer = Producer::init(&world);
    let (mut values, mut offset) = (Vec::new(), -1);
    for (round, (commit, killed_after)) in (0i64..).zip(kills.iter().copied()) {
        for step in STEPS {
            producer.step(&world, step, round, commit);
            if step == killed_after {
                let plan = world.kill_leader(topic);
                producer.step(&world, step, round, commit); // its client did not hear the answer
                world.restart(plan);
            }
        }
        producer.next(TOPIC);
        if commit {
            values.push(format!("value {round}"));
            offset = 100 + round;
        }
        assert_eq!(world.fetch_offset(), offset, "after the kill behind {killed_after:?}, commit: {commit}");
    }
    // The last marker may be on its way still: who begins the next transaction has waited for it.
    producer.add_partitions(&world, TOPIC);
    assert_eq!(world.committed(TOPIC), values);
    world.brokers.values_mut().for_each(crate::harness::Broker::assert_alive);
}

#[test]
fn a_kill_of_the_transaction_coordinator_after_any_step_loses_and_doubles_nothing() {
    let kills: Vec<_> = STEPS.into_iter().flat_map(|step| [(true, step), (false, step)]).collect();
    kill_after_each_step("txn-steps", TRANSACTIONS, &kills);
}

#[test]
fn a_kill_of_the_group_coordinator_after_any_step_of_a_transaction_loses_and_doubles_nothing() {
    let kills =
        [(true, Step::AddOffsets), (true, Step::CommitOffsets), (false, Step::CommitOffsets), (true, Step::End)];
    kill_after_each_step("txn-steps-group", OFFSETS, &kills);
}

/// The decision is written and one marker can't be: the coordinator is killed there, and the next one finishes what was decided.
#[test]
fn a_kill_between_the_decision_and_the_last_marker_changes_nothing_of_the_decision() {
    for commit in [true, false] {
        let mut world = World::new(&format!("txn-steps-markers-{commit}"));
        let coordinator = world.leader(TRANSACTIONS);
        let away = (0..3).find(|id| *id != coordinator).expect("three brokers");
        world.create(TOPIC, &[&[0, 1, 2]]);
        world.create("away", &[&[away]]);
        let mut producer = Producer::init(&world);
        for topic in [TOPIC, "away"] {
            producer.add_partitions(&world, topic);
            producer.produce(&world, topic, "in it");
            producer.next(topic);
        }
        producer.add_offsets(&world);
        producer.commit_offsets(&world, 7);
        let plan_away = world.brokers.remove(&away).expect("it runs").kill();
        producer.end(&world, commit); // answered when it is decided; the marker of "away" has nowhere to go
        assert_eq!(world.leader(TRANSACTIONS), coordinator);
        let plan = world.brokers.remove(&coordinator).expect("it runs").kill();
        await_state(&world.cluster.connect, TRANSACTIONS, 0, "another coordinator", |state| {
            world.brokers.contains_key(&state.leader)
        });
        world.brokers.insert(plan.id, plan.start_among_leaderless());
        world.restart(plan_away);
        producer.add_partitions(&world, TOPIC); // answered when the transaction before has ended, markers and all
        let values = if commit { vec!["in it".to_owned()] } else { Vec::new() };
        assert_eq!(world.committed(TOPIC), values);
        assert_eq!(world.committed("away"), values);
        assert_eq!(world.fetch_offset(), if commit { 7 } else { -1 });
        world.brokers.values_mut().for_each(crate::harness::Broker::assert_alive);
    }
}

/// A group's coordinator is killed between each two steps of its only member.
#[test]
fn a_kill_of_the_coordinator_after_any_step_of_a_member_keeps_what_was_answered() {
    const UNKNOWN_MEMBER_ID: i16 = 25;
    const MEMBER_ID_REQUIRED: i16 = 79;
    let mut world = World::new("member-steps");
    world.create(TOPIC, &[&[0, 1, 2]]);
    let join = |world: &World, member: &mut Member| {
        eventually("an answer to JoinGroup", LIMIT, || {
            let answer = world.call(OFFSETS, &member.join(), 5)?;
            if answer.error_code == MEMBER_ID_REQUIRED || answer.error_code == 0 {
                member.id = answer.member_id.to_string();
                member.generation = answer.generation_id;
            }
            (!AGAIN.contains(&answer.error_code)).then_some(answer.error_code)
        })
    };
    let sync = |world: &World, member: &Member| {
        eventually("an answer to SyncGroup", LIMIT, || {
            let code = world.call(OFFSETS, &member.sync(), 3)?.error_code;
            // 27: the coordinator is loading, join again.
            (code != 27 && !AGAIN.contains(&code)).then_some(code)
        })
    };
    let mut member = Member::default();
    assert_eq!(join(&world, &mut member), MEMBER_ID_REQUIRED);
    let plan = world.kill_leader(OFFSETS);
    assert_eq!(join(&world, &mut member), UNKNOWN_MEMBER_ID, "an id that was only given out is forgotten");
    world.restart(plan);

    member = Member::default();
    assert_eq!(join(&world, &mut member), MEMBER_ID_REQUIRED);
    assert_eq!(join(&world, &mut member), 0);
    let plan = world.kill_leader(OFFSETS);
    assert_eq!(sync(&world, &member), UNKNOWN_MEMBER_ID, "a generation without an assignment is not written");
    world.restart(plan);

    member = Member::default();
    assert_eq!(join(&world, &mut member), MEMBER_ID_REQUIRED);
    assert_eq!(join(&world, &mut member), 0);
    assert_eq!(sync(&world, &member), 0);
    let plan = world.kill_leader(OFFSETS);
    assert_eq!(sync(&world, &member), 0, "its assignment is there");
    world.ask("Heartbeat", || Some(world.call(OFFSETS, &member.heartbeat(), 3)?.error_code));
    world.restart(plan);

    for offset in [5, 6] {
        world
            .ask("OffsetCommit", || Some(groups::committed(&world.call(OFFSETS, &member.commit(TOPIC, offset), 7)?)));
        let plan = world.kill_leader(OFFSETS);
        assert_eq!(world.fetch_offset(), offset);
        world
            .ask("OffsetCommit", || Some(groups::committed(&world.call(OFFSETS, &member.commit(TOPIC, offset), 7)?)));
        world.restart(plan);
        assert_eq!(world.fetch_offset(), offset);
    }
    world.ask("Heartbeat", || Some(world.call(OFFSETS, &member.heartbeat(), 3)?.error_code));

    world.ask("LeaveGroup", || Some(world.call(OFFSETS, &member.leave(), 2)?.error_code));
    let plan = world.kill_leader(OFFSETS);
    let code = eventually("an answer to Heartbeat", LIMIT, || {
        let code = world.call(OFFSETS, &member.heartbeat(), 3)?.error_code;
        (code != 0 && !AGAIN.contains(&code)).then_some(code)
    });
    assert_eq!(code, UNKNOWN_MEMBER_ID, "it has left");
    assert_eq!(world.fetch_offset(), 6);
    world.restart(plan);
    assert_eq!(world.fetch_offset(), 6);
    world.brokers.values_mut().for_each(crate::harness::Broker::assert_alive);
}

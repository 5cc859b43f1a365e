//! What members and producers say wrongly: each gets Kafka's code. What is expired and what is deleted leaves tombstones.

use kafka_protocol::messages::init_producer_id_request::InitProducerIdRequest;
use kafka_protocol::messages::{
    DeleteTopicsRequest, EndTxnRequest, FindCoordinatorRequest, OffsetCommitRequest, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use crate::harness::groups::{self, GROUP, Member};
use crate::harness::partitions::LIMIT;
use crate::harness::raw::{self, Connection};
use crate::harness::{Broker, Cluster, client, eventually};

const UNKNOWN_SERVER_ERROR: i16 = -1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const OFFSET_METADATA_TOO_LARGE: i16 = 12;
const ILLEGAL_GENERATION: i16 = 22;
const INCONSISTENT_GROUP_PROTOCOL: i16 = 23;
const UNKNOWN_MEMBER_ID: i16 = 25;
const INVALID_SESSION_TIMEOUT: i16 = 26;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const INVALID_TRANSACTION_TIMEOUT: i16 = 50;
const MEMBER_ID_REQUIRED: i16 = 79;
const FENCED_INSTANCE_ID: i16 = 82;
const PRODUCER_FENCED: i16 = 90;

/// One broker with the internal topics in one partition each.
fn broker(cluster: &Cluster) -> Broker {
    let broker = cluster
        .broker(0)
        .with("group.initial.rebalance.delay.ms", 0)
        .with("offsets.topic.num.partitions", 1)
        .with("offsets.retention.check.interval.ms", 300)
        .with("transaction.state.log.num.partitions", 1)
        .with("transaction.state.log.replication.factor", 1)
        .with("transaction.state.log.min.isr", 1)
        .start();
    for key_type in [0, 1] {
        let find = FindCoordinatorRequest::default().with_key(StrBytes::from_static_str(GROUP)).with_key_type(key_type);
        eventually("the coordinator", LIMIT, || {
            (Connection::to(&broker.address()).call(&find, 3).error_code == 0).then_some(())
        });
    }
    broker
}

/// Joins as the only member, and assigns: the code of SyncGroup.
fn join(connection: &mut Connection, member: &mut Member) -> i16 {
    loop {
        let answer = connection.call(&member.join(), 5);
        member.id = answer.member_id.to_string();
        member.generation = answer.generation_id;
        match answer.error_code {
            0 => return connection.call(&member.sync(), 3).error_code,
            MEMBER_ID_REQUIRED | 14 | 15 | 16 => {}
            other => panic!("JoinGroup: {other}"),
        }
    }
}

#[test]
fn strangers_old_generations_and_foreign_protocols_are_refused() {
    let cluster = Cluster::new("group-input");
    let mut broker = broker(&cluster);
    raw::create_and_await(&broker.address(), "topic", &[]);
    let mut connection = Connection::to(&broker.address());
    let mut member = Member::default();
    assert_eq!(join(&mut connection, &mut member), 0);
    assert_eq!(groups::committed(&connection.call(&member.commit("topic", 5), 7)), 0);

    let stranger = Member { id: "stranger".into(), ..member.clone() };
    assert_eq!(connection.call(&stranger.heartbeat(), 3).error_code, UNKNOWN_MEMBER_ID);
    assert_eq!(connection.call(&stranger.sync(), 3).error_code, UNKNOWN_MEMBER_ID);
    assert_eq!(connection.call(&stranger.join(), 5).error_code, UNKNOWN_MEMBER_ID);
    assert_eq!(connection.call(&stranger.leave(), 2).error_code, UNKNOWN_MEMBER_ID);
    assert_eq!(groups::committed(&connection.call(&stranger.commit("topic", 6), 7)), UNKNOWN_MEMBER_ID);

    let late = Member { generation: member.generation - 1, ..member.clone() };
    assert_eq!(connection.call(&late.heartbeat(), 3).error_code, ILLEGAL_GENERATION);
    assert_eq!(connection.call(&late.sync(), 3).error_code, ILLEGAL_GENERATION);
    assert_eq!(groups::committed(&connection.call(&late.commit("topic", 6), 7)), ILLEGAL_GENERATION);

    // Who is in no group can't commit where members are.
    assert_eq!(groups::committed(&connection.call(&Member::default().commit("topic", 6), 7)), UNKNOWN_MEMBER_ID);

    let foreign = Member { protocol: ("connect".into(), "default".into()), ..Member::default() };
    assert_eq!(connection.call(&foreign.join(), 5).error_code, INCONSISTENT_GROUP_PROTOCOL);
    let other = Member { protocol: ("consumer".into(), "another".into()), ..Member::default() };
    assert_eq!(connection.call(&other.join(), 5).error_code, INCONSISTENT_GROUP_PROTOCOL);
    for session_ms in [0, 5_999, 1_800_001] {
        let hasty = Member { session_ms, ..Member::default() };
        assert_eq!(connection.call(&hasty.join(), 5).error_code, INVALID_SESSION_TIMEOUT, "{session_ms}");
    }
    assert_eq!(groups::fetched(&connection.call(&groups::fetch("topic", true), 7)), (0, 5), "nothing has changed");
    assert_eq!(connection.call(&member.heartbeat(), 3).error_code, 0);
    broker.assert_alive();
}

#[test]
fn a_static_member_that_another_has_replaced_is_fenced() {
    let cluster = Cluster::new("group-input-static");
    let broker = broker(&cluster);
    raw::create_and_await(&broker.address(), "topic", &[]);
    let mut connection = Connection::to(&broker.address());
    let mut old = Member { instance: Some("instance".into()), ..Member::default() };
    assert_eq!(join(&mut connection, &mut old), 0);
    let mut new = Member { id: String::new(), ..old.clone() };
    assert_eq!(join(&mut connection, &mut new), 0);
    assert_ne!(new.id, old.id);
    assert_eq!(connection.call(&old.heartbeat(), 3).error_code, FENCED_INSTANCE_ID);
    assert_eq!(connection.call(&old.sync(), 3).error_code, FENCED_INSTANCE_ID);
    assert_eq!(connection.call(&old.join(), 5).error_code, FENCED_INSTANCE_ID);
    assert_eq!(groups::committed(&connection.call(&old.commit("topic", 5), 7)), FENCED_INSTANCE_ID);
    assert_eq!(groups::committed(&connection.call(&new.commit("topic", 6), 7)), 0);
}

/// The join is as good as any. The group's record would be larger than a batch of its topic may be: the assignment fails, with Apache Kafka
/// too, and the group lives on.
#[test]
fn a_subscription_of_ten_megabytes_is_refused_when_it_is_to_be_written() {
    let cluster = Cluster::new("group-input-large");
    let mut broker = broker(&cluster);
    let mut connection = Connection::to(&broker.address());
    let mut large = Member { subscription: groups::subscription(&vec![b's'; 10 << 20]), ..Member::default() };
    assert_eq!(join(&mut connection, &mut large), UNKNOWN_SERVER_ERROR);
    assert_eq!(connection.call(&large.leave(), 2).error_code, 0);
    let mut small = Member::default();
    assert_eq!(join(&mut connection, &mut small), 0);
    broker.assert_alive();
}

/// Values of the internal topic that are tombstones.
fn tombstones(broker: &Broker) -> usize {
    let args = ["-C", "-t", "__consumer_offsets", "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%S\n"];
    client::kcat(&broker.address(), &args, "").ok().lines().filter(|size| *size == "-1").count()
}

#[test]
fn offsets_of_a_deleted_topic_and_those_whose_time_is_over_go_with_tombstones() {
    let cluster = Cluster::new("group-input-offsets");
    let broker = broker(&cluster);
    for topic in ["kept", "expired", "deleted"] {
        raw::create_and_await(&broker.address(), topic, &[]);
    }
    let mut connection = Connection::to(&broker.address());
    let nobody = Member::default();
    let mut noted = nobody.commit("kept", 1);
    noted.topics[0].partitions[0].committed_metadata = Some(StrBytes::from_string("n".repeat(4097)));
    let noted = eventually("an answer of the coordinator", LIMIT, || {
        Some(groups::committed(&connection.call(&noted, 7))).filter(|code| ![14, 15, 16].contains(code))
    });
    assert_eq!(noted, OFFSET_METADATA_TOO_LARGE);
    assert_eq!(groups::committed(&connection.call(&nobody.commit("nowhere", 1), 7)), UNKNOWN_TOPIC_OR_PARTITION);
    for topic in ["kept", "deleted"] {
        assert_eq!(groups::committed(&connection.call(&nobody.commit(topic, 7), 7)), 0);
    }
    let mut short = nobody.commit("expired", 7);
    short.retention_time_ms = 1;
    short.topics[0].partitions[0].committed_leader_epoch = -1;
    assert_eq!(groups::committed(&connection.call::<OffsetCommitRequest>(&short, 3)), 0);
    let offset =
        |connection: &mut Connection, topic: &str| groups::fetched(&connection.call(&groups::fetch(topic, false), 7)).1;
    eventually("the end of its time", LIMIT, || (offset(&mut connection, "expired") == -1).then_some(()));
    eventually("its tombstone", LIMIT, || (tombstones(&broker) == 1).then_some(()));

    let delete =
        DeleteTopicsRequest::default().with_topic_names(vec![raw::topic_name("deleted")]).with_timeout_ms(20_000);
    assert_eq!(connection.call(&delete, 4).responses[0].error_code, 0);
    eventually("its offsets to go", LIMIT, || (offset(&mut connection, "deleted") == -1).then_some(()));
    eventually("another tombstone", LIMIT, || (tombstones(&broker) == 2).then_some(()));
    let late = groups::committed(&connection.call(&nobody.commit("deleted", 8), 7));
    assert_eq!(late, UNKNOWN_TOPIC_OR_PARTITION);

    let broker = broker.kill().start();
    let mut connection = Connection::to(&broker.address());
    eventually("the group to be loaded", LIMIT, || (offset(&mut connection, "kept") == 7).then_some(()));
    assert_eq!(offset(&mut connection, "expired"), -1);
    assert_eq!(offset(&mut connection, "deleted"), -1);
}

#[test]
fn producers_that_are_fenced_or_want_too_much_time_are_refused() {
    let cluster = Cluster::new("group-input-txn");
    let broker = broker(&cluster);
    let mut connection = Connection::to(&broker.address());
    let id = || TransactionalId(StrBytes::from_static_str("id"));
    let init = |connection: &mut Connection, timeout_ms: i32| {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id()))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        eventually("an answer to InitProducerId", LIMIT, || {
            let answer = connection.call(&request, 4);
            (![14, 16, 51].contains(&answer.error_code)).then_some((
                answer.error_code,
                answer.producer_id.0,
                answer.producer_epoch,
            ))
        })
    };
    for timeout_ms in [0, -1, 900_001] {
        assert_eq!(init(&mut connection, timeout_ms).0, INVALID_TRANSACTION_TIMEOUT, "{timeout_ms}");
    }
    let (code, producer, epoch) = init(&mut connection, 60_000);
    assert_eq!(code, 0);
    assert_eq!(init(&mut connection, 60_000), (0, producer, epoch + 1));
    let end = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(ProducerId(producer))
        .with_producer_epoch(epoch)
        .with_committed(true);
    assert_eq!(connection.call(&end, 3).error_code, PRODUCER_FENCED);
    assert_eq!(connection.call(&end, 1).error_code, INVALID_PRODUCER_EPOCH);
}

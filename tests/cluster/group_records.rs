//! Coordinators out of records that a test has written into their topics: old ones, whose time is over, and ones of a later Kafka.

use std::time::{SystemTime, UNIX_EPOCH};

use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, InitProducerIdRequest, ListGroupsRequest, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use crate::harness::coordinators::{OFFSETS, TRANSACTIONS};
use crate::harness::groups::{self, Member};
use crate::harness::partitions::LIMIT;
use crate::harness::raw::{self, Connection, Record};
use crate::harness::{Broker, Cluster, Kind, client, eventually, target};

/// One broker with the internal topics in one partition each, which are there.
fn broker(cluster: &Cluster) -> Broker {
    let broker = cluster
        .broker(0)
        .with("offsets.topic.num.partitions", 1)
        .with("offsets.retention.minutes", 1)
        .with("offsets.retention.check.interval.ms", 300)
        .with("transaction.state.log.num.partitions", 1)
        .with("transaction.state.log.replication.factor", 1)
        .with("transaction.state.log.min.isr", 1)
        .start();
    for key_type in [0, 1] {
        let find = FindCoordinatorRequest::default().with_key(text("id")).with_key_type(key_type);
        eventually("the coordinator", LIMIT, || {
            (Connection::to(&broker.address()).call(&find, 3).error_code == 0).then_some(())
        });
    }
    broker
}

fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.into())
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("this era")
}

fn put(out: &mut Vec<u8>, s: &str) {
    out.extend(i16::try_from(s.len()).expect("a short text").to_be_bytes());
    out.extend(s.as_bytes());
}

/// `OffsetCommitKey` 1 for partition 0.
fn offset_key(group: &str, topic: &str) -> Option<Vec<u8>> {
    let mut key = vec![0, 1];
    put(&mut key, group);
    put(&mut key, topic);
    key.extend([0; 4]);
    Some(key)
}

/// `OffsetCommitValue` 3.
fn offset(offset: i64, commit_ms: i64) -> Option<Vec<u8>> {
    let mut value = vec![0, 3];
    value.extend(offset.to_be_bytes());
    value.extend((-1i32).to_be_bytes());
    put(&mut value, "");
    value.extend(commit_ms.to_be_bytes());
    Some(value)
}

/// `GroupMetadataKey` 2.
fn group_key(group: &str) -> Option<Vec<u8>> {
    let mut key = vec![0, 2];
    put(&mut key, group);
    Some(key)
}

/// `GroupMetadataValue` 3 of consumers, with one member that has subscribed to `topic`, or with none.
fn group(has_member: bool, state_ms: i64) -> Option<Vec<u8>> {
    let mut value = vec![0, 3];
    put(&mut value, "consumer");
    value.extend(1i32.to_be_bytes());
    for name in ["range", "member"] {
        if has_member { put(&mut value, name) } else { value.extend([0xff; 2]) }
    }
    value.extend(state_ms.to_be_bytes());
    value.extend(i32::from(has_member).to_be_bytes());
    if has_member {
        put(&mut value, "member");
        value.extend([0xff; 2]); // no instance
        put(&mut value, "client");
        put(&mut value, "/127.0.0.1");
        value.extend(300_000i32.to_be_bytes()); // rebalance and session timeout
        value.extend(1_800_000i32.to_be_bytes());
        let subscription = groups::subscription(&[]);
        value.extend(i32::try_from(subscription.len()).expect("short").to_be_bytes());
        value.extend(subscription);
        value.extend([0; 4]); // no assignment
    }
    Some(value)
}

/// What a group has committed for partition 0, once its coordinator answers; -1 for nothing.
fn fetch(broker: &Broker, group: &str, topic: &str) -> i64 {
    let request = groups::fetch(topic, false).with_group_id(GroupId(text(group)));
    eventually("an answer to OffsetFetch", LIMIT, || {
        let (code, offset) = groups::fetched(&Connection::to(&broker.address()).call(&request, 7));
        (![14, 15, 16].contains(&code)).then(|| {
            assert_eq!(code, 0);
            offset
        })
    })
}

fn listed(broker: &Broker) -> Vec<String> {
    let answer = Connection::to(&broker.address()).call(&ListGroupsRequest::default(), 3);
    assert_eq!(answer.error_code, 0);
    let mut names: Vec<String> = answer.groups.iter().map(|group| group.group_id.to_string()).collect();
    names.sort();
    names
}

/// Tombstones in the topic of groups.
fn tombstones(broker: &Broker) -> usize {
    let args = ["-C", "-t", OFFSETS, "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%S\n"];
    client::kcat(&broker.address(), &args, "").ok().lines().filter(|size| *size == "-1").count()
}

/// `offsets.retention.minutes` counts from the commit, or from when the last member left (KIP-211).
#[test]
fn offsets_of_idle_groups_expire_with_tombstones_and_those_of_members_stay() {
    let cluster = Cluster::new("group-retention");
    let broker = broker(&cluster);
    for topic in ["topic", "other"] {
        raw::create_and_await(&broker.address(), topic, &[]);
    }
    let now = now_ms();
    let old = now - 120_000;
    let records: [Record; 10] = [
        (offset_key("idle", "topic"), offset(1, old)),
        (offset_key("young", "topic"), offset(2, now + 600_000)),
        (offset_key("left", "topic"), offset(3, old)),
        (group_key("left"), group(false, old)),
        // It was left a moment ago: until then its offsets were not old.
        (offset_key("leaves", "topic"), offset(4, old)),
        (group_key("leaves"), group(false, now + 600_000)),
        (offset_key("active", "topic"), offset(5, old)),
        (offset_key("active", "other"), offset(6, old)),
        (group_key("active"), group(true, old)),
        (group_key("without-offsets"), group(true, old)),
    ];
    raw::produce_internal(&broker.address(), OFFSETS, &records);

    let broker = broker.kill().start();
    // Of idle its offset; of left its offset and the group; of active what its member does not subscribe to.
    eventually("the tombstones", LIMIT, || (tombstones(&broker) == 4).then_some(()));
    let left = |broker: &Broker| {
        assert_eq!(fetch(broker, "idle", "topic"), -1);
        assert_eq!(fetch(broker, "left", "topic"), -1);
        assert_eq!(fetch(broker, "active", "other"), -1);
        assert_eq!(fetch(broker, "active", "topic"), 5);
        assert_eq!(fetch(broker, "young", "topic"), 2);
        assert_eq!(fetch(broker, "leaves", "topic"), 4);
        assert_eq!(listed(broker), ["active", "leaves", "without-offsets", "young"]);
        assert_eq!(tombstones(broker), 4, "nothing more has expired");
    };
    left(&broker);
    left(&broker.kill().start());
}

#[test]
fn values_of_a_later_kafka_are_skipped_by_coordinators_that_load() {
    if target() == Kind::Apache {
        return; // its load ends there, and it coordinates as if nothing had been written
    }
    let cluster = Cluster::new("future-records");
    let broker = broker(&cluster);
    raw::create_and_await(&broker.address(), "topic", &[]);
    let mut connection = Connection::to(&broker.address());
    let committed = eventually("a commit", LIMIT, || {
        let code = groups::committed(&connection.call(&Member::default().commit("topic", 42), 7));
        (![14, 15, 16].contains(&code)).then_some(code)
    });
    assert_eq!(committed, 0);
    let init = |broker: &Broker| {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text("id"))))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        eventually("an answer to InitProducerId", LIMIT, || {
            let answer = Connection::to(&broker.address()).call(&request, 4);
            (answer.error_code == 0).then_some((answer.producer_id.0, answer.producer_epoch))
        })
    };
    let (producer, epoch) = init(&broker);
    assert_eq!(epoch, 0);

    let future = || Some(b"\0\x09of the future".to_vec());
    let of_groups = [
        (offset_key("group", "topic"), future()),
        (group_key("group"), future()),
        (offset_key("later", "topic"), offset(7, now_ms())),
    ];
    raw::produce_internal(&broker.address(), OFFSETS, &of_groups);
    let id_key = Some(b"\0\0\0\x02id".to_vec());
    raw::produce_internal(&broker.address(), TRANSACTIONS, &[(id_key, future())]);

    let mut broker = broker.kill().start();
    assert_eq!(fetch(&broker, groups::GROUP, "topic"), 42, "what was before it holds");
    assert_eq!(init(&broker), (producer, 1));
    assert_eq!(fetch(&broker, "later", "topic"), 7, "what comes after it is read");
    let skipped = broker.output().matches("of an unknown version").count();
    assert_eq!(skipped, 3, "each is told of");
    broker.assert_alive();
}

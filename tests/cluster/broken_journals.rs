//! What lies broken in an internal topic: who can't read it does not coordinate, and is never heard to say that there is nothing.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use kafka_protocol::messages::{InitProducerIdRequest, ProducerId, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use crate::harness::coordinators::{OFFSETS, TOPIC, TRANSACTIONS, World};
use crate::harness::groups::{self, Member};
use crate::harness::partitions::{LIMIT, await_state};
use crate::harness::{Kind, eventually, target, tree};

/// The brokers of partition 0, the preferred leader first.
fn replicas(world: &World, topic: &str) -> Vec<i32> {
    let text = tree::get(&world.cluster.connect, &format!("/brokers/topics/{topic}")).expect("the topic");
    let assignment: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let ids = assignment["partitions"]["0"].as_array().expect("replicas");
    ids.iter().filter_map(|id| i32::try_from(id.as_i64()?).ok()).collect()
}

/// Changes one byte of the first batch, in its records.
fn break_first_batch(dir: &Path) {
    let path = dir.join("00000000000000000000.log");
    let mut file = OpenOptions::new().read(true).write(true).open(path).expect("the segment");
    let mut byte = [0];
    file.seek(SeekFrom::Start(70)).expect("a place");
    file.read_exact(&mut byte).expect("a byte of the first batch");
    file.seek(SeekFrom::Start(70)).expect("a place");
    file.write_all(&[byte[0] ^ 0xff]).expect("a byte");
}

/// The replica that is next to lead is broken: it says so, and the third one coordinates.
fn hands_over(topic: &str, name: &str, prepare: impl Fn(&World), check: impl Fn(&World, &str)) {
    if target() == Kind::Apache {
        return; // it coordinates as if nothing had been written
    }
    let mut world = World::new(name);
    world.create(TOPIC, &[&[0, 1, 2]]);
    prepare(&world);
    await_state(&world.cluster.connect, topic, 0, "all in sync", |state| state.isr.len() == 3);
    let first = world.leader(topic);
    let mut next = replicas(&world, topic).into_iter().filter(|id| *id != first);
    let (broken, whole) = (next.next().expect("a second"), next.next().expect("a third"));
    break_first_batch(&world.brokers[&broken].partition_dir(topic, 0));
    let plan = world.brokers.remove(&first).expect("it runs").kill();
    check(&world, "while leadership moves");
    await_state(&world.cluster.connect, topic, 0, "the whole replica leads", |state| state.leader == whole);
    check(&world, "from the whole replica");
    assert!(world.brokers[&broken].output().contains("could not load"), "the broken one has said so");
    world.restart(plan);
    check(&world, "at the end");
    world.brokers.values_mut().for_each(crate::harness::Broker::assert_alive);
}

#[test]
fn a_group_whose_log_is_broken_at_the_next_coordinator_is_coordinated_by_the_one_after_it() {
    let prepare = |world: &World| {
        let commit = Member::default().commit(TOPIC, 42);
        world.ask("OffsetCommit", || Some(groups::committed(&world.call(OFFSETS, &commit, 7)?)));
    };
    hands_over(OFFSETS, "broken-groups", prepare, |world, when| assert_eq!(world.fetch_offset(), 42, "{when}"));
}

#[test]
fn a_transactional_id_whose_log_is_broken_at_the_next_coordinator_keeps_its_producer() {
    let init = |world: &World| {
        let mut given = (-1, -1);
        world.ask("InitProducerId", || {
            let request = InitProducerIdRequest::default()
                .with_transactional_id(Some(TransactionalId(StrBytes::from_static_str("id"))))
                .with_transaction_timeout_ms(60_000)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1);
            let answer = world.call(TRANSACTIONS, &request, 4)?;
            given = (answer.producer_id.0, answer.producer_epoch);
            Some(answer.error_code)
        });
        given
    };
    let first = std::cell::Cell::new((-1, -1));
    hands_over(
        TRANSACTIONS,
        "broken-transactions",
        |world| first.set(init(world)),
        |world, when| {
            let (id, epoch) = init(world);
            assert!(id == first.get().0 && epoch > first.get().1, "{when}: {id} {epoch} after {first:?}");
            first.set((id, epoch));
        },
    );
}

/// With nobody else to lead, the coordinator is not available: the group is not answered as empty.
#[test]
fn a_broken_log_without_another_replica_is_not_coordinated() {
    const COORDINATOR_NOT_AVAILABLE: i16 = 15;
    if target() == Kind::Apache {
        return; // it coordinates as if nothing had been written
    }
    let cluster = crate::harness::Cluster::new("broken-alone");
    let broker = cluster.broker(0).with("offsets.topic.num.partitions", 1).start();
    crate::harness::raw::create_and_await(&broker.address(), TOPIC, &[]);
    let find = kafka_protocol::messages::FindCoordinatorRequest::default();
    crate::harness::raw::Connection::to(&broker.address()).call(&find, 3);
    let call = |broker: &crate::harness::Broker| {
        let mut connection = crate::harness::raw::Connection::to(&broker.address());
        let commit = Member::default().commit(TOPIC, 42);
        eventually("a commit", LIMIT, || (groups::committed(&connection.call(&commit, 7)) == 0).then_some(()));
    };
    call(&broker);
    let dir = broker.partition_dir(OFFSETS, 0);
    let plan = broker.stop(); // cleanly: the start does not look at the log
    break_first_batch(&dir);
    let mut broker = plan.start();
    eventually("the end of the load", LIMIT, || broker.output().contains("could not load the groups").then_some(()));
    let mut connection = crate::harness::raw::Connection::to(&broker.address());
    let fetched = groups::fetched(&connection.call(&groups::fetch(TOPIC, false), 7));
    assert_eq!(fetched, (COORDINATOR_NOT_AVAILABLE, -1));
    broker.assert_alive();
}

//! Partitions of several brokers: made on given replicas, their state read from ZooKeeper, records put in.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{BrokerId, ProduceRequest};
use kafka_protocol::protocol::StrBytes;

use super::broker::Plan;
use super::{Broker, eventually, raw, tree};

/// A session's end, an election and a fetch, on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Running brokers by id.
pub type Brokers = BTreeMap<i32, Broker>;

/// Starts brokers one after the other: the first becomes the controller.
pub fn start(plans: impl IntoIterator<Item = Plan>) -> Brokers {
    plans.into_iter().map(|plan| (plan.id, plan.start())).collect()
}

/// `bootstrap.servers` of all.
pub fn addresses(brokers: &Brokers) -> String {
    brokers.values().map(Broker::address).collect::<Vec<_>>().join(",")
}

/// A topic on given replicas, the first of each partition its leader.
pub fn topic_on(topic: &str, replicas: &[&[i32]], configs: &[(&str, &str)]) -> CreatableTopic {
    let text = |s: &str| StrBytes::from_string(s.into());
    let assignment = |(index, ids): (usize, &&[i32])| {
        CreatableReplicaAssignment::default()
            .with_partition_index(i32::try_from(index).expect("few partitions"))
            .with_broker_ids(ids.iter().map(|id| BrokerId(*id)).collect())
    };
    let config = |(key, value): &(&str, &str)| {
        CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
    };
    raw::new_topic(topic, -1)
        .with_replication_factor(-1)
        .with_assignments(replicas.iter().enumerate().map(assignment).collect())
        .with_configs(configs.iter().map(config).collect())
}

/// Creates a topic at the controller; until all brokers of the assignment are known there.
pub fn create(controller: &Broker, topic: &CreatableTopic) {
    eventually("the topic to be created", LIMIT, || {
        let code = raw::create(&controller.address(), vec![topic.clone()])[0].1;
        (code == 0).then_some(())
    });
}

/// What `/brokers/topics/T/partitions/P/state` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// -1 without one.
    pub leader: i32,
    /// Leader epoch.
    pub epoch: i64,
    /// Sorted.
    pub isr: Vec<i32>,
}

/// The state of a partition; none before it has one, or when it is gone.
pub fn state(connect: &str, topic: &str, partition: i32) -> Option<State> {
    let text = tree::get(connect, &format!("/brokers/topics/{topic}/partitions/{partition}/state"))?;
    let state: serde_json::Value = serde_json::from_str(&text).ok()?;
    let id = |value: &serde_json::Value| i32::try_from(value.as_i64()?).ok();
    let mut isr: Vec<i32> = state["isr"].as_array()?.iter().filter_map(id).collect();
    isr.sort_unstable();
    Some(State { leader: id(&state["leader"])?, epoch: state["leader_epoch"].as_i64()?, isr })
}

/// Waits until the state of a partition is as wanted, and gives it.
pub fn await_state(connect: &str, topic: &str, partition: i32, what: &str, wanted: impl Fn(&State) -> bool) -> State {
    eventually(&format!("{what} ({topic}-{partition})"), LIMIT, || state(connect, topic, partition).filter(&wanted))
}

/// Waits for a leader, by id, and for these members of the ISR.
pub fn await_led(connect: &str, topic: &str, partition: i32, leader: i32, isr: &[i32]) -> State {
    let what = format!("leader {leader} with the ISR {isr:?}");
    await_state(connect, topic, partition, &what, |state| state.leader == leader && state.isr == isr)
}

/// Produces a batch to a partition: its error code.
pub fn produce(address: &str, topic: &str, partition: i32, acks: i16, batch: Vec<u8>) -> i16 {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(Bytes::from(batch)));
    let data = TopicProduceData::default().with_name(raw::topic_name(topic)).with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(acks).with_timeout_ms(20_000).with_topic_data(vec![data]);
    let response = raw::Connection::to(address).call(&request, 9);
    response.responses[0].partition_responses[0].error_code
}

/// Produces a record with acks=all, until it is taken: the leader may not have heard yet that it is.
pub fn put(leader: &str, topic: &str, partition: i32, value: &str) {
    eventually("a record taken", LIMIT, || {
        (produce(leader, topic, partition, -1, raw::batch(&[value])) == 0).then_some(())
    });
}

/// Puts about so many bytes into a partition.
pub fn fill(leader: &Broker, topic: &str, partition: i32, bytes: usize) {
    const RECORD: usize = 100_000;
    let value = "x".repeat(RECORD);
    for _ in 0..bytes.div_ceil(RECORD) {
        eventually("a record taken", LIMIT, || {
            (produce(&leader.address(), topic, partition, -1, raw::batch(&[&value])) == 0).then_some(())
        });
    }
}

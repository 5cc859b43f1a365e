//! Three brokers whose coordinators are killed: each internal topic has one partition, and what is asked goes to its leader.

use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::{Request, StrBytes};

use super::broker::Plan;
use super::partitions::{Brokers, LIMIT, addresses, await_state, create, start, state, topic_on};
use super::{Cluster, client, eventually, groups, raw};

/// What clients ask again on: unknown topic, no leader, time-out, loading, not available, not coordinator, not enough replicas (also: could
/// not be verified), the transaction before still ends, unstable offset.
pub const AGAIN: [i16; 11] = [3, 5, 6, 7, 14, 15, 16, 19, 20, 51, 88];

/// The topic of groups.
pub const OFFSETS: &str = "__consumer_offsets";
/// The topic of transactions.
pub const TRANSACTIONS: &str = "__transaction_state";
/// A topic of the test.
pub const TOPIC: &str = "topic";

/// Three brokers that hold each internal topic in one partition.
pub struct World {
    /// Its directory and chroot.
    pub cluster: Cluster,
    /// Those that run.
    pub brokers: Brokers,
}

impl World {
    /// Starts them; the internal topics are there and led.
    pub fn new(name: &str) -> Self {
        let cluster = Cluster::new(name);
        let plan = |id| {
            cluster
                .broker(id)
                .with("auto.leader.rebalance.enable", false)
                .with("group.initial.rebalance.delay.ms", 100)
                .with("offsets.topic.num.partitions", 1)
                .with("offsets.topic.replication.factor", 3)
                .with("transaction.state.log.num.partitions", 1)
        };
        let brokers = start((0..3).map(plan));
        let world = Self { cluster, brokers };
        for key_type in [0, 1] {
            world.ask("the coordinators", || {
                let find =
                    FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("id")).with_key_type(key_type);
                Some(raw::Connection::to(&world.brokers[&0].address()).call(&find, 3).error_code)
            });
        }
        world
    }

    /// One more topic with a partition on each of these lists of brokers.
    pub fn create(&self, topic: &str, replicas: &[&[i32]]) {
        create(&self.brokers[&0], &topic_on(topic, replicas, &[("min.insync.replicas", "1")]));
    }

    /// Who leads partition 0 of a topic; waits until somebody who runs does.
    pub fn leader(&self, topic: &str) -> i32 {
        await_state(&self.cluster.connect, topic, 0, "a leader", |state| self.brokers.contains_key(&state.leader))
            .leader
    }

    /// Asks the leader of a topic's only partition; none while there is none.
    pub fn call<R: Request>(&self, topic: &str, request: &R, version: i16) -> Option<R::Response> {
        let leader = state(&self.cluster.connect, topic, 0)?.leader;
        Some(raw::Connection::to(&self.brokers.get(&leader)?.address()).call(request, version))
    }

    /// Asks until the answer is more than "again".
    pub fn ask(&self, what: &str, mut once: impl FnMut() -> Option<i16>) {
        let code = eventually(what, LIMIT, || once().filter(|code| !AGAIN.contains(code)));
        assert_eq!(code, 0, "{what}");
    }

    /// SIGKILL for who leads partition 0 of a topic.
    pub fn kill_leader(&mut self, topic: &str) -> Plan {
        let leader = self.leader(topic);
        self.brokers.remove(&leader).expect("it runs").kill()
    }

    /// Starts a killed broker again, and waits until the internal topics and `TOPIC` can lose another one.
    pub fn restart(&mut self, plan: Plan) {
        self.brokers.insert(plan.id, plan.start());
        for topic in [OFFSETS, TRANSACTIONS, TOPIC] {
            await_state(&self.cluster.connect, topic, 0, "all in sync", |state| {
                state.isr.len() == 3 && self.brokers.contains_key(&state.leader)
            });
        }
    }

    /// What the group has committed for `TOPIC`, -1 for nothing, once no transaction holds it.
    pub fn fetch_offset(&self) -> i64 {
        let mut offset = -1;
        self.ask("a stable offset", || {
            let answer = self.call(OFFSETS, &groups::fetch(TOPIC, true), 7)?;
            let (code, found) = groups::fetched(&answer);
            offset = found;
            Some(code)
        });
        offset
    }

    /// What readers of committed data see of a partition.
    pub fn committed(&self, topic: &str) -> Vec<String> {
        let address = addresses(&self.brokers);
        let args =
            ["-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-X", "isolation.level=read_committed"];
        client::kcat(&address, &args, "").ok().lines().map(String::from).collect()
    }
}

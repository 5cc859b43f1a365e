//! A mixed cluster and what is known of it: which broker is the controller, and every record that was acknowledged, by partition.
//!
//! Cells of the matrix change the cluster through it; [`World::settle`] then holds the cluster against what is known, and notes the row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use super::ask;
use super::table::{Row, Table};
use crate::harness::broker::Plan;
use crate::harness::partitions::{Brokers, LIMIT, State, addresses, await_state, create, state, topic_on};
use crate::harness::{Broker, Cluster, Kind, client, eventually, raw, tree};

/// The records of a partition in their order.
type Expected = BTreeMap<(String, i32), Vec<String>>;

/// Three brokers of both kinds on one ZooKeeper.
pub struct World {
    /// Their directory and chroot.
    pub cluster: Cluster,
    /// Those that run.
    pub brokers: Brokers,
    /// The broker that is the controller throughout.
    pub controller: i32,
    /// What was found so far.
    pub table: Table,
    expected: Expected,
}

impl World {
    /// Starts brokers 0, 1 and 2 of these kinds, `controller` first.
    pub fn start(name: &str, kinds: [Kind; 3], controller: i32, settings: &[(&str, &str)]) -> Self {
        Self::start_beside(None, name, kinds, controller, settings)
    }

    /// The same, with Apache brokers of another version than 3.9.
    pub fn start_beside(
        version: Option<&str>,
        name: &str,
        kinds: [Kind; 3],
        controller: i32,
        settings: &[(&str, &str)],
    ) -> Self {
        let cluster = Cluster::new(name);
        let plan = |id: i32| {
            let kind = kinds[usize::try_from(id).expect("an index")];
            let plan = cluster.broker(id).kind(kind).with("auto.leader.rebalance.enable", false);
            let plan = [
                ("group.initial.rebalance.delay.ms", "0"),
                ("offsets.topic.num.partitions", "1"),
                ("offsets.topic.replication.factor", "3"),
                ("transaction.state.log.num.partitions", "1"),
            ]
            .iter()
            .chain(settings)
            .fold(plan, |plan, (key, value)| plan.with(key, value));
            match version {
                Some(version) => plan.with_variable("PEER_VERSION", version),
                None => plan,
            }
        };
        let mut brokers = Brokers::from([(controller, plan(controller).start())]);
        let others: Vec<Plan> = (0..3).filter(|id| *id != controller).map(plan).collect();
        brokers.extend(start_together(others));
        let world = Self { cluster, brokers, controller, table: Table::default(), expected: Expected::new() };
        world.await_everyone();
        world.hold_controller();
        world
    }

    /// `zookeeper.connect`.
    pub fn connect(&self) -> &str {
        &self.cluster.connect
    }

    /// `host:port` of a running broker.
    pub fn address(&self, id: i32) -> String {
        self.brokers[&id].address()
    }

    /// `bootstrap.servers`.
    pub fn addresses(&self) -> String {
        addresses(&self.brokers)
    }

    /// What a running broker is.
    pub fn kind(&self, id: i32) -> Kind {
        self.brokers[&id].plan.kind
    }

    /// The broker that `/controller` names.
    pub fn controller_now(&self) -> Option<i32> {
        let node: serde_json::Value = serde_json::from_str(&tree::get(self.connect(), "/controller")?).ok()?;
        i32::try_from(node["brokerid"].as_i64()?).ok()
    }

    /// Makes the world's controller the controller where a kill has made it another: deletes the node until it wins the race.
    pub fn hold_controller(&self) {
        if !self.brokers.contains_key(&self.controller) {
            return; // it is away itself
        }
        let end = Instant::now() + 2 * LIMIT;
        while self.controller_now() != Some(self.controller) {
            assert!(Instant::now() < end, "broker {} never becomes the controller", self.controller);
            let Some(other) = self.controller_now() else {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            };
            tree::delete(self.connect(), "/controller");
            eventually("another controller", LIMIT, || {
                let next = self.controller_now()?;
                // The same one may win again: it has then seen the deletion.
                (next != other || ask::controller(&self.address(next)) == next).then_some(())
            });
        }
        // It serves as such once the others were told.
        for id in self.brokers.keys() {
            eventually("the controller to be known", LIMIT, || {
                (ask::controller(&self.address(*id)) == self.controller).then_some(())
            });
        }
    }

    /// Waits until every running broker knows all that run.
    pub fn await_everyone(&self) {
        for id in self.brokers.keys() {
            eventually("all brokers in the metadata", LIMIT, || {
                (ask::live_brokers(&self.address(*id)) == self.brokers.keys().copied().collect()).then_some(())
            });
        }
    }

    /// A topic with a partition on each of `replicas`, led by its first replica.
    pub fn create(&self, topic: &str, replicas: &[&[i32]], configs: &[(&str, &str)]) {
        create(&self.brokers[&self.controller], &topic_on(topic, replicas, configs));
        for (partition, ids) in (0..).zip(replicas) {
            await_state(self.connect(), topic, partition, "all in sync", |s| {
                s.leader == ids[0] && s.isr.len() == ids.len()
            });
        }
    }

    /// Notes that these records are acknowledged, after those before.
    pub fn acknowledged(&mut self, topic: &str, partition: i32, values: impl IntoIterator<Item = String>) {
        self.expected.entry((topic.into(), partition)).or_default().extend(values);
    }

    /// What a partition holds, as far as is known.
    pub fn expected(&self, topic: &str, partition: i32) -> &[String] {
        self.expected.get(&(topic.into(), partition)).map_or(&[], Vec::as_slice)
    }

    /// Forgets a topic that was deleted.
    pub fn forget(&mut self, topic: &str) {
        self.expected.retain(|(name, _), _| name != topic);
    }

    /// Every topic with known records.
    pub fn topics(&self) -> BTreeSet<String> {
        self.expected.keys().map(|(topic, _)| topic.clone()).collect()
    }

    /// Produces `count` records to each partition of a topic with acks=all, partition by partition with another codec; all must be
    /// acknowledged.
    pub fn produce(&mut self, topic: &str, partitions: i32, count: usize, idempotent: bool) {
        let first = self.expected(topic, 0).len().to_string();
        let kind = if idempotent { "idempotent" } else { "plain" };
        let args = [&self.addresses(), topic, &partitions.to_string(), &first, &count.to_string(), kind];
        let said = client::python("counted.py", &args).ok();
        for partition in 0..partitions {
            let prefix = format!("{partition} ");
            let values: Vec<String> = said.lines().filter_map(|l| l.strip_prefix(&prefix)).map(String::from).collect();
            assert_eq!(values.len(), count, "acknowledged in {topic}-{partition}:\n{said}");
            self.acknowledged(topic, partition, values);
        }
    }

    /// Waits until all replicas of a topic's partitions on running brokers are in sync.
    pub fn await_full(&self, topic: &str) {
        for (partition, replicas) in ask::assignment(self.connect(), topic) {
            let mut all: Vec<i32> = replicas.into_iter().filter(|id| self.brokers.contains_key(id)).collect();
            all.sort_unstable();
            await_state(self.connect(), topic, partition, "all in sync", |s| s.leader >= 0 && s.isr == all);
        }
    }

    /// The state of partition 0.
    pub fn state(&self, topic: &str) -> State {
        state(self.connect(), topic, 0).unwrap_or_else(|| panic!("{topic} has no state"))
    }

    /// Waits until `leader` leads partition 0 of a topic, in ZooKeeper and in its own view.
    pub fn await_leader(&self, topic: &str, leader: i32) {
        await_state(self.connect(), topic, 0, &format!("leader {leader}"), |s| s.leader == leader);
        eventually("the leader to know it", LIMIT, || {
            (raw::await_leader(&self.address(leader), topic) == leader).then_some(())
        });
    }

    /// What readers see of a topic, by partition.
    pub fn read(&self, topic: &str) -> BTreeMap<i32, Vec<String>> {
        let format = ["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%p %s\n"];
        let mut read: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for line in client::kcat(&self.addresses(), &format, "").ok().lines() {
            let (partition, value) = line.split_once(' ').expect("partition and value");
            read.entry(partition.parse().expect("a number")).or_default().push(value.into());
        }
        read
    }

    /// Every record that was acknowledged is read, in its order and once; all replicas are in sync and equal, byte for byte.
    /// Gives the numbers of acknowledged, read and duplicate records.
    pub fn check(&self, topics: &BTreeSet<String>) -> (usize, usize, usize) {
        let (mut known, mut seen, mut twice) = (0, 0, 0);
        for topic in topics {
            self.await_full(topic);
            let read = self.read(topic);
            for ((_, partition), expected) in self.expected.iter().filter(|((name, _), _)| name == topic) {
                let read = read.get(partition).map_or(&[][..], Vec::as_slice);
                let distinct: BTreeSet<&String> = read.iter().collect();
                known += expected.len();
                seen += read.len();
                twice += read.len() - distinct.len();
                assert!(
                    read == expected,
                    "{topic}-{partition}: {} acknowledged, {} read; the first that differ: {:?}",
                    expected.len(),
                    read.len(),
                    expected.iter().zip(read).find(|(a, b)| a != b),
                );
            }
            self.assert_equal_replicas(topic);
        }
        (known, seen, twice)
    }

    /// The replicas of a topic's partitions become equal, byte for byte.
    pub fn assert_equal_replicas(&self, topic: &str) {
        for (partition, replicas) in ask::assignment(self.connect(), topic) {
            let here: Vec<i32> = replicas.into_iter().filter(|id| self.brokers.contains_key(id)).collect();
            let mut last = Vec::new();
            let end = Instant::now() + LIMIT;
            loop {
                let logs: Vec<Vec<u8>> =
                    here.iter().map(|id| log_bytes(&self.brokers[id].partition_dir(topic, partition))).collect();
                if logs.windows(2).all(|pair| pair[0] == pair[1]) {
                    break;
                }
                assert!(Instant::now() < end, "{topic}-{partition}: replicas {here:?} differ, with {last:?} bytes");
                last = logs.iter().map(Vec::len).collect();
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Ends a cell: holds these topics (none: all) against what is known, and notes the row.
    pub fn settle(&mut self, leader: Kind, cell: &str, began: Instant, topics: &[&str]) {
        let topics = if topics.is_empty() { self.topics() } else { topics.iter().map(|t| (*t).into()).collect() };
        let (acknowledged, read, duplicates) = self.check(&topics);
        self.hold_controller();
        self.brokers.values_mut().for_each(Broker::assert_alive);
        let controller = eventually("a controller", LIMIT, || self.controller_now());
        let controller = self.kind(controller);
        let took = began.elapsed();
        self.table.push(Row { controller, leader, cell: cell.into(), acknowledged, read, duplicates, took });
    }
}

/// Starts brokers beside each other; each serves, and some topics may have no leader yet.
pub fn start_together(plans: Vec<Plan>) -> Vec<(i32, Broker)> {
    std::thread::scope(|scope| {
        let start = |plan: Plan| scope.spawn(move || (plan.id, plan.start_among_leaderless()));
        let starting: Vec<_> = plans.into_iter().map(start).collect();
        starting.into_iter().map(|start| start.join().expect("it starts")).collect()
    })
}

/// Every byte of a partition's segments.
fn log_bytes(dir: &std::path::Path) -> Vec<u8> {
    let mut files: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "log"));
    files.sort();
    files.iter().flat_map(|file| fs::read(file).unwrap_or_default()).collect()
}

//! A cluster to which everything happens in a random order, by seed. Whatever happens: epochs never go back, a leader is always in the
//! ISR, an ISR is never empty, and when all is quiet every broker has been told exactly what ZooKeeper says.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla::base::{BrokerId, TopicPartition};
use ottla::controller::{AlterPartition, ControllerHandle, ElectionKind, TopicRef};
use ottla::zk::store;
use serde_json::Value;

use super::world::{Node, Received, World, registration, settle, tp};

const BROKERS: BrokerId = 4;
const TOPICS: usize = 4;
const PARTITIONS: i32 = 2;
const STEPS: usize = 120;

/// A broker and its controller; `up` while it is registered.
struct Peer {
    node: Node,
    controller: ControllerHandle,
    up: bool,
    /// Leader, leader epoch and ISR by partition, from UpdateMetadata by a broker's rules.
    knows: BTreeMap<TopicPartition, (BrokerId, i32, Vec<BrokerId>)>,
    controller_epoch: i32,
}

impl Peer {
    /// Takes in what has arrived, as a broker does: nothing of an earlier controller.
    fn learn(&mut self) {
        while let Some(arrived) = self.node.try_next() {
            let Received::UpdateMetadata(request) = arrived.request else { continue };
            if request.broker_epoch < self.node.epoch || request.controller_epoch < self.controller_epoch {
                continue;
            }
            self.controller_epoch = request.controller_epoch;
            for topic in &request.topic_states {
                for p in &topic.partition_states {
                    let name = tp(&topic.topic_name, p.partition_index);
                    if p.leader == -2 {
                        self.knows.remove(&name);
                    } else {
                        self.knows.insert(name, (p.leader, p.leader_epoch, p.isr.clone()));
                    }
                }
            }
        }
    }
}

/// Leader, leader epoch, ISR, version and controller epoch of every partition that has a state.
fn states(world: &World) -> BTreeMap<TopicPartition, (BrokerId, i32, Vec<BrokerId>, i32, i32)> {
    let mut all = BTreeMap::new();
    for (path, (text, stat)) in world.zk.dump() {
        let parts: Vec<&str> = path.split('/').collect();
        let ["", "brokers", "topics", topic, "partitions", index, "state"] = parts[..] else { continue };
        let json: Value = serde_json::from_str(&text).expect("JSON");
        let number = |key: &str| json[key].as_i64().expect("number") as i32;
        let isr = json["isr"].as_array().expect("list").iter().map(|id| id.as_i64().expect("id") as i32).collect();
        let state = (number("leader"), number("leader_epoch"), isr, stat.version, number("controller_epoch"));
        all.insert(tp(topic, index.parse().expect("index")), state);
    }
    all
}

async fn come_back(peer: &mut Peer) {
    let id = peer.node.id;
    // As a new process. One that only lost its session would keep topics that were deleted meanwhile, as it would with Kafka.
    peer.learn();
    peer.knows.clear();
    let session = peer.node.zk.reopen().await.expect("reopened");
    let node = registration(id, 9092 + id as u16);
    peer.node.epoch = store::brokers::register(&session, &node, &[]).await.expect("registered");
    peer.controller.reelect();
    peer.up = true;
}

async fn run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new();
    let mut peers = Vec::new();
    for id in 0..BROKERS {
        let mut node = world.broker(id).await;
        node.settings.unclean_leader_election = seed.is_multiple_of(2);
        node.settings.auto_leader_rebalance = seed.is_multiple_of(3);
        let controller = node.start();
        peers.push(Peer { node, controller, up: true, knows: BTreeMap::new(), controller_epoch: 0 });
    }
    let tool = world.zk.connect().await.session();
    let mut before = BTreeMap::new();
    for step in 0..STEPS {
        let whom = random.usize(..peers.len());
        let name = tp(&format!("t{}", random.usize(..TOPICS)), random.i32(..PARTITIONS));
        let mut replicas: Vec<BrokerId> = (0..BROKERS).collect();
        random.shuffle(&mut replicas);
        replicas.truncate(random.usize(1..=3));
        let active = peers.iter().find(|p| p.controller.is_active()).map(|p| p.controller.clone());
        match random.u32(..24) {
            0..=2 if !world.exists(&format!("/brokers/topics/{}", name.topic)) => {
                let lists: Vec<&[BrokerId]> = (0..PARTITIONS).map(|_| replicas.as_slice()).collect();
                if store::topics::can_create(&tool).await.expect("read") {
                    world.create_topic(&tool, &name.topic, &lists).await;
                }
            }
            3 if random.bool() => drop(store::topics::mark_for_deletion(&tool, &name.topic).await.expect("marked")),
            4 | 5 if peers[whom].up => {
                world.zk.expire(peers[whom].node.session().id());
                peers[whom].controller.expire().await;
                peers[whom].up = false;
            }
            6..=8 if !peers[whom].up => come_back(&mut peers[whom]).await,
            9 => world.zk.resume(peers[whom].node.session().id()),
            10 => world.zk.lose_replies(peers[whom].node.session().id(), random.usize(1..4)),
            11..=18 => {
                // The leader proposes an ISR of live replicas.
                let Some((leader, leader_epoch, _, version, _)) = states(&world).remove(&name) else { continue };
                let Some(controller) = active.filter(|_| leader >= 0 && peers[leader as usize].up) else { continue };
                let topic = store::topics::get(&tool, &name.topic).await.expect("read").expect("there").0;
                let mut isr = topic.partitions[&name.partition].replicas.clone();
                isr.retain(|id| *id == leader || random.u8(..6) > 0);
                let proposal = AlterPartition {
                    topic: TopicRef::Id(topic.topic_id.expect("id")),
                    partition: name.partition,
                    leader_epoch,
                    isr,
                    recovering: false,
                    partition_epoch: version,
                };
                let epoch = peers[leader as usize].node.epoch;
                drop(controller.alter_partition(leader, epoch, 3, vec![proposal]).await);
            }
            19 | 20 => {
                let Some(controller) = active else { continue };
                let target = Some(replicas).filter(|_| random.bool());
                drop(controller.alter_reassignments(BTreeMap::from([(name, target)])).await);
            }
            21 | 22 => {
                let Some(controller) = active else { continue };
                if random.bool() {
                    drop(controller.elect_leaders(None, ElectionKind::Preferred).await);
                } else {
                    let epoch = peers[whom].node.epoch;
                    drop(controller.controlled_shutdown(whom as i32, epoch).await);
                }
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(random.u64(..40))).await;
        let now = states(&world);
        for (name, (leader, leader_epoch, isr, _, controller_epoch)) in &now {
            let place = format!("seed {seed} step {step} {name}");
            assert!(!isr.is_empty(), "{place}: empty ISR");
            assert!(*leader == -1 || isr.contains(leader), "{place}: leader {leader} outside of {isr:?}");
            if let Some((_, old_leader_epoch, _, _, old_controller_epoch)) = before.get(name) {
                // A topic made anew starts anew.
                let same = *leader_epoch > 0 || *old_leader_epoch == 0;
                assert!(!same || leader_epoch >= old_leader_epoch, "{place}: leader epoch went back");
                assert!(controller_epoch >= old_controller_epoch, "{place}: controller epoch went back");
            }
        }
        assert!(peers.iter().filter(|p| p.up && p.controller.is_active()).count() <= 1, "two leaders");
        before = now;
        for peer in &mut peers {
            peer.learn();
        }
    }
    // Everybody returns, whoever asked to leave too: a new life takes the mark away.
    for peer in &mut peers {
        if peer.up {
            world.zk.expire(peer.node.session().id());
            peer.controller.expire().await;
        }
        come_back(peer).await;
        settle().await;
        peer.learn();
    }
    settle().await;
    let leaders: Vec<&Peer> = peers.iter().filter(|p| p.controller.is_active()).collect();
    assert_eq!(leaders.len(), 1, "seed {seed}");
    let status = leaders[0].controller.status();
    assert_eq!(status.offline_partitions, 0, "seed {seed}: {status:?}");
    assert_eq!(status.event_queue, 0);
    let marked = store::topics::marked(&tool).await.expect("read");
    let truth: BTreeMap<_, _> =
        states(&world).into_iter().filter(|(name, _)| !marked.contains(&name.topic.to_string())).collect();
    for peer in &mut peers {
        peer.learn();
        let live = |name: &TopicPartition| !marked.contains(&name.topic.to_string());
        peer.knows.retain(|name, _| live(name));
        let known: Vec<_> = peer.knows.iter().map(|(n, (l, e, isr))| (n, l, e, isr)).collect();
        let expected: Vec<_> = truth.iter().map(|(n, (l, e, isr, _, _))| (n, l, e, isr)).collect();
        assert_eq!(known, expected, "seed {seed}: what broker {} was told", peer.node.id);
        assert!(truth.values().all(|state| state.0 >= 0), "seed {seed}: {truth:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_brokers_end_up_knowing_what_zookeeper_says() {
    for seed in 0..30 {
        run(seed).await;
    }
}

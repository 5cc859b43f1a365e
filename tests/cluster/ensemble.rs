//! Three brokers through everything that an ensemble of three ZooKeepers may do: none of them is started again, and nothing stale is
//! written.

use std::time::Duration;

use rustix::process::Signal;

use crate::fencing;
use crate::harness::partitions::{Brokers, LIMIT, await_state, create, produce, start, state, topic_on};
use crate::harness::zookeeper::Ensemble;
use crate::harness::{Broker, Cluster, eventually, raw, tree};

const TOPIC: &str = "topic";
/// Many times a session of the brokers.
const AWAY: Duration = Duration::from_secs(25);

struct World {
    ensemble: Ensemble,
    cluster: Cluster,
    brokers: Brokers,
    rounds: usize,
}

impl World {
    /// A record is acknowledged by all, and a topic is made: ZooKeeper, the controller and replication work.
    fn assert_works(&mut self, after: &str) {
        self.rounds += 1;
        let topic = format!("after-{}", self.rounds);
        let new = topic_on(&topic, &[&[0, 1, 2]], &[]);
        eventually(&format!("a topic made after {after}"), LIMIT, || {
            let controller = tree::controller(&self.cluster.connect)?;
            (raw::create(&self.brokers[&controller].address(), vec![new.clone()])[0].1 == 0).then_some(())
        });
        for topic in [TOPIC, &topic] {
            let full = |s: &crate::harness::partitions::State| s.leader >= 0 && s.isr == [0, 1, 2];
            await_state(&self.cluster.connect, topic, 0, &format!("full sync after {after}"), full);
            eventually(&format!("a record acknowledged after {after}"), LIMIT, || self.write(topic));
        }
        self.brokers.values_mut().for_each(Broker::assert_alive);
    }

    fn write(&self, topic: &str) -> Option<()> {
        let leader = state(&self.cluster.connect, topic, 0)?.leader;
        let leader = self.brokers.get(&leader)?;
        (produce(&leader.address(), topic, 0, -1, raw::batch(&["value"])) == 0).then_some(())
    }
}

#[test]
fn brokers_outlive_all_that_an_ensemble_does_and_no_controller_writes_without_its_epoch() {
    let ensemble = Ensemble::start();
    let cluster = Cluster::on(&ensemble.address(), "ensemble");
    let brokers = start((0..3).map(|id| cluster.broker(id)));
    create(&brokers[&0], &topic_on(TOPIC, &[&[0, 1, 2]], &[("min.insync.replicas", "2")]));
    let mut world = World { ensemble, cluster, brokers, rounds: 0 };
    world.assert_works("the start");

    world.ensemble.servers[0].kill();
    world.assert_works("a server died");
    world.ensemble.servers[0].start_again();

    let leader = world.ensemble.leader();
    world.ensemble.servers[leader].kill();
    world.assert_works("the ensemble's leader died");
    world.ensemble.servers[leader].start_again();

    let leader = world.ensemble.leader();
    world.ensemble.servers[leader].pause();
    world.assert_works("the ensemble's leader fell silent");
    world.ensemble.servers[leader].resume();
    world.ensemble.servers[leader].await_serving();

    for server in 0..3 {
        world.ensemble.servers[server].kill();
        world.ensemble.servers[server].start_again();
    }
    world.assert_works("a rolling restart of the ensemble");

    // The old controller sleeps until another leads, and wakes with requests and writes of its own under way.
    let old = tree::controller(&world.cluster.connect).expect("a controller");
    world.brokers.get_mut(&old).expect("running").signal(Signal::STOP);
    eventually("another controller", LIMIT, || tree::controller(&world.cluster.connect).filter(|id| *id != old));
    world.brokers.get_mut(&old).expect("running").signal(Signal::CONT);
    world.assert_works("an old controller woke");

    world.ensemble.servers.iter_mut().for_each(|server| server.kill());
    let leader = world.brokers.values().find(|b| {
        let led = raw::await_leader(&b.address(), TOPIC);
        led == b.plan.id
    });
    let leader = leader.expect("a leader").address();
    let end = std::time::Instant::now() + AWAY;
    while std::time::Instant::now() < end {
        assert_eq!(produce(&leader, TOPIC, 0, -1, raw::batch(&["without ZooKeeper"])), 0, "while ZooKeeper is away");
        std::thread::sleep(Duration::from_millis(500));
    }
    world.ensemble.servers.iter_mut().for_each(|server| server.launch_again());
    world.ensemble.servers.iter_mut().for_each(|server| server.await_serving());
    world.assert_works("ZooKeeper was away");

    world.brokers.values_mut().for_each(Broker::assert_alive);
    let told = fencing::assert_fenced(&world.ensemble.servers[0].data(), "/ensemble");
    assert!(told.elections >= 2 && told.writes > 10, "{told:?}");
    eprintln!("ensemble: {} writes of controllers, {} elections", told.writes, told.elections);
}

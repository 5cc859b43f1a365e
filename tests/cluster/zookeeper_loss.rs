//! A broker outlives every absence of ZooKeeper without a restart, and a killed one comes back under the same id.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::zookeeper::{Ensemble, ZooKeeper};
use crate::harness::{Broker, Cluster, Kind, eventually, raw, target, tree};

fn registered(cluster: &Cluster) -> bool {
    tree::get(&cluster.connect, "/brokers/ids/0").is_some() && tree::get(&cluster.connect, "/controller").is_some()
}

fn assert_works(broker: &mut Broker, topic: &str) {
    raw::create_and_await(&broker.address(), topic, &[]);
    assert_eq!(raw::produce(&broker.address(), topic, raw::batch(&["a"])), (0, 0));
    broker.assert_alive();
}

#[test]
fn broker_serves_while_zookeeper_is_away_or_silent_and_works_with_it_again() {
    let mut zookeeper = ZooKeeper::start();
    let cluster = Cluster::on(&zookeeper.address(), "zookeeper-restart");
    let mut broker = cluster.broker(0).start();
    assert_works(&mut broker, "before");

    zookeeper.kill();
    for i in 1..20 {
        assert_eq!(raw::produce(&broker.address(), "before", raw::batch(&["while it is away"])), (0, i));
    }
    zookeeper.start_again();
    assert_works(&mut broker, "after-restart");

    // Silent for longer than the session lasts. Whether it ends then is for ZooKeeper to say, which does not count the time it slept.
    zookeeper.pause();
    assert_eq!(raw::produce(&broker.address(), "before", raw::batch(&["during the pause"])), (0, 20));
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(raw::produce(&broker.address(), "before", raw::batch(&["late in the pause"])), (0, 21));
    zookeeper.resume();
    eventually("the registration", Duration::from_secs(60), || registered(&cluster).then_some(()));
    assert_works(&mut broker, "after-pause");
    broker.stop();
}

#[test]
fn broker_that_slept_through_its_session_registers_again_and_is_controller_again() {
    let cluster = Cluster::new("expired-session");
    let mut broker = cluster.broker(0).start();
    assert_works(&mut broker, "before");
    let epoch = tree::get(&cluster.connect, "/controller_epoch");
    assert_eq!(epoch.as_deref(), Some("1"));
    broker.signal(Signal::STOP);
    eventually("the end of its session", Duration::from_secs(30), || (!registered(&cluster)).then_some(()));
    broker.signal(Signal::CONT);
    eventually("the registration", Duration::from_secs(60), || registered(&cluster).then_some(()));
    eventually("the next controller epoch", Duration::from_secs(30), || {
        (tree::get(&cluster.connect, "/controller_epoch").as_deref() == Some("2")).then_some(())
    });
    raw::await_metadata(&broker.address(), &["before".to_string()]);
    assert_eq!(raw::produce(&broker.address(), "before", raw::batch(&["b"])), (0, 1));
    assert_works(&mut broker, "after");
    broker.stop();
}

#[test]
fn killed_broker_comes_back_at_once_although_its_session_would_live_on() {
    if target() == Kind::Apache {
        return; // a session's id and password lie in the log directory of an Ottla broker only
    }
    let cluster = Cluster::new("killed-session");
    // The old session would live for 40 s: the new process closes it, as it holds the directory's lock.
    let plan = cluster.broker(0).with("zookeeper.session.timeout.ms", 40_000).start().kill();
    let start = std::time::Instant::now();
    let mut broker = plan.start();
    assert!(start.elapsed() < Duration::from_secs(20), "it waited for the old session: {:?}", start.elapsed());
    assert_works(&mut broker, "topic");
}

#[test]
fn broker_works_on_while_each_server_of_an_ensemble_is_killed_in_turn() {
    let mut ensemble = Ensemble::start();
    let cluster = Cluster::on(&ensemble.address(), "zookeeper-ensemble");
    let mut broker = cluster.broker(0).start();
    assert_works(&mut broker, "before");
    // The leader first: then the two others have to elect one before anything can be written.
    let leader = ensemble.leader();
    for (round, server) in [leader, (leader + 1) % 3, (leader + 2) % 3].into_iter().enumerate() {
        ensemble.servers[server].kill();
        assert_ne!(ensemble.leader(), server);
        eventually("the registration", Duration::from_secs(60), || registered(&cluster).then_some(()));
        assert_works(&mut broker, &format!("without-{round}"));
        ensemble.servers[server].start_again();
    }
    broker.stop();
}

//! A broker outlives every absence of ZooKeeper without a restart, and a killed one comes back under the same id.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
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

/// A way to ZooKeeper over another address, until it is dropped.
struct Detour {
    over: Arc<AtomicBool>,
    address: SocketAddr,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Detour {
    fn new(address: SocketAddr, to: String) -> Self {
        let listener = TcpListener::bind(address).expect("an address of this machine");
        let detour = Self { over: Arc::default(), address, streams: Arc::default() };
        let (over, streams) = (detour.over.clone(), detour.streams.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let (client, server) = (client.expect("accepted"), TcpStream::connect(&to).expect("ZooKeeper"));
                let copy = |mut from: TcpStream, mut to: TcpStream| {
                    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                };
                copy(client.try_clone().expect("a copy"), server.try_clone().expect("a copy"));
                copy(server.try_clone().expect("a copy"), client.try_clone().expect("a copy"));
                streams.lock().expect("no panic").extend([client, server]);
            }
        });
        detour
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address); // the listener looks up
        for stream in self.streams.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both); // gone already is as good
        }
    }
}

#[test]
fn moved_zookeeper_is_found_by_its_name() {
    if target() == Kind::Apache {
        return; // its brokers are not started where /etc/hosts is the test's
    }
    let cluster = Cluster::new("moved-zookeeper");
    let (place, chroot) = cluster.connect.split_once('/').expect("a chroot");
    let port = place.rsplit_once(':').expect("a port").1.parse().expect("a number");
    let hosts = cluster.dir.join("hosts");
    let says = |ip: &str| std::fs::write(&hosts, format!("127.0.0.1 localhost\n{ip} zk.test\n")).expect("written");
    says("127.0.0.2");
    let detour = Detour::new(([127, 0, 0, 2], port).into(), place.into());
    let plan = cluster.broker(0).with("zookeeper.connect", format!("zk.test:{port}/{chroot}")).with_hosts(&hosts);
    let mut broker = plan.start();
    assert_works(&mut broker, "before");
    let lost = || broker.output().matches("state=Disconnected").count();
    assert_eq!(lost(), 0);
    drop(detour);
    eventually("the loss of the connection", Duration::from_secs(10), || (lost() > 0).then_some(()));
    says("127.0.0.1");
    eventually("a connection to the new address", Duration::from_secs(30), || {
        broker.output().rsplit_once("state=Disconnected")?.1.contains("state=Connected").then_some(())
    });
    assert_works(&mut broker, "after");
    broker.stop();
}

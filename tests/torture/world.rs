//! The cluster of a run: a network, three ZooKeeper servers, three brokers, and who looks at them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::admin::Admin;
use crate::harness::zookeeper::{Ensemble, Place, free_port};
use crate::harness::{Broker, Cluster, Kind};
use crate::history::Role;
use crate::net::{self, Net};
use crate::options::{Network, Options, Target};
use crate::recorder::{Recorder, Voice};
use crate::topics::Topics;
use crate::torment::brokers::machines::Machine;
use crate::torment::brokers::{Brokers, Hands};
use crate::torment::{Log, Nodes};
use crate::view::{View, is_whole};

/// `zookeeper.session.timeout.ms`.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
/// Of brokers, and of replicas.
pub const BROKERS: usize = 3;
/// Within this after the last fault, and a session timeout for a broker that is taken for alive, everything is as before.
pub const HEALED_WITHIN: Duration = Duration::from_secs(30);

/// A running cluster.
pub struct World {
    /// Who leads, now.
    pub view: View,
    /// To be broken.
    pub brokers: Brokers,
    /// To be broken.
    pub ensemble: Ensemble,
    /// The links.
    pub net: Arc<dyn Net>,
    /// Names and addresses.
    pub nodes: Nodes,
    /// What was done.
    pub log: Arc<Log>,
    /// Topics that are there.
    pub topics: Arc<Topics>,
    /// Who writes down what the driver does and sees.
    pub driver: Voice,
    /// Addresses of the brokers, and whom to ask.
    pub admin: Admin,
    /// `zookeeper.connect`.
    pub connect: String,
}

impl World {
    /// Starts everything below a directory, which stays.
    pub fn start(options: &Options, network: Network, recorder: &Arc<Recorder>) -> Self {
        let named = |what: &str| (0..BROKERS).map(|n| format!("{what}{n}")).collect::<Vec<_>>();
        let (brokers, servers) = (named("broker"), named("zk"));
        let net = net::build(network, &[&brokers[..], &servers].concat(), options.shim.as_deref());
        let located = |names: &[String]| names.iter().map(|n| (n.clone(), net.address(n))).collect();
        let nodes = Nodes { brokers: located(&brokers), servers: located(&servers) };
        let place = |n: usize| Place { host: nodes.servers[n].1.to_string(), enter: net.enter(&nodes.servers[n].0) };
        let ensemble = Ensemble::start_at([place(0), place(1), place(2)]);
        // It would be removed at its end.
        let cluster = std::mem::ManuallyDrop::new(Cluster::on(&ensemble.address(), "torture"));
        let machines = machines(&cluster, options);
        let start = |id| start_broker(&cluster, options, &*net, &nodes, machines.get(id), id);
        let running: Vec<_> = (0..BROKERS).map(start).collect();
        let address = |(broker, (node, _)): (&Broker, &(String, _))| {
            format!("{}:{}", net.address_for_clients(node), broker.plan.port)
        };
        let addresses: Vec<_> = running.iter().zip(&nodes.brokers).map(address).collect();
        let role = Role { name: "driver".into(), producer: None, isolation: None, group: None };
        let driver = recorder.client(role);
        let topics = Arc::<Topics>::default();
        let ids: Vec<_> = (0..).zip(addresses.iter().cloned()).collect();
        let view = View::start(&cluster.connect, &ids, &topics, &driver);
        let log = Arc::new(Log::new(driver.clone()));
        let admin = Admin { addresses };
        let hands = Hands {
            log: log.clone(),
            net: net.clone(),
            nodes: nodes.clone(),
            admin: admin.clone(),
            topics: topics.clone(),
            flushed: options.flush,
            machines,
        };
        let brokers = Brokers::new(running, SESSION_TIMEOUT, hands);
        let connect = cluster.connect.clone();
        Self { view, brokers, ensemble, net, nodes, log, topics, driver, admin, connect }
    }

    /// Waits until every partition is led, with all its replicas in sync; the time it took, if that was within the limit. What was seen
    /// before the call does not count.
    pub fn await_whole(&mut self, limit: Duration) -> Option<Duration> {
        let begin = Instant::now();
        loop {
            self.brokers.rest(Duration::from_millis(100));
            let seen = self.view.seen();
            if seen.at.is_some_and(|at| at > begin) && is_whole(&seen, &self.topics, BROKERS) {
                return Some(begin.elapsed());
            }
            if begin.elapsed() > limit {
                return None;
            }
        }
    }
}

/// Kinds of the brokers by id.
pub fn kind(target: Target, id: usize) -> Kind {
    match (target, id) {
        (Target::Apache, _) | (Target::Mixed, 0) => Kind::Apache,
        (Target::Ottla | Target::Mixed, _) => Kind::Ottla,
    }
}

/// One a broker, where there is a shim.
fn machines(cluster: &Cluster, options: &Options) -> Vec<Machine> {
    let Some(shim) = &options.shim else { return Vec::new() };
    let machine = |id: usize| {
        let dir = cluster.dir.join(format!("machine{id}"));
        fs::create_dir_all(&dir).and_then(|()| Machine::new(&dir, &cluster.broker(id as i32).logs, shim))
    };
    (0..BROKERS).map(|id| machine(id).unwrap_or_else(|e| panic!("the machine of broker {id}: {e}"))).collect()
}

fn start_broker(
    cluster: &Cluster,
    options: &Options,
    net: &dyn Net,
    nodes: &Nodes,
    machine: Option<&Machine>,
    id: usize,
) -> Broker {
    let (node, address) = &nodes.brokers[id];
    let port = free_port();
    let plan = cluster
        .broker(id as i32)
        .kind(kind(options.target, id))
        .at(&address.to_string(), port, net.enter(node))
        .with("advertised.listeners", format!("PLAINTEXT://{}:{port}", net.address_for_clients(node)))
        .with("zookeeper.session.timeout.ms", SESSION_TIMEOUT.as_millis())
        .with("zookeeper.connection.timeout.ms", 18_000)
        .with("min.insync.replicas", 2)
        .with("default.replication.factor", BROKERS)
        .with("offsets.topic.replication.factor", BROKERS)
        .with("offsets.topic.num.partitions", 4)
        .with("transaction.state.log.replication.factor", BROKERS)
        .with("transaction.state.log.min.isr", 2)
        .with("transaction.state.log.num.partitions", 4)
        .with("transaction.abort.timed.out.transaction.cleanup.interval.ms", 2000)
        .with("group.initial.rebalance.delay.ms", 200)
        .with("replica.lag.time.max.ms", 1500)
        .with("replica.fetch.wait.max.ms", 500)
        .with("replica.socket.timeout.ms", 3000)
        .with("controller.socket.timeout.ms", 3000)
        .with("log.cleaner.backoff.ms", 1000)
        .with("log.segment.bytes", 1 << 20)
        .with("log.flush.offset.checkpoint.interval.ms", 1000)
        .with("auto.create.topics.enable", false);
    let plan = if options.balance {
        plan.with("leader.imbalance.check.interval.seconds", 1).with("leader.imbalance.per.broker.percentage", 0)
    } else {
        plan
    };
    let plan = options.sabotage.iter().fold(plan, |plan, what| plan.with_variable("OTTLA_SABOTAGE", what));
    let plan = machine.iter().fold(plan, |plan, machine| machine.put_below(plan));
    let plan = if options.flush { plan.with("log.flush.interval.messages", 1) } else { plan };
    let program = options.ottla.as_deref().map(Path::to_path_buf);
    program.iter().fold(plan, |plan, ottla| plan.with_program(ottla)).start()
}

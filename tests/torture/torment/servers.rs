//! What is done to the servers of ZooKeeper's ensemble.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Log, Nodes};
use crate::harness::zookeeper::Ensemble;
use crate::net::{Net, Way};
use crate::plan::{Kind, Plan, Step, Whom};

/// Faults of the ensemble until the time is over; every server runs when this returns.
pub fn torment(ensemble: &mut Ensemble, plan: &mut Plan, log: &Arc<Log>, net: &dyn Net, nodes: &Nodes, until: Instant) {
    let left = || until.saturating_duration_since(Instant::now());
    while !left().is_zero() {
        let Some(step) = plan.next() else { return };
        std::thread::sleep(step.rest.min(left()));
        if left().is_zero() {
            return;
        }
        let begin = log.now();
        let (whom, showed) = suffer(ensemble, &step, net, nodes);
        // The next fault finds a quorum, or brokers would wait for ZooKeeper all the time.
        ensemble.servers.iter_mut().for_each(|server| server.await_serving());
        log.did(begin, step.kind, whom, showed);
    }
}

/// One fault, from its begin to its end: whom it hit, and whether it showed.
fn suffer(ensemble: &mut Ensemble, step: &Step, net: &dyn Net, nodes: &Nodes) -> (String, bool) {
    let index = match step.whom {
        Whom::Number(index) | Whom::LeaderOf(index) => index % ensemble.servers.len(),
        Whom::Head => ensemble.leader(),
    };
    let whom = format!("zookeeper server {}", index + 1);
    let pause = |time: Duration| std::thread::sleep(time);
    let showed = match step.kind {
        Kind::ZkKill | Kind::ZkTerm => {
            if step.kind == Kind::ZkKill {
                ensemble.servers[index].kill();
            } else {
                ensemble.servers[index].terminate();
            }
            pause(step.time);
            let gone = !ensemble.servers[index].is_serving();
            ensemble.servers[index].launch_again();
            gone
        }
        Kind::ZkPause => {
            ensemble.servers[index].pause();
            pause(step.time);
            // A stopped process does not answer.
            let silent = step.time < Duration::from_secs(2) || !ensemble.servers[index].is_serving();
            ensemble.servers[index].resume();
            silent
        }
        Kind::ZkSplit => {
            let (node, _) = &nodes.servers[index];
            let peers: Vec<_> = nodes.servers.iter().filter(|(name, _)| name != node).map(|(_, a)| *a).collect();
            net.cut(node, &peers, Way::Both);
            pause(step.time);
            net.heal(node) > 0
        }
        Kind::ZkAway => {
            ensemble.servers[..2].iter_mut().for_each(|server| server.kill());
            pause(step.time);
            let gone = ensemble.servers[..2].iter().all(|server| !server.is_serving());
            ensemble.servers[..2].iter_mut().for_each(|server| server.launch_again());
            return ("zookeeper servers 1 and 2".into(), gone);
        }
        other => panic!("{other:?} is not done to ZooKeeper"),
    };
    (whom, showed)
}

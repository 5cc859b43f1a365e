//! Does the faults of a plan to real processes, and undoes them.
//!
//! A broker that ends by itself once it has started is a failure of the run. One that can't start because ZooKeeper is away at that
//! moment ends with a message, as Kafka does, and is started again, as every supervisor would.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::faults::{BrokerFault, Faults, ServerFault, Whom};
use super::view::View;
use crate::harness::broker::Plan;
use crate::harness::zookeeper::Ensemble;
use crate::harness::{Broker, tail};

/// By so much later than its timeout the server may notice that a session is over, on a busy machine.
const SESSION_SLACK: Duration = Duration::from_millis(2500);

/// The brokers, each running or waiting to be started.
pub struct Brokers {
    slots: Vec<Slot>,
    session: Duration,
    /// What was done, in order.
    pub done: Vec<BrokerFault>,
    /// How often a start had to be tried again.
    pub start_retries: usize,
    /// Logs of all lives that have ended.
    pub logs: Vec<PathBuf>,
}

enum Slot {
    Running(Broker),
    Down(Plan),
    /// Only while it is moved from one to the other.
    Moving,
}

impl Brokers {
    /// Takes over running brokers, ids from 0 on, with their session timeout.
    pub fn new(brokers: Vec<Broker>, session: Duration) -> Self {
        let slots = brokers.into_iter().map(Slot::Running).collect();
        Self { slots, session, done: Vec::new(), start_retries: 0, logs: Vec::new() }
    }

    /// The running brokers.
    pub fn running(&mut self) -> impl Iterator<Item = &mut Broker> {
        self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Running(broker) => Some(broker),
            Slot::Down(_) | Slot::Moving => None,
        })
    }

    /// kill -9 of every one; their plans, and the logs of all their lives.
    pub fn end(mut self) -> (Vec<Plan>, Vec<PathBuf>) {
        (0..self.slots.len()).for_each(|index| self.kill(index));
        let plan = |slot| match slot {
            Slot::Down(plan) => Some(plan),
            Slot::Running(_) | Slot::Moving => None,
        };
        (self.slots.into_iter().filter_map(plan).collect(), self.logs)
    }

    fn kill(&mut self, index: usize) {
        if let Slot::Running(broker) = std::mem::replace(&mut self.slots[index], Slot::Moving) {
            self.logs.push(broker.log_file().into());
            self.slots[index] = Slot::Down(broker.kill());
        }
    }

    fn launch(&mut self, index: usize) {
        match std::mem::replace(&mut self.slots[index], Slot::Moving) {
            Slot::Down(plan) => self.slots[index] = Slot::Running(plan.begin()),
            other => self.slots[index] = other,
        }
    }

    fn signal(&mut self, index: usize, signal: Signal) {
        if let Slot::Running(broker) = &mut self.slots[index] {
            broker.signal(signal);
        }
    }

    /// Lets time pass, and starts again who could not start.
    pub fn rest(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            for index in 0..self.slots.len() {
                let Slot::Running(broker) = &mut self.slots[index] else { continue };
                if let Some(status) = broker.ended() {
                    let output = broker.output();
                    assert!(!broker.has_started(), "broker {index} ended by itself ({status}):\n{}", tail(&output, 60));
                    self.start_retries += 1;
                    self.kill(index);
                    self.launch(index);
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    fn past_session(&self) -> Duration {
        self.session + SESSION_SLACK
    }

    fn find(&self, view: &View, whom: Whom) -> usize {
        let seen = view.seen();
        let found = match whom {
            Whom::Broker(index) => return index,
            Whom::LeaderOf(partition) => seen.states.get(&partition).map(|(leader, _)| *leader),
            Whom::Controller => seen.controller,
        };
        found.and_then(|id| usize::try_from(id).ok()).unwrap_or(0)
    }

    /// Faults until the time is over.
    pub fn torment(&mut self, faults: &mut Faults, view: &View, partitions: i32, until: Instant) {
        while Instant::now() < until {
            let step = faults.for_brokers(self.slots.len(), partitions);
            self.rest(step.rest);
            self.suffer(&step.fault, view);
        }
    }

    /// One fault, from its begin to its end.
    pub fn suffer(&mut self, fault: &BrokerFault, view: &View) {
        self.done.push(fault.clone());
        match *fault {
            BrokerFault::Kill { whom, down } => {
                let index = self.find(view, whom);
                self.kill(index);
                self.rest(down);
                self.launch(index);
            }
            BrokerFault::Pause { whom, pause } => {
                let index = self.find(view, whom);
                self.signal(index, Signal::STOP);
                self.rest(pause);
                self.signal(index, Signal::CONT);
            }
            BrokerFault::KillLeaderBehindPausedFollowers { partition } => {
                let leader = self.find(view, Whom::LeaderOf(partition));
                let others: Vec<_> = (0..self.slots.len()).filter(|index| *index != leader).collect();
                others.iter().for_each(|index| self.signal(*index, Signal::STOP));
                self.rest(Duration::from_millis(700));
                self.kill(leader);
                others.iter().for_each(|index| self.signal(*index, Signal::CONT));
                // Somebody else leads before it is back, as far as ZooKeeper's state allows.
                self.rest(self.past_session());
                self.launch(leader);
            }
            BrokerFault::RestartFollowersBehindPausedLeader { partition } => {
                let leader = self.find(view, Whom::LeaderOf(partition));
                let others: Vec<_> = (0..self.slots.len()).filter(|index| *index != leader).collect();
                self.signal(leader, Signal::STOP);
                others.iter().for_each(|index| self.kill(*index));
                others.iter().for_each(|index| self.launch(*index));
                self.rest(self.past_session());
                self.signal(leader, Signal::CONT);
            }
            BrokerFault::KillAll { down } => {
                (0..self.slots.len()).for_each(|index| self.kill(index));
                self.rest(down);
                (0..self.slots.len()).for_each(|index| self.launch(index));
            }
        }
    }
}

/// Faults of the ensemble until the time is over; every server runs when this returns.
pub fn torment_servers(ensemble: &mut Ensemble, faults: &mut Faults, until: Instant) -> Vec<ServerFault> {
    let mut done = Vec::new();
    let within = |time: Duration| time.min(until.saturating_duration_since(Instant::now()));
    while Instant::now() < until {
        let step = faults.for_servers(ensemble.servers.len());
        std::thread::sleep(within(step.rest));
        done.push(step.fault.clone());
        match step.fault {
            ServerFault::Kill { server, down } => {
                ensemble.servers[server].kill();
                std::thread::sleep(within(down));
                ensemble.servers[server].launch_again();
            }
            ServerFault::KillLeader { down } => {
                let leader = ensemble.leader();
                ensemble.servers[leader].kill();
                std::thread::sleep(within(down));
                ensemble.servers[leader].launch_again();
            }
            ServerFault::Pause { server, pause } => {
                ensemble.servers[server].pause();
                std::thread::sleep(within(pause));
                ensemble.servers[server].resume();
            }
            ServerFault::Away { down } => {
                ensemble.servers[..2].iter_mut().for_each(|server| server.kill());
                std::thread::sleep(within(down));
                ensemble.servers[..2].iter_mut().for_each(|server| server.launch_again());
            }
        }
        // The next fault finds a quorum, or brokers would wait for ZooKeeper all the time.
        ensemble.servers.iter_mut().for_each(|server| server.await_serving());
    }
    done
}

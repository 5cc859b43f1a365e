//! What is done to brokers.
//!
//! A broker that ends by itself once it has started is written down, and started again. One that can't start because ZooKeeper is away
//! at that moment ends with a message, as Kafka does, and is started again, as every supervisor would.

pub mod machines;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Log, Nodes};
use machines::Machine;

use crate::admin::Admin;
use crate::harness::Broker;
use crate::harness::broker::Plan as BrokerPlan;
use crate::history::{Act, Cause, Sight, Tp, What};
use crate::net::{Net, Way};
use crate::plan::{Kind, Plan, Step, Whom};
use crate::topics::Topics;
use crate::view::{State, View};

/// By so much later than its timeout the server may notice that a session is over, on a busy machine.
const SESSION_SLACK: Duration = Duration::from_millis(2500);
/// A broker that is told to end does so within this, or is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(40);
/// Every restart of an Apache broker writes its whole configuration; of a broker that can't start so many are enough to know why.
const BETWEEN_STARTS: Duration = Duration::from_millis(500);

/// What is needed to break brokers.
pub struct Hands {
    /// Writes it down.
    pub log: Arc<Log>,
    /// The links.
    pub net: Arc<dyn Net>,
    /// Names and addresses.
    pub nodes: Nodes,
    /// Whom to ask for an unclean election.
    pub admin: Admin,
    /// Of what.
    pub topics: Arc<Topics>,
    /// Every record is synced before it is acknowledged.
    pub flushed: bool,
    /// What each broker runs on; none where disks and clocks are the system's own.
    pub machines: Vec<Machine>,
}

/// The brokers, each running or waiting to be started.
pub struct Brokers {
    slots: Vec<Slot>,
    session: Duration,
    hands: Hands,
    /// Logs of all lives that have ended.
    pub logs: Vec<PathBuf>,
    /// Logs that a loss of power has torn and that are not recovered yet, and how many bytes of each are no batch.
    torn: Vec<BTreeMap<String, u64>>,
    /// Who has lost something that it had said to have, until all are in sync again: meanwhile no other one may.
    lacking: Option<usize>,
    /// How often a start had to be tried again.
    pub start_retries: usize,
    next_start: Instant,
}

enum Slot {
    Running(Broker),
    Down(BrokerPlan),
    /// Only while it is moved from one to the other.
    Moving,
}

impl Brokers {
    /// Takes over running brokers, ids from 0 on, with their session timeout.
    pub fn new(brokers: Vec<Broker>, session: Duration, hands: Hands) -> Self {
        let slots: Vec<_> = brokers.into_iter().map(Slot::Running).collect();
        let torn = vec![BTreeMap::new(); slots.len()];
        Self {
            slots,
            session,
            hands,
            logs: Vec::new(),
            torn,
            lacking: None,
            start_retries: 0,
            next_start: Instant::now(),
        }
    }

    /// The running brokers.
    pub fn running(&mut self) -> impl Iterator<Item = &mut Broker> {
        self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Running(broker) => Some(broker),
            Slot::Down(_) | Slot::Moving => None,
        })
    }

    /// kill -9 of every one; their plans, and the logs of all their lives.
    pub fn end(mut self) -> (Vec<BrokerPlan>, Vec<PathBuf>) {
        for index in 0..self.slots.len() {
            self.kill(index);
        }
        let plan = |slot| match slot {
            Slot::Down(plan) => Some(plan),
            Slot::Running(_) | Slot::Moving => None,
        };
        (self.slots.into_iter().filter_map(plan).collect(), self.logs)
    }

    /// True when there was something to kill.
    fn kill(&mut self, index: usize) -> bool {
        match std::mem::replace(&mut self.slots[index], Slot::Moving) {
            Slot::Running(broker) => {
                self.logs.push(broker.log_file().into());
                self.hear_of_torn(index, &broker);
                self.slots[index] = Slot::Down(broker.kill());
                true
            }
            other => {
                self.slots[index] = other;
                false
            }
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

    /// The process does not run: SIGSTOP has reached it.
    fn is_stopped(&self, index: usize) -> bool {
        let Slot::Running(broker) = &self.slots[index] else { return false };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", broker.pid())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// Lets time pass, and starts again who has ended.
    pub fn rest(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            if Instant::now() >= self.next_start {
                self.start_ended();
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    fn start_ended(&mut self) {
        for index in 0..self.slots.len() {
            let Slot::Running(broker) = &mut self.slots[index] else { continue };
            let Some(status) = broker.ended() else { continue };
            if broker.has_started() {
                let output = broker.output();
                let how = format!("{status}: {}", crate::harness::tail(&output, 3));
                self.hands.log.says(What::Saw(Box::new(Sight::Ended { broker: index as i32, how })));
            }
            self.start_retries += 1;
            self.kill(index);
            self.launch(index);
            self.next_start = Instant::now() + BETWEEN_STARTS;
        }
    }

    fn past_session(&self) -> Duration {
        self.session + SESSION_SLACK
    }

    fn find(&self, view: &View, whom: Whom) -> usize {
        let seen = view.seen();
        let found = match whom {
            Whom::Number(index) => return index % self.slots.len(),
            Whom::LeaderOf(place) if seen.states.is_empty() => return place % self.slots.len(),
            Whom::LeaderOf(place) => seen.states.values().nth(place % seen.states.len()).map(|state| state.leader),
            Whom::Head => seen.controller,
        };
        found.and_then(|id| usize::try_from(id).ok()).unwrap_or(0)
    }

    /// Faults until the time is over.
    pub fn torment(&mut self, plan: &mut Plan, view: &View, until: Instant) {
        while Instant::now() < until {
            let Some(step) = plan.next() else { return self.rest(until.saturating_duration_since(Instant::now())) };
            self.rest(step.rest.min(until.saturating_duration_since(Instant::now())));
            if Instant::now() < until {
                self.suffer(&step, view);
            }
        }
    }

    /// One fault, from its begin to its end.
    pub fn suffer(&mut self, step: &Step, view: &View) {
        let begin = self.hands.log.now();
        let index = self.find(view, step.whom);
        let others: Vec<_> = (0..self.slots.len()).filter(|other| *other != index).collect();
        let mut whom = format!("broker {index}");
        let showed = match step.kind {
            Kind::Kill => {
                let showed = self.kill(index);
                self.rest(step.time);
                self.launch(index);
                showed
            }
            Kind::KillAll => {
                let killed: BTreeSet<bool> = (0..self.slots.len()).map(|index| self.kill(index)).collect();
                self.rest(step.time);
                (0..self.slots.len()).for_each(|index| self.launch(index));
                whom = "all brokers".into();
                !killed.contains(&false)
            }
            Kind::Term => self.terminate(index, step.time),
            Kind::Pause => {
                self.signal(index, Signal::STOP);
                self.rest(step.time);
                let showed = self.is_stopped(index);
                self.signal(index, Signal::CONT);
                showed
            }
            Kind::LeaderAhead => {
                others.iter().for_each(|index| self.signal(*index, Signal::STOP));
                self.rest(Duration::from_millis(700));
                let showed = others.iter().all(|index| self.is_stopped(*index)) && self.kill(index);
                others.iter().for_each(|index| self.signal(*index, Signal::CONT));
                // Somebody else leads before it is back, as far as ZooKeeper's state allows.
                self.rest(self.past_session());
                self.launch(index);
                showed
            }
            Kind::FollowersBehind => {
                self.signal(index, Signal::STOP);
                let killed = others.iter().filter(|index| self.kill(**index)).count();
                others.iter().for_each(|index| self.launch(*index));
                self.rest(self.past_session());
                let showed = killed == others.len() && self.is_stopped(index);
                self.signal(index, Signal::CONT);
                showed
            }
            Kind::Unclean => {
                let (how, what) = self.elect_uncleanly(step.whom, view).unwrap_or((false, "no partition".into()));
                whom = what;
                how
            }
            kind if kind.needs_machine() => {
                let how;
                (how, whom) = self.break_machine(index, step, view);
                how
            }
            _ => {
                let how;
                (how, whom) = (self.disturb(index, step, view), format!("broker {index}{}", far_end(step.kind)));
                how
            }
        };
        self.hands.log.did(begin, step.kind, whom, showed);
    }

    /// Waits until ZooKeeper has a partition's state as wanted.
    fn await_state(&mut self, view: &View, tp: Tp, limit: Duration, wanted: impl Fn(&State) -> bool) -> Option<State> {
        let begin = Instant::now();
        loop {
            let seen = view.seen();
            let state = seen.states.get(&tp).filter(|state| seen.at.is_some_and(|at| at > begin) && wanted(state));
            if let Some(state) = state {
                return Some(state.clone());
            }
            if begin.elapsed() > limit {
                return None;
            }
            self.rest(Duration::from_millis(100));
        }
    }

    /// What an unclean election may lose is what its leader's log has not at that moment, and what lies where that log has parted from the
    /// one it replaces: behind the end of its latest epoch there. It is written down before clients see it.
    fn elect_uncleanly(&mut self, whom: Whom, view: &View) -> Option<(bool, String)> {
        let seen = view.seen();
        let place = match whom {
            Whom::Number(place) | Whom::LeaderOf(place) => place,
            Whom::Head => 0,
        };
        let (tp, state) = seen.states.iter().nth(place % seen.states.len().max(1))?;
        let tp = *tp;
        let topic = self.hands.topics.all().into_iter().find(|topic| topic.number == tp.topic)?;
        let leader = usize::try_from(state.leader).ok()?;
        let others: Vec<_> = (0..self.slots.len()).filter(|other| *other != leader).collect();
        let what = format!("{tp}, led by broker {leader}");
        others.iter().for_each(|index| self.signal(*index, Signal::STOP));
        let limit = self.past_session() * 2;
        let alone = self.await_state(view, tp, limit, |state| state.isr == [leader as i32]);
        let begin = self.hands.log.now();
        let ends = self.epoch_ends(&topic.name, tp, state);
        self.kill(leader);
        others.iter().for_each(|index| self.signal(*index, Signal::CONT));
        let mut stage = match alone {
            Some(_) => "alone",
            None => "not alone",
        };
        let leaderless = alone.and_then(|_| self.await_state(view, tp, limit, |state| state.leader < 0));
        let elected = leaderless.and_then(|before| {
            stage = "leaderless";
            let asked = Instant::now();
            while asked.elapsed() < limit && self.hands.admin.elect(&topic.name, tp.partition, true) != Some(0) {
                self.rest(Duration::from_millis(200));
            }
            let state = self.await_state(view, tp, limit, |state| state.leader >= 0)?;
            // Only what was elected while its leader was away was elected uncleanly.
            (state.leader != leader as i32 && state.epoch > before.epoch).then_some(state)
        });
        let showed = elected.is_some();
        if let Some(State { leader, epoch, .. }) = elected {
            let asked = Instant::now();
            let mut from = None;
            while from.is_none() && asked.elapsed() < limit {
                from = self.hands.admin.epoch_end(leader, &topic.name, tp.partition, epoch - 1);
                self.rest(Duration::from_millis(100));
            }
            // Where it can't be known, everything may be lost.
            let parted = |(epoch, end): (i32, i64)| end.min(ends.get(&epoch).copied().unwrap_or(0));
            let from = from.map_or(0, parted);
            self.hands.log.did_act(begin, Act::MayLose { tp, from, cause: Cause::UncleanElection });
        }
        self.launch(leader);
        Some((showed, if showed { what } else { format!("{what} ({stage})") }))
    }

    /// Where each epoch of a partition ends in its leader's log.
    fn epoch_ends(&self, topic: &str, tp: Tp, state: &State) -> BTreeMap<i32, i64> {
        let mut ends = BTreeMap::new();
        let mut next = Some(state.epoch);
        while let Some(epoch) = next.filter(|epoch| *epoch >= 0) {
            let Some((epoch, end)) = self.hands.admin.epoch_end(state.leader, topic, tp.partition, epoch) else {
                break;
            };
            ends.insert(epoch, end);
            next = Some(epoch - 1);
        }
        ends
    }

    /// SIGTERM, the end, and after a while the next start.
    fn terminate(&mut self, index: usize, down: Duration) -> bool {
        let Slot::Running(broker) = &mut self.slots[index] else { return false };
        broker.signal(Signal::TERM);
        let since = Instant::now();
        let mut ended = None;
        while ended.is_none() && since.elapsed() < ENDS_WITHIN {
            std::thread::sleep(Duration::from_millis(30));
            if let Slot::Running(broker) = &mut self.slots[index] {
                ended = broker.ended();
            }
        }
        self.kill(index);
        self.rest(down);
        self.launch(index);
        ended.is_some()
    }

    /// What is done to a broker's link, undone after its time.
    fn disturb(&mut self, index: usize, step: &Step, view: &View) -> bool {
        let (node, _) = &self.hands.nodes.brokers[index];
        let node = node.clone();
        let everybody = self.hands.nodes.all_but(&node);
        match step.kind {
            Kind::Cut => self.hands.net.cut(&node, &everybody, Way::Both),
            Kind::CutIn => self.hands.net.cut(&node, &everybody, Way::In),
            Kind::CutOut => self.hands.net.cut(&node, &everybody, Way::Out),
            Kind::CutZookeeper => self.hands.net.cut(&node, &self.hands.nodes.zookeeper(), Way::Both),
            Kind::CutController => {
                let controller = self.find(view, Whom::Head);
                let from = if controller == index { (index + 1) % self.slots.len() } else { controller };
                self.hands.net.cut(&node, &[self.hands.nodes.brokers[from].1], Way::Both);
            }
            Kind::Slow => self.hands.net.slow(&node, 100 + step.strength * 9),
            Kind::Lossy => self.hands.net.lose(&node, 5 + step.strength * 35 / 100),
            other => panic!("{other:?} is not done to a broker's link"),
        }
        self.rest(step.time);
        self.hands.net.heal(&node) > 0
    }
}

/// What a broker is cut off from.
fn far_end(kind: Kind) -> &'static str {
    match kind {
        Kind::Cut => " from all",
        Kind::CutIn => " gets nothing",
        Kind::CutOut => " sends nothing",
        Kind::CutZookeeper => " from ZooKeeper",
        Kind::CutController => " from the controller",
        _ => "",
    }
}

//! What is done to a broker's disk and clock, and by a stranger with its id.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::{BrokerPlan, Brokers, Slot};
use crate::clock::Clock;
use crate::disk::{Disk, LogEnd, PowerLoss, Trouble, log_ends};
use crate::harness::Broker;
use crate::history::{Act, Cause, Sight, Tp, What};
use crate::plan::{Kind, Step};
use crate::topics::Topic;
use crate::view::View;

/// A broker whose only directory has failed ends within this.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
/// Else the next fault is drawn.
const IN_SYNC_WITHIN: Duration = Duration::from_secs(30);
/// A broker that may not start says so within this, a Java one on a busy machine too.
const TURNED_AWAY_WITHIN: Duration = Duration::from_secs(60);

/// What one broker runs on.
pub struct Machine {
    disk: Disk,
    clock: Clock,
}

impl Machine {
    /// Its files are in `dir`, the broker's in `logs`.
    ///
    /// # Errors
    /// Of the files, or a library is missing.
    pub fn new(dir: &Path, logs: &Path, shim: &Path) -> std::io::Result<Self> {
        Ok(Self { disk: Disk::new(dir, logs, shim)?, clock: Clock::new(&dir.join("clock"))? })
    }

    /// Starts the broker on it.
    pub fn put_below(&self, plan: BrokerPlan) -> BrokerPlan {
        let disk = self.disk.variables();
        let clock = self.clock.variables(&disk[0].1);
        let all = disk.into_iter().skip(1).chain(clock);
        all.fold(plan, |plan, (key, value)| plan.with_variable(key, &value))
    }
}

impl Brokers {
    /// One such fault, from its begin to its end: whether it showed, and whom it hit.
    pub(super) fn break_machine(&mut self, index: usize, step: &Step, view: &View) -> (bool, String) {
        let whom = format!("broker {index}");
        let mut rng = Rng::with_seed(step.time.as_micros() as u64 ^ u64::from(step.strength));
        match step.kind {
            Kind::DiskFail => (self.fail_disk(index, Trouble::FailWrites, step.time), whom),
            Kind::DiskFull => (self.fail_disk(index, Trouble::Full, step.time), whom),
            Kind::SyncFail => (self.fail_disk(index, Trouble::FailSyncs, step.time), whom),
            Kind::DiskSlow => {
                let by = Duration::from_millis(u64::from(5 + step.strength * 3));
                (self.slow_disk(index, by, step.time), format!("{whom}, {by:?} a call"))
            }
            // One broker at a time is promised to be able to.
            Kind::Power if self.lacking.is_some_and(|other| other != index) && !self.await_in_sync(view) => {
                (false, format!("{whom}: not all in sync"))
            }
            Kind::Power => {
                self.lacking = Some(index);
                let loss = self.lose_power(index, &mut rng);
                self.rest(step.time);
                self.launch(index);
                (loss.is_some(), format!("{whom}: {}", describe(loss.as_ref())))
            }
            Kind::PowerAll => (self.all_lose_power(step.time, &mut rng, view), "all brokers".into()),
            // What one disk loses the others have, if all are in sync; and who is in sync has its id.
            Kind::DiskEmpty | Kind::DiskOld | Kind::Impostor if !self.await_in_sync(view) => {
                (false, format!("{whom}: not all in sync"))
            }
            Kind::DiskEmpty | Kind::DiskOld => {
                self.lacking = Some(index);
                let empty = step.kind == Kind::DiskEmpty;
                (if empty { self.empty_disk(index, step.time) } else { self.old_disk(index, step.time) }, whom)
            }
            Kind::Clock => {
                let ahead = (i64::from(step.strength) - 50) * 60;
                let is_set = self.set_clock(index, ahead);
                self.rest(step.time);
                (self.set_clock(index, 0) && is_set, format!("{whom} by {ahead} s"))
            }
            Kind::Impostor => (self.send_impostor(index), whom),
            other => panic!("{other:?} is not done to a machine"),
        }
    }

    /// What ZooKeeper says of an ISR is what was before a loss of power, until all are back.
    fn await_in_sync(&mut self, view: &View) -> bool {
        let begin = Instant::now();
        let mut since = begin;
        while begin.elapsed() < IN_SYNC_WITHIN {
            let serves = |slot: &Slot| matches!(slot, Slot::Running(broker) if broker.has_started());
            if !self.slots.iter().all(serves) {
                since = Instant::now();
            }
            let seen = view.seen();
            let is_new = seen.at.is_some_and(|at| at > since);
            if is_new && seen.states.values().all(|state| state.isr.len() == self.slots.len()) {
                self.lacking = None;
                return true;
            }
            self.rest(Duration::from_millis(100));
        }
        false
    }

    fn machine(&self, index: usize) -> &Machine {
        &self.hands.machines[index]
    }

    fn plan(&self, index: usize) -> &BrokerPlan {
        match &self.slots[index] {
            Slot::Running(broker) => &broker.plan,
            Slot::Down(plan) => plan,
            Slot::Moving => panic!("a broker is neither up nor down for a moment only"),
        }
    }

    /// Lets time pass, or less when the broker ends: nobody takes that for its own doing.
    fn await_end(&mut self, index: usize, limit: Duration) -> bool {
        let since = Instant::now();
        while since.elapsed() < limit {
            if let Slot::Running(broker) = &mut self.slots[index]
                && broker.ended().is_some()
            {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// A broker has one directory here: when that fails it ends, and is started again on a disk that is well.
    fn fail_disk(&mut self, index: usize, trouble: Trouble, time: Duration) -> bool {
        let before = self.machine(index).disk.hits().unwrap_or(0);
        self.machine(index).disk.inject(trouble, None).expect("the control can be written");
        let mut has_ended = self.await_end(index, time.max(Duration::from_secs(1)));
        let hit = self.machine(index).disk.hits().unwrap_or(0) > before;
        if hit && !has_ended {
            has_ended = self.await_end(index, ENDS_WITHIN);
        }
        self.machine(index).disk.clear().expect("the control can be written");
        if has_ended {
            self.kill(index);
            self.launch(index);
        }
        hit
    }

    fn slow_disk(&mut self, index: usize, by: Duration, time: Duration) -> bool {
        let before = self.machine(index).disk.hits().unwrap_or(0);
        self.machine(index).disk.inject(Trouble::Slow(by), None).expect("the control can be written");
        self.rest(time);
        self.machine(index).disk.clear().expect("the control can be written");
        self.machine(index).disk.hits().unwrap_or(0) > before
    }

    /// kill -9, and what was not synced is gone. None when it was down already.
    fn lose_power(&mut self, index: usize, rng: &mut Rng) -> Option<PowerLoss> {
        let was_up = self.kill(index);
        let loss = self.machine(index).disk.lose_power(|below| rng.u64(0..below)).expect("its files can be changed");
        let torn = log_ends(&self.plan(index).logs).unwrap_or_default().into_iter().map(|(name, end)| (name, end.torn));
        self.torn[index] = torn.filter(|(_, bytes)| *bytes > 0).collect();
        was_up.then_some(loss)
    }

    /// A life is over: what it said of the logs that a loss of power before it had torn. It recovered them all if it ever served.
    pub(super) fn hear_of_torn(&mut self, index: usize, broker: &Broker) {
        if self.torn[index].is_empty() {
            return;
        }
        let (output, served) = (broker.output(), broker.has_started());
        let topics = self.hands.topics.all();
        let (log, id) = (&self.hands.log, index as i32);
        self.torn[index].retain(|name, bytes| {
            let told = output.lines().any(|line| tells_of_cut(line, name));
            let number =
                |topic: &Topic| Some((topic.number, name.strip_prefix(&topic.name)?.strip_prefix('-')?.parse().ok()?));
            // Of a topic that was deleted meanwhile nobody asks any more.
            if let (true, Some((topic, partition))) = (told || served, topics.iter().find_map(number)) {
                let tp = Tp { topic, partition };
                log.says(What::Saw(Box::new(Sight::Recovered { tp, broker: id, bytes: *bytes, told })));
            }
            !(told || served)
        });
    }

    /// What may be lost is what the shortest log of those does not have that may lead.
    fn all_lose_power(&mut self, down: Duration, rng: &mut Rng, view: &View) -> bool {
        let begin = self.hands.log.now();
        let seen = view.seen();
        let losses: Vec<_> = (0..self.slots.len()).map(|index| self.lose_power(index, rng)).collect();
        let ends = |index| log_ends(&self.plan(index).logs).unwrap_or_default();
        let ends: Vec<BTreeMap<String, LogEnd>> = (0..self.slots.len()).map(ends).collect();
        self.rest(down);
        (0..self.slots.len()).for_each(|index| self.launch(index));
        for topic in self.hands.topics.all() {
            for tp in topic.tps() {
                let name = format!("{}-{}", topic.name, tp.partition);
                let isr = seen.states.get(&tp).map(|state| state.isr.clone()).unwrap_or_default();
                let may_lead = |index: &usize| isr.is_empty() || isr.contains(&(*index as i32));
                let left =
                    (0..ends.len()).filter(may_lead).map(|index| ends[index].get(&name).map_or(0, |end| end.offset));
                // With `log.flush.interval.messages=1` nothing may be.
                let from = if self.hands.flushed { i64::MAX } else { left.min().unwrap_or(0) };
                self.hands.log.did_act(begin, Act::MayLose { tp, from, cause: Cause::AllLostPower });
            }
        }
        losses.iter().all(Option::is_some)
    }

    fn empty_disk(&mut self, index: usize, down: Duration) -> bool {
        let showed = self.kill(index);
        self.torn[index].clear();
        fs::remove_dir_all(&self.plan(index).logs).expect("a killed broker's files can be removed");
        self.machine(index).disk.forget().expect("the record can be written");
        self.rest(down);
        self.launch(index);
        showed
    }

    /// The disk as it was a while ago: what was written since is not there, though the broker has said that it is.
    fn old_disk(&mut self, index: usize, ago: Duration) -> bool {
        let mut showed = self.kill(index);
        let logs = self.plan(index).logs.clone();
        let copy: PathBuf = logs.with_extension("copy");
        let _ = fs::remove_dir_all(&copy);
        let copied = Command::new("cp").arg("-a").args([&logs, &copy]).status();
        assert!(copied.is_ok_and(|status| status.success()), "no copy of {}", logs.display());
        self.launch(index);
        self.rest(ago + Duration::from_secs(2));
        showed &= self.kill(index);
        self.torn[index].clear();
        fs::remove_dir_all(&logs)
            .and_then(|()| fs::rename(&copy, &logs))
            .expect("a killed broker's files can be changed");
        self.machine(index).disk.forget().expect("the record can be written");
        self.launch(index);
        showed
    }

    fn set_clock(&self, index: usize, ahead_s: i64) -> bool {
        self.machine(index).clock.set(ahead_s).is_ok() && matches!(self.slots[index], Slot::Running(_))
    }

    /// A second process with the id of one that lives, at another port and with a disk of its own: it may not start.
    fn send_impostor(&mut self, index: usize) -> bool {
        let Slot::Running(_) = &self.slots[index] else { return false };
        let mut plan = self.plan(index).clone();
        let logs = plan.logs.with_extension("impostor");
        (plan.port, plan.logs) = (plan.port + 1, logs.clone());
        let mut impostor = plan.begin();
        let since = Instant::now();
        let mut ended = None;
        while ended.is_none() && !impostor.has_started() && since.elapsed() < TURNED_AWAY_WITHIN {
            self.rest(Duration::from_millis(100));
            ended = impostor.ended();
        }
        if impostor.has_started() {
            let how = "a second process took its id while it lived".to_string();
            self.hands.log.says(What::Saw(Box::new(Sight::Ended { broker: index as i32, how })));
        }
        self.logs.push(impostor.log_file().into());
        impostor.kill();
        let _ = fs::remove_dir_all(logs);
        ended.is_some_and(|status| !status.success())
    }
}

/// A line of a broker's log, Ottla's or Kafka's, that says of this log that its end was cut off.
fn tells_of_cut(line: &str, log: &str) -> bool {
    let names =
        || line.match_indices(log).any(|(at, _)| !line[at + log.len()..].starts_with(|c: char| c.is_ascii_digit()));
    ["cutting a segment", "truncating to offset", "Found invalid messages"].iter().any(|words| line.contains(words))
        && names()
}

fn describe(loss: Option<&PowerLoss>) -> String {
    loss.map_or("it was down".into(), |loss| {
        let bytes: u64 = loss.cut.iter().map(|(_, bytes)| bytes).sum();
        format!("{bytes} bytes of {} files lost, {} names undone", loss.cut.len(), loss.undone.len())
    })
}

//! What an operator does meanwhile: topics are made, written, grown, reassigned and deleted, and preferred leaders elected.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::admin::{Admin, outcome};
use crate::clients::producer::{self, Writer};
use crate::clients::{Office, Phase};
use crate::history::{Act, Outcome, Producer, Tp, What};
use crate::recorder::{Recorder, Voice};
use crate::topics::{Topic, Topics};

/// How many topics of its own there may be beside those of the workload.
const TOPICS: usize = 3;
/// Each writes for as long as this.
const WRITTEN_FOR: Duration = Duration::from_secs(3);

/// Who does it.
pub struct Chores {
    /// Whom it asks.
    pub admin: Admin,
    /// What is there.
    pub topics: Arc<Topics>,
    /// Who writes it down.
    pub voice: Voice,
    /// For the writers of its topics.
    pub recorder: Arc<Recorder>,
    /// For the same.
    pub bootstrap: String,
    /// What it draws from.
    pub rng: Rng,
}

impl Chores {
    /// Until then.
    pub fn work(mut self, until: Instant) {
        let left = || until.saturating_duration_since(Instant::now());
        let mut own: Vec<Topic> = Vec::new();
        let mut made = 0;
        while !left().is_zero() {
            std::thread::sleep(Duration::from_millis(self.rng.u64(1000..6000)).min(left()));
            match self.rng.u8(0..8) {
                0 | 1 if own.len() < TOPICS => {
                    own.extend(self.create(made));
                    made += 1;
                }
                2 if !own.is_empty() => {
                    let gone = own.swap_remove(self.rng.usize(0..own.len()));
                    self.delete(&gone);
                }
                3 if !own.is_empty() => {
                    let place = self.rng.usize(0..own.len());
                    self.grow(&mut own[place]);
                }
                4 | 5 => self.reassign(),
                _ => self.elect(),
            }
        }
    }

    fn act(&self, begin: u64, act: Act) {
        self.voice.did(begin, What::Act(Box::new(act)));
    }

    /// Makes a topic, and writes into it. One that may be there is not counted on.
    fn create(&mut self, made: u32) -> Option<Topic> {
        let number = self.topics.number();
        let partitions = self.rng.u16(1..5);
        let topic = Topic { number, name: format!("extra-{made}"), partitions, compacted: false };
        let begin = self.voice.now();
        let outcome = outcome(self.admin.create(&topic, &[("min.insync.replicas", "2")]));
        let is_there = outcome == Outcome::Ok;
        let name = topic.name.clone();
        self.act(begin, Act::Created { topic: number, name: name.clone(), partitions, compacted: false, outcome });
        if !is_there {
            return None;
        }
        self.topics.put(topic.clone());
        let office = Office { bootstrap: self.bootstrap.clone(), phase: Arc::<Phase>::default() };
        let seed = self.rng.u64(..);
        let writer = Writer { name: &name, kind: Producer::Idempotent, rate: 50, keys: 0, seed };
        let writing = producer::start(&office, &self.recorder, &topic, writer);
        std::thread::sleep(WRITTEN_FOR);
        office.phase.stop_writing();
        writing.join().expect("a writer's thread");
        Some(topic)
    }

    fn delete(&self, topic: &Topic) {
        self.topics.remove(topic.number);
        let begin = self.voice.now();
        let outcome = outcome(self.admin.delete(&topic.name));
        self.act(begin, Act::Deleted { topic: topic.number, outcome });
    }

    fn grow(&self, topic: &mut Topic) {
        let begin = self.voice.now();
        let partitions = topic.partitions + 1;
        let outcome = outcome(self.admin.grow(&topic.name, partitions));
        if outcome == Outcome::Ok {
            topic.partitions = partitions;
            self.topics.put(topic.clone());
        }
        self.act(begin, Act::Grown { topic: topic.number, partitions, outcome });
    }

    fn some_partition(&mut self) -> Option<(Topic, u16)> {
        let there = self.topics.all();
        let topic = there.get(self.rng.usize(0..there.len()))?.clone();
        let partition = self.rng.u16(0..topic.partitions);
        Some((topic, partition))
    }

    /// The same brokers in another order: another is preferred then.
    fn reassign(&mut self) {
        let Some((topic, partition)) = self.some_partition() else { return };
        let mut replicas = vec![0, 1, 2];
        self.rng.shuffle(&mut replicas);
        let begin = self.voice.now();
        let outcome = outcome(self.admin.reassign(&topic.name, partition, &replicas));
        self.act(begin, Act::Reassigned { tp: Tp { topic: topic.number, partition }, replicas, outcome });
    }

    fn elect(&mut self) {
        let Some((topic, partition)) = self.some_partition() else { return };
        let begin = self.voice.now();
        let outcome = outcome(self.admin.elect(&topic.name, partition, false));
        self.act(begin, Act::PreferredElection { tp: Tp { topic: topic.number, partition }, outcome });
    }
}

//! The topics of a run: the number of each name in the history, and their creation.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::admin::Admin;
use crate::harness::eventually;
use crate::history::{Act, Outcome, Tp, What};
use crate::recorder::Voice;

/// A cluster that has just been started knows all its brokers within this.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);

/// A topic that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    /// In the history; one that was deleted and made again has another.
    pub number: u16,
    /// In the cluster.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u16,
    /// Of several records of a key only the last may be left.
    pub compacted: bool,
}

impl Topic {
    /// Its partitions.
    pub fn tps(&self) -> impl Iterator<Item = Tp> + use<> {
        let topic = self.number;
        (0..self.partitions).map(move |partition| Tp { topic, partition })
    }
}

/// Those that are there, and the numbers that were given away.
#[derive(Default)]
pub struct Topics(Mutex<Given>);

#[derive(Default)]
struct Given {
    next: u16,
    there: Vec<Topic>,
}

impl Topics {
    /// A number that nobody has.
    pub fn number(&self) -> u16 {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.next += 1;
        given.next - 1
    }

    /// The topic is there now, in the place of one with its number.
    pub fn put(&self, topic: Topic) {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.there.retain(|t| t.number != topic.number);
        given.there.push(topic);
    }

    /// It is to be deleted.
    pub fn remove(&self, number: u16) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).there.retain(|t| t.number != number);
    }

    /// All that are there.
    pub fn all(&self) -> Vec<Topic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).there.clone()
    }

    /// Makes one at the beginning of a run, on all brokers, with two in-sync replicas owed to each acks=all.
    pub fn create(&self, voice: &Voice, admin: &Admin, name: &str, partitions: u16, configs: &[(&str, &str)]) -> Topic {
        let compacted = configs.contains(&("cleanup.policy", "compact"));
        let topic = Topic { number: self.number(), name: name.into(), partitions, compacted };
        let begin = voice.now();
        eventually(&format!("topic {name} created"), KNOWN_WITHIN, || {
            (admin.create(&topic, configs) == Some(0)).then_some(())
        });
        let act = Act::Created { topic: topic.number, name: name.into(), partitions, compacted, outcome: Outcome::Ok };
        voice.did(begin, What::Act(Box::new(act)));
        self.put(topic.clone());
        topic
    }
}

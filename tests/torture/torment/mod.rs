//! Does what the plan says to real processes and links, and undoes it.

pub mod brokers;
pub mod servers;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use crate::history::{Act, Fault, What};
use crate::plan::Kind;
use crate::recorder::Voice;

/// A fault that has been done.
#[derive(Clone, Debug)]
pub struct Done {
    /// How often.
    pub times: u32,
    /// How often it showed: of a cut that packets were held back, of a kill that the process was gone.
    pub showed: u32,
}

/// What was done so far, and who writes it down.
pub struct Log {
    voice: Voice,
    done: Mutex<BTreeMap<Kind, Done>>,
}

impl Log {
    /// Nothing yet.
    pub fn new(voice: Voice) -> Self {
        Self { voice, done: Mutex::default() }
    }

    /// How often each was done.
    pub fn done(&self) -> BTreeMap<Kind, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Of all.
    pub fn times(&self) -> u32 {
        self.done().values().map(|done| done.times).sum()
    }

    /// Microseconds since the start.
    pub fn now(&self) -> u64 {
        self.voice.now()
    }

    /// One was done, from then on until now.
    pub fn did(&self, begin: u64, kind: Kind, whom: String, showed: bool) {
        self.voice.did(begin, What::Fault(Box::new(Fault { name: kind.name().into(), whom })));
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = done.entry(kind).or_insert(Done { times: 0, showed: 0 });
        entry.times += 1;
        entry.showed += u32::from(showed);
    }

    /// Something was done to leaders, from then on until now.
    pub fn did_act(&self, begin: u64, act: Act) {
        self.voice.did(begin, What::Act(Box::new(act)));
    }

    /// Something else is to be written down by the same voice.
    pub fn says(&self, what: What) {
        self.voice.says(what);
    }
}

/// The nodes and their addresses.
#[derive(Clone)]
pub struct Nodes {
    /// By broker id.
    pub brokers: Vec<(String, Ipv4Addr)>,
    /// By number.
    pub servers: Vec<(String, Ipv4Addr)>,
}

impl Nodes {
    /// Every address but that of one node.
    pub fn all_but(&self, node: &str) -> Vec<Ipv4Addr> {
        self.brokers.iter().chain(&self.servers).filter(|(name, _)| name != node).map(|(_, address)| *address).collect()
    }

    /// Those of ZooKeeper.
    pub fn zookeeper(&self) -> Vec<Ipv4Addr> {
        self.servers.iter().map(|(_, address)| *address).collect()
    }
}

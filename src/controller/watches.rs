//! ZooKeeper watches of the controller: each is a small task that waits and enqueues one event, nothing else.
//!
//! A watch fires once; the handler of its event sets it again by the read it begins with. A watch that was lost with its session
//! fires like a change: the handler reads again, and the read tells whether the session lives.

use std::collections::BTreeMap;

use tokio::task::JoinHandle;

use super::event::{Event, Events};
use crate::base::Env;
use crate::base::env::Lane;
use crate::zk::session::{Watch, WatchEvent};

/// The watches that are set, by path and kind of read.
#[derive(Debug)]
pub(super) struct Watches {
    env: Env,
    events: Events,
    set: BTreeMap<String, JoinHandle<()>>,
}

impl Watches {
    pub(super) fn new(env: Env, events: Events) -> Self {
        Self { env, events, set: BTreeMap::new() }
    }

    /// Keeps a watch under a name; one already there is taken away. `event` says what to enqueue when it fires, if anything.
    pub(super) fn keep(
        &mut self,
        name: &str,
        watch: Watch,
        event: impl FnOnce(WatchEvent) -> Option<Event> + Send + 'static,
    ) {
        let events = self.events.clone();
        let waiting = self.env.tasks.spawn(Lane::Control, "controller-watch", async move {
            if let Some(event) = event(watch.await) {
                events.put(event);
            }
        });
        if let Some(before) = self.set.insert(name.to_owned(), waiting) {
            before.abort();
        }
    }

    /// Takes a watch away.
    pub(super) fn drop(&mut self, name: &str) {
        if let Some(waiting) = self.set.remove(name) {
            waiting.abort();
        }
    }

    /// Takes all watches away, except one.
    pub(super) fn clear_except(&mut self, name: &str) {
        self.set.retain(|set, waiting| {
            let keep = set == name;
            if !keep {
                waiting.abort();
            }
            keep
        });
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.clear_except("");
    }
}

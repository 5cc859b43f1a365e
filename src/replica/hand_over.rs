//! Partitions that this broker's coordinators can't read: told to the controller, so that another replica leads them.
//!
//! A coordinator gives a partition up when its journal is broken here. The control applier then refuses to lead it (KAFKA_STORAGE_ERROR)
//! while another live replica is in sync, and the controller elects that one. A partition is given up at most once a minute: where every
//! replica is broken, leadership must not go round without a pause; where it comes back (a preferred election), it goes again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::base::env::Clock;

/// Between two times that a partition is given up, and between two looks whether it still has to be.
pub const GIVE_UP_AGAIN: Duration = Duration::from_secs(60);

/// Asks the controller to name the roles of this broker again; in the background.
pub type AskForRoles = Box<dyn Fn() + Send + Sync>;

/// The partitions of one internal topic that this broker does not want to lead.
#[derive(Default)]
pub struct HandOver {
    ask: OnceLock<AskForRoles>,
    state: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    refused: BTreeSet<i32>,
    given: BTreeMap<i32, Instant>,
}

impl HandOver {
    /// From now on asks by this. Once, before the first LeaderAndIsr.
    pub fn ask_by(&self, ask: AskForRoles) {
        if self.ask.set(ask).is_err() {
            tracing::error!("who asks the controller for roles was set twice");
        }
    }

    /// This broker leads the partition and can't read it. Nothing happens a second time within [`GIVE_UP_AGAIN`].
    pub fn give_up(&self, partition: i32, now: Instant) {
        {
            let mut state = self.state.lock();
            if state.given.get(&partition).is_some_and(|before| now.saturating_duration_since(*before) < GIVE_UP_AGAIN)
            {
                return;
            }
            state.given.insert(partition, now);
            state.refused.insert(partition);
        }
        if let Some(ask) = self.ask.get() {
            ask();
        }
    }

    /// Gives up a partition again and again while it stays unreadable here: another replica may be in sync only later.
    pub async fn keep_giving_up(&self, partition: i32, clock: &Clock, is_unreadable: impl Fn() -> bool) {
        while is_unreadable() {
            self.give_up(partition, clock.now());
            tokio::time::sleep(GIVE_UP_AGAIN).await;
        }
    }

    /// True while the partition is given up and not led by another yet.
    pub fn refuses(&self, partition: i32) -> bool {
        self.state.lock().refused.contains(&partition)
    }

    /// Another broker leads it, or this one can read it after all.
    pub fn is_over(&self, partition: i32) {
        self.state.lock().refused.remove(&partition);
    }
}

//! Partitions that this broker's coordinators can't read: told to the controller, so that another replica leads them.
//!
//! A coordinator gives a partition up when its journal is broken here. The control applier then refuses to lead it (KAFKA_STORAGE_ERROR)
//! while another live replica is in sync, and the controller elects that one. Each partition is given up once in the life of the process:
//! where every replica is broken, leadership must not go round for ever.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use parking_lot::Mutex;

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
    ever: BTreeSet<i32>,
}

impl HandOver {
    /// From now on asks by this. Once, before the first LeaderAndIsr.
    pub fn ask_by(&self, ask: AskForRoles) {
        if self.ask.set(ask).is_err() {
            tracing::error!("who asks the controller for roles was set twice");
        }
    }

    /// This broker leads the partition and can't read it. Nothing happens the second time.
    pub fn give_up(&self, partition: i32) {
        {
            let mut state = self.state.lock();
            if !state.ever.insert(partition) {
                return;
            }
            state.refused.insert(partition);
        }
        if let Some(ask) = self.ask.get() {
            ask();
        }
    }

    /// True while the partition is given up and not led by another yet.
    pub fn refuses(&self, partition: i32) -> bool {
        self.state.lock().refused.contains(&partition)
    }

    /// Another broker leads it.
    pub fn is_led_elsewhere(&self, partition: i32) {
        self.state.lock().refused.remove(&partition);
    }
}

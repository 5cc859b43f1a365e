//! Is the broker serving, and what is not as it should be?
//!
//! A supervisor restarts what answers 503. So only what a restart may mend does: a broker that serves on while ZooKeeper is away, or
//! lacks replicas, says so and answers 200.

use super::Console;
use crate::zk::session::SessionState;

/// What `/health` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Health {
    /// Clients are answered.
    pub is_serving: bool,
    /// This broker.
    pub broker: i32,
    /// `connected`, `disconnected`, `expired` or `closed`.
    pub zookeeper: &'static str,
    /// Who is the controller as far as this broker knows, -1 for nobody.
    pub controller: i32,
    /// Log directories that have failed.
    pub offline_dirs: Vec<String>,
    /// Led partitions that lack an in-sync replica.
    pub under_replicated: usize,
}

pub(super) fn of(console: &Console) -> Health {
    let offline_dirs = console.logs.offline().borrow().iter().map(|dir| dir.display().to_string()).collect();
    Health {
        is_serving: !*console.stopping.borrow() && console.logs.any_online(),
        broker: console.id,
        zookeeper: match console.zk.session().state() {
            SessionState::Connected => "connected",
            SessionState::Disconnected => "disconnected",
            SessionState::Expired => "expired",
            SessionState::Closed => "closed",
        },
        controller: console.cluster.metadata.load().controller.unwrap_or(crate::base::ids::NO_BROKER),
        offline_dirs,
        under_replicated: console.replicas.counts().under_replicated,
    }
}

impl Health {
    /// `ok`; `degraded` when something needs a look; `stopping`, or no log directory is left.
    pub(super) fn status(&self) -> &'static str {
        let whole = self.zookeeper == "connected" && self.offline_dirs.is_empty() && self.under_replicated == 0;
        match (self.is_serving, whole && self.controller >= 0) {
            (false, _) => "not serving",
            (true, true) => "ok",
            (true, false) => "degraded",
        }
    }

    pub(super) fn json(&self) -> String {
        serde_json::json!({
            "status": self.status(),
            "broker": self.broker,
            "zookeeper": self.zookeeper,
            "controller": self.controller,
            "offline_log_dirs": self.offline_dirs,
            "under_replicated_partitions": self.under_replicated,
        })
        .to_string()
    }
}

//! [`Admin`]: the one object through which handlers write topics and configs to ZooKeeper.
//!
//! It holds no state but the names that are being auto-created. Every operation takes the newest session and the configuration of the moment;
//! nothing is retried when the session ends under it, since the caller's client does that and knows for how long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AdminError;
use crate::base::Env;
use crate::cluster::Cluster;
use crate::config::ConfigMap;
use crate::config::live::LiveConfig;
use crate::zk::session::{Session, SessionState, Zk};
use crate::zk::znode::config::ConfigMap as NodeMap;

/// ZooKeeper's default `jute.maxbuffer` is 1 MiB, for a request as a whole. A server closes the connection on a larger one, and the
/// client would send it again for ever.
pub(super) const MAX_NODE_BYTES: usize = 1_000_000;

/// Keys in one node: more than all tables have together, with room for what custom code may read.
const MAX_KEYS: usize = 4096;

/// How long an operation waits for a new session when the old one is over: less than a client's `request.timeout.ms`.
const SESSION_WAIT: Duration = Duration::from_secs(10);

/// Requests that write at the same time. Each goes on when its client is gone; while ZooKeeper is away they must not pile up.
const MAX_WRITERS: usize = 64;

/// Writes topics and configs. One per broker, shared.
pub struct Admin {
    pub(super) env: Env,
    zk: Zk,
    pub(super) cluster: Arc<Cluster>,
    pub(super) config: Arc<LiveConfig>,
    /// Topics that Metadata or FindCoordinator requests are creating just now.
    pub(super) creating: Arc<Mutex<BTreeSet<Arc<str>>>>,
    writers: Arc<Semaphore>,
}

/// Leave to write, until dropped.
#[derive(Debug)]
pub struct Writer {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Admin {
    /// No I/O.
    pub fn new(env: Env, zk: Zk, cluster: Arc<Cluster>, config: Arc<LiveConfig>) -> Self {
        Self { env, zk, cluster, config, creating: Arc::default(), writers: Arc::new(Semaphore::new(MAX_WRITERS)) }
    }

    /// Waits for leave to write. To be held by the task that does the writing, so that tasks nobody waits for any more count too.
    pub async fn writer(&self) -> Writer {
        Writer { _permit: self.writers.clone().acquire_owned().await.ok() } // an error: closed, which never happens
    }

    /// The newest session. When that is over, waits a little for the next.
    pub(super) async fn session(&self) -> Session {
        let mut generations = self.zk.generations();
        let alive = |session: &Session| !matches!(session.state(), SessionState::Expired | SessionState::Closed);
        let newest = tokio::time::timeout(SESSION_WAIT, generations.wait_for(alive)).await;
        match newest {
            Ok(Ok(session)) => session.clone(),
            _ => self.zk.session(), // over: the operation will say so
        }
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("creating", &self.creating).finish_non_exhaustive()
    }
}

/// The map as a node holds it, when it fits into one.
pub(super) fn node_map(map: &ConfigMap) -> Result<NodeMap, AdminError> {
    let too_large = |bytes: usize| {
        AdminError::InvalidRequest(format!(
            "The configuration has {bytes} bytes; ZooKeeper takes at most {MAX_NODE_BYTES}."
        ))
    };
    if map.len() > MAX_KEYS {
        return Err(AdminError::InvalidRequest(format!("The configuration has more than {MAX_KEYS} keys.")));
    }
    let bytes: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_NODE_BYTES {
        return Err(too_large(bytes));
    }
    let map: NodeMap = map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let bytes = map.encode().len(); // escapes count too
    if bytes > MAX_NODE_BYTES { Err(too_large(bytes)) } else { Ok(map) }
}

//! [`Admin`]: the one object through which handlers write topics and configs to ZooKeeper.
//!
//! It holds no state but the names that are being auto-created. Every operation takes the newest session and the configuration of the moment;
//! nothing is retried when the session ends under it, since the caller's client does that and knows for how long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

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

/// How long an operation waits for a new session when the old one is over: less than a client's `request.timeout.ms`.
const SESSION_WAIT: Duration = Duration::from_secs(10);

/// Writes topics and configs. One per broker, shared.
pub struct Admin {
    pub(super) env: Env,
    zk: Zk,
    pub(super) cluster: Arc<Cluster>,
    pub(super) config: Arc<LiveConfig>,
    /// Topics that Metadata or FindCoordinator requests are creating just now.
    pub(super) creating: Arc<Mutex<BTreeSet<Arc<str>>>>,
}

impl Admin {
    /// No I/O.
    pub fn new(env: Env, zk: Zk, cluster: Arc<Cluster>, config: Arc<LiveConfig>) -> Self {
        Self { env, zk, cluster, config, creating: Arc::default() }
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
    let bytes: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_NODE_BYTES {
        return Err(AdminError::InvalidRequest(format!(
            "The configuration has {bytes} bytes; ZooKeeper takes at most {MAX_NODE_BYTES}."
        )));
    }
    let map: NodeMap = map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let bytes = map.encode().len(); // escapes count too
    if bytes > MAX_NODE_BYTES {
        return Err(AdminError::InvalidRequest(format!(
            "The configuration has {bytes} bytes; ZooKeeper takes at most {MAX_NODE_BYTES}."
        )));
    }
    Ok(map)
}

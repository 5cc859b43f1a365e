//! The session sequencer: what happens, and in which order, when ZooKeeper says that the session is over.
//!
//! While the connection is merely lost, nothing happens: the broker serves on. After expiry: the controller drops its office, a new
//! session is opened (for ever, if need be), the broker registers again under a new epoch, the controller runs for office again. The
//! watches of configs and features follow the new session by themselves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::register;
use super::start::StartError;
use crate::base::{BrokerId, Env};
use crate::cluster::Cluster;
use crate::controller::ControllerHandle;
use crate::log::LogDirs;
use crate::zk::session::{Session, SessionId, SessionState, Zk};
use crate::zk::store;

/// Pause between attempts to open a session or to register, while ZooKeeper is away.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long a new session waits for its id to be written down.
const FILE_WAIT: Duration = Duration::from_secs(1);

/// Sessions of this process whose nodes are recognised as its own.
const MAX_OWN_SESSIONS: usize = 16;

/// The id of the current session, kept where the next process of this broker finds it (mode 0600).
#[derive(Clone, Debug)]
pub struct SessionFile(Option<PathBuf>);

/// A plain file in a log directory is ignored by Kafka.
const FILE_NAME: &str = ".zookeeper-session";

impl SessionFile {
    /// In the first directory that works.
    pub fn in_first_dir(dirs: &LogDirs) -> Self {
        Self(dirs.first_online().map(|dir| dir.join(FILE_NAME)))
    }

    /// Writes the id of a session. A failure costs the next start after a kill a session timeout, no more.
    pub fn write(&self, id: SessionId) {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let Some(path) = &self.0 else { return };
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(id.export().as_bytes()));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "could not keep the ZooKeeper session's id");
        }
    }

    fn read(&self) -> Option<SessionId> {
        SessionId::import(&std::fs::read_to_string(self.0.as_ref()?).ok()?)
    }

    /// After a clean stop there is nothing to end.
    pub fn remove(&self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path); // absent is as good
        }
    }
}

/// Takes away what the process before this one, killed, left in ZooKeeper. The directory's lock, held by now, proves it dead.
///
/// # Errors
/// ZooKeeper's.
pub async fn end_previous_process(session: &Session, id: BrokerId, dirs: &LogDirs) -> Result<(), StartError> {
    if let Some(previous) = SessionFile::in_first_dir(dirs).read()
        && store::brokers::end_previous(session, id, previous).await?
    {
        tracing::info!(%previous, "ended the ZooKeeper session that a killed process of this broker had left");
    }
    Ok(())
}

/// The one task that reopens sessions.
pub struct Sequencer {
    /// Clock.
    pub env: Env,
    /// Opens sessions.
    pub zk: Zk,
    /// Gets the new epoch.
    pub cluster: Arc<Cluster>,
    /// Resigns and runs again.
    pub controller: ControllerHandle,
    /// Registered in every session, as it is then.
    pub node: Arc<Mutex<register::Node>>,
    /// Rewritten with every session.
    pub session_file: SessionFile,
}

impl Sequencer {
    /// Runs until the broker closes its session.
    pub async fn run(self) {
        let mut own = Vec::new();
        loop {
            let session = self.zk.session();
            if session.ended().await == SessionState::Closed {
                return;
            }
            remember(&mut own, session.id());
            tracing::warn!(session = %session.id(), "ZooKeeper session expired: opening a new one");
            self.controller.expire().await;
            self.begin_again(&mut own).await;
        }
    }

    async fn begin_again(&self, own: &mut Vec<SessionId>) {
        loop {
            let session = match self.zk.reopen().await {
                Ok(session) => session,
                Err(error) => {
                    tracing::warn!(%error, "ZooKeeper is away; serving on without it");
                    tokio::time::sleep(RETRY_PAUSE).await;
                    continue;
                }
            };
            self.keep(session.id()).await;
            let mut node = self.node.lock().clone();
            node.timestamp_ms = self.env.clock.wall_ms();
            match register::register(&session, &node, own).await {
                Ok(epoch) => {
                    self.cluster.epochs.registered(epoch);
                    self.controller.reelect();
                    return;
                }
                Err(error) if session.state().is_terminal() => tracing::warn!(%error, "the new session is over too"),
                Err(error) => {
                    tracing::error!(%error, "could not register again; trying on");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
            remember(own, session.id()); // it may have registered without hearing of it
        }
    }

    /// The disk may be what is wrong today: the new session does not wait long for it.
    async fn keep(&self, id: SessionId) {
        let file = self.session_file.clone();
        let written = self.env.tasks.blocking(move || file.write(id));
        if tokio::time::timeout(FILE_WAIT, written).await.is_err() {
            tracing::warn!("the directory of the ZooKeeper session's id does not answer");
        }
    }
}

/// The last few sessions are enough: an older one's nodes have long expired.
fn remember(own: &mut Vec<SessionId>, id: SessionId) {
    if own.len() == MAX_OWN_SESSIONS {
        own.remove(0);
    }
    own.push(id);
}

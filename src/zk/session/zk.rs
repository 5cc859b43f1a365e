//! [`Zk`]: what a broker keeps for its whole life, from which it gets one [`Session`] after the other.
//!
//! The session sequencer (`broker/session`) alone reopens. Beware: a clone of a `Session` kept past its end only answers errors; who needs
//! the current one asks [`Zk::session`], or follows [`Zk::generations`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as channel;

use super::error::ConnectError;
use super::{Session, live};
use crate::base::Env;

/// How to reach ZooKeeper.
#[derive(Clone, Debug)]
pub struct ZkOptions {
    /// `zookeeper.connect`: `host:port,host:port/chroot`.
    pub connect: String,
    /// `zookeeper.session.timeout.ms`; the server may give another.
    pub session_timeout: Duration,
    /// `zookeeper.connection.timeout.ms`: how long opening a session may take.
    pub connection_timeout: Duration,
    /// `zookeeper.max.in.flight.requests`.
    pub max_in_flight: usize,
    /// Makes the chroot where it is missing.
    pub makes_chroot: bool,
}

impl ZkOptions {
    /// Kafka's defaults for `connect`.
    pub fn new(connect: impl Into<String>) -> Self {
        let session_timeout = Duration::from_secs(18);
        Self {
            connect: connect.into(),
            session_timeout,
            connection_timeout: session_timeout,
            max_in_flight: 10,
            makes_chroot: true,
        }
    }
}

/// A broker's access to ZooKeeper for its whole life: the newest [`Session`], and the means to open the next. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Zk(pub(super) Arc<ZkInner>);

#[derive(Debug)]
pub(super) struct ZkInner {
    pub(super) opener: Opener,
    pub(super) current: channel::Sender<Session>,
}

#[derive(Debug)]
pub(super) enum Opener {
    Live(Env, ZkOptions),
    #[cfg(feature = "sim")]
    Sim(super::sim::SimZk),
}

impl Opener {
    async fn open(&self, generation: u64) -> Result<Session, ConnectError> {
        match self {
            Opener::Live(env, options) => live::open(env, options, generation).await,
            #[cfg(feature = "sim")]
            Opener::Sim(server) => Ok(server.open(generation)),
        }
    }
}

impl Zk {
    /// Opens the first session. Makes the chroot when it is missing.
    ///
    /// # Errors
    /// When no server answers within the connection timeout, or refuses.
    pub async fn connect(env: &Env, options: ZkOptions) -> Result<Zk, ConnectError> {
        Self::from_opener(Opener::Live(env.clone(), options)).await
    }

    async fn from_opener(opener: Opener) -> Result<Zk, ConnectError> {
        let first = opener.open(1).await?;
        Ok(Self(Arc::new(ZkInner { opener, current: channel::Sender::new(first) })))
    }

    /// The newest session; it may be over.
    pub fn session(&self) -> Session {
        self.0.current.borrow().clone()
    }

    /// Ticks with every new session.
    pub fn generations(&self) -> channel::Receiver<Session> {
        self.0.current.subscribe()
    }

    /// Ends the newest session (when it is not over yet) and opens another, one generation up. For the session sequencer alone; one
    /// attempt of at most the connection timeout.
    ///
    /// # Errors
    /// As [`Zk::connect`]; then the old session stays the newest, and over.
    pub async fn reopen(&self) -> Result<Session, ConnectError> {
        let old = self.session();
        old.close().await;
        let new = self.0.opener.open(old.generation() + 1).await?;
        self.0.current.send_replace(new.clone());
        Ok(new)
    }

    /// Closes the newest session. When it returns, its ephemeral nodes are gone, unless no server could be told within a few seconds:
    /// then they go with the session's timeout.
    pub async fn close(&self) {
        self.session().close().await;
    }
}

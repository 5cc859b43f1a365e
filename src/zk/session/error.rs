//! What can go wrong between this process and ZooKeeper.
//!
//! A lost connection is not here: calls wait for it and send again. What a caller must know of it is [`ZkError::after_loss`].

/// A refusal of ZooKeeper, or the end of the session.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("ZooKeeper: {path}: {kind}{}", if *.after_loss { " (after a lost reply)" } else { "" })]
pub struct ZkError {
    /// Why.
    pub kind: ZkErrorKind,
    /// The node; of a multi, that of the operation that failed.
    pub path: String,
    /// Of a multi: index of the operation that failed.
    pub op: Option<usize>,
    /// An earlier attempt of this very call lost its reply and may have been done: NodeExists, BadVersion or NoNode may be its own doing.
    pub after_loss: bool,
}

impl ZkError {
    /// The session is over, by either side: this and every later call through it fails.
    pub fn session_over(&self) -> bool {
        matches!(self.kind, ZkErrorKind::Expired | ZkErrorKind::Closed)
    }
}

/// Why a call was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ZkErrorKind {
    /// The node, or the parent of one to create, does not exist.
    #[error("no such node")]
    NoNode,
    /// The node to create exists.
    #[error("node exists")]
    NodeExists,
    /// The node has another data version.
    #[error("another version")]
    BadVersion,
    /// The node to delete has children.
    #[error("node has children")]
    NotEmpty,
    /// The parent is ephemeral.
    #[error("an ephemeral node can't have children")]
    NoChildrenForEphemerals,
    /// The node's ACL forbids it.
    #[error("not authorized")]
    NoAuth,
    /// A quota set in ZooKeeper.
    #[error("quota exceeded")]
    QuotaExceeded,
    /// The server does not know this kind of request.
    #[error("not known to this server")]
    Unsupported,
    /// The session expired: a server said so.
    #[error("session expired")]
    Expired,
    /// The session was closed by this process.
    #[error("session closed")]
    Closed,
    /// Anything else, in ZooKeeper's or the client's words.
    #[error("{0}")]
    Other(String),
}

/// No session could be opened.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConnectError {
    /// No server answered in time.
    #[error("no ZooKeeper server of {connect} answered within zookeeper.connection.timeout.ms ({timeout_ms}): {last}")]
    Timeout {
        /// `zookeeper.connect` as configured.
        connect: String,
        /// The time waited.
        timeout_ms: u128,
        /// What the last attempt said.
        last: String,
    },
    /// `zookeeper.connect` can't be understood.
    #[error("zookeeper.connect: {0}")]
    BadAddress(String),
    /// The server refused our authentication.
    #[error("ZooKeeper refused the authentication of this broker")]
    Auth,
    /// The chroot could not be made.
    #[error("zookeeper.connect: the chroot {path}: {why}")]
    Chroot {
        /// The chroot.
        path: String,
        /// ZooKeeper's answer.
        why: String,
    },
    /// The runtime is shutting down.
    #[error("stopped while connecting to ZooKeeper")]
    Stopped,
}

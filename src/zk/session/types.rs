//! What goes in and out of a [`super::Session`]: node states, operations of a multi, session states.
//!
//! Own types rather than the client crate's, so that nothing above the seam knows which arm serves it.

use bytes::Bytes;

/// The id of a ZooKeeper session; a node's `ephemeral_owner` is compared with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionId(pub i64);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl SessionId {
    /// The text a process leaves in its first log directory for the one after it (see `store::brokers::end_previous`).
    ///
    /// The session's password is not part of it: the client crate does not give it away, and taking over needs none, as the nodes
    /// of the old session are deleted by their owner's id.
    pub fn export(self) -> String {
        format!("v1 {:016x}\n", self.0)
    }

    /// Reads what [`SessionId::export`] wrote; none when it is something else, for instance cut short by a crash.
    pub fn import(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("v1 ")?.strip_suffix('\n')?;
        (hex.len() == 16).then(|| u64::from_str_radix(hex, 16).ok()).flatten().map(|id| Self(id.cast_signed()))
    }
}

/// Where a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// A server answers.
    Connected,
    /// No server answers; calls wait. The session may still live.
    Disconnected,
    /// A server said that the session is over: its ephemeral nodes are gone. Terminal.
    Expired,
    /// Closed by this process. Terminal.
    Closed,
}

impl SessionState {
    /// Nothing follows after it.
    pub fn is_terminal(self) -> bool {
        matches!(self, SessionState::Expired | SessionState::Closed)
    }
}

/// What ZooKeeper keeps about a node besides its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stat {
    /// Transaction that created the node. Of `/brokers/ids/N` it is the broker epoch.
    pub czxid: i64,
    /// Transaction that last changed the data.
    pub mzxid: i64,
    /// Creation, in ms since 1970 by the server's clock.
    pub ctime_ms: i64,
    /// Last change of the data, in ms since 1970 by the server's clock.
    pub mtime_ms: i64,
    /// Changes of the data: what conditional writes compare.
    pub version: i32,
    /// Changes of the children.
    pub cversion: i32,
    /// Session an ephemeral node belongs to; 0 for a persistent one.
    pub ephemeral_owner: i64,
    /// How many children it has.
    pub num_children: i32,
}

impl Stat {
    /// The session whose end takes the node away; none for a persistent node.
    pub fn owner(&self) -> Option<SessionId> {
        (self.ephemeral_owner != 0).then_some(SessionId(self.ephemeral_owner))
    }
}

/// The kind of node to create.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CreateMode {
    /// Stays until deleted.
    Persistent,
    /// Stays until deleted; ten digits of a counter are put behind the name.
    PersistentSequential,
    /// Goes with its session.
    Ephemeral,
}

/// One operation of a multi.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// The node has this data version.
    Check {
        /// Node.
        path: String,
        /// Data version it must have.
        version: i32,
    },
    /// Creates a node.
    Create {
        /// Node (for a sequential one: without its number).
        path: String,
        /// Its data.
        data: Bytes,
        /// Its kind.
        mode: CreateMode,
    },
    /// Replaces the data.
    Set {
        /// Node.
        path: String,
        /// New data.
        data: Bytes,
        /// Data version it must have; none for any.
        version: Option<i32>,
    },
    /// Deletes a node without children.
    Delete {
        /// Node.
        path: String,
        /// Data version it must have; none for any.
        version: Option<i32>,
    },
}

impl Op {
    /// [`Op::Check`].
    pub fn check(path: impl Into<String>, version: i32) -> Self {
        Op::Check { path: path.into(), version }
    }

    /// A persistent [`Op::Create`].
    pub fn create(path: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Op::Create { path: path.into(), data: data.into(), mode: CreateMode::Persistent }
    }

    /// An ephemeral [`Op::Create`].
    pub fn create_ephemeral(path: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Op::Create { path: path.into(), data: data.into(), mode: CreateMode::Ephemeral }
    }

    /// [`Op::Set`]; `None` sets whatever the version.
    pub fn set(path: impl Into<String>, data: impl Into<Bytes>, version: Option<i32>) -> Self {
        Op::Set { path: path.into(), data: data.into(), version }
    }

    /// [`Op::Delete`]; `None` deletes whatever the version.
    pub fn delete(path: impl Into<String>, version: Option<i32>) -> Self {
        Op::Delete { path: path.into(), version }
    }

    /// The node it is about.
    pub fn path(&self) -> &str {
        match self {
            Op::Check { path, .. } | Op::Create { path, .. } | Op::Set { path, .. } | Op::Delete { path, .. } => path,
        }
    }

    /// About how many bytes it takes in a request.
    pub fn wire_bytes(&self) -> usize {
        /// Headers, lengths, version, one ACL entry.
        const FRAME_BYTES: usize = 64;
        let data = match self {
            Op::Create { data, .. } | Op::Set { data, .. } => data.len(),
            Op::Check { .. } | Op::Delete { .. } => 0,
        };
        FRAME_BYTES + self.path().len() + data
    }
}

/// What one operation of a successful multi did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpResult {
    /// The version was right.
    Checked,
    /// The node was created.
    Created {
        /// Its real path: with the number, for a sequential one.
        path: String,
    },
    /// The data was replaced.
    Set {
        /// The node after it.
        stat: Stat,
    },
    /// The node was deleted.
    Deleted,
}

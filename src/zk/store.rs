//! Typed, conditional operations on Kafka's znodes: plain functions over a [`Session`](super::session::Session).
//!
//! Each area has a file. What a controller writes goes through [`fenced`], behind its epoch; what any broker writes to a configuration is
//! checked against `/controller`. A reply lost on the way is resolved here, by owner or by contents, so that a caller sees one answer:
//! done, or not done. Beware: all of it dies with its session; what was read under an older one must be read again.

pub mod acls;
pub mod admin;
pub mod brokers;
pub mod configs;
pub mod controller;
pub mod features;
pub mod fenced;
pub mod ids;
pub mod notices;
pub mod offsets;
pub mod partitions;
pub mod tokens;
pub mod topics;
pub mod unenforced;

use crate::zk::session::{ZkError, ZkErrorKind};
use crate::zk::znode::ZnodeError;

/// Why an operation on the store failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// ZooKeeper refused, or the session is over.
    #[error(transparent)]
    Zk(#[from] ZkError),
    /// A znode can't be understood.
    #[error(transparent)]
    Znode(#[from] ZnodeError),
    /// `/controller_epoch` or `/controller` changed under the write: this broker is not the controller any more, or the write of a
    /// configuration met a change of controller (error 11).
    #[error("the controller moved to another broker")]
    ControllerMoved,
    /// No ZooKeeper-mode controller is registered (error 11).
    #[error("no controller is registered")]
    NoController,
    /// The topic to create exists.
    #[error("topic {0} exists")]
    TopicExists(String),
    /// Somebody else writes the same node all the time.
    #[error("{0} kept changing while it was being updated")]
    Contended(String),
    /// A counter is at its end.
    #[error("{0}")]
    Exhausted(&'static str),
}

impl StoreError {
    /// The session is over: nothing more can be done through it.
    pub fn session_over(&self) -> bool {
        matches!(self, StoreError::Zk(error) if error.session_over())
    }

    /// The node asked for does not exist.
    pub fn is_no_node(&self) -> bool {
        matches!(self, StoreError::Zk(error) if error.kind == ZkErrorKind::NoNode)
    }

    /// The node to make exists.
    pub fn is_node_exists(&self) -> bool {
        matches!(self, StoreError::Zk(error) if error.kind == ZkErrorKind::NodeExists)
    }
}

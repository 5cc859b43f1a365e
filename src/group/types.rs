//! What goes into a group and what comes out: requests, replies, effects. Plain data, owned: nothing here pins a request's frame.
//!
//! A request that may have to wait (JoinGroup, SyncGroup) brings a [`Ticket`]; its answer is an [`Effect`] with the same ticket, of
//! this step or of a later one. The shell (`coordinator`) knows who holds which ticket.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::record::GroupValue;
use crate::base::ErrorCode;

/// Names a waiting request; unique within its group.
pub type Ticket = u64;

/// The time of a step: passed in, so that a test rules it.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines.
    pub at: Instant,
    /// For what is written down, ms since 1970.
    pub wall_ms: i64,
}

/// What the broker's configuration says of groups.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `group.initial.rebalance.delay.ms`.
    pub initial_delay_ms: u64,
    /// `group.max.size`.
    pub max_size: usize,
}

/// States of a classic group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No members; may hold offsets.
    Empty,
    /// Waiting for members to join.
    PreparingRebalance,
    /// Waiting for the leader's assignment.
    CompletingRebalance,
    /// Everyone has its assignment.
    Stable,
    /// Removed or unloaded: whoever still holds it must look again.
    Dead,
}

impl State {
    /// The state's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
            State::Dead => "Dead",
        }
    }
}

/// Name and metadata of the protocols a member offers, the preferred first.
pub type Protocols = Vec<(Arc<str>, Bytes)>;

/// A JoinGroup.
#[derive(Clone, Debug)]
pub struct Join {
    /// Where the answer goes.
    pub ticket: Ticket,
    /// Empty for a newcomer.
    pub member_id: Arc<str>,
    /// Name of a static member (KIP-345).
    pub instance: Option<Arc<str>>,
    /// The id a newcomer gets: client id or instance, a dash, a random UUID.
    pub new_id: Arc<str>,
    /// Client id.
    pub client_id: Arc<str>,
    /// Java's text of the client's address.
    pub client_host: Arc<str>,
    /// Milliseconds, within the broker's limits.
    pub session_timeout_ms: i32,
    /// Milliseconds.
    pub rebalance_timeout_ms: i32,
    /// "consumer", "connect", ...
    pub protocol_type: Arc<str>,
    /// What it can do.
    pub protocols: Protocols,
    /// A dynamic newcomer must come back with the id it is given (JoinGroup 4 and later; KIP-394).
    pub require_known_id: bool,
    /// Understands `skip_assignment` (JoinGroup 9 and later).
    pub supports_skip: bool,
}

/// The answer to a JoinGroup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinReply {
    /// None when it went well.
    pub error: ErrorCode,
    /// -1 on error.
    pub generation: i32,
    /// The group's.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen one.
    pub protocol: Option<Arc<str>>,
    /// The leader's member id.
    pub leader: Arc<str>,
    /// The member's own id.
    pub member_id: Arc<str>,
    /// The leader need not assign.
    pub skip_assignment: bool,
    /// For the leader alone: who is in the group.
    pub members: Vec<JoinedMember>,
}

/// A member as the leader is told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinedMember {
    /// Member id.
    pub id: Arc<str>,
    /// Static name.
    pub instance: Option<Arc<str>>,
    /// Its metadata of the chosen protocol.
    pub metadata: Bytes,
}

impl JoinReply {
    /// A refusal.
    pub fn refused(error: ErrorCode, member_id: Arc<str>) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            member_id,
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

/// A SyncGroup.
#[derive(Clone, Debug)]
pub struct Sync {
    /// Where the answer goes.
    pub ticket: Ticket,
    /// Who.
    pub who: Claim,
    /// Checked when given.
    pub protocol_type: Option<Arc<str>>,
    /// Checked when given.
    pub protocol: Option<Arc<str>>,
    /// The leader's word for every member.
    pub assignment: BTreeMap<Arc<str>, Bytes>,
}

/// The answer to a SyncGroup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncReply {
    /// None when it went well.
    pub error: ErrorCode,
    /// The group's.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen one.
    pub protocol: Option<Arc<str>>,
    /// Empty on error.
    pub assignment: Bytes,
}

impl SyncReply {
    /// A refusal.
    pub fn refused(error: ErrorCode) -> Self {
        Self { error, protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

/// Who a request says it is from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Member id; may be empty.
    pub member_id: Arc<str>,
    /// Static name.
    pub instance: Option<Arc<str>>,
    /// The generation it knows; -1 outside a group.
    pub generation: i32,
}

/// Why a group record is written: what to do when it is.
#[derive(Clone, Debug)]
pub enum Why {
    /// The last member is gone.
    Empty,
    /// The leader has assigned.
    Assigned {
        /// In this generation.
        generation: i32,
        /// The whole of it.
        assignment: BTreeMap<Arc<str>, Bytes>,
    },
    /// A static member is back under a new id, and nothing else changes.
    StaticRejoin(Box<StaticRejoin>),
}

/// What is needed to finish, or to undo, the return of a static member.
#[derive(Clone, Debug)]
pub struct StaticRejoin {
    /// Static name.
    pub instance: Arc<str>,
    /// The id it had.
    pub old_id: Arc<str>,
    /// The id it has now.
    pub new_id: Arc<str>,
    /// Who led before: clients older than JoinGroup 9 are told so.
    pub old_leader: Arc<str>,
    /// What it offered before.
    pub old_protocols: Protocols,
    /// Session and rebalance time-out before, ms.
    pub old_timeouts_ms: (i32, i32),
    /// Understands `skip_assignment`.
    pub supports_skip: bool,
}

/// What the shell must do after a step, in this order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Answer a JoinGroup.
    Joined(Ticket, JoinReply),
    /// Answer a SyncGroup.
    Synced(Ticket, SyncReply),
    /// The member asked again elsewhere: nobody waits for this ticket any more.
    Dropped(Ticket),
    /// Write the group's record, then tell the group (`Group::stored`).
    Store(Why, GroupValue),
}

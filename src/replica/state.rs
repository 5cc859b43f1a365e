//! The state of one hosted partition as plain data, and the rules by which it changes.
//!
//! No lock and no I/O here: `partition` guards it, `lifecycle` feeds it what the controller says.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::base::{BrokerId, ErrorCode};

/// The leader epoch of a partition that has heard of no election.
pub const NO_EPOCH: i32 = -1;

/// What this replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing was said yet.
    Idle,
    /// It takes writes.
    Leader,
    /// It copies from the leader, if there is one.
    Follower {
        /// None while the partition has no leader.
        leader: Option<BrokerId>,
    },
}

/// A follower as its leader knows it (`ReplicaState`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Follower {
    /// The offset it last fetched from: everything below is in its log. None before its first fetch in this term.
    pub end_offset: Option<i64>,
    /// When it last had everything; none: never in this term.
    pub caught_up_at: Option<Instant>,
    /// Its last fetch: when, and where this log ended then.
    pub last_fetch: Option<(Instant, i64)>,
    /// Its log start, -1 before its first fetch.
    pub log_start_offset: i64,
    /// The highest broker epoch that it fetched with.
    pub broker_epoch: i64,
    /// Caught up, alive and about to join: the high watermark waits for it, or it might never get in.
    pub joining: bool,
}

/// A change of the in-sync replicas that the controller has not confirmed yet (KIP-497).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingIsr {
    /// What is proposed.
    pub isr: Vec<BrokerId>,
    /// Refused for good: nothing more is tried until the controller tells of the partition.
    pub parked: bool,
}

/// What the controller says of a partition in a LeaderAndIsr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// -1 for none.
    pub leader: BrokerId,
    /// Grows with every change of leader or replicas.
    pub leader_epoch: i32,
    /// Data version of the state node.
    pub partition_epoch: i32,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// All replicas.
    pub replicas: Vec<BrokerId>,
    /// Being added by a reassignment.
    pub adding: Vec<BrokerId>,
    /// Being removed by a reassignment.
    pub removing: Vec<BrokerId>,
    /// True for a partition just created: its log may be made although a directory is offline.
    pub is_new: bool,
}

/// Role, epochs, replicas.
#[derive(Clone, Debug)]
pub struct State {
    /// What this replica is.
    pub role: Role,
    /// [`NO_EPOCH`] before the first LeaderAndIsr.
    pub leader_epoch: i32,
    /// Data version of the state node, as last told.
    pub partition_epoch: i32,
    /// Counts the unbroken stretches of being leader: a waiting produce succeeds in the term it was appended in, or not at all.
    pub term: u64,
    /// The offset at which the current leader epoch starts; none while the new leader is settling.
    pub epoch_start: Option<i64>,
    /// In-sync replicas, as the controller confirmed them.
    pub isr: Vec<BrokerId>,
    /// On its way to the controller; at most one.
    pub pending: Option<PendingIsr>,
    /// All replicas.
    pub replicas: Vec<BrokerId>,
    /// Being added by a reassignment.
    pub adding: Vec<BrokerId>,
    /// Being removed by a reassignment.
    pub removing: Vec<BrokerId>,
    /// The other replicas, while leader.
    pub followers: BTreeMap<BrokerId, Follower>,
    /// The log's directory failed: nothing works but saying so.
    pub offline: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            role: Role::Idle,
            leader_epoch: NO_EPOCH,
            partition_epoch: 0,
            term: 0,
            epoch_start: None,
            isr: Vec::new(),
            pending: None,
            replicas: Vec::new(),
            adding: Vec::new(),
            removing: Vec::new(),
            followers: BTreeMap::new(),
            offline: false,
        }
    }
}

impl State {
    /// Takes over what the controller says. A bump of the epoch under the same leader keeps the term: what was appended in it is still
    /// in this log, and followers continue from it.
    pub fn assign(&mut self, me: BrokerId, assignment: &Assignment, now: Instant) {
        let was_leader = self.role == Role::Leader;
        self.leader_epoch = assignment.leader_epoch;
        self.partition_epoch = assignment.partition_epoch;
        self.isr.clone_from(&assignment.isr);
        self.pending = None; // the controller has the last word
        self.replicas.clone_from(&assignment.replicas);
        self.adding.clone_from(&assignment.adding);
        self.removing.clone_from(&assignment.removing);
        self.epoch_start = None;
        if assignment.leader == me {
            self.role = Role::Leader;
            self.lead(me, was_leader, now);
        } else {
            self.role = Role::Follower { leader: (assignment.leader >= 0).then_some(assignment.leader) };
            self.followers.clear();
        }
    }

    fn lead(&mut self, me: BrokerId, was_leader: bool, now: Instant) {
        if !was_leader {
            self.term += 1;
            self.followers.clear();
        }
        let replicas = &self.replicas;
        self.followers.retain(|id, _| replicas.contains(id));
        for &id in replicas.iter().filter(|id| **id != me) {
            let follower = self.followers.entry(id).or_insert(Follower {
                log_start_offset: -1,
                broker_epoch: -1,
                ..Default::default()
            });
            // In-sync ones count as caught up now: they get a full lag time before they are judged.
            follower.caught_up_at = self.isr.contains(&id).then_some(now);
            follower.joining = false;
        }
    }

    /// Nothing hosted any more, or the directory is gone: whoever waits must hear that the term has ended.
    pub fn retire(&mut self, offline: bool) {
        self.role = Role::Idle;
        self.pending = None;
        self.followers.clear();
        self.epoch_start = None;
        self.offline |= offline;
    }

    /// Is this replica leader?
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR for a failed directory, else NOT_LEADER_OR_FOLLOWER.
    pub fn check_leader(&self) -> Result<(), ErrorCode> {
        match self.role {
            _ if self.offline => Err(ErrorCode::KafkaStorageError),
            Role::Leader => Ok(()),
            Role::Idle | Role::Follower { .. } => Err(ErrorCode::NotLeaderOrFollower),
        }
    }

    /// Compares the epoch a client knows with the current one (KIP-320); -1 and none mean that it knows none.
    ///
    /// # Errors
    /// FENCED_LEADER_EPOCH when the client's is older, UNKNOWN_LEADER_EPOCH when it is newer.
    pub fn check_epoch(&self, known: i32) -> Result<(), ErrorCode> {
        if known < 0 || known == self.leader_epoch {
            Ok(())
        } else if known < self.leader_epoch {
            Err(ErrorCode::FencedLeaderEpoch)
        } else {
            Err(ErrorCode::UnknownLeaderEpoch)
        }
    }

    /// Are there enough in-sync replicas for acks=all? `min.insync.replicas` counts at most the assigned replicas.
    pub fn has_min_isr(&self, min_insync_replicas: i32) -> bool {
        self.isr.len() >= self.wanted_isr(min_insync_replicas)
    }

    /// The same, counting those that are about to join: what is committed now is on them too.
    pub fn has_min_maximal_isr(&self, min_insync_replicas: i32) -> bool {
        self.maximal_isr().count() >= self.wanted_isr(min_insync_replicas)
    }

    fn wanted_isr(&self, min_insync_replicas: i32) -> usize {
        usize::try_from(min_insync_replicas).unwrap_or(0).min(self.replicas.len())
    }

    /// The in-sync replicas and those that a pending change adds: the controller may have accepted it already. A pending removal
    /// counts for nothing before it is confirmed.
    pub fn maximal_isr(&self) -> impl Iterator<Item = BrokerId> {
        let added = self.pending.iter().flat_map(|pending| &pending.isr).filter(|id| !self.isr.contains(id));
        self.isr.iter().chain(added).copied()
    }
}

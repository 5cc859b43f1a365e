//! One classic group as a pure state machine: members, generation, the join barrier, time as data.
//!
//! A step takes the event and the time and returns what to do as [`Effect`]s; deadlines are fields, found by [`Group::next_deadline`]
//! and acted on by [`Group::tick`]. Kafka's classes: `GroupMetadata`, `GroupCoordinator`. The rebalance is in `rebalance`, joining in
//! `join`, the other requests of members in `membership`, offsets in `offsets`. Beware: a group is `Dead` once removed or unloaded; a shell that still holds it looks
//! it up again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::member::{Member, ms};
use super::offsets::Offsets;
use super::rebalance::Barrier;
use super::record::{GroupValue, MemberValue};
use super::types::{Effect, JoinReply, Now, Rules, State, SyncReply};
use crate::base::ErrorCode;

/// The protocol type of consumers, whose metadata the broker can read.
pub(super) const CONSUMER: &str = "consumer";

/// A newcomer's JoinGroup waits so long at most before it is given up: its client may be gone (`NewMemberJoinTimeoutMs`).
pub(super) const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: Arc<str>,
    pub(super) state: State,
    pub(super) state_ms: i64,
    pub(super) rules: Rules,
    pub(super) protocol_type: Option<Arc<str>>,
    pub(super) generation: i32,
    pub(super) protocol: Option<Arc<str>>,
    pub(super) leader: Option<Arc<str>>,
    pub(super) members: BTreeMap<Arc<str>, Member>,
    /// Static names and the member ids that hold them now.
    pub(super) statics: BTreeMap<Arc<str>, Arc<str>>,
    /// Ids given out by MEMBER_ID_REQUIRED, and until when they are kept.
    pub(super) pending: BTreeMap<Arc<str>, Instant>,
    /// Members of this generation that have not asked for their assignment, and until when they may.
    pub(super) unsynced: BTreeSet<Arc<str>>,
    pub(super) sync_until: Option<Instant>,
    pub(super) barrier: Option<Barrier>,
    /// Someone came during the initial delay.
    pub(super) newcomers: bool,
    /// Topics of all members' subscriptions; none when it can't be told.
    pub(super) subscribed: Option<BTreeSet<String>>,
    /// What it has committed.
    pub offsets: Offsets,
}

/// A group as DescribeGroups shows it.
#[derive(Clone, Debug)]
pub struct Description {
    /// State.
    pub state: State,
    /// Empty for none.
    pub protocol_type: String,
    /// The chosen protocol, only when stable.
    pub protocol: String,
    /// Members; metadata and assignment only when stable.
    pub members: Vec<MemberValue>,
}

impl Group {
    /// A group without members or offsets.
    pub fn new(id: Arc<str>, rules: Rules, wall_ms: i64) -> Self {
        Self {
            id,
            state: State::Empty,
            state_ms: wall_ms,
            rules,
            protocol_type: None,
            generation: 0,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            sync_until: None,
            barrier: None,
            newcomers: false,
            subscribed: None,
            offsets: Offsets::default(),
        }
    }

    /// A group from its record: Stable with members, else Empty. Every member has a full session before it.
    pub fn load(id: Arc<str>, value: &GroupValue, rules: Rules, now: Now) -> Self {
        let mut group = Self::new(id, rules, now.wall_ms);
        group.generation = value.generation;
        group.protocol_type = (!value.protocol_type.is_empty()).then(|| value.protocol_type.as_str().into());
        group.state_ms = value.state_ms;
        for member in &value.members {
            let protocol: Arc<str> = value.protocol.as_deref().unwrap_or("").into();
            let mut loaded = Member {
                id: member.id.as_str().into(),
                instance: member.instance.as_deref().map(Into::into),
                client_id: member.client_id.as_str().into(),
                client_host: member.client_host.as_str().into(),
                session_timeout_ms: member.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: vec![(protocol, member.subscription.clone())],
                assignment: member.assignment.clone(),
                awaiting_join: None,
                awaiting_sync: None,
                alive_until: None,
            };
            loaded.heard(now.at);
            group.insert(loaded);
        }
        if !group.members.is_empty() {
            group.state = State::Stable;
            group.protocol = value.protocol.as_deref().map(Into::into);
            group.leader = value.leader.as_deref().map(Into::into);
        }
        group.subscribed = group.subscriptions();
        group
    }

    /// Starts a rebalance in a loaded group that is larger than the limit of today allows.
    pub fn shrink_to_limit(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.members.len() > self.rules.max_size {
            self.rebalance(now, out);
        }
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Completed rebalances.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// Members in the group.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// The group's kind; none before the first member.
    pub fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// The leader's id.
    pub fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    /// What DescribeGroups tells.
    pub fn describe(&self) -> Description {
        let stable = self.state == State::Stable;
        let members = self.members.values().map(|member| {
            let mut value = self.member_value(member, &member.assignment);
            if !stable {
                value.subscription = Bytes::new();
                value.assignment = Bytes::new();
            }
            value
        });
        Description {
            state: self.state,
            protocol_type: self.protocol_type.as_deref().unwrap_or("").into(),
            protocol: if stable { self.protocol.as_deref().unwrap_or("").into() } else { String::new() },
            members: members.collect(),
        }
    }

    /// The next moment at which [`Group::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let barrier = self.barrier.map(|barrier| match barrier {
            Barrier::Initial { until, .. } | Barrier::Rejoin { until } => until,
        });
        let sessions = self.members.values().filter_map(|member| member.alive_until);
        let pending = self.pending.values().copied();
        sessions.chain(pending).chain(barrier).chain(self.sync_until).min()
    }

    /// Acts on everything that is due.
    pub fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.state == State::Dead {
            return;
        }
        let due = |until: &Instant| *until <= now.at;
        let expired: Vec<Arc<str>> =
            self.members.values().filter(|m| m.alive_until.as_ref().is_some_and(due)).map(|m| m.id.clone()).collect();
        for id in expired {
            tracing::info!(group = %self.id, member = %id, "the member was not heard for its session time-out");
            self.remove_member(&id, now, out);
        }
        let forgotten: Vec<Arc<str>> =
            self.pending.iter().filter(|(_, until)| due(until)).map(|(id, _)| id.clone()).collect();
        for id in forgotten {
            self.pending.remove(&id);
            self.try_complete_join(now, out);
        }
        if self.sync_until.as_ref().is_some_and(due) {
            self.sync_until = None;
            self.drop_unsynced(now, out);
        }
        match self.barrier {
            Some(Barrier::Initial { until, delay, remaining }) if until <= now.at => {
                if std::mem::take(&mut self.newcomers) && !remaining.is_zero() {
                    let next = self.initial_delay().min(remaining);
                    self.barrier = Some(Barrier::Initial {
                        until: now.at + next,
                        delay: next,
                        remaining: remaining.saturating_sub(delay),
                    });
                } else {
                    self.complete_join(now, out);
                }
            }
            Some(Barrier::Rejoin { until }) if until <= now.at => self.complete_join(now, out),
            _ => {}
        }
    }

    /// The group is gone from here: waiting members are told, everything else answers as `Dead`.
    pub fn kill(&mut self, error: ErrorCode, out: &mut Vec<Effect>) {
        self.state = State::Dead;
        self.barrier = None;
        self.sync_until = None;
        self.pending.clear();
        for member in self.members.values_mut() {
            if let Some(ticket) = member.awaiting_join.take() {
                out.push(Effect::Joined(ticket, JoinReply::refused(error, member.id.clone())));
            }
            if let Some(ticket) = member.awaiting_sync.take() {
                out.push(Effect::Synced(ticket, SyncReply::refused(error)));
            }
            member.alive_until = None;
        }
    }

    pub(super) fn initial_delay(&self) -> Duration {
        Duration::from_millis(self.rules.initial_delay_ms)
    }

    pub(super) fn become_state(&mut self, state: State, now: Now) {
        debug_assert!(may_follow(self.state, state), "{:?} after {:?}", state, self.state);
        if !may_follow(self.state, state) {
            tracing::error!(group = %self.id, from = self.state.name(), to = state.name(), "illegal change of state");
            return;
        }
        self.state = state;
        self.state_ms = now.wall_ms;
    }

    /// The longest of the members' rebalance time-outs.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        ms(self.members.values().map(|m| m.rebalance_timeout_ms).max().unwrap_or(0))
    }

    pub(super) fn insert(&mut self, member: Member) {
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), member.id.clone());
        }
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out, without any consequence but the leader's succession.
    pub(super) fn take(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        self.unsynced.remove(id);
        if let Some(instance) = &member.instance
            && self.statics.get(instance).is_some_and(|holder| **holder == *id)
        {
            self.statics.remove(instance);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Takes a member out and lets the others rebalance.
    pub(super) fn remove_member(&mut self, id: &str, now: Now, out: &mut Vec<Effect>) {
        let Some(member) = self.take(id) else { return };
        if let Some(ticket) = member.awaiting_join {
            out.push(Effect::Joined(ticket, JoinReply::refused(ErrorCode::UnknownMemberId, "".into())));
        }
        if let Some(ticket) = member.awaiting_sync {
            out.push(Effect::Synced(ticket, SyncReply::refused(ErrorCode::UnknownMemberId)));
        }
        match self.state {
            State::Stable | State::CompletingRebalance => self.rebalance(now, out),
            State::PreparingRebalance => self.try_complete_join(now, out),
            State::Empty | State::Dead => {}
        }
    }

    /// The record of the group with this assignment.
    pub(super) fn value(&self, assignment: &BTreeMap<Arc<str>, Bytes>) -> GroupValue {
        let empty = Bytes::new();
        GroupValue {
            protocol_type: self.protocol_type.as_deref().unwrap_or("").into(),
            generation: self.generation,
            protocol: self.protocol.as_deref().map(Into::into),
            leader: self.leader.as_deref().map(Into::into),
            state_ms: self.state_ms,
            members: self
                .members
                .values()
                .map(|m| self.member_value(m, assignment.get(&m.id).unwrap_or(&empty)))
                .collect(),
        }
    }

    fn member_value(&self, member: &Member, assignment: &Bytes) -> MemberValue {
        MemberValue {
            id: (*member.id).into(),
            instance: member.instance.as_deref().map(Into::into),
            client_id: (*member.client_id).into(),
            client_host: (*member.client_host).into(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(self.protocol.as_deref().unwrap_or("")),
            assignment: assignment.clone(),
        }
    }
}

/// Which state may follow which (`GroupState.validPreviousStates`).
pub(super) fn may_follow(from: State, to: State) -> bool {
    match to {
        State::Empty => from == State::PreparingRebalance,
        State::PreparingRebalance => matches!(from, State::Stable | State::CompletingRebalance | State::Empty),
        State::CompletingRebalance => from == State::PreparingRebalance,
        State::Stable => from == State::CompletingRebalance,
        State::Dead => true,
    }
}

//! The rebalance of a group: from the call to join to the generation that begins, and what becomes of those who miss it.
//!
//! Part of the pure state machine in `group`; called from there when time is up, from `join` and `membership` when somebody comes or
//! goes. Kafka's `GroupCoordinator.prepareRebalance`, `onCompleteJoin`, `onExpirePendingSync`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::group::{CONSUMER, Group, may_follow};
use super::member::Member;
use super::protocol;
use super::types::{Effect, JoinReply, JoinedMember, Now, State, SyncReply, Why};
use crate::base::ErrorCode;

/// A rebalance time-out of nothing must not make the barrier spin.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// When the join phase ends, unless everyone came before.
#[derive(Clone, Copy, Debug)]
pub(super) enum Barrier {
    /// A group that begins waits for more members, again and again while they come, up to `remaining` more.
    Initial { until: Instant, delay: Duration, remaining: Duration },
    /// The members of the last generation must come back.
    Rejoin { until: Instant },
}

impl Group {
    /// Begins the join phase, unless it has begun.
    pub(super) fn rebalance(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !may_follow(self.state, State::PreparingRebalance) {
            return;
        }
        if self.state == State::CompletingRebalance {
            self.fail_syncs(ErrorCode::RebalanceInProgress, now, out);
        }
        self.sync_until = None;
        let timeout = self.rebalance_timeout();
        self.barrier = Some(if self.state == State::Empty {
            let delay = self.initial_delay();
            Barrier::Initial { until: now.at + delay, delay, remaining: timeout.saturating_sub(delay) }
        } else {
            Barrier::Rejoin { until: now.at + timeout }
        });
        self.become_state(State::PreparingRebalance, now);
        self.try_complete_join(now, out);
    }

    /// Answers waiting SyncGroups with an error and forgets the assignment.
    pub(super) fn fail_syncs(&mut self, error: ErrorCode, now: Now, out: &mut Vec<Effect>) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if let Some(ticket) = member.awaiting_sync.take() {
                out.push(Effect::Synced(ticket, SyncReply::refused(error)));
                member.heard(now.at);
            }
        }
    }

    /// Ends the join phase if everyone is there. The initial delay is waited out whatever happens.
    pub(super) fn try_complete_join(&mut self, now: Now, out: &mut Vec<Effect>) {
        let everyone = self.pending.is_empty() && self.members.values().all(|m| m.awaiting_join.is_some());
        if everyone && matches!(self.barrier, Some(Barrier::Rejoin { .. })) {
            self.complete_join(now, out);
        }
    }

    pub(super) fn complete_join(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.barrier = None;
        let absent: Vec<Arc<str>> = self
            .members
            .values()
            .filter(|m| m.awaiting_join.is_none() && m.instance.is_none())
            .map(|m| m.id.clone())
            .collect();
        for id in absent {
            tracing::info!(group = %self.id, member = %id, "the member did not rejoin in time");
            self.take(&id);
        }
        if !self.members.is_empty() && !self.elect_joined_leader() {
            // Only static members are left, and none came: until their sessions end.
            self.barrier = Some(Barrier::Rejoin { until: now.at + self.rebalance_timeout().max(LEAST_WAIT) });
            return;
        }
        self.generation = self.generation.wrapping_add(1);
        self.unsynced.clear();
        if self.members.is_empty() {
            self.protocol = None;
            self.leader = None;
            self.become_state(State::Empty, now);
            self.subscribed = self.subscriptions();
            tracing::info!(group = %self.id, generation = self.generation, "the group is empty");
            out.push(Effect::Store(Why::Empty, self.value(&BTreeMap::new())));
            return;
        }
        self.protocol = self.choose_protocol();
        self.become_state(State::CompletingRebalance, now);
        self.subscribed = self.subscriptions();
        tracing::info!(
            group = %self.id, generation = self.generation, members = self.members.len(),
            protocol = self.protocol.as_deref(), "the group has joined"
        );
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in &ids {
            let reply = self.joined(id, self.leader.as_ref() == Some(id));
            if let Some(member) = self.members.get_mut(id) {
                if let Some(ticket) = member.awaiting_join.take() {
                    out.push(Effect::Joined(ticket, reply));
                }
                member.heard(now.at);
            }
        }
        self.unsynced.extend(ids);
        self.sync_until = Some(now.at + self.rebalance_timeout());
    }

    /// True when the leader, or someone in its place, has joined.
    fn elect_joined_leader(&mut self) -> bool {
        let joined = |m: &&Member| m.awaiting_join.is_some();
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id)).filter(joined);
        let next = leader.or_else(|| self.members.values().find(joined)).map(|m| m.id.clone());
        match next {
            Some(next) => {
                self.leader = Some(next);
                true
            }
            None => false,
        }
    }

    /// Members that have not asked for their assignment in time are taken for dead.
    pub(super) fn drop_unsynced(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !matches!(self.state, State::CompletingRebalance | State::Stable) || self.unsynced.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.unsynced) {
            tracing::info!(group = %self.id, member = %id, "the member did not ask for its assignment in time");
            self.take(&id);
        }
        self.rebalance(now, out);
    }

    /// The answer to a member's JoinGroup in the current generation.
    pub(super) fn joined(&self, id: &Arc<str>, with_members: bool) -> JoinReply {
        let protocol = self.protocol.as_deref().unwrap_or("");
        let member = |m: &Member| JoinedMember {
            id: m.id.clone(),
            instance: m.instance.clone(),
            metadata: m.metadata(protocol),
        };
        JoinReply {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            member_id: id.clone(),
            skip_assignment: false,
            members: if with_members { self.members.values().map(member).collect() } else { Vec::new() },
        }
    }

    /// Each member votes for its first choice among what all support; most votes win, the first name on a draw.
    pub(super) fn choose_protocol(&self) -> Option<Arc<str>> {
        let first = self.members.values().next()?;
        let everyones = |name: &Arc<str>| self.members.values().all(|m| m.supports(name));
        let candidates: BTreeSet<Arc<str>> =
            first.protocols.iter().map(|(name, _)| name.clone()).filter(everyones).collect();
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for vote in self.members.values().filter_map(|m| m.vote(&candidates)) {
            *votes.entry(vote).or_default() += 1;
        }
        votes.into_iter().rev().max_by_key(|(_, count)| *count).map(|(name, _)| name.clone())
    }

    /// Topics of all members' subscriptions; none when a member's can't be read.
    pub(super) fn subscriptions(&self) -> Option<BTreeSet<String>> {
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        let protocol = self.protocol.as_deref().unwrap_or("");
        let mut all = BTreeSet::new();
        for member in self.members.values() {
            all.extend(protocol::subscribed_topics(&member.metadata(protocol))?);
        }
        Some(all)
    }
}

//! JoinGroup: newcomers, members that come back, static members under a new id.
//!
//! Kafka's `GroupCoordinator.doNewMemberJoinGroup`, `doCurrentMemberJoinGroup`, `updateStaticMemberAndRebalance`. Every path ends in
//! one answer to the ticket: now, or when the join phase ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::group::{Group, NEW_MEMBER_JOIN_TIMEOUT};
use super::member::{Member, ms};
use super::types::{Effect, Join, JoinReply, Now, State, StaticRejoin, SyncReply, Why};
use crate::base::ErrorCode;

impl Group {
    /// A member joins, or joins again.
    pub fn join(&mut self, join: Join, now: Now, out: &mut Vec<Effect>) {
        if let Err(error) = self.try_join(&join, now, out) {
            let id = join.member_id.clone();
            out.push(Effect::Joined(join.ticket, JoinReply::refused(error, id)));
        }
        if self.state == State::PreparingRebalance {
            self.try_complete_join(now, out);
        }
    }

    fn try_join(&mut self, join: &Join, now: Now, out: &mut Vec<Effect>) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        if !self.has_room_for(join) {
            self.take(&join.member_id);
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        if !self.supports(join) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        if join.member_id.is_empty() {
            return self.newcomer(join, now, out);
        }
        if self.pending.contains_key(&join.member_id) && join.instance.is_none() {
            self.pending.remove(&join.member_id);
            self.add(join, join.member_id.clone(), now, out);
            return Ok(());
        }
        self.check_member(&join.member_id, join.instance.as_ref())?;
        self.rejoin(join, now, out)
    }

    /// `acceptJoiningMember`: ids that were given out count, so that a crowd of newcomers can't pass the limit together.
    fn has_room_for(&self, join: &Join) -> bool {
        let known = self.members.get(&join.member_id);
        let replaces = join.instance.as_ref().is_some_and(|instance| self.statics.contains_key(instance));
        let is_pending = usize::from(self.pending.contains_key(&join.member_id));
        let pending = self.pending.len() - is_pending;
        match self.state {
            State::Empty | State::Dead => pending < self.rules.max_size,
            State::PreparingRebalance => {
                let waiting = self.members.values().filter(|m| m.awaiting_join.is_some()).count();
                known.is_some_and(|m| m.awaiting_join.is_some()) || waiting + pending < self.rules.max_size
            }
            State::CompletingRebalance | State::Stable => {
                known.is_some() || replaces || self.members.len() + pending < self.rules.max_size
            }
        }
    }

    fn supports(&self, join: &Join) -> bool {
        if self.state == State::Empty {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        self.protocol_type.as_ref() == Some(&join.protocol_type)
            && join.protocols.iter().any(|(name, _)| self.members.values().all(|m| m.supports(name)))
    }

    fn newcomer(&mut self, join: &Join, now: Now, out: &mut Vec<Effect>) -> Result<(), ErrorCode> {
        if let Some(instance) = &join.instance {
            return match self.statics.get(instance).cloned() {
                Some(old) => self.replace_static(join, instance, &old, now, out),
                None => {
                    self.add(join, join.new_id.clone(), now, out);
                    Ok(())
                }
            };
        }
        if join.require_known_id {
            self.pending.insert(join.new_id.clone(), now.at + ms(join.session_timeout_ms));
            let reply = JoinReply::refused(ErrorCode::MemberIdRequired, join.new_id.clone());
            out.push(Effect::Joined(join.ticket, reply));
        } else {
            self.add(join, join.new_id.clone(), now, out);
        }
        Ok(())
    }

    fn add(&mut self, join: &Join, id: Arc<str>, now: Now, out: &mut Vec<Effect>) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if self.state == State::PreparingRebalance && self.generation == 0 {
            self.newcomers = true; // the initial delay may be prolonged
        }
        self.insert(Member {
            id,
            instance: join.instance.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: join.protocols.clone(),
            assignment: Default::default(),
            awaiting_join: Some(join.ticket),
            awaiting_sync: None,
            alive_until: Some(now.at + NEW_MEMBER_JOIN_TIMEOUT),
        });
        self.rebalance(now, out);
    }

    /// A member of the group is back with its id.
    fn rejoin(&mut self, join: &Join, now: Now, out: &mut Vec<Effect>) -> Result<(), ErrorCode> {
        let Some(member) = self.members.get(&join.member_id) else { return Err(ErrorCode::UnknownMemberId) };
        let same = member.protocols == join.protocols;
        let is_leader = self.leader.as_ref() == Some(&join.member_id);
        match self.state {
            State::CompletingRebalance if same => {
                // The answer to its last JoinGroup was lost.
                out.push(Effect::Joined(join.ticket, self.joined(&join.member_id, is_leader)));
            }
            State::Stable if same && !is_leader => {
                out.push(Effect::Joined(join.ticket, self.joined(&join.member_id, false)));
            }
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                self.update(join, &join.member_id, out);
                self.rebalance(now, out);
            }
            State::Empty | State::Dead => return Err(ErrorCode::UnknownMemberId),
        }
        Ok(())
    }

    /// Takes over what the member offers now and lets it wait for the end of the join phase.
    fn update(&mut self, join: &Join, id: &str, out: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.protocols = join.protocols.clone();
        member.session_timeout_ms = join.session_timeout_ms;
        member.rebalance_timeout_ms = join.rebalance_timeout_ms;
        member.alive_until = None;
        if let Some(earlier) = member.awaiting_join.replace(join.ticket) {
            out.push(Effect::Dropped(earlier));
        }
    }

    /// A static member is back without its id: it gets a new one, whoever holds the old one is fenced.
    fn replace_static(
        &mut self,
        join: &Join,
        instance: &Arc<str>,
        old: &Arc<str>,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), ErrorCode> {
        let Some(before) = self.members.get(old) else { return Err(ErrorCode::UnknownMemberId) };
        let rejoin = StaticRejoin {
            instance: instance.clone(),
            old_id: old.clone(),
            new_id: join.new_id.clone(),
            old_leader: self.leader.clone().unwrap_or_else(|| "".into()),
            old_protocols: before.protocols.clone(),
            old_timeouts_ms: (before.session_timeout_ms, before.rebalance_timeout_ms),
            supports_skip: join.supports_skip,
        };
        self.rename_static(instance, old, &join.new_id, out);
        self.update(join, &join.new_id, out);
        tracing::info!(group = %self.id, %instance, %old, new = %join.new_id, "a static member is back");
        match self.state {
            State::Stable if self.choose_protocol() == self.protocol => {
                let assignment: BTreeMap<_, _> =
                    self.members.values().map(|m| (m.id.clone(), m.assignment.clone())).collect();
                out.push(Effect::Store(Why::StaticRejoin(Box::new(rejoin)), self.value(&assignment)));
            }
            State::Stable | State::CompletingRebalance => self.rebalance(now, out),
            State::PreparingRebalance | State::Empty | State::Dead => {}
        }
        Ok(())
    }

    /// Gives a static member another id; whoever waits under the old one is told that it is fenced.
    fn rename_static(&mut self, instance: &Arc<str>, from: &Arc<str>, to: &Arc<str>, out: &mut Vec<Effect>) {
        let was_leader = self.leader.as_ref() == Some(from);
        let Some(mut member) = self.take(from) else { return };
        if let Some(ticket) = member.awaiting_join.take() {
            out.push(Effect::Joined(ticket, JoinReply::refused(ErrorCode::FencedInstanceId, from.clone())));
        }
        if let Some(ticket) = member.awaiting_sync.take() {
            out.push(Effect::Synced(ticket, SyncReply::refused(ErrorCode::FencedInstanceId)));
        }
        member.id = to.clone();
        member.instance = Some(instance.clone());
        self.insert(member);
        if was_leader {
            self.leader = Some(to.clone());
        }
    }

    /// The record of a returned static member is written, or not: then it never came back.
    pub(super) fn finish_static_rejoin(
        &mut self,
        rejoin: &StaticRejoin,
        result: Result<(), ErrorCode>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(member) = self.members.get_mut(&rejoin.new_id) else { return };
        if self.state != State::Stable {
            return; // a rebalance has begun meanwhile, and the join waits for its end
        }
        let Some(ticket) = member.awaiting_join.take() else { return };
        member.heard(now.at);
        match result {
            Ok(()) => {
                let leads = self.leader.as_ref() == Some(&rejoin.new_id);
                let mut reply = self.joined(&rejoin.new_id, leads && rejoin.supports_skip);
                reply.skip_assignment = leads && rejoin.supports_skip;
                if !rejoin.supports_skip {
                    // An older client must not take itself for the leader: it would assign from nothing.
                    reply.leader = rejoin.old_leader.clone();
                }
                out.push(Effect::Joined(ticket, reply));
            }
            Err(error) => {
                let mut reply = JoinReply::refused(error, "".into());
                reply.generation = self.generation;
                reply.leader = rejoin.old_leader.clone();
                out.push(Effect::Joined(ticket, reply));
                (member.session_timeout_ms, member.rebalance_timeout_ms) = rejoin.old_timeouts_ms;
                member.protocols = rejoin.old_protocols.clone();
                self.rename_static(&rejoin.instance, &rejoin.new_id, &rejoin.old_id, out);
            }
        }
    }

    /// Is this member id, under this static name, in the group?
    ///
    /// # Errors
    /// FENCED_INSTANCE_ID when the name belongs to another id now; UNKNOWN_MEMBER_ID.
    pub(super) fn check_member(&self, id: &str, instance: Option<&Arc<str>>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.statics.get(instance) {
                Some(holder) if **holder != *id => return Err(ErrorCode::FencedInstanceId),
                None => return Err(ErrorCode::UnknownMemberId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }
}

//! SyncGroup, Heartbeat, LeaveGroup, and what follows when a group's record is written.
//!
//! The order of the checks is Kafka's (`GroupCoordinator.validateSyncGroup`, `doSyncGroup`, `handleHeartbeat`, `handleLeaveGroup`).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::group::Group;
use super::types::{Claim, Effect, Now, State, Sync, SyncReply, Why};
use crate::base::ErrorCode;

impl Group {
    /// A member asks for its assignment; the leader brings everyone's.
    pub fn sync(&mut self, sync: Sync, now: Now, out: &mut Vec<Effect>) {
        if let Err(error) = self.try_sync(&sync, now, out) {
            out.push(Effect::Synced(sync.ticket, SyncReply::refused(error)));
        }
    }

    fn try_sync(&mut self, sync: &Sync, now: Now, out: &mut Vec<Effect>) -> Result<(), ErrorCode> {
        let id = &sync.who.member_id;
        self.check_claim(&sync.who)?;
        let differs = |asked: &Option<Arc<str>>, own: &Option<Arc<str>>| asked.is_some() && asked != own;
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty => return Err(ErrorCode::UnknownMemberId),
            State::Dead => return Err(ErrorCode::CoordinatorNotAvailable),
            State::PreparingRebalance => return Err(ErrorCode::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => {}
        }
        self.unsynced.remove(id);
        if self.unsynced.is_empty() {
            self.sync_until = None;
        }
        let (protocol_type, protocol) = (self.protocol_type.clone(), self.protocol.clone());
        let Some(member) = self.members.get_mut(id) else { return Err(ErrorCode::UnknownMemberId) };
        if self.state == State::Stable {
            member.heard(now.at);
            let assignment = member.assignment.clone();
            let reply = SyncReply { error: ErrorCode::None, protocol_type, protocol, assignment };
            out.push(Effect::Synced(sync.ticket, reply));
            return Ok(());
        }
        member.alive_until = None;
        if let Some(earlier) = member.awaiting_sync.replace(sync.ticket) {
            out.push(Effect::Dropped(earlier));
        }
        if self.leader.as_ref() == Some(id) {
            let given = |id: &Arc<str>| sync.assignment.get(id).cloned().unwrap_or_default();
            let assignment: BTreeMap<_, _> = self.members.keys().map(|id| (id.clone(), given(id))).collect();
            let value = self.value(&assignment);
            out.push(Effect::Store(Why::Assigned { generation: self.generation, assignment }, value));
        }
        Ok(())
    }

    /// A group record is committed, or could not be written. What happened meanwhile goes before.
    pub fn stored(&mut self, why: &Why, result: Result<(), ErrorCode>, now: Now, out: &mut Vec<Effect>) {
        match (why, result) {
            (Why::Empty, Ok(())) => {}
            (Why::Empty, Err(error)) => {
                tracing::warn!(group = %self.id, %error, "could not write that the group is empty")
            }
            (Why::StaticRejoin(rejoin), result) => self.finish_static_rejoin(rejoin, result, now, out),
            (Why::Assigned { generation, assignment }, result) => {
                if self.state != State::CompletingRebalance || self.generation != *generation {
                    return;
                }
                match result {
                    Ok(()) => self.assign(assignment, now, out),
                    Err(error) => {
                        tracing::warn!(group = %self.id, %error, "could not write the assignment");
                        self.fail_syncs(error, now, out);
                        self.rebalance(now, out);
                    }
                }
            }
        }
    }

    fn assign(&mut self, assignment: &BTreeMap<Arc<str>, Bytes>, now: Now, out: &mut Vec<Effect>) {
        for member in self.members.values_mut() {
            member.assignment = assignment.get(&member.id).cloned().unwrap_or_default();
            if let Some(ticket) = member.awaiting_sync.take() {
                member.heard(now.at);
                out.push(Effect::Synced(
                    ticket,
                    SyncReply {
                        error: ErrorCode::None,
                        protocol_type: self.protocol_type.clone(),
                        protocol: self.protocol.clone(),
                        assignment: member.assignment.clone(),
                    },
                ));
            }
        }
        self.become_state(State::Stable, now);
    }

    /// A member says it is alive; the code tells whether its generation stands.
    pub fn heartbeat(&mut self, who: &Claim, now: Now) -> ErrorCode {
        if let Err(error) = self.check_claim(who) {
            return error;
        }
        match self.state {
            State::Empty => ErrorCode::UnknownMemberId,
            State::Dead => ErrorCode::CoordinatorNotAvailable,
            State::CompletingRebalance | State::Stable => {
                self.touch(&who.member_id, now);
                ErrorCode::None
            }
            State::PreparingRebalance => {
                self.touch(&who.member_id, now);
                ErrorCode::RebalanceInProgress
            }
        }
    }

    /// One member leaves, or is put out by its static name alone.
    pub fn leave(&mut self, id: &str, instance: Option<&Arc<str>>, now: Now, out: &mut Vec<Effect>) -> ErrorCode {
        if self.state == State::Dead {
            return ErrorCode::CoordinatorNotAvailable;
        }
        if id.is_empty() {
            let Some(holder) = instance.and_then(|i| self.statics.get(i)).cloned() else {
                return ErrorCode::UnknownMemberId;
            };
            self.remove_member(&holder, now, out);
            return ErrorCode::None;
        }
        if self.pending.remove(id).is_some() {
            if self.state == State::PreparingRebalance {
                self.try_complete_join(now, out);
            }
            return ErrorCode::None;
        }
        if let Err(error) = self.check_member(id, instance) {
            return error;
        }
        tracing::info!(group = %self.id, member = %id, "the member leaves");
        self.remove_member(id, now, out);
        ErrorCode::None
    }

    /// Member, static name and generation.
    pub(super) fn check_claim(&self, who: &Claim) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        self.check_member(&who.member_id, who.instance.as_ref())?;
        if who.generation != self.generation { Err(ErrorCode::IllegalGeneration) } else { Ok(()) }
    }

    /// Any sign of life but one that waits for its answer.
    pub(super) fn touch(&mut self, id: &str, now: Now) {
        if let Some(member) = self.members.get_mut(id)
            && !member.is_waiting()
        {
            member.heard(now.at);
        }
    }
}

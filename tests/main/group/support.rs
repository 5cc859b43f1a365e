//! A group with a clock: steps, and what came out of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla::base::ErrorCode;
use ottla::group::Group;
use ottla::group::record::GroupValue;
use ottla::group::types::{Claim, Effect, Join, JoinReply, Now, Rules, Sync, SyncReply, Why};
use tokio::time::Instant;

pub struct World {
    pub group: Group,
    pub now: Now,
    tickets: u64,
    pub joined: BTreeMap<u64, JoinReply>,
    pub synced: BTreeMap<u64, SyncReply>,
    pub stores: Vec<(Why, GroupValue)>,
}

impl World {
    pub fn new() -> Self {
        Self::with(Rules { initial_delay_ms: 0, max_size: usize::MAX })
    }

    pub fn with(rules: Rules) -> Self {
        let now = Now { at: Instant::now(), wall_ms: 1_000_000 };
        Self {
            group: Group::new("group".into(), rules, now.wall_ms),
            now,
            tickets: 0,
            joined: BTreeMap::new(),
            synced: BTreeMap::new(),
            stores: Vec::new(),
        }
    }

    pub fn step<R>(&mut self, act: impl FnOnce(&mut Group, Now, &mut Vec<Effect>) -> R) -> R {
        let mut out = Vec::new();
        let result = act(&mut self.group, self.now, &mut out);
        for effect in out {
            match effect {
                Effect::Joined(ticket, reply) => {
                    assert!(self.joined.insert(ticket, reply).is_none(), "a join was answered twice");
                }
                Effect::Synced(ticket, reply) => {
                    assert!(self.synced.insert(ticket, reply).is_none(), "a sync was answered twice");
                }
                Effect::Dropped(_) => {}
                Effect::Store(why, value) => self.stores.push((why, value)),
            }
        }
        result
    }

    /// Lets time go by, acting on each deadline when it comes.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now.at + Duration::from_millis(ms);
        let wall_end = self.now.wall_ms + ms as i64;
        for _ in 0..10_000 {
            match self.group.next_deadline().filter(|deadline| *deadline <= end) {
                Some(deadline) => {
                    self.now.at = self.now.at.max(deadline);
                    self.step(|group, now, out| group.tick(now, out));
                }
                None => {
                    self.now = Now { at: end, wall_ms: wall_end };
                    return;
                }
            }
        }
        panic!("the group's timers spin");
    }

    /// A join of an old client: the id comes at once.
    pub fn request(&mut self, id: &str) -> Join {
        self.tickets += 1;
        Join {
            ticket: self.tickets,
            member_id: id.into(),
            instance: None,
            new_id: format!("client-{}", self.tickets).into(),
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
            protocol_type: "consumer".into(),
            protocols: vec![("range".into(), subscription(&["topic"]))],
            require_known_id: false,
            supports_skip: true,
        }
    }

    pub fn join(&mut self, join: Join) -> u64 {
        let ticket = join.ticket;
        self.step(|group, now, out| group.join(join, now, out));
        ticket
    }

    /// Joins without anything special; the answer may be outstanding.
    pub fn join_as(&mut self, id: &str) -> u64 {
        let join = self.request(id);
        self.join(join)
    }

    pub fn join_static(&mut self, id: &str, instance: &str) -> u64 {
        let join = Join { instance: Some(instance.into()), ..self.request(id) };
        self.join(join)
    }

    /// The answer to a join that has one.
    pub fn answer(&self, ticket: u64) -> &JoinReply {
        self.joined.get(&ticket).expect("the join is answered")
    }

    pub fn sync(&mut self, id: &str, generation: i32, assignment: &[(&str, &str)]) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets;
        let sync = Sync {
            ticket,
            who: claim(id, generation),
            protocol_type: None,
            protocol: None,
            assignment: assignment.iter().map(|(id, a)| ((*id).into(), Bytes::copy_from_slice(a.as_bytes()))).collect(),
        };
        self.step(|group, now, out| group.sync(sync, now, out));
        ticket
    }

    /// Ends the oldest record's write.
    pub fn stored(&mut self, result: Result<(), ErrorCode>) -> GroupValue {
        let (why, value) = self.stores.remove(0);
        self.step(|group, now, out| group.stored(&why, result, now, out));
        value
    }

    pub fn heartbeat(&mut self, id: &str, generation: i32) -> ErrorCode {
        self.step(|group, now, _| group.heartbeat(&claim(id, generation), now))
    }

    pub fn leave(&mut self, id: &str) -> ErrorCode {
        self.step(|group, now, out| group.leave(id, None, now, out))
    }

    /// A stable group of `count` members, the leader first.
    pub fn stable(&mut self, count: usize) -> Vec<Arc<str>> {
        let tickets: Vec<u64> = (0..count).map(|_| self.join_as("")).collect();
        self.pass(0);
        self.settle(&tickets)
    }

    /// Syncs everyone whose join is answered; the ids, the leader's first.
    pub fn settle(&mut self, tickets: &[u64]) -> Vec<Arc<str>> {
        let replies: Vec<JoinReply> = tickets.iter().map(|ticket| self.answer(*ticket).clone()).collect();
        let leader = replies[0].leader.clone();
        let mut ids: Vec<Arc<str>> = replies.iter().map(|reply| reply.member_id.clone()).collect();
        ids.sort_by_key(|id| *id != leader);
        let generation = replies[0].generation;
        let assignment: Vec<(&str, &str)> = ids.iter().map(|id| (&**id, &**id)).collect();
        for id in ids.iter().skip(1) {
            self.sync(id, generation, &[]);
        }
        let last = self.sync(&leader, generation, &assignment);
        self.stored(Ok(()));
        assert_eq!(self.synced[&last].error, ErrorCode::None);
        ids
    }
}

pub fn claim(id: &str, generation: i32) -> Claim {
    Claim { member_id: id.into(), instance: None, generation }
}

/// A consumer's subscription, version 0.
pub fn subscription(topics: &[&str]) -> Bytes {
    let mut out = vec![0, 0];
    out.extend_from_slice(&(topics.len() as i32).to_be_bytes());
    for topic in topics {
        out.extend_from_slice(&(topic.len() as i16).to_be_bytes());
        out.extend_from_slice(topic.as_bytes());
    }
    out.extend_from_slice(&(-1i32).to_be_bytes());
    out.into()
}

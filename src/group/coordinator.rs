//! The shell around the groups of this broker: which partitions of `__consumer_offsets` are led from here, their groups, who waits.
//!
//! Every operation finds its group, takes the group's mutex, lets the pure group decide, and carries out the effects: answers to
//! waiting requests, records to the journal (handed over under the mutex, so that they are written in the order of the decisions),
//! timers. Lock order: a shard's map and a group are each taken alone, the timers after a group. What the journal tells comes back as
//! another step. Offsets are in `commits`, leadership in `leadership`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::group::{Description, Group};
use super::numbers::Counts;
use super::offsets::Place;
use super::record;
use super::settings::Settings;
use super::types::{Claim, Effect, Join, JoinReply, Now, State, Sync, SyncReply, Ticket, Why};
use crate::base::env::Lane;
use crate::base::{Env, ErrorCode, internal_partition, topic_names};
use crate::record::BatchBuilder;
use crate::replica::Replicas;
use crate::replica::hand_over::HandOver;
use crate::replica::journal::Journal;
use crate::replica::shards::Shards;

/// The topic of the groups' records.
pub const OFFSETS_TOPIC: &str = topic_names::GROUP_METADATA;

/// All groups of this broker.
pub struct Coordinator {
    pub(super) env: Env,
    pub(super) replicas: Arc<Replicas>,
    pub(super) settings: Settings,
    /// The partitions of `__consumer_offsets` led from here.
    pub(super) shards: Shards<Shard>,
    /// What has happened, for `/metrics`.
    pub(super) counts: Counts,
    timers: Mutex<BTreeMap<(Instant, u64), Arc<Slot>>>,
    timer_names: AtomicU64,
    timer_changed: Notify,
}

/// The groups of one partition.
pub(super) struct Shard {
    pub(super) journal: Journal,
    pub(super) groups: Mutex<BTreeMap<Arc<str>, Arc<Slot>>>,
    /// Groups in which a producer's open transaction has committed, by producer id.
    pub(super) open: Mutex<BTreeMap<i64, BTreeSet<Arc<str>>>>,
    /// Set under the map's mutex when leadership has gone: whoever still holds the shard finds only dead groups.
    pub(super) closed: AtomicBool,
}

/// A group with those who wait for it.
pub(super) struct Slot {
    pub(super) journal: Journal,
    cell: Mutex<Cell>,
}

struct Cell {
    group: Group,
    joins: BTreeMap<Ticket, oneshot::Sender<JoinReply>>,
    syncs: BTreeMap<Ticket, oneshot::Sender<SyncReply>>,
    next_ticket: Ticket,
    /// The timer that is set for it.
    armed: Option<Instant>,
}

/// A group in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id.
    pub id: Arc<str>,
    /// Empty for none.
    pub protocol_type: String,
    /// State.
    pub state: State,
}

impl Slot {
    pub(super) fn new(group: Group, journal: Journal) -> Arc<Self> {
        let cell = Cell { group, joins: BTreeMap::new(), syncs: BTreeMap::new(), next_ticket: 0, armed: None };
        Arc::new(Self { journal, cell: Mutex::new(cell) })
    }

    /// Looks at the group.
    pub(super) fn look<R>(&self, look: impl FnOnce(&Group) -> R) -> R {
        look(&self.cell.lock().group)
    }
}

impl Coordinator {
    /// A coordinator of nothing yet; its timers run on the control lane.
    pub fn start(env: Env, replicas: Arc<Replicas>, settings: Settings) -> Arc<Self> {
        let coordinator = Arc::new(Self {
            env: env.clone(),
            shards: Shards::new(OFFSETS_TOPIC, "groups", replicas.clone()),
            replicas,
            settings,
            counts: Counts::default(),
            timers: Mutex::default(),
            timer_names: AtomicU64::new(0),
            timer_changed: Notify::new(),
        });
        env.tasks.spawn_vital(Lane::Control, "group timers", coordinator.clone().run_timers());
        env.tasks.spawn_vital(Lane::Control, "offset expiry", coordinator.clone().run_expiry());
        coordinator
    }

    /// Partitions that can't be read here.
    pub fn hand_over(&self) -> &HandOver {
        &self.shards.hand_over
    }

    /// What the configuration says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The partition of `__consumer_offsets` whose leader coordinates the group.
    pub fn partition_of(&self, group: &str) -> i32 {
        internal_partition(group, self.settings.partitions)
    }

    /// JoinGroup; the answer comes when the join phase ends. `None`: nobody waits for it any more, close the connection.
    pub async fn join(self: &Arc<Self>, group: &str, mut join: Join) -> Option<JoinReply> {
        let refused = |error, join: &Join| Some(JoinReply::refused(error, join.member_id.clone()));
        let shard = match self.named_shard(group) {
            Ok(shard) => shard,
            Err(error) => return refused(error, &join),
        };
        let limits = self.settings.min_session_ms..=self.settings.max_session_ms;
        if !limits.contains(&join.session_timeout_ms) {
            return refused(ErrorCode::InvalidSessionTimeout, &join);
        }
        let slot = match self.slot(&shard, group, join.member_id.is_empty()) {
            Some(slot) => slot,
            None => return refused(ErrorCode::UnknownMemberId, &join),
        };
        let (sender, answer) = oneshot::channel();
        {
            let mut cell = slot.cell.lock();
            join.ticket = cell.ticket();
            cell.joins.insert(join.ticket, sender);
            self.step(&slot, &mut cell, |group, now, out| group.join(join, now, out));
        }
        answer.await.ok()
    }

    /// SyncGroup; the answer comes with the leader's assignment. `None` as in `join`.
    pub async fn sync(self: &Arc<Self>, group: &str, mut sync: Sync) -> Option<SyncReply> {
        let shard = match self.named_shard(group) {
            Ok(shard) => shard,
            // The member's assignment is being read with the rest: it must join again.
            Err(ErrorCode::CoordinatorLoadInProgress) => {
                return Some(SyncReply::refused(ErrorCode::RebalanceInProgress));
            }
            Err(error) => return Some(SyncReply::refused(error)),
        };
        let Some(slot) = self.slot(&shard, group, false) else {
            return Some(SyncReply::refused(ErrorCode::UnknownMemberId));
        };
        let (sender, answer) = oneshot::channel();
        {
            let mut cell = slot.cell.lock();
            sync.ticket = cell.ticket();
            cell.syncs.insert(sync.ticket, sender);
            self.step(&slot, &mut cell, |group, now, out| group.sync(sync, now, out));
        }
        answer.await.ok()
    }

    /// Heartbeat.
    pub fn heartbeat(&self, group: &str, who: &Claim) -> ErrorCode {
        let shard = match self.named_shard(group) {
            Ok(shard) => shard,
            Err(ErrorCode::CoordinatorLoadInProgress) => return ErrorCode::None,
            Err(error) => return error,
        };
        match self.slot(&shard, group, false) {
            // Only moves a deadline away: the timer that is set finds that out.
            Some(slot) => slot.cell.lock().group.heartbeat(who, self.now()),
            None => ErrorCode::UnknownMemberId,
        }
    }

    /// LeaveGroup: the request's code, and each member's.
    pub fn leave(
        self: &Arc<Self>,
        group: &str,
        members: &[(Arc<str>, Option<Arc<str>>)],
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        let shard = self.named_shard(group)?;
        let Some(slot) = self.slot(&shard, group, false) else {
            return Ok(vec![ErrorCode::UnknownMemberId; members.len()]);
        };
        let mut cell = slot.cell.lock();
        if cell.group.state() == State::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        Ok(self.step(&slot, &mut cell, |group, now, out| {
            members.iter().map(|(id, instance)| group.leave(id, instance.as_ref(), now, out)).collect()
        }))
    }

    /// One group for DescribeGroups; none when it does not exist.
    ///
    /// # Errors
    /// Not here, or not yet.
    pub fn describe(&self, group: &str) -> Result<Option<Description>, ErrorCode> {
        let shard = self.shard(group)?;
        Ok(self.find(&shard, group).map(|slot| slot.look(Group::describe)))
    }

    /// All groups here, with COORDINATOR_LOAD_IN_PROGRESS when some are still being read, COORDINATOR_NOT_AVAILABLE when some can't be:
    /// a list without them would say that they do not exist.
    pub fn list(&self) -> (ErrorCode, Vec<Listed>) {
        let error = self.shards.all_ready().err().unwrap_or(ErrorCode::None);
        let mut slots: Vec<Arc<Slot>> = Vec::new();
        self.shards.ready().iter().for_each(|shard| slots.extend(shard.groups.lock().values().cloned()));
        let listed = |slot: &Arc<Slot>| {
            slot.look(|group| Listed {
                id: group.id.clone(),
                protocol_type: group.protocol_type().unwrap_or("").into(),
                state: group.state(),
            })
        };
        (error, slots.iter().map(listed).filter(|group| group.state != State::Dead).collect())
    }

    /// DeleteGroups, one group: forgotten and tombstones handed to the journal.
    pub fn delete(&self, group: &str) -> ErrorCode {
        let shard = match self.shard(group) {
            Ok(shard) => shard,
            Err(error) => return error,
        };
        let Some(slot) = self.find(&shard, group) else { return ErrorCode::GroupIdNotFound };
        let deleted = {
            let mut cell = slot.cell.lock();
            cell.group.delete().inspect(|places| self.write_tombstones(&slot, &cell.group, places, true))
        };
        match deleted {
            Ok(_) => {
                self.bury(&shard, &slot, group);
                ErrorCode::None
            }
            Err(error) => error,
        }
    }

    /// The group's shard, if the group is here (`validateGroupStatus`).
    ///
    /// # Errors
    /// NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE.
    pub(super) fn shard(&self, group: &str) -> Result<Arc<Shard>, ErrorCode> {
        self.shards.get(self.partition_of(group))
    }

    /// As [`Coordinator::shard`], for the APIs of members, which take no empty id.
    pub(super) fn named_shard(&self, group: &str) -> Result<Arc<Shard>, ErrorCode> {
        if group.is_empty() { Err(ErrorCode::InvalidGroupId) } else { self.shard(group) }
    }

    pub(super) fn find(&self, shard: &Shard, group: &str) -> Option<Arc<Slot>> {
        shard.groups.lock().get(group).cloned()
    }

    /// The group, made when `create` and there is none.
    pub(super) fn slot(&self, shard: &Shard, group: &str, create: bool) -> Option<Arc<Slot>> {
        let mut groups = shard.groups.lock();
        match groups.get(group) {
            Some(slot) => Some(slot.clone()),
            None if create => {
                let id: Arc<str> = group.into();
                let mut new = Group::new(id.clone(), self.settings.rules, self.env.clock.wall_ms());
                if shard.closed.load(Ordering::Relaxed) {
                    new.kill(ErrorCode::NotCoordinator, &mut Vec::new());
                    return Some(Slot::new(new, shard.journal.clone()));
                }
                let slot = Slot::new(new, shard.journal.clone());
                groups.insert(id, slot.clone());
                Some(slot)
            }
            None => None,
        }
    }

    /// Takes a dead group off the map, unless another has its name already.
    pub(super) fn bury(&self, shard: &Shard, slot: &Arc<Slot>, group: &str) {
        let mut groups = shard.groups.lock();
        if groups.get(group).is_some_and(|current| Arc::ptr_eq(current, slot)) {
            groups.remove(group);
        }
    }

    pub(super) fn now(&self) -> Now {
        Now { at: self.env.clock.now(), wall_ms: self.env.clock.wall_ms() }
    }

    /// One step of a group, its effects, and its timer.
    pub(super) fn step_slot<R>(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        act: impl FnOnce(&mut Group, Now, &mut Vec<Effect>) -> R,
    ) -> R {
        self.step(slot, &mut slot.cell.lock(), act)
    }

    fn step<R>(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        cell: &mut Cell,
        act: impl FnOnce(&mut Group, Now, &mut Vec<Effect>) -> R,
    ) -> R {
        let mut effects = Vec::new();
        let result = act(&mut cell.group, self.now(), &mut effects);
        for effect in effects {
            self.carry_out(slot, cell, effect);
        }
        self.arm(slot, cell);
        result
    }

    fn carry_out(self: &Arc<Self>, slot: &Arc<Slot>, cell: &mut Cell, effect: Effect) {
        match effect {
            // A closed channel: the connection is gone, and with it who wanted to know.
            Effect::Joined(ticket, reply) => {
                if let Some(sender) = cell.joins.remove(&ticket) {
                    let _ = sender.send(reply);
                }
            }
            Effect::Synced(ticket, reply) => {
                if let Some(sender) = cell.syncs.remove(&ticket) {
                    let _ = sender.send(reply);
                }
            }
            Effect::Dropped(ticket) => {
                cell.joins.remove(&ticket);
                cell.syncs.remove(&ticket);
            }
            Effect::Store(why, value) => self.store(slot, &cell.group.id, why, &value),
        }
    }

    fn store(self: &Arc<Self>, slot: &Arc<Slot>, group: &str, why: Why, value: &record::GroupValue) {
        let mut batch = BatchBuilder::new(0).codec(self.settings.codec, None);
        batch.append(self.env.clock.wall_ms(), Some(&record::group_key(group)), Some(&value.to_bytes()), &[]);
        let (coordinator, slot_then) = (self.clone(), slot.clone());
        let done = move |result: Result<i64, ErrorCode>| {
            let result = result.map(drop).map_err(store_error);
            if result.is_ok() && matches!(why, Why::Assigned { .. }) {
                coordinator.counts.rebalances.add(1);
            }
            coordinator.step_slot(&slot_then, |group, now, out| group.stored(&why, result, now, out));
        };
        match batch.build() {
            Ok(bytes) => slot.journal.append(bytes, Box::new(done)),
            Err(error) => {
                tracing::error!(group, %error, "could not build the group's record");
                let tasks = &self.env.tasks;
                // Not at once: the group's mutex is held.
                tasks.spawn(Lane::Control, "failed record", async move { done(Err(ErrorCode::UnknownServerError)) });
            }
        }
    }

    /// Hands tombstones to the journal: offsets, then the group if it was ever written. Nobody waits for them.
    pub(super) fn write_tombstones(&self, slot: &Slot, group: &Group, places: &[Place], with_group: bool) {
        let with_group = with_group && group.generation() > 0;
        if places.is_empty() && !with_group {
            return;
        }
        let now = self.env.clock.wall_ms();
        let mut batch = BatchBuilder::new(0).codec(self.settings.codec, None);
        for (topic, partition) in places {
            batch.append(now, Some(&record::offset_key(&group.id, topic, *partition)), None, &[]);
        }
        if with_group {
            batch.append(now, Some(&record::group_key(&group.id)), None, &[]);
        }
        let id = group.id.clone();
        match batch.build() {
            Ok(bytes) => slot.journal.append(
                bytes,
                Box::new(move |result| {
                    if let Err(error) = result {
                        tracing::warn!(group = %id, %error, "tombstones were not written; the next expiry does it");
                    }
                }),
            ),
            Err(error) => tracing::error!(group = %group.id, %error, "could not build tombstones"),
        }
    }

    /// Sets the group's timer if it has to fire earlier than the one that is set.
    fn arm(&self, slot: &Arc<Slot>, cell: &mut Cell) {
        let Some(deadline) = cell.group.next_deadline() else { return };
        if cell.armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        cell.armed = Some(deadline);
        let name = self.timer_names.fetch_add(1, Ordering::Relaxed);
        self.timers.lock().insert((deadline, name), slot.clone());
        self.timer_changed.notify_one();
    }

    async fn run_timers(self: Arc<Self>) {
        loop {
            let first = self.timers.lock().keys().next().map(|(deadline, _)| *deadline);
            let wait = async {
                match first {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.timer_changed.notified() => continue,
                () = wait => {}
            }
            let now = self.env.clock.now();
            let due: Vec<Arc<Slot>> = {
                let mut timers = self.timers.lock();
                let later = timers.split_off(&(now + Duration::from_nanos(1), 0));
                std::mem::replace(&mut *timers, later).into_values().collect()
            };
            for slot in due {
                let mut cell = slot.cell.lock();
                cell.armed = None;
                self.step(&slot, &mut cell, |group, now, out| group.tick(now, out));
            }
        }
    }
}

impl Cell {
    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        self.next_ticket
    }
}

/// What a member is told of a group record that was not written (`GroupMetadataManager.storeGroup`).
fn store_error(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::NotEnoughReplicasAfterAppend => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::RequestTimedOut => ErrorCode::RebalanceInProgress,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::UnknownServerError
        }
        code => code,
    }
}

//! What a group has committed: checks of a commit, offsets on their way into the log, fetch, deletion, expiry.
//!
//! A commit is *pending* from the moment it is handed to the journal until its record is committed; only then is it fetched. One of a
//! transaction stays pending until the transaction's marker. Two commits of one partition end in the order of their records, whatever
//! the order of the answers (`CommitRecordMetadataAndOffset`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::group::{CONSUMER, Group};
use super::record::OffsetValue;
use super::types::{Claim, Now, State};
use crate::base::ErrorCode;

/// A committed offset, and where its record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// What was committed.
    pub value: OffsetValue,
    /// The offset of its record in `__consumer_offsets`.
    pub record_offset: i64,
}

/// Offsets of one group, by topic and partition.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    committed: BTreeMap<Arc<str>, BTreeMap<i32, Committed>>,
    /// How many commits of a partition are being written.
    pending: BTreeMap<(Arc<str>, i32), u32>,
    /// Commits of open transactions, by producer id.
    open: BTreeMap<i64, BTreeMap<Place, InTxn>>,
}

/// What an open transaction has committed for a partition: its last word.
#[derive(Clone, Debug)]
struct InTxn {
    value: OffsetValue,
    /// The offset of its record, none until that is replicated.
    record_offset: Option<i64>,
}

/// A partition of a topic.
pub type Place = (Arc<str>, i32);

impl Offsets {
    /// The committed offset of a partition.
    pub fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.committed.get(topic)?.get(&partition)
    }

    /// All of them, in order.
    pub fn all(&self) -> impl Iterator<Item = (&Arc<str>, i32, &Committed)> {
        self.committed.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |(p, c)| (topic, *p, c)))
    }

    /// How many partitions have a committed offset.
    pub fn count(&self) -> usize {
        self.committed.values().map(BTreeMap::len).sum()
    }

    /// No committed and no pending ones.
    pub fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty() && self.open.is_empty()
    }

    /// Is a commit of this partition being written?
    pub fn is_pending(&self, topic: &Arc<str>, partition: i32) -> bool {
        self.pending.contains_key(&(topic.clone(), partition))
    }

    /// Is a commit of this partition being written, or has an open transaction one?
    pub fn is_unstable(&self, topic: &Arc<str>, partition: i32) -> bool {
        let place = (topic.clone(), partition);
        self.pending.contains_key(&place) || self.open.values().any(|commits| commits.contains_key(&place))
    }

    /// A commit of a producer's transaction is being written.
    pub fn begin_in_txn(&mut self, producer_id: i64, entries: &[(Place, OffsetValue)]) {
        let open = self.open.entry(producer_id).or_default();
        for (place, value) in entries {
            open.insert(place.clone(), InTxn { value: value.clone(), record_offset: None });
        }
    }

    /// Its end: with the offset of the first record when it was written. What a later commit of the transaction has replaced is left.
    pub fn end_in_txn(&mut self, producer_id: i64, written: Option<i64>, entries: &[(Place, OffsetValue)]) {
        let Some(open) = self.open.get_mut(&producer_id) else { return };
        for (index, (place, value)) in entries.iter().enumerate() {
            match open.get_mut(place) {
                Some(commit) if commit.value == *value => match written {
                    Some(first) => commit.record_offset = first.checked_add_unsigned(index as u64),
                    None => {
                        open.remove(place);
                    }
                },
                _ => {}
            }
        }
        if open.is_empty() {
            self.open.remove(&producer_id);
        }
    }

    /// A commit of an open transaction, as the log has it.
    pub fn put_in_txn(&mut self, producer_id: i64, place: Place, committed: Committed) {
        let commit = InTxn { value: committed.value, record_offset: Some(committed.record_offset) };
        self.open.entry(producer_id).or_default().insert(place, commit);
    }

    /// The transaction's marker is written: its commits count, or are forgotten. True when some are left: those that were handed over
    /// behind the marker are of what the log has as another transaction.
    pub fn complete_txn(&mut self, producer_id: i64, commit: bool) -> bool {
        let mut later = BTreeMap::new();
        for (place, in_txn) in self.open.remove(&producer_id).unwrap_or_default() {
            match in_txn.record_offset {
                Some(record_offset) if commit => self.put(place, Committed { value: in_txn.value, record_offset }),
                Some(_) => {}
                None => {
                    later.insert(place, in_txn);
                }
            }
        }
        let is_open = !later.is_empty();
        if is_open {
            self.open.insert(producer_id, later);
        }
        is_open
    }

    /// A commit is being written.
    pub fn begin(&mut self, places: &[Place]) {
        for place in places {
            *self.pending.entry(place.clone()).or_default() += 1;
        }
    }

    /// Its end: with the offset of the first record when it was written. Record `i` is of place `i`.
    pub fn end(&mut self, written: Option<i64>, entries: &[(Place, OffsetValue)]) {
        for (index, (place, value)) in entries.iter().enumerate() {
            if let Some(count) = self.pending.get_mut(place) {
                *count -= 1;
                if *count == 0 {
                    self.pending.remove(place);
                }
            }
            if let Some(first) = written {
                let record_offset = first + i64::try_from(index).unwrap_or(i64::MAX);
                self.put(place.clone(), Committed { value: value.clone(), record_offset });
            }
        }
    }

    /// Takes over an offset unless a later record of the partition is known.
    pub fn put(&mut self, (topic, partition): Place, committed: Committed) {
        let partitions = self.committed.entry(topic).or_default();
        match partitions.get(&partition) {
            Some(known) if known.record_offset > committed.record_offset => {}
            _ => {
                partitions.insert(partition, committed);
            }
        }
    }

    /// What open transactions have committed for these partitions is forgotten.
    fn forget_in_txns(&mut self, places: &[Place]) {
        for commits in self.open.values_mut() {
            places.iter().for_each(|place| drop(commits.remove(place)));
        }
        self.open.retain(|_, commits| !commits.is_empty());
    }

    /// Forgets offsets; answers those that were known.
    pub fn remove(&mut self, places: impl IntoIterator<Item = Place>) -> Vec<Place> {
        let mut removed = Vec::new();
        for (topic, partition) in places {
            if let Some(partitions) = self.committed.get_mut(&topic)
                && partitions.remove(&partition).is_some()
            {
                if partitions.is_empty() {
                    self.committed.remove(&topic);
                }
                removed.push((topic, partition));
            }
        }
        removed
    }
}

impl Group {
    /// May this commit of a transaction be stored? Who has no member id says nothing of the group (clients before KIP-447), and in
    /// which state the group is does not matter.
    ///
    /// # Errors
    /// The code for every partition of the request.
    pub fn may_commit_in_txn(&self, who: &Claim) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let is_outside = who.generation < 0 && self.state == State::Empty;
        let says_nothing = who.generation < 0 && who.member_id.is_empty() && who.instance.is_none();
        if is_outside || says_nothing { Ok(()) } else { self.check_claim(who) }
    }

    /// May this commit be stored? A member's timer starts anew when so.
    ///
    /// # Errors
    /// The code for every partition of the request.
    pub fn may_commit(&mut self, who: &Claim, now: Now) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        if who.generation < 0 && self.state == State::Empty {
            return Ok(()); // partitions assigned by hand, or a reset by an administrator
        }
        if who.generation >= 0 || !who.member_id.is_empty() || who.instance.is_some() {
            self.check_claim(who)?;
        } else {
            return Err(ErrorCode::UnknownMemberId); // the group has members, and this is none
        }
        match self.state {
            State::CompletingRebalance => Err(ErrorCode::RebalanceInProgress),
            State::Empty => Err(ErrorCode::UnknownMemberId),
            _ => {
                self.touch(&who.member_id, now);
                Ok(())
            }
        }
    }

    /// Removes the offsets an OffsetDelete names; the code of each, and what was there to remove.
    ///
    /// # Errors
    /// The request's code: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP.
    #[allow(clippy::type_complexity)] // places with codes, and places
    pub fn delete_offsets(&mut self, places: Vec<Place>) -> Result<(Vec<(Place, ErrorCode)>, Vec<Place>), ErrorCode> {
        let is_consumer = self.protocol_type.as_deref() == Some(CONSUMER);
        match self.state {
            State::Dead => return Err(ErrorCode::GroupIdNotFound),
            State::Empty => {}
            _ if is_consumer => {}
            _ => return Err(ErrorCode::NonEmptyGroup),
        }
        let active = self.state != State::Empty;
        let is_kept = |place: &Place| active && self.subscribed.as_ref().is_some_and(|s| s.contains(&*place.0));
        let codes: Vec<(Place, ErrorCode)> = places
            .into_iter()
            .map(|place| {
                let code = if is_kept(&place) { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
                (place, code)
            })
            .collect();
        let gone = codes.iter().filter(|(_, code)| *code == ErrorCode::None).map(|(place, _)| place.clone());
        let gone: Vec<Place> = gone.collect();
        self.offsets.forget_in_txns(&gone);
        let removed = self.offsets.remove(gone);
        Ok((codes, removed))
    }

    /// Removes the offsets whose time is over (KIP-211) and answers their places.
    pub fn expire_offsets(&mut self, now_ms: i64, retention_ms: i64) -> Vec<Place> {
        let everything = BTreeSet::new();
        let (base, kept) = match (self.state, self.protocol_type.as_deref()) {
            (State::Dead, _) => return Vec::new(),
            (State::Empty, Some(_)) => ((self.state_ms >= 0).then_some(self.state_ms), &everything),
            (_, None) => (None, &everything),
            (State::Stable, Some(CONSUMER)) => match &self.subscribed {
                Some(subscribed) => (None, subscribed),
                None => return Vec::new(),
            },
            _ => return Vec::new(),
        };
        let is_over = |committed: &Committed| match committed.value.expire_ms {
            Some(expire_ms) => expire_ms <= now_ms,
            None => now_ms - base.unwrap_or(committed.value.commit_ms) >= retention_ms,
        };
        let over: Vec<Place> = self
            .offsets
            .all()
            .filter(|(topic, partition, committed)| {
                !kept.contains(&***topic) && is_over(committed) && !self.offsets.is_pending(topic, *partition)
            })
            .map(|(topic, partition, _)| (topic.clone(), partition))
            .collect();
        self.offsets.remove(over)
    }

    /// Removes offsets of partitions that are deleted; answers those that were there.
    pub fn forget_partitions(&mut self, places: &[Place]) -> Vec<Place> {
        self.offsets.forget_in_txns(places);
        self.offsets.remove(places.iter().cloned())
    }

    /// An empty group without offsets is of no use: it dies. True when it did; its record needs a tombstone if one was ever written
    /// (generation above 0).
    pub fn bury_if_useless(&mut self) -> bool {
        let useless = self.state == State::Empty && self.offsets.is_empty() && self.pending.is_empty();
        if useless {
            self.state = State::Dead;
        }
        useless
    }

    /// DeleteGroups: removes an empty group; answers the places of its offsets.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP.
    pub fn delete(&mut self) -> Result<Vec<Place>, ErrorCode> {
        match self.state {
            State::Dead => Err(ErrorCode::GroupIdNotFound),
            State::Empty => {
                self.state = State::Dead;
                let places: Vec<Place> = self.offsets.all().map(|(topic, p, _)| (topic.clone(), p)).collect();
                Ok(self.offsets.remove(places))
            }
            _ => Err(ErrorCode::NonEmptyGroup),
        }
    }
}

//! The cache of fetch sessions (KIP-227): opening, finding, evicting.
//!
//! A fetch begins with [`FetchSessions::begin`], which says what to read, and ends with [`FetchContext::answer`], which says what of
//! the result to send. The cache is split in shards so that busy fetchers do not wait for each other; inside a shard each session has
//! a lock of its own, held only while it is looked at. Kafka's classes: `FetchManager`, `FetchSessionCacheShard`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::fetch_session::{FINAL_EPOCH, FetchSession, INITIAL_EPOCH, NO_SESSION, SessionKey, Told, Wanted};
use crate::base::ErrorCode;
use crate::base::env::{Rng, Seed};

/// As many as Kafka has.
const SHARDS: usize = 8;

/// A session unused for so long gives way to any new one; a session younger than this is not displaced by a bigger one
/// (`min.incremental.fetch.session.eviction.ms`, fixed in Kafka).
const EVICTION_AGE: Duration = Duration::from_secs(120);

/// The session fields of a fetch request.
#[derive(Debug)]
pub struct SessionAsk {
    /// 0 for none.
    pub session_id: i32,
    /// [`FINAL_EPOCH`], [`INITIAL_EPOCH`], or the next of the session.
    pub epoch: i32,
    /// True when topics are named by id.
    pub uses_topic_ids: bool,
    /// True for a replica: its session outlives those of consumers.
    pub from_follower: bool,
    /// Partitions to add or change; all of them in a full request.
    pub wanted: Vec<(SessionKey, Wanted)>,
    /// Partitions to drop from the session.
    pub forgotten: Vec<SessionKey>,
}

/// What to read for one request, and how to answer it.
#[derive(Debug)]
pub struct FetchContext {
    /// The partitions to read, in this order.
    pub partitions: Vec<(SessionKey, Wanted)>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sessionless,
    Full { uses_topic_ids: bool, from_follower: bool },
    Incremental { id: i32, session: Arc<Mutex<FetchSession>> },
}

#[derive(Debug)]
struct Entry {
    session: Arc<Mutex<FetchSession>>,
    from_follower: bool,
    created: Instant,
    used: Instant,
    partitions: usize,
}

/// All sessions of one broker.
#[derive(Debug)]
pub struct FetchSessions {
    shards: Vec<Mutex<HashMap<i32, Entry, Seed>>>,
    slots_per_shard: usize,
    rng: Rng,
    seed: Seed,
}

impl FetchSessions {
    /// An empty cache of `slots` (`max.incremental.fetch.session.cache.slots`); 0 turns sessions off.
    pub fn new(slots: usize, rng: Rng) -> Self {
        let seed = rng.seed();
        let shards = (0..SHARDS).map(|_| Mutex::new(seed.map())).collect();
        Self { shards, slots_per_shard: slots.div_ceil(SHARDS), rng, seed }
    }

    /// Finds out what a request wants read.
    ///
    /// # Errors
    /// The top-level code of the answer: FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH or FETCH_SESSION_TOPIC_ID_ERROR.
    pub fn begin(&self, ask: SessionAsk, now: Instant) -> Result<FetchContext, ErrorCode> {
        match ask.epoch {
            FINAL_EPOCH => {
                self.close(ask.session_id);
                Ok(FetchContext { partitions: ask.wanted, kind: Kind::Sessionless })
            }
            INITIAL_EPOCH => {
                self.close(ask.session_id);
                let kind = Kind::Full { uses_topic_ids: ask.uses_topic_ids, from_follower: ask.from_follower };
                Ok(FetchContext { partitions: ask.wanted, kind })
            }
            _ => self.resume(ask, now),
        }
    }

    fn resume(&self, ask: SessionAsk, now: Instant) -> Result<FetchContext, ErrorCode> {
        let mut shard = self.shard(ask.session_id).lock();
        let entry = shard.get_mut(&ask.session_id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let shared = entry.session.clone();
        let mut session = shared.lock();
        if session.next_epoch != ask.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != ask.uses_topic_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        for key in &ask.forgotten {
            session.forget(key);
        }
        for (key, wanted) in ask.wanted {
            session.want(key, wanted);
        }
        session.advance();
        let partitions: Vec<_> = session.partitions().map(|(key, wanted)| (key.clone(), *wanted)).collect();
        entry.used = now;
        entry.partitions = session.len();
        if session.is_empty() {
            drop(session);
            shard.remove(&ask.session_id);
            return Ok(FetchContext { partitions, kind: Kind::Sessionless });
        }
        drop(session);
        Ok(FetchContext { partitions, kind: Kind::Incremental { id: ask.session_id, session: shared } })
    }

    /// Sessions open and partitions in them, for the metrics.
    pub fn sizes(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(sessions, partitions), shard| {
            let shard = shard.lock();
            (sessions + shard.len(), partitions + shard.values().map(|entry| entry.partitions).sum::<usize>())
        })
    }

    fn close(&self, id: i32) {
        if id != NO_SESSION {
            self.shard(id).lock().remove(&id);
        }
    }

    /// Keeps a new session when there is a slot, or one can be had by eviction.
    fn open(&self, session: FetchSession, from_follower: bool, now: Instant) -> Option<i32> {
        let id = loop {
            // Positive, never 0.
            let id = i32::try_from(self.rng.below(i32::MAX as usize)).unwrap_or(0) + 1;
            if !self.shard(id).lock().contains_key(&id) {
                break id;
            }
        };
        let partitions = session.len();
        let mut shard = self.shard(id).lock();
        if shard.len() >= self.slots_per_shard {
            let victim = victim(&shard, from_follower, partitions, now)?;
            shard.remove(&victim);
        }
        let session = Arc::new(Mutex::new(session));
        shard.insert(id, Entry { session, from_follower, created: now, used: now, partitions });
        Some(id)
    }

    fn shard(&self, id: i32) -> &Mutex<HashMap<i32, Entry, Seed>> {
        &self.shards[id.unsigned_abs() as usize % SHARDS]
    }
}

/// Whom a new session may displace: anyone stale; else the least worthy that has had its time, if the new one is worthier
/// (followers above consumers, then more partitions).
fn victim(shard: &HashMap<i32, Entry, Seed>, from_follower: bool, partitions: usize, now: Instant) -> Option<i32> {
    let stalest = shard.iter().min_by_key(|(id, entry)| (entry.used, **id))?;
    if now.saturating_duration_since(stalest.1.used) > EVICTION_AGE {
        return Some(*stalest.0);
    }
    shard
        .iter()
        .filter(|(_, entry)| now.saturating_duration_since(entry.created) > EVICTION_AGE)
        .min_by_key(|(id, entry)| (entry.from_follower, entry.partitions, **id))
        .filter(|(_, entry)| (entry.from_follower, entry.partitions) < (from_follower, partitions))
        .map(|(id, _)| *id)
}

impl FetchContext {
    /// True when every partition that was read is in the answer.
    pub fn is_full(&self) -> bool {
        !matches!(self.kind, Kind::Incremental { .. })
    }

    /// Ends the request: takes note of what is told and returns the session id of the answer, with one flag a partition (in the
    /// order of `told`) that says whether the partition belongs in it.
    pub fn answer(
        &self,
        sessions: &FetchSessions,
        told: &[(SessionKey, Wanted, Told)],
        now: Instant,
    ) -> (i32, Vec<bool>) {
        match &self.kind {
            Kind::Sessionless => (NO_SESSION, vec![true; told.len()]),
            Kind::Full { uses_topic_ids, from_follower } => {
                let all = vec![true; told.len()];
                if told.is_empty() {
                    return (NO_SESSION, all);
                }
                let mut session = FetchSession::new(*uses_topic_ids, sessions.seed.clone());
                for (key, wanted, _) in told {
                    session.want(key.clone(), *wanted);
                }
                for (key, _, told) in told {
                    session.tell(key, *told);
                }
                (sessions.open(session, *from_follower, now).unwrap_or(NO_SESSION), all)
            }
            Kind::Incremental { id, session } => {
                let mut session = session.lock();
                (*id, told.iter().map(|(key, _, told)| session.tell(key, *told)).collect())
            }
        }
    }

    /// The session id of an answer without partitions (throttled, or nothing new).
    pub fn session_id(&self) -> i32 {
        match &self.kind {
            Kind::Incremental { id, .. } => *id,
            _ => NO_SESSION,
        }
    }
}

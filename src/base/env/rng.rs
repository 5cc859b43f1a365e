//! Randomness for ids, placement and hash seeds. Not for secrets.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::base::TopicId;

/// A seeded random generator, shared by its clones.
#[derive(Clone, Debug)]
pub struct Rng(Arc<Mutex<fastrand::Rng>>);

impl Rng {
    /// Seeded by the system.
    #[allow(clippy::disallowed_methods)] // the one place
    pub fn from_entropy() -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::new())))
    }

    /// Repeats itself for the same seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// Any 64 bits.
    pub fn u64(&self) -> u64 {
        self.0.lock().u64(..)
    }

    /// A number in `0..bound`; 0 when the bound is 0.
    pub fn below(&self, bound: usize) -> usize {
        if bound == 0 { 0 } else { self.0.lock().usize(..bound) }
    }

    /// A number in `0.0..1.0`.
    pub fn fraction(&self) -> f64 {
        self.0.lock().f64()
    }

    /// A random (version 4) UUID.
    pub fn uuid(&self) -> Uuid {
        let bytes = self.0.lock().u128(..).to_be_bytes();
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// An id for a new topic: random, not reserved, no leading dash (`Uuid.randomUuid`).
    pub fn topic_id(&self) -> TopicId {
        loop {
            let id = TopicId(self.uuid());
            if !id.is_reserved() {
                return id;
            }
        }
    }

    /// A seed for the hash maps of one owner.
    pub fn seed(&self) -> Seed {
        Seed(foldhash::fast::FixedState::with_seed(self.u64()))
    }
}

/// The hasher of a map whose order must repeat in a simulated run.
#[derive(Clone, Debug)]
pub struct Seed(foldhash::fast::FixedState);

impl Seed {
    /// An empty map under this seed.
    pub fn map<K, V>(&self) -> HashMap<K, V, Seed> {
        HashMap::with_hasher(self.clone())
    }

    /// An empty set under this seed.
    pub fn set<K>(&self) -> HashSet<K, Seed> {
        HashSet::with_hasher(self.clone())
    }
}

impl BuildHasher for Seed {
    type Hasher = <foldhash::fast::FixedState as BuildHasher>::Hasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

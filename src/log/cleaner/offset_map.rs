//! The last offset of each key of the dirty section, in bounded memory. Pure.
//!
//! Kafka's `SkimpyOffsetMap`: 24 bytes a key, of which the key itself is none, only 128 bits of its hash; two keys of one hash would be
//! one key. Here the hash is XXH3 under a seed of the run instead of MD5: five million keys meet a collision once in 10^25 passes, and a client can't
//! aim at another's key without the seed. Open addressing, linear probing. The memory is what `log.cleaner.dedupe.buffer.size` allows a
//! thread, or what the offsets of the section can need if that is less; pages that no key falls on are never touched.

use twox_hash::XxHash3_128;

/// Bytes of a slot: 16 of the hash, 8 of the offset.
pub const SLOT_BYTES: usize = 24;

/// Hash (high, low) and offset + 1; all zero is empty, which the allocator gives without touching a page.
type Slot = [u64; 3];

/// A map from keys to offsets that can fill up.
#[derive(Debug)]
pub struct OffsetMap {
    slots: Vec<Slot>,
    seed: u64,
    entries: usize,
    most: usize,
    /// Slots that the configured memory would have: for the share in use.
    configured_slots: usize,
    latest: i64,
}

impl OffsetMap {
    /// A map within `memory_bytes`, filled up to `load_factor`, for a section of `offsets` offsets: as a record takes an offset, no more
    /// keys can come.
    pub fn new(memory_bytes: usize, load_factor: f64, offsets: i64, seed: u64) -> Self {
        let configured_slots = memory_bytes / SLOT_BYTES;
        let most = ((configured_slots as f64 * load_factor) as usize).min(configured_slots.saturating_sub(1));
        let offsets = usize::try_from(offsets).unwrap_or(0);
        let slots = configured_slots.min(offsets.saturating_mul(2).max(MIN_SLOTS));
        Self { slots: vec![[0; 3]; slots], seed, entries: 0, most, configured_slots, latest: -1 }
    }

    /// True when not even one key fits: a configuration that can't compact.
    pub fn is_useless(&self) -> bool {
        self.most == 0
    }

    /// The last offset of the key, or -1.
    pub fn get(&self, key: &[u8]) -> i64 {
        match self.find(key) {
            Some(at) if self.slots[at] != [0; 3] => offset_of(self.slots[at]),
            _ => -1,
        }
    }

    /// The key's last offset is this one. False, and nothing changes, when the map is full.
    pub fn put(&mut self, key: &[u8], offset: i64) -> bool {
        if self.entries >= self.most {
            return false; // as Kafka: also for a key that is there
        }
        let hash = XxHash3_128::oneshot_with_seed(self.seed, key);
        let Some(at) = self.probe(hash) else { return false };
        if self.slots[at] == [0; 3] {
            self.entries += 1;
        }
        let (high, low) = halves(hash);
        self.slots[at] = [high, low, offset.cast_unsigned().wrapping_add(1)];
        self.latest = offset;
        true
    }

    /// Everything up to here is mapped.
    pub fn mapped_up_to(&mut self, offset: i64) {
        self.latest = offset;
    }

    /// The last offset that is mapped; -1 before the first.
    pub fn latest_offset(&self) -> i64 {
        self.latest
    }

    /// Keys.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// True without keys.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes it takes at most.
    pub fn memory_bytes(&self) -> usize {
        self.slots.len() * SLOT_BYTES
    }

    /// Share of the configured slots in use, of 1.
    pub fn utilization(&self) -> f64 {
        self.entries as f64 / self.configured_slots.max(1) as f64
    }

    fn find(&self, key: &[u8]) -> Option<usize> {
        self.probe(XxHash3_128::oneshot_with_seed(self.seed, key))
    }

    /// The slot of a hash, or the empty one where it would be. None only in a map without slots: `most` leaves one empty.
    fn probe(&self, hash: u128) -> Option<usize> {
        let (high, low) = halves(hash);
        let count = self.slots.len();
        // The high half, scaled to the number of slots: no division.
        let mut at = usize::try_from((u128::from(high) * count as u128) >> 64).unwrap_or(0);
        for _ in 0..count {
            let slot = self.slots[at];
            if slot == [0; 3] || (slot[0] == high && slot[1] == low) {
                return Some(at);
            }
            at += 1;
            if at == count {
                at = 0;
            }
        }
        None
    }
}

/// A section of few records must not be slowed down by long probes.
const MIN_SLOTS: usize = 64;

fn halves(hash: u128) -> (u64, u64) {
    ((hash >> 64) as u64, hash as u64)
}

fn offset_of(slot: Slot) -> i64 {
    slot[2].wrapping_sub(1).cast_signed()
}

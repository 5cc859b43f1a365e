//! The last offset of each key of the dirty section, in bounded memory. Pure.
//!
//! Kafka's `SkimpyOffsetMap`: 24 bytes a key, of which the key itself is none, only 128 bits of its hash; two keys of one hash would be
//! one key. Here the hash is XXH3 under a seed of the run instead of MD5: five million keys meet a collision once in 10^25 passes, and a client can't
//! aim at another's key without the seed. Open addressing, linear probing. The memory is what `log.cleaner.dedupe.buffer.size` allows a
//! thread, or what the offsets of the section can need if that is less; pages that no key falls on are never touched.
//!
//! A slot is a miss of every cache. Keys are therefore asked many at a time, so that their misses overlap, and a key that comes again marks
//! the offset it had: of a record of the dirty section one bit, which lies beside its neighbours' bits, says whether a later one exists.

use std::hint::black_box;

use twox_hash::XxHash3_128;

/// Bytes of a slot: 16 of the hash, 8 of the offset.
pub const SLOT_BYTES: usize = 24;

/// Hash (high, low) and offset + 1; all zero is empty, which the allocator gives without touching a page.
type Slot = [u64; 3];

const EMPTY: Slot = [0; 3];

/// A key by its hash ([`OffsetMap::hash`]), and the offset of a record that has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyHash {
    high: u64,
    low: u64,
    /// Of the record.
    pub offset: i64,
}

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
    superseded: Marks,
}

impl OffsetMap {
    /// A map within `memory_bytes`, filled up to `load_factor`, for the section of `offsets` offsets from `first` on: as a record takes
    /// an offset, no more keys can come. The marks come to the memory, with a twelfth of it at most.
    pub fn new(memory_bytes: usize, load_factor: f64, first: i64, offsets: i64, seed: u64) -> Self {
        let configured_slots = memory_bytes / SLOT_BYTES;
        let most = ((configured_slots as f64 * load_factor) as usize).min(configured_slots.saturating_sub(1));
        let offsets = usize::try_from(offsets).unwrap_or(0);
        let slots = configured_slots.min(offsets.saturating_mul(2).max(MIN_SLOTS));
        let superseded = Marks::new(first, offsets.min(configured_slots.saturating_mul(MARKS_PER_SLOT)));
        Self { slots: vec![EMPTY; slots], seed, entries: 0, most, configured_slots, latest: -1, superseded }
    }

    /// True when not even one key fits: a configuration that can't compact.
    pub fn is_useless(&self) -> bool {
        self.most == 0
    }

    /// A record's key, to be put or to be asked for.
    #[inline]
    pub fn hash(&self, key: &[u8], offset: i64) -> KeyHash {
        let hash = XxHash3_128::oneshot_with_seed(self.seed, key);
        KeyHash { high: (hash >> 64) as u64, low: hash as u64, offset }
    }

    /// These are the last records of their keys, in the order of their offsets. False when the map is full; then it has all up to
    /// [`OffsetMap::latest_offset`].
    pub fn put_all(&mut self, keys: &[KeyHash]) -> bool {
        keys.chunks(AT_A_TIME).all(|keys| {
            self.fetch(keys);
            keys.iter().all(|key| self.put(key))
        })
    }

    fn put(&mut self, key: &KeyHash) -> bool {
        if self.entries >= self.most {
            return false; // as Kafka: also for a key that is there
        }
        let Some(at) = self.probe(key) else { return false };
        let slot = &mut self.slots[at];
        if *slot == EMPTY {
            self.entries += 1;
        } else {
            self.superseded.set(offset_of(*slot));
        }
        *slot = [key.high, key.low, key.offset.cast_unsigned().wrapping_add(1)];
        self.latest = key.offset;
        true
    }

    /// Whether a later record has the key of the one at this offset, if that can be told without the key: it was put, and its mark is
    /// within the memory for marks.
    #[inline]
    pub fn is_superseded(&self, offset: i64) -> Option<bool> {
        if offset <= self.latest { self.superseded.get(offset) } else { None }
    }

    /// Calls `see` for each key with its last offset, or -1.
    pub fn get_all(&self, keys: &[KeyHash], mut see: impl FnMut(&KeyHash, i64)) {
        for keys in keys.chunks(AT_A_TIME) {
            self.fetch(keys);
            for key in keys {
                let slot = self.probe(key).map_or(EMPTY, |at| self.slots[at]);
                see(key, if slot == EMPTY { -1 } else { offset_of(slot) });
            }
        }
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
        self.slots.len() * SLOT_BYTES + self.superseded.memory_bytes()
    }

    /// Share of the configured slots in use, of 1.
    pub fn utilization(&self) -> f64 {
        self.entries as f64 / self.configured_slots.max(1) as f64
    }

    /// Loads the slots of some keys: none waits for the one before, as it would where a slot's content decides what comes next.
    fn fetch(&self, keys: &[KeyHash]) {
        let seen = keys.iter().fold(0, |seen, key| match self.slots.get(self.home(key)) {
            Some(slot) => seen | slot[0] | slot[2], // a slot may lie on two lines
            None => seen,
        });
        black_box(seen);
    }

    /// The slot of a key, or the empty one where it would be. None only in a map without slots: `most` leaves one empty.
    fn probe(&self, key: &KeyHash) -> Option<usize> {
        let (mut at, count) = (self.home(key), self.slots.len());
        for _ in 0..count {
            let slot = self.slots[at];
            if slot == EMPTY || (slot[0] == key.high && slot[1] == key.low) {
                return Some(at);
            }
            at += 1;
            if at == count {
                at = 0;
            }
        }
        None
    }

    /// Where probing begins: the hash's high half, scaled to the number of slots without a division.
    fn home(&self, key: &KeyHash) -> usize {
        usize::try_from((u128::from(key.high) * self.slots.len() as u128) >> 64).unwrap_or(0)
    }
}

/// A section of few records must not be slowed down by long probes.
const MIN_SLOTS: usize = 64;
/// As many misses as a core has under way at a time, and some.
const AT_A_TIME: usize = 32;
/// Two bytes beside a slot's 24. A section of more offsets has no marks at its end; there the slots are asked.
const MARKS_PER_SLOT: usize = 16;

fn offset_of(slot: Slot) -> i64 {
    slot[2].wrapping_sub(1).cast_signed()
}

/// A bit for each offset from the first one on, as far as they reach.
#[derive(Debug)]
struct Marks {
    first: i64,
    words: Vec<u64>,
}

impl Marks {
    fn new(first: i64, count: usize) -> Self {
        Self { first, words: vec![0; count.div_ceil(64)] }
    }

    fn set(&mut self, offset: i64) {
        if let Some((word, bit)) = self.place(offset)
            && let Some(word) = self.words.get_mut(word)
        {
            *word |= bit;
        }
    }

    fn get(&self, offset: i64) -> Option<bool> {
        let (word, bit) = self.place(offset)?;
        self.words.get(word).map(|word| word & bit != 0)
    }

    fn place(&self, offset: i64) -> Option<(usize, u64)> {
        let at = usize::try_from(offset.checked_sub(self.first)?).ok()?;
        Some((at / 64, 1 << (at % 64)))
    }

    fn memory_bytes(&self) -> usize {
        self.words.len() * 8
    }
}

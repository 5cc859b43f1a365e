//! [`Gen`]: values for every message, for the tests that hold this codec against another one and feed it broken frames.
//!
//! Only under the feature `sim`. The values lean to edges: extremes, empty and null, and lengths around one varint byte. A generator
//! that was told of names and ids ([`Gen::knowing`]) uses them half of the time, so that requests get past a handler's first look-up.

use uuid::Uuid;

/// A seeded source of field values at one version.
#[derive(Debug)]
pub struct Gen {
    state: u64,
    version: i16,
    names: &'static [&'static str],
    ids: Vec<Uuid>,
}

impl Gen {
    /// The same seed and version give the same values.
    pub fn new(seed: u64, version: i16) -> Self {
        Self { state: seed, version, names: &[], ids: Vec::new() }
    }

    /// Names and ids that mean something to whoever gets the message; numbers lean to the smallest then.
    pub fn knowing(mut self, names: &'static [&'static str], ids: Vec<Uuid>) -> Self {
        (self.names, self.ids) = (names, ids);
        self
    }

    /// The version whose fields are generated; other fields keep their default.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// The next 64 random bits (splitmix64).
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    /// A number of any size, often an edge.
    pub fn number(&mut self) -> i64 {
        if !self.names.is_empty() && self.below(2) == 0 {
            return self.below(3) as i64;
        }
        match self.below(8) {
            0 => 0,
            1 => -1,
            2 => i64::MAX,
            3 => i64::MIN,
            4 | 5 => self.below(1000) as i64,
            _ => self.bits() as i64,
        }
    }

    /// Entries of an array: few, so that nested arrays stay small.
    pub fn count(&mut self) -> u64 {
        self.below(4)
    }

    /// Mostly short text, sometimes empty, sometimes longer than a varint of one byte can say.
    pub fn text(&mut self) -> String {
        if !self.names.is_empty() && self.below(2) == 0 {
            let at = self.below(self.names.len() as u64) as usize;
            return self.names.get(at).copied().unwrap_or_default().into();
        }
        let len = match self.below(16) {
            0 | 1 => 0,
            2 => 120 + self.below(20),
            _ => 1 + self.below(8),
        };
        (0..len)
            .map(|_| *['a', 'z', '0', '-', '_', '.', 'é', '漢'].get(self.below(8) as usize).unwrap_or(&'a'))
            .collect()
    }

    /// An id, often a known one.
    pub fn uuid(&mut self) -> Uuid {
        if !self.ids.is_empty() && self.below(2) == 0 {
            let at = self.below(self.ids.len() as u64) as usize;
            return self.ids.get(at).copied().unwrap_or_default();
        }
        Uuid::from_u64_pair(self.number() as u64, self.number() as u64)
    }
}

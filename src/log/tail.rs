//! The last few batches of a log: where they are in the active segment. Pure.
//!
//! Readers at the end (followers, consumers that keep up, the high watermark as a bound) find their position here, without the index and
//! without touching the file. Under a leaf mutex of `Log`; end offset and end position are read together.

use std::collections::VecDeque;

/// More than a follower is usually behind; 24 bytes each, and none before the first append.
const KEPT: usize = 16;

/// End of the active segment and its last batches.
#[derive(Clone, Debug)]
pub struct Tail {
    /// Base offset of the active segment.
    pub base: i64,
    /// Log end offset.
    pub leo: i64,
    /// Bytes of the active segment.
    pub end: u64,
    batches: VecDeque<TailBatch>,
}

#[derive(Clone, Copy, Debug)]
struct TailBatch {
    first: i64,
    last: i64,
    position: u64,
}

/// A batch found in the tail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where it starts.
    pub position: u64,
    /// Its bytes.
    pub size: u64,
}

impl Tail {
    /// Of an active segment of which no batch is known.
    pub fn new(base: i64, leo: i64, end: u64) -> Self {
        Self { base, leo, end, batches: VecDeque::new() }
    }

    /// A batch was appended at the end.
    pub fn push(&mut self, first: i64, last: i64, size: u64) {
        if self.batches.len() == KEPT {
            self.batches.pop_front();
        }
        self.batches.push_back(TailBatch { first, last, position: self.end });
        self.end += size;
        self.leo = last + 1;
    }

    /// The first batch with a last offset at or above `offset`, when it is certain that it is among the kept.
    pub fn find(&self, offset: i64) -> Option<Found> {
        if self.batches.front()?.first > offset {
            return None;
        }
        let i = self.batches.partition_point(|b| b.last < offset);
        let batch = self.batches.get(i)?;
        let next = self.batches.get(i + 1).map_or(self.end, |b| b.position);
        Some(Found { position: batch.position, size: next - batch.position })
    }
}

//! Journals: internal partitions as the memory of the coordinators. Read whole when leadership comes, appended to and waited for
//! while it lasts, let go when it ends.
//!
//! A [`Journal`] is the writing end of one partition this broker leads, for one term of leadership. Entries are written in the order
//! they are handed over, by one task on the data lane, so that a coordinator may hand over under its own lock and never waits for a disk
//! there; what has gathered while the log was busy goes in one turn. A second task waits for replication. The ends of what was written
//! are told in its order, a refusal at once. Beware: they are told on the data lane, with no lock held.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::append::{ACKS_ALL, NewBatch, Verified, Written};
use super::table::Replicas;
use crate::base::env::Lane;
use crate::base::{ErrorCode, TopicPartition};
use crate::log::{LogError, ReadRequest};
use crate::record::{Batch, Batches, RecordError};

/// Is told the offset of an entry's first record once it is committed, or why it is not.
pub type Done = Box<dyn FnOnce(Result<i64, ErrorCode>) + Send>;

/// Entries that go in one turn of the log at most: a turn holds up everyone else who appends there.
const MAX_TURN: usize = 128;

struct Entry {
    batch: NewBatch,
    done: Done,
}

struct Waiting {
    written: Written,
    deadline: Instant,
    done: Done,
}

/// Appends to one internal partition. Clones share it; its tasks end when the last one goes and everything handed over has ended.
#[derive(Clone, Debug)]
pub struct Journal {
    // Unbounded, and yet bounded: each entry belongs to a request that waits for it, and those the server bounds.
    entries: mpsc::UnboundedSender<Entry>,
}

/// Why a journal can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The partition is not here, or not led from here.
    #[error("{0}")]
    Gone(ErrorCode),
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The file can't be read.
    #[error("reading the log: {0}")]
    Io(#[from] std::io::Error),
    /// A batch is broken.
    #[error("broken batch behind offset {offset}: {error}")]
    Broken {
        /// Everything below it was read.
        offset: i64,
        /// What is wrong.
        error: RecordError,
    },
}

impl Journal {
    /// Opens the writing end in the leadership of this moment: what is handed over when it has ended is refused with
    /// NOT_LEADER_OR_FOLLOWER. `acks` as in a produce; an entry that is not replicated after `timeout` ends with REQUEST_TIMED_OUT.
    pub fn open(replicas: &Arc<Replicas>, id: TopicPartition, acks: i16, timeout: Duration) -> Self {
        let (entries, queue) = mpsc::unbounded_channel::<Entry>();
        let (waits, mut waiting) = mpsc::unbounded_channel::<Waiting>();
        let term = replicas.get(&id).map_or(0, |partition| partition.state().term);
        let unreplicated = Arc::new(AtomicUsize::new(0));
        let tasks = replicas.env.tasks.clone();
        let writer =
            Writer { replicas: replicas.clone(), id, acks, term, timeout, waits, unreplicated: unreplicated.clone() };
        tasks.spawn(Lane::Data, "journal writer", writer.run(queue));
        tasks.spawn(Lane::Data, "journal replication", async move {
            while let Some(Waiting { written, deadline, done }) = waiting.recv().await {
                done(written.committed(deadline).await.map(|()| written.appended.first_offset));
                unreplicated.fetch_sub(1, Ordering::Release);
            }
        });
        Self { entries }
    }

    /// Hands over one batch; `done` is told its end, never from within this call. Never waits.
    pub fn append(&self, batch: Bytes, done: Done) {
        self.append_verified(batch, None, done);
    }

    /// As [`Journal::append`], with the proof that the batch's transaction is open.
    pub fn append_verified(&self, batch: Bytes, verified: Option<Verified>, done: Done) {
        let batch = NewBatch { verified, ..batch.into() };
        let _ = self.entries.send(Entry { batch, done }); // an error: the runtime is going, nobody is told anything any more
    }
}

struct Writer {
    replicas: Arc<Replicas>,
    id: TopicPartition,
    acks: i16,
    term: u64,
    timeout: Duration,
    waits: mpsc::UnboundedSender<Waiting>,
    /// Entries that the other task has not told the end of: whoever comes after them waits behind them.
    unreplicated: Arc<AtomicUsize>,
}

impl Writer {
    async fn run(self, mut queue: mpsc::UnboundedReceiver<Entry>) {
        let mut turn = Vec::new();
        while queue.recv_many(&mut turn, MAX_TURN).await > 0 {
            let (batches, ends): (Vec<NewBatch>, Vec<Done>) = turn.drain(..).map(|e| (e.batch, e.done)).unzip();
            match self.replicas.append_all(&self.id, batches, self.acks, self.term).await {
                Ok(results) => {
                    for (result, done) in results.into_iter().zip(ends) {
                        match result {
                            Ok(written) => self.written(written, done),
                            Err(refusal) => done(Err(refusal.code)),
                        }
                    }
                }
                Err(code) => ends.into_iter().for_each(|done| done(Err(code))),
            }
        }
    }

    fn written(&self, written: Written, done: Done) {
        let first_offset = written.appended.first_offset;
        if self.acks != ACKS_ALL {
            return done(Ok(first_offset));
        }
        // Only this task adds to the count: nothing can get between entries that are waited for and this one.
        if self.unreplicated.load(Ordering::Acquire) == 0
            && let Some(result) = written.look()
        {
            return done(result.map(|()| first_offset));
        }
        self.unreplicated.fetch_add(1, Ordering::Relaxed);
        let deadline = self.replicas.env.clock.now() + self.timeout;
        // The other task ends after this one: it can't be gone.
        let _ = self.waits.send(Waiting { written, deadline, done });
    }
}

/// Reads the whole journal of a partition led from here, from the log's start to its end of this moment, and shows each batch to
/// `see`. Runs beside the lanes; the state comes back when all was seen.
///
/// # Errors
/// [`LoadError`]: what was seen is not all, and must not be used.
pub async fn load<S: Send + 'static>(
    replicas: &Arc<Replicas>,
    id: &TopicPartition,
    buffer_bytes: usize,
    mut state: S,
    mut see: impl FnMut(&mut S, &Batch<'_>) -> Result<(), RecordError> + Send + 'static,
) -> Result<S, LoadError> {
    let partition = replicas.get(id).map_err(LoadError::Gone)?;
    // Whoever appended in an earlier term is done then, and what it wrote is seen.
    drop(partition.lock().await);
    let work = move || {
        let log = partition.log();
        let (end, mut next) = (log.leo(), log.start_offset());
        while next < end {
            partition.check_leader(-1).map_err(LoadError::Gone)?;
            let ask = ReadRequest {
                offset: next,
                max_bytes: buffer_bytes,
                min_one_message: true,
                upper: end,
                aborted: false,
            };
            let Some(slice) = partition.read_blocking(ask)?.slice else { break };
            let bytes = slice.read_to_bytes()?;
            let before = next;
            for batch in Batches::new(&bytes) {
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(error) if error.is_incomplete() => break, // the buffer ends within it: next round
                    Err(error) => return Err(LoadError::Broken { offset: next, error }),
                };
                if batch.next_offset() <= next {
                    continue; // a read begins with the batch that holds the offset
                }
                let seen = batch.check_crc().and_then(|()| see(&mut state, &batch));
                seen.map_err(|error| LoadError::Broken { offset: next, error })?;
                next = batch.next_offset();
            }
            if next == before {
                break; // nothing whole is left below the end
            }
        }
        Ok(state)
    };
    replicas.env.tasks.blocking(work).await
}

//! Appending: a leader's batch (checked, stamped) and a follower's batches (as they are). One positional write an append.
//!
//! Called through [`LogWriter`], so the append mutex is held. Steps: prepare, roll if need be, producer check, write, index and state,
//! publish. What was refused left nothing; a failed write takes the directory offline. Facts: storage section 4.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::config::TimestampType as TopicTimestampType;
use crate::record::batch::{self, BATCH_HEADER, NO_TIMESTAMP};
use crate::record::{
    Batch, Batches, Codec, EndTxnMarker, Origin, RecordError, Scratch, TimestampType, ValidateOptions, Validated,
    validate,
};

use super::error::{AppendError, LogError};
use super::partition_log::{Log, LogWriter, WriterState};
use super::producers::{self, BatchFacts, Marker, Outcome, VerificationGuard};
use super::txn_index::AbortEntry;

/// What a leader appends: one batch of a produce request or of a coordinator.
#[derive(Clone, Debug)]
pub struct LeaderAppend {
    /// The records as they came: one batch (several messages in formats 0 and 1).
    pub records: Bytes,
    /// The leader's epoch, stamped on the batch.
    pub leader_epoch: i32,
    /// Who appends.
    pub origin: Origin,
    /// Proof of a verified transaction (KIP-890).
    pub verification: Option<VerificationGuard>,
    /// The sequence that a producer unknown to the log has to begin with.
    pub awaited: Option<i32>,
}

/// What an append did. All of it is in the file (page cache) and published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// First offset; -1 when nothing was appended.
    pub first_offset: i64,
    /// Last offset; one below the log end when nothing was appended.
    pub last_offset: i64,
    /// Largest timestamp.
    pub max_timestamp: i64,
    /// Time of the append with LogAppendTime, else -1.
    pub append_time: i64,
    /// Log start offset.
    pub start_offset: i64,
    /// The batch was written before; the offsets are those of then.
    pub duplicate: bool,
    /// Bytes written.
    pub bytes: usize,
    /// Offsets taken.
    pub records: u64,
}

/// A batch about to be written.
#[derive(Debug)]
struct Prepared {
    first_offset: i64,
    last_offset: i64,
    size: u64,
    max_timestamp: i64,
    magic: i8,
    leader_epoch: i32,
    producer: Option<BatchFacts>,
}

impl LogWriter {
    /// Appends as leader. Returned: in the file and visible at the log's end; fsynced only as `flush.messages` says.
    ///
    /// # Errors
    /// The batch is refused, or storage failed.
    pub async fn append_leader(&mut self, append: LeaderAppend) -> Result<Appended, AppendError> {
        let valid = self.log().validate(&append.records, append.origin)?;
        self.append_valid(append, valid).await
    }

    /// Appends as leader what [`Log::validate`] has passed.
    ///
    /// # Errors
    /// As [`LogWriter::append_leader`].
    pub async fn append_valid(&mut self, append: LeaderAppend, valid: Validated) -> Result<Appended, AppendError> {
        let appended = self.run(move |log, state| log.append_leader(state, &append, valid)).await?;
        self.flush_if_due().await?;
        Ok(appended)
    }

    /// As [`LogWriter::append_leader`] for several batches, in order, each with a result of its own: one turn at the gate for all.
    ///
    /// # Errors
    /// What was written could not be flushed.
    pub async fn append_leader_all(
        &mut self,
        appends: Vec<LeaderAppend>,
    ) -> Result<Vec<Result<Appended, AppendError>>, LogError> {
        let check = |append: LeaderAppend| {
            let valid = self.log().validate(&append.records, append.origin)?;
            Ok((append, valid))
        };
        let checked: Vec<Result<_, AppendError>> = appends.into_iter().map(check).collect();
        let appended = self
            .run(move |log, state| {
                let append = |checked: Result<(LeaderAppend, Validated), AppendError>| {
                    let (append, valid) = checked?;
                    log.append_leader(state, &append, valid)
                };
                checked.into_iter().map(append).collect()
            })
            .await;
        self.flush_if_due().await?;
        Ok(appended)
    }

    /// Appends what the leader sent, as it is. A batch cut at the end is left out, and so is everything from the first batch on whose
    /// epoch is above `leader_epoch`, the partition's.
    ///
    /// # Errors
    /// Offsets that do not follow, corrupt batches, or storage failed.
    pub async fn append_follower(&mut self, records: Bytes, leader_epoch: i32) -> Result<Appended, AppendError> {
        let appended = self.run(move |log, state| log.append_follower(state, &records, leader_epoch)).await?;
        self.flush_if_due().await?;
        Ok(appended)
    }

    /// What `flush.messages` asks for, with the append mutex held: an append is answered when it is on the device.
    async fn flush_if_due(&self) -> Result<(), LogError> {
        let log = self.log();
        if log.is_flush_due() { log.flush().await } else { Ok(()) }
    }

    /// The leader's epoch starts at the log's end. Written down in the background, before the recovery point passes it.
    ///
    /// # Errors
    /// Storage.
    pub async fn assign_epoch(&mut self, epoch: i32) -> Result<(), LogError> {
        let log = self.log();
        log.check_open()?;
        log.change_epochs(|epochs| epochs.assign(epoch, log.leo()));
        Ok(())
    }
}

impl Log {
    /// Checks all of a batch that does not depend on what is in the log, and writes it anew where the topic wants another codec or
    /// format. No lock is needed: it reads every byte, and the appends of others need not wait for that.
    ///
    /// # Errors
    /// The batch is refused.
    pub fn validate(&self, records: &[u8], origin: Origin) -> Result<Validated, AppendError> {
        let config = self.config();
        let target = config.compression_type.codec().and_then(|id| Codec::from_bits(id.cast_unsigned()).ok());
        let level = match target {
            Some(Codec::Gzip) => Some(config.compression_gzip_level),
            Some(Codec::Lz4) => Some(config.compression_lz4_level),
            Some(Codec::Zstd) => Some(config.compression_zstd_level),
            _ => None,
        };
        let timestamp_type = match config.timestamp_type {
            TopicTimestampType::CreateTime => TimestampType::CreateTime,
            TopicTimestampType::LogAppendTime => TimestampType::LogAppendTime,
        };
        let options = ValidateOptions {
            partition: &self.partition,
            origin,
            compacted: config.cleanup.compact,
            timestamp_type,
            before_max_ms: config.timestamp_before_max_ms,
            after_max_ms: config.timestamp_after_max_ms,
            now_ms: self.shared().env.clock.wall_ms(),
            target,
            level,
            max_batch_bytes: usize::try_from(config.max_message_bytes).unwrap_or(0),
        };
        validate(records, &options, &mut Scratch::new()).map_err(AppendError::Invalid)
    }

    pub(super) fn append_leader(
        self: &Arc<Self>,
        state: &mut WriterState,
        append: &LeaderAppend,
        mut valid: Validated,
    ) -> Result<Appended, AppendError> {
        self.check_open()?;
        if valid.size == 0 {
            return Ok(self.nothing());
        }
        let config = self.config();
        let is_append_time = valid.timestamp_type == TimestampType::LogAppendTime;
        if is_append_time {
            valid.max_timestamp = self.shared().env.clock.wall_ms(); // in the order of the appends, not of their validation
        }
        let batch: &[u8] = match &valid.rewritten {
            Some(rewritten) => rewritten,
            None => append.records.get(..valid.size).unwrap_or_default(),
        };
        let limit = usize::try_from(config.segment_bytes).unwrap_or(usize::MAX);
        if batch.len() > limit {
            return Err(AppendError::LargerThanSegment { size: batch.len(), limit });
        }
        let head =
            batch::stamp(batch, &valid.stamp(self.leo(), append.leader_epoch)).map_err(AppendError::Malformed)?;
        let body = batch.get(BATCH_HEADER..).unwrap_or_default();
        let prepared = prepare_stamped(&head, batch)?;

        self.maybe_roll(
            state,
            batch.len() as u64,
            prepared.first_offset,
            prepared.last_offset,
            prepared.max_timestamp,
        )?;
        if let Some(facts) = &prepared.producer {
            let origin = match append.origin {
                Origin::Client => producers::Origin::Client,
                Origin::Coordinator => producers::Origin::Coordinator,
            };
            let verify = self.shared().verify_transactions.load(Ordering::Relaxed);
            let found = state.producers.check(facts, origin, verify, append.verification, append.awaited)?;
            if let Outcome::Duplicate { first_offset, last_offset, timestamp } = found {
                let append_time = if is_append_time { timestamp } else { -1 };
                return Ok(Appended { first_offset, last_offset, append_time, duplicate: true, ..self.nothing() });
            }
        }
        let appended = Appended {
            first_offset: prepared.first_offset,
            last_offset: prepared.last_offset,
            max_timestamp: prepared.max_timestamp,
            append_time: if is_append_time { prepared.max_timestamp } else { -1 },
            start_offset: self.start_offset(),
            duplicate: false,
            bytes: batch.len(),
            records: u64::try_from(valid.count).unwrap_or(0),
        };
        self.write(state, &[IoSlice::new(&head), IoSlice::new(body)], &[prepared])?;
        Ok(appended)
    }

    pub(super) fn append_follower(
        self: &Arc<Self>,
        state: &mut WriterState,
        records: &Bytes,
        leader_epoch: i32,
    ) -> Result<Appended, AppendError> {
        self.check_open()?;
        let mut all = Vec::new();
        let mut next = self.leo();
        for batch in Batches::new(records) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) if error.is_incomplete() => break, // the leader's read was cut there
                Err(error) => return Err(AppendError::Malformed(error)),
            };
            if batch.leader_epoch() > leader_epoch {
                break; // of a leader that this replica does not follow yet
            }
            batch.check_crc().map_err(AppendError::Malformed)?;
            let (first, last) = (batch.base_offset(), batch.last_offset());
            if all.is_empty() && first < next {
                return Err(AppendError::UnexpectedOffset { first, last, leo: next });
            }
            if first < next || last < first {
                return Err(AppendError::NotInOrder { offset: first, previous: next - 1 });
            }
            next = last + 1;
            all.push(prepare(&batch)?);
        }
        let (Some(first), Some(last)) = (all.first(), all.last()) else { return Ok(self.nothing()) };
        let mut appended = Appended {
            first_offset: first.first_offset,
            last_offset: last.last_offset,
            max_timestamp: NO_TIMESTAMP,
            append_time: -1,
            start_offset: self.start_offset(),
            duplicate: false,
            bytes: 0,
            records: u64::try_from(last.last_offset - first.first_offset + 1).unwrap_or(0),
        };
        let most = u64::try_from(self.config().segment_bytes).unwrap_or(u64::MAX);
        let (mut from, mut position) = (0, 0);
        while from < all.len() {
            // What fits one segment goes as one write: the whole fetch, unless segments are smaller than fetches.
            let (mut to, mut size) = (from + 1, all[from].size);
            let mut max_timestamp = all[from].max_timestamp;
            let reach = all[from].first_offset + i64::from(i32::MAX);
            while to < all.len() && size + all[to].size <= most && all[to].last_offset <= reach {
                size += all[to].size;
                max_timestamp = max_timestamp.max(all[to].max_timestamp);
                to += 1;
            }
            let run = &all[from..to];
            self.maybe_roll(state, size, run[0].first_offset, run[run.len() - 1].last_offset, max_timestamp)?;
            let end = position + usize::try_from(size).unwrap_or(0);
            self.write(state, &[IoSlice::new(&records[position..end])], run)?;
            appended.max_timestamp = appended.max_timestamp.max(max_timestamp);
            appended.bytes += end - position;
            (from, position) = (to, end);
        }
        Ok(appended)
    }

    fn nothing(&self) -> Appended {
        Appended {
            first_offset: -1,
            last_offset: self.leo() - 1,
            max_timestamp: NO_TIMESTAMP,
            append_time: -1,
            start_offset: self.start_offset(),
            duplicate: false,
            bytes: 0,
            records: 0,
        }
    }

    /// Writes batches at the end of the active segment and takes them into index, epochs and producer state; then publishes.
    fn write(&self, state: &mut WriterState, parts: &[IoSlice<'_>], batches: &[Prepared]) -> Result<(), LogError> {
        self.name_topic_id()?; // a log with records has its topic's id
        state.untouched = false;
        let segment = self.active();
        let mut position = segment.size();
        segment.file().write_all_at(parts, position).map_err(|e| self.home.fail("appending to a segment", &e))?;
        let interval = u64::try_from(self.config().index_interval_bytes).unwrap_or(0);
        for batch in batches {
            let indexed = state.bytes_since_index > interval;
            if indexed {
                state.bytes_since_index = 0;
            }
            segment.note_batch(batch.last_offset, position, batch.max_timestamp, indexed);
            state.bytes_since_index += batch.size;
            position += batch.size;
            self.note_epoch(batch);
            if let Some(facts) = &batch.producer {
                self.apply_producer(state, facts).map_err(|e| self.home.fail("writing the transaction index", &e))?;
            }
        }
        let leo = batches.last().map_or(self.leo(), |b| b.last_offset + 1);
        state.producers.set_end(leo);
        segment.grow(position);
        {
            let mut tail = self.tail.lock();
            for batch in batches {
                tail.push(batch.first_offset, batch.last_offset, batch.size);
            }
        }
        self.leo.store(leo, Ordering::Release);
        if segment.pending_index_bytes() > MAX_PENDING_INDEX {
            self.with_place(|place| segment.write_indexes(place))
                .map_err(|e| self.home.fail("writing an index", &e))?;
        }
        Ok(())
    }

    fn note_epoch(&self, batch: &Prepared) {
        if batch.magic < 2 {
            if self.latest_epoch().is_some() {
                self.change_epochs(|epochs| epochs.clear()); // old formats carry no epochs: what is known would mislead
            }
        } else if batch.leader_epoch >= 0 && self.latest_epoch() != Some(batch.leader_epoch) {
            self.change_epochs(|epochs| epochs.assign(batch.leader_epoch, batch.first_offset));
        }
    }

    /// Takes a batch into the producer state, open transactions and the abort index.
    pub(super) fn apply_producer(&self, state: &mut WriterState, facts: &BatchFacts) -> io::Result<()> {
        let (began, ended) = state.producers.apply(facts);
        if began.is_none() && ended.is_none() {
            return Ok(());
        }
        let stable = {
            let mut txns = self.txns.lock();
            if let Some(first) = began {
                txns.begin(first, facts.producer_id);
            }
            let stable = ended.map(|e| txns.end(e.first_offset, e.last_offset, e.producer_id));
            self.first_unstable.store(txns.first_unstable().unwrap_or(i64::MAX), Ordering::Release);
            stable
        };
        if let (Some(ended), Some(last_stable_offset)) = (ended, stable)
            && ended.aborted
        {
            let entry = AbortEntry {
                producer_id: ended.producer_id,
                first_offset: ended.first_offset,
                last_offset: ended.last_offset,
                last_stable_offset,
            };
            self.with_place(|place| self.active().add_abort(place, entry))?;
        }
        Ok(())
    }
}

/// Index bytes kept back at most: a kill loses nothing by it (recovery rebuilds the newest segment's indexes), it saves a write a batch.
const MAX_PENDING_INDEX: usize = 4096;

/// The facts of a leader's batch whose header was stamped; the body is the original's.
fn prepare_stamped(head: &[u8; BATCH_HEADER], batch: &[u8]) -> Result<Prepared, AppendError> {
    let header = batch::BatchHeader::parse(head).map_err(AppendError::Malformed)?;
    let original = Batch::first(batch).map_err(AppendError::Malformed)?;
    let mut prepared = prepare(&original)?;
    let shift = header.base_offset - prepared.first_offset;
    prepared.first_offset += shift;
    prepared.last_offset += shift;
    prepared.max_timestamp = header.max_timestamp;
    prepared.leader_epoch = header.leader_epoch;
    if let Some(facts) = &mut prepared.producer {
        facts.first_offset += shift;
        facts.last_offset += shift;
        facts.timestamp = header.max_timestamp;
    }
    Ok(prepared)
}

fn prepare(batch: &Batch<'_>) -> Result<Prepared, AppendError> {
    Ok(Prepared {
        first_offset: batch.base_offset(),
        last_offset: batch.last_offset(),
        size: batch.size() as u64,
        max_timestamp: batch.max_timestamp(),
        magic: batch.magic(),
        leader_epoch: batch.leader_epoch(),
        producer: facts(batch).map_err(AppendError::Malformed)?,
    })
}

/// What producer state needs of a batch; `None` without a producer id.
///
/// # Errors
/// A control batch whose record does not parse.
pub(super) fn facts(batch: &Batch<'_>) -> Result<Option<BatchFacts>, RecordError> {
    if !batch.has_producer() {
        return Ok(None);
    }
    let mut marker = None;
    if batch.is_control() {
        let mut scratch = Scratch::new();
        if let Some(record) = batch.records(&mut scratch)?.next() {
            marker = EndTxnMarker::read(&record?)?
                .map(|m| Marker { commit: m.commit, coordinator_epoch: m.coordinator_epoch });
        }
    }
    Ok(Some(BatchFacts {
        producer_id: batch.producer_id(),
        epoch: batch.producer_epoch(),
        first_sequence: batch.base_sequence(),
        last_sequence: batch.last_sequence(),
        first_offset: batch.base_offset(),
        last_offset: batch.last_offset(),
        timestamp: batch.max_timestamp(),
        transactional: batch.is_transactional(),
        control: batch.is_control(),
        marker,
    }))
}

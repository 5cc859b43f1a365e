//! The shell around the transactional ids of this broker: which partitions of `__transaction_state` are led from here, and their ids.
//!
//! An operation finds its id, takes the id's mutex, lets the pure [`Transaction`] decide, and hands the change to the journal under the
//! mutex, so that changes are written in the order of the decisions. What the journal tells takes effect in another step, and answers
//! whoever waits. Once the end of a transaction is decided and written the client is answered; its markers follow (`markers`). Lock
//! order: a shard's map and an id are each taken alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};

use super::markers::{Lookup, Markers};
use super::record;
use super::settings::Settings;
use super::state::State;
use super::transaction::{Change, Init, Producer, Transaction};
use super::verify::Verifications;
use crate::base::env::Lane;
use crate::base::metrics::LoadTimes;
use crate::base::{Env, ErrorCode, TopicPartition, topic_names};
use crate::cluster::Cluster;
use crate::record::{BatchBuilder, RecordError};
use crate::replica::Replicas;
use crate::replica::hand_over::HandOver;
use crate::replica::journal::Journal;
use crate::replica::shards::Shards;

/// The topic of the transactions' records.
pub const TRANSACTION_TOPIC: &str = topic_names::TRANSACTION_STATE;

/// How long an AddPartitionsToTxn waits for the end of the transaction before it: markers mostly take less, and much less than the pause
/// of a client that is told CONCURRENT_TRANSACTIONS.
const END_WAIT: Duration = Duration::from_millis(50);

/// How long an InitProducerId waits for what is on its way when a topic or a broker is new: the load of its partition, the first producer
/// ids. A client that is told COORDINATOR_LOAD_IN_PROGRESS comes back half a second later.
pub const INIT_WAIT: Duration = Duration::from_secs(1);

/// All transactional ids of this broker.
pub struct Coordinator {
    pub(super) env: Env,
    pub(super) replicas: Arc<Replicas>,
    pub(super) cluster: Arc<Cluster>,
    pub(super) settings: Settings,
    /// The partitions of `__transaction_state` led from here.
    pub(super) shards: Shards<Shard>,
    pub(super) load_times: LoadTimes,
    /// Ends of transactions whose write is tried again.
    pub(super) append_retries: AtomicUsize,
    pub(super) markers: Markers,
    pub(super) verifications: Verifications,
}

/// The ids of one partition.
pub(super) struct Shard {
    /// The partition's leader epoch: markers carry it, so that an older coordinator can't undo them.
    pub(super) epoch: AtomicI32,
    pub(super) journal: Journal,
    pub(super) slots: Mutex<BTreeMap<Arc<str>, Arc<Slot>>>,
    /// Leadership has gone: what is under way here counts for nothing.
    pub(super) closed: AtomicBool,
}

/// A transactional id.
pub(super) struct Slot {
    cell: Mutex<Cell>,
    /// A transaction has ended, markers and all.
    ended: Notify,
}

/// What the mutex of an id guards.
pub(super) struct Cell {
    pub(super) txn: Transaction,
    /// To be written when the last marker is.
    pub(super) completing: Option<Change>,
}

impl Shard {
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Slot>> {
        self.slots.lock().get(id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        self.slots.lock().values().cloned().collect()
    }
}

impl Slot {
    pub(super) fn new(txn: Transaction) -> Arc<Self> {
        Arc::new(Self { cell: Mutex::new(Cell { txn, completing: None }), ended: Notify::new() })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Cell> {
        self.cell.lock()
    }

    /// Waits for the end of a transaction whose markers are on their way.
    async fn until_ended(&self, most: Duration) {
        let ended = self.ended.notified();
        tokio::pin!(ended);
        ended.as_mut().enable();
        if self.lock().txn.state.is_prepared() {
            let _ = tokio::time::timeout(most, ended).await; // the caller looks again either way
        }
    }
}

impl Coordinator {
    /// A coordinator of nothing yet. `lookup` tells where a broker is reached.
    pub fn start(
        env: Env,
        replicas: Arc<Replicas>,
        cluster: Arc<Cluster>,
        settings: Settings,
        lookup: Lookup,
    ) -> Arc<Self> {
        let coordinator = Arc::new(Self {
            markers: Markers::new(env.clone(), cluster.clone(), lookup.clone(), settings.request_timeout),
            verifications: Verifications::new(env.clone(), cluster.clone(), lookup, settings.request_timeout),
            env: env.clone(),
            shards: Shards::new(TRANSACTION_TOPIC, "transactions", replicas.clone()),
            replicas,
            cluster,
            settings,
            load_times: LoadTimes::default(),
            append_retries: AtomicUsize::new(0),
        });
        env.tasks.spawn_vital(Lane::Control, "transaction time-outs", coordinator.clone().run_time_outs());
        env.tasks.spawn_vital(Lane::Control, "transactional id expiry", coordinator.clone().run_expiry());
        coordinator
    }

    /// Partitions that can't be read here.
    pub fn hand_over(&self) -> &HandOver {
        &self.shards.hand_over
    }

    /// The partition of `__transaction_state` whose leader coordinates the id.
    pub fn partition_of(&self, id: &str) -> i32 {
        self.settings.partition_of(id)
    }

    /// InitProducerId: the producer id and epoch to write with; whoever had a lower epoch is fenced. When it returns `Ok`, that is
    /// replicated. May be dropped: it goes on.
    ///
    /// # Errors
    /// The answer's code; CONCURRENT_TRANSACTIONS while an earlier transaction ends: ask again.
    pub async fn init(
        self: &Arc<Self>,
        id: &str,
        timeout_ms: i32,
        known: Option<Producer>,
    ) -> Result<Producer, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        if !(1..=self.settings.max_timeout_ms).contains(&timeout_ms) {
            return Err(ErrorCode::InvalidTransactionTimeout);
        }
        let shard = self.shards.get_loaded(self.partition_of(id), INIT_WAIT).await?;
        let fresh = || self.cluster.producer_ids.next();
        let now_ms = self.env.clock.wall_ms();
        let slot = match shard.find(id) {
            Some(slot) => slot,
            None => {
                let next = self.cluster.producer_ids.next_within(INIT_WAIT);
                let producer_id = next.await.ok_or(ErrorCode::CoordinatorLoadInProgress)?;
                let new = || Slot::new(Transaction::new(id.into(), producer_id, timeout_ms, now_ms));
                shard.slots.lock().entry(id.into()).or_insert_with(new).clone()
            }
        };
        let (producer, done, fences) = {
            let mut cell = slot.lock();
            let (change, fences) = match cell.txn.init(timeout_ms, known, now_ms, fresh)? {
                Init::Write(change) => (change, false),
                Init::Fence(change) => (change, true),
            };
            (change.producer, self.write(&shard, &slot, &cell.txn.id, change), fences)
        };
        ended(done).await?;
        if fences {
            return Err(ErrorCode::ConcurrentTransactions); // with an epoch that nobody is given
        }
        tracing::info!(transactional_id = id, producer_id = producer.id, epoch = producer.epoch, "initialized");
        Ok(producer)
    }

    /// AddPartitionsToTxn: when it returns `Ok`, the partitions are in the transaction, and that is replicated. May be dropped.
    ///
    /// # Errors
    /// The code for every partition.
    pub async fn add_partitions(
        self: &Arc<Self>,
        id: &str,
        who: Producer,
        partitions: BTreeSet<TopicPartition>,
    ) -> Result<(), ErrorCode> {
        let add = |partitions| {
            let now_ms = self.env.clock.wall_ms();
            self.change(id, move |txn| txn.add_partitions(who, partitions, now_ms))
        };
        match add(partitions.clone()).await {
            Err(ErrorCode::ConcurrentTransactions) => {
                self.slot(id)?.1.until_ended(END_WAIT).await;
                add(partitions).await
            }
            result => result,
        }
    }

    /// EndTxn: when it returns `Ok`, the decision is replicated; the markers follow. May be dropped.
    ///
    /// # Errors
    /// The answer's code.
    pub async fn end(self: &Arc<Self>, id: &str, who: Producer, commit: bool) -> Result<(), ErrorCode> {
        let now_ms = self.env.clock.wall_ms();
        self.change(id, |txn| txn.end(who, commit, now_ms)).await
    }

    /// AddPartitionsToTxn that only asks (KIP-890): the code of each partition.
    ///
    /// # Errors
    /// The code for every partition.
    pub fn check_partitions(
        &self,
        id: &str,
        who: Producer,
        partitions: &[TopicPartition],
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        let (_, slot) = self.slot(id)?;
        let cell = slot.lock();
        Ok(partitions.iter().map(|partition| cell.txn.verify(who, partition).err().unwrap_or_default()).collect())
    }

    async fn change(
        self: &Arc<Self>,
        id: &str,
        decide: impl FnOnce(&mut Transaction) -> Result<Option<Change>, ErrorCode>,
    ) -> Result<(), ErrorCode> {
        let (shard, slot) = self.slot(id)?;
        let done = {
            let mut cell = slot.lock();
            match decide(&mut cell.txn)? {
                Some(change) => self.write(&shard, &slot, &cell.txn.id, change),
                None => return Ok(()),
            }
        };
        ended(done).await
    }

    /// The shard of an id, if it is here.
    ///
    /// # Errors
    /// INVALID_REQUEST without an id; NOT_COORDINATOR; COORDINATOR_LOAD_IN_PROGRESS; COORDINATOR_NOT_AVAILABLE when it could not be read.
    pub(super) fn shard(&self, id: &str) -> Result<Arc<Shard>, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        self.shards.get(self.partition_of(id))
    }

    fn slot(&self, id: &str) -> Result<(Arc<Shard>, Arc<Slot>), ErrorCode> {
        let shard = self.shard(id)?;
        let slot = shard.find(id).ok_or(ErrorCode::InvalidProducerIdMapping)?;
        Ok((shard, slot))
    }

    /// Hands a change to the journal; the id's mutex is held. Its end comes through the channel, after it has taken effect.
    pub(super) fn write(
        self: &Arc<Self>,
        shard: &Arc<Shard>,
        slot: &Arc<Slot>,
        id: &str,
        change: Change,
    ) -> oneshot::Receiver<Result<(), ErrorCode>> {
        let (sender, done) = oneshot::channel();
        let batch = self.batch(id, Some(&change));
        let (coordinator, then_shard, then_slot) = (self.clone(), shard.clone(), slot.clone());
        let end = move |result: Result<i64, ErrorCode>| {
            let result = coordinator.settle(&then_shard, &then_slot, &change, result);
            let _ = sender.send(result); // or the connection is gone
            if result.is_ok() && change.to.is_prepared() {
                coordinator.send_markers(&then_shard, &then_slot);
            }
        };
        match batch {
            Ok(batch) => shard.journal.append(batch, Box::new(end)),
            Err(error) => {
                tracing::error!(transactional_id = id, %error, "could not build the transaction's record");
                // Not at once: the id's mutex is held.
                let tasks = &self.env.tasks;
                tasks.spawn(Lane::Data, "failed record", async move { end(Err(ErrorCode::UnknownServerError)) });
            }
        }
        done
    }

    /// A change's write has ended: takes effect, or not.
    fn settle(
        &self,
        shard: &Shard,
        slot: &Slot,
        change: &Change,
        result: Result<i64, ErrorCode>,
    ) -> Result<(), ErrorCode> {
        let mut cell = slot.lock();
        let result = result.map(drop).map_err(append_error);
        match result {
            // Whoever leads now has read it: it is his to tell.
            Ok(()) if shard.is_closed() => return Err(ErrorCode::NotCoordinator),
            Ok(()) => cell.txn.written(change),
            Err(error) => {
                tracing::info!(transactional_id = %cell.txn.id, state = change.to.name(), %error, "not written");
                cell.txn.not_written(change);
            }
        }
        result
    }

    /// The record of an id with this change, or its tombstone, as a batch.
    pub(super) fn batch(&self, id: &str, change: Option<&Change>) -> Result<bytes::Bytes, RecordError> {
        let mut batch = BatchBuilder::new(0);
        let value = change.map(|change| change.value().to_bytes());
        batch.append(self.env.clock.wall_ms(), Some(&record::key(id)), value.as_deref(), &[]);
        batch.build()
    }

    /// The decision is written: its markers are sent, and when the last one is there the end is written.
    pub(super) fn send_markers(self: &Arc<Self>, shard: &Arc<Shard>, slot: &Arc<Slot>) {
        let (producer, commit, partitions) = {
            let mut cell = slot.lock();
            let commit = cell.txn.state == State::PrepareCommit;
            let Some(change) = cell.txn.complete(self.env.clock.wall_ms()) else { return };
            cell.completing = Some(change);
            (cell.txn.producer, commit, cell.txn.partitions.iter().cloned().collect::<Vec<_>>())
        };
        if partitions.is_empty() {
            self.complete(shard, slot);
        } else {
            self.markers.send(self, shard, slot, producer, commit, partitions);
        }
    }

    /// These partitions have their marker, or are gone.
    pub(super) fn markers_written(self: &Arc<Self>, shard: &Arc<Shard>, slot: &Arc<Slot>, written: &[TopicPartition]) {
        let is_last = {
            let mut cell = slot.lock();
            let mut is_last = false;
            for partition in written {
                is_last |= cell.txn.marker_written(partition);
            }
            is_last
        };
        if is_last {
            self.complete(shard, slot);
        }
    }

    fn complete(self: &Arc<Self>, shard: &Arc<Shard>, slot: &Arc<Slot>) {
        let change = slot.lock().completing.take();
        if let Some(change) = change {
            self.write_completion(shard.clone(), slot.clone(), change);
        }
    }

    /// Writes the end of a transaction whose markers are all there: tried until it is written, or leadership is gone.
    fn write_completion(self: &Arc<Self>, shard: Arc<Shard>, slot: Arc<Slot>, change: Change) {
        if shard.is_closed() {
            return; // who leads now sends the markers once more
        }
        let batch = self.batch(&slot.lock().txn.id, Some(&change));
        let coordinator = self.clone();
        let journal = shard.journal.clone();
        let end = move |result: Result<i64, ErrorCode>| match result.map_err(append_error) {
            Ok(_) if shard.is_closed() => {}
            Ok(_) => {
                slot.lock().txn.written(&change);
                slot.ended.notify_waiters();
            }
            Err(ErrorCode::NotCoordinator) => {}
            Err(error) => {
                tracing::info!(%error, "the end of a transaction was not written; trying again");
                let tasks = coordinator.env.tasks.clone();
                coordinator.append_retries.fetch_add(1, Ordering::Relaxed);
                tasks.spawn(Lane::Data, "transaction's end", async move {
                    tokio::time::sleep(super::markers::RETRY_PAUSE).await;
                    coordinator.append_retries.fetch_sub(1, Ordering::Relaxed);
                    coordinator.write_completion(shard, slot, change);
                });
            }
        };
        match batch {
            Ok(batch) => journal.append(batch, Box::new(end)),
            Err(error) => tracing::error!(%error, "could not build the record of a transaction's end"),
        }
    }
}

/// The end of a write; the sender goes unused only with the runtime.
pub(super) async fn ended(done: oneshot::Receiver<Result<(), ErrorCode>>) -> Result<(), ErrorCode> {
    done.await.unwrap_or(Err(ErrorCode::CoordinatorNotAvailable))
}

/// What a client is told of a record that was not written (`TransactionStateManager.appendTransactionToLog`).
pub(super) fn append_error(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => ErrorCode::UnknownServerError,
        code => code,
    }
}

//! What nobody asks for: transactions that last too long are aborted, ids that nobody uses are forgotten.

use std::sync::Arc;

use super::coordinator::{Coordinator, Shard, Slot, append_error, ended};
use super::record;
use super::state::State;
use crate::base::ErrorCode;
use crate::base::env::Lane;
use crate::record::BatchBuilder;

/// Tombstones of expired ids go in batches of about so many bytes, as Kafka's.
const TOMBSTONE_BATCH_BYTES: usize = 16 * 1024;

impl Coordinator {
    /// Aborts transactions whose time is over, every `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub(super) async fn run_time_outs(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.settings.abort_check).await;
            self.abort_timed_out();
        }
    }

    fn abort_timed_out(self: &Arc<Self>) {
        let now_ms = self.env.clock.wall_ms();
        for shard in self.shards.ready() {
            for slot in shard.all() {
                let (id, done) = {
                    let mut cell = slot.lock();
                    let Some(change) = cell.txn.time_out(now_ms) else { continue };
                    (cell.txn.id.clone(), self.write(&shard, &slot, &cell.txn.id, change))
                };
                self.env.tasks.spawn(Lane::Data, "time-out", async move {
                    match ended(done).await {
                        Ok(()) => tracing::info!(transactional_id = %id, "the transaction lasted too long and is aborted"),
                        Err(error) => {
                            tracing::warn!(transactional_id = %id, %error, "the transaction lasts too long and could not be aborted");
                        }
                    }
                });
            }
        }
    }

    /// Forgets idle ids, every `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub(super) async fn run_expiry(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.settings.expiry_check).await;
            for shard in self.shards.ready() {
                self.expire(&shard);
            }
        }
    }

    fn expire(self: &Arc<Self>, shard: &Arc<Shard>) {
        let now_ms = self.env.clock.wall_ms();
        let mut batch = BatchBuilder::new(0);
        let mut expired = Vec::new();
        for slot in shard.all() {
            let id = {
                let mut cell = slot.lock();
                if !cell.txn.expire(now_ms, self.settings.expiration_ms) {
                    continue;
                }
                cell.txn.id.clone()
            };
            batch.append(now_ms, Some(&record::key(&id)), None, &[]);
            expired.push(slot);
            if batch.uncompressed_size() >= TOMBSTONE_BATCH_BYTES {
                self.write_tombstones(
                    shard,
                    std::mem::replace(&mut batch, BatchBuilder::new(0)),
                    std::mem::take(&mut expired),
                );
            }
        }
        if !expired.is_empty() {
            self.write_tombstones(shard, batch, expired);
        }
    }

    /// The ids are forgotten when their tombstones are replicated; if they can't be written, the ids live on until the next look.
    fn write_tombstones(&self, shard: &Arc<Shard>, batch: BatchBuilder, expired: Vec<Arc<Slot>>) {
        let then = shard.clone();
        let end = move |result: Result<i64, ErrorCode>| {
            if let Err(error) = &result {
                tracing::warn!(error = %append_error(*error), "expired transactional ids could not be removed");
            }
            for slot in expired {
                let id = {
                    let mut cell = slot.lock();
                    if result.is_err() {
                        cell.txn.pending = None;
                        continue;
                    }
                    // Still pending: whoever found it before it goes from the map looks again.
                    cell.txn.state = State::Dead;
                    cell.txn.id.clone()
                };
                let mut slots = then.slots.lock();
                if slots.get(&id).is_some_and(|current| Arc::ptr_eq(current, &slot)) {
                    slots.remove(&id);
                }
                tracing::debug!(transactional_id = %id, "expired");
            }
        };
        match batch.build() {
            Ok(batch) => shard.journal.append(batch, Box::new(end)),
            Err(error) => {
                tracing::error!(%error, "could not build tombstones");
                end(Err(ErrorCode::UnknownServerError));
            }
        }
    }
}

//! A coordinator's memory from its log: the last record of each id counts (`TransactionStateManager.loadTransactionMetadata`).
//!
//! Fed with the batches of one partition of `__transaction_state`, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::record::{Key, TxnValue};
use crate::record::{Batch, RecordError, Scratch};

/// What the log says.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Values by transactional id.
    pub transactions: BTreeMap<Arc<str>, TxnValue>,
    scratch: Scratch,
}

impl Loaded {
    /// Takes in one batch.
    ///
    /// # Errors
    /// The batch is broken, or a value of a known version can't be read.
    pub fn see(&mut self, batch: &Batch<'_>) -> Result<(), RecordError> {
        if batch.is_control() {
            return Ok(());
        }
        for record in batch.records(&mut self.scratch)? {
            let record = record?;
            let Some(key) = record.key else { continue };
            let version = match (Key::read(key)?, record.value.map(TxnValue::read)) {
                // What was before it holds. (Kafka stops reading there, and coordinates with what it has.)
                (Key::Transaction(_), Some(Err(RecordError::UnknownVersion(version)))) => version,
                (Key::Transaction(id), Some(value)) => {
                    self.transactions.insert(id, value?);
                    continue;
                }
                (Key::Transaction(id), None) => {
                    self.transactions.remove(&id);
                    continue;
                }
                (Key::Unknown(version), _) => version,
            };
            tracing::warn!(version, offset = record.offset, "skipped a transaction record of an unknown version");
        }
        Ok(())
    }
}

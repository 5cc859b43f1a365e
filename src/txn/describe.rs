//! What tools see: DescribeTransactions, ListTransactions.

use std::sync::Arc;

use super::coordinator::Coordinator;
use super::state::State;
use super::transaction::{Producer, Transaction};
use crate::base::{ErrorCode, TopicPartition};

/// A transactional id in full.
#[derive(Clone, Debug)]
pub struct Described {
    /// State.
    pub state: State,
    /// Who may write.
    pub producer: Producer,
    /// How long a transaction may last.
    pub timeout_ms: i32,
    /// When the last transaction began, -1 for none.
    pub start_ms: i64,
    /// Partitions that have not got their marker.
    pub partitions: Vec<TopicPartition>,
}

/// A transactional id in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub id: Arc<str>,
    /// Producer id.
    pub producer_id: i64,
    /// State.
    pub state: State,
}

/// Which ids a list is to have; empty lists let all through.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// States.
    pub states: Vec<State>,
    /// Some state was asked for, though perhaps none that there is.
    pub by_state: bool,
    /// Producer ids.
    pub producer_ids: Vec<i64>,
    /// Their last transaction began longer ago than this many ms; negative for any.
    pub duration_ms: i64,
}

impl Filter {
    fn admits(&self, txn: &Transaction, now_ms: i64) -> bool {
        // Kafka looks at the last transaction's start whatever the state: an id that has none began before everything.
        let is_long = self.duration_ms < 0 || now_ms.saturating_sub(txn.start_ms) > self.duration_ms;
        txn.state != State::Dead
            && (self.producer_ids.is_empty() || self.producer_ids.contains(&txn.producer.id))
            && (!self.by_state || self.states.contains(&txn.state))
            && is_long
    }
}

impl Coordinator {
    /// One id.
    ///
    /// # Errors
    /// Not here, not yet, or TRANSACTIONAL_ID_NOT_FOUND.
    pub fn describe(&self, id: &str) -> Result<Described, ErrorCode> {
        let slot = self.shard(id)?.find(id).ok_or(ErrorCode::TransactionalIdNotFound)?;
        let cell = slot.lock();
        let txn = &cell.txn;
        if txn.state == State::Dead {
            return Err(ErrorCode::TransactionalIdNotFound);
        }
        Ok(Described {
            state: txn.state,
            producer: txn.producer,
            timeout_ms: txn.timeout_ms,
            start_ms: txn.start_ms,
            partitions: txn.partitions.iter().cloned().collect(),
        })
    }

    /// The ids here that the filter lets through.
    ///
    /// # Errors
    /// COORDINATOR_LOAD_IN_PROGRESS while some are being read; COORDINATOR_NOT_AVAILABLE when some can't be: a transaction that is not
    /// listed is taken for a hanging one, and aborted by hand.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Listed>, ErrorCode> {
        self.shards.all_ready()?;
        let now_ms = self.env.clock.wall_ms();
        let mut listed = Vec::new();
        for slot in self.shards.ready().iter().flat_map(|shard| shard.all()) {
            let cell = slot.lock();
            if filter.admits(&cell.txn, now_ms) {
                let txn = &cell.txn;
                listed.push(Listed { id: txn.id.clone(), producer_id: txn.producer.id, state: txn.state });
            }
        }
        Ok(listed)
    }
}

//! What the configuration says of transactions (`TransactionConfig`). Read once: none of these keys changes while the broker runs.

use std::time::Duration;

use crate::base::internal_partition;
use crate::config::BrokerConfig;

/// The settings of the coordinator.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Partitions of `__transaction_state` when the broker started; the configured number when there was none.
    pub partitions: i32,
    /// `transaction.max.timeout.ms`.
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`.
    pub expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub abort_check: Duration,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub expiry_check: Duration,
    /// `transaction.state.log.load.buffer.size`.
    pub load_buffer: usize,
    /// `request.timeout.ms`: for requests to other brokers, and for a record's replication.
    pub request_timeout: Duration,
}

impl Settings {
    /// The settings in a broker's configuration; `partitions` is the size of `__transaction_state`, none before it is made.
    pub fn of(config: &BrokerConfig, partitions: Option<usize>) -> Self {
        let found = partitions.and_then(|count| i32::try_from(count).ok());
        let ms = |value: i32| Duration::from_millis(u64::try_from(value).unwrap_or(1));
        Self {
            partitions: found.unwrap_or(config.transaction_state_log_num_partitions),
            max_timeout_ms: config.transaction_max_timeout_ms,
            expiration_ms: config.transactional_id_expiration_ms.into(),
            abort_check: ms(config.transaction_abort_timed_out_transaction_cleanup_interval_ms),
            expiry_check: ms(config.transaction_remove_expired_transaction_cleanup_interval_ms),
            load_buffer: usize::try_from(config.transaction_state_log_load_buffer_size).unwrap_or(0),
            request_timeout: ms(config.request_timeout_ms),
        }
    }

    /// The partition of `__transaction_state` that an id belongs to.
    pub fn partition_of(&self, id: &str) -> i32 {
        internal_partition(id, self.partitions)
    }
}

//! Producer state of one log: what makes produces idempotent and tells open transactions. Pure; `LogWriter` owns it.
//!
//! Per producer id: epoch, the last five batches, coordinator epoch, the open transaction's first offset. Checked before an append
//! ([`Producers::check`]), changed after it ([`Producers::apply`]); [`snapshot`] is its file. Facts: storage section 4; Kafka's
//! `ProducerStateManager`, `ProducerAppendInfo`, KIP-98, KIP-360, KIP-890 part 1.

mod error;
pub mod snapshot;
mod state;
mod txns;

pub use error::ProducerError;
pub use state::{BatchFacts, CompletedTxn, Marker, Origin, Outcome, ProducerSummary, Producers, VerificationGuard};
pub use txns::OpenTxns;

//! What the controller does about each event: one file a subject, methods on `Core`.
//!
//! Each handler that a watch woke begins with the read that sets the watch again. None of them waits for a broker.

pub(super) mod alter_partition;
pub(super) mod broker_change;
pub(super) mod controlled_shutdown;
pub(super) mod dead_process;
pub(super) mod election_request;
pub(super) mod failover;
pub(super) mod log_dir;
mod log_ends;
pub(super) mod producer_ids;
pub(super) mod reassignment;
pub(super) mod startup;
pub(super) mod topic_change;
pub(super) mod topic_deletion;

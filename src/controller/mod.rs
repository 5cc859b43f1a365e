//! The elected controller: who leads each partition, and telling every broker so.
//!
//! Pure: `context` (what it knows), `states` (allowed moves), `election`, `doubt` (whom to believe), `assignment`, `batch` (requests of one
//! change). Effects:
//! `run` (the one task that owns the context), `event` (its queue), `watches` (only enqueue), `on/` (one file an event),
//! `partition_state` and `replica_state` (the machines), `restarted` (who may lack records), `deletion`, `channel` (one sender a broker).
//! Every write to ZooKeeper checks the controller epoch; when that fails another broker leads and this one resigns.

pub mod assignment;
pub mod batch;
mod channel;
pub mod context;
mod core;
mod deletion;
pub mod doubt;
pub mod election;
mod event;
mod handle;
mod on;
mod partition_state;
mod reads;
mod replica_state;
mod restarted;
mod run;
mod settings;
pub mod states;
mod watches;

pub use handle::{
    AlterPartition, AlteredPartition, ApiError, ControllerHandle, ControllerStatus, ElectionKind, FeatureChange,
    FeatureUpdate, ProducerIdBlock, TopicRef,
};
pub use run::Controller;
pub use settings::{ControlVersions, ControllerSettings};

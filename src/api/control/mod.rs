//! What controller and brokers say to each other.
//!
//! LeaderAndIsr, UpdateMetadata and StopReplica come from the controller and go through the [`Applier`]; ControlledShutdown,
//! AlterPartition, AllocateProducerIds and UpdateFeatures go to this broker's controller, if it is the active one.

pub mod allocate_producer_ids;
pub mod alter_partition;
pub mod controlled_shutdown;
pub mod leader_and_isr;
pub mod stop_replica;
pub mod update_features;
pub mod update_metadata;

mod apply;

pub use apply::{Applier, ApplierParts};

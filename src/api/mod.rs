//! One file per Kafka API, all of the same order: decode, authorise, act, map errors, reply.
//!
//! `server/dispatch` calls a handler with the [`Api`] (what it may act on) and the [`Request`]; the handler returns an [`Outcome`].
//! Handlers know replicas, controller, admin and the metadata image; never the log, ZooKeeper or another broker's connection.
//!
//! | folder | APIs |
//! |---|---|
//! | [`data`] | Produce, Fetch, ListOffsets, OffsetForLeaderEpoch, DeleteRecords, DescribeProducers |
//! | [`metadata`] | ApiVersions, Metadata, DescribeCluster |
//! | [`control`] | LeaderAndIsr, UpdateMetadata, StopReplica, ControlledShutdown, AlterPartition, AllocateProducerIds |
//! | [`admin`] | CreateTopics, DeleteTopics, CreatePartitions, DescribeLogDirs |
//! | [`group`] | FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit, OffsetFetch, OffsetDelete, groups listed, described, deleted |
//! | [`txn`] | InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn, WriteTxnMarkers, transactions listed and described |
//! | [`configs`] | DescribeConfigs, AlterConfigs, IncrementalAlterConfigs |
//! | [`security`] | ACLs, delegation tokens, client quotas, SCRAM users, SASL out of place |

pub mod admin;
pub mod configs;
pub mod control;
pub mod data;
pub mod group;
pub mod metadata;
pub mod security;
pub mod txn;

mod context;
mod operations;
mod outcome;
mod request;
mod table;

pub use context::Api;
pub use outcome::{Outcome, Replier, Reply};
pub use request::{Malformed, Peer, Request};
pub use table::{SERVED, call, is_served};

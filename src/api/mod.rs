//! One file per Kafka API, all of the same order: decode, authorise, act, map errors, reply.
//!
//! `server/dispatch` calls a handler with the [`Api`] (what it may act on) and the [`Request`]; the handler returns an [`Outcome`].
//! Handlers know replicas, controller, admin and the metadata image; never the log, ZooKeeper or another broker's connection.
//!
//! | folder | APIs |
//! |---|---|
//! | [`data`] | Produce, Fetch, ListOffsets, OffsetForLeaderEpoch, InitProducerId, DeleteRecords, DescribeProducers |
//! | [`metadata`] | ApiVersions, Metadata, DescribeCluster |
//! | [`control`] | LeaderAndIsr, UpdateMetadata, StopReplica, ControlledShutdown, AlterPartition, AllocateProducerIds |
//! | [`admin`] | CreateTopics, DeleteTopics, CreatePartitions, DescribeLogDirs |
//! | [`configs`] | DescribeConfigs, AlterConfigs, IncrementalAlterConfigs |
//! | [`security`] | ACLs, delegation tokens, client quotas, SCRAM users |

pub mod admin;
pub mod configs;
pub mod control;
pub mod data;
pub mod metadata;
pub mod security;

mod context;
mod outcome;
mod request;

pub use context::Api;
pub use outcome::{Outcome, Replier, Reply};
pub use request::{Malformed, Peer, Request};

use crate::wire::ApiKey;

/// What is built, and so advertised and let through by the dispatch, in the order of the keys.
pub const SERVED: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::LeaderAndIsr,
    ApiKey::StopReplica,
    ApiKey::UpdateMetadata,
    ApiKey::ControlledShutdown,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeLogDirs,
    ApiKey::AlterPartition,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::AllocateProducerIds,
];

/// True for the APIs in [`SERVED`].
pub fn is_served(key: ApiKey) -> bool {
    SERVED.contains(&key)
}

/// Topics that only the broker itself writes to (`Topic.INTERNAL_TOPICS`).
pub fn is_internal(topic: &str) -> bool {
    matches!(topic, "__consumer_offsets" | "__transaction_state")
}

//! Kafka's configuration: keys, types, defaults, validators, layers; no I/O but reading one properties file.
//!
//! | file | what |
//! |---|---|
//! | [`properties`] | Java's `.properties` text |
//! | [`table`] | every key, one row each; [`not_built`] which of them refuse a start |
//! | [`value`], [`version`] | typed values, Kafka's error texts; inter-broker versions |
//! | [`values`] | layers of raw texts, parsed |
//! | [`mod@load`] | start-up: file, environment, overrides, checks, warnings |
//! | [`broker_config`], [`listeners`] | `BrokerConfig`: what a broker reads at run time |
//! | [`log_config`], [`topic`] | `LogConfig`: what one topic's logs are told; topic overrides |
//! | [`dynamic`], [`ops`] | changes while running: what may change, to what |
//! | [`describe`] | the answers of DescribeConfigs |
//! | [`entity`] | quota keys of users, clients and addresses |
//! | [`loggers`] | Kafka's loggers, their files and levels |
//! | [`unenforced`] | what ZooKeeper holds and nobody enforces yet |
//! | [`doc`] | the table, printed |

pub mod broker_config;
mod cross_check;
pub mod describe;
pub mod doc;
pub mod dynamic;
pub mod entity;
pub mod listeners;
pub mod live;
pub mod load;
pub mod log_config;
pub mod loggers;
pub mod not_built;
pub mod ops;
pub mod properties;
pub mod table;
pub mod topic;
pub mod unenforced;
pub mod value;
pub mod values;
pub mod version;

pub use broker_config::BrokerConfig;
pub use dynamic::{DynamicConfig, Effective};
pub use listeners::{Listener, SecurityProtocol};
pub use load::{LoadError, Loaded, Sources, StaticConfig, load};
pub use log_config::{CleanupPolicy, CompressionType, LogConfig, ThrottledReplicas, TimestampType};
pub use ops::AlterError;
pub use properties::Properties;
pub use value::{ConfigError, Value};
pub use values::{ConfigMap, Values};
pub use version::MetadataVersion;

/// `replica.selector.class`: consumers read from the leader, as without any.
pub const LEADER_SELECTOR: &str = "org.apache.kafka.common.replica.LeaderSelector";
/// `replica.selector.class`: consumers read from a replica of their rack (KIP-392).
pub const RACK_AWARE_SELECTOR: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

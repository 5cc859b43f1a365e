//! Kafka's configuration: keys, types, defaults, validators, layers; no I/O but reading one properties file.
//!
//! | file | what |
//! |---|---|
//! | [`log_config`] | `LogConfig`: what one topic's logs are told |

pub mod log_config;

pub use log_config::{CleanupPolicy, CompressionType, LogConfig, ThrottledReplicas, TimestampType};

//! What every layer may use: ids, error codes, names of topics, and [`env::Env`], the door to clock, randomness, tasks and network.
//!
//! Nothing here knows Kafka's state; nothing here imports another folder of the crate.

pub mod env;
pub mod error_code;
pub mod ids;
pub mod metrics;
pub mod notified;
pub mod sabotage;
pub mod timestamp;
pub mod topic_names;

pub use env::Env;
pub use error_code::ErrorCode;
pub use ids::{BrokerId, TopicId, TopicPartition, internal_partition};

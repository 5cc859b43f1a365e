//! Consumer groups of the classic protocol.
//!
//! | file | what |
//! |---|---|
//! | `coordinator`, `leadership`, `commits`, `transactions` | the shell: which groups are here, who waits for what; loading and unloading; offsets |
//! | `load` | the last word of the log on groups and offsets |
//! | `group`, `rebalance`, `join`, `membership`, `offsets`, `member` | one group, pure: events and time in, effects out |
//! | `types` | requests, replies, effects |
//! | `record` | keys and values of `__consumer_offsets` |
//! | `protocol` | topics of a consumer's subscription |
//!
//! A group lives on the broker that leads its partition of `__consumer_offsets`. Called by `api/group`, and by the control applier when
//! leadership changes. Knows replicas (through their journal) and nothing of ZooKeeper.

mod commits;
pub mod coordinator;
#[allow(clippy::module_inception)]
pub mod group;
mod join;
mod leadership;
pub mod load;
pub mod member;
mod membership;
mod numbers;
pub mod offsets;
pub mod protocol;
mod rebalance;
pub mod record;
mod settings;
mod transactions;
pub mod types;

pub use commits::{Fetched, commit_error};
pub use coordinator::{Coordinator, OFFSETS_TOPIC};
pub use group::Group;
pub use numbers::Numbers;
pub use settings::Settings;
pub use transactions::{Ending, TxnProducer};

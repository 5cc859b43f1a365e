//! What writes topics and configs to ZooKeeper: topic creation, growth, deletion marks, entity configs, quotas, SCRAM users.
//!
//! Handlers call [`Admin`]; the controller sees what was written through its watches, the brokers through `/config/changes`. The rules
//! are pure and lie beside it: [`names`], [`placement`], [`quota`], [`scram`]. Nothing here waits for the effect of a write.

mod error;
pub mod names;
pub mod placement;
pub mod quota;
pub mod scram;

pub use error::AdminError;

/// Config key to value, as in a znode.
pub type ConfigMap = std::collections::BTreeMap<String, String>;

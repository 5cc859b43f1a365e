//! What writes topics and configs to ZooKeeper: topic creation, growth, deletion marks, entity configs, quotas, SCRAM users.
//!
//! Handlers call [`Admin`]; the controller sees what was written through its watches, the brokers through `/config/changes`. The rules
//! are pure and lie beside it: [`names`], [`placement`], [`quota`], [`scram`]. Nothing here waits for the effect of a write.
//!
//! | file | what |
//! |---|---|
//! | `shell` | [`Admin`] itself: session, limits |
//! | `topics` | create, auto-create, grow, mark for deletion |
//! | `configs` | read and alter the configs of topics and brokers |
//! | `offsets` | offsets of the oldest consumers |
//! | `replicas` | what was there before this process |
//! | `users` | client quotas and SCRAM credentials |
//! | `error` | [`AdminError`] and its one mapping to Kafka's codes |

mod configs;
mod error;
pub mod names;
mod offsets;
pub mod placement;
pub mod quota;
mod replicas;
pub mod scram;
mod shell;
mod topics;
mod users;

pub use error::AdminError;
pub use shell::{Admin, Writer};
pub use topics::{Created, Growth, NewTopic};

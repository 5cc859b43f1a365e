//! The messages of the 62 APIs a ZooKeeper-mode broker of 3.9 speaks, every version, one file per area.
//!
//! The names are Kafka's; a struct nested in a message has the message's name in front of its own.

mod admin;
mod configs;
mod control;
mod data;
mod group;
mod metadata;
mod security;
mod txn;

pub use admin::*;
pub use configs::*;
pub use control::*;
pub use data::*;
pub use group::*;
pub use metadata::*;
pub use security::*;
pub use txn::*;

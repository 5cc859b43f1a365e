//! Transactions (KIP-98, KIP-360, KIP-890 part 1): who may write under a transactional id, what its transaction wrote to, how it ended.
//!
//! | file | what |
//! |---|---|
//! | `transaction`, `state` | one transactional id, pure: requests and time in, changes out |
//! | `record` | keys and values of `__transaction_state` |
//! | `load` | the last word of the log on each id |
//! | `coordinator`, `leadership`, `upkeep` | the shell: which ids are here; loading and unloading; time-outs and expiry |
//! | `markers` | the ends of transactions on their way to the leaders of their partitions |
//! | `verify` | a partition leader asks whether a transaction is open |
//! | `describe` | what tools see |
//!
//! An id lives on the broker that leads its partition of `__transaction_state`. Called by `api/txn`, by `api/data/produce` (to verify) and
//! by the control applier when leadership changes. Knows replicas, and other brokers through `client`; nothing of groups.

pub mod coordinator;
mod describe;
mod leadership;
pub mod load;
mod markers;
mod numbers;
pub mod record;
mod settings;
pub mod state;
pub mod transaction;
mod upkeep;
mod verify;

pub use coordinator::{Coordinator, INIT_WAIT, TRANSACTION_TOPIC};
pub use describe::{Described, Filter, Listed};
pub use markers::{IsDeleted, LocalMarkers, Lookup};
pub use numbers::Numbers;
pub use settings::Settings;
pub use state::State;
pub use transaction::{Change, Init, Producer, Transaction};

//! Hosted partitions: who leads, what is committed, appends, reads, and those who wait for either.
//!
//! [`Replicas`] is the table; a [`Partition`] holds its id, log, state and waiters. Operations over many partitions are functions over
//! the table (`append`, `read`, `offsets`, `delete_records`). What the controller says comes in through `lifecycle`, called by the
//! control applier alone. Nothing here knows ZooKeeper or the controller.
//!
//! A leader learns of its followers by their fetches (`follower_fetch`, pure `isr`) and proposes changes of the in-sync replicas to the
//! controller (`isr_changes`); the last one in sync makes its log durable (`alone`); a follower copies by its `fetcher`. `throttles` holds
//! back the copying of moves, `selector` sends consumers to the replica of their rack. `moves` carries replicas from one log directory of
//! this broker to another. Coordinators keep what they know of internal partitions in `shards`, read and write them as a `journal`, and
//! have them led elsewhere by `hand_over`.
//!
//! Lock order: append mutex of the log (of the current one before the one it moves to), partition state, waiters. The table's lock is taken
//! alone. Never two partitions at once.

pub mod alone;
pub mod append;
pub mod delete_records;
pub mod describe;
pub mod fetch_session;
pub mod fetch_sessions;
pub mod fetcher;
pub mod follower_fetch;
pub mod hand_over;
pub mod heard;
pub mod high_watermark;
pub mod isr;
pub mod isr_changes;
pub mod journal;
pub mod lifecycle;
pub mod moves;
pub mod offsets;
pub mod partition;
pub mod read;
pub mod selector;
pub mod shards;
pub mod state;
pub mod table;
mod throttles;
pub mod upkeep;
pub mod wait;

pub use describe::PartitionCounts;
pub use partition::Partition;
pub use table::Replicas;

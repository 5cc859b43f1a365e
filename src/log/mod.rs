//! The on-disk log of Kafka, byte for byte: segments, indexes, epochs, producer state, and the directories they lie in.
//!
//! | file | what |
//! |---|---|
//! | `partition_log` | [`Log`], the read view of one replica's log; [`LogWriter`], its append mutex |
//! | `append` `roll` | leader's and follower's appends, new segments |
//! | `read` `lookup` `tail` | offset to file slice; timestamps to offsets; the last batches |
//! | `open` `recover` `snapshots` | loading, recovery after an unclean stop, producer snapshots |
//! | `maintain` `notes` | flush, truncation, retention, close; the files beside the segments |
//! | `segment` `index` `txn_index` `walk` | one segment, its indexes, walking its batches |
//! | `cleaner/` | compaction |
//! | `producers/` `epochs` | idempotence and transactions; leader epochs (pure) |
//! | `checkpoint` `meta` `names` | codecs of the text files and names (pure) |
//! | `home` `dirs` `manager/` | directories of `log.dirs`, their health; all logs of a broker |
//! | `error` | typed errors and Kafka's codes |
//!
//! Called by `replica`; formats and rules are in Kafka's `storage` module (3.9). Blocking work goes through the directory's
//! [`crate::disk::Gate`].

mod append;
pub mod checkpoint;
pub mod cleaner;
mod dirs;
pub mod epochs;
mod error;
mod home;
pub mod index;
mod lookup;
mod maintain;
mod manager;
pub mod meta;
pub mod names;
mod notes;
mod open;
mod partition_log;
pub mod producers;
mod read;
mod recover;
mod roll;
mod segment;
mod snapshots;
mod tail;
mod txn_index;
mod walk;

pub use append::{Appended, LeaderAppend};
pub use cleaner::{CleanerConfig, CleanerStats, CleanerStatus};
pub use dirs::LogDirs;
pub use epochs::EpochEnd;
pub use error::{AppendError, LogError, StartError};
pub use home::{Home, Shared};
pub use manager::{DirStatus, LogManager, ManagerConfig, NewLog, Promotion};
pub use meta::MetaProperties;
pub use open::{CancelFlag, OpenOptions};
pub use partition_log::{Log, LogWriter, TimestampOffset};
pub use producers::{ProducerError, ProducerSummary, VerificationGuard};
pub use read::{LogRead, ReadRequest};
pub use txn_index::AbortedTxn;

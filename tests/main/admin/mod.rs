//! admin/: placement, names, quotas, credentials, and what it writes to ZooKeeper.

mod answers;
mod bench;
mod configs;
mod names;
mod placement;
mod quota;
mod scram;
mod topics;
mod users;
mod waits;

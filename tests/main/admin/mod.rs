//! admin/: placement, names, quotas, credentials, and what it writes to ZooKeeper.

mod names;
mod placement;
mod quota;
mod scram;

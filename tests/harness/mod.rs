//! What the tests stand on: processes, a ZooKeeper, brokers, clients, znode trees, raw frames.

#![allow(dead_code)] // test binaries share it, and none uses all of it

pub mod broker;
pub mod client;
pub mod coordinators;
pub mod gate;
pub mod groups;
pub mod partitions;
pub mod process;
pub mod raw;
pub mod tiny_fs;
pub mod tree;
pub mod txn_log;
pub mod zookeeper;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use broker::{Broker, Cluster, Kind, target};

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One of `scripts/`.
pub fn script(name: &str) -> PathBuf {
    repository().join("scripts").join(name)
}

/// What `scripts/test.sh` keeps between runs; the same rule as in `scripts/lib.sh`.
pub fn cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    variable("OTTLA_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|dir| dir.join("ottla")))
        .unwrap_or_else(|| variable("HOME").expect("HOME is set").join(".cache/ottla"))
}

/// Fails the test when something it needs is not on this machine.
pub fn need(what: &str, path: &Path) {
    assert!(path.exists(), "{what} is missing ({}): run scripts/test.sh, which installs it", path.display());
}

/// Looks every 50 ms until `look` gives something; fails the test when `limit` is over first.
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The last `lines` lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

//! The command line, as `scripts/torture.sh` passes it on.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Drives a cluster with real clients, breaks things from a seed, and judges what clients saw.
#[derive(Parser, Clone, Debug)]
#[command(name = "torture")]
pub struct Options {
    /// Which brokers.
    #[arg(long, value_enum, default_value_t = Target::Ottla)]
    pub target: Target,
    /// How long the faults last.
    #[arg(long, default_value_t = 10)]
    pub minutes: u64,
    /// The same in seconds.
    #[arg(long, conflicts_with = "minutes")]
    pub seconds: Option<u64>,
    /// The order of faults; without it one that nobody had.
    #[arg(long)]
    pub seed: Option<u64>,
    /// A mix, or faults and mixes with commas between them.
    #[arg(long, default_value = "everything")]
    pub faults: String,
    /// What clients do.
    #[arg(long, value_enum, default_value_t = Workload::Queue)]
    pub workload: Workload,
    /// Appends the run to RELIABILITY.md.
    #[arg(long)]
    pub record: bool,
    /// Another build of Ottla than the one for tests.
    #[arg(long)]
    pub ottla: Option<PathBuf>,
    /// Every record is synced before it is acknowledged: even when all brokers lose power nothing may be lost.
    #[arg(long)]
    pub flush: bool,
    /// Leaders go back to the preferred replica within seconds, in place of now and then.
    #[arg(long)]
    pub balance: bool,
    /// The library to be loaded below brokers, so that their disks can fail: without it they don't.
    #[arg(long)]
    pub shim: Option<PathBuf>,
    /// Each fault of disk and clock on a broker alone, to see that it notices it.
    #[arg(long, requires = "shim")]
    pub self_test: bool,
    /// Where the history and the brokers' files are while it runs, and stay when something was found.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Each fault once and for long, to see that the cluster notices it.
    #[arg(long)]
    pub each_once: bool,
    /// What links are; without it namespaces, where the system allows them.
    #[arg(long, value_enum)]
    pub network: Option<Network>,
    /// Brokers that are broken on purpose: the run succeeds when something is found.
    #[arg(long)]
    pub sabotage: Option<String>,
}

/// Which brokers.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Target {
    /// Three of Ottla.
    Ottla,
    /// Three of Apache Kafka 3.9.
    Apache,
    /// One of Apache Kafka, two of Ottla.
    Mixed,
}

/// What the links between brokers, ZooKeeper servers and clients are.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Network {
    /// Those of a network of the run's own, which iptables cuts.
    Namespaces,
    /// Proxies on the loopback device.
    Proxies,
}

/// What clients do.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Workload {
    /// Plain and idempotent producers, and readers of all partitions.
    Queue,
    /// Transactions that read one topic and write another, and readers of both isolations.
    Txn,
    /// Groups whose members come and go.
    Groups,
    /// Keys that are written again and again, and deleted, while the log is compacted.
    Compacted,
}

/// The name of a value, as the command line has it.
pub fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().into())
}

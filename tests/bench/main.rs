//! The benchmark: Ottla beside Apache Kafka and the machine's floor, on one machine, in one run.
//!
//! `scripts/bench.sh` builds it, starts a ZooKeeper and runs it; the Markdown table goes to standard output, progress to standard error.
//!
//! | file | what |
//! |---|---|
//! | `rows` | the rows of the table with their goals; medians, spreads, Markdown |
//! | `broker` | broker processes: start, kill, CPU time and memory out of `/proc` |
//! | `client` | a raw connection that costs little, and what it asks for |
//! | `load` | producing in closed and open loop, fetching |
//! | `floor` | the least that a log broker has to do, under the same load |
//! | `steady` | one broker under load |
//! | `restart` | a broker killed with data to recover, and thousands of clients that come back |
//! | `compact` | the log cleaner, and a producer beside it |
//! | `cluster` | three brokers |
//! | `coordinate` | transactions, groups, a coordinator that changes |
//! | `partitions` | three brokers with thousands of partitions |
//! | `twenty` | twenty brokers |
//! | `swap` | three brokers replaced one after the other, under load |

// The world outside the broker: clocks, sleeps and sockets of its own.
#![allow(clippy::disallowed_methods)]

mod broker;
mod client;
mod cluster;
mod compact;
mod coordinate;
mod floor;
mod load;
mod partitions;
mod restart;
mod rows;
mod steady;
mod swap;
mod twenty;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use broker::Kind;
use clap::{Parser, ValueEnum};
use rows::{Column, Table};

/// What can go wrong ends the run with its text.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A group of rows that is measured together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Work {
    /// Produce at full speed in batches of 64, 16 and 1 KB.
    Produce,
    /// Fetch from the page cache.
    Fetch,
    /// 500 batches a second, alone and beside a reader of cold data.
    Open,
    /// Time from process start to serving.
    Start,
    /// Resident memory, idle and after the load.
    Memory,
    /// Restart after a kill with 2 GB to recover.
    Restart,
    /// 5,000 clients that reconnect.
    Reconnect,
    /// Transactions, commits, members that join and leave.
    Coordinate,
    /// A coordinator with 500,000 committed offsets changes.
    Failover,
    /// The log cleaner, alone and beside a producer.
    Compact,
    /// Three brokers: replication, a new topic, failover of the controller.
    Cluster,
    /// Three brokers with thousands of partitions.
    Partitions,
    /// Twenty brokers with 20,000 partitions; Ottla alone.
    Twenty,
    /// Three brokers, each replaced by one of the same or the other kind under load.
    Swap,
}

impl Work {
    /// Measured only when asked for by name or with `--cluster`.
    fn needs_cluster(self) -> bool {
        matches!(self, Self::Cluster | Self::Partitions | Self::Twenty | Self::Failover | Self::Swap)
    }
}

/// Ottla beside Apache Kafka and the machine's floor.
#[derive(Debug, Parser)]
struct Args {
    /// Rows to measure; all that need one broker when none is named.
    #[arg(value_enum)]
    works: Vec<Work>,
    /// Rounds; each starts every broker anew.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A tenth of the load, one round: to see that everything works. The numbers are worth little.
    #[arg(long)]
    quick: bool,
    /// Also the rows of three brokers.
    #[arg(long)]
    cluster: bool,
    /// Measure only this broker.
    #[arg(long, value_enum)]
    only: Option<Kind>,
    /// Address of a running ZooKeeper.
    #[arg(long)]
    zookeeper: String,
    /// Where brokers keep their data; emptied afterwards.
    #[arg(long)]
    dir: PathBuf,
    /// The project's scripts.
    #[arg(long)]
    scripts: PathBuf,
    /// The broker's binary.
    #[arg(long)]
    ottla: PathBuf,
}

/// What every measurement needs to know.
struct Bench {
    args: Args,
    begin: Instant,
}

impl Bench {
    /// True when these rows were asked for.
    fn wants(&self, work: Work) -> bool {
        match self.args.works.as_slice() {
            works if works.contains(&work) => true,
            [] => !work.needs_cluster() || self.args.cluster,
            _ => work.needs_cluster() && self.args.cluster,
        }
    }

    /// A size or count of the full run, cut down for a quick one.
    fn scaled(&self, full: u64) -> u64 {
        if self.args.quick { full / 10 } else { full }
    }

    /// A line for who waits.
    fn progress(&self, text: &str) {
        eprintln!("[{:>4.0} s] {text}", self.begin.elapsed().as_secs_f64());
    }
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        args.rounds = 1;
    }
    let bench = Bench { args, begin: Instant::now() };
    let mut table = Table::default();
    let done = run(&bench, &mut table);
    print!("{}", table.markdown());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ottla-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All rounds: the floor, then the brokers, one alive at a time, in an order that changes from round to round.
fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    raise_file_limit();
    for round in 0..bench.args.rounds {
        bench.progress(&format!("round {} of {}: floor", round + 1, bench.args.rounds));
        floor::measure(bench, table)?;
        let mut kinds = [Kind::Ottla, Kind::Kafka];
        kinds.rotate_left(round % 2);
        for kind in kinds.into_iter().filter(|kind| bench.args.only.is_none_or(|only| only == *kind)) {
            bench.progress(&format!("round {} of {}: {kind:?}", round + 1, bench.args.rounds));
            let mut note = |row, value| {
                bench.progress(&format!("  {}", rows::line(row, value)));
                table.add(row, Column::Of(kind), value);
            };
            steady::measure(bench, kind, round, &mut note)?;
            restart::measure(bench, kind, round, &mut note)?;
            coordinate::measure(bench, kind, round, &mut note)?;
            compact::measure(bench, kind, round, &mut note)?;
            cluster::measure(bench, kind, round, &mut note)?;
            partitions::measure(bench, kind, round, &mut note)?;
            twenty::measure(bench, kind, round, &mut note)?;
            swap::measure(bench, kind, round, &mut note)?;
        }
    }
    Ok(())
}

/// Thousands of connections are thousands of descriptors.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }); // too few show as a failed connect
}

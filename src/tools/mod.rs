//! The command line: `ottla broker` and the commands behind the scripts.

pub mod dump_log;
mod logging;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::broker::run::{self, BrokerArgs};

/// The classic, ZooKeeper-coordinated Kafka in one native binary.
#[derive(Debug, Parser)]
#[command(name = "ottla", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a broker.
    Broker(BrokerArgs),
    /// Prints what log segments, indexes and producer snapshots hold.
    DumpLog(dump_log::DumpLogArgs),
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Broker(args) => {
            logging::to_stdout();
            run::run(&args)
        }
        Command::DumpLog(args) => args.run(),
    }
}

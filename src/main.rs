//! The `ottla` binary: the command line. Everything else is in the library.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ottla::broker::logging;
use ottla::broker::run::{self, BrokerArgs};
use ottla::tools::Tool;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    #[command(flatten)]
    Tool(Tool),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Broker(args) => match logging::start() {
            Ok(logging) => run::run(&args, &logging),
            Err(error) => {
                eprintln!("ottla: {error}");
                ExitCode::FAILURE
            }
        },
        Command::Tool(tool) => tool.run(),
    }
}

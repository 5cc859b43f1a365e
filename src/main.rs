//! The `ottla` binary: the command line. Everything else is in the library.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ottla::broker::logging;
use ottla::broker::run::{self, BrokerArgs};
use ottla::tools::Tool;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The allocator asks for huge pages, and a broker that needs 3 MB then holds 13: 2 MB for each place it has touched. On produce and fetch
/// they gain nothing that can be measured.
extern "C" fn keep_pages_small() {
    let _ = rustix::thread::disable_transparent_huge_pages(true); // a kernel that can't has none, or serves as well with them
}

/// Called before `main` and before the allocator's own beginning, which takes its first pages.
// SAFETY: the loader calls each function of this section once, on the only thread there is. This one makes one system call and
// needs nothing that is set up later.
#[used]
#[unsafe(link_section = ".init_array.00001")]
static BEFORE_THE_ALLOCATOR: extern "C" fn() = keep_pages_small;

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

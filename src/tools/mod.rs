//! The commands behind the scripts: each an `ottla` subcommand with Kafka's flags and output.

pub mod dump_log;

use std::process::ExitCode;

use clap::Subcommand;

/// A command line tool.
#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Prints what log segments, indexes and producer snapshots hold.
    DumpLog(dump_log::DumpLogArgs),
}

impl Tool {
    /// Runs the tool; its output and exit code are those of Kafka's script.
    pub fn run(&self) -> ExitCode {
        match self {
            Tool::DumpLog(args) => args.run(),
        }
    }
}

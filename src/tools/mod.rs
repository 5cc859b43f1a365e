//! The command line: `ottla broker` and the commands behind the scripts.
//!
//! `dump-log` and `broker` are read by clap; the commands that stand for one of Kafka's tools read their own arguments, as Kafka's tools
//! do, so that flags, help and errors are Kafka's. Each gets a [`Console`] and gives an exit code.

pub mod admin_client;
pub mod argparse;
pub mod broker_api_versions;
pub mod cluster;
pub mod configs;
pub mod console;
pub mod delete_records;
pub mod dump_log;
pub mod features;
pub mod get_offsets;
pub mod java;
pub mod log_dirs;
mod logging;
pub mod options;
pub mod topic_filter;
pub mod topics;
pub mod usage;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::broker::run::{self, BrokerArgs};
use console::Console;

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
    /// Creates, lists, describes, grows and deletes topics (kafka-topics.sh).
    #[command(disable_help_flag = true)]
    Topics(Words),
    /// Shows and changes configs of topics, brokers, loggers, users, clients and addresses (kafka-configs.sh).
    #[command(disable_help_flag = true)]
    Configs(Words),
    /// Prints offsets of partitions by time (kafka-get-offsets.sh).
    #[command(disable_help_flag = true)]
    GetOffsets(Words),
    /// Deletes the records before given offsets (kafka-delete-records.sh).
    #[command(disable_help_flag = true)]
    DeleteRecords(Words),
    /// Prints what lies in the log directories of brokers (kafka-log-dirs.sh).
    #[command(disable_help_flag = true)]
    LogDirs(Words),
    /// Prints the APIs and versions each broker speaks (kafka-broker-api-versions.sh).
    #[command(disable_help_flag = true)]
    BrokerApiVersions(Words),
    /// Prints the cluster's id (kafka-cluster.sh).
    #[command(disable_help_flag = true)]
    Cluster(Words),
    /// Shows feature flags (kafka-features.sh).
    #[command(disable_help_flag = true)]
    Features(Words),
}

/// The arguments of a command that reads them itself.
#[derive(Debug, Args)]
struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let (tool, args): (fn(&[String], &Console) -> u8, Words) = match Cli::parse().command {
        Command::Broker(args) => {
            logging::to_stdout();
            return run::run(&args);
        }
        Command::DumpLog(args) => return args.run(),
        Command::Topics(args) => (topics::run, args),
        Command::Configs(args) => (configs::run, args),
        Command::GetOffsets(args) => (get_offsets::run, args),
        Command::DeleteRecords(args) => (delete_records::run, args),
        Command::LogDirs(args) => (log_dirs::run, args),
        Command::BrokerApiVersions(args) => (broker_api_versions::run, args),
        Command::Cluster(args) => (cluster::run, args),
        Command::Features(args) => (features::run, args),
    };
    ExitCode::from(tool(&args.words, &Console::process()))
}

//! The commands behind the scripts: each an `ottla` subcommand with Kafka's flags and output.
//!
//! | file | what |
//! |---|---|
//! | [`topics`], [`configs`], [`get_offsets`], [`delete_records`], [`log_dirs`], [`broker_api_versions`], [`cluster`], [`features`] | a tool each |
//! | [`dump_log`] | reads files, no cluster |
//! | [`admin_client`] | how the tools reach a cluster |
//! | [`options`], [`usage`]; [`argparse`] | arguments and help, as the two parsers of Kafka's tools do it |
//! | [`console`], [`java`], [`topic_filter`] | output, errors by their Java names, patterns of topics |
//!
//! A tool is given arguments and a [`Console`] and gives an exit code. Tools read their own arguments: flags, help and errors are Kafka's,
//! not clap's.

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
pub mod options;
pub mod topic_filter;
pub mod topics;
pub mod usage;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use console::Console;

use crate::config::doc;

/// A command line tool.
#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Prints what log segments, indexes and producer snapshots hold (kafka-dump-log.sh).
    #[command(disable_help_flag = true)]
    DumpLog(Words),
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
    /// Prints every configuration key: type, default, what may be set and when, and what it does here.
    Config {
        /// As Markdown tables.
        #[arg(long)]
        markdown: bool,
    },
    /// Shows feature flags (kafka-features.sh).
    #[command(disable_help_flag = true)]
    Features(Words),
}

/// The arguments of a tool that reads them itself.
#[derive(Debug, Args)]
pub struct Words {
    /// All of them, options too.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Tool {
    /// Runs the tool; its output and exit code are those of Kafka's script.
    pub fn run(&self) -> ExitCode {
        let (run, args): (fn(&[String], &Console) -> u8, _) = match self {
            Tool::DumpLog(args) => (dump_log::run, args),
            Tool::Topics(args) => (topics::run, args),
            Tool::Configs(args) => (configs::run, args),
            Tool::GetOffsets(args) => (get_offsets::run, args),
            Tool::DeleteRecords(args) => (delete_records::run, args),
            Tool::LogDirs(args) => (log_dirs::run, args),
            Tool::BrokerApiVersions(args) => (broker_api_versions::run, args),
            Tool::Cluster(args) => (cluster::run, args),
            Tool::Features(args) => (features::run, args),
            Tool::Config { markdown } => {
                Console::process().print(if *markdown { doc::markdown() } else { doc::text() });
                return ExitCode::SUCCESS;
            }
        };
        ExitCode::from(run(&args.words, &Console::process()))
    }
}

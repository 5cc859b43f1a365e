//! The commands behind the scripts: each an `ottla` subcommand with Kafka's flags and output.
//!
//! | file | what |
//! |---|---|
//! | [`topics`], [`configs`], [`get_offsets`], [`delete_records`], [`log_dirs`], [`broker_api_versions`], [`cluster`], [`features`], [`consumer_groups`], [`leader_election`], [`reassign_partitions`], [`transactions`] | a tool each |
//! | [`console_producer`], [`console_consumer`] | records in and out |
//! | [`producer_perf`], [`consumer_perf`], [`e2e_latency`]; [`verifiable_producer`], [`verifiable_consumer`] | measuring, checking |
//! | [`replica_verification`] | compares replicas |
//! | [`dump_log`] | reads files, no cluster |
//! | [`preflight`] | what stands in the way of taking a broker's place; Ottla's own |
//! | [`admin_client`] | how the tools that administer reach a cluster: our own client |
//! | [`kafka_client`], [`progress`] | how those that produce and consume do: librdkafka; a long run's progress |
//! | [`options`], [`usage`]; [`argparse`] | arguments and help, as the two parsers of Kafka's tools do it |
//! | [`console`], [`java`], [`json`], [`topic_filter`] | output, errors by their Java names, files of JSON, patterns of topics |
//!
//! A tool is given arguments and a [`Console`] and gives an exit code. Tools read their own arguments: flags, help and errors are Kafka's,
//! not clap's.

pub mod admin_client;
pub mod argparse;
pub mod broker_api_versions;
pub mod cluster;
pub mod configs;
pub mod console;
pub mod console_consumer;
pub mod console_producer;
pub mod consumer_groups;
pub mod consumer_perf;
pub mod delete_records;
pub mod dump_log;
pub mod e2e_latency;
pub mod features;
pub mod get_offsets;
pub mod java;
pub mod json;
pub mod kafka_client;
pub mod leader_election;
pub mod log_dirs;
pub mod options;
pub mod preflight;
pub mod producer_perf;
pub mod progress;
pub mod reassign_partitions;
pub mod replica_verification;
pub mod topic_filter;
pub mod topics;
pub mod transactions;
pub mod usage;
pub mod verifiable_consumer;
pub mod verifiable_producer;

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
    /// Elects preferred or unclean leaders (kafka-leader-election.sh).
    #[command(disable_help_flag = true)]
    LeaderElection(Words),
    /// Moves partitions between brokers, and replicas between log directories (kafka-reassign-partitions.sh).
    #[command(disable_help_flag = true)]
    ReassignPartitions(Words),
    /// Compares the replicas of topics (kafka-replica-verification.sh).
    #[command(disable_help_flag = true)]
    ReplicaVerification(Words),
    /// Lists, describes, finds and aborts transactions (kafka-transactions.sh).
    #[command(disable_help_flag = true)]
    Transactions(Words),
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
    /// Says what stands in the way of taking a running broker's place.
    Preflight(preflight::PreflightArgs),
    /// Shows feature flags (kafka-features.sh).
    #[command(disable_help_flag = true)]
    Features(Words),
    /// Sends each line of standard input as a record (kafka-console-producer.sh).
    #[command(disable_help_flag = true)]
    ConsoleProducer(Words),
    /// Prints records (kafka-console-consumer.sh).
    #[command(disable_help_flag = true)]
    ConsoleConsumer(Words),
    /// Lists, describes, resets and deletes consumer groups (kafka-consumer-groups.sh).
    #[command(disable_help_flag = true)]
    ConsumerGroups(Words),
    /// Measures how fast records go to a topic (kafka-producer-perf-test.sh).
    #[command(disable_help_flag = true)]
    ProducerPerfTest(Words),
    /// Measures how fast a topic is read (kafka-consumer-perf-test.sh).
    #[command(disable_help_flag = true)]
    ConsumerPerfTest(Words),
    /// Measures the way of a record from a producer to a consumer (kafka-e2e-latency.sh).
    #[command(disable_help_flag = true)]
    E2eLatency(Words),
    /// Sends numbers and tells of each as JSON (kafka-verifiable-producer.sh).
    #[command(disable_help_flag = true)]
    VerifiableProducer(Words),
    /// Reads as a group's member and tells of it as JSON (kafka-verifiable-consumer.sh).
    #[command(disable_help_flag = true)]
    VerifiableConsumer(Words),
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
            Tool::LeaderElection(args) => (leader_election::run, args),
            Tool::ReassignPartitions(args) => (reassign_partitions::run, args),
            Tool::ReplicaVerification(args) => (replica_verification::run, args),
            Tool::Transactions(args) => (transactions::run, args),
            Tool::LogDirs(args) => (log_dirs::run, args),
            Tool::BrokerApiVersions(args) => (broker_api_versions::run, args),
            Tool::Cluster(args) => (cluster::run, args),
            Tool::Features(args) => (features::run, args),
            Tool::ConsoleProducer(args) => (console_producer::run, args),
            Tool::ConsoleConsumer(args) => (console_consumer::run, args),
            Tool::ConsumerGroups(args) => (consumer_groups::run, args),
            Tool::ProducerPerfTest(args) => (producer_perf::run, args),
            Tool::ConsumerPerfTest(args) => (consumer_perf::run, args),
            Tool::E2eLatency(args) => (e2e_latency::run, args),
            Tool::VerifiableProducer(args) => (verifiable_producer::run, args),
            Tool::VerifiableConsumer(args) => (verifiable_consumer::run, args),
            Tool::Preflight(args) => return preflight::run(args, &Console::process()),
            Tool::Config { markdown } => {
                Console::process().print(if *markdown { doc::markdown() } else { doc::text() });
                return ExitCode::SUCCESS;
            }
        };
        ExitCode::from(run(&args.words, &Console::process()))
    }
}

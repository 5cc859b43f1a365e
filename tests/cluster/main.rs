//! Tests with real servers and real clients: a ZooKeeper, a broker process, kcat, Python clients, Kafka's own Java tools.
//!
//! They hold Ottla; with `OTTLA_TEST_TARGET=apache` in the environment the same tests hold Apache Kafka 3.9, which shows that what
//! they ask for is what Kafka does. What they need is installed by `scripts/test.sh`: a test whose client or server is missing fails
//! and says so. Each test has a broker, ports, directories and a chroot of its own; one ZooKeeper serves them all.

// Tests are the world outside the broker: they have clocks, sleeps between two looks, and sockets of their own.
#![allow(clippy::disallowed_methods)]

#[path = "../harness/mod.rs"]
mod harness;

mod admin_calls;
mod apis;
mod bad_input;
mod broken_journals;
mod clients;
mod cluster_tools;
mod compaction;
mod configs;
mod console;
mod container;
mod dead_process;
mod durability;
mod elections;
mod ensemble;
mod fencing;
mod frames;
mod group_input;
mod group_records;
mod groups;
mod handover;
mod in_flight;
mod log_dirs;
mod lost_disk;
mod metamorphosis;
mod misfortunes;
mod old_clients;
mod preflight;
mod record_tools;
mod recorded_cluster;
mod recorded_logs;
mod recorded_tools;
mod replication;
mod rolling;
mod scripts;
mod start_up;
mod streams;
mod tools;
mod transactions;
mod txn_steps;
mod users_session;
mod znodes;
mod zookeeper_loss;

//! Ottla: the classic, ZooKeeper-coordinated Kafka in one native binary.
//!
//! The folders are layers; an import points downward only (`ARCHITECTURE.md` has the table, `tests/tidy` holds the code against it):
//!
//! | layer | folders |
//! |---|---|
//! | 9 | [`broker`] wiring, start and stop order; [`tools`] the command line |
//! | 7 | [`server`] listeners, connections, dispatch, sending |
//! | 6 | [`api`] one file per Kafka API |
//! | 5 | [`controller`] elections and deletion; [`group`] consumer groups; [`txn`] transactions; [`admin`] what writes topics and configs to ZooKeeper |
//! | 4 | [`replica`] hosted partitions: leaders, followers, fetchers |
//! | 3 | [`client`] connections to other brokers |
//! | 2 | [`log`] the on-disk log; [`zk`] ZooKeeper; [`cluster`] metadata image; [`quota`] rates and limits |
//! | 1 | [`record`] batches; [`wire`] messages; [`config`] properties; [`disk`] files |
//! | 0 | [`base`] ids, error codes, `Env` |

pub mod admin;
pub mod api;
pub mod base;
pub mod broker;
pub mod client;
pub mod cluster;
pub mod config;
pub mod console;
pub mod controller;
pub mod disk;
pub mod group;
pub mod log;
pub mod quota;
pub mod record;
pub mod replica;
pub mod server;
pub mod tools;
pub mod txn;
pub mod wire;
pub mod zk;

//! Tests of the controller: pure parts, and whole terms on a simulated ZooKeeper with receivers in the place of brokers.

mod batch;
mod channel;
mod chaos;
mod corrupt;
mod dead_process;
mod moves;
mod pure;
mod restarted;
mod several_brokers;
mod single_broker;
mod world;

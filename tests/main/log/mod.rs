//! The log: what Kafka wrote is read and written back the same; damage is found; state survives.

mod append;
mod golden;
mod manager;
mod support;

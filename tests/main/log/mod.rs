//! The log: what Kafka wrote is read and written back the same; damage is found; state survives.

mod append;
mod cleaner;
mod damage;
mod epochs;
mod golden;
mod idle;
mod keep;
mod manager;
mod notes;
mod producers;
pub mod support;

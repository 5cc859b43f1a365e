//! A whole broker on simulated parts: dynamic configs, ZooKeeper sessions, start and stop.

pub mod bed;

pub mod configs;
mod dynamic;
pub mod elections;
mod logging;
mod sessions;
mod start_stop;

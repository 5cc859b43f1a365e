//! A whole broker on simulated parts: dynamic configs, ZooKeeper sessions, start and stop.

pub mod bed;

mod configs;
mod elections;
mod sessions;
mod start_stop;

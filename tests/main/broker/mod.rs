//! A whole broker on simulated parts: dynamic configs, ZooKeeper sessions, start and stop, requests that
//! make no sense.

pub mod bed;

mod configs;
mod elections;
mod nonsense;
mod sessions;
mod start_stop;

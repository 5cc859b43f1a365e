//! A whole broker on simulated parts: dynamic configs, ZooKeeper sessions, start and stop, requests that
//! make no sense, damaged znodes.

pub mod bed;

pub mod configs;
mod dynamic;
pub mod elections;
mod logging;
mod nonsense;
mod rubbish;
mod sessions;
mod start_stop;
mod unenforced;

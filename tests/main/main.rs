//! Tests that need no server: one module a layer of `src/`.

mod config;
mod controller;
mod counting;
mod log;
mod record;
mod wire;
mod zk;

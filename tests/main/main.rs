//! Tests that need no server: one module a layer of `src/`.

mod config;
mod controller;
mod disk;
mod log;
mod record;
mod tools;
mod wire;
mod zk;

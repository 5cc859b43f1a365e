//! Tests that need no server: one module a layer of `src/`.

mod admin;
mod config;
mod controller;
mod counting;
mod log;
mod record;
mod tools;
mod wire;
mod zk;

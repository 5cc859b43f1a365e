//! Tests that need no server: one module a layer of `src/`.

mod admin;
mod api;
mod broker;
mod cluster;
mod config;
mod controller;
mod counting;
mod disk;
mod log;
mod record;
mod replica;
mod server;
mod tools;
mod wire;
mod zk;

//! Tests that need no server: one module a layer of `src/`.

mod admin;
mod cluster;
mod config;
mod controller;
mod counting;
mod disk;
mod log;
mod record;
mod replica;
mod tools;
mod wire;
mod zk;

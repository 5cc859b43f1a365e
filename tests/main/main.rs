//! Tests that need no server: one module a layer of `src/`.

#![allow(clippy::disallowed_methods)] // Env's rules are the broker's: a test has tasks and sockets of its own

mod admin;
mod api;
mod base;
mod broker;
mod cluster;
mod config;
mod controller;
mod counting;
mod disk;
mod group;
mod log;
mod quota;
mod record;
mod replica;
mod server;
mod tools;
mod torture;
mod txn;
mod wire;
mod zk;

//! Tests of the folder of the same name in src.

mod admin_client;
mod arguments;
mod dump_log;
mod preflight;
mod reassign;
mod records;
mod texts;
mod transactions;
mod verification;

//! The cleaner: its decisions, one pass against the slow obvious version, crashes, readers meanwhile, what Kafka left.

mod crash;
mod golden;
mod model;
mod parts;
mod passes;
mod run;

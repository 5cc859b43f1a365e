//! The command line: ottla broker and the kafka-*.sh commands.

pub mod dump_log;

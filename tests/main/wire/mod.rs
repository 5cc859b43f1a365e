//! Tests of `src/wire`: against another codec, against recorded frames of a real Kafka 3.9.2, and against hostile frames.

mod frames;
mod golden;
mod hostile;
mod messages;
mod oracle;
pub mod probe;

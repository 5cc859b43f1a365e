//! Answers of the data and metadata APIs, asked over a connection to a whole broker on simulated parts.

mod data;
mod metadata;
mod recorded;
mod refused;

//! Connections to other brokers.

//! Kafka's wire messages: declarative, bounded.

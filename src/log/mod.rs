//! The on-disk log, byte for byte Kafka's.

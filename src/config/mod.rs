//! Kafka's configuration: keys, types, defaults, validators.

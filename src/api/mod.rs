//! One file per Kafka API: decode, authorise, act, map errors, reply.

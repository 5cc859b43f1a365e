//! Tests of `src/group`: records against Kafka's own, the group as a state machine, and random clients.

mod membership;
mod offsets;
mod random;
mod record;
mod support;

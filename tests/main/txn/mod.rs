//! Transactions without servers: the state machine, its records, a whole broker that coordinates.

mod broker;
mod machine;
mod random;
mod record;

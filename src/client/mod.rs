//! Connections to other brokers.
//!
//! [`BrokerClient`] is one connection to one broker, one request in flight: the controller's senders, fetchers and tools each own
//! one. [`ControllerChannel`] is one to whoever is the controller now. [`Pulse`] says when refused connections mean that a process has
//! died. Nothing here knows what the requests mean.

mod broker_client;
mod controller_channel;
mod pulse;

pub use broker_client::{BrokerClient, ClientError, ClientOptions, Target};
pub use controller_channel::{ControllerChannel, ControllerLookup};
pub use pulse::{Beat, Pulse};

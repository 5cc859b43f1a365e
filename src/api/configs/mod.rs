//! Configs described and altered: of topics, of this broker, of all brokers.
//!
//! Any broker reads and writes the configs of topics and the defaults of all brokers in ZooKeeper; a broker's own are asked of that
//! broker. The levels of loggers can't be read or set yet, which is said honestly.

pub mod alter_configs;
pub mod describe_configs;
pub mod incremental_alter_configs;

use std::collections::BTreeSet;

use crate::admin::AdminError;
use crate::base::BrokerId;

/// Kinds of resources (`ConfigResource.Type`).
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;

/// What is said of loggers.
const NO_LOGGERS: &str = "The log levels of this broker cannot be read or changed over the protocol yet";

/// The broker of a resource name: `None` for the defaults of all brokers.
fn broker_of(name: &str, own: BrokerId, what: &str) -> Result<Option<BrokerId>, AdminError> {
    if name.is_empty() {
        return Ok(None);
    }
    match name.parse::<BrokerId>() {
        Ok(id) if id == own => Ok(Some(id)),
        Ok(_) => {
            let expected = if what == "Broker" { format!("{own} or empty string") } else { own.to_string() };
            Err(AdminError::InvalidRequest(format!("Unexpected broker id, expected {expected}, but received {name}")))
        }
        Err(_) => Err(AdminError::InvalidRequest(format!("{what} id must be an integer, but it is: {name}"))),
    }
}

/// Resources that a request names more than once: Kafka refuses all of them.
fn repeated<'a>(resources: impl Iterator<Item = (i8, &'a str)>) -> BTreeSet<(i8, &'a str)> {
    let mut seen = BTreeSet::new();
    resources.filter(|resource| !seen.insert(*resource)).collect()
}

/// The refusal of such a resource.
fn once() -> AdminError {
    AdminError::InvalidRequest("Each resource must appear at most once.".into())
}

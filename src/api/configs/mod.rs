//! Configs described and altered: of topics, of this broker, of all brokers, of this broker's loggers.
//!
//! Any broker reads and writes the configs of topics and the defaults of all brokers in ZooKeeper; a broker's own are asked of that
//! broker. The levels of loggers are a process's own and written nowhere.

pub mod alter_configs;
pub mod describe_configs;
pub mod incremental_alter_configs;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Api;
use super::admin::to_its_end;
use crate::admin::AdminError;
use crate::base::BrokerId;

/// Kinds of resources (`ConfigResource.Type`).
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;

/// A resource of an alteration.
trait Alteration: Send + Sync + 'static {
    /// Of which kind, and its name.
    fn id(&self) -> (i8, &str);

    /// Puts it into effect, or only says whether it could be.
    fn alter(&self, api: &Api, validate_only: bool) -> impl Future<Output = Result<(), AdminError>> + Send;
}

/// Works off an alteration to its end, whatever becomes of the connection. Each resource stands for itself; one that is named more than
/// once is refused each time.
async fn alter_all<R: Alteration>(
    api: &Arc<Api>,
    resources: Vec<R>,
    validate_only: bool,
) -> Vec<(R, Result<(), AdminError>)> {
    let worker = api.clone();
    let work = async move {
        let mut outcomes = Vec::with_capacity(resources.len());
        let repeated: Vec<bool> = {
            let repeated = repeated(resources.iter().map(Alteration::id));
            resources.iter().map(|resource| repeated.contains(&resource.id())).collect()
        };
        for (resource, repeated) in resources.into_iter().zip(repeated) {
            let outcome = if repeated { Err(once()) } else { resource.alter(&worker, validate_only).await };
            if let Err(error) = &outcome {
                tracing::info!(resource = resource.id().1, %error, "the config was not altered");
            }
            outcomes.push((resource, outcome));
        }
        outcomes
    };
    to_its_end(&api.env, &api.admin, "alter configs", work).await
}

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

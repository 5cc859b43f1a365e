//! A connection to whoever is the controller now (`NodeToControllerChannelManager`): for AlterPartition and AllocateProducerIds,
//! one channel each.
//!
//! The controller is looked up only when none is known: a known address is kept until it disconnects or answers that it is not
//! the controller, whatever the metadata says meanwhile.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::broker_client::{BrokerClient, ClientOptions, Target};
use crate::base::Env;
use crate::wire::Request;

/// Tells where the controller listens, by the metadata of this moment.
pub type ControllerLookup = Arc<dyn Fn() -> Option<Target> + Send + Sync>;

/// Between two tries, while no controller is known or the known one does not answer.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// A channel to the active controller.
pub struct ControllerChannel {
    env: Env,
    options: ClientOptions,
    lookup: ControllerLookup,
    client: Option<BrokerClient>,
    known: bool,
}

impl fmt::Debug for ControllerChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControllerChannel").field("client", &self.client).field("known", &self.known).finish()
    }
}

impl ControllerChannel {
    /// A channel that finds the controller by `lookup`. No I/O before the first send.
    pub fn new(env: Env, options: ClientOptions, lookup: ControllerLookup) -> Self {
        Self { env, options, lookup, client: None, known: false }
    }

    /// Forgets the controller: the next send looks it up.
    pub fn forget(&mut self) {
        self.known = false;
        if let Some(client) = &mut self.client {
            client.disconnect();
        }
    }

    /// Sends until a controller answers, without end: `moved` says of an answer that it came from a broker that is not the
    /// controller. `build` makes the request for the version in use, anew for every try. May be dropped at any time; whether the
    /// request was acted on is then unknown.
    pub async fn send_until<Q: Request>(
        &mut self,
        ours: RangeInclusive<i16>,
        build: impl Fn(i16) -> Q,
        moved: impl Fn(&Q::Response) -> bool,
    ) -> Q::Response {
        loop {
            if let Some(client) = self.find() {
                match client.send_negotiated(ours.clone(), &build).await {
                    Ok(answer) if !moved(&answer) => return answer,
                    Ok(_) => tracing::debug!(target = %client.target(), "not the controller any more"),
                    Err(error) => tracing::warn!("request to the controller: {error}"),
                }
                self.forget();
            }
            tokio::time::sleep(RETRY_BACKOFF).await;
        }
    }

    /// The client of the known controller, looking it up when none is known. Correlation ids go on over controllers of the same
    /// address only, as they count per target.
    fn find(&mut self) -> Option<&mut BrokerClient> {
        if !self.known {
            let target = (self.lookup)()?;
            if self.client.as_ref().is_none_or(|client| *client.target() != target) {
                self.client = Some(BrokerClient::new(self.env.clone(), target, self.options.clone()));
            }
            self.known = true;
        }
        self.client.as_mut()
    }
}

//! Feels the pulse of the controller's process: once its port is refused by its host, `/controller` goes, and another is elected at
//! once instead of after a session timeout.
//!
//! Every broker but the controller does so; who is first deletes the node, behind the version of `/controller_epoch` that it read while
//! the dead one was in office. Should the verdict be wrong, the one deposed sees its node go, resigns and may run again; what it still
//! writes until then is fenced by the epoch as soon as there is another.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{BrokerId, Env};
use crate::client::{Beat, BrokerClient, ClientOptions, Pulse, Target};
use crate::cluster::Cluster;
use crate::controller::ControllerHandle;
use crate::zk::session::Zk;
use crate::zk::store;
use crate::zk::store::StoreError;

/// Between two attempts to connect.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// After a connection was closed, before the next attempt: a peer that accepts and closes must not be asked without end.
const CLOSED_PAUSE: Duration = Duration::from_millis(20);

/// Longer than a living host takes to accept or refuse.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The task that watches the controller.
pub struct ControllerWatch {
    /// Clock, network.
    pub env: Env,
    /// Sessions.
    pub zk: Zk,
    /// Says who is the controller, and where.
    pub cluster: Arc<Cluster>,
    /// Hears whom this broker takes for dead.
    pub controller: ControllerHandle,
    /// On which the controller is reached.
    pub listener: String,
    /// `ottla.dead.process.detect.ms`.
    pub detect: Duration,
}

impl ControllerWatch {
    /// Runs for the life of the broker.
    pub async fn run(self) {
        loop {
            self.cluster.metadata.wait_until(|_| self.other_controller().is_some()).await;
            let Some(found) = self.other_controller() else { continue };
            let another = self.cluster.metadata.wait_until(|_| self.other_controller().as_ref() != Some(&found));
            tokio::select! {
                biased;
                () = another => {}
                () = self.feel(found.0, found.1.clone()) => {}
            }
        }
    }

    /// Never ends by itself.
    async fn feel(&self, controller: BrokerId, target: Target) {
        let mut options = ClientOptions::new(self.cluster.broker_id.to_string());
        options.connect_timeout = CONNECT_TIMEOUT;
        let mut client = BrokerClient::new(self.env.clone(), target, options);
        // One that has just been elected may not listen yet.
        let mut pulse = Pulse::new(self.detect).only_once_connected();
        loop {
            match client.connect().await {
                Ok(()) => {
                    pulse.connected();
                    client.closed().await;
                    tokio::time::sleep(CLOSED_PAUSE).await;
                }
                Err(error) => {
                    let beat = pulse.failed(error.is_refused(), self.env.clock.now());
                    if pulse.is_weak(self.env.clock.now()) {
                        // Another broker may be first to depose it, and this one be elected: it knows as much.
                        self.controller.suspect(controller);
                    }
                    if beat == Beat::Died
                        && let Err(error) = self.depose(controller, &mut client).await
                    {
                        tracing::warn!(controller, %error, "could not depose a dead controller; trying again");
                        pulse = Pulse::new(self.detect).having_lived();
                    }
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Deletes `/controller` unless another is in office already, or the controller answers after all.
    async fn depose(&self, controller: BrokerId, client: &mut BrokerClient) -> Result<(), StoreError> {
        let session = self.zk.session();
        let Some(office) = store::controller::office(&session).await? else { return Ok(()) };
        if office.broker != controller {
            return Ok(());
        }
        // Once more, now that the epoch is read: whoever holds the office in this epoch does not listen.
        if !matches!(client.connect().await, Err(error) if error.is_refused()) {
            return Ok(());
        }
        if store::controller::depose(&session, &office).await? {
            tracing::warn!(
                controller,
                "the controller's port is refused: its process is taken for dead, and it is deposed"
            );
        }
        Ok(())
    }

    /// The controller and its address, when it is another broker.
    fn other_controller(&self) -> Option<(BrokerId, Target)> {
        let image = self.cluster.metadata.load();
        let controller = image.controller.filter(|id| *id != self.cluster.broker_id)?;
        let endpoint = image.endpoint(controller, &self.listener)?;
        Some((controller, Target::new(endpoint.host.clone(), u16::try_from(endpoint.port).ok()?)))
    }
}

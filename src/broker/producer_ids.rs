//! Refills this broker's stock of producer ids by asking the controller (AllocateProducerIds, KIP-730).

use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use crate::base::ErrorCode;
use crate::client::{ClientOptions, ControllerChannel, ControllerLookup};
use crate::cluster::{Cluster, IdBlock};
use crate::wire::AllocateProducerIdsRequest;

/// After an answer that is an error, as Kafka 3.9.2.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Runs for the life of the broker.
pub async fn run(mut controller: ControllerChannel, cluster: Arc<Cluster>) {
    loop {
        cluster.producer_ids.wanted().await;
        loop {
            let build =
                |_| AllocateProducerIdsRequest { broker_id: cluster.broker_id, broker_epoch: cluster.epochs.broker() };
            let moved = |answer: &crate::wire::AllocateProducerIdsResponse| {
                answer.error_code == ErrorCode::NotController.code()
            };
            let answer = controller.send_until(0..=0, build, moved).await;
            if answer.error_code == ErrorCode::None.code() && answer.producer_id_len > 0 {
                tracing::info!(first = answer.producer_id_start, count = answer.producer_id_len, "got producer ids");
                cluster.producer_ids.fill(IdBlock { first: answer.producer_id_start, count: answer.producer_id_len });
                break;
            }
            tracing::info!(code = %ErrorCode::from_code(answer.error_code), "no producer ids yet");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

impl Broker {
    /// A connection of its own to whoever is controller; to itself at the bound address.
    pub(super) fn controller_channel(&self) -> ControllerChannel {
        ControllerChannel::new(self.env.clone(), ClientOptions::new(self.id.to_string()), self.controller_lookup())
    }

    pub(super) fn controller_lookup(&self) -> ControllerLookup {
        let cluster = self.cluster.clone();
        let find = super::start::broker_lookup(&self.cluster, &self.config, &self.own_address);
        Arc::new(move || find(cluster.metadata.load().controller?))
    }
}

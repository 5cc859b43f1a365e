//! Events AllocateProducerIds and UpdateFeatures: the two APIs that the controller serves beside its own work.

use crate::base::{BrokerId, ErrorCode};
use crate::controller::core::{Core, Outcome};
use crate::controller::handle::{ApiError, ProducerIdBlock};
use crate::zk::store;

impl Core {
    /// The next block of producer ids, for a registered broker.
    pub(in crate::controller) async fn on_allocate_producer_ids(
        &mut self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> Outcome<Result<ProducerIdBlock, ErrorCode>> {
        if !self.is_active() {
            return Ok(Err(ErrorCode::NotController));
        }
        let Some(known) = self.ctx.brokers.get(&broker) else {
            tracing::warn!(broker, "no producer ids for a broker that is not registered");
            return Ok(Err(ErrorCode::BrokerIdNotRegistered));
        };
        if known.epoch != broker_epoch {
            tracing::warn!(broker, broker_epoch, known = known.epoch, "no producer ids for another life of the broker");
            return Ok(Err(ErrorCode::StaleBrokerEpoch));
        }
        let block = store::ids::allocate_producer_ids(&self.link.session, broker).await?;
        let Ok(count) = i32::try_from(block.end - block.start + 1) else {
            return Ok(Err(ErrorCode::UnknownServerError));
        };
        Ok(Ok(ProducerIdBlock { first: block.start, count }))
    }

    /// No feature can be finalized in a ZooKeeper-mode cluster, as no broker supports one.
    pub(in crate::controller) fn on_update_features(
        &self,
        features: Vec<String>,
    ) -> Result<Vec<(String, ApiError)>, ErrorCode> {
        if !self.is_active() {
            return Err(ErrorCode::NotController);
        }
        let refuse = |feature: String| {
            let message = "Could not apply finalized feature update because the provided feature is not supported.";
            (feature, ApiError::new(ErrorCode::InvalidRequest, message))
        };
        Ok(features.into_iter().map(refuse).collect())
    }
}

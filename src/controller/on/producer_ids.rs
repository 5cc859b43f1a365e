//! Events AllocateProducerIds and UpdateFeatures: the two APIs that the controller serves beside its own work.

use std::collections::BTreeMap;

use crate::base::{BrokerId, ErrorCode};
use crate::controller::core::{Core, Outcome};
use crate::controller::handle::{ApiError, FeatureChange, FeatureUpdate, ProducerIdBlock};
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
        updates: Vec<FeatureUpdate>,
    ) -> Result<BTreeMap<String, ApiError>, ErrorCode> {
        if !self.is_active() {
            return Err(ErrorCode::NotController);
        }
        let mut judged = BTreeMap::new();
        for update in updates {
            // Of a feature that is named twice the first counts, as in Kafka.
            let message = refuse(&update);
            judged.entry(update.feature).or_insert_with(|| ApiError::new(ErrorCode::InvalidRequest, message));
        }
        Ok(judged)
    }
}

/// Why a feature can't change, in Kafka's words and its order of checks (`validateFeatureUpdate` where nothing is finalized yet).
fn refuse(update: &FeatureUpdate) -> String {
    if update.feature.is_empty() {
        return "Feature name can not be empty.".into();
    }
    match update.change {
        FeatureChange::Unknown => "Received unknown upgrade type.".into(),
        FeatureChange::SafeDowngrade | FeatureChange::UnsafeDowngrade if update.level < 1 => {
            "Can not delete non-existing finalized feature.".into()
        }
        FeatureChange::Upgrade if update.level < 1 => format!(
            "Can not provide versionLevel: {} less than 1 without setting the SAFE downgradeType in the request.",
            update.level
        ),
        _ => "Could not apply finalized feature update because the provided feature is not supported.".into(),
    }
}
